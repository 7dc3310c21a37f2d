//! Credentials over the time of a session: a bar for each, with its window, when it was revoked, and every use.

use std::collections::BTreeMap;

use jiff::Timestamp;
use maud::{Markup, html};
use vouchlog_grading::Answer;
use vouchlog_pages::{Tone, status};
use vouchlog_record::{Credential, CredentialAction};
use vouchlog_session::{Timeline, clipped};

use crate::drawn::clock;

/// Credentials that are drawn.
const MAX_ROWS: usize = 8;
/// Uses that are drawn of one.
const MAX_USES: usize = 40;
/// Pixels of a row.
const ROW: usize = 62;
/// Characters of a name.
const NAME: usize = 60;

/// One use of a credential.
struct Use<'t> {
    at: Timestamp,
    /// The number of the record in the timeline, from 1.
    record: usize,
    answer: Answer,
    what: &'t str,
}

/// A credential, its window, and its uses.
#[derive(Default)]
struct Row<'t> {
    from: Option<Timestamp>,
    until: Option<Timestamp>,
    revoked: Option<Timestamp>,
    uses: Vec<Use<'t>>,
}

/// The part of the page; nothing if no use of a credential is recorded.
pub(super) fn section(timeline: &Timeline) -> Markup {
    let rows = rows(timeline);
    let uses = rows.iter().flat_map(|(_, row)| &row.uses);
    let Some(scale) = Scale::of(uses.map(|one| one.at)) else { return html! {} };
    let (shown, left_out) = (rows.len().min(MAX_ROWS), rows.len().saturating_sub(MAX_ROWS));
    let height = shown * ROW + 30;
    html! {
        section #credential aria-labelledby="h-v" {
            div.sec-h {
                h2 #h-v { "Credentials over time" }
                p { "Times are UTC, by the gateways' clocks." }
                ul.legend.r {
                    li { svg aria-hidden="true" { rect.v-ok width="22" height="10" x="1" y="1" {} } "valid" }
                    li { svg aria-hidden="true" { rect class="v-bad" width="22" height="10" x="1" y="1" {} } "revoked, expired or not valid yet" }
                    li { svg aria-hidden="true" { rect.v-mute width="22" height="10" x="1" y="1" {} } "window not recorded" }
                }
            }
            div.panel.pad {
                svg.chart height=(height) role="img" aria-labelledby="vt vd" {
                    title #vt { "Credentials over the session" }
                    desc #vd { (summary(&rows)) }
                    (scale.axis(height))
                    @for (place, (name, row)) in rows.iter().take(MAX_ROWS).enumerate() { (bar(name, row, place * ROW, &scale)) }
                }
                (marks(&rows))
                @if left_out > 0 { p.s.soft.sec-t { (left_out) " more credentials are not drawn; the timeline has them." } }
            }
        }
    }
}

fn rows(timeline: &Timeline) -> Vec<(String, Row<'_>)> {
    let mut rows: BTreeMap<String, Row<'_>> = BTreeMap::new();
    let mut revoked: BTreeMap<&str, Timestamp> = BTreeMap::new();
    for record in &timeline.records {
        if let Some(event) = record.record.body.credential_event.value()
            && event.action.value() == Some(&CredentialAction::Revoked)
            && let Some(at) = event.effective.value()
        {
            for id in record.record.credentials().filter_map(|(_, credential)| credential.id.value()) {
                revoked.insert(id.as_str(), *at);
            }
        }
    }
    for (place, record) in timeline.records.iter().enumerate() {
        let Some(validity) = &record.validity else { continue };
        if validity.moments.is_empty() {
            continue;
        }
        let credential = record.record.credentials().map(|(_, credential)| credential).next();
        let id = credential.and_then(|credential| credential.id.value());
        let name = id.map_or_else(|| "credential without an id".to_owned(), |id| clipped(id, NAME));
        let row = rows.entry(name).or_default();
        if let Some(credential) = credential {
            row.window(credential);
        }
        row.revoked = row.revoked.or_else(|| revoked.get(id?.as_str()).copied());
        row.uses.extend(validity.moments.iter().map(|moment| Use {
            at: moment.at,
            record: place + 1,
            answer: moment.answer,
            what: &moment.what,
        }));
    }
    let mut rows: Vec<_> = rows.into_iter().collect();
    for (_, row) in &mut rows {
        row.uses.sort_by_key(|one| one.at);
    }
    rows.sort_by_key(|(_, row)| row.uses.first().map(|one| one.at));
    rows
}

