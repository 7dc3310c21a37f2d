//! Goal: what goes in comes out. Method: exports of calls with any values in them, in both encodings; their records are stated, and
//! disclosed as a whole.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::AnyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span as Proto};
use prost::Message;
use vouchlog_statement::testing::{OPENED, stream_key};
use vouchlog_statement::{ClearClaims, issue, verify};
use vouchlog_stream::{Evidence, StreamId};

use super::*;
use crate::intake::{Decoded, Encoding, Signal, decode};
use crate::testsupport::values::{any_json, any_value, pair, text};

/// When the first call began, in nanoseconds.
const BEGAN: u64 = 1_795_300_000_000_000_000;

/// What a person asked, and an attribute that no table knows.
type Call = (String, AnyValue);

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let question = any::<String>().prop_filter("it is a question", |text| !text.trim().is_empty());
    prop::collection::vec((question, any_value()), 1..5)
}

/// A call of a model in a trace of its own, with a tool that its answer asked for.
fn spans(calls: &[Call]) -> Vec<Proto> {
    let mut spans = Vec::new();
    for (place, (question, value)) in calls.iter().enumerate() {
        let trace = u8::try_from(place).unwrap() + 1;
        let asks = json!([{ "role": "user", "parts": [{ "type": "text", "content": question }] }]);
        let answers = json!([{ "role": "assistant", "parts": [{ "type": "tool_call", "id": "c1", "name": "f", "arguments": {} }] }]);
        let span = |id: u8, name: &str, from: u64, attributes| Proto {
            trace_id: vec![trace; 16],
            span_id: vec![id; 8],
            name: name.to_owned(),
            kind: 3,
            start_time_unix_nano: BEGAN + from,
            end_time_unix_nano: BEGAN + from + 1_000,
            attributes,
            ..Proto::default()
        };
        spans.push(span(
            1,
            "chat m",
            0,
            vec![
                pair("gen_ai.operation.name", text("chat")),
                pair("gen_ai.response.id", text(&format!("r{trace}"))),
                pair("gen_ai.input.messages", text(&asks.to_string())),
                pair("gen_ai.output.messages", text(&answers.to_string())),
                pair("app.value", value.clone()),
            ],
        ));
        let tool = [
            ("gen_ai.operation.name", "execute_tool"),
            ("gen_ai.tool.call.id", "c1"),
            ("gen_ai.tool.name", "f"),
        ];
        spans.push(span(
            2,
            "execute_tool f",
            2_000,
            tool.map(|(key, value)| pair(key, text(value))).to_vec(),
        ));
    }
    spans
}

fn protobuf(spans: &[Proto]) -> Vec<u8> {
    let resource =
        Some(Resource { attributes: vec![pair("service.name", text("svc"))], ..Resource::default() });
    let scope_spans = vec![ScopeSpans { spans: spans.to_vec(), ..ScopeSpans::default() }];
    let resource_spans = vec![ResourceSpans { resource, scope_spans, ..ResourceSpans::default() }];
    ExportTraceServiceRequest { resource_spans }.encode_to_vec()
}

