//! One record: its proof, its findings, its fields, and who read it.

use axum::extract::Path;
use axum::response::Response;
use maud::{Markup, html};
use vouchlog_api::Error;
use vouchlog_desk::{
    DisclosureRow, ListDisclosures, OpenedRecord, ReasonForContent, ReceiptJudge, ShowRecord,
};
use vouchlog_grading::{Grade, RULES_VERSION};
use vouchlog_pages::{Icon, Tone, digest, grouped, icon, status, thousands};
use vouchlog_record::Record;
use vouchlog_session::{ProofState, clipped, plain};
use vouchlog_vault::{Operation, Role};

use super::disclosures::what;
use crate::drawn::{fields, moment_rows, sentence, severity, value, verdict_rows};
use crate::frame::Area;
use crate::names::{RecordName, SessionName};
use crate::parts::time;
use crate::respond::file;
use crate::visitor::{Failed, PageResult, Posted, Visitor};

/// Readings and disclosures that are listed.
const MAX_READERS: usize = 20;
/// Characters of a finding's message.
const MESSAGE: usize = 600;

/// The page.
pub(crate) async fn show(visitor: Visitor, Path(handle): Path<String>) -> PageResult {
    let name: RecordName = visitor.open(&handle)?;
    draw(&visitor, &handle, &name, None).await
}

/// The page with content. The log records the reading before anything is shown, each time that it is asked for.
pub(crate) async fn read_content(Path(handle): Path<String>, Posted { visitor, form }: Posted) -> PageResult {
    let name: RecordName = visitor.open(&handle)?;
    let basis = form.get("basis").to_owned();
    draw(&visitor, &handle, &name, Some(ReasonForContent { basis })).await
}

/// The proof as a file (C2SP tlog-proof).
pub(crate) async fn proof(visitor: Visitor, Path(handle): Path<String>) -> PageResult {
    let name: RecordName = visitor.open(&handle)?;
    let opened = visitor.ask(ShowRecord { tenant: name.tenant, record: name.record, content: None }).await?;
    let proof = opened.proof;
    let proof = proof.ok_or_else(|| {
        visitor.failed(&Error::not_found("the record has no proof yet: it waits to be logged"))
    })?;
    Ok(file("record.tlog-proof", "text/plain; charset=utf-8", proof))
}

async fn draw(
    visitor: &Visitor,
    handle: &str,
    name: &RecordName,
    content: Option<ReasonForContent>,
) -> Result<Response, Failed> {
    let basis = content.as_ref().map(|reason| reason.basis.clone());
    let ask = ShowRecord { tenant: name.tenant.clone(), record: name.record.clone(), content };
    let opened = visitor.ask(ask).await?;
    let record = opened.record().map_err(|error| visitor.failed(&Error::from(&error)))?;
    let readers = readers(visitor, &opened).await?;
    let main = html! {
        (crumb(visitor, name))
        (head(visitor, handle, &opened))
        (track(visitor, &opened))
        section.grid.g21 {
            div.stack {
                (findings(opened.grade.as_ref()))
                @match &record {
                    Some(record) => (groups(record)),
                    None => (erased(&opened)),
                }
            }
            div.stack {
                @if let Some(grade) = &opened.grade {
                    div.panel { header { h2 { "Verdicts" } } div.pad { (verdict_rows(&grade.verdicts)) } }
                    @if !grade.validity.moments.is_empty() {
                        div.panel { header { h2 { "Each use of the credential" } } div.pad { (moment_rows(&grade.validity)) } }
                    }
                }
                (content_panel(visitor, handle, &opened, basis.as_deref()))
                (read_by(&readers))
                (facts(&opened))
            }
        }
    };
    Ok(visitor.page(Area::Sessions, "Record", &main))
}

fn crumb(visitor: &Visitor, name: &RecordName) -> Markup {
    let session = name
        .session
        .as_ref()
        .map(|session| SessionName { tenant: name.tenant.clone(), session: session.clone() });
    html! {
        p.crumb {
            a href="/console/sessions" { "Sessions" }
            @if let Some(session) = session {
                span aria-hidden="true" { "/" }
                a href={ "/console/session/" (visitor.handle(&session)) } { (plain(&session.session)) }
            }
            span aria-hidden="true" { "/" }
            span { (name.record) }
        }
    }
}

