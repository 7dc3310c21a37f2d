//! What custody promises: reading is on record, erasing is lawful and final, and a crash loses nothing.

use std::path::Path;

use serde_json::{Value, json};

use super::world::{World, exchange, record_of};
use crate::process::succeed;

/// Whether a byte string stands in any file below a folder.
fn stands_in(folder: &Path, bytes: &[u8]) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return stands_in(&path, bytes);
        }
        std::fs::read(&path).unwrap().windows(bytes.len()).any(|window| window == bytes)
    })
}

#[test]
fn equal_records_have_unequal_digests_and_the_vault_holds_none_of_their_words() {
    let world = World::start();
    let mut twins =
        [record_of("twin-1", &exchange("tool-call")), record_of("twin-2", &exchange("tool-call"))];
    twins[1]["correlation"]["idempotency_key"] = "idem-2".into();
    let recorded = world.record(&json!(twins));
    assert_ne!(recorded[0]["digest"], recorded[1]["digest"]);
    for words in ["San Francisco", "u-20931", "sess-01J9", "issue_refund", "u-11007"] {
        assert!(!stands_in(Path::new(&world.path("vault")), words.as_bytes()), "{words}");
    }
}

#[test]
fn what_is_shown_is_all_that_is_shown() {
    let world = World::start();
    world.record(&record_of("r-1", &exchange("tool-call")));
    let file = world.path("shown.json");
    world.ask(&[
        "disclose",
        "--record",
        "r-1",
        "--fields",
        "outcome.state",
        "--basis",
        "case 17",
        "--out",
        &file,
    ]);
    let shown = std::fs::read_to_string(&file).unwrap();
    let sd_jwt = serde_json::from_str::<Value>(&shown).unwrap()["sd_jwt"].as_str().unwrap().to_owned();
    let mut texts = vec![shown];
    for part in sd_jwt.split(['.', '~']) {
        use base64::Engine;
        let decoded = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap();
        texts.push(String::from_utf8_lossy(&decoded).into_owned());
    }
    assert!(texts.iter().any(|text| text.contains("executed")));
    for hidden in ["San Francisco", "u-20931", "refunds", "gpt-3.5", "sess-01J9", "confirmed", "idp.example"]
    {
        assert!(texts.iter().all(|text| !text.contains(hidden)), "{hidden}");
    }
    // Somebody who changes a byte of it is found out.
    let mut forged: Value = serde_json::from_str(&texts[0]).unwrap();
    forged["sd_jwt"] = sd_jwt.replacen("~", "~WyJzYWx0IiwgIngiLCAxXQ~", 1).into();
    std::fs::write(&file, forged.to_string()).unwrap();
    let output = world.run(&["verify", "--presentation", &file]);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));
}

/// A presentation that was made without the log cannot state whether the gateway's key was revoked, and must not read as if it did.
#[test]
fn an_offline_presentation_reports_that_it_has_no_revocation_status() {
    let world = World::start();
    world.record(&record_of("r-1", &exchange("tool-call")));
    let missing = "REVOCATION STATUS NOT INCLUDED";
    let disclose = |more: &[&str]| {
        let file = world.path("shown.json");
        let args =
            ["disclose", "--record", "r-1", "--fields", "outcome", "--basis", "case 17", "--out", &file];
        let (_, made) = world.ask(&[&args[..], more].concat());
        let verify = ["verify", "--presentation", &file, "--log-vkey", &world.server.vkey];
        let words = succeed(&verify);
        let told: Value = serde_json::from_str(&succeed(&[&verify[..], &["--json"]].concat())).unwrap();
        assert_eq!(made["gateway_revoked"], told["gateway_revoked"]);
        (words, told["gateway_revoked"]["state"].as_str().unwrap().to_owned())
    };
    // The first asks the log, and keeps what it answers.
    let (words, state) = disclose(&[]);
    assert!(!words.contains(missing) && state == "not-known-revoked", "{words}");
    let (words, state) = disclose(&["--offline"]);
    assert!(words.contains(missing) && state == "unknown", "{words}");
}

