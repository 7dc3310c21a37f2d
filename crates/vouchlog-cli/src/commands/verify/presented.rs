//! Checks a disclosure (chosen fields of a record) and prints it.

use std::path::Path;

use serde_json::{Map, Value, json};
use vouchlog_grading::{Context, DisclosureExtent, Finding, contradictions};
use vouchlog_record::Record;
use vouchlog_session::plain;
use vouchlog_session::{SessionBundle, verify_bundle};
use vouchlog_statement::{KeyTrust, LogTrust, Presentation, VerifiedPresentation, verify_presentation};

use super::gateway;
use crate::advice::Advice;
use crate::commands::key_status;
use crate::commands::paper::{self, Paper};
use crate::commands::session;
use crate::output::{self, Outcome, Output};
use crate::report::{Provenance, SessionMade};

/// Verifies a presentation: every link from the fields to the log's key and its witnesses.
pub(super) fn presentation(json: &[u8], trust: &LogTrust<'_>, output: Output) -> anyhow::Result<Outcome> {
    let verified =
        Presentation::from_json(json).and_then(|presentation| verify_presentation(&presentation, trust));
    match verified {
        Ok(verified) => shown(&verified, trust.policy.is_some(), output),
        Err(error) => refuse(&error, error.is_finding(), output),
    }
}

/// Verifies a session's bundle, and draws the session as far as it was disclosed; as a page too, into the first file of `html` from the
/// second.
pub(super) fn bundle(
    json: &[u8],
    trust: &LogTrust<'_>,
    html: Option<(&Path, &Path)>,
    output: Output,
) -> anyhow::Result<Outcome> {
    let verified = SessionBundle::from_json(json).and_then(|bundle| verify_bundle(&bundle, trust));
    let verified = match verified {
        Ok(verified) => verified,
        Err(error) => return refuse(&error, error.is_finding(), output),
    };
    let timeline = verified.timeline();
    if let Some((file, source)) = html {
        let made = SessionMade {
            made: Provenance {
                at: paper::now(),
                keys: vec![trust.log.clone()],
                policy: trust.policy,
                source: format!("the bundle {}, which this program verified", source.display()),
            },
            content: None,
            audits: 0,
        };
        Paper::unsigned(file).session(&timeline, &made)?;
    }
    let drawn = session::draw(output, &timeline)?;
    Ok(if verified.findings.is_empty() { drawn } else { Outcome::Finding })
}

fn refuse(error: &dyn std::error::Error, is_finding: bool, output: Output) -> anyhow::Result<Outcome> {
    if !is_finding {
        return Err(Advice::error(
            error.to_string(),
            "give the file that `vouchlog disclose` or `vouchlog session --bundle` wrote, and the log's vkey",
        ));
    }
    output.refuse(&error.to_string())
}

fn shown(verified: &VerifiedPresentation, policy: bool, output: Output) -> anyhow::Result<Outcome> {
    let findings = false_claims(verified);
    let claims = &verified.statement.claims;
    let mut lines = vec![
        format!(
            "verified: record {} of the gateway {}",
            claims.record,
            plain(verified.gateway.name().as_str())
        ),
        format!("  log         {}, index {}", verified.origin, verified.index),
        format!("  statement   {}, signed by the gateway's stream {}", claims.kind, claims.stream),
        format!("  logged at   {} by the log's clock", output::time(verified.entry.logged_at)),
        format!("  claimed     {}", claims.evidence.names().join(", ")),
        format!(
            "  checkpoint  of {}, signed by the log",
            output::count(verified.size.get(), "entry", "entries")
        ),
    ];
    lines.extend(gateway::presented_lines(verified));
    if policy {
        let until = verified
            .witnessed_until
            .map_or_else(String::new, |at| format!(", not later than {}", output::posix_time(at)));
        lines.push(format!("  policy      satisfied by {} witnesses{until}", verified.witnesses.len()));
    } else {
        lines.push(output::NO_POLICY.to_owned());
    }
    lines.push("disclosed:".to_owned());
    list(&Value::Object(verified.statement.disclosed.clone()), "", &mut lines);
    for finding in &findings {
        lines.push(format!("FALSE CLAIM: {}", finding.message));
    }
    output.answer(&lines.join("\n"), &as_json(verified, policy, &findings))?;
    Ok(if findings.is_empty() { Outcome::Fine } else { Outcome::Finding })
}

/// What the gateway signed about its record, and the disclosed fields show to be otherwise.
fn false_claims(verified: &VerifiedPresentation) -> Vec<Finding> {
    let claims = &verified.statement.claims;
    let mut object: Map<String, Value> = verified.statement.disclosed.clone();
    object.insert("id".to_owned(), claims.record.as_str().into());
    object.insert("kind".to_owned(), claims.kind.name().into());
    // A field of a shape that the model does not know contradicts nothing.
    let Ok(parsed) = Record::from_value(Value::Object(object)) else { return Vec::new() };
    contradictions(claims.evidence, &parsed.record, DisclosureExtent::Partial, &Context::default())
}

/// Each field on a line, by its path. What came from elsewhere is shown as plain text.
fn list(value: &Value, path: &str, lines: &mut Vec<String>) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (name, value) in members {
                let dot = if path.is_empty() { "" } else { "." };
                list(value, &format!("{path}{dot}{name}"), lines);
            }
        }
        Value::Array(elements) if elements.iter().any(Value::is_object) => {
            for (place, value) in elements.iter().enumerate() {
                list(value, &format!("{path}.{place}"), lines);
            }
        }
        other => {
            let text = other.as_str().map_or_else(|| other.to_string(), str::to_owned);
            lines.push(format!("  {} = {}", plain(path), plain(&text)));
        }
    }
}

fn as_json(verified: &VerifiedPresentation, policy: bool, findings: &[Finding]) -> Value {
    let claims = &verified.statement.claims;
    json!({
        "holds": findings.is_empty(),
        "record": claims.record,
        "kind": claims.kind.name(),
        "gateway": verified.gateway.to_string(),
        "gateway_key_id": verified.gateway.id().to_string(),
        "gateway_enrolled": verified.enrolled.get(),
        "gateway_pinned": verified.trust != KeyTrust::Operator,
        "gateway_revoked": key_status::as_json(&verified.status),
        "policy": policy,
        "origin": verified.origin.as_str(),
        "index": verified.index.get(),
        "size": verified.size.get(),
        "stream": verified.entry.stream.get(),
        "sequence": verified.entry.sequence.get(),
        "logged_at": verified.entry.logged_at.millis(),
        "evidence": claims.evidence.bits(),
        "digest": verified.statement.digest.to_string(),
        "witnessed_until": verified.witnessed_until,
        "disclosed": verified.statement.disclosed,
        "findings": findings,
    })
}
