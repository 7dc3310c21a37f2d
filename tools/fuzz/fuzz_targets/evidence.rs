//! Evidence files of an audit: reading and verifying is total, writing gives back what was read, and damage never makes proof
//! of anything but what the file proved before.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use vouchlog_auditor::{EvidenceFile, verify_finding};
use vouchlog_fuzz::damage;
use vouchlog_fuzz::log::{SmallLog, identity};

/// Entries that break a rule, two heads, and something only observed.
static RIGHT: LazyLock<Vec<EvidenceFile>> = LazyLock::new(|| {
    let log = SmallLog::with(&[b"junk"]);
    let broken = log.audit(Vec::new(), None).expect("it can be read").report.findings;
    let split = log.audit(vec![log.contradiction()], None).expect("it can be read").report.findings;
    let files: Vec<_> = broken.into_iter().chain(split).map(|finding| finding.evidence).collect();
    assert!(files.iter().filter(|file| verify_finding(file, &identity()).is_proven()).count() >= 2);
    files
});

fn read(json: &[u8]) -> Option<EvidenceFile> {
    let file = EvidenceFile::from_json(json).ok()?;
    assert_eq!(EvidenceFile::from_json(file.to_json().as_bytes()).as_ref(), Ok(&file));
    verify_finding(&file, &identity()).is_proven().then_some(file)
}

fuzz_target!(|input: &[u8]| {
    assert_eq!(read(input), None, "nobody finds a signature by chance");
    let Some((&which, change)) = input.split_first() else { return };
    let right = &RIGHT[usize::from(which) % RIGHT.len()];
    if let Some(proven) = read(&damage(right.to_json().as_bytes(), change)) {
        assert_eq!(proven.kind, right.kind);
    }
});
