//! One handler a file, numbered by its API's key. Each notes its versions and what it leaves out.

#[path = "18_api_versions.rs"]
pub(crate) mod api_versions;
#[path = "19_create_topics.rs"]
pub(crate) mod create_topics;
#[path = "20_delete_topics.rs"]
pub(crate) mod delete_topics;
#[path = "01_fetch.rs"]
pub(crate) mod fetch;
#[path = "22_init_producer_id.rs"]
pub(crate) mod init_producer_id;
#[path = "02_list_offsets.rs"]
pub(crate) mod list_offsets;
#[path = "03_metadata.rs"]
pub(crate) mod metadata;
#[path = "00_produce.rs"]
pub(crate) mod produce;
