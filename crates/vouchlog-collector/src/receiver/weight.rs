//! What a body takes once it is decoded, before it is. A few bytes of protobuf or JSON may become a hundred times as many: an empty
//! span is two bytes on the wire and three hundred in memory.
//!
//! The numbers are rough and on the high side: a list's elements where the list has just doubled, a map's node for each object.

use crate::intake::{Encoding, Signal};

/// Deepest nesting that is looked at. The decoder refuses what is deeper.
const DEPTH: usize = 100;

/// Bytes that `body` takes when it is decoded, about.
pub(super) fn weight(signal: Signal, encoding: Encoding, body: &[u8]) -> usize {
    match encoding {
        Encoding::Json => json(body),
        // Its texts are there twice for a moment.
        Encoding::Protobuf => 2 * body.len() + protobuf(Part::Request(signal), body, 0),
    }
}

/// The same for any JSON.
pub(super) fn json(body: &[u8]) -> usize {
    let (mut weight, mut in_string, mut escaped) = (2 * body.len(), false, false);
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' => weight += 640,
            b'[' => weight += 192,
            b',' => weight += 128,
            _ => {}
        }
    }
    weight
}

/// A message of OTLP, as far as it holds lists.
#[derive(Clone, Copy)]
enum Part {
    Request(Signal),
    OfResource(Signal),
    OfScope(Signal),
    Resource,
    Entity,
    Scope,
    Span,
    SpanEvent,
    Link,
    Log,
    Pair,
    Any,
    Array,
    List,
    Text,
}

impl Part {
    /// What field `number` holds.
    const fn field(self, number: usize) -> Option<Self> {
        Some(match (self, number) {
            (Self::Request(signal), 1) => Self::OfResource(signal),
            (Self::OfResource(_), 1) => Self::Resource,
            (Self::OfResource(signal), 2) => Self::OfScope(signal),
            (Self::OfScope(_), 1) => Self::Scope,
            (Self::OfScope(Signal::Traces), 2) => Self::Span,
            (Self::OfScope(Signal::Logs), 2) => Self::Log,
            (Self::Resource, 3) => Self::Entity,
            (Self::Entity, 3 | 4) => Self::Text,
            (Self::Span, 11) => Self::SpanEvent,
            (Self::Span, 13) => Self::Link,
            (Self::Log, 5) | (Self::Pair, 2) | (Self::Array, 1) => Self::Any,
            (Self::Any, 5) => Self::Array,
            (Self::Any, 6) => Self::List,
            (Self::Resource | Self::List, 1)
            | (Self::Scope | Self::SpanEvent, 3)
            | (Self::Link, 4)
            | (Self::Log, 6)
            | (Self::Span, 9) => Self::Pair,
            _ => return None,
        })
    }

    const fn bytes(self) -> usize {
        match self {
            Self::Array | Self::List => 0,
            Self::Any | Self::Text => 64,
            Self::Pair => 256,
            _ => 1_024,
        }
    }
}

/// SPEC: protobuf's wire format. What cannot be read ends it: the decoder says what is wrong.
fn protobuf(part: Part, mut rest: &[u8], depth: usize) -> usize {
    let mut weight = 0;
    while !rest.is_empty() && depth < DEPTH {
        let Ok(key) = prost::decode_length_delimiter(&mut rest) else { break };
        let skip = match key & 7 {
            0 => match prost::decode_length_delimiter(&mut rest) {
                Ok(_) => continue,
                Err(_) => break,
            },
            1 => 8,
            5 => 4,
            2 => match prost::decode_length_delimiter(&mut rest) {
                Ok(length) => length,
                Err(_) => break,
            },
            // A group: what is in it is looked at as if it stood here.
            3 | 4 => continue,
            _ => break,
        };
        let Some((inner, after)) = rest.split_at_checked(skip) else { break };
        rest = after;
        if let Some(field) = part.field(key >> 3).filter(|_| key & 7 == 2) {
            weight += field.bytes() + protobuf(field, inner, depth + 1);
        }
    }
    weight
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::decode;

    /// Many of the smallest parts there are must weigh what they become.
    #[test]
    fn small_parts_weigh_what_they_become() {
        let nested = |outer: &[u8], count: usize| outer.repeat(count);
        let resources = nested(&[0x0a, 0], 1_000);
        assert!(weight(Signal::Traces, Encoding::Protobuf, &resources) > 1_000_000);
        // One resource, one scope, a hundred empty spans.
        let spans = nested(&[0x12, 0], 100);
        let scope = [&[0x12, 200, 1][..], &spans].concat();
        let body = [&[0x0a, 203, 1][..], &scope].concat();
        assert_eq!(decode(Signal::Traces, Encoding::Protobuf, &body).unwrap().refused.len(), 100);
        assert!(weight(Signal::Traces, Encoding::Protobuf, &body) > 100 * 1_024);
        assert!(json(b"[[],[],[],[]]") > 5 * 192);
        assert!(json(br#"{"a":"{{{{[[[[\",,,,{"}"#) < 800, "what stands in strings is text");
    }
}