fn in_json(spans: &[String]) -> Vec<u8> {
    let service = r#"{"attributes":[{"key":"service.name","value":{"stringValue":"svc"}}]}"#;
    let spans = spans.join(",");
    format!(r#"{{"resourceSpans":[{{"resource":{service},"scopeSpans":[{{"spans":[{spans}]}}]}}]}}"#).into()
}

fn span_json(span: &Proto) -> String {
    let attribute = |pair: &opentelemetry_proto::tonic::common::v1::KeyValue| json!({ "key": pair.key, "value": pair.value.as_ref().map(any_json) });
    json!({
        "traceId": hex::encode(&span.trace_id), "spanId": hex::encode(&span.span_id), "name": span.name, "kind": span.kind,
        "startTimeUnixNano": span.start_time_unix_nano.to_string(), "endTimeUnixNano": span.end_time_unix_nano.to_string(),
        "attributes": span.attributes.iter().map(attribute).collect::<Vec<_>>(),
    })
    .to_string()
}

fn read(encoding: Encoding, body: &[u8]) -> Decoded {
    decode(Signal::Traces, encoding, body).unwrap()
}

/// The items of each span, in both encodings.
fn of_each(spans: &[Proto]) -> Vec<Item> {
    let both = |span: &Proto| {
        let one = read(Encoding::Protobuf, &protobuf(std::slice::from_ref(span))).items;
        let other = read(Encoding::Json, &in_json(&[span_json(span)])).items;
        [one, other].concat()
    };
    spans.iter().flat_map(both).collect()
}

/// A value as a record has it; `None` if one of its names came twice, and so has another name.
fn plain(value: &AnyValue) -> Option<Value> {
    Some(match value.value.as_ref() {
        None => Value::Null,
        Some(Any::StringValue(text)) => text.as_str().into(),
        Some(Any::BoolValue(flag)) => (*flag).into(),
        Some(Any::IntValue(number)) => (*number).into(),
        Some(Any::DoubleValue(number)) if number.is_nan() => "NaN".into(),
        Some(Any::DoubleValue(number)) if number.is_infinite() => {
            if *number > 0.0 { "Infinity" } else { "-Infinity" }.into()
        }
        Some(Any::DoubleValue(number)) => (*number).into(),
        Some(Any::ArrayValue(array)) => Value::Array(array.values.iter().map(plain).collect::<Option<_>>()?),
        Some(Any::KvlistValue(list)) => {
            let mut object = serde_json::Map::new();
            for pair in &list.values {
                let value = plain(pair.value.as_ref().unwrap_or(&AnyValue::default()))?;
                if object.insert(pair.key.clone(), value).is_some() {
                    return None;
                }
            }
            Value::Object(object)
        }
        Some(Any::BytesValue(bytes)) => {
            use base64::Engine;
            base64::engine::general_purpose::STANDARD.encode(bytes).into()
        }
        Some(Any::StringValueStrindex(index)) => (*index).into(),
    })
}

/// What a stranger reads of a record that is disclosed as a whole.
fn disclosed(record: &vouchlog_record::Record) -> Value {
    let mut members = record.to_object();
    let kind = record.kind;
    members.remove("kind");
    members.remove("id");
    let claims = ClearClaims {
        issuer: "gateway.example.com".to_owned(),
        issued_at: 1_795_300_000,
        record: record.id.clone().unwrap(),
        kind,
        stream: StreamId::new(OPENED).unwrap(),
        evidence: Evidence::NONE,
        rules: vouchlog_grading::RULES_VERSION.to_owned(),
    };
    let key = stream_key(OPENED);
    let sd_jwt = issue(&claims, &members, &key).unwrap().present(&[""]).unwrap();
    let verified = verify(&sd_jwt, key.verifying_key()).unwrap();
    let disclosed = unwrapped(Value::Object(verified.disclosed));
    assert_eq!(disclosed, Value::Object(members));
    disclosed
}

/// With the values in their places that cannot stand in a statement as they are, and are disclosed as text.
fn unwrapped(value: Value) -> Value {
    match value {
        Value::Object(object) => match object.get("json_text") {
            Some(Value::String(text)) if object.len() == 1 => serde_json::from_str(text).unwrap(),
            _ => object.into_iter().map(|(name, value)| (name, unwrapped(value))).collect(),
        },
        Value::Array(list) => list.into_iter().map(unwrapped).collect(),
        other => other,
    }
}

/// What an attribute may hold and still say nothing, in the spellings of emitters; such an attribute is left out.
fn is_nothing(value: &Value) -> bool {
    [json!(null), json!(""), json!("None"), json!("{}"), json!([]), json!({})].contains(value)
}

/// Whether a text may be read as JSON, or as a literal of Python.
fn may_be_read(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.trim_start().starts_with(['{', '[', '(']))
}

