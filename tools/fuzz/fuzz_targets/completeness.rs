//! Completeness files: reading and verifying is total, writing gives back what was read, and a damaged file shows the same or
//! nothing.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use vouchlog_auditor::{
    Completeness, CompletenessProof, Config, Streams, prove_complete, verify_completeness,
};
use vouchlog_fuzz::damage;
use vouchlog_fuzz::log::{SmallLog, block_on, identity};
use vouchlog_merkle::TreeSize;

/// A whole stream, and one from its first head on.
static RIGHT: LazyLock<[CompletenessProof; 2]> = LazyLock::new(|| {
    let (log, config) = (SmallLog::with(&[]), Config::new(identity()));
    [0, 8].map(|from| {
        let proof = prove_complete(log.clone(), &config, Streams::All, TreeSize::new(from), None);
        block_on(proof).expect("it is complete")
    })
});

fn read(json: &[u8]) -> Option<Completeness> {
    let proof = CompletenessProof::from_json(json).ok()?;
    assert_eq!(CompletenessProof::from_json(proof.to_json().as_bytes()).as_ref(), Ok(&proof));
    verify_completeness(&proof, &identity()).ok()
}

fuzz_target!(|input: &[u8]| {
    assert_eq!(read(input), None, "nobody finds a signature by chance");
    let Some((&which, change)) = input.split_first() else { return };
    let right = &RIGHT[usize::from(which % 2)];
    if let Some(shown) = read(&damage(right.to_json().as_bytes(), change)) {
        let known = verify_completeness(right, &identity()).expect("it is complete");
        assert_eq!((shown.size, shown.root), (known.size, known.root));
        for stream in &shown.streams {
            let whole = known.streams.iter().find(|other| other.stream == stream.stream);
            assert!(whole.is_some_and(|whole| stream.signed <= whole.signed), "{stream:?}");
        }
    }
});
