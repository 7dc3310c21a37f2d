//! Processes of one witness that share a database: asked at once for two roots of one size, killed in between, started on a lost database.

use std::path::Path;

use vouchlog_note::SigningKey;

use crate::process::{Server, fail, rounds};
use crate::standby::World;
use crate::witness::{NAME, checkpoint, command, latest, log, post};

/// Logs that are raced for, in the short and the long form.
const LOGS: (u64, u64) = (40, 400);

/// A witness's process, in a folder with its own copy of the keys.
fn start(data: &Path, database: &str, vkeys: &str) -> Server {
    let mut command = command(data, &["--name", NAME, "--store", database]);
    command.env("VOUCHLOG_WITNESS_LOGS", vkeys);
    Server::spawn(command)
}

fn copy_keys(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for file in ["witness.key", "witness.key.state"] {
        std::fs::copy(from.join(file), to.join(file)).unwrap();
    }
}

/// Asks until there is a verdict: another process may have been quicker at the same moment.
async fn ask(witness: &Server, log: &SigningKey, root: u8) -> u16 {
    loop {
        let (status, _) = post(witness, 0, &checkpoint(log, root)).await;
        if status != 503 {
            return status;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_of_a_witness_never_cosign_two_roots() {
    let Some(world) = World::new() else { return };
    let (one_data, two_data) = (world.data("one"), world.data("two"));
    let url = world.postgres.url();
    let logs: Vec<_> = (0..rounds(LOGS)).map(|at| log(&format!("log.example.com/{at}"))).collect();
    let vkeys = logs.iter().map(|log| log.verifying_key().to_string()).collect::<Vec<_>>().join(" ");
    let one = start(&one_data, &url, &vkeys);
    copy_keys(&one_data, &two_data);
    let mut two = start(&two_data, &url, &vkeys);
    assert_eq!(one.vkey, two.vkey);
    for (at, log) in logs.iter().enumerate() {
        let statuses = tokio::join!(ask(&one, log, 1), ask(&two, log, 2));
        assert!(matches!(statuses, (200, 409) | (409, 200)), "log {at}: {statuses:?}");
        let root = if statuses.0 == 200 { 1 } else { 2 };
        let known = latest(&one, log).await;
        assert_eq!(known, latest(&two, log).await);
        assert!(known.1.starts_with(checkpoint(log, root).text()), "{known:?}");
        // Neither goes back to it, nor to another root.
        for witness in [&one, &two] {
            assert_eq!(post(witness, 0, &checkpoint(log, root)).await, (409, "1\n".to_owned()));
            assert_eq!(post(witness, 1, &checkpoint(log, 3 - root)).await.0, 422);
        }
        if at % 10 == 9 {
            two.kill();
            two = start(&two_data, &url, &vkeys);
            assert_eq!(latest(&two, log).await, known, "it remembers what any of them cosigned");
        }
    }
    for witness in [one, two] {
        assert_eq!(witness.terminate(), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_witness_does_not_go_on_without_its_database_or_with_another_key() {
    let Some(world) = World::new() else { return };
    let (data, url) = (world.data("one"), world.postgres.url());
    let log = log("log.example.com/a");
    let witness = start(&data, &url, &log.verifying_key().to_string());
    assert_eq!(ask(&witness, &log, 1).await, 200);
    assert_eq!(witness.terminate(), 0);

    // A second process that made a key of its own.
    let other = world.data("other");
    let begin = ["witness", "--listen", "127.0.0.1:0", "--name", NAME, "--store", &url, "--data"];
    let (code, words) = fail(&[&begin[..], &[other.to_str().unwrap()]].concat());
    assert!(code == 2 && words.contains("copy that key file and its .state file"), "{words}");

    // Without what it cosigned.
    world.postgres.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
    let lost = [&begin[..], &[data.to_str().unwrap()]].concat();
    let (code, words) = fail(&lost);
    assert!(code == 2 && words.contains("must not forget what it cosigned"), "{words}");
    assert!(!words.contains("start a new one"), "{words}");

    // Nor where there is no database.
    let away =
        ["witness", "--listen", "127.0.0.1:0", "--store", "postgres://u:secret@127.0.0.1:9/d", "--data"];
    let (code, words) = fail(&[&away[..], &[data.to_str().unwrap()]].concat());
    assert!(code == 2 && words.contains("with --store the database") && !words.contains("secret"), "{words}");
}