impl Row<'_> {
    fn window(&mut self, credential: &Credential) {
        let from = credential.nbf.value().or(credential.iat.value()).copied();
        self.from = self.from.or(from);
        self.until = self.until.or(credential.exp.value().copied());
    }
}

/// From times to places: per cent of the width.
struct Scale {
    from: i64,
    to: i64,
}

impl Scale {
    /// A scale on which all uses are, with some room beside.
    fn of(times: impl Iterator<Item = Timestamp>) -> Option<Self> {
        let millis: Vec<i64> = times.map(Timestamp::as_millisecond).collect();
        let (from, to) = (*millis.iter().min()?, *millis.iter().max()?);
        let room = ((to - from) / 12).max(1_000);
        Some(Self { from: from - room, to: to + room })
    }

    fn place(&self, at: Timestamp) -> f64 {
        let at = at.as_millisecond().clamp(self.from, self.to);
        #[expect(clippy::cast_precision_loss, reason = "a place on a screen")]
        let share = (at - self.from) as f64 / (self.to - self.from) as f64;
        share * 100.0
    }

    fn has(&self, at: Timestamp) -> bool {
        (self.from..=self.to).contains(&at.as_millisecond())
    }

    fn at(&self, quarter: i64) -> Option<Timestamp> {
        Timestamp::from_millisecond(self.from + (self.to - self.from) / 4 * quarter).ok()
    }

    fn axis(&self, height: usize) -> Markup {
        html! {
            @for quarter in 0..=4 {
                @let (x, anchor) = (quarter * 25, match quarter { 0 => "start", 4 => "end", _ => "middle" });
                line.ax x1={ (x) "%" } x2={ (x) "%" } y1="0" y2=(height - 18) {}
                @if let Some(at) = self.at(quarter) {
                    text class=(if quarter % 2 == 0 { "" } else { "wide-only" }) x={ (x) "%" } y=(height - 4) text-anchor=(anchor) {
                        (at.strftime("%H:%M:%S"))
                    }
                }
            }
        }
    }
}

fn percent(share: f64) -> String {
    format!("{share:.2}%")
}

/// One credential: a name, a bar of its window, a line where it ends, and its uses.
fn bar(name: &str, row: &Row<'_>, top: usize, scale: &Scale) -> Markup {
    let ends = [(row.revoked, "Revoked"), (row.until, "Expired")];
    let end = ends.into_iter().filter_map(|(at, word)| Some((at?, word))).min_by_key(|(at, _)| *at);
    let begin = row.from.map_or(0.0, |at| scale.place(at));
    let finish = end.map_or(100.0, |(at, _)| scale.place(at));
    let is_known = row.from.is_some() || end.is_some();
    let class = if is_known { "v-ok" } else { "v-mute" };
    let shown_end = end.filter(|(at, _)| scale.has(*at));
    html! {
        text.on x="0" y=(top + 12) { (name) }
        @if begin > 0.0 { rect class="v-bad" x="0%" width=(percent(begin)) y=(top + 20) height="20" {} }
        @if finish > begin { rect class=(class) x=(percent(begin)) width=(percent(finish - begin)) y=(top + 20) height="20" {} }
        @if finish < 100.0 { rect class="v-bad" x=(percent(finish.max(begin))) width=(percent(100.0 - finish.max(begin))) y=(top + 20) height="20" {} }
        @if let Some((at, word)) = shown_end {
            line.cut-line x1=(percent(finish)) x2=(percent(finish)) y1=(top + 2) y2=(top + 46) {}
            text.t-bad x="100%" y=(top + 12) text-anchor="end" { (word) " " (at.strftime("%H:%M:%S")) }
        }
        @for one in drawn_uses(row) {
            @let x = percent(scale.place(one.at));
            g {
                circle class={ "mk " (mark(one.answer)) } cx=(x) cy=(top + 30) r="9" {}
                text class=(if one.answer == Answer::No { "mk-t i" } else { "mk-t" }) x=(x) y=(top + 34) { (one.record) }
            }
        }
    }
}

