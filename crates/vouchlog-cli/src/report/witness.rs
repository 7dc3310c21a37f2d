//! The page of a witness: which logs it watches, what it cosigned last for each, its keys, and what it refuses.

use jiff::Timestamp;
use maud::{Markup, html};
use vouchlog_pages::{Icon, Page, Tone, Width, digest, grouped, icon, moment, status, thousands};
use vouchlog_session::plain;

use super::made::TOOL;

/// A witness at a moment.
#[derive(Clone, Debug)]
pub(crate) struct WitnessMade {
    /// The moment.
    pub(crate) at: Timestamp,
    pub(crate) name: String,
    pub(crate) vkeys: Vec<String>,
    pub(crate) logs: Vec<WitnessedLog>,
    /// Logs that are known and not listed.
    pub(crate) unlisted: usize,
    pub(crate) is_in_service: bool,
    /// Why the refusals could not be read.
    pub(crate) unread_refusals: Option<String>,
}

/// A log that a witness watches.
#[derive(Clone, Debug)]
pub(crate) struct WitnessedLog {
    pub(crate) origin: String,
    /// SHA-256 of the origin, in hexadecimal: its checkpoint's place.
    pub(crate) hash: String,
    pub(crate) vkeys: Vec<String>,
    pub(crate) rate: String,
    /// None if nothing was cosigned, or it cannot be read.
    pub(crate) latest: Option<LatestHead>,
    /// Refused checkpoints that prove misbehaviour.
    pub(crate) proven: usize,
    /// Refused checkpoints that prove nothing by themselves.
    pub(crate) unproven: usize,
}

/// The last head that was cosigned.
#[derive(Clone, Debug)]
pub(crate) struct LatestHead {
    pub(crate) size: u64,
    pub(crate) root: String,
    /// POSIX seconds, by the witness's clock.
    pub(crate) cosigned_at: Option<u64>,
}

/// What a witness refuses, and what that means.
const REFUSED: [(&str, &str); 6] = [
    ("A checkpoint that is not signed by a log that it knows", "Anyone may send one; nothing is kept."),
    (
        "A size below the last one that it cosigned",
        "The log is asked to prove the way from the last size; a log that shrank cannot.",
    ),
    (
        "The last size with another root",
        "The log signed two histories. Both checkpoints are kept as evidence.",
    ),
    (
        "A consistency proof that does not verify",
        "Proves nothing by itself: anyone can send a broken proof. The checkpoint is kept.",
    ),
    (
        "Anything beyond the end of a log that was retired",
        "Someone else has the log’s key, or the log goes on. Kept as evidence.",
    ),
    ("More requests than the log’s rate", "The log is asked to retry later."),
];

/// The page.
pub(crate) fn witness(made: &WitnessMade) -> String {
    let name = plain(&made.name);
    let main = html! {
        (head(made, &name))
        (alarm(made))
        (logs(made))
        section.grid.g2 {
            (keys(made))
            (refused(made))
        }
        (limits())
        footer.foot { span { "Made " (moment(made.at)) " by " (TOOL) } span { "Specification: C2SP tlog-witness" } }
    };
    Page { title: &format!("Witness {name}"), kind: "witness", width: Width::Wide, main }.to_html()
}

fn head(made: &WitnessMade, name: &str) -> Markup {
    let count = made.logs.len() + made.unlisted;
    let newest = made.logs.iter().filter_map(|log| log.latest.as_ref()?.cosigned_at).max();
    html! {
        div.head {
            div {
                h1 { (name) }
                p.soft {
                    "This witness watches " (grouped(count as u64, "log", "logs")) ". It cosigns a checkpoint only if it extends the last one that it cosigned for that log. "
                    "It does not read records and does not vouch for their content."
                }
                p.s.soft.sec-t {
                    @if made.is_in_service { (status(Tone::Good, "In service")) } @else { (status(Tone::Bad, "Not cosigning")) }
                    @if let Some(at) = newest.and_then(time) { " Newest cosignature " (moment(at)) }
                }
            }
        }
    }
}

/// What was refused and proves misbehaviour: the worst thing on the page is the first.
fn alarm(made: &WitnessMade) -> Markup {
    let refused: Vec<&WitnessedLog> = made.logs.iter().filter(|log| log.proven > 0).collect();
    html! {
        @if !refused.is_empty() {
            div.alarm {
                h2 { (icon(Icon::Bad)) (grouped(refused.len() as u64, "log signed", "logs signed")) " what contradicts its history" }
                ol {
                    @for log in refused {
                        li {
                            (status(Tone::Bad, "Critical"))
                            div {
                                p { (plain(&log.origin)) ": " (grouped(log.proven as u64, "checkpoint was", "checkpoints were")) " refused." }
                                p.then { "Each is kept with the checkpoint that it contradicts. Ask this witness’s operator for the files." }
                            }
                        }
                    }
                }
            }
        }
        @if let Some(error) = &made.unread_refusals {
            div.note.warn { (icon(Icon::Warn)) span { "The refusals could not be read: " (plain(error)) ". This page cannot show whether there are any." } }
        }
    }
}

