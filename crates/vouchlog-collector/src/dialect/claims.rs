//! Claims about identities that are JSON with members of their own: lists of credentials, chains of authority, nested `act` claims.

use serde_json::{Map, Value};

use super::shape::{self, Shape, json, list, text};
use crate::intake::Attributes;
use crate::limits::{MAX_CREDENTIALS, MAX_HOPS, MAX_LISTED};

/// Prefix of the attributes of a call's one credential.
const ONE: &str = "evidence.credential.";

/// Prefix of the attributes of several.
const SEVERAL: &str = "evidence.credentials";

/// Which credential a call used, and whether it took one.
const USE: [&str; 2] = ["evidence.credential.use", "evidence.credential.none"];

/// Whether an attribute that the resource declares does not apply to an item, because the item states its own: of two credentials nothing
/// is mixed.
pub(super) fn is_overruled(name: &str, own: &Attributes, resource: &Attributes) -> bool {
    const ID: &str = "evidence.credential.id";
    if name.starts_with(SEVERAL) {
        return own.keys().any(|own| own.starts_with(SEVERAL));
    }
    if !name.starts_with(ONE) {
        return false;
    }
    let is_another = own.get(ID).zip(resource.get(ID)).is_some_and(|(mine, theirs)| mine != theirs);
    let is_told =
        USE.contains(&name) && (own.contains_key(ID) || USE.iter().any(|name| own.contains_key(*name)));
    is_another || is_told
}

/// The value in a shape, plain or with members; none if it cannot be brought into it.
pub(super) fn convert(shape: Shape, value: &Value) -> Option<Value> {
    match shape {
        Shape::Credentials => credentials(value),
        Shape::Chain => chain(value),
        Shape::Scopes => scopes(value),
        Shape::Act => act(value),
        Shape::Policies => policies(value),
        plain => shape::convert(plain, value),
    }
}

/// A list of credentials, or a single one; `None` if an element is not an object.
fn credentials(value: &Value) -> Option<Value> {
    let all = match json(value) {
        Value::Array(all) => all,
        one @ Value::Object(_) => vec![one],
        _ => return None,
    };
    if all.is_empty() || all.len() > MAX_CREDENTIALS {
        return None;
    }
    let one = |value| match value {
        Value::Object(members) => Some(Value::Object(shaped("credential", members))),
        _ => None,
    };
    all.into_iter().map(one).collect::<Option<Vec<Value>>>().map(Value::Array)
}

/// A chain of authority: names, or objects. `None` if a hop is neither: a hop that is left out would make another chain.
fn chain(value: &Value) -> Option<Value> {
    let hops = match json(value) {
        Value::Array(hops) => hops,
        _ => list(value).into_iter().map(Value::String).collect(),
    };
    if hops.len() > MAX_HOPS {
        return None;
    }
    let hop = |hop| match hop {
        Value::Object(members) => Some(Value::Object(shaped("hop", members))),
        name => text(&name).map(Value::String),
    };
    hops.into_iter().map(hop).collect::<Option<Vec<Value>>>().map(Value::Array)
}

/// The scopes of each hop: a list of lists, or of texts with spaces between scopes.
fn scopes(value: &Value) -> Option<Value> {
    let Value::Array(hops) = json(value) else { return None };
    let is_text = |hop: &Value| match hop {
        Value::Array(scopes) => scopes.iter().all(Value::is_string),
        hop => hop.is_string(),
    };
    let of_hop = |hop: &Value| -> Value { list(hop).into_iter().map(Value::String).collect() };
    (hops.len() <= MAX_HOPS && hops.iter().all(is_text)).then(|| hops.iter().map(of_hop).collect())
}

/// The actors of an `act` claim, the first to act first: the innermost claim names it, and the outermost one the current actor (RFC 8693
/// section 4.1). Each has `principal`, and `issuer`, `iat`, `nbf`, `exp` and `confirmation` as far as the claim has them. `None` if an
/// actor has no name, or there are too many: what is left out would make another chain.
fn act(value: &Value) -> Option<Value> {
    let mut actors = Vec::new();
    let mut next = Some(json(value));
    while let Some(Value::Object(mut claim)) = next {
        if actors.len() == MAX_HOPS {
            return None;
        }
        next = claim.remove("act");
        actors.push(Value::Object(actor(&claim)?));
    }
    // Something else than a claim where one has to be.
    if next.is_some_and(|rest| !rest.is_null()) || actors.is_empty() {
        return None;
    }
    actors.reverse();
    Some(Value::Array(actors))
}

