//! SIGHUP reloads what can be reloaded, is answered with one line, and ends nothing.

use vouchlog_sequencer::testing::ORIGIN;

use super::program::{Program, collect, get, mirror, monitor, post, serve, witness};
use crate::process::{succeed, write_keys};
use crate::witnesses::{start_witness, write_policy};

const POLICY: &str = "quorum none\n";

async fn survives(mut program: Program, expected: &str) {
    for _ in 0..3 {
        program.signal("HUP");
        let line = program.wait_for_line("SIGHUP");
        assert!(line.contains(expected), "{line}");
        assert!(program.is_running());
    }
    assert_eq!(get(&format!("{}/healthz", program.url())).await.unwrap().0, 200);
    assert_eq!(program.terminate(), Some(0));
}

#[tokio::test]
async fn a_hangup_ends_no_server() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let mut log = Program::start(serve(&at("log"), &[]));
    survives(Program::start(monitor(&at("monitor"), &log, &[])), "nothing was reloaded; auditing at once")
        .await;
    std::fs::write(at("policy"), POLICY).unwrap();
    let policy = ["--policy", at("policy").to_str().unwrap()].map(str::to_owned);
    let policy = policy.each_ref().map(String::as_str);
    survives(Program::start(monitor(&at("second"), &log, &policy)), "the policy was reloaded").await;
    survives(Program::start(witness(&at("witness"), &[])), "nothing was reloaded").await;
    survives(Program::start(mirror(&at("mirror"), &log)), "nothing was reloaded").await;
    survives(Program::start(collect(&at("collector"), &["--listen", "127.0.0.1:0"])), "nothing was reloaded")
        .await;
    log.signal("HUP");
    assert!(log.wait_for_line("SIGHUP").contains("nothing was reloaded"));
    assert!(log.is_running());
    survives(log, "nothing was reloaded").await;
}

/// The policy named a file that is broken now: the old one stays.
#[tokio::test]
async fn a_broken_policy_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let mut log = Program::start(serve(&at("log"), &[]));
    std::fs::write(at("policy"), POLICY).unwrap();
    let monitor = monitor(&at("monitor"), &log, &["--policy", at("policy").to_str().unwrap()]);
    let monitor = Program::start(monitor);
    std::fs::write(at("policy"), "rubbish\n").unwrap();
    survives(monitor, "nothing was changed").await;
    assert_eq!(log.terminate(), Some(0));
}

#[tokio::test]
async fn a_hangup_reloads_the_token_that_emitters_bring() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    let [old, new] = ["the-first-token-of-all", "the-second-token-of-all"];
    std::fs::write(&token, format!("{old}\n")).unwrap();
    let more = ["--listen", "127.0.0.1:0", "--bearer-token", token.to_str().unwrap()];
    let mut collector = Program::start(collect(&folder.path().join("data"), &more));
    let traces = format!("{}/v1/traces", collector.url());
    let status = async |token: &str| post(&traces, token, "{}".to_owned()).await.0;
    assert_eq!((status(old).await, status(new).await), (200, 401));

    // Too short for a token: nothing changes, and the line does not show it.
    std::fs::write(&token, "short").unwrap();
    collector.signal("HUP");
    let line = collector.wait_for_line("SIGHUP");
    assert!(line.contains("nothing was changed") && !line.contains("short"), "{line}");
    assert_eq!((status(old).await, status(new).await), (200, 401));

    std::fs::write(&token, new).unwrap();
    collector.signal("HUP");
    let line = collector.wait_for_line("SIGHUP");
    assert!(line.contains("the bearer token reloaded") && !line.contains(new), "{line}");
    assert_eq!((status(old).await, status(new).await), (401, 200));
    assert_eq!(collector.terminate(), Some(0));
}

/// A witness moves to another address while the log runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hangup_reloads_where_the_witnesses_of_a_log_are() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_keys(&folder.join("log"));
    let witness = start_witness(folder, "w1", 0, &[]);
    let policy = write_policy(folder, &[("w1", &witness, "http")]);
    let more = ["--origin", ORIGIN, "--policy", &policy, "--witness-interval", "50ms"];
    let mut log = Program::start(serve(&folder.join("log"), &more));
    let vkey = log.announced["log_vkey"].as_str().unwrap().to_owned();
    let url = log.url().to_owned();
    let submit = |digest: u8| {
        let digest = hex::encode([digest; 32]);
        let to = ["submit", "--log", &url, "--log-vkey", &vkey, "--digest", &digest];
        succeed(&[&to[..], &["--policy", &policy]].concat());
    };
    submit(1);
    assert_eq!(witness.terminate(), 0);
    let witness = start_witness(folder, "w1", 0, &[]);
    write_policy(folder, &[("w1", &witness, "http")]);
    log.signal("HUP");
    let line = log.wait_for_line("SIGHUP");
    assert!(line.contains("the witnesses' URLs were reloaded"), "{line}");
    submit(2);

    // What cannot be read, or asks for something else, changes nothing.
    let whole = std::fs::read_to_string(&policy).unwrap();
    for (text, why) in
        [("rubbish\n", "line 1"), ("quorum none\n", "restart the log"), ("witness w1 x y\n", "line 1")]
    {
        std::fs::write(&policy, text).unwrap();
        log.signal("HUP");
        let line = log.wait_for_line("SIGHUP");
        for words in ["nothing was changed", "policy.txt: the old policy stays in force", why] {
            assert!(line.contains(words), "{words}: {line}");
        }
    }
    std::fs::write(&policy, whole).unwrap();
    submit(3);
    assert_eq!(log.terminate(), Some(0));
    assert_eq!(witness.terminate(), 0);
}
