//! The operator's key changes hands: by its own signature, and by the recovery key when it is lost. Enrolments, presentations, completeness
//! files, audits and fsck follow.

use std::path::Path;

use serde_json::Value;
use vouchlog_sequencer::testing::ORIGIN;

use super::world::{World, exchange, record_of};
use crate::process::{Server, fail, run, succeed};

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| panic!("{text}"))
}

impl World {
    fn keygen(&self, kind: &str, name: &str, file: &str) -> String {
        succeed(&["keygen", "--kind", kind, "--name", name, "--out", &self.path(file)]).trim().to_owned()
    }

    fn rotate_operator(&self, more: &[&str]) -> Vec<String> {
        let fixed = ["rotate-operator", "--json", "--log", &self.server.url, "--origin", ORIGIN];
        fixed.iter().chain(more).map(ToString::to_string).collect()
    }

    fn change(&self, more: &[&str]) -> Value {
        let command = self.rotate_operator(more);
        json(&succeed(&command.iter().map(String::as_str).collect::<Vec<_>>()))
    }

    fn restart(&mut self, operator: &[&str]) {
        let data = Path::new(&self.path("log")).to_owned();
        let port = self.server.url.rsplit(':').next().unwrap().parse().unwrap();
        let old =
            std::mem::replace(&mut self.server, Server::start(&self.folder.path().join("idle"), 0, &[]));
        assert_eq!(old.terminate(), 0);
        let idle = std::mem::replace(&mut self.server, Server::start(&data, port, operator));
        drop(idle);
    }

    /// Enrols a gateway's key with this key of the operator.
    fn enrol_with(&self, operator: &str, vkey: &str) -> std::process::Output {
        run(&["enrol", "--log", &self.server.url, "--operator-key", operator, "--origin", ORIGIN, vkey])
    }

    /// Records with another gateway's key, and presents a field of the record.
    fn presented_by(&self, key: &str, state: &str, id: &str) -> String {
        let (key, state) = (self.path(key), self.path(state));
        let (file, out) = (self.path(&format!("{id}.records.json")), self.path(&format!("{id}.json")));
        let mut record = record_of(id, &exchange("tool-call"));
        record["correlation"]["idempotency_key"] = id.into();
        std::fs::write(&file, record.to_string()).unwrap();
        let gateway = ["--gateway-key", key.as_str(), "--state", state.as_str()];
        assert_eq!(self.ask(&[&["record"], &gateway[..], &[&file]].concat()).0, 0);
        let what = ["--record", id, "--fields", "/initiator/sub", "--basis", "case 17", "--out", &out];
        assert_eq!(self.ask(&[&["disclose"], &gateway[..], &what].concat()).0, 0);
        out
    }
}

#[test]
fn the_operators_key_is_rotated_and_recovered_and_everybody_follows() {
    let mut world = World::start();
    let first = world.path("log/operator.key");
    let [second, third, recovery] = [
        ("second.key", "operator.example.com"),
        ("third.key", "operator.example.com"),
        ("recovery.key", "recovery"),
    ]
    .map(|(file, name)| (world.path(file), world.keygen("operator", name, file)));
    let gateways = [1, 2].map(|number| {
        let file = format!("later-{number}.key");
        (world.keygen("gateway", &format!("later-{number}.example.com"), &file), file)
    });

    let said = world.change(&["--operator-key", &first, "--new-key", &second.0, "--words", "yearly"]);
    let index = said["index"].as_u64().unwrap();
    assert_eq!(
        (&said["operator_vkey"], &said["cause"]),
        (&second.1.as_str().into(), &"rotation".into()),
        "{said}"
    );
    let refused = world.enrol_with(&first, &gateways[0].0);
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && words.contains(&format!("was replaced by entry {index}")),
        "{words}"
    );
    // The log restarts with the retired key in its place, and with the vkey of either key; not with another's.
    world.restart(&[]);
    assert!(!world.enrol_with(&first, &gateways[0].0).status.success());
    let stranger = world.keygen("operator", "operator.example.com", "stranger.key");
    let data = world.path("log");
    std::fs::remove_file(&first).unwrap();
    world.restart(&["--operator-vkey", &second.1]);
    assert!(world.enrol_with(&second.0, &gateways[0].0).status.success());
    let presented = world.presented_by(&gateways[0].1, "first.state", "o-1");
    let verify = ["verify", presented.as_str(), "--log-vkey", &world.server.vkey];
    succeed(&verify);
    // Without the change, the enrolment is that of no operator.
    let mut cut: Value = json(&std::fs::read_to_string(&presented).unwrap());
    let genesis = cut["genesis"].as_str().unwrap();
    let behind = genesis[1..].find("c2sp.org/tlog-proof@v1").expect("the change is behind genesis") + 1;
    cut["genesis"] = genesis[..behind].into();
    let cut_file = world.path("cut.json");
    std::fs::write(&cut_file, cut.to_string()).unwrap();
    assert_eq!(run(&["verify", &cut_file, "--log-vkey", &world.server.vkey]).status.code(), Some(1));

    // Lost: the recovery key was named before.
    let lost =
        ["--recovery-key", &recovery.0, "--replaces", &second.1, "--cause", "lost", "--new-key", &third.0];
    let command = world.rotate_operator(&lost);
    let (_, error) = fail(&command.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(error.contains("no recovery key") || error.contains("signature"), "{error}");
    world.change(&["--operator-key", &second.0, "--name-recovery", &recovery.0]);
    let said = world.change(&lost);
    assert_eq!(
        (&said["operator_vkey"], &said["cause"]),
        (&third.1.as_str().into(), &"lost".into()),
        "{said}"
    );
    assert!(!world.enrol_with(&second.0, &gateways[1].0).status.success());
    assert!(world.enrol_with(&third.0, &gateways[1].0).status.success());
    let presented = world.presented_by(&gateways[1].1, "second.state", "o-2");
    let log = ["--log", &world.server.url, "--log-vkey", &world.server.vkey];
    succeed(&["verify", &presented, "--log-vkey", &world.server.vkey]);
    let complete = world.path("complete.json");
    succeed(&[&["prove-complete", "--all", "--out", &complete], &log[..]].concat());
    succeed(&["verify", &complete, "--log-vkey", &world.server.vkey]);
    let report = json(&succeed(&[&["audit", "--json"], &log[..]].concat()));
    let operators = report["operators"].as_array().unwrap_or_else(|| panic!("{report}"));
    let shown: Vec<_> = operators.iter().map(|one| (&one["vkey"], &one["cause"])).collect();
    assert_eq!(
        shown[1..],
        [(&second.1.as_str().into(), &"rotation".into()), (&third.1.as_str().into(), &"lost".into())]
    );
    let vkey = world.server.vkey.clone();
    let old = std::mem::replace(&mut world.server, Server::start(&world.folder.path().join("idle"), 0, &[]));
    assert_eq!(old.terminate(), 0);
    // What the log's history does not have is refused in words.
    let (code, error) =
        fail(&["serve", "--listen", "127.0.0.1:0", "--data", &data, "--operator-vkey", &stranger]);
    assert!(code == 2 && error.contains("was never the operator's") && error.contains(&third.1), "{error}");
    succeed(&["fsck", "--log-vkey", &vkey, "--data", &data]);
}
