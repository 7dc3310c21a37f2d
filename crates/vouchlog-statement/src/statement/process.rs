//! Putting disclosures in their places: RFC 9901 section 7.1, steps 3 to 5.
//!
//! The crate that encodes also decodes, but not soundly, so this is ours. Its decoder takes an SD-JWT whose payload has one
//! digest twice, or one disclosure twice; lets the name `...` through; leaves `_sd` in an object of which nothing is
//! disclosed; drops empty objects from arrays; does not look at `_sd_alg`; and recurses as deep as its input says.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::{
    DIGEST_ALGORITHM, DIGESTS, ELEMENT, HASH_ALGORITHM, StatementError, decode, encode, strict_json,
};
use crate::limits::MAX_DEPTH;

/// The contents of a disclosure, without its salt.
#[derive(Debug, PartialEq)]
pub(super) struct DecodedDisclosure {
    /// None for an element of an array.
    pub(super) name: Option<String>,
    pub(super) value: Value,
}

impl DecodedDisclosure {
    /// Reads a disclosure: base64url of a JSON array `[salt, name, value]` or `[salt, value]`.
    pub(super) fn parse(disclosure: &str) -> Result<Self, &'static str> {
        let json = decode(disclosure).ok_or("it is not base64url without padding")?;
        let Ok(Value::Array(mut parts)) = strict_json::parse(&json) else {
            return Err("it is not a JSON array, or an object in it repeats a name");
        };
        let (2 | 3, Some(Value::String(_))) = (parts.len(), parts.first()) else {
            return Err("it is not an array of a salt, an optional name, and a value");
        };
        let value = parts.pop().unwrap_or_default();
        match (parts.len(), parts.pop()) {
            (1, _) => Ok(Self { name: None, value }),
            (2, Some(Value::String(name))) => Ok(Self { name: Some(name), value }),
            _ => Err("its name is not a string"),
        }
    }
}

/// The digest of a disclosure: over its base64url text, not over what that encodes (RFC 9901 section 4.2.3).
pub(super) fn disclosure_digest(disclosure: &str) -> String {
    encode(vouchlog_merkle::sha256(disclosure.as_bytes()).as_bytes())
}

/// A payload with everything disclosed in its place.
#[derive(Debug)]
pub(super) struct Processed {
    pub(super) claims: Map<String, Value>,
    /// Digests for which there was no disclosure.
    pub(super) undisclosed: usize,
}

/// Puts the disclosures in their places in the payload of an issuer-signed JWT.
pub(super) fn process(
    mut payload: Map<String, Value>,
    disclosures: &[&str],
) -> Result<Processed, StatementError> {
    // SPEC: sha-256 if there is none (RFC 9901 section 4.1.1).
    match payload.remove(DIGEST_ALGORITHM) {
        None => {}
        Some(Value::String(name)) if name == HASH_ALGORITHM => {}
        Some(other) => return Err(StatementError::HashAlgorithm(other.to_string())),
    }
    let mut shown = HashMap::with_capacity(disclosures.len());
    for (place, disclosure) in disclosures.iter().enumerate() {
        let read = DecodedDisclosure::parse(disclosure)
            .map_err(|problem| StatementError::Disclosure { place, problem })?;
        if shown.insert(disclosure_digest(disclosure), read).is_some() {
            return Err(StatementError::RepeatedDisclosure { place });
        }
    }
    let mut places = Places { shown, seen: HashSet::new(), undisclosed: 0 };
    let claims = places.object(payload, 1)?;
    if !places.shown.is_empty() {
        return Err(StatementError::UnusedDisclosures(places.shown.len()));
    }
    Ok(Processed { claims, undisclosed: places.undisclosed })
}

struct Places {
    /// Disclosures not placed yet, by digest.
    shown: HashMap<String, DecodedDisclosure>,
    /// Digests met so far.
    seen: HashSet<String>,
    undisclosed: usize,
}

impl Places {
    fn value(&mut self, value: Value, depth: usize) -> Result<Value, StatementError> {
        match value {
            Value::Object(object) => self.object(object, depth).map(Value::Object),
            Value::Array(elements) => self.array(elements, depth).map(Value::Array),
            scalar => Ok(scalar),
        }
    }

    fn object(
        &mut self,
        mut object: Map<String, Value>,
        depth: usize,
    ) -> Result<Map<String, Value>, StatementError> {
        check_depth(depth)?;
        let digests = match object.remove(DIGESTS) {
            None => Vec::new(),
            Some(Value::Array(digests)) => digests,
            Some(_) => return Err(StatementError::EmbeddedDigest("`_sd` is not an array")),
        };
        if let Some(name) = [ELEMENT, DIGEST_ALGORITHM].into_iter().find(|name| object.contains_key(*name)) {
            return Err(StatementError::ReservedName(name.to_owned()));
        }
        let mut out = Map::new();
        for (name, value) in object {
            out.insert(name, self.value(value, depth + 1)?);
        }
        for digest in digests {
            let Some(DecodedDisclosure { name, value }) = self.take(digest)? else { continue };
            let name = name.ok_or(StatementError::EmbeddedDigest("an element is disclosed as a member"))?;
            if [DIGESTS, ELEMENT, DIGEST_ALGORITHM].contains(&name.as_str()) {
                return Err(StatementError::ReservedName(name));
            }
            if out.contains_key(&name) {
                return Err(StatementError::Collision(name));
            }
            let value = self.value(value, depth + 1)?;
            out.insert(name, value);
        }
        Ok(out)
    }

    fn array(&mut self, elements: Vec<Value>, depth: usize) -> Result<Vec<Value>, StatementError> {
        check_depth(depth)?;
        let mut out = Vec::with_capacity(elements.len());
        for mut element in elements {
            let digest = match &mut element {
                Value::Object(object) if object.contains_key(ELEMENT) => {
                    let digest = object.remove(ELEMENT).filter(|_| object.is_empty());
                    Some(digest.ok_or(StatementError::EmbeddedDigest(
                        "`...` is not the only member of its object",
                    ))?)
                }
                _ => None,
            };
            let Some(digest) = digest else {
                out.push(self.value(element, depth + 1)?);
                continue;
            };
            match self.take(digest)? {
                None => {}
                Some(DecodedDisclosure { name: None, value }) => out.push(self.value(value, depth + 1)?),
                Some(_) => return Err(StatementError::EmbeddedDigest("a member is disclosed as an element")),
            }
        }
        Ok(out)
    }

    /// What a digest stands for, if that is disclosed.
    fn take(&mut self, digest: Value) -> Result<Option<DecodedDisclosure>, StatementError> {
        let Value::String(digest) = digest else {
            return Err(StatementError::EmbeddedDigest("a digest is not a string"));
        };
        let shown = self.shown.remove(&digest);
        self.undisclosed += usize::from(shown.is_none());
        match self.seen.replace(digest) {
            None => Ok(shown),
            Some(digest) => Err(StatementError::RepeatedDigest(digest)),
        }
    }
}

fn check_depth(depth: usize) -> Result<(), StatementError> {
    if depth > MAX_DEPTH { Err(StatementError::TooDeep) } else { Ok(()) }
}
