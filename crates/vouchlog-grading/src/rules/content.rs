//! R39 to R50: data, model, and what went in and came out.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::Value;
use vouchlog_record::{DataSource, Verdict};

use crate::case::Case;
use crate::field_view::{FieldView, committed, view};
use crate::rule::{RULE, Reporter, Rule};
use crate::rules::models::{is_deployment, is_version_of};
use crate::terms::{AskedOf, Definition, Severity};

#[rustfmt::skip] // one line each: a table
pub(super) fn table() -> Vec<Rule> {
    use Definition::{Governance, Inference, Interaction, Trail};
    use Severity::{Info, Warn};
    const INTERACTION: Rule = Rule { asked_of: AskedOf::Interactions, ..RULE };
    vec![
        Rule { code: "R39", name: "NO_DATA_CLASS", serves: &[Interaction, Governance],
            says: "the data class of the input is not recorded",
            remedy: "record `data.input_class`, in the organisation's own words",
            record: Some(no_class), ..RULE },
        Rule { code: "R40", name: "CLASS_DOWNGRADE", serves: &[Governance],
            says: "the output has a lower data class than the input, and no decision allows it",
            remedy: "class the output as high as its input and sources, or record the decision with `declassifies: true`",
            record: Some(downgrade), ..INTERACTION },
        Rule { code: "R41", name: "RETRIEVAL_UNLISTED", serves: &[Interaction, Trail],
            says: "data was retrieved for the model, and the sources are not listed",
            remedy: "record `data.sources`, each with its class; where nothing is retrieved, `data.retrieved: false`",
            record: Some(retrieval_unlisted), ..INTERACTION },
        Rule { code: "R42", name: "CLASS_NOT_APPROVED_FOR_MODEL", serves: &[Governance],
            says: "the model received data of a class that it is not approved for",
            remedy: "route such data to a model that is approved for it; record `data.approved_for`",
            record: Some(not_approved), ..RULE },
        Rule { code: "R43", name: "NO_SERVED_MODEL", serves: &[Inference],
            says: "the model that answered is not recorded",
            remedy: "record `model.served` from the provider's answer, not from the request",
            record: Some(no_served_model), ..INTERACTION },
        Rule { code: "R44", name: "MODEL_SUBSTITUTED", severity: Warn, serves: &[Inference],
            says: "the model that answered is not the requested one, and no reason is recorded",
            remedy: "record `model.routing`: the alias, the fallback",
            record: Some(substituted), ..INTERACTION },
        Rule { code: "R45", name: "PARAMS_MISSING", severity: Info, serves: &[Inference],
            says: "the model's parameters are not recorded",
            remedy: "record `model.params`",
            record: Some(no_params), ..INTERACTION },
        Rule { code: "R46", name: "TEXT_WITHOUT_IDENTITY", serves: &[Interaction],
            says: "there is a transcript without an identity",
            remedy: "record initiator and workload beside the text",
            record: Some(text_alone), ..RULE },
        Rule { code: "R47", name: "OUTPUT_ONLY", serves: &[Trail],
            says: "the output is recorded and the input is not",
            remedy: "record `input.content` or `input.commitment`",
            record: Some(output_only), ..INTERACTION },
        Rule { code: "R48", name: "UNSALTED_DIGEST", serves: &[Trail],
            says: "a commitment is an unsalted hash, so the content can be guessed; such a record is refused when it is read",
            remedy: "leave the content in the record, where it gets a salt, or give a keyed commitment",
            ..RULE },
        Rule { code: "R49", name: "TRUNCATED_CONTENT", severity: Warn, serves: &[Trail],
            says: "content was truncated, or has exactly the length at which a source truncates, or it is not recorded whether it was truncated",
            remedy: "raise the source's limit; record `input.truncated` and `output.truncated`",
            record: Some(truncated), ..INTERACTION },
        Rule { code: "R50", name: "CONTENT_UNRETRIEVABLE", serves: &[Trail],
            says: "a record of the vault cannot be read, although it must still be kept and no erasure is recorded",
            remedy: "restore it from a backup; erase through the vault, which puts it on record",
            asked_of: AskedOf::Set, ..RULE },
    ]
}

