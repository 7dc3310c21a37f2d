//! A vault beside what others know of it: how findings about the log, a provider's list and lost records are told, and what is refused.

use serde_json::{Value, json};

use super::forged_log::ForgedLog;
use super::rules::{Codes, OFFENCES, audit, damage, forged, reconciled, text};
use super::world::{World, exchange, owed, record_of, seal, turn};
use crate::process::{Server, run};

/// Standard error of a run that must fail with exit code 2.
fn refused(world: &World, args: &[&str]) -> String {
    let output = world.run(args);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}{}", String::from_utf8_lossy(&output.stdout));
    said
}

#[test]
fn what_an_audit_finds_is_told_with_its_rule() {
    let world = World::start();
    let gap = forged(&world, "gap", OFFENCES[1].1);
    let (report, said) = audit(&gap, &[]);
    assert!(said["findings"].as_array().unwrap().iter().any(|found| found["rule"] == "R60"), "{said}");
    let altered = forged(&world, "altered", |_| {});
    ForgedLog::begun().alter(&altered);
    let (other, _) = audit(&altered, &[]);
    let output = world.run(&["reconcile", "--audit", text(&report), "--audit", text(&other)]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("findings, the worst is critical"), "{said}");
    assert!(said.contains("critical R60 STREAM_GAP at entry") && said.contains("      fix: "), "{said}");
    let words = run(&["audit", "--log", text(&gap), "--log-vkey", &world.server.vkey]);
    let words = String::from_utf8_lossy(&words.stdout).into_owned();
    assert!(words.contains("stream-gap (R60) at entry"), "{words}");
}

#[test]
fn what_is_no_report_about_the_log_is_refused_by_name() {
    let world = World::start();
    let (report, said) = audit(&forged(&world, "log", |_| {}), &[]);
    let written = |edit: fn(&mut Value)| {
        let mut other = said.clone();
        edit(&mut other);
        let file = world.path("other.json");
        std::fs::write(&file, other.to_string()).unwrap();
        refused(&world, &["reconcile", "--audit", text(&report), "--audit", &file])
    };
    let elsewhere = written(|report| report["origin"] = "log.example.com/other".into());
    assert!(elsewhere.contains("other.json is about the log log.example.com/other"), "{elsewhere}");
    let empty = written(|report| *report = json!({}));
    assert!(empty.contains("other.json is not a report about a log"), "{empty}");
    let contradiction = written(|report| report["clean"] = false.into());
    assert!(contradiction.contains("contradicts"), "{contradiction}");
    let file = world.path("words.txt");
    std::fs::write(&file, "clean: no findings in log.example.com/test").unwrap();
    for command in [&["reconcile"][..], &["session", "sess-story"]] {
        let said = refused(&world, &[command, &["--audit", &file]].concat());
        assert!(said.contains("words.txt is not a report about a log"), "{said}");
    }
    refused(&world, &["reconcile", "--audit", &world.path("missing.json")]);
}