fn logs(made: &WitnessMade) -> Markup {
    html! {
        section aria-labelledby="h-l" {
            div.sec-h { h2 #h-l { "Logs" } p { "The last checkpoint that was cosigned for each" } }
            @if made.logs.is_empty() { p.soft { "None." } }
            @else {
                div.panel {
                    table.tbl.fold role="table" {
                        thead role="rowgroup" {
                            tr role="row" {
                                @for (column, class) in [("Log", ""), ("State", ""), ("Last size", "n"), ("Cosigned", "n"), ("Root", "")] {
                                    th role="columnheader" scope="col" class=[(!class.is_empty()).then_some(class)] { (column) }
                                }
                            }
                        }
                        tbody role="rowgroup" { @for log in &made.logs { (row(log)) } }
                    }
                }
            }
            @if made.unlisted > 0 { p.s.soft.sec-t { (grouped(made.unlisted as u64, "more log is", "more logs are")) " watched and not listed here." } }
        }
    }
}

fn row(log: &WitnessedLog) -> Markup {
    let latest = log.latest.as_ref();
    html! {
        tr role="row" class=[(log.proven > 0).then_some("hot")] {
            th.full role="rowheader" scope="row" {
                (plain(&log.origin))
                span.sub { "Rate " (log.rate) "; " a href={ (log.hash) "/checkpoint" } { "checkpoint" } }
                @for vkey in &log.vkeys { span.sub { "key " (digest(&plain(vkey))) } }
            }
            td.full role="cell" { (state(log)) }
            td.n role="cell" data-l="Last size" { (latest.map_or_else(|| "–".to_owned(), |head| thousands(head.size))) }
            td.n.full role="cell" data-l="Cosigned" { @match latest.and_then(|head| head.cosigned_at).and_then(time) { Some(at) => (moment(at)), None => "–" } }
            td.full role="cell" { @match latest { Some(head) => (digest(&head.root)), None => "–" } }
        }
    }
}

fn state(log: &WitnessedLog) -> Markup {
    match (log.proven, log.unproven, &log.latest) {
        (1.., ..) => status(Tone::Bad, "Refused"),
        (0, 1.., _) => status(Tone::Warning, "Refused, unproven"),
        (0, 0, Some(_)) => status(Tone::Good, "Cosigned"),
        (0, 0, None) => status(Tone::None, "Nothing cosigned"),
    }
}

fn keys(made: &WitnessMade) -> Markup {
    html! {
        div.panel {
            header { h2 { "Keys" } }
            div.pad {
                dl.kv { @for vkey in &made.vkeys { dt { (kind_of(vkey)) } dd { code.hex { (plain(vkey)) } } } }
                p.s.soft.sec-t { "A key from this page is worth what the connection is worth. Compare it with a list that you got elsewhere." }
            }
        }
    }
}

/// What a vkey is of, by its length: an ML-DSA-44 key has 1,312 bytes.
fn kind_of(vkey: &str) -> &'static str {
    if vkey.len() > 1_000 { "ML-DSA-44" } else { "Ed25519" }
}

fn refused(made: &WitnessMade) -> Markup {
    let proven: usize = made.logs.iter().map(|log| log.proven).sum();
    let unproven: usize = made.logs.iter().map(|log| log.unproven).sum();
    html! {
        div.panel #refusals {
            header { h2 { "What it refuses" } p { (thousands((proven + unproven) as u64)) " refused checkpoints are kept" } }
            div.pad { dl.kv { @for (what, meaning) in REFUSED { dt { (what) } dd { (meaning) } } } }
        }
    }
}

fn limits() -> Markup {
    html! {
        section aria-label="What a cosignature shows" {
            div.panel.pad.limits {
                div {
                    h3.ok { (icon(Icon::Ok)) "What a cosignature shows" }
                    ul {
                        li { "The witness saw this checkpoint at the time in the cosignature." }
                        li { "It extends every earlier checkpoint that the witness cosigned for the log." }
                    }
                }
                div {
                    h3.mute { (icon(Icon::None)) "What it does not show" }
                    ul {
                        li { "That the entries are true, complete or lawful." }
                        li { "That other witnesses saw the same checkpoint. Use a policy that requires a quorum." }
                    }
                }
            }
        }
    }
}

fn time(seconds: u64) -> Option<Timestamp> {
    Timestamp::from_second(i64::try_from(seconds).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made() -> WitnessMade {
        WitnessMade {
            at: Timestamp::UNIX_EPOCH,
            name: "witness.example.com/<w>".into(),
            vkeys: vec!["witness.example.com/<w>+31f09ac2+BAAA".into()],
            logs: vec![WitnessedLog {
                origin: "log.example.com/<script>".into(),
                hash: "ab".repeat(32),
                vkeys: vec!["log.example.com/<script>+00000000+AQ".into()],
                rate: "864000 a day".into(),
                latest: Some(LatestHead {
                    size: 1_284_906,
                    root: "0f".repeat(32),
                    cosigned_at: Some(1_767_225_600),
                }),
                proven: 0,
                unproven: 0,
            }],
            unlisted: 0,
            is_in_service: true,
            unread_refusals: None,
        }
    }

    #[test]
    fn a_witness_shows_its_logs_and_nothing_runs() {
        let page = witness(&made());
        for shown in
            ["log.example.com/&lt;script&gt;", "1,284,906", "2026-01-01 00:00:00", "In service", "Cosigned"]
        {
            assert!(page.contains(shown), "{shown}\n{page}");
        }
        assert!(!page.contains("<script") && !page.contains("class=\"alarm\""));
    }

    #[test]
    fn a_contradiction_is_the_first_thing_on_the_page() {
        let mut made = made();
        made.logs[0].proven = 2;
        let page = witness(&made);
        assert!(page.contains("2 checkpoints were refused"), "{page}");
        assert!(page.find("class=\"alarm\"").unwrap() < page.find("<table").unwrap());
        assert!(!page.contains(">Cosigned</span>"));
    }

    #[test]
    fn refusals_that_cannot_be_read_are_not_none() {
        let made = WitnessMade { unread_refusals: Some("denied".into()), is_in_service: false, ..made() };
        let page = witness(&made);
        assert!(page.contains("cannot show whether there are any") && page.contains("Not cosigning"));
    }
}
