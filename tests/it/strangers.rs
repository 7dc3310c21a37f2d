//! Goal: what strangers send neither stops a server nor has a command print something false; and the page on threats is true of the tree.
//! Method: the short form of `vouchlog-attack` against the real program, a class at a time. A good client works beside each attack and must
//! meet no error; memory and descriptors must stay flat. Latencies are judged by the long form alone.

mod threats;

use std::time::Duration;

use vouchlog_attack::{Settings, run};
use vouchlog_faults::program::Program;

/// How long a flood or a hold lasts: long enough to show what it costs, and short enough for tests. CI has them last twice as long.
const LASTS: Duration = Duration::from_millis(500);

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
async fn a_vault_answers_its_own_users_alone_and_pages_of_other_names_write_nowhere() {
    let questions = ["without a token", "by a user of another tenant", "the token `"];
    let bodies = ["vault: a ", "facets", "vault: heads without bodies, by nobody"];
    let floods = ["a flood of all sessions", "questions on many streams"];
    // With those of pages, which want a vault too: one with records takes long to make.
    are_withstood(&[&questions[..], &bodies, &floods, &["rebinding"]].concat(), 60).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_hostile_and_held_calls_leave_a_vault_as_it_was() {
    are_withstood(&["vault-grpc"], 70).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_logs_are_found_out() {
    // Each way to be hostile, read by one of the commands; CI has all commands read all of them.
    let impossible =
        ["no tile, read by audit", "tiles of zeros, read by prove", "without end, read by sample"];
    let repainting = ["repaints the line, read by audit", "bomb, read by prove", "secret, read by audit"];
    let broken =
        ["less than it says, read by sample", "to a file, read by audit", "signatures, read by prove"];
    are_withstood(&[impossible, repainting, broken].concat(), 12).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_asks_for_hours_gets_none() {
    are_withstood(&["waits: a log that asks to come back in 2099"], 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hostile_witness_costs_its_cosignature_alone() {
    let words = ["has seen 9", "witness that answers", "witness that is silent"];
    are_withstood(&words, 6).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_grpc_is_refused() {
    let whole =
        ["to Append", "to OpenStream", "to Enrol", "to AddCheckpoint", "grpc: compressed", "announced"];
    let endless =
        ["grpc: partial messages on AppendStream", "grpc: health watched", "questions to reflection"];
    are_withstood(&[&whole[..], &endless].concat(), 35).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bombs_of_gzip_take_no_memory() {
    are_withstood(&["gzip"], 11).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn held_requests_hold_up_no_log() {
    let bodies = ["bodies, POST /add", "bodies, gRPC AppendStream"];
    let others = ["HTTP/2 readers of entries", "holds: thousands of idle"];
    are_withstood(&[&bodies[..], &others].concat(), 4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn held_requests_hold_up_no_collector() {
    are_withstood(&["bodies, POST /v1/traces", "holds: stalled bodies without", "holds: seventeen"], 4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn floods_leave_a_good_client_its_share() {
    let requests = ["floods: the house stream, a", "floods: exports without a token", "reset at the witness"];
    are_withstood(&requests, 3).await;
}
