//! What is persisted beside the entries themselves (`klamm_store::entry`). Numbers are big-endian. A file each, with
//! codec, version and round-trip test.

pub(crate) mod chunk;
pub(crate) mod file_header;
pub(crate) mod footer;
pub(crate) mod head;
pub(crate) mod name;
pub(crate) mod trailer;

pub(crate) use klamm_store::entry::crc32c;

/// Why bytes are not what they should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FormatError {
    /// Not this, or broken.
    Damaged(&'static str),
    /// Written by a later release.
    Newer(u8),
}

impl FormatError {
    /// For a person, about `what`.
    pub(crate) fn text(&self, what: &str, known: u8) -> String {
        match self {
            Self::Damaged(why) => format!("{what}: {why}"),
            Self::Newer(found) => format!("{what} has version {found}; this release reads up to {known}"),
        }
    }
}

/// Checks the magic number at the start, the CRC32C in the last four bytes and the version after the magic number,
/// in this order; returns what lies between version and CRC.
pub(crate) fn open_frame(bytes: &[u8], magic: u32, known: u8) -> Result<&[u8], FormatError> {
    let Some(body) = bytes.len().checked_sub(4).filter(|body| *body >= 5) else {
        return Err(FormatError::Damaged("it is cut short"));
    };
    if bytes[..4] != magic.to_be_bytes() {
        return Err(FormatError::Damaged("its magic number is missing"));
    }
    if bytes[body..] != crc32c([&bytes[..body]]).to_be_bytes() {
        return Err(FormatError::Damaged("its checksum does not match its bytes"));
    }
    match bytes[4] {
        0 => Err(FormatError::Damaged("its version is 0")),
        version if version > known => Err(FormatError::Newer(version)),
        _ => Ok(&bytes[5..body]),
    }
}

/// Ends a frame that began with magic number and version.
pub(crate) fn close_frame(out: &mut Vec<u8>) {
    let crc = crc32c([&out[..]]);
    out.extend_from_slice(&crc.to_be_bytes());
}

/// Begins a frame.
pub(crate) fn begin_frame(magic: u32, version: u8, capacity: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(capacity);
    out.extend_from_slice(&magic.to_be_bytes());
    out.push(version);
    out
}
