//! A gateway's name belongs to its key, from the enrolment to what a stranger verifies.

use serde_json::Value;

use super::world::{World, exchange, record_of};
use crate::process::{fail, run, succeed};

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| panic!("{text}"))
}

impl World {
    /// Makes another key of the gateway's name; its vkey.
    fn another_key(&self, file: &str) -> String {
        let path = self.path(file);
        let said = succeed(&["keygen", "--kind", "gateway", "--name", "gateway.example.com", "--out", &path]);
        said.trim().to_owned()
    }

    fn operator(&self) -> [String; 6] {
        let origin = vouchlog_sequencer::testing::ORIGIN;
        ["--log", &self.server.url, "--operator-key", &self.path("log/operator.key"), "--origin", origin]
            .map(str::to_owned)
    }

    fn enrol(&self, more: &[&str]) -> Value {
        let operator = self.operator();
        let fixed = ["enrol", "--json"].into_iter().chain(operator.iter().map(String::as_str));
        json(&succeed(&fixed.chain(more.iter().copied()).collect::<Vec<_>>()))
    }

    /// Records with this key and spool, and discloses a field of the record into a file.
    fn recorded(&self, id: &str, key: &str, state: &str) -> String {
        let file = self.path(&format!("{id}.records.json"));
        let mut record = record_of(id, &exchange("tool-call"));
        record["correlation"]["idempotency_key"] = id.into();
        std::fs::write(&file, record.to_string()).unwrap();
        let (key, state) = (self.path(key), self.path(state));
        let (code, said) = self.ask(&["record", "--gateway-key", &key, "--state", &state, &file]);
        assert_eq!(code, 0, "{said}");
        self.presented(id, &key, &state)
    }

    fn presented(&self, id: &str, key: &str, state: &str) -> String {
        let out = self.path(&format!("{id}.json"));
        let gateway = ["disclose", "--gateway-key", key, "--state", state];
        let what = ["--record", id, "--fields", "/initiator/sub", "--basis", "case 17", "--out", &out];
        let (code, said) = self.ask(&[&gateway[..], &what].concat());
        assert_eq!(code, 0, "{said}");
        out
    }

    fn verify(&self, file: &str, more: &[&str]) -> (i32, String) {
        let fixed = ["verify", file, "--log-vkey", &self.server.vkey];
        let output = run(&[&fixed[..], more].concat());
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code().unwrap(), said)
    }
}

#[test]
fn a_second_key_speaks_for_a_gateway_only_with_its_word_or_a_reason() {
    let world = World::start();
    let (first, stranger) =
        (world.recorded("n-1", "gateway.key", "vault/custodian"), world.another_key("stranger.key"));
    let vkey = json(&world.verify(&first, &["--json"]).1)["gateway"].as_str().unwrap().to_owned();
    let id = vkey.split('+').nth(1).unwrap();

    let (code, said) = world.verify(&first, &[]);
    assert_eq!(code, 0, "{said}");
    for words in [
        id,
        "by the word of the log's operator",
        "no witness was checked",
        "not known to be revoked as of the checkpoint of",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let (code, said) = world.verify(&first, &["--gateway-vkey", &vkey]);
    assert!(code == 0 && said.contains("pinned by --gateway-vkey"), "{said}");
    let (code, said) = world.verify(&first, &["--gateway-vkey", &stranger]);
    assert!(code == 1 && said.contains("none of the pinned keys"), "{said}");

    // The name is taken.
    let operator = world.operator();
    let enrol: Vec<&str> = ["enrol"].into_iter().chain(operator.iter().map(String::as_str)).collect();
    let (code, error) = fail(&[&enrol[..], &[&stranger]].concat());
    assert!(code == 2 && error.contains(id) && error.contains("vouchlog rotate"), "{error}");

    // Its key hands it over.
    let second = world.another_key("second.key");
    let (keys, note) = ([world.path("gateway.key"), world.path("second.key")], world.path("rotation.note"));
    let rotate = ["rotate", "--json", "--log-vkey", &world.server.vkey, "--gateway-key", &keys[0]];
    let said = json(&succeed(&[&rotate[..], &["--new-key", &keys[1], "--out", &note]].concat()));
    assert_eq!(
        (&said["gateway"], &said["replaces"]),
        (&second.as_str().into(), &vkey.as_str().into()),
        "{said}"
    );
    let said = world.enrol(&["--rotation", &note]);
    assert_eq!((said["reason"].as_str(), said["replaces"].as_str()), (Some("rotation"), Some(vkey.as_str())));
    // Its spool and its stream go on, and a new stream is the new key's.
    let continued = world.recorded("n-1b", "second.key", "vault/custodian");
    let (code, said) = world.verify(&continued, &["--gateway-vkey", &vkey]);
    assert!(code == 0 && said.contains("pinned by --gateway-vkey"), "{said}");
    let handed_over = world.recorded("n-2", "second.key", "second.state");
    let (code, said) = world.verify(&handed_over, &["--gateway-vkey", &vkey]);
    assert!(code == 0 && said.contains("handed over by the pinned key"), "{said}");

    // The operator replaces it: nothing that pins the earlier keys takes the new one for the gateway's.
    let replace =
        ["--replaces", &second, "--reason", "compromised", "--words", "found in a backup", &stranger];
    let said = world.enrol(&replace);
    assert_eq!(said["reason"], "compromised found in a backup", "{said}");
    let replaced = world.recorded("n-3", "stranger.key", "third.state");
    assert_eq!(world.verify(&replaced, &[]).0, 0);
    for pin in [&vkey, &second] {
        let (code, said) = world.verify(&replaced, &["--gateway-vkey", pin]);
        assert!(code == 1 && said.contains("none of the pinned keys"), "{said}");
    }
    // What the replaced key stated before stays its word, and says so.
    let before = world.presented("n-2", &world.path("stranger.key"), &world.path("third.state"));
    let (code, said) = world.verify(&before, &["--gateway-vkey", &second]);
    assert!(
        code == 0 && said.contains("was revoked at index") && said.contains("found in a backup"),
        "{said}"
    );

    let audit = run(&["audit", "--log", &world.server.url, "--log-vkey", &world.server.vkey]);
    let said = String::from_utf8_lossy(&audit.stdout);
    assert!(audit.status.success() && said.contains(id), "{said}");
}
