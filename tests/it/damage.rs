//! One bit flipped, a file cut short, a sector zeroed: a few dozen places in every data directory. `vouchlog-faults damage` runs the
//! same trials by the thousand.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use vouchlog_faults::campaign::Fixture;
use vouchlog_faults::damage::{Amounts, plan};
use vouchlog_faults::program::Program;
use vouchlog_faults::subject::{After, Subject};

/// As few as show the violations that are common: the files of a directory each get one of a kind, the largest more.
const AMOUNTS: Amounts = Amounts { flips: 8, cuts: 2, zeroes: 2, gone: false };
/// A collector has more files, and takes seconds to record what it was sent.
const FEWER: Amounts = Amounts { flips: 6, cuts: 0, zeroes: 2, gone: false };
/// Of the places, every so many is tried here: about one in each file. CI tries all of them.
const EVERY: usize = 8;
/// The same of a spool, which has few files.
const EVERY_OF_FEW: usize = 3;
/// Decides the places.
const SEED: u64 = 1;
const JOBS: usize = 2;

async fn no_promise_is_broken(subject: Subject, after: After, amounts: Amounts) {
    let program = Program::new(env!("CARGO_BIN_EXE_vouchlog").into()).unwrap();
    let (made, scratch) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    subject.make(&program, made.path(), after).await.unwrap();
    let folder = made.path().to_owned();
    let fixture = Fixture::open(subject, program, folder, scratch.path().to_owned()).await.unwrap();
    let every = if subject == Subject::Gateway { EVERY_OF_FEW } else { EVERY };
    let places: Vec<_> = plan(&fixture.root(), amounts, SEED).unwrap().into_iter().step_by(every).collect();
    let files = places.iter().map(|place| place.file.as_path()).collect::<BTreeSet<&Path>>();
    assert!(files.len() >= 2 && places.len() >= 4, "{} places in {} files", places.len(), files.len());
    let (table, violations) = Arc::new(fixture).run(places, JOBS, |_, _| {}).await.unwrap();
    let lines: Vec<String> = violations
        .iter()
        .map(|one| format!("{}: {}: {}", one.verdict.outcome, one.place, one.verdict.evidence))
        .collect();
    assert!(violations.is_empty(), "{subject}\n{}\n{}", table.markdown("file"), lines.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_log_is_whole_repaired_or_refused() {
    no_promise_is_broken(Subject::SmallLog, After::Kill, AMOUNTS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_log_with_segments_is_whole_repaired_or_refused() {
    no_promise_is_broken(Subject::LargeLog, After::Stop, AMOUNTS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_spool_is_whole_repaired_or_refused() {
    no_promise_is_broken(Subject::Gateway, After::Kill, AMOUNTS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_collector_is_whole_repaired_or_refused() {
    no_promise_is_broken(Subject::Collector, After::Kill, FEWER).await;
}
