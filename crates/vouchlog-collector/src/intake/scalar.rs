//! Scalars of protobuf's JSON mapping, out of the text of a number or a string.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use vouchlog_record::json::decimal_parts;

/// Most digits of a whole number: more than 64 bits hold.
const MAX_DIGITS: usize = 24;

/// Most significant digits that a double is compared in; its exact value has at most 767.
const MAX_PRECISION: usize = 800;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// A whole number, which may be written with an exponent or a fraction of zeros: `1.5e3`.
pub(super) fn integer(text: &str) -> Option<i128> {
    let (sign, rest) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let [whole, fraction, exponent] = decimal_parts(rest);
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    let significant = digits.trim_end_matches('0');
    if significant.is_empty() {
        return Some(0);
    }
    let zeros = i64::try_from(digits.len() - significant.len()).ok()?;
    let power =
        exponent.parse::<i64>().ok()?.checked_add(zeros)?.checked_sub(i64::try_from(fraction.len()).ok()?)?;
    let power =
        usize::try_from(power).ok().filter(|power| significant.len().saturating_add(*power) <= MAX_DIGITS)?;
    format!("{significant}{}", "0".repeat(power)).parse::<i128>().ok().map(|number| sign * number)
}

/// The double that a text names: written with as many digits as were sent, it is what was sent. None if there is no such one.
pub(super) fn double(text: &str) -> Option<f64> {
    let double: f64 = text.parse().ok().filter(|double: &f64| double.is_finite())?;
    let (sent, power) = scientific(text)?;
    let precision = sent.len().clamp(1, MAX_PRECISION) - 1;
    let written = format!("{double:.precision$e}");
    let (held, held_power) = scientific(&written)?;
    let is_same = sent.trim_end_matches('0') == held.trim_end_matches('0');
    (is_same && (sent.is_empty() || power == held_power)).then_some(double)
}

/// Digits from the first that is not zero on, and the power of ten of that first one.
fn scientific(text: &str) -> Option<(String, i64)> {
    let [whole, fraction, exponent] = decimal_parts(text.trim_start_matches(['-', '+']));
    let all = format!("{whole}{fraction}");
    let digits = all.trim_start_matches('0');
    let before_point = i64::try_from(whole.len()).ok()? - i64::try_from(all.len() - digits.len()).ok()?;
    Some((digits.to_owned(), exponent.parse::<i64>().ok()?.checked_add(before_point)?))
}

/// Bytes in base64, of either alphabet, padded or not.
pub(super) fn bytes(text: &str) -> Option<Vec<u8>> {
    BASE64.decode(text.replace('-', "+").replace('_', "/")).ok()
}
