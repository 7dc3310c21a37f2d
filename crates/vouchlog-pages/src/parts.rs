//! The parts of pages. Each is one thing that looks the same wherever it stands.

use std::fmt::Display;

use jiff::Timestamp;
use maud::{Markup, html};

use crate::icon::{Icon, icon};

/// What a status means. Green, red and amber mean nothing else on a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// It holds.
    Good,
    /// It does not.
    Bad,
    /// Something needs an eye.
    Warning,
    /// It cannot be determined.
    Unknown,
    /// It was not looked at, or does not apply.
    None,
    /// For the reader to know.
    Info,
    /// It waits.
    Waiting,
}

impl Tone {
    /// The class that colours it.
    pub const fn class(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Bad => "bad",
            Self::Warning | Self::Unknown => "warn",
            Self::None | Self::Info | Self::Waiting => "mute",
        }
    }

    /// Its shape.
    pub const fn icon(self) -> Icon {
        match self {
            Self::Good => Icon::Ok,
            Self::Bad => Icon::Bad,
            Self::Warning => Icon::Warn,
            Self::Unknown => Icon::Unknown,
            Self::None => Icon::None,
            Self::Info => Icon::Info,
            Self::Waiting => Icon::Wait,
        }
    }
}

/// A status: shape, colour and word.
pub fn status(tone: Tone, word: &str) -> Markup {
    html! { span class={ "st " (tone.class()) } { (icon(tone.icon())) (word) } }
}

/// A digest or a key: its ends are shown, the whole value is in the text, so that it is found, selected and copied without a script.
/// Printed, it is shown whole.
pub fn digest(value: &str) -> Markup {
    let ends = value.get(..8).zip(value.len().checked_sub(8).and_then(|at| value.get(at..)));
    let middle = value.len().checked_sub(8).and_then(|at| value.get(8..at)).filter(|middle| middle.len() > 4);
    html! {
        @match (ends, middle) {
            (Some((begin, end)), Some(middle)) => code.dg.print-full { (begin) span.dg-m { (middle) } (end) },
            _ => code.hex { (value) },
        }
    }
}

/// A time to the second, in UTC.
pub fn moment(at: Timestamp) -> Markup {
    html! { time datetime=(at.strftime("%Y-%m-%dT%H:%M:%SZ")) { (at.strftime("%Y-%m-%d %H:%M:%S")) } " UTC" }
}

/// A number in groups of three digits.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `1 entry`, `2,000 entries`.
pub fn grouped(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", thousands(number), if number == 1 { one } else { many })
}

/// A share of a whole.
#[derive(Clone, Copy, Debug)]
pub struct Bar<'a> {
    /// Of what.
    pub name: &'a str,
    /// How many.
    pub part: u64,
    /// Of how many.
    pub whole: u64,
}

/// A share as a bar, with the number beside it; amber below a half.
pub fn bar(Bar { name, part, whole }: Bar<'_>) -> Markup {
    // Never rounded up to the whole, nor down to nothing.
    let percent = match (part.min(whole), whole) {
        (_, 0) => 0,
        (0, _) => 0,
        (part, whole) if part == whole => 100,
        (part, whole) => u64::try_from(u128::from(part) * 100 / u128::from(whole)).unwrap_or(0).clamp(1, 99),
    };
    let fill = if percent < 50 { "b-warn" } else { "b-ink" };
    html! {
        div.bar-row {
            span { (name) }
            svg.bars aria-hidden="true" {
                rect.b-bg width="100%" height="8" {}
                rect class=(fill) width={ (percent) "%" } height="8" {}
            }
            span.n title={ (thousands(part)) " of " (thousands(whole)) } { (percent) " %" }
        }
    }
}

/// Something that was checked or was not.
#[derive(Clone, Debug)]
pub struct CheckedItem {
    /// How it went.
    pub tone: Tone,
    /// What.
    pub what: &'static str,
    /// With what, and the result; or why it was not checked.
    pub result: String,
}

/// What was checked beside what was not, which are the items of [`Tone::None`].
pub fn coverage(items: &[CheckedItem]) -> Markup {
    let (unchecked, checked): (Vec<_>, Vec<_>) = items.iter().partition(|item| item.tone == Tone::None);
    let list = |heading: &str, items: &[&CheckedItem]| {
        html! {
            div.panel {
                header { h2 { (heading) } }
                dl.cov {
                    @for item in items {
                        div { dt { (status(item.tone, item.what)) } dd { (item.result) } }
                    }
                }
            }
        }
    };
    html! {
        section.grid.g2 #coverage aria-label="What was checked" {
            (list("Checked", &checked))
            (list("Not checked", &unchecked))
        }
    }
}

/// What a page shows, and what it does not, at the same size.
pub fn limits(shown: &[&str], not_shown: &[&str]) -> Markup {
    html! {
        div.panel.pad.limits {
            div {
                h3.ok { (icon(Icon::Ok)) "Shown, if the proofs verify" }
                ul { @for limit in shown { li { (limit) } } }
            }
            div {
                h3.mute { (icon(Icon::None)) "Not shown" }
                ul { @for limit in not_shown { li { (limit) } } }
            }
        }
    }
}

/// Links to the other pages of a long list: `names` are the links, `current` is the place of this page among them.
pub fn pager(range: impl Display, names: &[String], current: usize) -> Markup {
    html! {
        nav.pager.panel aria-label="Pages" {
            span { (range) }
            @if names.len() > 1 {
                ul.chips.plain {
                    @for (place, name) in names.iter().enumerate() {
                        li {
                            @if place == current {
                                a.chip.on href=(name) aria-current="page" { span.vh { "Page " } (place + 1) }
                            } @else {
                                a.chip href=(name) { span.vh { "Page " } (place + 1) }
                            }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        for (number, shown) in
            [(0, "0"), (999, "999"), (1_000, "1,000"), (1_203_911, "1,203,911"), (12_345, "12,345")]
        {
            assert_eq!(thousands(number), shown);
        }
        assert_eq!(grouped(1, "entry", "entries"), "1 entry");
    }

    #[test]
    fn a_share_is_never_rounded_to_all_or_nothing() {
        for (part, whole, percent) in [
            (0, 0, "0 %"),
            (1, 1_000, "1 %"),
            (999, 1_000, "99 %"),
            (1_000, 1_000, "100 %"),
            (2_000, 1_000, "100 %"),
            (u64::MAX - 1, u64::MAX, "99 %"),
        ] {
            let shown = bar(Bar { name: "x", part, whole }).into_string();
            assert!(shown.contains(&format!(">{percent}</span>")), "{shown}");
        }
    }

    #[test]
    fn a_digest_is_whole_in_the_text() {
        let text = |markup: Markup| {
            let html = markup.into_string();
            let mut text = String::new();
            let mut is_tag = false;
            for c in html.chars() {
                match c {
                    '<' => is_tag = true,
                    '>' => is_tag = false,
                    c if !is_tag => text.push(c),
                    _ => {}
                }
            }
            text
        };
        for value in ["", "short", "ab".repeat(32).as_str(), "éééééééééééééééé", "12345678abcdefghijkl"]
        {
            assert_eq!(text(digest(value)), value);
        }
    }
}
