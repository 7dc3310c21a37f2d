//! What a terminal is shown: nothing that came from elsewhere may steer it.
//!
//! Everything that the program prints goes through here, error messages of foreign servers and names in foreign files among it, so that
//! no caller has to think of it. Only the colours of the program's own reports pass.

use std::fmt::Write;

use vouchlog_session::plain;

const ESCAPE: char = '\u{1b}';
/// The end of a colour or weight.
pub(crate) const PLAIN: &str = "\u{1b}[0m";
/// Those that reports use.
pub(crate) const BOLD: &str = "\u{1b}[1m";
pub(crate) const DIM: &str = "\u{1b}[2m";
pub(crate) const RED: &str = "\u{1b}[31m";
pub(crate) const GREEN: &str = "\u{1b}[32m";
pub(crate) const YELLOW: &str = "\u{1b}[33m";
const OWN: [&str; 6] = [PLAIN, BOLD, DIM, RED, GREEN, YELLOW];

/// Text as it may be shown: lines and tabs stay, and the program's own colours. Of everything else that steers a terminal or cannot be seen,
/// U+FFFD is left.
pub(crate) fn words(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find([ESCAPE, '\n', '\t']) {
        let (before, from) = rest.split_at(at);
        shown.push_str(&plain(before));
        let own = OWN.into_iter().find(|own| from.starts_with(own));
        let kept = own.or_else(|| (!from.starts_with(ESCAPE)).then(|| &from[..1]));
        shown.push_str(kept.unwrap_or("\u{fffd}"));
        rest = &from[kept.map_or(ESCAPE.len_utf8(), str::len)..];
    }
    shown.push_str(&plain(rest));
    shown
}

/// Colours and weights of log lines on a terminal.
const TRACED: [&str; 10] =
    [PLAIN, BOLD, DIM, "\u{1b}[3m", RED, GREEN, YELLOW, "\u{1b}[34m", "\u{1b}[35m", "\u{1b}[36m"];

/// A log line as it may be written, with one line break at its end: a line break in what it quotes would begin a line that nobody
/// logged.
pub(crate) fn log_line(text: &str) -> String {
    let mut shown = String::with_capacity(text.len() + 1);
    let mut rest = text.strip_suffix('\n').unwrap_or(text);
    while let Some(at) = rest.find([ESCAPE, '\n', '\r']) {
        let (before, from) = rest.split_at(at);
        shown.push_str(&plain(before));
        let (kept, length) = match TRACED.into_iter().find(|own| from.starts_with(own)) {
            Some(own) => (own, own.len()),
            None if from.starts_with(ESCAPE) => ("\u{fffd}", 1),
            None if from.starts_with('\n') => ("\\n", 1),
            None => ("\\r", 1),
        };
        shown.push_str(kept);
        rest = &from[length..];
    }
    shown.push_str(&plain(rest));
    shown.push('\n');
    shown
}

/// The same of JSON, whose meaning stays: such characters stand in strings alone, and are spelled `\\uXXXX` there.
pub(crate) fn json(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut one = [0; 4];
    for c in text.chars() {
        let same: &str = c.encode_utf8(&mut one);
        if plain(same) == same || c == '\n' {
            shown.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            // Writing to a string cannot fail.
            let _ = write!(shown, "\\u{unit:04x}");
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn nothing_from_elsewhere_steers_the_terminal() {
        for (text, shown) in [
            ("two\nlines\tand a tab", "two\nlines\tand a tab"),
            ("\u{1b}[2J\u{1b}[Hverified", "\u{fffd}[2J\u{fffd}[Hverified"),
            ("\u{1b}]0;title\u{7}", "\u{fffd}]0;title\u{fffd}"),
            ("\u{1b}[8mhidden\u{1b}[38;5;1m", "\u{fffd}[8mhidden\u{fffd}[38;5;1m"),
            ("DOES NOT HOLD\rverified", "DOES NOT HOLD verified"),
            ("\u{9b}31m \u{202e}evil \u{200b}", "\u{fffd}31m \u{fffd}evil \u{fffd}"),
            ("\u{1b}", "\u{fffd}"),
            ("\u{1b}[1mbold\u{1b}[0m ü 👩\u{200d}🔧", "\u{1b}[1mbold\u{1b}[0m ü 👩\u{200d}🔧"),
        ] {
            assert_eq!(words(text), shown);
        }
    }

    #[test]
    fn a_log_line_stays_one_line() {
        for (text, shown) in [
            ("INFO started\n", "INFO started\n"),
            ("WARN said=ok\nERROR forged\n", "WARN said=ok\\nERROR forged\n"),
            ("a\r\nb", "a\\r\\nb\n"),
            (
                "\u{1b}[2m12:00\u{1b}[0m \u{1b}[32m INFO\u{1b}[0m up\n",
                "\u{1b}[2m12:00\u{1b}[0m \u{1b}[32m INFO\u{1b}[0m up\n",
            ),
            ("\u{1b}[2J\u{1b}[8m \u{9b}1m \u{202e}x\n", "\u{fffd}[2J\u{fffd}[8m \u{fffd}1m \u{fffd}x\n"),
        ] {
            assert_eq!(log_line(text), shown);
        }
    }

    #[test]
    fn json_means_what_it_meant() {
        let value =
            json!({ "a\u{202e}": "\u{1b}[2J \u{9b} \u{7f} \u{e0041} \u{2028} ü\n", "b": [1, true, null] });
        let shown = json(&value.to_string());
        assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), value);
        assert_eq!(words(&shown), shown, "nothing is left to take out");
    }
}
