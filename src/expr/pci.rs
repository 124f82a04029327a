//! Keeps card data out: what a payment card's number, code or track could be reconstructed or recognised from is
//! stripped before anything is stored, logged or mapped.
//!
//! PCI DSS 4.0 requirement 3: sensitive authentication data (the verification code, track data, PIN) is not kept
//! after authorisation at all (3.3), and a stored card number must be unreadable (3.5). This project needs neither, so
//! it keeps out of scope by never having them. Brand, last four digits, expiry, country and funding are no cardholder
//! data by themselves and stay; Stripe sends no more than those, but a field of free text, a metadata key or
//! another system's record may hold anything. It does **not** look into images or encrypted texts.

use std::borrow::Cow;

use crate::value::{Map, Value};

/// Keys whose values are card data wherever they stand, in the spelling of [`Normal`].
const FORBIDDEN: &[&str] = &[
    // The primary account number (requirement 3.5), whole or as something that recognises it.
    "cardnumber",
    "ccnumber",
    "creditcardnumber",
    "primaryaccountnumber",
    "fingerprint",
    // The verification code: sensitive authentication data (3.3.1.2).
    "cvc",
    "cvc2",
    "cvv",
    "cvv2",
    "cav2",
    "cardcode",
    "cardcvc",
    "cardcvv",
    "cardsecuritycode",
    "cardverificationvalue",
    // The magnetic stripe and its equivalent on the chip (3.3.1.1).
    "track1",
    "track2",
    "trackdata",
    "magstripe",
    "magneticstripe",
    "emvdata",
    "iccdata",
    // PIN and PIN block (3.3.1.3).
    "pinblock",
    "cardpin",
];

/// Directly inside a card, keys that are card data too; elsewhere `number` is an invoice's, `pan` an Indian tax
/// number, `cid` a campaign.
const FORBIDDEN_IN_CARD: &[&str] = &["number", "code", "pan", "cid", "csc", "pin", "track", "securitycode"];

/// Keys under which Stripe and others put a card.
const CARDS: &[&str] = &["card", "cardpresent", "interacpresent", "creditcard", "paymentcard"];

/// What a card number in a text is replaced by.
const MASK: &str = "[card number removed]";

/// True when the value at `path` (the keys from the top down) is card data, so that nothing may be mapped from it.
pub fn is_card_data(path: &[&str]) -> bool {
    let parents = std::iter::once(None).chain(path.iter().map(Some));
    parents.zip(path).any(|(parent, key)| {
        Normal::of(key).is_forbidden(parent.is_some_and(|parent| Normal::of(parent).is_card()))
    })
}

/// The most letters and digits that a key has in any of the lists.
const LONGEST: usize = 24;

/// A key in lower case without `_`, `-` and spaces: `card_number`, `cardNumber` and `Card Number` are one. Each key of each event is
/// looked at, so no text is made of it. What is too long for the lists, or of other letters than theirs, is none of them.
struct Normal {
    letters: [u8; LONGEST],
    length: usize,
}

impl Normal {
    fn of(key: &str) -> Self {
        let normal = if key.is_ascii() {
            let letters = key.bytes().filter(u8::is_ascii_alphanumeric);
            Self::of_letters(letters.map(|letter| Some(letter.to_ascii_lowercase())))
        } else {
            let letters = key.chars().filter(|char| char.is_alphanumeric()).flat_map(char::to_lowercase);
            Self::of_letters(letters.map(|letter| u8::try_from(letter).ok()))
        };
        normal.unwrap_or(Self { letters: [0; LONGEST], length: 0 })
    }

    /// `None` when there are too many, or one is of none of the lists.
    fn of_letters(letters: impl Iterator<Item = Option<u8>>) -> Option<Self> {
        let mut normal = Self { letters: [0; LONGEST], length: 0 };
        for letter in letters {
            *normal.letters.get_mut(normal.length)? = letter?;
            normal.length += 1;
        }
        Some(normal)
    }

    fn is_in(&self, list: &[&str]) -> bool {
        let letters = &self.letters[..self.length];
        list.iter().any(|key| key.as_bytes() == letters)
    }

    fn is_card(&self) -> bool {
        self.is_in(CARDS)
    }

    fn is_forbidden(&self, in_card: bool) -> bool {
        self.is_in(FORBIDDEN) || (in_card && self.is_in(FORBIDDEN_IN_CARD))
    }
}

/// `value` without card data: forbidden keys are left out, card numbers in texts are masked. What holds none is
/// returned as it is, its nodes shared.
pub fn strip(value: Value) -> Value {
    stripped(&value, false).unwrap_or(value)
}

/// True when `text` holds what is by all appearances a card number: 13 to 19 digits, single spaces or hyphens between
/// them, whose check digit is right.
pub fn has_card_number(text: &str) -> bool {
    find(text).is_some()
}

