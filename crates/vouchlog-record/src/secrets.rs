//! Secrets that must not be stored, wherever in a record they turn up. They are taken out, and counted.

use serde_json::{Map, Value};

use crate::path::Path;

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
    "AKIA",
    "ASIA",
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

/// Fewest characters of a secret after its prefix: `sk-` alone is no key.
const MIN_SECRET: usize = 12;

/// What stands in the place of a secret.
const REMOVED: &str = "[secret removed]";

/// Takes secrets out; their JSON pointers.
pub(crate) fn remove(object: &mut Map<String, Value>) -> Vec<String> {
    let mut removed = Vec::new();
    in_object(object, &Path::Top, &mut removed);
    removed
}

fn in_object(object: &mut Map<String, Value>, at: &Path<'_>, removed: &mut Vec<String>) {
    for (name, value) in object {
        let place = Path::Member(at, name);
        if holds_secret(name) && !says_nothing(value) {
            *value = Value::String(REMOVED.to_owned());
            removed.push(place.pointer());
        } else {
            in_value(value, &place, removed);
        }
    }
}

fn in_value(value: &mut Value, at: &Path<'_>, removed: &mut Vec<String>) {
    match value {
        Value::Object(object) => in_object(object, at, removed),
        Value::Array(list) => {
            for (place, value) in list.iter_mut().enumerate() {
                in_value(value, &Path::Element(at, place), removed);
            }
        }
        Value::String(text) => {
            if let Some(clean) = without_secrets(text) {
                *text = clean;
                removed.push(at.pointer());
            }
        }
        _ => {}
    }
}

/// A state such as `{"$": "redacted"}`, a flag or nothing at all is no secret.
fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) => true,
        Value::Object(object) => object.len() == 1 && object.contains_key("$"),
        Value::String(text) => text.is_empty() || text == REMOVED,
        _ => false,
    }
}

fn holds_secret(name: &str) -> bool {
    let mut end = [None; LONGEST_NAME + 1];
    end.iter_mut().zip(words_backwards(name)).for_each(|(place, c)| *place = Some(c));
    SECRET_NAMES.iter().any(|secret| {
        let is_its = secret.chars().rev().zip(end).all(|(one, other)| Some(one) == other);
        is_its && matches!(end[secret.len()], None | Some('_'))
    })
}

/// The characters of `userApiKey`, `x-api-key` and `user.api_key` as `user_api_key`, `x_api_key`, `user_api_key`, from the end.
fn words_backwards(name: &str) -> impl Iterator<Item = char> {
    let before = name.chars().rev().skip(1).map(Some).chain([None]);
    name.chars().rev().zip(before).flat_map(|(c, before)| {
        let begins_word = c.is_ascii_uppercase()
            && before.is_some_and(|before| before.is_ascii_lowercase() || before.is_ascii_digit());
        let c = if matches!(c, '-' | '.' | ' ' | ':' | '/') { '_' } else { c.to_ascii_lowercase() };
        [Some(c), begins_word.then_some('_')].into_iter().flatten()
    })
}

/// The text without the credentials in it; `None` when it has none.
fn without_secrets(text: &str) -> Option<String> {
    if text.starts_with("-----BEGIN") && text.contains("PRIVATE KEY") {
        return Some(REMOVED.to_owned());
    }
    let mut next = next_secret(text)?;
    let (mut clean, mut rest) = (String::new(), text);
    loop {
        clean.push_str(&rest[..next.0]);
        clean.push_str(REMOVED);
        rest = &rest[next.1..];
        let Some(after) = next_secret(rest) else { break };
        next = after;
    }
    clean.push_str(rest);
    Some(clean)
}

/// Where the next credential begins and ends.
fn next_secret(text: &str) -> Option<(usize, usize)> {
    let is_inner =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+' | '/' | '=' | '~');
    let mut begin = 0;
    for word in text.split_inclusive(|c: char| !is_inner(c)) {
        let token = word.trim_end_matches(|c: char| !is_inner(c));
        // No credential is that short.
        if token.len() < MIN_SECRET {
            begin += word.len();
            continue;
        }
        let is_credential = is_jwt(token)
            || SECRET_PREFIXES.iter().any(|prefix| {
                !prefix.ends_with(' ')
                    && token
                        .strip_prefix(prefix)
                        .is_some_and(|rest| rest.len() >= MIN_SECRET && looks_random(rest))
            })
            || follows_scheme(&text[..begin]);
        if is_credential {
            return Some((begin, begin + token.len()));
        }
        begin += word.len();
    }
    None
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
