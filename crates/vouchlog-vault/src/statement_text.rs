//! Signed statements as they are stored. Most of a JWT is base64 of hexadecimal-like digests: stored as bytes it is half as long.
//!
//! ```text
//! statement.packed
//!   version    1
//!   signature  64 bytes
//!   digests    number (u16, big-endian), 32 bytes each: those of `_sd`, in their order
//!   the rest   compressed: header LF payload, both JSON, without what is in `_sd`
//! ```
//!
//! A JWT that is not made again byte for byte is stored as text.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sqlx::Row as _;
use sqlx::any::AnyRow;

use crate::compression::{compress, decompress};
use crate::limits::MAX_JWT_BYTES;
use crate::{Result, VaultError, sums};

const VERSION: u8 = 1;
const SIGNATURE_BYTES: usize = 64;
const DIGEST_BYTES: usize = 32;
/// Characters of a digest in base64url.
const DIGEST_CHARACTERS: usize = 43;
/// What stands before the digests.
const DIGESTS: &str = "\"_sd\":[";

/// The columns that [`read`] reads, of a statement `s`.
pub(crate) const STATEMENT: &str = "s.jwt, s.packed, s.sum";

/// A statement as it is stored: text and packed, one of them empty.
pub(crate) fn stored(jwt: &str) -> (&str, Option<Vec<u8>>) {
    match pack(jwt) {
        Some(packed) => ("", Some(packed)),
        None => (jwt, None),
    }
}

/// Reads the columns [`STATEMENT`], which begin at `at`, of the record with the number `n`; `None` where there is none.
pub(crate) fn read(n: i64, row: &AnyRow, at: usize) -> Result<Option<String>> {
    let Some(text) = row.try_get::<Option<String>, _>(at)? else { return Ok(None) };
    let jwt = match row.try_get::<Option<&[u8]>, _>(at + 1)? {
        None => text,
        Some(packed) => unpack(packed).ok_or_else(|| {
            VaultError::damaged(format!("the statement of the record with number {n} cannot be read"))
        })?,
    };
    sums::check_text(n, "statement", &jwt, row.try_get(at + 2)?)?;
    Ok(Some(jwt))
}

fn pack(jwt: &str) -> Option<Vec<u8>> {
    let (signed, signature) = jwt.rsplit_once('.')?;
    let (header, payload) = signed.split_once('.')?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok().filter(|bytes| bytes.len() == SIGNATURE_BYTES)?;
    let [header, payload] = [header, payload].map(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let (mut text, payload) = (String::from_utf8(header?).ok()?, String::from_utf8(payload?).ok()?);
    let begin = payload.find(DIGESTS)? + DIGESTS.len();
    let end = begin + payload[begin..].find(']')?;
    let digests = payload[begin..end].split(',');
    let digests = digests.map(|digest| {
        let digest = digest.strip_prefix('"')?.strip_suffix('"')?;
        URL_SAFE_NO_PAD.decode(digest).ok().filter(|bytes| bytes.len() == DIGEST_BYTES)
    });
    let digests = digests.collect::<Option<Vec<_>>>()?;
    text.push('\n');
    text.push_str(&payload[..begin]);
    text.push_str(&payload[end..]);
    let mut packed = vec![VERSION];
    packed.extend_from_slice(&signature);
    packed.extend_from_slice(&u16::try_from(digests.len()).ok()?.to_be_bytes());
    digests.iter().for_each(|digest| packed.extend_from_slice(digest));
    packed.extend_from_slice(&compress(text.as_bytes()).ok()?);
    (unpack(&packed).as_deref() == Some(jwt)).then_some(packed)
}

fn unpack(packed: &[u8]) -> Option<String> {
    let (&version, rest) = packed.split_first()?;
    let (signature, rest) = rest.split_at_checked(SIGNATURE_BYTES)?;
    let (count, rest) = rest.split_first_chunk()?;
    let count = usize::from(u16::from_be_bytes(*count));
    let (digests, text) = rest.split_at_checked(count * DIGEST_BYTES)?;
    if version != VERSION {
        return None;
    }
    let text = String::from_utf8(decompress(text, MAX_JWT_BYTES).ok()?).ok()?;
    let (header, rest) = text.split_once('\n')?;
    let (before, after) = rest.split_at_checked(rest.find(DIGESTS)? + DIGESTS.len())?;
    let mut payload = String::with_capacity(rest.len() + count * (DIGEST_CHARACTERS + 3));
    payload.push_str(before);
    for (place, digest) in digests.chunks_exact(DIGEST_BYTES).enumerate() {
        payload.push_str(if place == 0 { "\"" } else { ",\"" });
        URL_SAFE_NO_PAD.encode_string(digest, &mut payload);
        payload.push('"');
    }
    payload.push_str(after);
    let mut jwt = String::with_capacity((header.len() + payload.len() + SIGNATURE_BYTES) * 4 / 3 + 8);
    URL_SAFE_NO_PAD.encode_string(header, &mut jwt);
    jwt.push('.');
    URL_SAFE_NO_PAD.encode_string(payload, &mut jwt);
    jwt.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut jwt);
    Some(jwt)
}

