//! Reading bodies.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::testsupport::{body, items, testdata};

mod isolation;
mod mapping;

fn traces(span: &Value) -> Result<Decoded, IntakeError> {
    let body = json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": [span] }] }] });
    decode(Signal::Traces, Encoding::Json, body.to_string().as_bytes())
}

fn one(span: &Value) -> Span {
    match traces(span).unwrap().items.remove(0) {
        Item::Span(span) => span,
        other => panic!("{other:?}"),
    }
}

#[test]
fn protobuf_and_json_say_the_same() {
    // Both are exports of one run; ids and times differ, everything else must not.
    let strip = |folder: &str| -> Vec<(String, Attributes, bool)> {
        let spans = items(folder).into_iter().filter_map(|item| match item {
            Item::Span(span) => Some((span.name, span.attributes, span.failed)),
            _ => None,
        });
        let mut spans: Vec<_> = spans.collect();
        spans.iter_mut().for_each(|(_, attributes, _)| {
            attributes.remove("mcp.session.id");
        });
        spans.sort_by_key(|span| format!("{span:?}"));
        spans
    };
    assert_eq!(strip("session-synthetic"), strip("session-synthetic-json"));
    assert_eq!(strip("session-synthetic").len(), 12);
}

#[test]
fn json_forms_that_the_mapping_allows_are_read() {
    let span = one(&json!({
        "traceId": "5B8EFFF798038103D269B633813FC60C", "spanId": "a000000000000001", "parentSpanId": "", "kind": "SPAN_KIND_CLIENT",
        "start_time_unix_nano": 5, "endTimeUnixNano": "7", "status": { "code": "STATUS_CODE_ERROR" }, "links": null,
        "attributes": [
            { "key": "n", "value": { "intValue": 3 } }, { "key": "d", "value": { "doubleValue": "NaN" } },
            { "key": "e", "value": { "doubleValue": "0.5" } }, { "key": "none" }, { "key": "empty", "value": {} },
            { "key": "list", "value": { "arrayValue": { "values": [{ "boolValue": true }, { "bytesValue": "AAE=" }] } } },
            { "key": "map", "value": { "kvlistValue": { "values": [{ "key": "a_b", "value": { "stringValue": "x" } }] } } }
        ]
    }));
    assert_eq!(span.trace, "5b8efff798038103d269b633813fc60c");
    assert_eq!(
        (span.parent, span.kind, span.start, span.end, span.failed),
        (None, SpanKind::Client, 5, 7, true)
    );
    let expected = json!({
        "n": 3, "d": "NaN", "e": 0.5, "none": null, "empty": null, "list": [true, "AAE="], "map": { "a_b": "x" }
    });
    assert_eq!(Value::Object(span.attributes), expected);
}

#[test]
fn a_broken_item_costs_only_itself_and_is_counted() {
    let good = json!({ "traceId": "5b8efff798038103d269b633813fc60c", "spanId": "a000000000000001" });
    for (broken, why) in [
        (json!({ "traceId": "5b8e", "spanId": "a000000000000001" }), ItemError::Id("the trace id")),
        (json!({ "traceId": "0".repeat(32), "spanId": "a000000000000001" }), ItemError::Id("the trace id")),
        (json!({ "traceId": good["traceId"], "spanId": "a0" }), ItemError::Id("the span id")),
    ] {
        let body = json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": [good, broken, good] }] }] });
        let decoded = decode(Signal::Traces, Encoding::Json, body.to_string().as_bytes()).unwrap();
        assert_eq!(decoded.items.len(), 2, "{broken}");
        assert_eq!(decoded.refused, [Refused { place: 1, why }]);
    }
    let wrong = traces(&json!({ "traceId": "xyz", "spanId": 5 })).unwrap();
    assert!(matches!(wrong.refused[0].why, ItemError::Field(_)));
}

