//! Sealing: what must outlive a restart and nobody may read (a refresh token that replaced another) is written down
//! encrypted, with a key that stands in no file of ours (invariant 5).
//!
//! AES-256-GCM. What a sealed text is about is authenticated with it, so that one connection's secret cannot be put in
//! the place of another's.

use std::fmt;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

/// The environment variable that holds the key.
pub const STORE_KEY: &str = "LOCKSTEP_STORE_KEY";

/// The bytes of a key; twice as many digits are written.
const KEY_LENGTH: usize = 32;

/// Says how a sealed text is laid out: this byte, the nonce, the ciphertext with its tag.
const LAYOUT: u8 = 1;

/// Seals and opens. The keys are never shown.
pub struct Sealer {
    /// The first seals, all open: so a key is replaced by putting the new one before it.
    keys: Vec<LessSafeKey>,
    random: SystemRandom,
}

/// The key is not one. A lower-case fragment without any part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "{STORE_KEY} must be 64 hexadecimal digits (`openssl rand -hex 32`), or several such, separated by commas"
)]
pub struct KeyError;

/// Something could not be sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// None of the keys fits, or it was tampered with.
    #[error("it was sealed with another key than that of {STORE_KEY}, or is damaged")]
    WrongKey,
    /// The machine gives no random numbers.
    #[error("the machine gives no random numbers")]
    NoRandom,
}

impl Sealer {
    /// Reads keys as they are written: 64 hexadecimal digits, several separated by commas.
    pub fn read(text: &str) -> Result<Self, KeyError> {
        let keys: Result<Vec<LessSafeKey>, KeyError> =
            text.split(',').map(|key| read_key(key.trim())).collect();
        Ok(Self { keys: keys?, random: SystemRandom::new() })
    }

    /// Seals `secret`, which is about `about`.
    pub fn seal(&self, secret: &[u8], about: &str) -> Result<Vec<u8>, SealError> {
        let key = self.keys.first().ok_or(SealError::WrongKey)?;
        // Random nonces of 96 bits are safe for 2^32 seals with one key; a token is renewed some times an hour.
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce).map_err(|_| SealError::NoRandom)?;
        let mut text = secret.to_vec();
        let unique = Nonce::assume_unique_for_key(nonce);
        key.seal_in_place_append_tag(unique, Aad::from(about.as_bytes()), &mut text)
            .map_err(|_| SealError::WrongKey)?;
        Ok([&[LAYOUT][..], &nonce, &text].concat())
    }

    /// What was sealed as being about `about`.
    pub fn open(&self, sealed: &[u8], about: &str) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (nonce, text) = sealed
            .strip_prefix(&[LAYOUT])
            .and_then(|rest| rest.split_first_chunk::<NONCE_LEN>())
            .ok_or(SealError::WrongKey)?;
        let opened = self.keys.iter().find_map(|key| {
            let mut text = Zeroizing::new(text.to_vec());
            let nonce = Nonce::assume_unique_for_key(*nonce);
            let length = key.open_in_place(nonce, Aad::from(about.as_bytes()), &mut text).ok()?.len();
            text.truncate(length);
            Some(text)
        });
        opened.ok_or(SealError::WrongKey)
    }
}

/// How many keys, not which.
impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealer({} keys)", self.keys.len())
    }
}

fn read_key(text: &str) -> Result<LessSafeKey, KeyError> {
    let mut key = Zeroizing::new([0; KEY_LENGTH]);
    if text.len() != 2 * KEY_LENGTH || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(KeyError);
    }
    for (byte, digits) in key.iter_mut().zip(text.as_bytes().chunks(2)) {
        let digits = std::str::from_utf8(digits).map_err(|_| KeyError)?;
        *byte = u8::from_str_radix(digits, 16).map_err(|_| KeyError)?;
    }
    UnboundKey::new(&AES_256_GCM, &*key).map(LessSafeKey::new).map_err(|_| KeyError)
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    fn sealer(keys: &str) -> Sealer {
        Sealer::read(keys).unwrap()
    }

    fn key(digit: &str) -> String {
        digit.repeat(64)
    }

    #[test]
    fn what_was_sealed_is_opened_with_the_key_and_for_what_it_is_about() {
        let one = sealer(&key("1"));
        let sealed = one.seal(b"refresh-42", "acme/crm").unwrap();
        assert!(!sealed.windows(7).any(|part| part == b"refresh"));
        assert_eq!(&**one.open(&sealed, "acme/crm").unwrap(), b"refresh-42");
        assert_eq!(one.open(&sealed, "globex/crm"), Err(SealError::WrongKey));
        assert_eq!(sealer(&key("2")).open(&sealed, "acme/crm"), Err(SealError::WrongKey));
        assert_ne!(one.seal(b"refresh-42", "acme/crm").unwrap(), sealed, "no two seals are alike");
    }

    #[test]
    fn a_byte_that_was_changed_opens_nothing() {
        let one = sealer(&key("1"));
        let sealed = one.seal(b"refresh-42", "acme/crm").unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(one.open(&changed, "acme/crm"), Err(SealError::WrongKey), "{at}");
        }
        assert_eq!(one.open(&[], "acme/crm"), Err(SealError::WrongKey));
        assert_eq!(one.open(&sealed[..10], "acme/crm"), Err(SealError::WrongKey));
    }

    #[test]
    fn a_key_is_replaced_by_putting_the_new_one_before_it() {
        let sealed = sealer(&key("1")).seal(b"old", "x").unwrap();
        let both = sealer(&format!("{}, {}", key("2"), key("1")));
        assert_eq!(&**both.open(&sealed, "x").unwrap(), b"old");
        assert_eq!(sealer(&key("2")).open(&both.seal(b"new", "x").unwrap(), "x").unwrap().as_slice(), b"new");
    }

    #[test]
    fn what_is_no_key_is_told_without_showing_it() {
        for text in ["", "secret", &key("g"), &key("1")[1..], &format!("{},", key("1")), "é"] {
            let error = Sealer::read(text).unwrap_err();
            assert!(text.is_empty() || !error.to_string().contains(text), "{error}");
        }
    }
}
