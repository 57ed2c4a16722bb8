//! DescribeGroups v0-6. v6: a group that is not there is an error (KIP-1043); before, it is `Dead`.

use indexmap::IndexSet;
use klamm_group::{Described, DescribedMember};
use klamm_protocol::{
    Blob, DescribeGroupsRequest, DescribeGroupsResponse, ErrorCode, Str,
    describe_groups::{DescribedGroup, DescribedGroupMember},
};

use super::metadata::NOT_ASKED;
use crate::{
    authorizer::{Operation, Resource},
    repeats::Repeats,
    session::{Incoming, Stop},
};

/// Read, delete, describe, and describing and altering configurations.
const GROUP_OPERATIONS: i32 = 0b1101_0100_1000;
/// The first version to which a missing group is an error.
const NOT_FOUND_SINCE: i16 = 6;

pub(crate) async fn handle<'a>(
    incoming: &Incoming,
    request: DescribeGroupsRequest<'a>,
) -> Result<DescribeGroupsResponse<'a>, Stop> {
    // Each group is asked for once, and each time that it is named it is told.
    let mut names = IndexSet::new();
    let numbers: Vec<_> = request.groups.iter().map(|name| names.insert_full(name.to_string()).0).collect();
    let described = incoming.broker.groups.describe(names.into_iter().collect()).await;
    let mut repeats = Repeats::of(incoming);
    let operations = if request.include_authorized_operations { GROUP_OPERATIONS } else { NOT_ASKED };
    let mut groups = Vec::with_capacity(request.groups.len());
    for (number, group_id) in numbers.into_iter().zip(request.groups) {
        let refused = |group_id, error_code| DescribedGroup {
            error_code,
            group_id,
            authorized_operations: NOT_ASKED,
            ..Default::default()
        };
        groups.push(if !incoming.may(Operation::Describe, Resource::Group(&group_id)) {
            refused(group_id, ErrorCode::GROUP_AUTHORIZATION_FAILED)
        } else {
            match &described {
                Err(error_code) => refused(group_id, *error_code),
                Ok(described) => match &described[number] {
                    Some(group) => {
                        repeats.tell(number, bytes(group))?;
                        describe(incoming.version, group_id, group, operations)
                    }
                    None => missing(incoming.version, group_id, operations),
                },
            }
        });
    }
    Ok(DescribeGroupsResponse { groups, ..Default::default() })
}

/// About what a group takes in an answer.
fn bytes(group: &Described) -> usize {
    let member = |member: &DescribedMember| {
        let texts = member.id.as_str().len() + member.client_id.len() + member.client_host.len();
        size_of::<DescribedGroupMember<'_>>() + texts + member.metadata.len() + member.assignment.len()
    };
    size_of::<DescribedGroup<'_>>() + group.members.iter().map(member).sum::<usize>()
}

fn missing<'a>(version: i16, group_id: Str<'a>, authorized_operations: i32) -> DescribedGroup<'a> {
    let told = version >= NOT_FOUND_SINCE;
    let why = told.then(|| format!("Group {group_id} not found.").into());
    DescribedGroup {
        error_code: if told { ErrorCode::GROUP_ID_NOT_FOUND } else { ErrorCode::NONE },
        error_message: why,
        group_id,
        group_state: "Dead".into(),
        authorized_operations: if told { NOT_ASKED } else { authorized_operations },
        ..Default::default()
    }
}

fn describe<'a>(
    version: i16,
    group_id: Str<'a>,
    group: &Described,
    authorized_operations: i32,
) -> DescribedGroup<'a> {
    let text = |text: &str| -> Str<'a> { text.to_owned().into() };
    let member = |member: &DescribedMember| DescribedGroupMember {
        member_id: text(member.id.as_str()),
        group_instance_id: member
            .instance
            .as_ref()
            .filter(|_| version >= 4)
            .map(|instance| text(instance.as_str())),
        client_id: text(&member.client_id),
        client_host: text(&member.client_host),
        member_metadata: Blob::Owned(member.metadata.to_vec()),
        member_assignment: Blob::Owned(member.assignment.to_vec()),
    };
    DescribedGroup {
        error_code: ErrorCode::NONE,
        error_message: None,
        group_id,
        group_state: text(group.state.name()),
        protocol_type: text(&group.protocol_type),
        protocol_data: text(&group.protocol),
        members: group.members.iter().map(member).collect(),
        authorized_operations,
    }
}