#[test]
fn a_session_in_a_log_with_a_gap_is_not_said_to_be_complete() {
    let world = World::start();
    world.record(&json!([turn(1, "tool-call"), turn(2, "tool-result"), seal(2)]));
    let (clean, _) = audit(&forged(&world, "clean", |_| {}), &[]);
    let (gap, _) = audit(&forged(&world, "gap", OFFENCES[1].1), &[]);
    let asked = |more: &[&str]| {
        let (code, said) = world.ask(&[&["session", "sess-story"], more].concat());
        (code, said["summary"]["complete"]["answer"].clone(), said["summary"]["log_findings"].clone())
    };
    // A report that is missing, or has no finding, changes nothing.
    for harmless in [&[][..], &["--audit", text(&clean)]] {
        assert_eq!(asked(harmless), (0, "yes".into(), json!([])));
    }
    let html = world.path("session.html");
    let (code, answer, findings) = asked(&["--audit", text(&clean), "--audit", text(&gap), "--html", &html]);
    assert_eq!((code, answer), (1, "no".into()));
    assert_eq!((&findings[0]["code"], &findings[0]["severity"]), (&"R60".into(), &"critical".into()));
    let output = world.run(&["session", "sess-story", "--audit", text(&gap)]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let page = std::fs::read_to_string(&html).unwrap();
    for (shown, after) in [(text, "Who authorised it?"), (page, "id=\"h-t\"")] {
        let (found, asked) = (shown.find("R60"), shown.find(after));
        assert!(found.unwrap() < asked.unwrap(), "{shown}");
        assert!(
            shown.contains("STREAM_GAP") || shown.contains("STREAM_GAP".to_lowercase().as_str()),
            "{shown}"
        );
    }
}

#[test]
fn a_response_that_no_record_has_is_reported_by_its_id() {
    let world = World::start();
    let exchange = exchange("tool-call");
    world.record(&record_of("r-1", &exchange));
    let known = exchange["response_body"]["id"].as_str().unwrap();
    let list = |name: &str, text: String| {
        let file = world.path(name);
        std::fs::write(&file, text).unwrap();
        format!("openai={file}")
    };
    let all = list("all.txt", format!("{known}\r\n\n"));
    assert_eq!(reconciled(&world, &["--usage", &all]), (0, Codes::new()));
    let more = list("more.txt", format!("{known}\nchatcmpl-past-the-gateway\nchatcmpl-another\n"));
    let (code, said) = world.ask(&["reconcile", "--usage", &more]);
    assert_eq!((code, said["findings"].as_array().unwrap().len()), (1, 2), "{said}");
    assert_eq!(said["findings"][0]["code"], "R77");
    assert!(said["findings"].to_string().contains("chatcmpl-past-the-gateway"), "{said}");
    assert!(!said["findings"].to_string().contains(known), "{said}");
    assert_eq!(said["usage"], json!([{ "provider": "openai", "responses": 3, "missing": 2 }]));
    // A list that shows nothing must not pass for one that was compared.
    let empty = list("empty.txt", "\n".to_owned());
    assert!(refused(&world, &["reconcile", "--usage", &empty]).contains("no response id"));
    let table = list("table.csv", format!("id,model\n{known},gpt\n"));
    assert!(refused(&world, &["reconcile", "--usage", &table]).contains("line 1 is not a response id"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_is_gone_without_an_erasure_is_named() {
    let world = World::start();
    world.record(&json!([owed("r-owed", "P100Y"), owed("r-over", "P0D"), owed("r-erased", "P0D")]));
    let (_, erased) = world.ask(&["erase", "--record", "r-erased", "--basis", "GDPR Art. 17(1)(a)"]);
    assert_eq!(erased["erased"], json!(["r-erased"]), "{erased}");
    assert_eq!(reconciled(&world, &[]), (0, Codes::new()), "what was erased lawfully is not missing");

    // Its time is over: it may be gone.
    damage(&world, "DELETE FROM sealed WHERE record = (SELECT n FROM record WHERE id = 'r-over')").await;
    let (code, said) = world.ask(&["reconcile"]);
    assert_eq!((code, &said["vault"]["unreadable_not_owed"]), (0, &1.into()), "{said}");
    // A piece of its content is lost.
    damage(&world, "DELETE FROM content_piece WHERE n = (SELECT max(p.n) FROM content_piece p JOIN record r ON r.n = p.record WHERE r.id = 'r-owed')").await;
    let (code, said) = world.ask(&["reconcile"]);
    assert_eq!((code, said["findings"].as_array().unwrap().len()), (1, 1), "{said}");
    let found = &said["findings"][0];
    assert_eq!((&found["code"], &found["record"]), (&"R50".into(), &"r-owed".into()), "{said}");
    assert!(found["message"].as_str().unwrap().contains("it must be kept until 21"), "{said}");
    // Other commands refuse such a vault, and none calls the record erased.
    let said = refused(&world, &["find"]);
    assert!(said.contains("the vault is damaged") && !said.contains("erased"), "{said}");
    // Damage that is no lost record is no clean comparison.
    damage(&world, "DELETE FROM statement WHERE record = (SELECT n FROM record WHERE id = 'r-erased')").await;
    assert!(refused(&world, &["reconcile"]).contains("the statement of record r-erased"));
}

#[test]
fn a_canary_that_is_not_in_the_log_is_found_under_its_rule() {
    let world = World::start();
    let (file, unchecked, spool) = (world.path("canaries"), world.path("unchecked"), world.path("spool"));
    world.ask(&["canary", "plant", "--file", &file, "--state", &spool]);
    std::fs::copy(&file, &unchecked).unwrap();
    let report = world.path("canary.json");
    let check = |args: &[&str]| {
        let output = world.run(&[&["canary", "check", "--json"], args].concat());
        std::fs::write(&report, &output.stdout).unwrap();
        let codes = reconciled(&world, &["--audit", &report]);
        assert_eq!(output.status.code(), Some(codes.0), "{}", String::from_utf8_lossy(&output.stdout));
        codes
    };
    assert_eq!(check(&["--file", &file]), (0, Codes::new()));
    let other = Server::start(&world.folder.path().join("other"), 0, &[]);
    std::thread::sleep(std::time::Duration::from_millis(2_100));
    let elsewhere = ["--log", &other.url, "--max-age", "1s"];
    let (missing, contradiction) = (["--file", &unchecked], ["--file", &file]);
    assert_eq!(check(&[&elsewhere[..], &missing].concat()), (1, Codes::from(["R79".to_owned()])));
    assert_eq!(check(&[&elsewhere[..], &contradiction].concat()), (1, Codes::from(["R74".to_owned()])));
    assert_eq!(check(&["--log", &other.url, "--file", &unchecked]), (0, Codes::new()), "it may still come");
}
