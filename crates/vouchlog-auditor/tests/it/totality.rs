//! Whatever a log serves and whatever stands in a file: nothing panics, nothing false is believed, nobody honest is accused.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use proptest::prelude::*;
use vouchlog_auditor::{
    AuditState, Completeness, CompletenessProof, EvidenceFile, FindingKind, Place, Streams, prove_complete,
    verify_completeness, verify_finding,
};
use vouchlog_merkle::TreeSize;
use vouchlog_note::SignatureType;
use vouchlog_stream::{Previous, ReplacementCause, ReplacementReason};

use crate::support::*;

/// A small log with one of everything: gateways, a restart, a closing, a withdrawal, a rotation, a replacement,
/// two keys of the operator after the first.
fn small_log() -> Vec<Vec<u8>> {
    let mut log = Builder::new();
    log.enrol(10);
    log.open(10, 30, None);
    log.enrol(11);
    log.open(11, 31, None);
    for _ in 0..6 {
        log.round(&[0, 1], 40);
    }
    let previous: Previous = log.previous(1);
    log.statements(1, 0);
    let restarted = log.open(11, 32, Some(previous));
    log.round(&[0, restarted], 5);
    log.now += 1_000;
    log.close(restarted);
    log.statements(0, 3);
    log.revoke(10);
    log.now += 30_000;
    log.head(0);
    let [first, second, third] =
        [50, 51, 52].map(|seed| key("gateway-50.example.com", SignatureType::Ed25519, seed));
    log.enrol_key(&first, None);
    log.enrol_key(&second, Some((&first, ReplacementReason::Rotation)));
    log.rotate_operator(3);
    log.quota(7, 1_000);
    let (cause, words) = (ReplacementCause::Lost, "in a taxi".to_owned());
    log.enrol_key(&third, Some((&second, ReplacementReason::Operator { cause, words })));
    log.rotate_operator(4);
    log.rotate_witness(1, 50);
    log.rotate_witness(50, 51);
    log.revoke(11);
    log.enrol(60);
    log.entries
}

static SMALL: LazyLock<Vec<Vec<u8>>> = LazyLock::new(small_log);

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

#[test]
fn the_small_log_is_clean() {
    let report = block_on(report(Objects::of(&SMALL)));
    assert!(report.is_clean(), "{report}");
    let status: Vec<_> = report.streams.iter().map(|stream| stream.status).collect();
    assert_eq!(status, ["withdrawn", "succeeded", "closed"]);
}

