//! DescribeClientQuotas v0-1 (KIP-546). There are no quotas yet, so none is found.

use klamm_protocol::{DescribeClientQuotasRequest, DescribeClientQuotasResponse};

use crate::session::{Incoming, Stop};

pub(crate) async fn handle<'a>(
    _: &Incoming,
    _: DescribeClientQuotasRequest<'a>,
) -> Result<DescribeClientQuotasResponse<'a>, Stop> {
    Ok(DescribeClientQuotasResponse { entries: Some(Vec::new()), ..Default::default() })
}
