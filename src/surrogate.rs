//! JSON texts with halves of characters in them.
//!
//! Systems that count and cut texts in UTF-16 (all that are written in JavaScript) cut some characters in two, and write the
//! half as an escape: `"\ud83d"`. It is no character, and no text of ours can hold it; what stands around it must not be
//! lost for that.

/// What stands for half a character: the same as for bytes that are none.
const REPLACEMENT: &[u8; 4] = b"fffd";

/// The text with the halves replaced; `None` when there is none in it.
pub(crate) fn mended(text: &[u8]) -> Option<Vec<u8>> {
    let mut mended: Option<Vec<u8>> = None;
    let mut at = 0;
    while let Some(escape) = text[at..].iter().position(|byte| *byte == b'\\') {
        at += escape;
        at += match unit(text, at) {
            None => 2,
            Some(0xd800..=0xdbff) if matches!(unit(text, at + 6), Some(0xdc00..=0xdfff)) => 12,
            Some(0xd800..=0xdfff) => {
                let mended = mended.get_or_insert_with(|| text.to_vec());
                mended[at + 2..at + 6].copy_from_slice(REPLACEMENT);
                6
            }
            Some(_) => 6,
        };
        if at >= text.len() {
            break;
        }
    }
    mended
}

/// What a `\u` escape at this place says.
fn unit(text: &[u8], at: usize) -> Option<u16> {
    let digits = text.get(at..at + 6)?.strip_prefix(br"\u")?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn halves_of_characters_are_replaced_and_whole_ones_are_not() {
        for (text, mends) in [
            (r#"{"a":"\ud83d"}"#, Some(r#"{"a":"\ufffd"}"#)),
            (r#""\uDE00 and \ud83d\ude00""#, Some(r#""\ufffd and \ud83d\ude00""#)),
            (r#""\ud83d\ud83d\ude00""#, Some(r#""\ufffd\ud83d\ude00""#)),
            (r#""\ud83dx""#, Some(r#""\ufffdx""#)),
            (r#""\\ud83d""#, None),
            (r#""\ud83d\ude00 \u0000 \n""#, None),
            (r#""\u12"#, None),
            (r"\", None),
            ("", None),
        ] {
            let mended = mended(text.as_bytes()).map(|mended| String::from_utf8(mended).unwrap());
            assert_eq!(mended.as_deref(), mends, "{text}");
        }
    }
}
