//! Foreign text made safe to show, and short enough.

use std::fmt::Write;

use crate::numbers::count;

/// `text` as one line without control characters and without characters that change the writing direction or cannot be seen:
/// line breaks and tabs become spaces, everything else of that kind U+FFFD, so that one sees that something was there.
///
/// The joiners U+200C and U+200D stay: scripts and emoji need them, and they move nothing.
pub fn plain(text: &str) -> String {
    text.chars().map(shown).collect()
}

fn shown(c: char) -> char {
    match c {
        '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => ' ',
        // Soft hyphen; Arabic letter mark; zero-width space and marks of direction; embeddings and overrides; invisible operators
        // and isolates; byte order mark; interlinear annotations; tags.
        '\u{ad}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{200b}'
        | '\u{200e}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}' => '\u{fffd}',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

/// [`plain`] text of at most `most` characters; what is cut off is counted behind it.
pub fn clipped(text: &str, most: usize) -> String {
    let Some((cut, _)) = text.char_indices().nth(most) else { return plain(text) };
    let mut out = plain(text.get(..cut).unwrap_or_default());
    let left = text.get(cut..).unwrap_or_default().chars().count();
    // Writing to a string cannot fail.
    let _ = write!(out, "… ({} not shown)", count(left as u64, "character", "characters"));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steers_a_terminal_or_turns_a_line_around() {
        assert_eq!(
            plain("a\u{1b}[31m\nb\t\u{202e}c\u{2066}\u{9b}\u{7f}\0"),
            "a\u{fffd}[31m b \u{fffd}c\u{fffd}\u{fffd}\u{fffd}\u{fffd}"
        );
        assert_eq!(plain("نص 👩\u{200d}🔧 – “x”"), "نص 👩\u{200d}🔧 – “x”");
    }

    #[test]
    fn what_is_cut_is_counted() {
        assert_eq!(clipped("äöü", 3), "äöü");
        assert_eq!(clipped("äöü", 2), "äö… (1 character not shown)");
        assert_eq!(clipped(&"x".repeat(12_345), 1), "x… (12,344 characters not shown)");
    }
}
