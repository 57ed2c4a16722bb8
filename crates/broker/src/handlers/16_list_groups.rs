//! ListGroups v0-5. v4: by state (KIP-518). v5: by type (KIP-848).

use klamm_group::{GroupState, GroupType};
use klamm_protocol::{ListGroupsRequest, ListGroupsResponse, Str, list_groups::ListedGroup};

use crate::{
    authorizer::{Operation, Resource},
    session::{Incoming, Stop},
};

pub(crate) async fn handle<'a>(
    incoming: &Incoming,
    request: ListGroupsRequest<'a>,
) -> Result<ListGroupsResponse<'a>, Stop> {
    /// No filter is none at all; a filter of unknown names lets nothing pass.
    fn filter<T>(names: &[Str<'_>], parse: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
        (!names.is_empty()).then(|| names.iter().filter_map(|name| parse(name)).collect())
    }
    let states = filter(&request.states_filter, GroupState::parse);
    let types = filter(&request.types_filter, GroupType::parse);
    let listed = match incoming.broker.groups.list(states, types).await {
        Ok(listed) => listed,
        Err(error_code) => return Ok(ListGroupsResponse { error_code, ..Default::default() }),
    };
    let group = |group: klamm_group::Listed| ListedGroup {
        group_id: group.group.as_str().to_owned().into(),
        protocol_type: group.protocol_type.to_string().into(),
        group_state: group.state.name().into(),
        group_type: group.group_type.name().into(),
    };
    // Who may see the cluster sees all of them; others see those that they may see one by one.
    let all = incoming.may(Operation::Describe, Resource::Cluster);
    let may = |group: &klamm_group::Listed| {
        all || incoming.may(Operation::Describe, Resource::Group(group.group.as_str()))
    };
    Ok(ListGroupsResponse {
        groups: listed.into_iter().filter(may).map(group).collect(),
        ..Default::default()
    })
}