fn no_class(case: &Case<'_>, report: &mut Reporter<'_>) {
    let class = view(&case.body.data).then(|data| &data.input_class).names();
    report.require(class, "/data/input_class", "the data class of the input is not recorded");
}

/// Classes of what went into the model.
fn classes_in<'a>(case: &Case<'a>) -> Vec<&'a String> {
    let Some(data) = case.body.data.value() else { return Vec::new() };
    let sources = data.sources.value().into_iter().flatten().filter_map(|source| source.class.value());
    data.input_class.value().into_iter().flatten().chain(sources).collect()
}

fn downgrade(case: &Case<'_>, report: &mut Reporter<'_>) {
    let at = "/data/output_class";
    if case.ended_early() && view(&case.body.output).is_not_applicable() {
        return;
    }
    let data = view(&case.body.data);
    let Some(output) = report.known(data.then(|data| &data.output_class), at) else { return };
    for (place, source) in data.then(|data| &data.sources).value().into_iter().flatten().enumerate() {
        report.known(view(&source.class).text(), &format!("/data/sources/{place}/class"));
    }
    let inputs = classes_in(case);
    let declassified = case.decisions().any(|(_, decision)| {
        decision.declassifies.value() == Some(&true)
            && matches!(decision.verdict.value(), Some(Verdict::Allow | Verdict::Modify))
    });
    if declassified || inputs.iter().all(|class| output.contains(class)) {
        return;
    }
    match (highest_class(case, output.iter()), highest_class(case, inputs.into_iter())) {
        (Some(out), Some(put_in)) if out >= put_in => {}
        (None, _) if output.is_empty() => {
            report.missing([at], "the input has a data class and the output has none");
        }
        (Some(_), Some(_)) => {
            report.missing([at], "the output has a lower data class than its input or sources");
        }
        _ => report.unknown([at], "which class is higher is not known: no record of kind `configuration` states the order of classes"),
    }
}

/// The highest rank among data classes; `None` where there is none, or where the order of one is not known.
fn highest_class<'a>(case: &Case<'_>, classes: impl Iterator<Item = &'a String>) -> Option<usize> {
    // Of an unknown time the order that is in force now counts.
    let at = case.time(|time| &time.start).value().copied().unwrap_or(Timestamp::MAX);
    let ranks: Option<Vec<_>> = classes.map(|class| case.context.class_rank(class, at)).collect();
    ranks?.into_iter().max()
}

fn retrieval_unlisted(case: &Case<'_>, report: &mut Reporter<'_>) {
    let at = "/data/sources";
    let data = view(&case.body.data);
    match data.then(|data| &data.sources).list() {
        FieldView::Value(sources) => return unnamed_sources(sources, report),
        FieldView::Withheld => return report.unknown([at], "what was retrieved is withheld"),
        FieldView::Absent | FieldView::NotApplicable => {}
    }
    match data.then(|data| &data.retrieved) {
        FieldView::Value(true) => report.missing([at], "data was retrieved, and no sources are listed"),
        retrieved => {
            report.known(retrieved, "/data/retrieved");
        }
    }
}

/// A source that is listed without a name lists nothing.
fn unnamed_sources(sources: &[DataSource], report: &mut Reporter<'_>) {
    for (place, source) in sources.iter().enumerate() {
        let names = [&source.id, &source.document].map(|name| view(name).text());
        let (digest, content) = (view(&source.digest), view(&source.content));
        if names.iter().any(|name| name.value().is_some())
            || digest.value().is_some()
            || content.value().is_some()
        {
            continue;
        }
        let at = [format!("/data/sources/{place}")];
        if names.iter().any(|name| name.is_withheld()) || digest.is_withheld() || content.is_withheld() {
            report.unknown(at, "which source it was is withheld");
        } else {
            report.missing(at, "a source is listed without a name");
        }
    }
}

