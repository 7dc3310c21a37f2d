//! Goal: JSON in an attribute is read as it was sent, or stays the text that was sent.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::*;
use super::read_span;

fn tool(arguments: &str) -> Value {
    let attributes =
        json!({ "gen_ai.operation.name": "execute_tool", "gen_ai.tool.call.arguments": arguments });
    read_span("a", "execute_tool f", attributes).fields["tool.arguments"].clone()
}

#[test]
fn what_json_cannot_hold_stays_text() {
    for (sent, expected) in [
        (r#"{"account":12345678901234567890123}"#, json!({ "account": "12345678901234567890123" })),
        (r#"{"amount":0.10000000000000000001}"#, json!({ "amount": "0.10000000000000000001" })),
        (r#"{"amount":51.24817837550540}"#, json!({ "amount": 51.248_178_375_505_4 })),
        ("{'account': 12345678901234567890123}", json!({ "account": "12345678901234567890123" })),
        (r#"{"id":18446744073709551615}"#, json!({ "id": u64::MAX })),
    ] {
        assert_eq!(tool(sent), expected, "{sent}");
    }
    let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
    for kept in [
        r#"{"amount":1,"amount":2}"#,
        r#"[{"a":{"b":1,"\u0062":2}}]"#,
        r#"{"name":"\ud800"}"#,
        r#"{"score":NaN}"#,
        "{'a': 1, 'a': 2}",
        r"{'a': '\ud800'}",
        &deep,
    ] {
        assert_eq!(tool(kept), json!(kept));
    }
}

#[test]
fn only_what_ends_early_was_cut_off() {
    let is_cut = |text: &str| {
        let attributes = json!({ "gen_ai.operation.name": "chat", "gen_ai.input.messages": text });
        let reading = read_span("a", "chat m", attributes);
        assert_eq!(reading.fields["content.input"][0]["parts"][0]["content"], text, "{text}");
        reading.truncated
    };
    for cut in [
        r#"[{"role":"user","parts":[{"content":"Tell me"#,
        r#"[{"role":"us"#,
        "[{'role': 'us",
        r#"{"n": 1."#,
        r#"{"a": "b"..."#,
    ] {
        assert!(is_cut(cut), "{cut}");
    }
    for whole in [
        r#"{"a":1,"a":2}"#,
        r#"{"a":"\ud800"}"#,
        "{'a': datetime(2026, 1, 1)}",
        "[sic] he said",
        "{curly} words",
    ] {
        assert!(!is_cut(whole), "{whole}");
    }
}

#[test]
fn text_that_is_json_by_chance_is_one_message() {
    for text in ["[1, 2, 3]", "{\"foo\": 1}", "{}x", "[]", "{\"a\": {\"role\": 1}}"] {
        let found = messages(&text.into(), "user");
        assert_eq!(
            Value::from(found),
            json!([{ "role": "user", "parts": [{ "type": "text", "content": text }] }])
        );
    }
    assert_eq!(messages(&json!(""), "user"), [] as [Value; 0]);
}

proptest! {
    #[test]
    fn json_is_read_as_it_is_or_stays_text(number in "-?(0|[1-9][0-9]{0,25})(\\.[0-9]{1,25})?", text: String, flag: bool) {
        let inner = json!({ "text": text, "flag": flag });
        let sent = format!(r#"{{"number":{number},"inner":{inner}}}"#);
        let read = tool(&sent);
        prop_assert_eq!(&read["inner"], &inner);
        match &read["number"] {
            Value::String(kept) => prop_assert_eq!(kept, &number),
            // By its decimal digits, not by a double's.
            held => prop_assert_eq!(decimal(&held.to_string()), decimal(&number)),
        }
    }

    #[test]
    fn any_text_is_kept(text in "[\\[{(]?[a-z0-9'\":,{}\\[\\]\\\\ ]{0,40}") {
        let read = messages(&text.clone().into(), "user");
        let all = Value::from(read).to_string();
        // Whatever is made of it, no word of it is lost.
        for word in text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| word.len() > 3 && !text.contains('\\')) {
            prop_assert!(all.contains(word), "{} {}", text, all);
        }
    }
}

/// Digits and exponent of a decimal number that is written without or with one.
fn decimal(token: &str) -> (bool, String, i64) {
    let (mantissa, exponent) = token.split_once('e').unwrap_or((token, "0"));
    let unsigned = mantissa.trim_start_matches('-');
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = format!("{whole}{fraction}");
    let short = digits.trim_end_matches('0');
    let power = exponent.parse::<i64>().unwrap() - i64::try_from(fraction.len()).unwrap()
        + i64::try_from(digits.len() - short.len()).unwrap();
    let short = short.trim_start_matches('0').to_owned();
    let power = if short.is_empty() { 0 } else { power };
    (token.starts_with('-'), short, power)
}
