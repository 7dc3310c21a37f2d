//! Goal: what was read is written as it was sent, or is an error; and an error costs one value.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn parsed(text: &str) -> Result<Value, JsonError> {
    read(text.as_bytes(), MAX_DEPTH)
}

#[test]
fn numbers_that_are_held_exactly_are_numbers() {
    for (token, written) in [
        ("0", "0"),
        ("-0", "-0.0"),
        ("18446744073709551615", "18446744073709551615"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("9007199254740993", "9007199254740993"),
        ("1.50", "1.5"),
        ("1e2", "100.0"),
        ("1E+22", "1e+22"),
        ("0.1", "0.1"),
        ("2.2250738585072014e-308", "2.2250738585072014e-308"),
        // Off by the last digit where a reader does not round to the nearest double.
        ("51.24817837550540", "51.2481783755054"),
        ("-93.3113703768803", "-93.3113703768803"),
        ("0.30000000000000004", "0.30000000000000004"),
    ] {
        let value = parsed(token).unwrap();
        assert!(value.is_number(), "{token}");
        assert_eq!(value.to_string(), written, "{token}");
    }
}

#[test]
fn numbers_that_are_not_are_the_text_that_was_sent() {
    for token in [
        "18446744073709551616",
        "-9223372036854775809",
        "100000000000000000000",
        "0.1000000000000000055511151231257827",
        "3.14159265358979323846",
        "1e400",
        "1e-400",
        "9007199254740993.0",
        "1e99999999999999999999",
    ] {
        assert_eq!(parsed(token).unwrap(), json!(token));
    }
}

#[test]
fn what_readers_read_differently_is_an_error() {
    for (text, error) in [
        (r#"{"a":1,"a":1}"#, JsonError::Twice("a".into())),
        (r#"[{"b":{"a":1,"\u0061":2}}]"#, JsonError::Twice("a".into())),
        (r#""\ud800""#, JsonError::Surrogate(1)),
        (r#""x\udc00""#, JsonError::Surrogate(2)),
        (r#""\ud800\u0041""#, JsonError::Surrogate(1)),
        ("[1,]", JsonError::Syntax(3)),
        ("01", JsonError::Syntax(0)),
        ("1 2", JsonError::Syntax(2)),
        ("[1", JsonError::Ended),
        ("tru", JsonError::Ended),
        ("NaN", JsonError::Syntax(0)),
        ("\"a\nb\"", JsonError::Syntax(2)),
        ("", JsonError::Ended),
    ] {
        assert_eq!(parsed(text), Err(error), "{text}");
    }
    assert_eq!(read(b"\"a\xff\"", 1), Err(JsonError::Utf8(2)));
    assert_eq!(parsed(r#""\ud83d\ude00\u00e9\/""#), Ok(json!("😀é/")));
}

#[test]
fn nesting_has_a_bound() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(parsed(&nested(MAX_DEPTH)).is_ok());
    assert_eq!(parsed(&nested(MAX_DEPTH + 1)), Err(JsonError::Deep(MAX_DEPTH)));
    let deep = nested(1_000_000);
    assert_eq!(Raw::find(deep.as_bytes()).unwrap().bytes().len(), deep.len());
}

fn texts(body: &str) -> Vec<Result<String, JsonError>> {
    let text = |raw: Raw<'_>| String::from_utf8_lossy(raw.bytes()).into_owned();
    split(body.as_bytes()).map(|payload| payload.map(text)).collect()
}

#[test]
fn payloads_are_found_one_by_one() {
    let ok = |text: &str| Ok(text.to_owned());
    for (body, expected) in [
        ("", vec![]),
        ("[]", vec![]),
        (r#" {"a":1} "#, vec![ok(r#"{"a":1}"#)]),
        ("[{\"a\":\n1}, 5]", vec![ok("{\"a\":\n1}"), ok("5")]),
        (
            r#"[{"a":nope},{"b":"\ud800"},{"c":3}]"#,
            vec![ok(r#"{"a":nope}"#), ok(r#"{"b":"\ud800"}"#), ok(r#"{"c":3}"#)],
        ),
        ("{\"a\":1}\n{\"b\":2}\n", vec![ok(r#"{"a":1}"#), ok(r#"{"b":2}"#)]),
        // A line that breaks off, within a string or not.
        (
            "{\"a\":1}\n{\"b\":\"x\n{\"c\":3}\n{\"d\":[4\n{\"e\":5}",
            vec![
                ok(r#"{"a":1}"#),
                Err(JsonError::Syntax(7)),
                ok(r#"{"c":3}"#),
                Err(JsonError::Ended),
                ok(r#"{"e":5}"#),
            ],
        ),
        ("[{\"a\":1},{\"b\":", vec![ok(r#"{"a":1}"#), Err(JsonError::Ended)]),
        ("{\n  \"a\": {\n  \"b\": 1\n", vec![Err(JsonError::Ended)]),
        ("{", vec![Err(JsonError::Ended)]),
    ] {
        assert_eq!(texts(body), expected, "{body}");
    }
}

#[test]
fn members_are_found_though_a_name_occurs_twice() {
    let raw = Raw::find(br#"{"a":[1],"b":{"x":"\ud800"},"a":null}"#).unwrap();
    let names: Vec<String> = raw.members().unwrap().map(|member| member.unwrap().0).collect();
    assert_eq!(names, ["a", "b", "a"]);
    assert!(raw.elements().is_none());
    assert!(Raw::find(b"[1] 2").is_err() && Raw::find(b"[1}").is_ok() && Raw::find(b"").is_err());
}

/// Any JSON, as a program would write it.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_a_program_writes_is_read_as_it_is(value in any_json()) {
        prop_assert_eq!(parsed(&value.to_string()), Ok(value.clone()));
        // Written and read again, as a vault does, it is the same.
        prop_assert_eq!(serde_json::from_str::<Value>(&value.to_string()).unwrap(), value);
    }

    #[test]
    fn a_number_is_the_same_number_or_its_text(token in "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,30})?([eE][+-]?[0-9]{1,4})?") {
        match parsed(&token).unwrap() {
            Value::String(text) => prop_assert_eq!(text, token),
            number => {
                // Both are read as exact fractions by scaling them to the same power of ten.
                let written = number.to_string();
                prop_assert_eq!(scaled(&written), scaled(&token), "{} {}", token, written);
            }
        }
    }

    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes, MAX_DEPTH);
        let _ = Raw::find(&bytes).map(|raw| (raw.elements().map(Iterator::count), raw.members().map(Iterator::count)));
        prop_assert!(split(&bytes).count() <= bytes.len());
    }

    #[test]
    fn a_bad_payload_costs_only_itself(
        good in prop::collection::vec(any_json(), 1..6),
        bad in prop::sample::select(vec![r#"{"a":"\ud800"}"#, r#"{"a":nope}"#, r#"{"a":1,"a":2}"#, "{\"a\":\"x", "{\"a\":[1"]),
        place in any::<prop::sample::Index>(),
        as_lines: bool,
    ) {
        let mut all: Vec<String> = good.iter().map(|value| json!({ "v": value }).to_string()).collect();
        // In an array a payload without an end takes the rest with it.
        let bad = if as_lines || bad.ends_with('}') { bad } else { r#"{"a":nope}"# };
        let place = place.index(all.len() + 1);
        all.insert(place, bad.to_owned());
        let body = if as_lines { all.join("\n") } else { format!("[{}]", all.join(",")) };
        let found: Vec<_> = split(body.as_bytes()).map(|raw| read(raw?.bytes(), MAX_DEPTH)).collect();
        prop_assert_eq!(found.len(), good.len() + 1);
        prop_assert!(found[place].is_err());
        let read: Vec<Value> = found.into_iter().filter_map(Result::ok).map(|value| value["v"].clone()).collect();
        prop_assert_eq!(read, good);
    }
}

/// Sign, digits and exponent, counted in another way than the code does.
fn scaled(token: &str) -> (bool, String, i64) {
    let lower = token.to_ascii_lowercase();
    let (mantissa, exponent) = lower.split_once('e').unwrap_or((&lower, "0"));
    let point = mantissa.find('.').map_or(0, |at| mantissa.len() - at - 1);
    let mut digits: Vec<char> = mantissa.chars().filter(char::is_ascii_digit).collect();
    let mut power = exponent.parse::<i64>().unwrap() - i64::try_from(point).unwrap();
    while digits.last() == Some(&'0') {
        digits.pop();
        power += 1;
    }
    let digits: String = digits.into_iter().skip_while(|digit| *digit == '0').collect();
    let power = if digits.is_empty() { 0 } else { power };
    (token.starts_with('-'), digits, power)
}
