//! Parts that several pages have.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use maud::{Markup, html};
use vouchlog_pages::{Tone, icon, moment};

use crate::names::Search;
use crate::visitor::Visitor;

/// A time of the vault's, in milliseconds since 1970-01-01 UTC.
pub(crate) fn time(millis: i64) -> Markup {
    html! {
        @match Timestamp::from_millisecond(millis) {
            Ok(at) => (moment(at)),
            Err(_) => { (millis) " ms" }
        }
    }
}

/// The day that a field of a form names, as its first millisecond in UTC; none if nothing was entered.
pub(crate) fn day(entered: &str) -> Result<Option<i64>, &'static str> {
    if entered.is_empty() {
        return Ok(None);
    }
    let date: Date = entered.parse().map_err(|_| "a date is entered as YYYY-MM-DD")?;
    let start = date.to_zoned(TimeZone::UTC).map_err(|_| "the date is out of range")?;
    Ok(Some(start.timestamp().as_millisecond()))
}

/// The same, but the end of the day, exclusive.
pub(crate) fn day_end(entered: &str) -> Result<Option<i64>, &'static str> {
    const DAY: i64 = 24 * 60 * 60 * 1_000;
    Ok(day(entered)?.map(|start| start.saturating_add(DAY)))
}

/// A sentence of ours in which names of fields stand between backticks.
pub(crate) fn coded(text: &str) -> Markup {
    html! {
        @for (number, part) in text.split('`').enumerate() {
            @if number % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

/// A text that begins a sentence.
pub(crate) fn begun(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// The value of a date field.
pub(crate) fn date(millis: Option<i64>) -> String {
    let at = millis.and_then(|millis| Timestamp::from_millisecond(millis).ok());
    at.map(|at| at.strftime("%Y-%m-%d").to_string()).unwrap_or_default()
}

/// A status that is an icon, below a heading that asks the question; its word is for screen readers.
pub(crate) fn status_icon(tone: Tone, word: &str) -> Markup {
    html! { span class={ "st sti " (tone.class()) } title=(word) { (icon(tone.icon())) span.vh { (word) } } }
}

/// A status among others.
pub(crate) fn pill(tone: Tone, word: &str) -> Markup {
    html! { span class={ "st pill " (tone.class()) } { (icon(tone.icon())) (word) } }
}

/// The page of a search for sessions.
pub(crate) fn sessions_path(visitor: &Visitor, search: &Search) -> String {
    if search.is_open() && search.after.is_empty() {
        return "/console/sessions".to_owned();
    }
    format!("/console/sessions/{}", visitor.handle(search))
}

/// Turning the pages of a list. `after` has the cursors of this page and those before it; `link` makes the link of a page from its own.
pub(crate) fn pager(after: &[String], next: Option<String>, link: impl Fn(Vec<String>) -> String) -> Markup {
    let before = after.split_last().map(|(_, before)| link(before.to_vec()));
    let further = next.map(|next| link(after.iter().cloned().chain([next]).collect()));
    html! {
        nav.pager aria-label="Pages" {
            span { "Page " (after.len() + 1) }
            span.chips {
                @if let Some(before) = before { a.btn.small href=(before) rel="prev" { "Previous" } }
                @if let Some(further) = further { a.btn.small href=(further) rel="next" { "Next" } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_fields_stand_out_in_a_sentence() {
        assert_eq!(
            coded("record `a<b` and `c`").into_string(),
            "record <code>a&lt;b</code> and <code>c</code>"
        );
        assert_eq!((begun("élan"), begun("")), ("Élan".to_owned(), String::new()));
    }

    #[test]
    fn days_are_read_in_utc() {
        assert_eq!(day(""), Ok(None));
        assert_eq!(day("1970-01-02"), Ok(Some(86_400_000)));
        assert_eq!(day_end("1970-01-02"), Ok(Some(2 * 86_400_000)));
        assert_eq!(date(Some(86_400_000)), "1970-01-02");
        assert!(day("yesterday").is_err() && day("2026-13-01").is_err());
    }
}