/// The first use in each record, and every one that is not a plain yes: marks of one record lie over each other.
fn drawn_uses<'r, 't>(row: &'r Row<'t>) -> impl Iterator<Item = &'r Use<'t>> {
    let mut last = 0;
    let mut bad = 0;
    row.uses
        .iter()
        .filter(move |one| {
            let is_new = one.record != last || (one.answer == Answer::No && bad != one.record);
            last = one.record;
            if one.answer == Answer::No {
                bad = one.record;
            }
            is_new
        })
        .take(MAX_USES)
}

const fn mark(answer: Answer) -> &'static str {
    match answer {
        Answer::Yes => "",
        Answer::No => "b",
        Answer::Indeterminate => "g",
    }
}

/// The same as a list.
fn marks(rows: &[(String, Row<'_>)]) -> Markup {
    html! {
        ol.marks.sec-t {
            @for (_, row) in rows.iter().take(MAX_ROWS) {
                @for one in drawn_uses(row) {
                    li {
                        a class={ "no " (mark(one.answer)) } href={ "#r" (one.record) } aria-label={ "Record " (one.record) } { (one.record) }
                        time datetime=(one.at) { (clock(one.at)) }
                        span {
                            @match one.answer {
                                Answer::Yes => (status(Tone::Good, "Valid")),
                                Answer::No => (status(Tone::Bad, "Not valid")),
                                Answer::Indeterminate => (status(Tone::Unknown, "Not determined")),
                            }
                            " " (clipped(one.what, NAME))
                        }
                    }
                }
            }
        }
    }
}

/// The chart in words.
fn summary(rows: &[(String, Row<'_>)]) -> String {
    let sentences = rows.iter().take(MAX_ROWS).map(|(name, row)| {
        let count = |answer| row.uses.iter().filter(|one| one.answer == answer).count();
        format!(
            "{name}: {} uses, {} valid, {} not valid, {} not determined.",
            row.uses.len(),
            count(Answer::Yes),
            count(Answer::No),
            count(Answer::Indeterminate)
        )
    });
    sentences.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn one(second: i64, record: usize, answer: Answer) -> Use<'static> {
        Use { at: at(second), record, answer, what: "start" }
    }

    #[test]
    fn what_is_after_the_end_is_drawn_as_not_valid() {
        let uses = vec![one(100, 1, Answer::Yes), one(200, 2, Answer::No)];
        let scale = Scale::of(uses.iter().map(|one| one.at)).unwrap();
        let row = Row { from: Some(at(0)), until: Some(at(1_000)), revoked: Some(at(150)), uses };
        let drawn = bar("c-1", &row, 0, &scale).into_string();
        assert!(drawn.contains("class=\"v-ok\" x=\"0.00%\" width=\"50.00%\""), "{drawn}");
        assert!(drawn.contains("class=\"v-bad\" x=\"50.00%\" width=\"50.00%\""), "{drawn}");
        assert!(drawn.contains("Revoked 00:02:30") && drawn.contains("class=\"mk b\""), "{drawn}");
    }

    #[test]
    fn an_unknown_window_is_not_drawn_as_valid() {
        let uses = vec![one(100, 1, Answer::Indeterminate)];
        let scale = Scale::of(uses.iter().map(|one| one.at)).unwrap();
        let drawn = bar("c-1", &Row { uses, ..Row::default() }, 0, &scale).into_string();
        assert!(drawn.contains("v-mute") && !drawn.contains("v-ok"), "{drawn}");
    }

    #[test]
    fn each_record_has_a_mark_and_each_that_is_wrong_another() {
        let uses = vec![
            one(1, 1, Answer::Yes),
            one(2, 1, Answer::Yes),
            one(3, 1, Answer::No),
            one(4, 1, Answer::No),
            one(5, 2, Answer::No),
        ];
        let row = Row { uses, ..Row::default() };
        let marks: Vec<_> = drawn_uses(&row).map(|one| (one.record, one.answer)).collect();
        assert_eq!(marks, [(1, Answer::Yes), (1, Answer::No), (2, Answer::No)]);
    }
}