fn not_approved(case: &Case<'_>, report: &mut Reporter<'_>) {
    let at = "/data/approved_for";
    if view(&case.body.model).is_not_applicable() {
        return;
    }
    let approved = view(&case.body.data).then(|data| &data.approved_for);
    let Some(approved) = report.known(approved, at) else { return };
    let refused: BTreeSet<_> =
        classes_in(case).into_iter().filter(|class| !approved.contains(class)).collect();
    for class in refused {
        report.wrong([at], format!("the model is not approved for {class}"));
    }
}

fn no_served_model(case: &Case<'_>, report: &mut Reporter<'_>) {
    let served = view(&case.body.model).then(|model| &model.served).text();
    if served.is_not_applicable() && case.ended_early() {
        return;
    }
    report.require(served, "/model/served", "the model that answered is not recorded");
}

fn substituted(case: &Case<'_>, report: &mut Reporter<'_>) {
    let model = view(&case.body.model);
    let Some(served) = model.then(|model| &model.served).text().value() else { return };
    let at = "/model/requested";
    let requested = model.then(|model| &model.requested).text();
    let Some(requested) = report.require(requested, at, "which model was asked for is not recorded") else {
        return;
    };
    let is_deployment = case.body.model.value().is_some_and(|model| is_deployment(model, requested));
    if !is_deployment && !is_version_of(served, requested) {
        let message = format!("{served} answered instead of {requested}, and no routing is recorded");
        report.require(model.then(|model| &model.routing).text(), "/model/routing", &message);
    }
}

fn no_params(case: &Case<'_>, report: &mut Reporter<'_>) {
    let model = view(&case.body.model);
    if !model.is_not_applicable() {
        report.require(model.then(|model| &model.params), "/model/params", "no parameters are recorded");
    }
}

fn text_alone(case: &Case<'_>, report: &mut Reporter<'_>) {
    let text =
        [&case.body.input, &case.body.output].into_iter().any(|content| committed(content).value().is_some());
    let initiator = view(&case.body.initiator).then(|initiator| &initiator.sub).text();
    let workload = view(&case.body.workload).then(|workload| &workload.id).text();
    let gone = |name: FieldView<'_, String>| matches!(name, FieldView::Absent | FieldView::NotApplicable);
    if text && gone(initiator) && gone(workload) {
        report.missing(["/initiator", "/workload"], "there is text, but no initiator and no workload");
    }
}

fn output_only(case: &Case<'_>, report: &mut Reporter<'_>) {
    if committed(&case.body.output).value().is_some() {
        report.require(committed(&case.body.input), "/input", "there is an output but no input");
    }
}

fn truncated(case: &Case<'_>, report: &mut Reporter<'_>) {
    for (name, content) in [("input", &case.body.input), ("output", &case.body.output)] {
        if committed(content).is_not_applicable() {
            continue;
        }
        let at = format!("/{name}/truncated");
        let content = view(content);
        let cut = report.require(
            content.then(|content| &content.truncated),
            &at,
            "whether content was truncated is not recorded",
        );
        if cut == Some(&true) {
            report.wrong([at.as_str()], format!("the {name} was truncated"));
            continue;
        }
        let text = content.then(|content| &content.content).value().and_then(|text| limit_met(case, text));
        let bytes = content.then(|content| &content.bytes).value().copied();
        if let Some(limit) = text.or(bytes.filter(|bytes| case.context.is_content_limit(*bytes))) {
            report.wrong(
                [format!("/{name}")],
                format!("the {name} is exactly {limit} bytes long, the length at which sources truncate"),
            );
        }
    }
}

/// The length of a text that is exactly as long as some source cuts it.
fn limit_met(case: &Case<'_>, content: &Value) -> Option<u64> {
    match content {
        Value::String(text) => {
            let bytes = u64::try_from(text.len()).ok()?;
            case.context.is_content_limit(bytes).then_some(bytes)
        }
        Value::Array(list) => list.iter().find_map(|value| limit_met(case, value)),
        Value::Object(object) => object.values().find_map(|value| limit_met(case, value)),
        _ => None,
    }
}
