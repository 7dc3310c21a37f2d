//! The chain of authority, from the `act` claim of a token.

use serde_json::{Map, Value, json};

use super::super::fields::Merged;

/// The actors of an `act` claim, the first to act first. A record has no field for them: they become its chain of authority.
pub(super) const ACT: &str = "authority.act";

const CHAIN: &str = "authority.chain";

/// What an actor's claim states of the delegation by which it acted.
const DELEGATION: [&str; 4] = ["iat", "nbf", "exp", "confirmation"];

/// Puts the chain that an `act` claim states: from the initiator, who is the subject of the token, to the current actor. Where the source
/// states a chain of its own and the two differ, its own is kept, and the difference is recorded as a conflict.
pub(super) fn add_chain(merged: &mut Merged) {
    let Some(Value::Array(actors)) = merged.fields.get(ACT).cloned() else { return };
    let hops = Value::Array(hops(merged, actors));
    match merged.fields.get(CHAIN) {
        Some(known) if names(known) != names(&hops) => {
            merged.conflicts.push(json!({ "field": CHAIN, "kept": known, "other": hops, "by": "act" }));
        }
        // The source's own chain may have more detail.
        Some(known) if has_details(known) => {}
        _ => {
            merged.fields.insert(CHAIN.to_owned(), hops);
        }
    }
    // That is what the claim means (RFC 8693 section 4.1).
    merged.fields.entry("authority.mode".to_owned()).or_insert_with(|| "on_behalf_of".into());
}

/// A hop for the initiator and for each actor. The window in an actor's claim is that of the delegation to it, which is the hop before.
fn hops(merged: &Merged, actors: Vec<Value>) -> Vec<Value> {
    let mut before = Map::new();
    for (name, field) in [("principal", "initiator.sub"), ("issuer", "initiator.iss")] {
        before.extend(merged.fields.get(field).map(|value| (name.to_owned(), value.clone())));
    }
    let mut hops = Vec::new();
    for actor in actors {
        let Value::Object(mut actor) = actor else { continue };
        let delegation = DELEGATION.iter().filter_map(|name| actor.remove_entry(*name)).collect::<Vec<_>>();
        before.extend(delegation);
        before.extend(actor.get("principal").map(|name| ("actor".to_owned(), name.clone())));
        hops.push(Value::Object(std::mem::replace(&mut before, actor)));
    }
    hops.push(Value::Object(before));
    hops
}

fn name(hop: &Value) -> Option<&str> {
    hop.as_str().or_else(|| hop.get("principal").and_then(Value::as_str))
}

fn names(chain: &Value) -> Vec<Option<&str>> {
    chain.as_array().into_iter().flatten().map(name).collect()
}

fn has_details(chain: &Value) -> bool {
    chain.as_array().is_some_and(|hops| hops.iter().any(Value::is_object))
}
