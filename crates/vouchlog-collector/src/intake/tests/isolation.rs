//! Goal: one bad item costs only itself, and the same export is the same items in both encodings. Method: bodies with one item broken in
//! each known way, and any values at all, written as protobuf and as JSON.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span as Proto};
use proptest::prelude::*;
use prost::Message;
use serde_json::{Value, json};

use super::super::*;
use crate::testsupport::values::{any_json, any_value, pair, text};

fn span(number: u8, value: AnyValue) -> Proto {
    Proto {
        trace_id: vec![1; 16],
        span_id: vec![number + 1; 8],
        name: format!("span {number}"),
        attributes: vec![pair("value", value)],
        ..Proto::default()
    }
}

fn protobuf(resource: Vec<KeyValue>, spans: Vec<Proto>) -> Vec<u8> {
    let resource = Some(Resource { attributes: resource, ..Resource::default() });
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    let resource_spans = vec![ResourceSpans { resource, scope_spans, ..ResourceSpans::default() }];
    ExportTraceServiceRequest { resource_spans }.encode_to_vec()
}

fn span_json(number: u8, value: &Value) -> Value {
    json!({
        "traceId": "01".repeat(16), "spanId": format!("{:02x}", number + 1).repeat(8), "name": format!("span {number}"),
        "attributes": [{ "key": "value", "value": value }],
    })
}

fn json_body(spans: &[String]) -> String {
    format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{}]}}]}}]}}"#, spans.join(","))
}

fn read(encoding: Encoding, body: &[u8]) -> Decoded {
    decode(Signal::Traces, encoding, body).unwrap()
}

fn name(item: &Item) -> &str {
    if let Item::Span(span) = item { &span.name } else { "" }
}

fn names(decoded: &Decoded) -> Vec<&str> {
    decoded.items.iter().map(name).collect()
}

/// Makes the bytes of a text in a body something that is not UTF-8.
fn spoil(body: &mut [u8], mark: &str) {
    let at = body.windows(mark.len()).position(|window| window == mark.as_bytes()).unwrap();
    body[at] = 0xff;
}

const BAD_JSON: [&str; 8] = [
    r#"{"traceId":"01","name":"\ud800"}"#,
    r#"{"traceId":nope}"#,
    r#"{"name":"a","name":"b"}"#,
    r#"{"start_time_unix_nano":"1","startTimeUnixNano":"1"}"#,
    r#"{"attributes":[{"key":"k","value":{"stringValue":"a","intValue":"1"}}]}"#,
    r#"{"events":5}"#,
    "5",
    "[[[]]]",
];

#[test]
fn a_span_that_is_not_utf8_costs_only_itself() {
    let spans = vec![span(0, text("one")), span(1, text("SPOILED")), span(2, text("three"))];
    let mut body = protobuf(vec![pair("service.name", text("svc"))], spans);
    spoil(&mut body, "SPOILED");
    let decoded = read(Encoding::Protobuf, &body);
    assert_eq!(names(&decoded), ["span 0", "span 2"]);
    assert!(
        matches!(&decoded.refused[..], [Refused { place: 1, why: ItemError::Field(_) }]),
        "{:?}",
        decoded.refused
    );
}

#[test]
fn an_attribute_of_a_resource_costs_neither_the_others_nor_the_items() {
    let resource = vec![pair("a", text("SPOILED")), pair("service.name", text("svc"))];
    let mut body = protobuf(resource, vec![span(0, text("x"))]);
    spoil(&mut body, "SPOILED");
    let in_json = |bad: &str| {
        let spans = span_json(0, &json!({ "stringValue": "x" }));
        format!(
            r#"{{"resourceSpans":[{{"resource":{{"attributes":[{bad},{{"key":"service.name","value":{{"stringValue":"svc"}}}}]}},
            "scopeSpans":[{{"spans":[{spans}]}}]}}]}}"#
        )
    };
    let mut all = vec![read(Encoding::Protobuf, &body)];
    for bad in [
        r#"{"key":"a","value":{"stringValue":"\ud800"}}"#,
        r#"{"key":"a","value":{"arrayValue":5}}"#,
        r#"{"key":["a"]}"#,
        "7",
        r#"{"key":"a","key":"b"}"#,
    ] {
        all.push(read(Encoding::Json, in_json(bad).as_bytes()));
    }
    for decoded in all {
        let [Item::Span(span)] = &decoded.items[..] else { panic!("{decoded:?}") };
        assert_eq!(Value::Object(span.source.resource.clone()), json!({ "service.name": "svc" }));
        assert_eq!((span.dropped, &decoded.refused[..]), (1, &[][..]));
    }
}

