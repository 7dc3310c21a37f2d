//! OTLP as protobuf. A body is taken apart to its items before any of them is decoded, so that a broken one costs only itself.

use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use prost::{DecodeError, Message};

use super::otlp::{self, Origin, Unread};
use super::{Decoded, IntakeError, Item, ItemError, Signal};

/// Field numbers, the same for traces and logs.
const GROUPS: u32 = 1;
/// Of a group, and of a scope's group: who sent it, what it holds, and its schema.
const OWNER: u32 = 1;
const MEMBERS: u32 = 2;
const SCHEMA_URL: u32 = 3;
/// Attributes of a resource and of a scope.
const RESOURCE_ATTRIBUTES: u32 = 1;
const SCOPE_ATTRIBUTES: u32 = 3;

pub(super) fn decode(signal: Signal, body: &[u8]) -> Result<Decoded, IntakeError> {
    let mut decoder = Decoder { signal, decoded: Decoded::default(), broken: None };
    for group in fields(body, GROUPS) {
        match group {
            Ok(group) => decoder.group(group),
            Err(error) => decoder.breaks(error),
        }
    }
    match decoder.broken {
        Some(error) if decoder.decoded.items.is_empty() => Err(IntakeError::Protobuf(error)),
        _ => Ok(decoder.decoded),
    }
}

struct Decoder {
    signal: Signal,
    decoded: Decoded,
    /// The first place at which the frame around items breaks off.
    broken: Option<DecodeError>,
}

impl Decoder {
    /// What comes after a break cannot be told apart; it counts as one item.
    fn breaks(&mut self, error: DecodeError) {
        self.decoded.refuse(ItemError::Field(error.to_string()));
        self.broken.get_or_insert(error);
    }

    fn group(&mut self, group: &[u8]) {
        let mut resource = Unread::default();
        for part in fields(group, OWNER).map_while(Result::ok) {
            attributes(part, RESOURCE_ATTRIBUTES, &mut resource);
        }
        let url = text(group, SCHEMA_URL);
        for scope in fields(group, MEMBERS) {
            match scope {
                Ok(scope) => self.scope(scope, &resource, &url),
                Err(error) => return self.breaks(error),
            }
        }
    }

    fn scope(&mut self, scope: &[u8], resource: &Unread, url: &str) {
        let (mut about, mut attributes_of_scope) = (InstrumentationScope::default(), Unread::default());
        for part in fields(scope, OWNER).map_while(Result::ok) {
            about.name = text(part, 1);
            about.version = text(part, 2);
            attributes(part, SCOPE_ATTRIBUTES, &mut attributes_of_scope);
        }
        let own = text(scope, SCHEMA_URL);
        let url = if own.is_empty() { url } else { &own };
        about.attributes = attributes_of_scope.attributes;
        let origin = Origin::new(resource, &about, attributes_of_scope.count, url);
        for item in fields(scope, MEMBERS) {
            match item {
                Ok(item) => {
                    let item = self.item(item, &origin);
                    self.decoded.add(item);
                }
                Err(error) => return self.breaks(error),
            }
        }
    }

    fn item(&self, bytes: &[u8], origin: &Origin) -> Result<Item, ItemError> {
        let broken = |error: DecodeError| ItemError::Field(error.to_string());
        match self.signal {
            Signal::Traces => otlp::span(Span::decode(bytes).map_err(broken)?, origin).map(Item::Span),
            Signal::Logs => otlp::event(LogRecord::decode(bytes).map_err(broken)?, origin).map(Item::Event),
        }
    }
}

/// Attributes one by one: one that cannot be read is counted.
fn attributes(message: &[u8], number: u32, unread: &mut Unread) {
    for pair in fields(message, number) {
        match pair.and_then(KeyValue::decode) {
            Ok(pair) => unread.attributes.push(pair),
            Err(_) => unread.count += 1,
        }
    }
}

/// The last text in a field. Bytes that are not UTF-8 are replaced by U+FFFD.
fn text(message: &[u8], number: u32) -> String {
    let last = fields(message, number).map_while(Result::ok).last();
    last.map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default()
}

/// The values of a length-delimited field of a message; ends after an error.
fn fields(message: &[u8], number: u32) -> impl Iterator<Item = Result<&[u8], DecodeError>> {
    let mut rest = message;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            match next(&mut rest) {
                Ok((found, Some(bytes))) if found == number => return Some(Ok(bytes)),
                Ok(_) => {}
                Err(error) => {
                    rest = &[];
                    return Some(Err(error));
                }
            }
        }
        None
    })
}

/// SPEC: protobuf's wire format. A field's number, and its bytes if it is length-delimited.
fn next<'a>(rest: &mut &'a [u8]) -> Result<(u32, Option<&'a [u8]>), DecodeError> {
    let (number, wire_type) = decode_key(rest)?;
    let from = *rest;
    skip_field(wire_type, number, rest, DecodeContext::default())?;
    if wire_type != WireType::LengthDelimited {
        return Ok((number, None));
    }
    let mut bytes = &from[..from.len() - rest.len()];
    decode_varint(&mut bytes)?;
    Ok((number, Some(bytes)))
}
