//! Backslash escapes, as kcat reads them in delimiters and formats. Pure.

/// Reads `\n`, `\r`, `\t`, `\0`, `\\` and `\xNN`; any other character behind a backslash stands for itself.
pub(super) fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.extend_from_slice(&rest.as_bytes()[..at]);
        rest = &rest[at + 1..];
        let Some(next) = rest.chars().next() else {
            out.push(b'\\');
            break;
        };
        let mut taken = next.len_utf8();
        match next {
            'n' => out.push(b'\n'),
            'r' => out.push(b'\r'),
            't' => out.push(b'\t'),
            '0' => out.push(0),
            'x' => match rest.get(1..3).and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
                Some(byte) => {
                    out.push(byte);
                    taken = 3;
                }
                None => out.push(b'x'),
            },
            other => out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
        rest = &rest[taken..];
    }
    out.extend_from_slice(rest.as_bytes());
    out
}

/// A delimiter of at least one byte.
pub(super) fn delimiter(text: &str) -> Result<Vec<u8>, String> {
    let bytes = unescape(text);
    if bytes.is_empty() {
        Err("expected at least one character, such as ';' or '\\t'".to_owned())
    } else {
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes() {
        let check = |text: &str, expected: &[u8]| assert_eq!(unescape(text), expected, "{text}");
        check("a\\tb\\n", b"a\tb\n");
        check("\\x00\\xff\\xg\\\\", b"\0\xffxg\\");
        check("\\", b"\\");
        check("\\é", "é".as_bytes());
        check("a\\nöb", "a\nöb".as_bytes());
        assert!(delimiter("").is_err());
    }
}
