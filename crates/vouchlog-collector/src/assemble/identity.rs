//! What tells one item from another: a canonical encoding of all it says.
//!
//! Digests of this encoding are stored across restarts, compared with later arrivals, and part of the names of records. So the
//! encoding is a format: it depends on nothing but this file, and a change to it takes a new [`ENCODING`].
//!
//! ```text
//! item   = "vouchlog item" encoding(1) kind(1) field*      fields in the order written here, none left out
//! text   = length(8) UTF-8           number = 8 bytes        flag = 0 | 1       optional = 0 | 1 value
//! list   = count(8) value*           all integers are big endian
//! object = count(8) (text value)*    in the order of the names' bytes
//! value  = "n" | "f" | "t" | "#" text | "s" text | "a" list | "o" object
//! ```
//!
//! A number is its exact decimal value, `-15e-1`: however a library prints it, and whether it came as an integer or as a double.

use serde_json::{Number, Value};

use crate::intake::{Attributes, Decision, Event, Item, Link, Source, Span, SpanEvent, SpanKind};

/// The version of the encoding. Version 1 was the output of Rust's `Debug`.
pub(super) const ENCODING: u8 = 2;

const PURPOSE: &[u8] = b"vouchlog item";

/// The encoding of an item: the same bytes for the same item only.
pub(super) fn encode(item: &Item) -> Vec<u8> {
    let mut out = Encoder(PURPOSE.to_vec());
    out.byte(ENCODING);
    match item {
        Item::Span(span) => out.span(span),
        Item::Event(event) => out.event(event),
        Item::Decision(decision) => out.decision(decision),
    }
    out.0
}

/// The bytes that version 1 made digests of. They change with the compiler and with every field, so they only serve to recognise
/// what an earlier version stored; what they do not recognise is not taken for a contradiction.
pub(super) fn encode_as_version_1(item: &Item) -> Vec<u8> {
    format!("part {item:?}").into_bytes()
}

struct Encoder(Vec<u8>);

impl Encoder {
    fn span(&mut self, span: &Span) {
        // Named one by one, so that a new field cannot be forgotten here.
        let Span {
            source,
            trace,
            span,
            parent,
            flags,
            name,
            kind,
            start,
            end,
            attributes,
            dropped,
            cut,
            events,
            links,
            failed,
            message,
        } = span;
        self.byte(b's');
        self.source(source);
        self.text(trace);
        self.text(span);
        self.optional(parent.as_deref());
        self.number(u64::from(*flags));
        self.text(name);
        self.byte(number_of(*kind));
        self.number(*start);
        self.number(*end);
        self.object(attributes);
        self.number(*dropped);
        self.flag(*cut);
        self.count(events.len());
        for SpanEvent { time, name, attributes } in events {
            self.number(*time);
            self.text(name);
            self.object(attributes);
        }
        self.count(links.len());
        for Link { trace, span } in links {
            self.text(trace);
            self.text(span);
        }
        self.flag(*failed);
        self.text(message);
    }

    fn event(&mut self, event: &Event) {
        let Event { source, trace, span, flags, time, name, body, attributes, dropped, cut } = event;
        self.byte(b'e');
        self.source(source);
        self.optional(trace.as_deref());
        self.optional(span.as_deref());
        self.number(u64::from(*flags));
        self.number(*time);
        self.text(name);
        self.value(body);
        self.object(attributes);
        self.number(*dropped);
        self.flag(*cut);
    }

    fn decision(&mut self, decision: &Decision) {
        let Decision { trace, span, response, time, fields, left } = decision;
        self.byte(b'd');
        self.optional(trace.as_deref());
        self.optional(span.as_deref());
        self.optional(response.as_deref());
        self.number(*time);
        self.object(fields);
        self.object(left);
    }

