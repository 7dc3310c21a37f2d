//! One session: what is wrong with it, the six answers, its credentials over time, and its timeline.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::{Path, Query};
use maud::{Markup, html};
use serde::Deserialize;
use vouchlog_api::Error;
use vouchlog_desk::{DrawnSession, OpenSession, ReceiptJudge, SessionPage};
use vouchlog_pages::{Icon, grouped, icon, limits, moment, thousands};
use vouchlog_record::{Facet, RecordId};
use vouchlog_session::{ProofState, Timeline, clipped, plain};
use vouchlog_vault::Operation;

use super::session_cases::SessionCases;
use super::validity;
use crate::console::now;
use crate::drawn::{CHECK, Findings, NOT_PROVEN, PROVEN, Pages, answers, entries, proven, timeline_section};
use crate::frame::Area;
use crate::limits::MAX_DRAWN_RECORDS;
use crate::names::{IdentityName, RecordName, SessionName};
use crate::visitor::{Failed, PageResult, Visitor};

/// Facets beside people that have a link.
const LINKED: [Facet; 3] = [Facet::Agent, Facet::Workload, Facet::Credential];
/// People, agents and credentials that are linked.
const MAX_IDENTITIES: usize = 16;
/// Characters of one.
const IDENTITY: usize = 60;

/// The page of a session's records, from 1.
#[derive(Deserialize)]
pub(crate) struct Number {
    #[serde(default)]
    page: Option<String>,
}

/// A session as it is drawn, and what is known of its rows.
pub(crate) struct Drawn {
    pub(crate) timeline: Timeline,
    /// Legal holds on its records.
    pub(crate) holds: BTreeSet<String>,
    /// Records that are erased.
    pub(crate) erased: usize,
}

/// Opens a session and draws it.
pub(crate) async fn draw(visitor: &Visitor, name: &SessionName) -> Result<Drawn, Failed> {
    let _turn = visitor.console.drawing().await.map_err(|error| visitor.failed(&error))?;
    let page = open(visitor, name).await?;
    let holds = page.records.iter().filter_map(|opened| opened.row.hold.clone()).collect();
    let erased = page.records.iter().filter(|opened| opened.row.erased.is_some()).count();
    let config = &visitor.console.config;
    let judge = ReceiptJudge { log: Some(&config.log), policy: config.policy.as_ref() };
    let (mut proofs, mut notes): (BTreeMap<RecordId, ProofState>, Vec<String>) = Default::default();
    for opened in &page.records {
        let state = judge.state(&opened.row, opened.proof.as_deref());
        let state = state.unwrap_or_else(|error| {
            notes.push(format!(
                "The receipt of record {} does not verify: {}.",
                opened.row.id,
                plain(&error.to_string())
            ));
            ProofState::Missing
        });
        proofs.insert(opened.row.id.clone(), state);
    }
    if config.policy.is_none() {
        notes.push("The server was started without a policy, so no cosignature was checked and no record counts as witnessed (--policy).".to_owned());
    }
    let drawn = DrawnSession {
        session: &name.session,
        page,
        proofs,
        log_findings: Vec::new(),
        notes,
        content_shown: false,
        now: Some(now()),
    };
    let timeline = drawn.timeline().map_err(|error| visitor.failed(&Error::from(&error)))?;
    Ok(Drawn { timeline, holds, erased })
}

async fn open(visitor: &Visitor, name: &SessionName) -> Result<SessionPage, Failed> {
    let ask = |after| OpenSession {
        tenant: name.tenant.clone(),
        session: name.session.clone(),
        content: None,
        after,
    };
    let mut whole = visitor.ask(ask(None)).await?;
    while let Some(after) = whole.next.take() {
        whole.extend(visitor.ask(ask(Some(after))).await?);
        if whole.records.len() > MAX_DRAWN_RECORDS {
            return Err(visitor.failed(&Error::invalid(format!(
                "the session has more than {MAX_DRAWN_RECORDS} records, too many for one page: draw it with `vouchlog session`"
            ))));
        }
    }
    Ok(whole)
}

