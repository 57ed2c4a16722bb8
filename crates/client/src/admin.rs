//! Calls of administration: topics and their configuration, groups and their offsets.

mod groups;
mod topics;

pub use groups::{GroupDescription, GroupMember, ListedGroup};
pub use topics::{ConfigChange, ConfigEntry, NewTopic};
