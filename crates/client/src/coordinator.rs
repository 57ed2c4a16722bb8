//! Finds the broker that coordinates a group, and asks it.

use klamm_protocol::{ErrorCode, FindCoordinatorRequest, Request};

use crate::{Client, Error, Result, connection::Answer, metadata::address};

const GROUP: i8 = 0;

impl Client {
    /// Where a group's coordinator is. No retry.
    async fn coordinator(&self, group: &str) -> Result<String> {
        let request = FindCoordinatorRequest {
            key: group.into(),
            key_type: GROUP,
            coordinator_keys: vec![group.into()],
        };
        let connection = self.any().await?;
        // Each version has one of the two fields and refuses the other.
        let answer = if connection.version(klamm_protocol::ApiKey::FindCoordinator, i16::MAX)? >= 4 {
            let request = FindCoordinatorRequest { key: "".into(), ..request };
            connection.ask(&request, i16::MAX, self.timeout()).await?
        } else {
            let request = FindCoordinatorRequest { coordinator_keys: vec![], ..request };
            connection.ask(&request, i16::MAX, self.timeout()).await?
        };
        let answer = answer.get()?;
        let what = || format!("looking for the coordinator of group {group}");
        match answer.coordinators.first() {
            Some(found) => {
                Error::check(found.error_code, found.error_message.as_deref(), what)?;
                Ok(address(&found.host, found.port))
            }
            None => {
                Error::check(answer.error_code, answer.error_message.as_deref(), what)?;
                Ok(address(&answer.host, answer.port))
            }
        }
    }

    /// Asks a group's coordinator. `code` finds the error in the answer; what may pass is tried again until the deadline.
    pub(crate) async fn ask_coordinator<R: Request>(
        &self,
        group: &str,
        request: &R,
        cap: i16,
        code: impl Fn(&R::Response<'_>) -> ErrorCode,
    ) -> Result<Answer<R>> {
        let mut backoff = self.backoff();
        let what = format!("{} for group {group}", R::API);
        loop {
            let left = backoff.left(self.env().clock.monotonic());
            let tried = async {
                let address = self.coordinator(group).await?;
                let connection = self.connection(&address).await?;
                let answer = connection.ask(request, cap, left).await?;
                let code = code(&answer.get()?);
                if code.is_retriable() {
                    Err(Error::Refused { what: what.clone(), code, message: None })
                } else {
                    Ok(answer)
                }
            };
            match tried.await {
                Ok(answer) => return Ok(answer),
                Err(error @ Error::Connect { .. }) if self.known().brokers.is_empty() => return Err(error),
                Err(error) => self.pause(&mut backoff, &what, error).await?,
            }
        }
    }
}