/// One object of the small log, changed.
fn tampered(place: usize, change: impl FnOnce(&mut Vec<u8>)) -> (Objects, bool) {
    let honest = Objects::of(&SMALL);
    let mut objects = honest.clone();
    let paths: Vec<String> = honest.files.keys().cloned().collect();
    objects.change(&paths[place % paths.len()], change);
    let is_same = objects == honest;
    (objects, is_same)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn random_bytes_in_any_place_are_never_clean(
        place in any::<usize>(),
        bytes in prop::collection::vec(any::<u8>(), 0..9_000),
    ) {
        let (objects, is_same) = tampered(place, |object| *object = bytes);
        prop_assert_eq!(block_on(report(objects)).is_clean(), is_same);
    }

    #[test]
    fn a_changed_piece_of_any_object_is_never_clean(
        place in any::<usize>(),
        at in any::<prop::sample::Index>(),
        piece in prop::collection::vec(any::<u8>(), 0..4),
        removed in 0usize..4,
    ) {
        let (objects, is_same) = tampered(place, |object| {
            let at = at.index(object.len());
            let end = (at + removed).min(object.len());
            object.splice(at..end, piece);
        });
        prop_assert_eq!(block_on(report(objects)).is_clean(), is_same);
    }

    #[test]
    fn a_changed_checkpoint_is_clean_only_with_the_signed_text(
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut objects = Objects::of(&SMALL);
        let note = objects.checkpoint.clone().unwrap();
        let mut bytes = note.clone().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        objects.checkpoint = String::from_utf8(bytes).ok();
        let text = note.split("\n\n").next().unwrap();
        let keeps_text = objects.checkpoint.as_ref().is_some_and(|changed| changed.starts_with(text));
        let report = block_on(report(objects));
        prop_assert!(keeps_text || !report.is_clean(), "{}", report);
    }

    #[test]
    fn random_json_is_no_file_of_ours(text in "[\\[\\]{}\",:a-z0-9 ]{0,200}") {
        prop_assert!(EvidenceFile::from_json(text.as_bytes()).is_err());
        prop_assert!(CompletenessProof::from_json(text.as_bytes()).is_err());
        prop_assert!(AuditState::from_json(text.as_bytes(), &identity()).is_err());
    }

    #[test]
    fn changed_evidence_never_proves_more(
        which in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        piece in "[0-9a-f\"{}:,A-Z]{0,3}",
        removed in 0usize..3,
    ) {
        let original = &PROVEN[which.index(PROVEN.len())];
        let mut json = original.to_json().into_bytes();
        let at = at.index(json.len());
        let end = (at + removed).min(json.len());
        json.splice(at..end, piece.into_bytes());
        let Ok(file) = EvidenceFile::from_json(&json) else { return Ok(()) };
        if verify_finding(&file, &identity()).is_proven() {
            // What still proves something still holds what was signed.
            prop_assert_eq!(file.kind, original.kind);
            prop_assert_eq!(signed_part(&file), signed_part(original));
        }
    }

    #[test]
    fn a_changed_state_is_refused(
        at in any::<prop::sample::Index>(),
        piece in "[0-9a-f\"{}:,]{1,3}",
    ) {
        let mut json = STATE.clone().into_bytes();
        let at = at.index(json.len());
        let end = (at + piece.len()).min(json.len());
        json.splice(at..end, piece.into_bytes());
        if let Ok(state) = AuditState::from_json(&json, &identity()) {
            prop_assert_eq!(state.to_json(), STATE.as_str());
        }
    }

    #[test]
    fn a_changed_completeness_proof_shows_the_same_or_nothing(
        at in any::<prop::sample::Index>(),
        piece in "[0-9a-zA-Z\"{}:,]{0,3}",
        removed in 0usize..4,
    ) {
        let mut json = COMPLETE.to_json().into_bytes();
        let at = at.index(json.len());
        let end = (at + removed).min(json.len());
        json.splice(at..end, piece.into_bytes());
        let Ok(file) = CompletenessProof::from_json(&json) else { return Ok(()) };
        if let Ok(shown) = verify_completeness(&file, &identity()) {
            let known = verify_completeness(&COMPLETE, &identity()).unwrap();
            // A damaged line of a witness is a stranger's: there is one witness less, as long as the policy needs no more.
            prop_assert!(shown.cosigned_by.iter().all(|witness| known.cosigned_by.contains(witness)));
            prop_assert_eq!(Completeness { cosigned_by: known.cosigned_by.clone(), ..shown }, known);
        }
    }
}

/// Evidence without the signature lines of its notes: a line of a stranger may be changed, the text may not.
fn signed_part(file: &EvidenceFile) -> serde_json::Value {
    fn strip(value: &mut serde_json::Value) {
        match value {
            serde_json::Value::String(text) => {
                if let Some(end) = text.find("\n\n") {
                    text.truncate(end);
                }
            }
            serde_json::Value::Array(list) => list.iter_mut().for_each(strip),
            serde_json::Value::Object(map) => map.values_mut().for_each(strip),
            _ => {}
        }
    }
    let mut value = serde_json::to_value(&file.evidence).unwrap();
    strip(&mut value);
    value
}

static STATE: LazyLock<String> = LazyLock::new(|| block_on(state_of(&SMALL)).to_json());

static COMPLETE: LazyLock<CompletenessProof> = LazyLock::new(|| {
    let reader = Server::from(Objects::of(&SMALL));
    block_on(prove_complete(reader, &config(), Streams::All, TreeSize::new(0), None)).unwrap()
});