#[test]
fn whoever_reads_content_is_on_record_and_roles_bind() {
    let world = World::start();
    world.record(&record_of("r-1", &exchange("tool-call")));
    let token = |name: &str, roles: &str| {
        let output = world.run(&["vault", "grant", name, "--roles", roles, "--all-tenants"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let file = world.path(&format!("{name}.token"));
        std::fs::write(&file, output.stdout).unwrap();
        file
    };
    let admin = token("ann", "admin,submit,read-metadata,disclose");
    let disclose = |token: &str, field: &str| {
        let out = world.path("out.json");
        let args = [
            "disclose",
            "--record",
            "r-1",
            "--fields",
            field,
            "--basis",
            "case 17",
            "--out",
            &out,
            "--vault-token",
            token,
        ];
        world.run(&args)
    };
    // Without a token nobody gets in any more.
    let refused = world.run(&["find"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("token"));
    // What is not given away is not on record as given away.
    assert_eq!(disclose(&admin, "no.such.field").status.code(), Some(2));
    std::fs::create_dir(world.path("out.json")).unwrap();
    assert_eq!(disclose(&admin, "input.content").status.code(), Some(2), "its file cannot be written");
    std::fs::remove_dir(world.path("out.json")).unwrap();
    let (_, found) = world.ask(&["find", "--kind", "disclosure", "--vault-token", &admin]);
    assert_eq!(found["records"], json!([]));

    assert!(disclose(&admin, "input.content").status.success());
    let (_, found) = world.ask(&["find", "--kind", "disclosure", "--vault-token", &admin]);
    let id = found["records"][0]["id"].as_str().unwrap();
    assert!(found["records"][0]["index"].as_u64().is_some(), "it is in the log: {found}");
    let (_, refers) = world.ask(&["find", "--by", "refers=r-1", "--vault-token", &admin]);
    assert_eq!(refers["records"][0]["id"], id);

    let grant = ["vault", "--vault-token", &admin, "grant", "bob", "--roles", "read-metadata,submit"];
    let bob = world.run(&grant);
    let file = world.path("bob.token");
    std::fs::write(&file, bob.stdout).unwrap();
    let refused = disclose(&file, "outcome");
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("`bob` may not do this: it requires the role `disclose`"), "{said}");
}

fn assert_every_form_is_found(world: &World) {
    // Other forms of the same name. Without a terminal nobody can be asked.
    for same in ["u-20931", "https://idp.example/|u-20931", "https://idp.example|u-20931"] {
        let (code, said) = world.ask(&["erase", "--subject", same, "--dry-run"]);
        assert_eq!((code, &said["would_erase"]), (1, &json!(["r-1"])), "{said}");
        assert_eq!(said["found"], json!([{ "subject": "https://idp.example|u-20931", "records": 2 }]));
        let (_, held) = world.ask(&["find", "--by", &format!("initiator={same}")]);
        assert_eq!(held["records"].as_array().unwrap().len(), 2, "{held}");
        let unasked = world.run(&["erase", "--subject", same, "--basis", "GDPR Art. 17(1)(a)"]);
        assert_eq!(unasked.status.code(), Some(2));
        let said = String::from_utf8_lossy(&unasked.stderr).into_owned();
        assert!(
            said.contains("not confirmed") && said.contains("https://idp.example|u-20931: 2 records"),
            "{said}"
        );
    }
}

/// That a hold of one record, placed and lifted, is on record twice, and nothing else is.
fn assert_holds_are_logged(world: &World) {
    // Both are in the log: who, why, and what it covered. What failed is not.
    let (_, holds) = world.ask(&["find", "--kind", "hold"]);
    let holds = holds["records"].as_array().unwrap();
    assert!(holds.len() == 2 && holds.iter().all(|hold| hold["index"].as_u64().is_some()), "{holds:?}");
    let said = [0, 1].map(|n| {
        let said = world.disclosed(holds[n]["id"].as_str().unwrap(), "hold");
        said["disclosed"]["hold"].clone()
    });
    let expected = [("placed", "a claim"), ("lifted", "withdrawn")].map(|(action, reason)| {
        json!({ "action": action, "name": "case 17", "by": "owner", "reason": reason, "records": 1, "covers_later": false })
    });
    assert_eq!(said, expected);
}

/// That both forms of the letter say what became of the two records.
fn assert_letters(letters: &[String], said: &Value) {
    for letter in letters {
        let letter = std::fs::read_to_string(letter).unwrap();
        let index = said["entries"][0]["index"].as_u64().unwrap();
        for part in [
            "https://idp.example|u-20931",
            "2 records of your interactions",
            "1 record was erased",
            &format!("entry {index}"),
            "r-2: the law requires that it is kept until",
            "read, or given to others: 20",
        ] {
            assert!(letter.contains(part), "{part}: {letter}");
        }
    }
}

#[test]
fn erasure_is_lawful_final_and_no_hole() {
    let world = World::start();
    let mut record = record_of("r-1", &exchange("tool-call"));
    // Over as soon as it is kept.
    record["custody"]["retention"] = "P0D".into();
    let mut other = record_of("r-2", &exchange("tool-result"));
    other["correlation"]["idempotency_key"] = "idem-2".into();
    other["custody"]["retention"] = "P100Y".into();
    world.record(&json!([record, other]));
    // A presentation that was given away before still holds afterwards.
    let file = world.path("before.json");
    world.ask(&["disclose", "--record", "r-1", "--fields", "outcome", "--basis", "case 17", "--out", &file]);

    // Somebody else: that nothing was found is no success.
    for other in ["u-2093", "https://other.example|u-20931", "https://idp.example|U-20931"] {
        let (code, said) =
            world.ask(&["erase", "--subject", other, "--basis", "GDPR Art. 17(1)(a)", "--yes"]);
        assert_eq!((code, &said["erased"]), (1, &json!([])), "{said}");
    }
    assert_every_form_is_found(&world);
    let typo = world.run(&["hold", "--name", "case 17", "--reason", "a claim", "--by", "session=sess-01J"]);
    assert_eq!(typo.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&typo.stderr).contains("no record matches, so nothing would be held"));
    assert_eq!(world.ask(&["hold"]).1["holds"], json!([]));

    let unexplained = world.run(&["hold", "--name", "case 17", "--record", "r-1"]);
    assert!(String::from_utf8_lossy(&unexplained.stderr).contains("--reason"));
    world.ask(&["hold", "--name", "case 17", "--reason", "a claim", "--record", "r-1"]);
    let erase = ["erase", "--subject", "u-20931", "--basis", "GDPR Art. 17(1)(a)", "--yes"];
    let (code, said) = world.ask(&erase);
    assert_eq!((code, said["erased"].as_array().unwrap().len()), (1, 0), "{said}");
    let refused = said["refused"].to_string();
    assert!(
        refused.contains("legal hold `case 17`") && refused.contains("record r-2 must be kept"),
        "{said}"
    );
    assert!(said["entries"][0]["index"].as_u64().is_some(), "the refusal is in the log: {said}");

    world.ask(&["hold", "--name", "case 17", "--reason", "withdrawn", "--release"]);
    assert_holds_are_logged(&world);
    let (code, said) = world.ask(&["erase", "--subject", "https://idp.example|u-20931", "--dry-run"]);
    assert_eq!((code, &said["would_erase"]), (1, &json!(["r-1"])), "{said}");
    let letters = [world.path("letter.html"), world.path("letter.txt")];
    let with_letters = [&erase[..], &["--letter", &letters[0], "--letter", &letters[1]]].concat();
    let (code, said) = world.ask(&with_letters);
    assert_eq!((code, &said["erased"]), (1, &json!(["r-1"])), "{said}");
    assert_letters(&letters, &said);
    let entry = said["entries"][0]["index"].as_u64().unwrap();

    // Two entries speak of erasures, and by one of them something was erased.
    let (_, entries) = world.ask(&["find", "--kind", "erasure"]);
    assert_eq!(entries["records"].as_array().unwrap().len(), 2, "{entries}");
    let duties = world.run(&["duties"]);
    let said = String::from_utf8_lossy(&duties.stdout).into_owned();
    assert!(
        said.contains("entries on lawful erasures: 1"),
        "{said}{}",
        String::from_utf8_lossy(&duties.stderr)
    );

    let (_, found) = world.ask(&["find", "--by", "session=sess-01J9"]);
    assert_eq!(found["records"][0]["erased"]["entry"].as_u64(), Some(entry), "{found}");
    assert_eq!(found["records"][1]["erased"], Value::Null);
    let gone = world.run(&[
        "disclose",
        "--record",
        "r-1",
        "--fields",
        "outcome",
        "--basis",
        "x",
        "--out",
        &world.path("x"),
    ]);
    assert_eq!(gone.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&gone.stderr).contains("was erased"));
    let output = world.run(&["verify", "--presentation", &file]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    // What the log and the vault say of the erasure names nobody.
    let said = world.disclosed(found["records"][0]["erased"]["record"].as_str().unwrap(), "erasure");
    assert_eq!(said["disclosed"]["erasure"]["basis"], "GDPR Art. 17(1)(a)");
    assert!(!said.to_string().contains("u-20931"), "{said}");
}

/// Each text in a value, replaced by another one.
fn replaced(value: &Value, by: &str) -> Vec<Value> {
    let below =
        |value: &Value, put: &dyn Fn(Value) -> Value| replaced(value, by).into_iter().map(put).collect();
    match value {
        Value::String(_) => vec![by.into()],
        Value::Object(members) => members
            .iter()
            .flat_map(|(name, member)| -> Vec<Value> {
                below(member, &|changed| {
                    let mut whole = value.clone();
                    whole[name] = changed;
                    whole
                })
            })
            .collect(),
        Value::Array(list) => (0..list.len())
            .flat_map(|at| -> Vec<Value> {
                below(&list[at], &|changed| {
                    let mut whole = value.clone();
                    whole[at] = changed;
                    whole
                })
            })
            .collect(),
        _ => Vec::new(),
    }
}

#[test]
fn a_foreign_file_does_not_steer_the_terminal() {
    let world = World::start();
    world.record(&record_of("r-1", &exchange("tool-call")));
    let file = world.path("shown.json");
    world.ask(&["disclose", "--record", "r-1", "--fields", "outcome", "--basis", "case 17", "--out", &file]);
    let honest: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let hostile = replaced(&honest, "\u{1b}[2J\u{1b}[H\u{9b}2J\u{202e}\rverified\n\u{2014} \u{1b}]0;x\u{7}");
    assert!(hostile.len() > 4, "{honest}");
    for changed in hostile {
        std::fs::write(&file, changed.to_string()).unwrap();
        for json in [&[][..], &["--json"]] {
            let output = world.run(&[&["verify", "--presentation", &file][..], json].concat());
            assert_ne!(output.status.code(), Some(0), "{changed}");
            let said = [output.stdout, output.stderr].map(|said| String::from_utf8(said).unwrap()).concat();
            let steers = |c: char| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c);
            assert!(!said.contains(steers), "{said:?}");
            assert!(!said.lines().any(|line| line.starts_with("verified")), "{said}");
        }
    }
}