fn head(visitor: &Visitor, handle: &str, opened: &OpenedRecord) -> Markup {
    let row = &opened.row;
    html! {
        div.head {
            div {
                h1 { "Record " (row.id) }
                div.meta {
                    span { "Kind " span.b { (row.kind) } }
                    span { (time(row.started_at)) }
                    span { "Tenant " (plain(&row.tenant)) }
                    @if let Some(hold) = &row.hold { span { (icon(Icon::Lock)) "Legal hold " (plain(hold)) } }
                }
            }
            div.acts {
                @if visitor.access.allow(Operation::Disclose).is_ok() && row.erased.is_none() {
                    a.btn href={ "/console/record/" (handle) "/disclose" } { (icon(Icon::Send)) "Disclose" }
                }
                @if opened.proof.is_some() {
                    a.btn href={ "/console/record/" (handle) "/proof" } { (icon(Icon::File)) "Proof file" }
                }
            }
        }
    }
}

/// Recorded, logged, witnessed.
fn track(visitor: &Visitor, opened: &OpenedRecord) -> Markup {
    let config = &visitor.console.config;
    let judge = ReceiptJudge { log: Some(&config.log), policy: config.policy.as_ref() };
    let state = judge.state(&opened.row, opened.proof.as_deref());
    let done =
        |what: &str, detail: Markup| html! { li { span.pt { (icon(Icon::Ok)) } b { (what) } (detail) } };
    let open = |what: &str, detail: Markup| html! { li.open { span.pt { (icon(Icon::Wait)) } b { (what) } (detail) } };
    html! {
        div.panel.pad {
            h2.vh { "State of the proof" }
            ol.track {
                (done("Recorded", html! { (time(opened.row.kept_at)) ", by its gateway's vault" }))
                @match (&opened.row.place, &state) {
                    (Some(place), Ok(state)) if *state != ProofState::Missing => {
                        (done("Logged", html! {
                            "Entry " (thousands(place.index)) ", " (time(i64::try_from(place.logged_at).unwrap_or(i64::MAX)))
                        }))
                        @match state {
                            ProofState::Witnessed { by, .. } => (done("Witnessed", html! { (by.iter().map(|name| plain(name)).collect::<Vec<_>>().join(", ")) })),
                            _ if config.policy.is_none() => (open("Not checked", html! { "No policy was given, so no cosignature was checked" })),
                            _ => (open("Not witnessed yet", html! { "Signed by the log only" })),
                        }
                    },
                    (_, Ok(_)) => (open("Waiting to be logged", html! { "Until then its gateway can still change it" })),
                    (_, Err(error)) => li { span.pt.bad { (icon(Icon::Bad)) } b { "No proof" } span.bad { (plain(&error.to_string())) } },
                }
            }
        }
    }
}

fn findings(grade: Option<&Grade>) -> Markup {
    let Some(grade) = grade else { return html! {} };
    let mut found: Vec<_> = grade.findings.iter().collect();
    found.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    html! {
        div.panel #findings {
            header { h2 { "Findings" } p { (found.len()) ", by rules " (RULES_VERSION) } }
            @if found.is_empty() { p.pad.soft { "No rule finds anything." } }
            @for (number, finding) in found.iter().enumerate() {
                @let (tone, word) = severity(finding.severity);
                article.f-item id={ "f" (number + 1) } {
                    h3 {
                        (status(tone, word))
                        span { (sentence(&clipped(&finding.message, MESSAGE))) }
                        span.code { (finding.rule.code) " " (finding.rule.name) }
                    }
                    dl.kv {
                        dt { "Where" }
                        dd { @for (at, pointer) in finding.at.iter().enumerate() { @if at > 0 { ", " } code { (plain(pointer)) } } }
                        dt { "Next step" }
                        dd { (sentence(finding.remedy())) }
                    }
                }
            }
        }
    }
}

/// The fields, a group at a time. Those with something to read are open.
fn groups(record: &Record) -> Markup {
    let object = record.to_object();
    html! {
        section aria-labelledby="h-fields" {
            h2.sec-h #h-fields { "Fields" }
            div.stack {
                @for (group, members) in &object {
                    @let one = serde_json::Map::from_iter([(group.clone(), members.clone())]);
                    @let (lines, beyond) = fields(&one);
                    details.rec open[lines.len() <= 12] {
                        summary { h3 { (plain(group)) } span.id { (grouped(lines.len() as u64, "field", "fields")) } }
                        dl.kv.ftab {
                            @for line in &lines { dt { code { (line.pointer) } } dd { (value(line)) } }
                        }
                        @if beyond > 0 { p.s.soft.pad { (beyond) " more fields are not shown here." } }
                    }
                }
            }
        }
    }
}

