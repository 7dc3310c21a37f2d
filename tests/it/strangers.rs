//! Goal: what strangers send neither stops a server nor has a command print something false; and the page on threats is true of the tree.
//! Method: the short form of `vouchlog-attack` against the real program, a class at a time. A good client works beside each attack and must
//! meet no error; memory and descriptors must stay flat. Latencies are judged by the long form alone.

mod threats;

use std::time::Duration;

use vouchlog_attack::{Settings, run};
use vouchlog_faults::program::Program;

/// How long a flood or a hold lasts: long enough to show what it costs, and short enough for tests.
const LASTS: Duration = Duration::from_secs(1);

/// Carries out classes of attacks; none may come through.
async fn are_withstood(only: &[&str], at_least: usize) {
    let settings = Settings {
        program: Program::new(env!("CARGO_BIN_EXE_vouchlog").into()).unwrap(),
        only: only.iter().map(|class| (*class).to_owned()).collect(),
        lasts: LASTS,
        is_short: true,
    };
    let report = run(&settings, |_| {}).await.unwrap();
    assert!(report.rows.len() >= at_least, "{} attacks: were they found at all?", report.rows.len());
    let failed: Vec<String> =
        report.failed().map(|(row, faults)| format!("{}: {}", row.name, faults.join("; "))).collect();
    assert!(failed.is_empty(), "not withstood:\n{}\n{}", failed.join("\n"), report.markdown());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_http_1_is_refused() {
    are_withstood(&["http1"], 50).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_and_flooding_http_2_is_ended() {
    are_withstood(&["http2"], 60).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_json_and_notes_are_refused() {
    are_withstood(&["json", "enrolment"], 45).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_of_strangers_prove_nothing_and_paint_nothing() {
    are_withstood(&["files"], 35).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_house_stream_takes_no_claims() {
    are_withstood(&["house"], 7).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_emitter_writes_nothing_of_others() {
    are_withstood(&["doors"], 15).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_other_names_cannot_write() {
    are_withstood(&["rebinding"], 20).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_logs_are_found_out() {
    are_withstood(&["logs"], 50).await;
}
