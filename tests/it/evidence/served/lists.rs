//! Lists, decisions about findings, and exports of a vault that a daemon serves, by its commands.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use parking_lot::Mutex;
use serde_json::{Value, json};
use sqlx::{Connection, Executor};
use vouchlog_sequencer::testing::ORIGIN;

use super::{Served, token_file};

const PERSON: &str = "initiator=https://idp.example|u-20931";

fn names(said: &Value, list: &str, name: &str) -> Vec<Value> {
    said[list].as_array().unwrap_or_else(|| panic!("{said}")).iter().map(|row| row[name].clone()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_and_identities_are_listed_by_what_records_have() {
    let served = Served::start(&[("ann", "read-metadata", Some("default"))], &[]);
    let list = |by: &[&str]| {
        let by: Vec<&str> = by.iter().flat_map(|one| ["--by", one]).collect();
        served.ask_as("ann", &[&["vault", "sessions"][..], &by].concat()).1
    };
    let all = list(&[]);
    assert_eq!(all["sessions"].as_array().unwrap().len(), 3, "{all}");
    for (by, expected) in [
        (&[PERSON, "tool=get_current_weather"][..], 2),
        (&["finding=R01"], 1),
        (&["finding=R01", PERSON], 0),
        (&["session=s-default"], 1),
        (&["session=s-acme"], 0),
    ] {
        let found = list(by);
        assert_eq!(found["sessions"].as_array().unwrap().len(), expected, "{by:?}: {found}");
    }
    let flawed = &list(&["finding=R01"])["sessions"][0];
    assert_eq!(
        (&flawed["session"], &flawed["initiators"]),
        (&json!("flawed-default"), &json!([])),
        "{flawed}"
    );
    assert_eq!((&flawed["records"], &flawed["agents"]), (&json!(1), &json!(["agt-refunds"])), "{flawed}");
    assert_eq!(flawed["findings"][0]["open"], 1, "{flawed}");
    let answer =
        flawed["answers"].as_array().unwrap().iter().find(|one| one["question"] == "authorized_known");
    assert_eq!(answer.unwrap()["answers"], json!(["no"]), "{flawed}");
    let (_, page) = served.ask_as("ann", &["vault", "sessions", "--limit", "2"]);
    let next = page["next"].as_str().unwrap();
    let (_, last) = served.ask_as("ann", &["vault", "sessions", "--limit", "2", "--after", next]);
    assert_eq!((last["sessions"].as_array().unwrap().len(), &last["next"]), (1, &Value::Null), "{last}");

    let (_, people) = served.ask_as("ann", &["vault", "identities", "initiator"]);
    assert_eq!(names(&people, "identities", "value"), [json!("https://idp.example|u-20931")], "{people}");
    let (_, agent) = served.ask_as("ann", &["vault", "identities", "agent", "agt-refunds"]);
    assert_eq!(
        (&agent["identity"]["records"], &agent["identity"]["sessions"]),
        (&json!(3), &json!(3)),
        "{agent}"
    );
    let scopes = agent["with"].as_array().unwrap().iter().find(|with| with["facet"] == "scope").unwrap();
    assert_eq!(scopes["total"], 2, "{scopes}");
    for (name, body, expected) in [
        ("show-identity", json!({ "facet": "agent", "value": "agents/none" }), 404),
        ("show-identity", json!({ "facet": "trace", "value": "x" }), 400),
        ("show-identity", json!({ "facet": "nonsense", "value": "x" }), 400),
        ("list-identities", json!({ "facet": "agent", "after": "x" }), 400),
        ("list-identities", json!({ "facet": "agent", "limit": 0 }), 400),
        ("list-sessions", json!({ "facets": [{ "facet": "trace", "value": "x" }] }), 400),
        ("list-sessions", json!({ "after": "nonsense" }), 400),
        ("list-sessions", json!({ "limit": 1_000_000 }), 200),
        ("list-findings", json!({ "codes": ["R999"] }), 400),
        ("list-findings", json!({ "codes": vec!["R01"; 101] }), 400),
        ("list-findings", json!({ "state": "closed" }), 422),
        ("list-disclosures", json!({ "record": "r-acme" }), 404),
        ("list-decisions", json!({ "record": "r-acme" }), 404),
        ("export", json!({ "what": "sessions", "format": "ocsf" }), 400),
        ("export", json!({ "what": "disclosures", "facets": [{ "facet": "tool", "value": "x" }] }), 400),
        ("export", json!({ "what": "records", "state": "accepted" }), 400),
        (
            "decide-findings",
            json!({ "code": "R01", "records": ["flawed-default"], "state": "explained", "reason": "x" }),
            403,
        ),
    ] {
        let (status, said) = served.send("ann", name, &body).await;
        assert_eq!(status, expected, "{name} {body}: {said}");
    }
    assert_eq!(served.daemon.terminate(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decision_is_made_by_its_role_and_is_in_the_log() {
    let roles = "read-metadata,review";
    let served = Served::start(&[("ann", roles, Some("default")), ("eve", roles, Some("acme"))], &[]);
    let findings =
        |state: &str| served.ask_as("ann", &["vault", "findings", "--rule", "R01", "--in-state", state]).1;
    let open = findings("open");
    assert_eq!(names(&open, "findings", "record"), [json!("flawed-default")], "{open}");
    let one = &open["findings"][0];
    assert!(one["entry"].is_u64() && one["found"]["message"].is_string(), "{one}");
    assert_eq!((&one["session"], &one["agent"]), (&json!("flawed-default"), &json!("agt-refunds")), "{one}");
    let decide = [
        "vault",
        "decide",
        "explained",
        "--rule",
        "R01",
        "--record",
        "flawed-default",
        "--reason",
        "TICKET-1",
    ];
    let (code, decided) = served.ask_as("ann", &decide);
    assert_eq!((code, &decided["findings"]), (0, &json!(1)), "{decided}");
    assert_eq!(names(&findings("open"), "findings", "record"), [json!(null); 0]);
    let explained = findings("explained");
    let made = &explained["findings"][0]["decision"];
    assert_eq!(
        (&made["by"], &made["reason"], &made["record"]),
        (&json!("ann"), &json!("TICKET-1"), &decided["record"])
    );
    assert!(made["entry"].is_u64(), "{made}");
    let (_, decisions) = served.ask_as("ann", &["vault", "decisions", "--record", "flawed-default"]);
    assert_eq!(names(&decisions, "decisions", "state"), [json!("explained")], "{decisions}");
    let (_, counts) = served.ask_as("ann", &["vault", "findings", "--count"]);
    let of_rule = counts["rules"].as_array().unwrap().iter().find(|rule| rule["code"] == "R01").unwrap();
    assert_eq!((&of_rule["open"], &of_rule["explained"]), (&json!(0), &json!(1)), "{counts}");

    let decision = |tenant: &str, record: &str, code: &str| json!({ "tenant": tenant, "code": code, "records": [record], "state": "accepted", "reason": "TICKET-2" });
    for (who, body, expected) in [
        // A record of another tenant is as if it were not there; so is one that the tenant does not have.
        ("eve", decision("default", "flawed-default", "R01"), 404),
        ("eve", decision("acme", "flawed-default", "R01"), 404),
        // Nothing was found in it.
        ("ann", decision("default", "r-default", "R01"), 409),
        ("ann", decision("default", "flawed-default", "R999"), 400),
    ] {
        let (status, said) = served.send(who, "decide-findings", &body).await;
        assert_eq!(status, expected, "{who} {body}: {said}");
    }
    assert_eq!(findings("explained")["findings"].as_array().unwrap().len(), 1);
    let other = served.ask_as("eve", &["vault", "--tenant", "acme", "decisions"]).1;
    assert_eq!(other["decisions"], json!([]), "{other}");

    // A state that no decision gave is noticed.
    let mut raw = served.raw().await;
    for change in ["state = 2", "state = 1, decision = NULL", "state = 0, decision = 'r-default'"] {
        let change = format!("UPDATE finding SET {change} WHERE decision IS NOT NULL OR state <> 0");
        raw.execute(sqlx::AssertSqlSafe(change)).await.unwrap();
        let mut statuses = Vec::new();
        for state in ["open", "explained", "accepted"] {
            statuses.push(served.send("ann", "list-findings", &json!({ "state": state })).await.0);
        }
        assert!(statuses.contains(&500), "{statuses:?}");
    }
    raw.close().await.unwrap();
    assert_eq!(served.daemon.terminate(), 0);
}

/// What a receiver was sent: the type, the token, and the lines.
type Received = Arc<Mutex<Vec<(HeaderMap, String)>>>;

/// Refuses the first delivery.
async fn take(State(received): State<Received>, headers: HeaderMap, body: String) -> StatusCode {
    let mut received = received.lock();
    received.push((headers, body));
    if received.len() == 1 { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exports_prove_where_they_come_from_and_content_is_on_record() {
    let served = Served::start(&[("ann", "read-metadata,read-content,disclose", Some("default"))], &[]);
    let file = served.world.path("export.txt");
    let export = |args: &[&str]| {
        let (code, said) = served.ask_as("ann", &[&["vault", "export"][..], args, &["-o", &file]].concat());
        assert_eq!(code, 0, "{said}");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        (said["lines"].as_u64().unwrap(), text)
    };
    let (lines, text) = export(&["records", "--by", "session=s-default"]);
    let rows: Vec<&str> = text.split("\r\n").collect();
    assert_eq!((lines, rows.len()), (1, 3), "names, a record, and nothing after its end: {text}");
    assert!(
        rows[0].starts_with("record,kind,tenant,") && rows[1].starts_with("r-default,interaction,default,")
    );
    assert!(rows[1].contains(ORIGIN) && rows[1].contains("https://idp.example|u-20931"), "{text}");
    let (_, text) = export(&["sessions", "--by", "finding=R01"]);
    assert!(text.lines().count() == 2 && text.contains("flawed-default"), "{text}");

    let lines =
        |text: &str| -> Vec<Value> { text.lines().map(|line| serde_json::from_str(line).unwrap()).collect() };
    let (_, text) = export(&["records", "--format", "ocsf"]);
    for event in lines(&text) {
        assert_eq!((&event["class_uid"], &event["metadata"]["version"]), (&json!(6003), &json!("1.5.0")));
        assert_eq!(event["metadata"]["log_name"], ORIGIN, "{event}");
        assert!(event["metadata"]["sequence"].is_u64() && event["api"]["operation"].is_string(), "{event}");
    }
    assert!(!text.contains("San Francisco"), "no content");
    let disclosures =
        || served.ask_as("ann", &["vault", "disclosures"]).1["disclosures"].as_array().unwrap().len();
    assert_eq!(disclosures(), 0);
    let content =
        ["records", "--format", "jsonl", "--by", "session=s-default", "--content", "--basis", "case 1"];
    let (_, text) = export(&content);
    assert!(text.contains("San Francisco") && lines(&text)[0]["log"] == ORIGIN, "{text}");
    assert_eq!(disclosures(), 1);

    // Who read it, and who was given something.
    let shown = served.world.path("shown.json");
    let disclose = ["disclose", "--record", "r-default", "--fields", "outcome.state", "--basis", "case 2"];
    served.ask_as("ann", &[&disclose[..], &["--recipient", "the court", "-o", &shown]].concat());
    let (_, readers) = served.ask_as("ann", &["vault", "disclosures", "--record", "r-default"]);
    assert_eq!(names(&readers, "disclosures", "recipient"), [json!("the court"), json!(null)], "{readers}");
    assert_eq!(names(&readers, "disclosures", "scope"), [json!("presented"), json!("read")], "{readers}");
    let (_, none) = served.ask_as("ann", &["vault", "disclosures", "--record", "flawed-default"]);
    assert_eq!(none["disclosures"], json!([]));

    let received = Received::default();
    let url = crate::monitor::serve(Router::new().fallback(take).with_state(Arc::clone(&received))).await;
    let token = served.world.path("siem.token");
    std::fs::write(&token, "s3cret\n").unwrap();
    let push = ["vault", "export", "findings", "--format", "ocsf", "--to", &url, "--to-token", &token];
    let (code, said) = served.ask_as("ann", &push);
    assert_eq!(code, 0, "{said}");
    let received = received.lock();
    assert_eq!(received.len(), 2, "the first delivery was refused, and sent again");
    assert_eq!(received[0].1, received[1].1);
    let (headers, body) = &received[1];
    assert_eq!(
        (&headers["content-type"], &headers["authorization"]),
        (&"application/x-ndjson".parse().unwrap(), &"Bearer s3cret".parse().unwrap())
    );
    let events = lines(body);
    assert_eq!(events.len() as u64, said["lines"].as_u64().unwrap());
    let missing = events.iter().find(|event| event["finding_info"]["analytic"]["uid"] == "R01").unwrap();
    assert_eq!(
        (&missing["class_uid"], &missing["status_id"], &missing["activity_id"]),
        (&json!(2004), &json!(1), &json!(1))
    );
    assert_eq!(
        (&missing["metadata"]["log_name"], &missing["unmapped"]["record"]),
        (&json!(ORIGIN), &json!("flawed-default"))
    );
    drop(received);
    // What cannot be delivered is refused before anything is read, and leaves no file.
    let token = token_file(&served.world, "ann");
    let vault = ["vault", "--vault", &served.daemon.url, "--vault-token", &token, "export", "records"];
    for wrong in
        [&["--to", "http://siem.example/x"][..], &["--to", "siem"], &[], &["-o", "/no/such/folder/x"]]
    {
        let refused = served.world.run(&[&vault[..], wrong].concat());
        assert_eq!(refused.status.code(), Some(2), "{wrong:?}");
    }
    assert!(!std::path::Path::new(&format!("{file}.partial")).exists());
    assert_eq!(served.daemon.terminate(), 0);
}
