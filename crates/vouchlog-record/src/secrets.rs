//! Secrets that must not be stored, wherever in a record they turn up. A stand-in takes the place of each, and they are counted.

use serde_json::{Map, Value};

use crate::path::Path;
use crate::stand_in::{RedactionKey, is_stand_in};

/// Names of members that hold a secret, in lower case with `_` for every separator. Matched as whole words at the end, so that
/// `x-goog-api-key` and `userApiKey` are found, and `token_count` is not.
const SECRET_NAMES: &[&str] = &[
    "authorization",
    "proxy_authorization",
    "cookie",
    "cookies",
    "set_cookie",
    "api_key",
    "apikey",
    "x_api_key",
    "access_token",
    "refresh_token",
    "id_token",
    "raw_token",
    "bearer_token",
    "auth_token",
    "session_token",
    "security_token",
    "client_secret",
    "secret",
    "secret_key",
    "secret_access_key",
    "private_key",
    "password",
    "passwd",
    "passphrase",
    "client_assertion",
    "subject_token",
    "actor_token",
    "dpop",
];

/// The last three characters of these, of which each is looked for first: a record has hundreds of names, and few end so.
const ENDINGS: [&[u8; 3]; 10] =
    [b"ion", b"kie", b"ies", b"key", b"ken", b"ret", b"ord", b"swd", b"ase", b"pop"];

/// Beginnings of credentials that their issuers gave a recognisable form.
const SECRET_PREFIXES: &[&str] = &[
    "Bearer ",
    "bearer ",
    "Basic ",
    "DPoP ",
    "sk-",
    "sk_live_",
    "sk_test_",
    "rk_live_",
    "ghp_",
    "gho_",
    "ghs_",
    "github_pat_",
    "glpat-",
    "xoxb-",
    "xoxp-",
    "AIza",
    "hvs.",
    "-----BEGIN",
];

/// Beginnings of AWS access key ids, which have a length of their own: `ASIA-PACIFIC-REGION-01` is none.
const AWS_KEY_IDS: &[&str] = &["AKIA", "ASIA"];

/// Bytes of such an id.
const AWS_KEY_ID_BYTES: usize = 20;

/// Characters of the longest of these.
const LONGEST_NAME: usize = {
    let (mut longest, mut at) = (0, 0);
    while at < SECRET_NAMES.len() {
        if SECRET_NAMES[at].len() > longest {
            longest = SECRET_NAMES[at].len();
        }
        at += 1;
    }
    longest
};

/// Fewest characters of a secret, and of what follows its prefix: `sk-` alone is no key.
const MIN_SECRET: usize = 12;

/// Longest word of letters alone. Keys that have no digit and no mixed case are rare; longer ones are no words.
const LONGEST_WORD: usize = 20;

/// Puts stand-ins in the place of secrets; the JSON pointers of these.
pub(crate) fn remove(object: &mut Map<String, Value>, key: &RedactionKey) -> Vec<String> {
    let mut redactor = Redactor { key, removed: Vec::new() };
    redactor.object(object, &Path::Top);
    redactor.removed
}

impl RedactionKey {
    /// A text as records that are read with this key have it: with stand-ins for the credentials in it.
    pub fn redacted(&self, text: &str) -> String {
        without_secrets(text, self).unwrap_or_else(|| text.to_owned())
    }
}

struct Redactor<'k> {
    key: &'k RedactionKey,
    removed: Vec<String>,
}

impl Redactor<'_> {
    fn object(&mut self, object: &mut Map<String, Value>, at: &Path<'_>) {
        for (name, value) in object {
            let place = Path::Member(at, name);
            if holds_secret(name) && !says_nothing(value) {
                let secret = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                *value = Value::String(self.key.stand_in(&secret));
                self.removed.push(place.pointer());
            } else {
                self.value(value, &place);
            }
        }
    }

    fn value(&mut self, value: &mut Value, at: &Path<'_>) {
        match value {
            Value::Object(object) => self.object(object, at),
            Value::Array(list) => {
                for (place, value) in list.iter_mut().enumerate() {
                    self.value(value, &Path::Element(at, place));
                }
            }
            Value::String(text) => {
                if let Some(clean) = without_secrets(text, self.key) {
                    *text = clean;
                    self.removed.push(at.pointer());
                }
            }
            _ => {}
        }
    }
}

/// A state such as `{"$": "redacted"}`, a flag or nothing at all is no secret.
fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) => true,
        Value::Object(object) => object.len() == 1 && object.contains_key("$"),
        Value::String(text) => text.is_empty() || is_stand_in(text),
        _ => false,
    }
}

fn holds_secret(name: &str) -> bool {
    let Some(ending) = name.as_bytes().last_chunk::<3>() else { return false };
    if !ENDINGS.contains(&&ending.map(|byte| byte.to_ascii_lowercase())) {
        return false;
    }
    let mut end = [0; LONGEST_NAME + 1];
    let words = last_words(name.as_bytes(), &mut end);
    SECRET_NAMES.iter().any(|secret| {
        words.strip_suffix(secret.as_bytes()).is_some_and(|rest| matches!(rest.last(), None | Some(b'_')))
    })
}