/// The page.
pub(crate) async fn show(
    visitor: Visitor,
    Path(handle): Path<String>,
    Query(Number { page }): Query<Number>,
) -> PageResult {
    let name: SessionName = visitor.open(&handle)?;
    let drawn = draw(&visitor, &name).await?;
    let cases = SessionCases::of(&visitor, &name).await?;
    let records = drawn.timeline.records.len();
    let number =
        page.and_then(|page| page.parse::<usize>().ok()).unwrap_or(1).clamp(1, Pages::count(records)) - 1;
    let links = (1..=Pages::count(records)).map(|page| match page {
        1 => format!("/console/session/{handle}"),
        page => format!("/console/session/{handle}?page={page}"),
    });
    let record_links = drawn.timeline.records.iter().map(|record| {
        let record = RecordName {
            tenant: name.tenant.clone(),
            record: record.id.clone(),
            session: Some(name.session.clone()),
        };
        format!("/console/record/{}", visitor.handle(&record))
    });
    let pages = Pages::new(links.collect(), records).with_records(record_links.collect());
    let on_page = pages.on(number);
    let timeline = &drawn.timeline;
    let main = html! {
        p.crumb {
            a href="/console/sessions" { "Sessions" }
            span aria-hidden="true" { "/" }
            @if number == 0 { span { (timeline.session) } } @else {
                a href=(on_page.first()) { (timeline.session) }
                span aria-hidden="true" { "/" }
                span { "page " (number + 1) }
            }
        }
        (head(&visitor, &handle, &drawn, &cases))
        @if number == 0 { (identities(&visitor, &name, timeline)) }
        @if number == 0 {
            @let all = Findings::of(timeline);
            (all.alarm())
            (answers(&timeline.summary))
            (validity::section(timeline))
            (all.section(timeline, &on_page))
            (cases.section(&visitor, &handle))
            (timeline_section(timeline, &on_page))
            section aria-labelledby="h-l" {
                h2.sec-h #h-l { "What this page shows" }
                (limits(&PROVEN, &NOT_PROVEN))
                p.s.soft.sec-t {
                    "This page proves nothing by itself. Disclose the session to get its bundle, and check that offline: "
                    code { (CHECK) }
                }
            }
        } @else {
            (timeline_section(timeline, &on_page))
        }
    };
    Ok(visitor.page(Area::Sessions, "Session", &main))
}

/// Who and what acted, each with a link to all that it did.
fn identities(visitor: &Visitor, name: &SessionName, timeline: &Timeline) -> Markup {
    let mut found: BTreeSet<(Facet, String)> = BTreeSet::new();
    for record in &timeline.records {
        let people = record.record.subjects().into_iter().map(|person| (Facet::Initiator, person));
        let others = record.record.facets().into_iter().filter(|(facet, _)| LINKED.contains(facet));
        found.extend(people.chain(others));
    }
    let called = |facet: Facet| match facet {
        Facet::Initiator => "Person",
        Facet::Agent => "Agent",
        Facet::Workload => "Workload",
        _ => "Credential",
    };
    html! {
        @if !found.is_empty() {
            ul.chips.plain aria-label="Who and what acted" {
                @for (facet, value) in found.iter().take(MAX_IDENTITIES) {
                    @let identity = IdentityName {
                        tenant: name.tenant.clone(),
                        facet: facet.name().to_owned(),
                        value: value.clone(),
                    };
                    li {
                        a.chip href={ "/console/identity/" (visitor.handle(&identity)) } {
                            (called(*facet)) " " b { (clipped(value, IDENTITY)) }
                        }
                    }
                }
                @if found.len() > MAX_IDENTITIES { li.s.soft { "and " (found.len() - MAX_IDENTITIES) " more" } }
            }
        }
    }
}

fn head(visitor: &Visitor, handle: &str, drawn: &Drawn, cases: &SessionCases) -> Markup {
    let timeline = &drawn.timeline;
    let times = timeline.lines.iter().filter_map(|line| line.at);
    let (begin, end) = (times.clone().min(), times.max());
    html! {
        div.head {
            div {
                h1 { "Session " (timeline.session) }
                div.meta {
                    @if let (Some(begin), Some(end)) = (begin, end) { span { (moment(begin)) " to " (moment(end)) } }
                    span { (grouped(timeline.records.len() as u64, "record", "records")) }
                    span { (proven(timeline)) }
                    @if let Some((first, last)) = entries(timeline) {
                        span { "entries " (thousands(first)) " to " (thousands(last)) }
                    }
                    @if drawn.erased > 0 {
                        span.gone { (icon(Icon::Gone)) span { (grouped(drawn.erased as u64, "record erased", "records erased")) } }
                    }
                    (cases.links(visitor))
                    @for hold in &drawn.holds { span { (icon(Icon::Lock)) "Legal hold " (plain(hold)) } }
                }
            }
            div.acts {
                @if visitor.access.allow(Operation::Review).is_ok() {
                    a.btn href={ "/console/session/" (handle) "/case" } { (icon(Icon::Case)) "Add to a case" }
                }
                @if visitor.access.allow(Operation::Disclose).is_ok() {
                    a.btn href={ "/console/session/" (handle) "/disclose" } { (icon(Icon::Send)) "Disclose" }
                }
                @if visitor.access.allow(Operation::Hold).is_ok() {
                    a.btn href={ "/console/session/" (handle) "/hold" } { (icon(Icon::Lock)) "Hold" }
                }
            }
        }
    }
}
