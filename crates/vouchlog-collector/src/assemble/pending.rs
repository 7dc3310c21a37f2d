//! Spans that were sent when they began. Most exporters that do so send the span itself, without an end. Logfire sends a span of its
//! own below the real one, with its attributes: it is turned into the other form here, so that it is not taken for a second call.

use serde_json::Value;

use crate::intake::{Attributes, Item, Span};

const KIND: &str = "logfire.span_type";
const PARENT: &str = "logfire.pending_parent_id";

/// The item, or the begin of the span that a placeholder stands for.
pub(super) fn as_unfinished(item: Item) -> Item {
    match item {
        Item::Span(span) if is_placeholder(&span) => Item::Span(begin(span)),
        other => other,
    }
}

fn is_placeholder(span: &Span) -> bool {
    text(&span.attributes, KIND) == Some("pending_span") && span.parent.is_some()
}

fn begin(mut span: Span) -> Span {
    let above = text(&span.attributes, PARENT).filter(|id| is_id(id)).map(str::to_ascii_lowercase);
    if let Some(real) = std::mem::replace(&mut span.parent, above) {
        span.span = real;
    }
    for name in [KIND, PARENT] {
        span.attributes.remove(name);
    }
    Span { end: 0, ..span }
}

fn text<'a>(attributes: &'a Attributes, name: &str) -> Option<&'a str> {
    attributes.get(name).and_then(Value::as_str)
}

/// The id of a span; all zeros stand for none.
fn is_id(id: &str) -> bool {
    id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) && id.bytes().any(|byte| byte != b'0')
}
