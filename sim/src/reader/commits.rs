//! What the groups committed, after the last restart.

use klamm_checker::Event;
use klamm_protocol::ErrorCode;

use super::Reader;
use crate::client::{Lost, passes};

impl Reader {
    /// Asks for all that the groups committed. False: the broker does not know yet.
    pub(super) async fn compare_commits(&mut self) -> Result<bool, Lost> {
        let (groups, topic, parts) = {
            let model = self.model.borrow();
            // Nobody committed anything.
            let Some(topic) = model.topics.first() else { return Ok(true) };
            (model.groups.clone(), topic.name.clone(), topic.parts.clone())
        };
        let indexes: Vec<i32> = (0..parts.len() as i32).collect();
        for group in groups {
            let begun = self.model.borrow().checker.events();
            let client = self.client.as_mut().expect("connected");
            let told = match client.committed(&group, &topic, &indexes).await? {
                Ok(told) => told,
                Err(
                    ErrorCode::NOT_COORDINATOR
                    | ErrorCode::COORDINATOR_NOT_AVAILABLE
                    | ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
                ) => return Ok(false),
                Err(error) if passes(error) => return Ok(false),
                Err(error) => {
                    self.refuse(format!("what {group} committed: {error:?}"));
                    return Ok(true);
                }
            };
            for (part, offset) in parts.iter().zip(told) {
                self.log.count("work: committed offsets that were there in the end", offset.is_some().into());
                let (group, part) = (group.clone(), *part);
                self.model.borrow_mut().tell(Event::Committed { group, part, begun, offset });
            }
        }
        Ok(true)
    }
}
