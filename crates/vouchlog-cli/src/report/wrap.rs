//! Breaking lines at spaces.

use textwrap::{Options, WordSplitter, WrapAlgorithm};

/// `text` in lines of at most `width` columns, at least one line. Words that are longer are broken.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let options = Options::new(width.max(1))
        .word_splitter(WordSplitter::NoHyphenation)
        .wrap_algorithm(WrapAlgorithm::FirstFit);
    textwrap::wrap(text, options).into_iter().map(std::borrow::Cow::into_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::wrap;

    #[test]
    fn no_line_is_longer_than_the_width_and_no_word_is_lost() {
        assert_eq!(wrap("", 10), [""]);
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("a äöüäöüä b", 4), ["a", "äöüä", "öüä", "b"]);
        assert_eq!(wrap("ab", 0), ["a", "b"]);
        assert_eq!(wrap("abcd efgh", 4), ["abcd", "efgh"]);
        assert_eq!(wrap("漢字漢字", 4), ["漢字", "漢字"]);
    }
}
