//! Goal: every form that protobuf's JSON mapping allows is read, in an item and in a resource, and what a type cannot hold stays as the
//! text that was sent.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::*;

/// Reads a body with these attributes in its span and in its resource, which must say the same.
fn attributes(list: &str) -> Value {
    let body = format!(
        r#"{{"resourceSpans":[{{"resource":{{"attributes":{list}}},"scopeSpans":[{{"spans":[
        {{"traceId":"{}","spanId":"{}","attributes":{list}}}]}}]}}]}}"#,
        "01".repeat(16),
        "02".repeat(8)
    );
    let decoded = decode(Signal::Traces, Encoding::Json, body.as_bytes()).unwrap();
    let [Item::Span(span)] = &decoded.items[..] else { panic!("{list}: {decoded:?}") };
    assert_eq!(span.attributes, span.source.resource, "{list}");
    assert_eq!(span.dropped, 0, "{list}");
    Value::Object(span.attributes.clone())
}

fn value(value: &str) -> Value {
    attributes(&format!(r#"[{{"key":"k","value":{value}}}]"#))["k"].clone()
}

#[test]
fn every_form_of_a_value_is_read() {
    for (form, expected) in [
        (r#"{"arrayValue":{}}"#, json!([])),
        (r#"{"arrayValue":{"values":null}}"#, json!([])),
        (r#"{"arrayValue":{"values":[]}}"#, json!([])),
        (r#"{"array_value":{"values":[{}]}}"#, json!([null])),
        (r#"{"kvlistValue":{}}"#, json!({})),
        (r#"{"kvlistValue":{"values":[{"key":"a"},{"value":{"intValue":1}}]}}"#, json!({ "a": null, "": 1 })),
        (r#"{"intValue":"7"}"#, json!(7)),
        (r#"{"intValue":7}"#, json!(7)),
        (r#"{"intValue":1e3}"#, json!(1000)),
        (r#"{"intValue":"1.5e1"}"#, json!(15)),
        (r#"{"intValue":"-9223372036854775808"}"#, json!(i64::MIN)),
        (r#"{"intValue":-9223372036854775807}"#, json!(-i64::MAX)),
        (r#"{"intValue":9007199254740993}"#, json!(9_007_199_254_740_993_i64)),
        // No integer of 64 bits.
        (r#"{"intValue":"9223372036854775808"}"#, json!("9223372036854775808")),
        (r#"{"intValue":9223372036854775808}"#, json!("9223372036854775808")),
        (r#"{"intValue":"1.5"}"#, json!("1.5")),
        (r#"{"intValue":"many"}"#, json!("many")),
        (r#"{"intValue":1e400}"#, json!("1e400")),
        (r#"{"doubleValue":0.5}"#, json!(0.5)),
        (r#"{"doubleValue":"0.5"}"#, json!(0.5)),
        (r#"{"doubleValue":1}"#, json!(1.0)),
        (r#"{"doubleValue":"-1e-3"}"#, json!(-0.001)),
        // As C writes a double: with more digits than tell it apart, all of them right.
        (r#"{"doubleValue":0.69999999999999996}"#, json!(0.7)),
        (r#"{"doubleValue":0.1000000000000000055511151231257827}"#, json!(0.1)),
        (r#"{"doubleValue":51.24817837550540}"#, json!(51.248_178_375_505_4)),
        // No double.
        (r#"{"doubleValue":0.12345678901234567890}"#, json!("0.12345678901234567890")),
        (r#"{"doubleValue":9007199254740993}"#, json!("9007199254740993")),
        (r#"{"doubleValue":1e400}"#, json!("1e400")),
        (r#"{"doubleValue":"NaN"}"#, json!("NaN")),
        (r#"{"doubleValue":"-Infinity"}"#, json!("-Infinity")),
        (r#"{"boolValue":true}"#, json!(true)),
        (r#"{"boolValue":"true"}"#, json!(true)),
        (r#"{"boolValue":"yes"}"#, json!("yes")),
        (r#"{"bytesValue":"-_8="}"#, json!("+/8=")),
        (r#"{"bytesValue":"-_8"}"#, json!("+/8=")),
        (r#"{"bytesValue":"+/8"}"#, json!("+/8=")),
        (r#"{"bytesValue":"no base64!"}"#, json!("no base64!")),
        (r#"{"stringValue":"\u00e9"}"#, json!("é")),
        (r#"{"stringValue":5}"#, json!("5")),
        (r#"{"stringValue":null}"#, Value::Null),
        ("{}", Value::Null),
        ("null", Value::Null),
    ] {
        assert_eq!(value(form), expected, "{form}");
    }
}

#[test]
fn what_is_left_out_is_nothing() {
    assert_eq!(attributes("null"), json!({}));
    assert_eq!(attributes(r#"[{"value":{"stringValue":"x"}}]"#), json!({ "": "x" }));
    assert_eq!(
        attributes(r#"[{"key":"a"},{"key":"b","value":{}},{"key":"c","unknown":[1]}]"#),
        json!({ "a": null, "b": null, "c": null })
    );
}

fn span(members: &Value) -> Decoded {
    let mut span = json!({ "traceId": "01".repeat(16), "spanId": "02".repeat(8) });
    span.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    let body = json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": [span] }] }] });
    decode(Signal::Traces, Encoding::Json, body.to_string().as_bytes()).unwrap()
}

fn one(members: &Value) -> Span {
    match span(members).items.pop() {
        Some(Item::Span(span)) => span,
        other => panic!("{members}: {other:?}"),
    }
}

#[test]
fn numbers_of_a_span_may_be_strings_and_have_exponents() {
    for start in [json!("1795300000000000001"), json!(1_795_300_000_000_000_001_u64)] {
        assert_eq!(one(&json!({ "startTimeUnixNano": start })).start, 1_795_300_000_000_000_001);
    }
    let read = one(
        &json!({ "startTimeUnixNano": "1.7953e18", "endTimeUnixNano": 1.7953e18, "flags": "257", "droppedEventsCount": "3" }),
    );
    assert_eq!(
        (read.start, read.end, read.flags, read.dropped),
        (1_795_300_000_000_000_000, 1_795_300_000_000_000_000, 257, 3)
    );
    for wrong in [json!("yesterday"), json!(-1), json!("1.5"), json!([1]), json!("18446744073709551616")] {
        let refused = span(&json!({ "startTimeUnixNano": wrong })).refused;
        assert!(matches!(&refused[..], [Refused { why: ItemError::Field(_), .. }]), "{wrong}");
    }
}

#[test]
fn enumerations_are_read_by_name_or_number_and_an_unknown_one_costs_nothing() {
    for (kind, expected) in [
        (json!("SPAN_KIND_CLIENT"), SpanKind::Client),
        (json!("Client"), SpanKind::Client),
        (json!(3), SpanKind::Client),
        (json!("3"), SpanKind::Client),
        (json!("SPAN_KIND_QUANTUM"), SpanKind::Unspecified),
        (json!(77), SpanKind::Unspecified),
        (json!({}), SpanKind::Unspecified),
    ] {
        assert_eq!(one(&json!({ "kind": kind })).kind, expected, "{kind}");
    }
    for (code, failed) in
        [("STATUS_CODE_ERROR", true), ("ERROR", true), ("2", true), ("STATUS_CODE_ODD", false)]
    {
        assert_eq!(one(&json!({ "status": { "code": code } })).failed, failed, "{code}");
    }
}

#[test]
fn a_bad_link_points_nowhere_and_is_counted() {
    let good = json!({ "traceId": "03".repeat(16), "spanId": "04".repeat(8) });
    for bad in [
        json!({ "traceId": "xyz", "spanId": "04" }),
        json!({ "spanId": "04".repeat(8) }),
        json!(5),
        json!({ "traceId": [] }),
    ] {
        let span = one(&json!({ "links": [bad, good] }));
        assert_eq!((span.links.len(), span.dropped), (1, 1), "{bad}");
    }
}

#[test]
fn a_log_record_is_read_in_every_form() {
    let record = json!({
        "time_unix_nano": "5", "severityNumber": "SEVERITY_NUMBER_ODD", "eventName": "gen_ai.choice", "traceId": "", "flags": "1",
        "body": { "kvlistValue": { "values": [{ "key": "n", "value": { "intValue": "2" } }, { "key": "n", "value": { "intValue": "3" } }] } }
    });
    let body = json!({ "resourceLogs": [{ "scopeLogs": [{ "log_records": [record] }] }] });
    let decoded = decode(Signal::Logs, Encoding::Json, body.to_string().as_bytes()).unwrap();
    let [Item::Event(event)] = &decoded.items[..] else { panic!("{decoded:?}") };
    assert_eq!((event.time, event.name.as_str(), event.trace.as_ref()), (5, "gen_ai.choice", None));
    assert_eq!(event.body, json!({ "n": 2, "n#2": 3 }));
}

proptest! {
    #[test]
    fn a_number_is_what_was_sent(token in "-?(0|[1-9][0-9]{0,22})(\\.[0-9]{1,25})?(e-?[0-9]{1,3})?") {
        let read = |kind: &str| value(&format!(r#"{{"{kind}":{token}}}"#));
        match read("doubleValue") {
            Value::String(text) => prop_assert_eq!(&text, &token),
            number => prop_assert_eq!(number.as_f64(), token.parse::<f64>().ok()),
        }
        match read("intValue") {
            Value::String(text) => {
                let whole = token.parse::<i64>();
                prop_assert!(whole.is_err(), "{} {}", text, token);
            }
            number => prop_assert_eq!(number.as_i64().unwrap() as f64, token.parse::<f64>().unwrap()),
        }
    }

    #[test]
    fn an_integer_is_read_as_it_is(number: i64, as_text: bool) {
        let token = if as_text { format!("\"{number}\"") } else { number.to_string() };
        prop_assert_eq!(value(&format!(r#"{{"intValue":{token}}}"#)), json!(number));
    }
}
