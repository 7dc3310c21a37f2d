//! A vault whose object store is away: commands start, and what needs content fails in words. The doctor looks at the store.

use serde_json::{Value, json};

use super::world::{World, exchange, record_of};
use crate::process::free_port;

/// A command on a vault whose object store has this URL, where no S3 endpoint listens: its exit code, what it printed, and its words for people.
fn with(world: &World, objects: &str, args: &[&str]) -> (Option<i32>, Value, String) {
    let mut command = world.command(args);
    command.arg("--json").env("VOUCHLOG_VAULT_OBJECTS", objects);
    command.env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", free_port()));
    command.env("AWS_ACCESS_KEY_ID", "none").env("AWS_SECRET_ACCESS_KEY", "none").env("AWS_REGION", "none");
    let output = command.output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or_default(), words)
}

const AWAY: &str = "s3://bucket/vault";
const READ: [&str; 6] = ["vault", "show", "r-1", "--content", "--basis", "case 17"];

#[test]
fn a_vault_whose_objects_are_away_does_what_needs_none_and_the_doctor_names_the_next_step() {
    let world = World::start();
    let url = format!("file://{}", world.path("objects"));
    let (_, nothing) = world.ask(&["doctor"]);
    assert_eq!(nothing["objects"], Value::Null, "it has no object store");
    let mut record = record_of("r-1", &exchange("tool-call"));
    record["input"]["content"] = json!([{ "role": "user", "content": "a long question ".repeat(1_000) }]);
    let file = world.path("record.json");
    std::fs::write(&file, record.to_string()).unwrap();
    let (code, _, words) = with(&world, &url, &["record", &file]);
    assert_eq!(code, Some(0), "{words}");

    let (_, examined, words) = with(&world, &url, &["doctor"]);
    assert_eq!(examined["objects"]["state"], "usable", "{examined}{words}");
    assert_eq!(examined["objects"]["url"], url.as_str());
    let left: Vec<_> =
        std::fs::read_dir(world.path("objects")).unwrap().map(|it| it.unwrap().path()).collect();
    assert!(left.iter().all(|path| !path.to_string_lossy().contains("probe")), "{left:?}");
    let (_, examined) = world.ask(&["doctor"]);
    assert_eq!(examined["objects"]["state"], "not_checked", "{examined}");
    assert!(examined["objects"]["next"].as_str().unwrap().contains(&format!("--objects {url}")));

    let (code, sessions, words) = with(&world, AWAY, &["vault", "sessions"]);
    assert_eq!(code, Some(0), "{words}");
    assert!(!sessions["sessions"].as_array().unwrap().is_empty(), "{sessions}");
    assert!(words.contains("s3://bucket/vault cannot be used"), "{words}");
    let (code, _, words) = with(&world, AWAY, &["vault", "show", "r-1"]);
    assert_eq!(code, Some(0), "{words}");
    let (code, _, words) = with(&world, AWAY, &READ);
    assert_eq!(code, Some(2), "{words}");
    assert!(words.contains("the vault's object store failed"), "{words}");
    let (code, examined, words) = with(&world, AWAY, &["doctor"]);
    assert_eq!((code, &examined["objects"]["state"]), (Some(1), &json!("unavailable")), "{examined}{words}");
    assert!(examined["objects"]["next"].as_str().unwrap().contains("credentials"), "{examined}");
    // What was done meanwhile left the content as it was.
    let (code, _, words) = with(&world, &url, &READ);
    assert_eq!(code, Some(0), "{words}");

    // Another vault's is refused, whatever the command.
    let other = World::start();
    let (code, _, words) = with(&other, &url, &["vault", "sessions"]);
    assert_eq!(code, Some(2), "{words}");
    assert!(words.contains("belongs to another vault"), "{words}");
}