#[test]
fn a_bad_item_in_json_costs_only_itself() {
    let good = |number| span_json(number, &json!({ "stringValue": "x" })).to_string();
    let deep = format!("{}1{}", r#"{"a":["#.repeat(500), "]}".repeat(500));
    for bad in BAD_JSON.into_iter().chain([deep.as_str()]) {
        let body = json_body(&[good(0), bad.to_owned(), good(2)]);
        let decoded = read(Encoding::Json, body.as_bytes());
        assert_eq!(names(&decoded), ["span 0", "span 2"], "{bad}");
        assert_eq!(decoded.refused.iter().map(|refused| refused.place).collect::<Vec<_>>(), [1], "{bad}");
    }
    let mut body = json_body(&[good(0), good(1), good(2)]).into_bytes();
    spoil(&mut body, "span 1");
    assert_eq!(names(&read(Encoding::Json, &body)), ["span 0", "span 2"]);
}

#[test]
fn a_group_that_is_no_group_costs_only_itself() {
    let group = |spans: &str| format!(r#"{{"scopeSpans":[{{"spans":[{spans}]}}]}}"#);
    let good = span_json(0, &json!({})).to_string();
    for bad in ["5", r#"{"scopeSpans":7}"#, r#"{"scopeSpans":[7]}"#, r#"{"scopeSpans":[{"spans":"x"}]}"#] {
        let body = format!(r#"{{"resourceSpans":[{bad},{}]}}"#, group(&good));
        let decoded = read(Encoding::Json, body.as_bytes());
        assert_eq!((names(&decoded), decoded.refused.len()), (vec!["span 0"], 1), "{bad}");
    }
    // A list that came in two pieces is one list.
    let twice = format!(r#"{{"resourceSpans":[{}],"resource_spans":[{}]}}"#, group(&good), group(&good));
    assert_eq!(read(Encoding::Json, twice.as_bytes()).items.len(), 2);
    let mut body = protobuf(Vec::new(), vec![span(0, text("x"))]);
    body.extend([0x0a, 0x7f, 1, 2]);
    let decoded = read(Encoding::Protobuf, &body);
    assert_eq!((names(&decoded), decoded.refused.len()), (vec!["span 0"], 1));
}

fn nested(depth: usize, is_list: bool) -> AnyValue {
    (0..depth).fold(text("x"), |inner, _| {
        let value = if is_list {
            Any::KvlistValue(KeyValueList { values: vec![pair("k", inner)] })
        } else {
            Any::ArrayValue(ArrayValue { values: vec![inner] })
        };
        AnyValue { value: Some(value) }
    })
}

#[test]
fn nesting_has_the_same_bound_in_both_encodings() {
    for is_list in [false, true] {
        let mut most = 0;
        for depth in (0..60).chain([90, 120]) {
            let value = nested(depth, is_list);
            let as_json = json_body(&[span_json(0, &any_json(&value)).to_string()]);
            let in_json = read(Encoding::Json, as_json.as_bytes());
            let in_protobuf = read(Encoding::Protobuf, &protobuf(Vec::new(), vec![span(0, value)]));
            assert_eq!(in_json.items, in_protobuf.items, "{depth}");
            assert_eq!(in_json.items.len() + in_json.refused.len(), 1);
            most = most.max(if in_json.items.is_empty() { 0 } else { depth });
        }
        assert!((30..60).contains(&most), "{most}");
    }
}

#[test]
fn attributes_that_came_twice_keep_both_values() {
    let both = |name: &str, one: &str, other: &str| {
        let mut proto = span(0, text("x"));
        proto.attributes = vec![pair(name, text(one)), pair("a", text("x")), pair(name, text(other))];
        let decoded = read(
            Encoding::Protobuf,
            &protobuf(vec![pair(name, text(one)), pair(name, text(other))], vec![proto]),
        );
        let [Item::Span(span)] = &decoded.items[..] else { panic!("{decoded:?}") };
        let mut attributes = span.attributes.clone();
        attributes.remove("a");
        assert_eq!(span.source.resource, attributes);
        Value::Object(attributes)
    };
    assert_eq!(both("user.id", "u-1", "u-2"), json!({ "user.id": "u-1", "user.id#2": "u-2" }));
    // What declares two things declares nothing.
    let state = "evidence.approval.state";
    let contradiction = both(state, "approved", "rejected");
    assert_eq!(
        contradiction,
        json!({ "evidence.approval.state#1": "approved", "evidence.approval.state#2": "rejected" })
    );
    let reading = crate::dialect::read(&crate::testsupport::span(
        "a",
        (1, 1, 0),
        "chat m",
        (0, 1),
        json!({
            "gen_ai.operation.name": "chat", "evidence.approval.state#1": "approved", "evidence.approval.state#2": "rejected"
        }),
    ));
    assert_eq!(
        (reading.fields.get("approval.state"), reading.left.len()),
        (None, 2),
        "kept, and counted as not understood"
    );
    assert_eq!(both(state, "approved", "approved").as_object().unwrap()[state], "approved");
    // Flattened messages and names that repeat others are no exception.
    let again = json!({
        "openinference.span.kind": "LLM", "llm.input_messages.0.message.content": "one", "llm.input_messages.0.message.content#2": "two",
        "llm.token_count.total#2": 7
    });
    let reading =
        crate::dialect::read(&crate::testsupport::span("openinference.x", (1, 1, 0), "x", (0, 1), again));
    let kept = json!({ "llm.input_messages.0.message.content#2": "two", "llm.token_count.total#2": 7 });
    assert_eq!(Value::Object(reading.left), kept);
    // Names that look like these are taken, and nothing is overwritten.
    let mut proto = span(0, text("x"));
    proto.attributes = ["k#2", "k", "k", "k"].map(|key| pair(key, text(key))).to_vec();
    proto.attributes.extend((0..500).map(|_| pair("many", text("x"))));
    let decoded = read(Encoding::Protobuf, &protobuf(Vec::new(), vec![proto]));
    let [Item::Span(span)] = &decoded.items[..] else { panic!("{decoded:?}") };
    assert_eq!(span.attributes.len(), 504);
}

proptest! {
    #[test]
    fn any_value_is_the_same_in_both_encodings(values in prop::collection::vec(any_value(), 1..4)) {
        let spans = values.iter().enumerate().map(|(at, value)| span_json(u8::try_from(at).unwrap(), &any_json(value)).to_string());
        let in_json = read(Encoding::Json, json_body(&spans.collect::<Vec<_>>()).as_bytes());
        let spans = values.into_iter().enumerate().map(|(at, value)| span(u8::try_from(at).unwrap(), value)).collect();
        let in_protobuf = read(Encoding::Protobuf, &protobuf(Vec::new(), spans));
        prop_assert_eq!(&in_json.items, &in_protobuf.items);
        prop_assert!(in_json.refused.is_empty());
    }

    #[test]
    fn one_bad_item_costs_only_itself(
        count in 1_usize..6,
        place in any::<prop::sample::Index>(),
        bad in prop::sample::select(BAD_JSON.to_vec()),
        cut in any::<prop::sample::Index>(),
    ) {
        let place = place.index(count + 1);
        let numbers: Vec<u8> = (0..=u8::try_from(count).unwrap()).collect();
        let expected: Vec<String> =
            numbers.iter().filter(|at| usize::from(**at) != place).map(|at| format!("span {at}")).collect();
        let mut spans: Vec<String> = numbers.iter().map(|at| span_json(*at, &json!({})).to_string()).collect();
        spans[place] = bad.to_owned();
        let decoded = read(Encoding::Json, json_body(&spans).as_bytes());
        prop_assert_eq!(names(&decoded), expected.iter().map(String::as_str).collect::<Vec<_>>());
        prop_assert_eq!(decoded.refused.len(), 1);

        // In protobuf the bad one has any byte of its attribute's text spoiled.
        let mark = "MARKED";
        let spans = numbers.iter().map(|at| span(*at, text(if usize::from(*at) == place { mark } else { "x" })));
        let mut body = protobuf(Vec::new(), spans.collect());
        let at = body.windows(mark.len()).position(|window| window == mark.as_bytes()).unwrap();
        body[at + cut.index(mark.len())] = 0xfe;
        let decoded = read(Encoding::Protobuf, &body);
        prop_assert_eq!(names(&decoded), expected.iter().map(String::as_str).collect::<Vec<_>>());
        prop_assert_eq!(decoded.refused.len(), 1);
    }
}