fn erased(opened: &OpenedRecord) -> Markup {
    html! {
        div.panel.pad {
            @if let Some(erasure) = &opened.row.erased {
                p {
                    span.gone {
                        (icon(Icon::Gone))
                        span {
                            "Erased on " (time(erasure.at))
                            @match erasure.index { Some(index) => { ", entry " (thousands(index)) }, None => ", and on its way to the log" }
                            ". Basis: " (plain(&erasure.basis))
                        }
                    }
                }
            }
            p.s.soft.sec-t { "The record's id, kind, time, digest and proof remain. Its names, fields and content cannot be read again." }
        }
    }
}

fn content_panel(visitor: &Visitor, handle: &str, opened: &OpenedRecord, basis: Option<&str>) -> Markup {
    let may = visitor.access.roles().has(Role::ReadContent);
    html! {
        div.panel {
            header { h2 { "Content" } }
            div.pad {
                @match basis {
                    Some(basis) => p { (status(Tone::Info, "Shown")) " on the basis “" (plain(basis)) "”. The log has the reading on record with your name." },
                    None if opened.row.erased.is_some() => p.soft { "Erased." },
                    None if !may => p.soft { "Prompts, answers, arguments and results are withheld. Reading them takes the role " code { "read-content" } "." },
                    None => {
                        p.soft { "Prompts, answers, arguments and results are withheld until you state why you read them. The log first records the reading, with your name and the reason." }
                        form.stack.sec-t method="post" action={ "/console/record/" (handle) } {
                            (visitor.form_token())
                            div {
                                label.l for="basis" { "Reason: the case or the request" }
                                input #basis name="basis" required maxlength="400" autocomplete="off";
                            }
                            div { button.btn type="submit" { "Read content" } }
                        }
                    },
                }
            }
        }
    }
}

/// Who read a record's content or was given fields of it, the newest first.
async fn readers(visitor: &Visitor, opened: &OpenedRecord) -> Result<Vec<DisclosureRow>, Failed> {
    let ask = ListDisclosures {
        tenant: Some(opened.row.tenant.clone()),
        record: Some(opened.row.id.clone()),
        limit: Some(MAX_READERS),
        ..ListDisclosures::default()
    };
    Ok(visitor.ask(ask).await?.disclosures)
}

fn read_by(readers: &[DisclosureRow]) -> Markup {
    html! {
        div.panel {
            header { h2 { "Who read it" } p { "Each reading and disclosure is a log entry" } }
            @if readers.is_empty() { p.pad.soft { "Its content was not read, and none of it was disclosed." } }
            ul.ans {
                @for reader in readers {
                    li {
                        span {
                            span.b { (reader.by.as_deref().map_or_else(|| "not recorded".to_owned(), plain)) }
                            " " (what(reader.scope.as_deref()))
                            @if let Some(recipient) = &reader.recipient { " to " (plain(recipient)) }
                        }
                        p {
                            (time(reader.at))
                            @if let Some(basis) = &reader.basis { " · " (plain(basis)) }
                            @match reader.entry { Some(entry) => { " · entry " (thousands(entry)) }, None => " · waiting to be logged" }
                        }
                    }
                }
            }
            @if readers.len() == MAX_READERS { p.pad.s.soft { "Earlier ones are not listed here." } }
        }
    }
}

fn facts(opened: &OpenedRecord) -> Markup {
    let row = &opened.row;
    html! {
        div.panel {
            header { h2 { "Keeping" } }
            dl.kv.ftab {
                dt { "Digest in the log" } dd { (digest(&row.digest)) }
                @if let Some(place) = &row.place { dt { "Stream" } dd { (place.stream) ", statement " (place.sequence) } }
                dt { "Retention class" } dd { @if row.retention.is_empty() { span.faint { "none" } } @else { (plain(&row.retention)) } }
                dt { "Kept at least until" } dd { @match row.keep_until { Some(until) => (time(until)), None => span.faint { "no duty known" } } }
                @if let Some(amends) = &row.amends { dt { "Corrects or completes" } dd { code { (amends) } } }
            }
        }
    }
}
