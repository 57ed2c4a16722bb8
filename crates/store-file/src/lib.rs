//! The file carrier: journal files that become segments
