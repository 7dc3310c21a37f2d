//! Bundles over a small log in memory: whole, in part, and tampered with.

use proptest::prelude::*;
use serde_json::{Value, json};
use vouchlog_grading::{Answer, RULES_VERSION};
use vouchlog_note::Policy;
use vouchlog_record::RecordId;
use vouchlog_statement::testing::{self, GATEWAY, Log, OPENED, log_key, policy, stream_key};
use vouchlog_statement::{ClearClaims, IssuedStatement, LogTrust, issue};
use vouchlog_stream::{Evidence, StatementEntry, StatementKind, StreamId};

use super::*;
use crate::input::ProofState;
use crate::sample;
use crate::timeline::{ShownFinding, Step, Timeline};

/// A log with the records of the complete sample session, and what its gateway keeps of them.
struct World {
    log: Log,
    kept: Vec<(IssuedStatement, u64)>,
}

fn evidence() -> Evidence {
    Evidence::NONE
}

impl World {
    fn new() -> Self {
        let mut world = Self { log: Log::default(), kept: Vec::new() };
        for record in sample::read(sample::COMPLETE).1 {
            world.add(&record.id, Value::Object(record.record.to_object()), evidence());
        }
        world
    }

    /// States and logs a record.
    fn add(&mut self, id: &RecordId, record: Value, evidence: Evidence) {
        let Value::Object(mut members) = record else { panic!("a record is an object") };
        let kind = StatementKind::from_name(members.remove("kind").unwrap().as_str().unwrap()).unwrap();
        let stream = StreamId::new(OPENED).unwrap();
        let claims = ClearClaims {
            issuer: GATEWAY.to_owned(),
            issued_at: 1_767_225_600,
            record: id.clone(),
            kind,
            stream,
            evidence,
            rules: RULES_VERSION.to_owned(),
        };
        let issued = issue(&claims, &members, &stream_key(OPENED)).unwrap();
        let number = self.kept.len() as u64;
        let entry = testing::logged(&issued, &claims, OPENED);
        let sequence = vouchlog_stream::SequenceNumber::new(number).unwrap();
        let index = self.log.push(&vouchlog_stream::Entry::Statement(StatementEntry { sequence, ..entry }));
        self.kept.push((issued, index));
    }

    fn present(&self, place: usize, paths: &[&str]) -> Presentation {
        let (issued, index) = &self.kept[place];
        self.log.present(issued, paths, *index)
    }

    /// A bundle of the six records and the seal, with what stands at these paths in each.
    fn contents(&self, paths: &[&str]) -> BundleContents {
        let of = |place| {
            let all: Vec<_> =
                self.kept[place as usize].0.disclosures.iter().map(|it| it.path.as_str()).collect();
            let chosen: Vec<_> =
                paths.iter().copied().filter(|path| path.is_empty() || all.contains(path)).collect();
            self.present(place as usize, &chosen)
        };
        BundleContents {
            session: "trip-0118".to_owned(),
            disclosed: paths.iter().map(|&path| path.to_owned()).collect(),
            known: 6,
            records: (0..6_u8).map(of).collect(),
            seal: Some(of(6)),
            erasures: Vec::new(),
        }
    }
}

const NUMBERED: [&str; 5] =
    ["/correlation/session", "/correlation/session_sequence", "/session_seal", "/outcome", "/tools"];

fn verify(bundle: &SessionBundle, policy: Option<&Policy>) -> Result<VerifiedSession, BundleError> {
    verify_bundle(bundle, &LogTrust::new(log_key().verifying_key(), policy))
}

/// Through the file and back.
fn sent(contents: &BundleContents) -> SessionBundle {
    SessionBundle::from_json(SessionBundle::new(contents).unwrap().to_json().as_bytes()).unwrap()
}

fn ids(timeline: &Timeline) -> Vec<&str> {
    timeline.records.iter().map(|record| record.id.as_str()).collect()
}

#[test]
fn a_recipient_sees_the_whole_session_from_the_file_alone() {
    let world = World::new();
    let bundle = sent(&world.contents(&[""]));
    assert_eq!(bundle.claims(), "6 records and the session's seal; the sender holds 6");
    let verified = verify(&bundle, Some(&policy())).unwrap();
    let timeline = verified.timeline();
    assert_eq!(ids(&timeline), ["rec-1", "rec-2", "int-3", "rec-4", "rec-5", "rec-6", "seal-1"]);
    assert_eq!(timeline.summary.complete.answer, Answer::Yes, "{:?}", timeline.summary.complete);
    assert!(
        timeline
            .lines
            .iter()
            .any(|line| line.step == Step::Downstream && line.words.contains("payments.example"))
    );
    let witnessed = |record: &crate::timeline::TimelineRecord| matches!(&record.proof, ProofState::Witnessed { by, .. } if by == &["w"]);
    assert!(timeline.records.iter().all(witnessed));
    let notes = timeline.summary.notes.join("\n");
    assert!(!notes.contains("sender's word") && !notes.contains("No witness policy"), "{notes}");
    // What several presentations need stands in the file once.
    assert_eq!(bundle.parts.len(), 3);
}