/// Evidence of several kinds that proves misconduct.
static PROVEN: LazyLock<Vec<EvidenceFile>> = LazyLock::new(|| {
    let mut files = Vec::new();
    let deeds: [&dyn Fn(&mut Builder); 4] = [
        &|log| {
            log.state(0);
            log.statements(0, 1);
        },
        &|log| {
            log.state(0);
            log.head(0);
        },
        &|log| log.entries.push(b"junk".to_vec()),
        &|log| {
            log.open(77, 70, None);
        },
    ];
    for deed in deeds {
        let mut log = Builder::new();
        log.enrol(10);
        log.open(10, 30, None);
        log.round(&[0], 3);
        deed(&mut log);
        files.push(block_on(report(Objects::of(&log.entries))).findings.remove(0).evidence);
    }
    let mut forked = SMALL.clone();
    forked[20][30] ^= 1;
    for (known, entries) in [(SMALL.len(), &forked), (100, &forked)] {
        let mut config = config();
        config.witnessed = vec![checkpoint(head_of(&SMALL[..known]), &[1], BEGIN / 1000)];
        let audited = block_on(run(Objects::of(entries), &config, None));
        files.push(audited.report.findings[0].evidence.clone());
    }
    assert!(files.iter().all(|file| verify_finding(file, &identity()).is_proven()));
    files
});

/// With all of an honest log in evidence, no kind of finding is proven at any of its entries.
#[test]
fn nobody_honest_can_be_accused() {
    let log = &SMALL[..];
    let head = log.len();
    let file = serde_json::to_value(&PROVEN[0]).unwrap();
    let signed = checkpoint(head_of(log), &[1], BEGIN / 1000);
    let entries: Vec<String> = {
        use base64::Engine;
        log.iter().map(|entry| base64::engine::general_purpose::STANDARD.encode(entry)).collect()
    };
    let subsets: Vec<Vec<usize>> = vec![
        (0..head).collect(),
        (0..head).filter(|at| at % 7 != 3).collect(),
        (0..head).filter(|at| *at < 8 || at % 41 < 3).collect(),
        // Without the changes of the operator's key, or one of them: what the later keys signed is no fault for that.
        (0..head).filter(|at| log[*at][0] != 0x89).collect(),
        (0..head).filter(|at| log[*at][0] >= 0x80 && log[*at][0] != 0x89).collect(),
        (0..head).filter(|at| log[*at][0] >= 0x80 && (log[*at][0] != 0x89 || *at + 5 > head)).collect(),
        (0..head).filter(|at| log[*at][0] >= 0x80 && (log[*at][0] != 0x89 || *at + 5 < head)).collect(),
    ];
    // The first and the last entry of each kind, and some between.
    let of_kinds = |entries: &mut dyn Iterator<Item = usize>| -> BTreeMap<u8, usize> {
        entries.map(|at| (log[at][0], at)).collect()
    };
    let (lasts, firsts) = (of_kinds(&mut (0..head)), of_kinds(&mut (0..head).rev()));
    let telling: BTreeSet<usize> =
        lasts.into_values().chain(firsts.into_values()).chain((0..head).step_by(83)).chain(0..2).collect();
    let reader = Server::from(Objects::tree(log));
    for subset in subsets {
        let mut file = file.clone();
        let mut runs: Vec<serde_json::Value> = Vec::new();
        for at in &subset {
            let (left, right) = range_proof(&reader, *at, log.len());
            let run =
                serde_json::json!({ "first": at, "entries": [entries[*at]], "left": left, "right": right });
            runs.push(run);
        }
        file["evidence"] = serde_json::json!({ "type": "entries", "checkpoint": signed, "runs": runs });
        let mut file: EvidenceFile = serde_json::from_value(file).unwrap();
        for at in subset.iter().filter(|at| telling.contains(*at)) {
            file.place = Place { entry: Some(*at as u64), ..Place::default() };
            for kind in FindingKind::ALL {
                file.kind = *kind;
                let verdict = verify_finding(&file, &identity());
                assert!(!verdict.is_proven(), "{kind} at {at}: {verdict:?}");
            }
        }
    }
}

/// The range proof of one entry, as lists of hashes in text.
fn range_proof(reader: &Server, at: usize, size: usize) -> (Vec<String>, Vec<String>) {
    use vouchlog_merkle::LeafIndex;
    let (index, size) = (LeafIndex::new(at as u64), TreeSize::new(size as u64));
    let proof = block_on(vouchlog_api::proof::range(reader, index, 1, size)).unwrap();
    let texts = |hashes: &[vouchlog_merkle::Hash]| hashes.iter().map(ToString::to_string).collect();
    (texts(proof.left()), texts(proof.right()))
}
