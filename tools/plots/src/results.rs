//! What was measured, and how its numbers are written.

use std::collections::BTreeMap;

use serde_json::Value;

/// What `tools/performance/run` measured, by name.
pub(crate) type Results = BTreeMap<String, Value>;

/// Three digits that count, with commas between thousands.
pub(crate) fn grouped(figure: f64, decimals: usize) -> String {
    let mut figure = figure;
    if figure >= 1_000.0 {
        let unit = 10_f64.powf(figure.log10().floor() - 2.0);
        figure = (figure / unit).round() * unit;
    }
    let text = if figure >= 100.0 { format!("{figure:.0}") } else { format!("{figure:.decimals$}") };
    let (whole, rest) =
        text.split_once('.').map_or((text.as_str(), None), |(whole, rest)| (whole, Some(rest)));
    let mut grouped = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    rest.map_or(grouped.clone(), |rest| format!("{grouped}.{rest}"))
}