/// The end of `userApiKey`, `x-api-key` and `user.api_key` as `user_api_key`, `x_api_key`, `user_api_key`: as much of it as there
/// is room for.
fn last_words<'e>(name: &[u8], end: &'e mut [u8]) -> &'e [u8] {
    let mut start = end.len();
    for (at, &byte) in name.iter().enumerate().rev() {
        if start == 0 {
            break;
        }
        start -= 1;
        end[start] =
            if matches!(byte, b'-' | b'.' | b' ' | b':' | b'/') { b'_' } else { byte.to_ascii_lowercase() };
        let before = at.checked_sub(1).map(|before| name[before]);
        let ends_word = before.is_some_and(|before| before.is_ascii_lowercase() || before.is_ascii_digit());
        if byte.is_ascii_uppercase() && ends_word && start > 0 {
            start -= 1;
            end[start] = b'_';
        }
    }
    &end[start..]
}

/// The text with stand-ins for the credentials in it; `None` when it has none.
fn without_secrets(text: &str, key: &RedactionKey) -> Option<String> {
    if text.starts_with("-----BEGIN") && text.contains("PRIVATE KEY") {
        return Some(key.stand_in(text));
    }
    let mut next = next_secret(text)?;
    let (mut clean, mut rest) = (String::new(), text);
    loop {
        clean.push_str(&rest[..next.0]);
        clean.push_str(&key.stand_in(&rest[next.0..next.1]));
        rest = &rest[next.1..];
        let Some(after) = next_secret(rest) else { break };
        next = after;
    }
    clean.push_str(rest);
    Some(clean)
}

/// Where the next credential begins and ends.
fn next_secret(text: &str) -> Option<(usize, usize)> {
    let bytes = text.as_bytes();
    let is_outer = |byte: &u8| !INNER[usize::from(*byte)];
    // A token begins here, or later.
    let mut begin = 0;
    while let Some(shortest) = bytes.get(begin..begin + MIN_SECRET) {
        // From its end, so that most of a short word is not looked at.
        if let Some(outer) = shortest.iter().rposition(is_outer) {
            begin += outer + 1;
            continue;
        }
        let rest = &bytes[begin + MIN_SECRET..];
        let end = begin + MIN_SECRET + rest.iter().position(is_outer).unwrap_or(rest.len());
        let token = &text[begin..end];
        let is_credential =
            is_jwt(token) || has_prefix(token) || follows_scheme(&text[..begin]) && !reads_as_words(token);
        if is_credential {
            return Some((begin, end));
        }
        begin = end;
    }
    None
}

/// Which bytes a credential is made of; of any other character, each byte is none of them.
const INNER: [bool; 256] = {
    let (mut inner, mut at) = ([false; 256], 0_u8);
    loop {
        inner[at as usize] =
            at.is_ascii_alphanumeric() || matches!(at, b'-' | b'_' | b'.' | b'+' | b'/' | b'=' | b'~');
        if at == u8::MAX {
            break inner;
        }
        at += 1;
    }
};

/// Whether a token begins as a credential does, and goes on as one.
fn has_prefix(token: &str) -> bool {
    if AWS_KEY_IDS.iter().any(|prefix| token.starts_with(prefix)) {
        let is_its = |c: u8| c.is_ascii_uppercase() || c.is_ascii_digit();
        return token.len() == AWS_KEY_ID_BYTES && token.bytes().all(is_its);
    }
    SECRET_PREFIXES.iter().filter(|prefix| !prefix.ends_with(' ')).any(|prefix| {
        token
            .strip_prefix(prefix)
            .is_some_and(|rest| rest.len() >= MIN_SECRET && looks_random(rest) && !reads_as_words(rest))
    })
}

/// `Authorization` schemes announce a credential.
fn follows_scheme(before: &str) -> bool {
    SECRET_PREFIXES.iter().filter(|prefix| prefix.ends_with(' ')).any(|scheme| before.ends_with(scheme))
}