#[test]
fn what_is_not_disclosed_is_withheld_and_never_missing() {
    let world = World::new();
    let verified = verify(&sent(&world.contents(&NUMBERED)), None).unwrap();
    let timeline = verified.timeline();
    let authorised = &timeline.summary.authorised;
    assert_eq!(authorised.answer, Answer::Indeterminate);
    assert!(authorised.words.contains("this part of the record was not disclosed"), "{}", authorised.words);
    let complete = &timeline.summary.complete;
    assert_eq!(complete.answer, Answer::Indeterminate);
    assert_eq!(complete.reasons, ["whether 1 intent has an outcome is not disclosed"]);
    let named: Vec<_> = timeline.records.iter().flat_map(|record| &record.findings).collect();
    assert!(
        !named
            .iter()
            .any(|noted| noted.code == "R01" && noted.severity != vouchlog_grading::Severity::Indeterminate)
    );
    let notes = timeline.summary.notes.join("\n");
    assert!(
        notes.contains("lists these disclosed fields: /correlation/session, ")
            && notes.contains("No witness policy"),
        "{notes}"
    );
    assert!(timeline.records.iter().all(|record| record.proof == ProofState::Signed));
}

#[test]
fn order_and_membership_that_are_not_disclosed_rest_on_the_senders_word() {
    let world = World::new();
    let mut contents = world.contents(&["/outcome"]);
    contents.seal = None;
    let notes = verify(&sent(&contents), None).unwrap().notes().join("\n");
    for words in [
        "6 of 6 records do not disclose their session: that they belong to this one rests on the sender's word",
        "6 of 6 records do not disclose their number in the session",
        "There is no seal: the number of records in the session (6) rests on the sender's word",
    ] {
        assert!(notes.contains(words), "{words} in {notes}");
    }
}

#[test]
fn a_record_left_out_shows() {
    let world = World::new();
    let mut contents = world.contents(&NUMBERED);
    contents.records.remove(3);
    let timeline = verify(&sent(&contents), None).unwrap().timeline();
    assert_eq!(timeline.summary.complete.answer, Answer::No);
    let reasons = timeline.summary.complete.reasons.join("\n");
    for words in [
        "record 4 of the session is missing; no loss was declared",
        "the seal counts 6 records; 5 of them are present",
        "the source of these records holds 6 records of the session; 5 of them are present",
        "1 record named by the seal is missing",
    ] {
        assert!(reasons.contains(words), "{words} in {reasons}");
    }
}

#[test]
fn a_record_of_another_session_is_an_error() {
    let world = World::new();
    let mut contents = world.contents(&NUMBERED);
    contents.session = "trip-0119".to_owned();
    let error = verify(&sent(&contents), None).unwrap_err();
    assert!(
        matches!(&error, BundleError::OtherSession { record } if record.as_str() == "rec-1")
            && error.is_finding()
    );
}

#[test]
fn an_erasure_in_the_bundle_is_drawn_at_the_record() {
    let mut world = World::new();
    let erasure = json!({ "kind": "erasure", "time": { "start": "2026-11-19T08:00:00Z" },
        "erasure": { "scope": "record", "basis": "GDPR Art. 17(1)(a)", "records": ["rec-6"] } });
    world.add(&RecordId::new("erasure-1").unwrap(), erasure, evidence());
    let mut contents = world.contents(&NUMBERED);
    contents.erasures = vec![world.present(7, &[""])];
    let timeline = verify(&sent(&contents), None).unwrap().timeline();
    let erased: Vec<_> = timeline.lines.iter().filter(|line| line.step == Step::Erased).collect();
    assert_eq!(erased.len(), 1);
    let index = world.kept[7].1;
    assert!(
        erased[0].words.starts_with(&format!("erased lawfully at entry {index} ")),
        "{}",
        erased[0].words
    );
    assert_eq!(timeline.record_of(erased[0]).unwrap().id.as_str(), "rec-6");
    contents.erasures = vec![world.present(0, &[""])];
    contents.records.remove(0);
    assert!(matches!(
        verify(&sent(&contents), None),
        Err(BundleError::Kind { part: BundlePart::Erasure(0), kind: "interaction" })
    ));
}

