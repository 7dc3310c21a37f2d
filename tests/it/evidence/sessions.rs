//! A session as an investigator reconstructs it, and as the recipient of its bundle reads it.

use serde_json::{Value, json};

use super::world::{World, seal, turn};

#[test]
fn a_whole_session_is_told_without_its_content_until_somebody_asks_on_record() {
    let world = World::start();
    world.record(&json!([turn(1, "tool-call"), turn(2, "tool-result"), seal(2)]));
    let html = world.path("session.html");
    let (code, said) = world.ask(&["session", "sess-story", "--html", &html]);
    let text = said.to_string();
    assert_eq!(code, 0, "{text}");
    assert!(!text.contains("San Francisco"), "content is not read unasked");
    let page = std::fs::read_to_string(&html).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("u-20931") && !page.contains("<script"));
    let (_, none) = world.ask(&["find", "--kind", "disclosure"]);
    assert_eq!(none["records"], json!([]));

    let (_, said) = world.ask(&["session", "sess-story", "--content", "--basis", "case 17"]);
    assert!(said.to_string().contains("San Francisco"), "{said}");
    let (_, one) = world.ask(&["find", "--kind", "disclosure"]);
    let id = one["records"][0]["id"].as_str().unwrap();
    assert!(one["records"][0]["index"].as_u64().is_some(), "the reading is in the log: {one}");
    let shown = world.disclosed(id, "disclosure");
    assert_eq!(shown["disclosed"]["disclosure"]["records"], json!(["s-1", "s-2", "s-seal"]));
    assert_eq!(shown["disclosed"]["disclosure"]["basis"], "case 17");
}

#[test]
fn a_retired_agent_stays_known_by_its_id() {
    let world = World::start();
    let entry = json!({ "id": "c-1", "kind": "configuration", "configuration": {
        "subject": "agent", "id": "agt-refunds", "in_force_from": "2026-11-28T12:00:00Z",
        "agent": { "name": "Refunds", "owner": "team-payments", "sponsor": "ann", "retired": "2026-11-28T12:00:00Z" } } });
    world.record(&json!([entry, turn(1, "tool-call"), seal(1)]));
    let said = world.ask(&["session", "sess-story"]).1.to_string();
    for told in [
        "registry of agents: agt-refunds",
        "owner: team-payments",
        "accountable: ann",
        "retired since 2026-11-28",
    ] {
        assert!(said.contains(told), "{told}: {said}");
    }
    let (_, found) = world.ask(&["find", "--by", "agent=agt-refunds"]);
    let ids: Vec<&str> =
        found["records"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["s-1", "c-1"]);
}

#[test]
fn what_is_missing_is_drawn_where_it_is_missing() {
    let world = World::start();
    // The second turn never got here, and the seal knows of it; the third was erased lawfully.
    let mut third = turn(3, "tool-result");
    third["custody"].as_object_mut().unwrap().remove("retention");
    world.record(&json!([turn(1, "tool-call"), third, turn(4, "tool-call"), seal(4)]));
    let (_, erased) = world.ask(&["erase", "--record", "s-3", "--basis", "GDPR Art. 17(1)(a)"]);
    let entry = erased["entries"][0]["index"].as_u64().unwrap();
    let output = world.run(&["session", "sess-story"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("Are all records present?        NO"), "{said}");
    // Whether the number was 2 or 3 went with what was erased; that one of them is a hole shows all the same.
    assert!(said.contains("missing"), "{said}");
    assert!(said.contains(&format!("entry {entry}")) && said.contains("lawful"), "{said}");
}

#[test]
fn a_bundle_verifies_by_itself_and_a_changed_one_does_not() {
    let world = World::start();
    world.record(&json!([turn(1, "tool-call"), turn(2, "tool-result"), seal(2)]));
    let file = world.path("bundle.json");
    let bundle = ["session", "sess-story", "--bundle", &file, "--basis", "case 17"];
    let (code, said) = world.ask(&bundle);
    assert_eq!(code, 0, "{said}");
    let text = std::fs::read_to_string(&file).unwrap();
    for hidden in ["San Francisco", "u-20931", "u-11007"] {
        assert!(!text.contains(hidden), "{hidden}");
    }
    let html = world.path("bundle.html");
    let (_, said) = world.ask(&["verify", "--bundle", &file, "--html", &html]);
    let told = said.to_string();
    assert!(told.contains("gpt-3.5-turbo-0125") && told.contains("s-2"), "{told}");
    assert!(std::fs::read_to_string(&html).unwrap().contains("agt-refunds"));
    // Another log's key, and a record left out of a sealed session.
    let mut changed: Value = serde_json::from_str(&text).unwrap();
    let dropped = changed["records"].as_array_mut().unwrap().pop().unwrap();
    std::fs::write(&file, changed.to_string()).unwrap();
    let output = world.run(&["verify", "--bundle", &file]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("Are all records present?        NO"), "{said}");
    // A statement's last letter.
    let mut forged = dropped;
    let sd_jwt = forged["sd_jwt"].as_str().unwrap();
    let (jwt, disclosures) = sd_jwt.split_once('~').unwrap();
    let flipped = if jwt.ends_with('A') { 'Q' } else { 'A' };
    forged["sd_jwt"] = format!("{}{flipped}~{disclosures}", &jwt[..jwt.len() - 1]).into();
    changed["records"].as_array_mut().unwrap().push(forged);
    std::fs::write(&file, changed.to_string()).unwrap();
    let output = world.run(&["verify", "--bundle", &file]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("DOES NOT HOLD"), "{said}");
}
