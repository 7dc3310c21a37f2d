//! What stands in the place of a secret: equal for equal secrets of one installation, so that records can be compared, and told from
//! no other text.

use std::sync::RwLock;

use aws_lc_rs::{hmac, rand};
use serde_json::Value;

/// What stood there before secrets had stand-ins of their own. It is the same for all of them, so it names none.
const COLLAPSED: &str = "[secret removed]";

const BEFORE: &str = "[secret removed: ";
const AFTER: char = ']';

/// Bytes of a stand-in: enough that two secrets never share one.
const BYTES: usize = 16;

/// The key of stand-ins. Without it, no secret can be found by trying which stand-in it has.
#[derive(Clone)]
pub struct RedactionKey(hmac::Key);

/// What records are read with that are not read with a key of their own.
static PROCESS: RwLock<Option<RedactionKey>> = RwLock::new(None);

impl RedactionKey {
    /// A key of 32 secret bytes, which stay the same for the installation.
    pub fn new(bytes: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// From now on, records that are read in this process without a key of their own are read with this one.
    pub fn use_in_process(self) {
        *PROCESS.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(self);
    }

    /// The key of this process: the one that was set, else a random one. Stand-ins under a random key can be compared within
    /// this process only.
    pub(crate) fn of_process() -> Self {
        if let Some(key) = &*PROCESS.read().unwrap_or_else(std::sync::PoisonError::into_inner) {
            return key.clone();
        }
        let mut process = PROCESS.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        process.get_or_insert_with(Self::random).clone()
    }

    fn random() -> Self {
        let mut bytes = [0; 32];
        rand::fill(&mut bytes).expect("the system has random bytes");
        Self::new(&bytes)
    }

    /// What stands in the place of `secret`.
    pub(crate) fn stand_in(&self, secret: &str) -> String {
        let mac = hmac::sign(&self.0, secret.as_bytes());
        format!("{BEFORE}{}{AFTER}", hex::encode(&mac.as_ref()[..BYTES]))
    }
}

impl std::fmt::Debug for RedactionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RedactionKey")
    }
}

/// Whether a text is all that is left of a secret.
pub(crate) fn is_stand_in(text: &str) -> bool {
    is_collapsed_secret(text) || !text.is_empty() && text.len() == length_of(text)
}

/// Whether a text is what stood for every secret before each had a stand-in of its own, so that two of them may be different secrets.
pub fn is_collapsed_secret(text: &str) -> bool {
    text == COLLAPSED
}

/// Bytes of the stand-in that a text begins with; 0 if it begins with none.
fn length_of(text: &str) -> usize {
    let Some(rest) = text.strip_prefix(BEFORE) else { return 0 };
    let digits = rest.bytes().take_while(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(c)).count();
    if digits == 2 * BYTES && rest[digits..].starts_with(AFTER) {
        BEFORE.len() + digits + AFTER.len_utf8()
    } else {
        0
    }
}

/// Puts the same words in the place of every secret, for comparing what is written around them under different keys.
pub fn forget_stand_ins(value: &mut Value) {
    match value {
        Value::Object(object) => object.values_mut().for_each(forget_stand_ins),
        Value::Array(list) => list.iter_mut().for_each(forget_stand_ins),
        Value::String(text) => {
            if let Some(plain) = without_stand_ins(text) {
                *text = plain;
            }
        }
        _ => {}
    }
}

fn without_stand_ins(text: &str) -> Option<String> {
    if !text.contains(BEFORE) {
        return None;
    }
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find(BEFORE) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let length = length_of(rest);
        let (kept, left) = rest.split_at(length.max(BEFORE.len()));
        out.push_str(if length == 0 { kept } else { COLLAPSED });
        rest = left;
    }
    out.push_str(rest);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_secrets_stand_alike_under_one_key_and_under_no_other() {
        let (one, other) = (RedactionKey::new(&[1; 32]), RedactionKey::new(&[2; 32]));
        assert_eq!(one.stand_in("AKIA1"), one.stand_in("AKIA1"));
        assert_ne!(one.stand_in("AKIA1"), one.stand_in("AKIA2"));
        assert_ne!(one.stand_in("AKIA1"), other.stand_in("AKIA1"));
        assert!(is_stand_in(&one.stand_in("AKIA1")) && is_stand_in(COLLAPSED));
        assert!(!one.stand_in("AKIA1").contains("AKIA1"));
    }

    #[test]
    fn what_looks_like_a_stand_in_is_none() {
        let good = RedactionKey::new(&[1; 32]).stand_in("x");
        for text in [
            "",
            "[secret removed: ]",
            "[secret removed: zz]",
            &good[..good.len() - 1],
            &format!("{good} "),
            &good.to_uppercase(),
        ] {
            assert!(!is_stand_in(text), "{text}");
        }
    }

    #[test]
    fn texts_are_compared_without_the_key() {
        let (one, other) = (RedactionKey::new(&[1; 32]), RedactionKey::new(&[2; 32]));
        let text = |key: &RedactionKey| {
            format!("a {} b {}, [secret removed: no]", key.stand_in("1"), key.stand_in("2"))
        };
        assert_eq!(without_stand_ins(&text(&one)), without_stand_ins(&text(&other)));
        assert_eq!(
            without_stand_ins(&text(&one)).unwrap(),
            "a [secret removed] b [secret removed], [secret removed: no]"
        );
        assert_eq!(without_stand_ins("plain"), None);
    }
}