#[test]
fn every_input_has_a_bound() {
    let mut deep = json!({ "stringValue": "x" });
    for _ in 0..34 {
        deep = json!({ "arrayValue": { "values": [deep] } });
    }
    let many: Vec<_> =
        (0..1_100).map(|n| json!({ "key": format!("k{n}"), "value": { "intValue": n } })).collect();
    let mut span = json!({ "traceId": "5b8efff798038103d269b633813fc60c", "spanId": "a000000000000001",
        "attributes": [{ "key": "deep", "value": deep }] });
    assert!(one(&span).cut);
    span["attributes"] = many.into();
    span["droppedAttributesCount"] = 2.into();
    assert_eq!((one(&span).attributes.len(), one(&span).dropped), (1_024, 78));
    span["attributes"] = json!([{ "key": "long", "value": { "stringValue": "ä".repeat(2 * 1024 * 1024) } }]);
    assert!(
        one(&span).cut && one(&span).attributes["long"].as_str().unwrap().len() <= crate::limits::MAX_STRING
    );
    let long = vec![b' '; MAX_BODY_BYTES + 1];
    assert!(matches!(decode(Signal::Logs, Encoding::Json, &long), Err(IntakeError::TooLong(_))));
}

#[test]
fn what_is_no_otlp_is_an_error() {
    for body in ["", "[]", "{", "{\"resourceSpans\": 5}", "{\"resourceSpans\": [{\"scopeSpans\": {}}]}"] {
        assert!(
            matches!(decode(Signal::Traces, Encoding::Json, body.as_bytes()), Err(IntakeError::Json(_))),
            "{body}"
        );
    }
    assert!(matches!(decode(Signal::Traces, Encoding::Protobuf, b"\xff"), Err(IntakeError::Protobuf(_))));
    assert_eq!(decode(Signal::Logs, Encoding::Protobuf, b"").unwrap(), Decoded::default());
}

#[test]
fn the_name_of_an_event_is_where_its_emitter_put_it() {
    for (folder, name) in [
        ("openai-v2.1-legacy-content", "gen_ai.choice"),
        ("litellm-sdk-v1-events", "gen_ai.client.inference.operation.details"),
        ("openai-v2-unsampled", "gen_ai.client.inference.operation.details"),
    ] {
        let names =
            items(folder).into_iter().any(|item| matches!(item, Item::Event(event) if event.name == name));
        assert!(names, "{folder}");
    }
}

/// A body of the samples.
fn sample() -> Vec<u8> {
    let path = testdata().join("otlp/session-synthetic/001.traces.pb");
    assert_eq!(body(&path).len(), 12);
    std::fs::read(path).unwrap()
}

proptest! {
    #[test]
    fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..400), is_json: bool, is_log: bool) {
        let encoding = if is_json { Encoding::Json } else { Encoding::Protobuf };
        let signal = if is_log { Signal::Logs } else { Signal::Traces };
        let _ = decode(signal, encoding, &bytes);
    }

    #[test]
    fn a_damaged_body_is_answered(place in 0_usize..12_103, byte: u8, cut in 0_usize..12_103) {
        let mut bytes = sample();
        bytes[place] = byte;
        let _ = decode(Signal::Traces, Encoding::Protobuf, &bytes);
        let _ = decode(Signal::Logs, Encoding::Protobuf, &bytes[..cut]);
    }

    #[test]
    fn any_json_is_answered(words in proptest::collection::vec("[a-z0-9\"{}\\[\\]:,]{0,8}|resourceSpans|scopeSpans|spans|attributes|value|key", 0..40)) {
        let text = words.join("\"");
        let _ = decode(Signal::Traces, Encoding::Json, text.as_bytes());
        let wrapped = format!("{{\"resourceSpans\":[{{\"scopeSpans\":[{{\"spans\":[{text}]}}]}}]}}");
        let _ = decode(Signal::Traces, Encoding::Json, wrapped.as_bytes());
    }
}
