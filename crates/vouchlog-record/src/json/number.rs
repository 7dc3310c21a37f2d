//! Numbers. JSON bounds neither their size nor their digits; 64 bits and a double do.

use serde_json::{Number, Value};

/// The number of a JSON token if it can be written again as the same number; else the token, as a string. Whole numbers are held in
/// 64 bits, others in a double.
pub fn number(token: &str) -> Value {
    let exact = match token.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E')) {
        false if token == "-0" => Number::from_f64(-0.0),
        false => {
            token.parse::<u64>().map(Number::from).or_else(|_| token.parse::<i64>().map(Number::from)).ok()
        }
        true => token.parse().ok().and_then(Number::from_f64).filter(|double| {
            let written = Decimal::of(&double.to_string());
            written.is_some() && written == Decimal::of(token)
        }),
    };
    exact.map_or_else(|| Value::String(token.to_owned()), Value::Number)
}

/// The length of the number at the beginning of a text, by JSON's grammar.
pub(super) fn token_length(text: &[u8]) -> Option<usize> {
    let digits =
        |at: usize| text[at.min(text.len())..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let is_at = |at: usize, bytes: &[u8]| text.get(at).is_some_and(|byte| bytes.contains(byte));
    let mut at = usize::from(is_at(0, b"-"));
    at += match digits(at) {
        0 => return None,
        more if more > 1 && is_at(at, b"0") => return None,
        more => more,
    };
    if is_at(at, b".") {
        at += 1 + Some(digits(at + 1)).filter(|digits| *digits > 0)?;
    }
    if is_at(at, b"eE") {
        at += 1 + usize::from(is_at(at + 1, b"+-"));
        at += Some(digits(at)).filter(|digits| *digits > 0)?;
    }
    Some(at)
}

/// A decimal number as it is written: what stands before its point and after it, and its exponent.
pub fn decimal_parts(text: &str) -> [&str; 3] {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    [whole, fraction, exponent]
}

/// A decimal number: digits without zeros at either end, times a power of ten.
#[derive(Debug, PartialEq, Eq)]
struct Decimal {
    is_negative: bool,
    digits: String,
    exponent: i64,
}

impl Decimal {
    /// `None` if the exponent is beyond all bounds.
    fn of(token: &str) -> Option<Self> {
        let (is_negative, token) = token.strip_prefix('-').map_or((false, token), |rest| (true, rest));
        let [whole, fraction, exponent] = decimal_parts(token);
        let all = format!("{whole}{fraction}");
        let digits = all.trim_end_matches('0');
        let mut exponent: i64 = exponent.parse().ok()?;
        exponent = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?;
        exponent = exponent.checked_add(i64::try_from(all.len() - digits.len()).ok()?)?;
        let digits = digits.trim_start_matches('0').to_owned();
        let exponent = if digits.is_empty() { 0 } else { exponent };
        Some(Self { is_negative, digits, exponent })
    }
}