    fn source(&mut self, source: &Source) {
        let Source { resource, scope, version, scope_attributes, schema_url } = source;
        self.object(resource);
        self.text(scope);
        self.text(version);
        self.object(scope_attributes);
        self.text(schema_url);
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.byte(b'n'),
            Value::Bool(false) => self.byte(b'f'),
            Value::Bool(true) => self.byte(b't'),
            Value::Number(number) => {
                self.byte(b'#');
                self.text(&decimal(number));
            }
            Value::String(text) => {
                self.byte(b's');
                self.text(text);
            }
            Value::Array(list) => {
                self.byte(b'a');
                self.count(list.len());
                list.iter().for_each(|value| self.value(value));
            }
            Value::Object(members) => {
                self.byte(b'o');
                self.object(members);
            }
        }
    }

    fn object(&mut self, members: &Attributes) {
        // A dependency can switch a map of JSON to the order of insertion.
        let mut members: Vec<_> = members.iter().collect();
        members.sort_unstable_by_key(|(name, _)| name.as_bytes());
        self.count(members.len());
        for (name, value) in members {
            self.text(name);
            self.value(value);
        }
    }

    fn optional(&mut self, text: Option<&str>) {
        self.flag(text.is_some());
        if let Some(text) = text {
            self.text(text);
        }
    }

    fn text(&mut self, text: &str) {
        self.count(text.len());
        self.0.extend(text.as_bytes());
    }

    fn count(&mut self, count: usize) {
        self.number(count as u64);
    }

    fn number(&mut self, number: u64) {
        self.0.extend(number.to_be_bytes());
    }

    fn flag(&mut self, flag: bool) {
        self.byte(u8::from(flag));
    }

    fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }
}

const fn number_of(kind: SpanKind) -> u8 {
    match kind {
        SpanKind::Unspecified => 0,
        SpanKind::Internal => 1,
        SpanKind::Server => 2,
        SpanKind::Client => 3,
        SpanKind::Producer => 4,
        SpanKind::Consumer => 5,
    }
}