#[test]
fn a_claim_that_the_disclosed_fields_contradict_is_a_finding() {
    let mut world = World::new();
    let lie = json!({ "kind": "interaction", "correlation": { "session": "trip-0118" }, "custody": { "sampled": true } });
    // It claims an initiator, and a source that leaves nothing out.
    world.add(&RecordId::new("lie").unwrap(), lie, Evidence::new(1).unwrap());
    let mut contents = world.contents(&NUMBERED);
    contents.records.push(world.present(7, &[""]));
    let verified = verify(&sent(&contents), None).unwrap();
    assert!(verified.findings.iter().any(|finding| finding.rule.code == "R80"), "{:?}", verified.findings);
    let timeline = verified.timeline();
    let told = timeline.records.iter().find(|record| record.id.as_str() == "lie").unwrap();
    assert!(told.findings.iter().any(ShownFinding::is_contradiction));
}

#[test]
fn a_bundle_is_of_one_log_and_of_each_record_once() {
    let world = World::new();
    let contents = world.contents(&NUMBERED);
    let mut twice = contents.clone();
    twice.records.push(world.present(0, &[]));
    assert!(
        matches!(verify(&sent(&twice), None), Err(BundleError::Twice { record }) if record.as_str() == "rec-1")
    );
    let mut several = contents.clone();
    several.records[2].origin = "other.example.com".to_owned();
    assert!(matches!(SessionBundle::new(&several), Err(BundleError::SeveralLogs)));
    assert!(matches!(SessionBundle::new(&BundleContents::default()), Err(BundleError::Empty)));
    let mut swapped = contents;
    swapped.seal = Some(swapped.records.remove(0));
    assert!(matches!(verify(&sent(&swapped), None), Err(BundleError::Kind { part: BundlePart::Seal, .. })));
}

#[test]
fn a_file_that_is_no_bundle_is_told_from_one_that_does_not_hold() {
    let world = World::new();
    let good: Value = serde_json::from_str(&sent(&world.contents(&NUMBERED)).to_json()).unwrap();
    let changed = |pointer: &str, value: Value| {
        let mut bundle = good.clone();
        *bundle.pointer_mut(pointer).unwrap() = value;
        let bundle = SessionBundle::from_json(bundle.to_string().as_bytes());
        bundle.and_then(|bundle| verify(&bundle, None)).unwrap_err()
    };
    for (pointer, value) in [
        ("/format", json!("vouchlog/v2 session")),
        ("/records/0/genesis", json!(99)),
        ("/records/0/stream", json!({})),
        ("/known", json!(-1)),
        ("/origin", json!("other.example.com")),
    ] {
        let error = changed(pointer, value);
        assert!(!error.is_finding(), "{pointer}: {error}");
    }
    for (pointer, other) in [
        ("/records/1/sd_jwt", "/records/2/sd_jwt"),
        ("/records/1/proof", "/records/2/proof"),
        ("/parts/0", "/parts/1"),
    ] {
        let error = changed(pointer, good.pointer(other).unwrap().clone());
        assert!(error.is_finding(), "{pointer}: {error}");
    }
    assert!(matches!(
        SessionBundle::from_json(&vec![b' '; MAX_BUNDLE_BYTES + 1]),
        Err(BundleError::TooLarge(_))
    ));
    let small =
        json!({ "sd_jwt": "", "proof": "", "genesis": 0, "stream": { "enrolment": 0, "opening": 0 } });
    let many = json!({ "format": FORMAT, "origin": "o", "session": "s", "disclosed": [], "known": 0, "parts": [],
        "records": vec![small; MAX_BUNDLE_RECORDS + 1] });
    assert!(matches!(SessionBundle::from_json(many.to_string().as_bytes()), Err(BundleError::TooMany(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// One character changed anywhere in the file: it is refused, or only what rests on the sender's word is different.
    #[test]
    fn nothing_that_is_shown_can_be_changed(place in any::<prop::sample::Index>(), by in 1_u8..60) {
        let world = World::new();
        let bundle = sent(&world.contents(&["/correlation/session_sequence", "/outcome"]));
        let shown = |bundle: &SessionBundle| {
            let verified = verify(bundle, None)?;
            Ok::<_, BundleError>(verified.records.iter().map(|one| one.record.clone()).collect::<Vec<_>>())
        };
        let right = shown(&bundle).unwrap();
        let mut text = bundle.to_json().into_bytes();
        let at = place.index(text.len());
        text[at] = if text[at].is_ascii() { b' ' + (text[at].saturating_sub(b' ') + by) % 95 } else { b'x' };
        if let Ok(changed) = SessionBundle::from_json(&text).and_then(|changed| shown(&changed)) {
            prop_assert_eq!(changed, right);
        }
    }
}
