//! Breaking lines at spaces.

/// `text` in lines of at most `width` characters, at least one line. Words that are longer are broken.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > width {
            lines.push(String::new());
            used = 0;
        }
        for c in (used > 0).then_some(' ').into_iter().chain(word.chars()) {
            if used == width {
                lines.push(String::new());
                used = 0;
            }
            if let Some(line) = lines.last_mut() {
                line.push(c);
            }
            used += 1;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::wrap;

    #[test]
    fn no_line_is_longer_than_the_width_and_no_word_is_lost() {
        assert_eq!(wrap("", 10), [""]);
        assert_eq!(wrap("one two  three", 7), ["one two", "three"]);
        assert_eq!(wrap("a äöüäöüä b", 4), ["a", "äöüä", "öüä", "b"]);
        assert_eq!(wrap("ab", 0), ["a", "b"]);
        assert_eq!(wrap("abcd efgh", 4), ["abcd", "efgh"]);
    }
}