/// The value of a number as digits without zeros at either end, and an exponent of ten.
fn decimal(number: &Number) -> String {
    let text = number.to_string();
    let unsigned = text.trim_start_matches('-');
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    let significant = digits.trim_end_matches('0');
    if significant.is_empty() {
        return "0".into();
    }
    let length = |text: &str| i64::try_from(text.len()).ok();
    let shift = || length(digits)?.checked_sub(length(significant)?)?.checked_sub(length(fraction)?);
    let sign = if text.starts_with('-') { "-" } else { "" };
    let shifted = exponent.parse::<i64>().ok().and_then(|exponent| exponent.checked_add(shift()?));
    match shifted {
        Some(exponent) => format!("{sign}{significant}e{exponent}"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::secret::Secret;

    fn attributes(value: Value) -> Attributes {
        let Value::Object(members) = value else { panic!() };
        members
    }

    fn span() -> Span {
        Span {
            source: Arc::new(Source {
                resource: attributes(json!({ "service.name": "bot" })),
                scope: "app".into(),
                version: "1.0".into(),
                scope_attributes: Attributes::new(),
                schema_url: String::new(),
            }),
            trace: "01".repeat(16),
            span: "02".repeat(8),
            parent: None,
            flags: 0x101,
            name: "chat m".into(),
            kind: SpanKind::Client,
            start: 1_795_300_000_000_000_000,
            end: 1_795_300_001_000_000_000,
            attributes: attributes(json!({
                "b": 1.5, "a": [1, -2, "x", null, true, { "z": {}, "é": 1e300 }], "c": u64::MAX, "d": "",
            })),
            dropped: 1,
            cut: false,
            events: vec![SpanEvent { time: 3, name: "exception".into(), attributes: Attributes::new() }],
            links: vec![Link { trace: "03".repeat(16), span: "04".repeat(8) }],
            failed: true,
            message: "no".into(),
        }
    }

    fn event() -> Event {
        Event {
            source: Arc::default(),
            trace: None,
            span: Some("02".repeat(8)),
            flags: 1,
            time: 7,
            name: "gen_ai.choice".into(),
            body: json!({ "index": 0 }),
            attributes: Attributes::new(),
            dropped: 0,
            cut: true,
        }
    }

    fn decision() -> Decision {
        Decision {
            trace: Some("01".repeat(16)),
            span: None,
            response: Some("r".into()),
            time: 9,
            fields: attributes(json!({ "decision_id": "d-1" })),
            left: Attributes::new(),
        }
    }

    /// Computed by another program from the description above. If one of these differs, stored digests and names of records change: give the encoding a new number, and keep the old one.
    #[test]
    fn the_encoding_is_what_is_stored() {
        let secret = Secret::new(&[7; 32]);
        let digest = |item: Item| hex::encode(secret.name(&encode(&item)));
        let found = [Item::Span(span()), Item::Event(event()), Item::Decision(decision())].map(digest);
        assert_eq!(found, GOLDEN);
        let bytes = hex::encode(encode(&Item::Decision(decision())));
        assert_eq!(bytes, GOLDEN_DECISION);
    }

    const GOLDEN: [&str; 3] = [
        "9a1fab9ccf01866610816c2282d98673",
        "44dbde29b9a257d6357565bdb9e53f2e",
        "5af1eb87d0c8023f6ce4119642dcc744",
    ];
    const GOLDEN_DECISION: &str = concat!(
        "766f7563686c6f67206974656d026401000000000000002030313031303130313031303130313031",
        "30313031303130313031303130313031000100000000000000017200000000000000090000000000",
        "000001000000000000000b6465636973696f6e5f6964730000000000000003642d31000000000000",
        "0000",
    );

    #[test]
    fn a_number_is_its_value_however_it_is_written() {
        let text = |text: &str| decimal(&serde_json::from_str(text).unwrap());
        for (written, value) in [
            ("0", "0"),
            ("-0.0", "0"),
            ("0e5", "0"),
            ("1", "1e0"),
            ("1.0", "1e0"),
            ("100", "1e2"),
            ("1e2", "1e2"),
            ("-1.50", "-15e-1"),
            ("0.001", "1e-3"),
            ("1e300", "1e300"),
            ("18446744073709551615", "18446744073709551615e0"),
            ("-9223372036854775808", "-9223372036854775808e0"),
        ] {
            assert_eq!(text(written), value, "{written}");
        }
    }

    #[test]
    fn every_field_makes_another_item() {
        let mut others: Vec<Item> = Vec::new();
        let mut with = |change: fn(&mut Span)| {
            let mut other = span();
            change(&mut other);
            others.push(Item::Span(other));
        };
        with(|_| ());
        with(|it| it.trace = "05".repeat(16));
        with(|it| it.span = "05".repeat(8));
        with(|it| it.parent = Some(String::new()));
        with(|it| it.flags = 0);
        with(|it| it.name = "chat".into());
        with(|it| it.kind = SpanKind::Server);
        with(|it| it.start = 0);
        with(|it| it.end = 0);
        with(|it| it.attributes = attributes(json!({ "b": "1.5" })));
        with(|it| it.attributes = attributes(json!({ "b": 1.5 })));
        with(|it| it.dropped = 0);
        with(|it| it.cut = true);
        with(|it| it.events.clear());
        with(|it| it.links.clear());
        with(|it| it.failed = false);
        with(|it| it.message = String::new());
        with(|it| Arc::make_mut(&mut it.source).scope = "ap".into());
        with(|it| Arc::make_mut(&mut it.source).version = "p1.0".into());
        with(|it| Arc::make_mut(&mut it.source).schema_url = "u".into());
        with(|it| Arc::make_mut(&mut it.source).resource.clear());
        with(|it| Arc::make_mut(&mut it.source).scope_attributes = attributes(json!({ "x": 1 })));
        others.push(Item::Event(event()));
        others.push(Item::Decision(decision()));
        let encoded: std::collections::BTreeSet<Vec<u8>> = others.iter().map(encode).collect();
        assert_eq!(encoded.len(), others.len());
    }
}