fn actor(claim: &Map<String, Value>) -> Option<Map<String, Value>> {
    let name = ["sub", "client_id"].into_iter().find_map(|name| claim.get(name)?.as_str());
    let mut actor = Map::new();
    actor.insert("principal".into(), name.filter(|name| !name.is_empty())?.into());
    if let Some(issuer) = claim.get("iss").and_then(Value::as_str) {
        actor.insert("issuer".into(), issuer.into());
    }
    for name in ["iat", "nbf", "exp"] {
        // A window that cannot be read is kept as it is, and the record refuses it: its absence would be no window at all.
        let time =
            claim.get(name).map(|time| shape::convert(Shape::Time, time).unwrap_or_else(|| time.clone()));
        actor.extend(time.map(|time| (name.to_owned(), time)));
    }
    let bound = claim.get("cnf").and_then(binding);
    actor.extend(bound.map(|bound| ("confirmation".to_owned(), bound.into())));
    Some(actor)
}

/// How a key in a `cnf` claim is proved: by DPoP (RFC 9449) or by mutual TLS (RFC 8705).
fn binding(cnf: &Value) -> Option<&'static str> {
    let has = |name: &str| cnf.get(name).is_some_and(Value::is_string);
    if has("jkt") { Some("dpop") } else { has("x5t#S256").then_some("mtls") }
}

/// The policies that determined a decision: their ids, or objects. `None` if one is neither: without a policy that forbids, a verdict
/// would look like another one.
pub(super) fn policies(value: &Value) -> Option<Value> {
    let all = match json(value) {
        Value::Array(all) => all,
        one @ Value::Object(_) => vec![one],
        Value::String(ids) => list(&Value::String(ids)).into_iter().map(Value::String).collect(),
        _ => return None,
    };
    let one = |policy| match policy {
        Value::Object(members) => {
            let mut members = shaped("determining", members);
            // Verified Permissions writes `policyId`, some engines the verdict in the place of the effect.
            for name in ["policyId", "policy_id"] {
                if !members.contains_key("id")
                    && let Some(id) = members.remove(name)
                {
                    members.insert("id".into(), id);
                }
            }
            if let Some(effect) = members.get_mut("effect") {
                match effect.as_str() {
                    Some("allow") => *effect = "permit".into(),
                    Some("deny") => *effect = "forbid".into(),
                    _ => {}
                }
            }
            Some(Value::Object(members))
        }
        id => Some(Value::Object(Map::from_iter([("id".to_owned(), Value::String(text(&id)?))]))),
    };
    if all.len() > MAX_LISTED {
        return None;
    }
    all.into_iter().map(one).collect::<Option<Vec<Value>>>().map(Value::Array)
}

/// Text fields of these groups; a number in one is its text. Any other member without a shape stays as it is.
const TEXTS: [&str; 9] = [
    "credential.id",
    "credential.issuer",
    "credential.kid",
    "credential.txn",
    "hop.principal",
    "hop.issuer",
    "hop.actor",
    "determining.id",
    "determining.version",
];

/// Groups within groups.
const GROUPS: [&str; 3] = ["credential.status", "credential.cnf", "credential.role_session"];

/// The members of a group in the shapes of its fields. What cannot be brought into its shape stays as it is, and the record refuses it.
fn shaped(group: &str, members: Map<String, Value>) -> Map<String, Value> {
    let one = |(name, value): (String, Value)| {
        let field = format!("{group}.{name}");
        let value = match value {
            Value::Null => return None,
            Value::Object(inner) if GROUPS.contains(&field.as_str()) && !inner.contains_key("$") => {
                Value::Object(shaped(&field, inner))
            }
            // A state such as `{"$": "redacted"}`, or what no table knows.
            other @ Value::Object(_) => other,
            other => match shape::shape(&field) {
                Shape::Text if !TEXTS.contains(&field.as_str()) => other,
                plain => shape::convert(plain, &other).unwrap_or(other),
            },
        };
        let name = if field == "credential.cnf.x5t#S256" { "x5t_s256".to_owned() } else { name };
        Some((name, value))
    };
    members.into_iter().filter_map(one).collect()
}
