//! Stories of groups: what is done, and what is answered. `story` has the words.

mod describing;
mod failover;
mod joining;
mod leaving;
mod machine;
mod offsets;
mod properties;
mod statics;
mod story;
mod syncing;