/// The changed copy of a value; `None` when nothing is to be stripped.
fn stripped(value: &Value, in_card: bool) -> Option<Value> {
    match value {
        Value::Text(text) => match masked(text) {
            Cow::Borrowed(_) => None,
            Cow::Owned(masked) => Some(masked.into()),
        },
        Value::Int(int) => has_card_number(&int.to_string()).then(|| Value::from(MASK)),
        // One that went through a spreadsheet or a floating-point number: `4242424242424242.0`.
        Value::Decimal(number) if number.fract().is_zero() => {
            has_card_number(&number.trunc().to_string()).then(|| Value::from(MASK))
        }
        Value::List(items) => {
            let changed = items.iter().map(|item| stripped(item, in_card)).collect::<Vec<_>>();
            changed.iter().any(Option::is_some).then(|| {
                Value::list(
                    changed
                        .into_iter()
                        .zip(items.iter())
                        .map(|(new, old)| new.unwrap_or_else(|| old.clone())),
                )
            })
        }
        Value::Map(map) => stripped_map(map, in_card),
        Value::Null | Value::Bool(_) | Value::Decimal(_) => None,
    }
}

fn stripped_map(map: &Map, in_card: bool) -> Option<Value> {
    let mut changed = false;
    let mut kept = Map::with_capacity(0);
    for (place, (key, value)) in map.iter().enumerate() {
        let normal = Normal::of(key);
        let drop = normal.is_forbidden(in_card);
        let new = if drop { None } else { stripped(value, normal.is_card()) };
        let name = masked(key);
        if (drop || new.is_some() || matches!(name, Cow::Owned(_))) && !changed {
            changed = true;
            kept = map.iter().take(place).map(|(key, value)| (key.clone(), value.clone())).collect();
        }
        if changed && !drop {
            let name = if let Cow::Owned(name) = name { name.into() } else { key.clone() };
            kept.insert(name, new.unwrap_or_else(|| value.clone()));
        }
    }
    changed.then(|| kept.into())
}

