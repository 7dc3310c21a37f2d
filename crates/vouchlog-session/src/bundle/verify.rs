//! Verifying a bundle: each presentation by itself, then what they say together.

use std::collections::HashSet;

use jiff::Timestamp;
use serde_json::{Map, Value};
use vouchlog_grading::{Context, DisclosureExtent, contradictions, grade};
use vouchlog_record::{Profile, Record};
use vouchlog_statement::{LogTrust, verify_presentation};
use vouchlog_stream::{Evidence, StatementKind};

use super::verified_session::DisclosedRecord;
use super::{BundleError, BundlePart, PackedPresentation, SessionBundle, VerifiedSession, withheld};

/// Verifies every presentation of a bundle offline, and compares what they disclose with what their gateways claim.
///
/// What is shown: each record, as far as it is disclosed, was logged as in its entry, by a gateway that the log's operator
/// enrolled. A record of another session is an error. What rests on the sender's word is in
/// [`VerifiedSession::notes`].
///
/// # Errors
/// All but those of [`SessionBundle::new`]; [`BundleError::is_finding`] distinguishes evidence that does not hold from
/// evidence that cannot be checked.
pub fn verify_bundle(bundle: &SessionBundle, trust: &LogTrust<'_>) -> Result<VerifiedSession, BundleError> {
    let (mut records, mut erasures) = (Vec::new(), Vec::new());
    for (place, one) in bundle.records.iter().enumerate() {
        records.push(verify_one(bundle, trust, BundlePart::Record(place), one)?);
    }
    let seal =
        bundle.seal.as_ref().map(|one| verify_one(bundle, trust, BundlePart::Seal, one)).transpose()?;
    for (place, one) in bundle.erasures.iter().enumerate() {
        erasures.push(verify_one(bundle, trust, BundlePart::Erasure(place), one)?);
    }
    check_once(records.iter().chain(&seal).chain(&erasures))?;
    for one in records.iter().chain(&seal) {
        check_session(bundle.session(), one)?;
    }
    let mut session = VerifiedSession {
        session: bundle.session.clone(),
        fields: bundle.disclosed.clone(),
        known: bundle.known,
        has_policy: trust.policy.is_some(),
        records,
        seal,
        erasures,
        findings: Vec::new(),
    };
    judge(&mut session);
    Ok(session)
}

fn verify_one(
    bundle: &SessionBundle,
    trust: &LogTrust<'_>,
    part: BundlePart,
    one: &PackedPresentation,
) -> Result<DisclosedRecord, BundleError> {
    let presentation = bundle.unpack(one).ok_or(BundleError::NoSuchPart(part))?;
    let verified = verify_presentation(&presentation, trust)
        .map_err(|error| BundleError::Presentation { part, error: Box::new(error) })?;
    let kind = verified.statement.claims.kind;
    let is_right = match part {
        BundlePart::Seal => kind == StatementKind::SessionSeal,
        BundlePart::Erasure(_) => kind == StatementKind::Erasure,
        BundlePart::Record(_) => {
            !matches!(kind, StatementKind::SessionSeal | StatementKind::Erasure | StatementKind::Opaque)
        }
    };
    if !is_right {
        return Err(BundleError::Kind { part, kind: kind.name() });
    }
    let claims = &verified.statement.claims;
    let mut members = verified.statement.disclosed.clone();
    // What the statement says in clear the record says no second time.
    members.insert("kind".to_owned(), kind.name().into());
    members.insert("id".to_owned(), claims.record.as_str().into());
    let record = read(part, members.clone())?;
    let partial = verified.statement.undisclosed > 0;
    let judged = if partial {
        withheld::mark(&mut members, claims.evidence);
        let mut judged = read(part, members)?;
        judged.profile = record.profile.or_else(|| claimed_profile(claims.evidence));
        judged
    } else {
        record.clone()
    };
    Ok(DisclosedRecord { presentation: verified, record, judged, partial, grade: None })
}

fn read(part: BundlePart, members: Map<String, Value>) -> Result<Record, BundleError> {
    match Record::from_value(Value::Object(members)) {
        Ok(parsed) => Ok(parsed.record),
        Err(error) => Err(BundleError::Record { part, error: Box::new(error) }),
    }
}

/// The profile a gateway claims in public, for a record whose own is not disclosed.
fn claimed_profile(evidence: Evidence) -> Option<Profile> {
    match (evidence.bits() >> 22) & 0b11 {
        1 => Some(Profile::LowRisk),
        2 => Some(Profile::Regulated),
        3 => Some(Profile::Privileged),
        _ => None,
    }
}

fn check_once<'a>(all: impl Iterator<Item = &'a DisclosedRecord>) -> Result<(), BundleError> {
    let (mut ids, mut places) = (HashSet::new(), HashSet::new());
    for one in all {
        let record = &one.presentation.statement.claims.record;
        if !ids.insert(record) || !places.insert(one.presentation.index) {
            return Err(BundleError::Twice { record: record.clone() });
        }
    }
    Ok(())
}

fn check_session(session: &str, one: &DisclosedRecord) -> Result<(), BundleError> {
    match one.session() {
        Some(said) if said != session => {
            Err(BundleError::OtherSession { record: one.presentation.statement.claims.record.clone() })
        }
        _ => Ok(()),
    }
}

/// Grades what is disclosed in the light of the rest, and holds it against what was claimed in public.
fn judge(session: &mut VerifiedSession) {
    let mut context = Context::default();
    for one in session.all() {
        context.learn(&one.presentation.statement.claims.record, &one.record);
        // The log took its statement, which it does of keys in force only.
        let gateway = one.presentation.gateway.name().as_str();
        context = context.recorder_key_in_force(gateway, Timestamp::MIN, None);
    }
    for one in session.records.iter_mut().chain(&mut session.seal) {
        let claimed = one.presentation.statement.claims.evidence;
        let extent = if one.partial { DisclosureExtent::Partial } else { DisclosureExtent::Whole };
        session.findings.extend(contradictions(claimed, &one.record, extent, &context));
        one.grade = Some(grade(&one.judged, &context));
    }
}