const BAD_SPANS: [&str; 5] = [
    r#"{"traceId":"01","name":"\ud800"}"#,
    r#"{"name":"a","name":"b"}"#,
    r#"{"attributes":[{"key":"k","value":{"stringValue":"a","intValue":"1"}}]}"#,
    r#"{"traceId":nope}"#,
    "5",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_value_comes_out_of_a_disclosure_as_it_went_in(calls in calls(), as_json: bool) {
        let spans = spans(&calls);
        let decoded = if as_json {
            read(Encoding::Json, &in_json(&spans.iter().map(span_json).collect::<Vec<_>>()))
        } else {
            read(Encoding::Protobuf, &protobuf(&spans))
        };
        prop_assert_eq!(&decoded.refused, &[]);
        let out = assembled(decoded.items);
        prop_assert_eq!((out.records.len(), out.failed.len()), (calls.len(), 0));
        for (place, (question, value)) in calls.iter().enumerate() {
            let trace = format!("{:02x}", place + 1).repeat(16);
            let its = out.records.iter().find(|record| json(record)["correlation"]["trace"] == trace.as_str());
            let shown = disclosed(its.unwrap());
            let asked = &shown["input"]["content"][0]["parts"][0]["content"];
            prop_assert_eq!(asked, &Value::from(question.as_str()), "{:#}", shown);
            if let Some(expected) = plain(value).filter(|value| !may_be_read(value)) {
                let kept = &shown["otel"]["parts"][0]["attributes"]["app.value"];
                let expected = if is_nothing(&expected) { Value::Null } else { expected };
                prop_assert_eq!(kept, &expected, "{:#}", shown);
            }
        }
    }

    #[test]
    fn one_export_gives_the_same_records_in_both_encodings_twice_and_in_any_order(
        calls in calls(),
        order in prop::collection::vec(any::<prop::sample::Index>(), 40),
    ) {
        let spans = spans(&calls);
        let expected = shown(&assembled(read(Encoding::Protobuf, &protobuf(&spans)).items));
        prop_assert_eq!(expected["records"].as_array().unwrap().len(), calls.len());
        let texts: Vec<_> = spans.iter().map(span_json).collect();
        prop_assert_eq!(&shown(&assembled(read(Encoding::Json, &in_json(&texts)).items)), &expected);
        let mut mixed = of_each(&spans);
        for place in (1..mixed.len()).rev() {
            mixed.swap(place, order[place % order.len()].index(place + 1));
        }
        prop_assert_eq!(&shown(&assembled(mixed)), &expected);
    }

    #[test]
    fn a_batch_with_one_bad_item_records_all_others(
        calls in calls(),
        place in any::<prop::sample::Index>(),
        bad in prop::sample::select(BAD_SPANS.to_vec()),
        byte in any::<prop::sample::Index>(),
    ) {
        let whole = spans(&calls);
        let expected = shown(&assembled(read(Encoding::Protobuf, &protobuf(&whole)).items));
        let mut texts: Vec<_> = whole.iter().map(span_json).collect();
        let place = place.index(texts.len() + 1);
        texts.insert(place, bad.to_owned());
        let decoded = read(Encoding::Json, &in_json(&texts));
        prop_assert_eq!(decoded.refused.len(), 1);
        prop_assert_eq!(&shown(&assembled(decoded.items)), &expected);

        // In protobuf the bad one has a byte in it that is no text.
        let mark = "MARKED-SPAN";
        let mut spoiled = whole;
        let mut more = spoiled[0].clone();
        (more.span_id, more.name) = (vec![9; 8], mark.to_owned());
        spoiled.insert(place, more);
        let mut body = protobuf(&spoiled);
        let at = body.windows(mark.len()).position(|window| window == mark.as_bytes()).unwrap();
        body[at + byte.index(mark.len())] = 0xff;
        let decoded = read(Encoding::Protobuf, &body);
        prop_assert_eq!(decoded.refused.len(), 1);
        prop_assert_eq!(&shown(&assembled(decoded.items)), &expected);
    }
}
