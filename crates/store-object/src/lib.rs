//! The object carrier: numbered objects by conditional put
