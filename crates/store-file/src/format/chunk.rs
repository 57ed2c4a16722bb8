//! A snapshot chunk's file, version 1: magic, version, the bytes, CRC32C. And its file name: bytes outside
//! `[A-Za-z0-9_-]` are written `%XX`, so that no name leaves the folder or looks like a temporary file.

use super::{FormatError, begin_frame, close_frame, open_frame};

/// The version that this release writes.
pub(crate) const VERSION: u8 = 1;
const MAGIC: u32 = 0x4b4c_534e; // "KLSN"
/// Where the chunk's bytes begin in its file.
pub(crate) const CHUNK_AT: usize = 5;
/// The longest file name.
const NAME_BYTES_MAX: usize = 200;

/// The file's bytes.
pub(crate) fn encode(chunk: &[u8]) -> Vec<u8> {
    let mut out = begin_frame(MAGIC, VERSION, chunk.len() + 9);
    out.extend_from_slice(chunk);
    close_frame(&mut out);
    out
}

/// The length of the chunk in a file, which begins at [`CHUNK_AT`].
pub(crate) fn decode(file: &[u8]) -> Result<usize, FormatError> {
    open_frame(file, MAGIC, VERSION).map(<[u8]>::len)
}

/// The name of a chunk's file; None if it would be too long, or empty.
pub(crate) fn file_name(name: &str) -> Option<String> {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    (1..=NAME_BYTES_MAX).contains(&out.len()).then_some(out)
}

/// The chunk whose file has this name; None for other files.
pub(crate) fn chunk_name(file: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(file.len());
    let mut rest = file.as_bytes();
    while let [first, more @ ..] = rest {
        rest = more;
        if *first == b'%' {
            let hex = std::str::from_utf8(rest.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(hex, 16).ok()?);
            rest = &rest[2..];
        } else {
            bytes.push(*first);
        }
    }
    let name = String::from_utf8(bytes).ok()?;
    (file_name(&name).as_deref() == Some(file)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_flipped_bits() {
        let bytes = encode(b"chunk");
        assert_eq!(decode(&bytes), Ok(5));
        assert_eq!(&bytes[CHUNK_AT..CHUNK_AT + 5], b"chunk");
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&bad).is_err(), "bit {bit}");
        }
        assert_eq!(decode(&encode(b"")), Ok(0));
    }

    #[test]
    fn names_stay_in_the_folder() {
        for name in ["a", "0f-_Z", "../x", "a.tmp", "ä%"] {
            let file = file_name(name).unwrap();
            assert!(!file.contains(['/', '.']), "{file}");
            assert_eq!(chunk_name(&file).as_deref(), Some(name));
        }
        assert_eq!(file_name(""), None);
        assert_eq!(file_name(&"x".repeat(201)), None);
        assert_eq!(chunk_name("a.tmp"), None);
        assert_eq!(chunk_name("%zz"), None);
    }
}