/// A signed JWT (three parts, the first of them a JSON object). An SD-JWT or JWT whose signature was cut off is no credential.
fn is_jwt(token: &str) -> bool {
    let mut parts = token.split('.');
    let (Some(header), Some(payload), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    header.starts_with("eyJ") && payload.starts_with("eyJ") && signature.len() >= MIN_SECRET
}

/// Keys have digits or both cases in them; `sk-` may begin a plain word, as in `sk-learn-contributors`.
fn looks_random(text: &str) -> bool {
    let has = |test: fn(&char) -> bool| text.chars().any(|c| test(&c));
    has(char::is_ascii_digit) || has(char::is_ascii_uppercase) && has(char::is_ascii_lowercase)
}

/// Whether a text is words and numbers, as in `learn-pipeline-01` or `Authentication`, and no key.
fn reads_as_words(text: &str) -> bool {
    let parts: Vec<&str> =
        text.split(['-', '_', '.', '/', '+', '=', '~']).filter(|part| !part.is_empty()).collect();
    match parts.as_slice() {
        [] => false,
        // A single part with a digit in it is as likely a key.
        [only] => is_word(only),
        parts => parts.iter().all(|part| is_word(part) || is_numbered(part)),
    }
}

/// Letters of one case, the first of which may be a capital.
fn is_word(part: &str) -> bool {
    let rest = part.get(1..).unwrap_or_default();
    let is_letters = !part.is_empty() && part.bytes().all(|c| c.is_ascii_alphabetic());
    let of_one_case =
        !rest.bytes().any(|c| c.is_ascii_uppercase()) || part.bytes().all(|c| c.is_ascii_uppercase());
    is_letters && of_one_case && part.len() <= LONGEST_WORD
}

/// A number, or a word with one behind it: `01`, `2024`, `v2`, `py3`.
fn is_numbered(part: &str) -> bool {
    let digits = part.bytes().rev().take_while(u8::is_ascii_digit).count();
    let word = &part[..part.len() - digits];
    (1..=8).contains(&digits) && (word.is_empty() || is_word(word) && digits <= 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clean(text: &str) -> Option<String> {
        without_secrets(text, &RedactionKey::new(&[7; 32]))
    }

    #[test]
    fn credentials_are_found_in_prose() {
        for secret in [
            "sk-proj4abcdefghijklmnop",
            "sk-ant-api03-Zx81kPq0aBcD-eFgH_12ijklmNOP",
            "sk-Ab3x9QlmN0pQrStUvWxY12",
            "sk-or-v1-0f3a9b8c7d6e5f4a3b2c1d0e9f8a7b6c",
            "AKIAIOSFODNN7EXAMPLE",
            "ASIAIOSFODNN7EXAMPLE",
            "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
            "glpat-x9Yz8Wv7Ut6Sr5Qp4On3",
            "xoxb-123456789012-1234567890123-AbCdEfGhIjKlMnOp",
            "hvs.CAESIJ1x2Y3z4W5v6U7t8S9r0Q",
            "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJ1LTEifQ.c2lnbmF0dXJlLXRoYXQtaXMtbG9uZw",
        ] {
            let text = clean(&format!("use {secret}, please")).unwrap_or_else(|| panic!("{secret}"));
            assert!(
                !text.contains(secret) && text.starts_with("use [") && text.ends_with("], please"),
                "{text}"
            );
        }
        for header in ["Bearer abcdefghijkl1234", "Basic dXNlcjpwYXNzd29yZA==", "DPoP Kz~8mXJ0aBcDeFgHiJk"] {
            assert!(clean(header).is_some(), "{header}");
        }
    }

    #[test]
    fn every_name_of_a_secret_is_found_by_its_ending() {
        for name in SECRET_NAMES {
            for written in
                [(*name).to_owned(), name.to_ascii_uppercase(), format!("x-{}", name.replace('_', "-"))]
            {
                assert!(holds_secret(&written), "{written}");
            }
        }
        for name in ["", "n", "on", "token_count", "version", "monkey", "session", "keyword", "records"] {
            assert!(!holds_secret(name), "{name}");
        }
    }

    #[test]
    fn prose_that_resembles_a_key_stays() {
        for text in [
            "run sk-learn-pipeline-01 again",
            "sk-learn-contributors and sk-learn-1.5.2-py3-none-any.whl",
            "the sk-image_filters-v2 release of 2024",
            "ASIA-PACIFIC-REGION-2024 and AKIA-STYLE-NAMES-01",
            "Basic configuration of Bearer authentication (see Basic Understanding)",
            "Bearer token-based-authentication",
            "hvs.example-domain-01.internal",
            "rk_live_demo-environment-02",
        ] {
            assert_eq!(clean(text), None, "{text}");
        }
    }

    #[test]
    fn each_secret_has_a_stand_in_of_its_own_and_keeps_it() {
        let text = |secret: &str| clean(secret).unwrap();
        assert_ne!(text("AKIAIOSFODNN7EXAMPLE"), text("AKIAIOSFODNN7EXAMPL2"));
        assert_eq!(text("AKIAIOSFODNN7EXAMPLE"), text("AKIAIOSFODNN7EXAMPLE"));
        assert_eq!(clean(&text("AKIAIOSFODNN7EXAMPLE")), None, "a stand-in is no secret");
        let mut object = Map::from_iter([("password".to_owned(), Value::from(text("AKIAIOSFODNN7EXAMPLE")))]);
        assert_eq!(remove(&mut object, &RedactionKey::new(&[8; 32])), Vec::<String>::new());
    }
}