/// The text with each card number replaced.
fn masked(text: &str) -> Cow<'_, str> {
    let Some(first) = find(text) else { return Cow::Borrowed(text) };
    let mut out = String::with_capacity(text.len());
    let (mut rest, mut found) = (text, Some(first));
    while let Some(range) = found {
        out.push_str(&rest[..range.start]);
        out.push_str(MASK);
        rest = &rest[range.end..];
        found = find(rest);
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// The fewest and most digits of a card number (ISO/IEC 7812).
const DIGITS: std::ops::RangeInclusive<usize> = 13..=19;

/// The bytes of the first card number in a text, the longest that begins there.
fn find(text: &str) -> Option<std::ops::Range<usize>> {
    // What is shorter needs no look.
    if text.len() < *DIGITS.start() {
        return None;
    }
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if !bytes[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        let group = bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        // A name around the digits (`in_4242...`) is an identifier, not a card.
        let alone = !joined(at.checked_sub(1).and_then(|before| bytes.get(before)));
        if alone && let Some(end) = card_end(bytes, at) {
            return Some(at..end);
        }
        at += group;
    }
    None
}

fn joined(byte: Option<&u8>) -> bool {
    byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

/// Where the longest card number ends that begins at `start`: whole groups of digits with single spaces and hyphens
/// between them. What stands around it (an amount, an expiry) may be digits as well.
fn card_end(bytes: &[u8], start: usize) -> Option<usize> {
    let (mut at, mut end, mut digits) = (start, None, Vec::with_capacity(*DIGITS.end()));
    loop {
        while let Some(byte) = bytes.get(at).filter(|byte| byte.is_ascii_digit()) {
            digits.push(byte - b'0');
            at += 1;
            if digits.len() > *DIGITS.end() {
                return end;
            }
        }
        if DIGITS.contains(&digits.len()) && !joined(bytes.get(at)) && is_issued(&digits) && luhn(&digits) {
            end = Some(at);
        }
        let next_is_digit = bytes.get(at + 1).is_some_and(u8::is_ascii_digit);
        if !(matches!(bytes.get(at), Some(b' ' | b'-')) && next_is_digit) {
            return end;
        }
        at += 1;
    }
}

/// Whether a card network issues numbers of this beginning and length: what passes the check digit by chance (one
/// identifier in ten does) is left alone.
fn is_issued(digits: &[u8]) -> bool {
    let prefix = digits.iter().take(4).fold(0_u16, |prefix, digit| prefix * 10 + u16::from(*digit));
    match (prefix, digits.len()) {
        // Visa
        (4000..=4999, 13 | 16 | 19)
        // Mastercard
        | (5100..=5599 | 2221..=2720, 16)
        // American Express
        | (3400..=3499 | 3700..=3799, 15)
        // Diners Club
        | (3000..=3059 | 3600..=3699 | 3800..=3999, 14..=19)
        // JCB, Discover, UnionPay
        | (3528..=3589 | 6011 | 6200..=6299 | 6440..=6599, 16..=19)
        // Maestro
        | (5000..=5099 | 5600..=5899 | 6300..=6399 | 6700..=6799, 13..=19) => true,
        _ => false,
    }
}

/// The check digit of ISO/IEC 7812.
fn luhn(digits: &[u8]) -> bool {
    let sum = digits.iter().rev().enumerate().map(|(place, digit)| match (place % 2, digit * 2) {
        (0, _) => u32::from(*digit),
        (_, double @ 10..) => u32::from(double - 9),
        (_, double) => u32::from(double),
    });
    sum.sum::<u32>().is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    fn strip_json(text: &str) -> String {
        strip(Value::from_json(text.as_bytes()).unwrap()).to_json()
    }

    #[test]
    fn card_data_is_left_out_and_what_may_stay_stays() {
        let cases = [
            (
                r#"{"card":{"number":"x","cvc":"123","brand":"visa","last4":"4242","exp_month":12,"exp_year":2030,"country":"GB","funding":"credit","fingerprint":"Xt5"}}"#,
                r#"{"card":{"brand":"visa","last4":"4242","exp_month":12,"exp_year":2030,"country":"GB","funding":"credit"}}"#,
            ),
            (r#"{"number":"INV-0001","id":"in_1"}"#, r#"{"number":"INV-0001","id":"in_1"}"#),
            (r#"{"metadata":{"Card Number":"x","cardCvv":"1","note":"y"}}"#, r#"{"metadata":{"note":"y"}}"#),
            (r#"{"a":[{"track_2":"x","b":1}]}"#, r#"{"a":[{"b":1}]}"#),
            (
                r#"{"note":"card 4242 4242 4242 4242 please"}"#,
                r#"{"note":"card [card number removed] please"}"#,
            ),
            (r#"{"n":4242424242424242}"#, r#"{"n":"[card number removed]"}"#),
            (r#"["5555-5555-5555-4444","x"]"#, r#"["[card number removed]","x"]"#),
            (
                r#"{"n":4242424242424242.0,"m":4.242424242424242e15}"#,
                r#"{"n":"[card number removed]","m":"[card number removed]"}"#,
            ),
            (r#"{"rate":0.4242424242424242}"#, r#"{"rate":0.4242424242424242}"#),
            (r#"{"a":1,"4242 4242 4242 4242":2}"#, r#"{"a":1,"[card number removed]":2}"#),
            (
                r#"{"note":"4 x, 4242 4242 4242 4242 12/30 123, 12 5555-5555-5555-4444"}"#,
                r#"{"note":"4 x, [card number removed] 12/30 123, 12 [card number removed]"}"#,
            ),
        ];
        for (before, after) in cases {
            assert_eq!(strip_json(before), after);
        }
    }

    #[test]
    fn what_holds_none_is_shared_not_copied() {
        let value = Value::from_json(br#"{"object":{"id":"in_1","lines":[1,2,3]}}"#).unwrap();
        let Value::Map(before) = &value else { panic!("a map") };
        let Value::Map(after) = strip(value.clone()) else { panic!("a map") };
        assert!(std::sync::Arc::ptr_eq(before, &after));
    }

    #[test]
    fn card_numbers_are_told_from_other_numbers() {
        for card in [
            "4242424242424242",
            "378282246310005",
            "6011 1111 1111 1117",
            "a 3056-930902-5904 b",
            "30569309025904",
            "(5555555555554444)",
        ] {
            assert!(has_card_number(card), "{card}");
        }
        for other in [
            "4242424242424241",
            "1772445600000",
            "424242424242",
            "42424242424242424242424242",
            "23851234567890128",
            "in_4242424242424242",
            "4242424242424242a",
            "4242  4242  4242  4242",
            "+44 20 7946 0958",
            "",
        ] {
            assert!(!has_card_number(other), "{other}");
        }
    }

    #[test]
    fn card_data_is_known_by_its_path() {
        for path in [
            &["cvc"][..],
            &["a", "CVC"],
            &["card_number"],
            &["cardNumber", "x"],
            &["object", "card", "number"],
        ] {
            assert!(is_card_data(path), "{path:?}");
        }
        for path in [
            &["object", "number"][..],
            &["card", "last4"],
            &["card", "checks", "cvc_check"],
            &["company"],
            &[],
        ] {
            assert!(!is_card_data(path), "{path:?}");
        }
    }
}
