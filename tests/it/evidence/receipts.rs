//! Receipts of a vault whose log has a witness: they get the cosignatures that come after them, and who asks for those waits.

use serde_json::{Value, json};

use super::world::{World, seal, turn};
use crate::process::{Server, succeed};
use crate::witnesses::{start_witness, write_policy};

/// A log with a witness, and the policy.
fn witnessed() -> (World, Server, String) {
    let folder = tempfile::tempdir().unwrap();
    let witness = start_witness(folder.path(), "w1", 0, &[]);
    let policy = write_policy(folder.path(), &[("w1", &witness, "http")]);
    let world = World::with(folder, &["--policy", &policy, "--witness-interval", "50ms"]);
    (world, witness, policy)
}

fn proven(world: &World, more: &[&str]) -> Value {
    let (_, said) = world.ask(&[&["session", "sess-story"], more].concat());
    said["summary"]["proven"].clone()
}

#[test]
fn the_owner_sees_cosignatures_that_came_after_the_receipt() {
    let (world, witness, policy) = witnessed();
    world.record(&json!([turn(1, "tool-call"), seal(1)]));
    let all = json!({ "witnessed": 2, "signed": 0, "waiting": 0, "missing": 0 });
    let with_policy = ["--policy", policy.as_str()];
    // Until the witness has cosigned, the records are signed by the log alone.
    let seen = (0..600).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        proven(&world, &with_policy) == all
    });
    assert!(seen, "{}", proven(&world, &with_policy));
    // What was fetched is kept: without the log the answer is the same.
    assert_eq!(witness.terminate(), 0);
    let away = ["--policy", policy.as_str(), "--log", "http://127.0.0.1:1"];
    assert_eq!(proven(&world, &away), all);
    // Without a policy nothing counts as witnessed, and the reader is told why.
    let (_, said) = world.ask(&["session", "sess-story"]);
    assert_eq!(said["summary"]["proven"]["witnessed"], 0);
    assert!(said["summary"]["notes"].to_string().contains("No policy was given"), "{said}");
}

#[test]
fn who_asks_for_witnesses_waits_for_them_and_is_told_if_none_came() {
    let (world, witness, policy) = witnessed();
    let file = world.path("records.json");
    let record = |sequence: u64, more: &[&str]| {
        std::fs::write(&file, json!([turn(sequence, "tool-call")]).to_string()).unwrap();
        world.ask(&[&["record", file.as_str()], more].concat())
    };
    let (code, said) = record(1, &["--witnessed", "--close"]);
    assert_eq!((code, &said["witnessed"]), (0, &json!(true)), "{said}");
    let away = ["--policy", policy.as_str(), "--log", "http://127.0.0.1:1"];
    assert_eq!(proven(&world, &away)["witnessed"], 1, "the receipt is kept with its cosignature");
    assert_eq!(statuses(&world), ["closed"], "no stream is left open");

    witness.kill();
    let (code, said) = record(2, &["--policy", &policy, "--wait", "2s"]);
    assert_eq!((code, &said["witnessed"]), (1, &json!(false)), "{said}");
    assert!(said["not_witnessed"].as_str().unwrap().contains("did not cosign within 2 s"), "{said}");
    assert!(said["records"][0]["index"].is_u64(), "it is logged all the same: {said}");
}

#[test]
fn a_log_without_witnesses_is_not_waited_for() {
    let world = World::start();
    let file = world.path("records.json");
    std::fs::write(&file, json!([turn(1, "tool-call")]).to_string()).unwrap();
    let (code, said) = world.ask(&["record", &file, "--witnessed", "--wait", "10m"]);
    assert_eq!(code, 1, "{said}");
    assert!(said["not_witnessed"].as_str().unwrap().contains("the log has no witnesses"), "{said}");
}

/// The fault that this repairs: each `submit` left a stream open, and every audit from 90 seconds later on reported it.
#[test]
fn a_submission_closes_its_stream_unless_told_otherwise() {
    let world = World::start();
    let (key, state) = (world.path("gateway.key"), world.path("submit"));
    let to = ["submit", "--log", &world.server.url, "--log-vkey", &world.server.vkey, "--gateway-key", &key];
    let submit = |digest: u8, more: &[&str]| {
        let digest = format!("{digest:02x}").repeat(32);
        succeed(&[&to[..], &["--state", &state, "--digest", &digest], more].concat());
    };
    submit(1, &[]);
    submit(2, &["--keep-open"]);
    // The first is the one of the records that the world began with, which `record` leaves open.
    assert_eq!(statuses(&world), ["open", "closed", "open"]);
    submit(3, &[]);
    assert_eq!(statuses(&world), ["open", "closed", "closed"]);
}

/// The states of the streams of gateways, in the order they were opened.
fn statuses(world: &World) -> Vec<String> {
    let audit = ["audit", "--json", "--log", &world.server.url, "--log-vkey", &world.server.vkey];
    let report: Value = serde_json::from_str(&succeed(&audit)).unwrap();
    let streams = report["streams"].as_array().unwrap().iter();
    let ours = streams.filter(|stream| stream["gateway"] == "gateway.example.com");
    ours.map(|stream| stream["status"].as_str().unwrap().to_owned()).collect()
}
