//! Bare hashes of content, which are not kept.

use serde_json::Value;
use vouchlog_record::{Commitment, DigestError};

use crate::intake::{Attributes, Item, ItemError};

/// Refuses an item that carries a bare hash where a commitment belongs: of content with a number in it every possible hash can be
/// computed, so that storing it would give the content away.
pub fn unsalted(item: &Item) -> Result<(), ItemError> {
    match item {
        Item::Span(span) => {
            let events = span.events.iter().map(|event| &event.attributes);
            std::iter::once(&span.attributes).chain(events).try_for_each(of_attributes)
        }
        Item::Event(event) => {
            of_attributes(&event.attributes)?;
            event.body.as_object().map_or(Ok(()), of_attributes)
        }
        Item::Decision(decision) => of_attributes(&decision.left),
    }
}

fn of_attributes(attributes: &Attributes) -> Result<(), ItemError> {
    let bare = attributes.iter().find(|(name, value)| is_of_content(name) && is_bare(value));
    bare.map_or(Ok(()), |(name, _)| Err(ItemError::Unsalted(name.clone())))
}

/// Whether an attribute of this name is a digest of what was said: `gen_ai.guardrail.security.content.input.hash`. What `name#2` is
/// called came twice.
fn is_of_content(name: &str) -> bool {
    const DIGESTS: [&str; 7] = ["hash", "digest", "commitment", "sha256", "sha512", "sha1", "md5"];
    const CONTENT: [&str; 12] = [
        "content",
        "input",
        "output",
        "prompt",
        "completion",
        "message",
        "messages",
        "arguments",
        "args",
        "result",
        "before",
        "after",
    ];
    // A template and its version are written by programmers, and are no secret.
    const PUBLIC: [&str; 2] = ["template", "version"];
    let name = name.split('#').next().unwrap_or_default();
    let words = || name.rsplit(['.', '_', '-']);
    let is_among = |word: &str, known: &[&str]| known.iter().any(|known| word.eq_ignore_ascii_case(known));
    // Of hundreds of names few end so: the rest is looked at no further.
    let is_digest = words().next().is_some_and(|last| is_among(last, &DIGESTS));
    is_digest && words().any(|word| is_among(word, &CONTENT)) && !words().any(|word| is_among(word, &PUBLIC))
}

fn is_bare(value: &Value) -> bool {
    let is_one = |text: &str| text.parse::<Commitment>() == Err(DigestError::Unsalted);
    match value {
        Value::String(text) => is_one(text),
        Value::Array(list) => list.iter().filter_map(Value::as_str).any(is_one),
        _ => false,
    }
}