#[cfg(test)]
mod tests {
    use vouchlog_note::{KeyName, SignatureType, SigningKey};
    use vouchlog_record::RecordId;
    use vouchlog_statement::{ClearClaims, issue};
    use vouchlog_stream::{Evidence, StatementKind, StreamId};

    use super::*;

    fn jwt(members: usize) -> String {
        let claims = ClearClaims {
            issuer: "gateway.example.com".to_owned(),
            issued_at: 1_767_225_600,
            record: RecordId::new("rec-1").unwrap(),
            kind: StatementKind::Interaction,
            stream: StreamId::new(3).unwrap(),
            evidence: Evidence::NONE,
            rules: "2026-01".to_owned(),
        };
        let name = KeyName::new("gateway.example.com").unwrap();
        let key = SigningKey::generate(name, SignatureType::CosignatureEd25519, [7; 32]).unwrap();
        let record = (0..members).map(|n| (format!("member {n}"), n.into())).collect();
        issue(&claims, &record, &key).unwrap().jwt
    }

    #[test]
    fn a_statement_takes_little_more_than_half_of_its_text_and_comes_back_as_it_was() {
        for members in [0, 1, 5, 33, 64] {
            let jwt = jwt(members);
            let packed = pack(&jwt).unwrap();
            assert!(packed.len() * 9 < jwt.len() * 5, "{} of {} bytes", packed.len(), jwt.len());
            assert_eq!(unpack(&packed), Some(jwt.clone()));
            assert_eq!(stored(&jwt), ("", Some(packed.clone())));
            for length in 0..packed.len() {
                assert_ne!(unpack(&packed[..length]), Some(jwt.clone()));
            }
        }
    }

    #[test]
    fn what_would_not_come_back_as_it_was_stays_text() {
        let jwt = jwt(3);
        let [header, payload, signature] = jwt.split('.').collect::<Vec<_>>().try_into().unwrap();
        let with = |json: &str| format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode(json));
        let digest = "A".repeat(DIGEST_CHARACTERS);
        for text in [
            String::new(),
            "a.b.c".to_owned(),
            format!("{jwt}x"),
            format!("{jwt}=="),
            format!("{header}.{payload}.{}", &signature[2..]),
            format!("{header}.{payload}.{}B", &signature[..85]),
            with("{}"),
            with(r#"{"_sd":[]}"#),
            with(&format!(r#"{{"_sd":[ "{digest}"]}}"#)),
            with(&format!(r#"{{"_sd":["{digest}", "{digest}"]}}"#)),
            with(&format!(r#"{{"_sd":["{}B"]}}"#, &digest[..42])),
            with(&format!(r#"{{"_sd":["{digest}""#)),
        ] {
            assert_eq!(stored(&text), (text.as_str(), None));
        }
        let other = with(&format!(r#"{{"x":"\u0041","_sd":["{digest}"],"y":"\"_sd\":[]"}}"#));
        let (text, packed) = stored(&other);
        assert_eq!(packed.map_or_else(|| text.to_owned(), |packed| unpack(&packed).unwrap()), other);
    }
}