#[test]
fn what_was_recorded_while_the_log_was_away_gets_there_once() {
    let world = World::start();
    let data = world.path("log");
    let port = world.server.url.rsplit_once(':').unwrap().1.parse().unwrap();
    let World { folder, server } = world;
    server.terminate();
    let world = World { folder, server: crate::process::Server::start(Path::new(&data), port, &[]) };
    crate::process::signal(world.server.pid(), "STOP");
    let file = world.path("away.json");
    std::fs::write(&file, record_of("away-1", &exchange("tool-call")).to_string()).unwrap();
    let said = world.run(&["record", &file, "--wait", "2s"]);
    assert_eq!(said.status.code(), Some(2), "{}", String::from_utf8_lossy(&said.stdout));
    assert!(
        String::from_utf8_lossy(&said.stderr).contains("nothing is lost"),
        "{}",
        String::from_utf8_lossy(&said.stderr)
    );
    crate::process::signal(world.server.pid(), "CONT");
    for _ in 0..2 {
        let output = world.run(&["record", "--flush"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    // The same record again is the same record.
    world.record(&record_of("away-1", &exchange("tool-call")));
    let (_, found) = world.ask(&["find", "--by", "session=sess-01J9"]);
    assert_eq!(found["records"].as_array().unwrap().len(), 1);
    assert!(found["records"][0]["index"].as_u64().is_some(), "{found}");
    let (_, audit) = world.ask(&["audit"]);
    let stream = &audit["streams"]
        .as_array()
        .unwrap()
        .iter()
        .find(|stream| stream["gateway"] == "gateway.example.com")
        .unwrap();
    assert_eq!(stream["statements"], 7, "{audit}");
}
