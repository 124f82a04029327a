//! Record ids: fifteen characters that tell upper from lower case, or eighteen that do not need to.

/// The eighteen-character id of the `count`th record of an object.
pub(super) fn make(key_prefix: &str, count: u64) -> String {
    long(&format!("{key_prefix}5g{count:010}"))
}

/// Appends the checksum: of each five characters, which are upper case.
pub(super) fn long(short: &str) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";
    let mut id = short.to_owned();
    for chunk in short.as_bytes().chunks(5) {
        let bits = chunk.iter().enumerate().filter(|(_, byte)| byte.is_ascii_uppercase());
        let index = bits.fold(0, |sum, (at, _)| sum | (1_usize << at));
        id.push(char::from(ALPHABET[index % ALPHABET.len()]));
    }
    id
}

/// The id in its long form; `None` when it is none.
pub(super) fn parse(text: &str) -> Option<String> {
    let formed = matches!(text.len(), 15 | 18) && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    formed.then(|| long(&text[..15]))
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn the_checksum_is_salesforces() {
        assert_eq!(long("001D000000IRFma"), "001D000000IRFmaIAH");
        assert_eq!(long("00130000000Gle0"), "00130000000Gle0AAC");
    }

    #[test]
    fn both_lengths_are_ids_and_nothing_else_is() {
        assert_eq!(parse("001D000000IRFma").as_deref(), Some("001D000000IRFmaIAH"));
        assert_eq!(parse("001D000000IRFmaIAH").as_deref(), Some("001D000000IRFmaIAH"));
        for text in ["", "001", "001D000000IRFm!", "001D000000IRFmaI"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
