//! Rules about the log: `vouchlog audit` judges the files of a log, and `vouchlog reconcile` reads its report.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use vouchlog_merkle::{TreeHead, TreeSize, sha256};

use super::{Codes, Proof, reconciled, rule};
use crate::evidence::forged_log::ForgedLog;
use crate::evidence::world::World;
use crate::process::run;
use crate::witnesses::log_key;

type Deed = fn(&mut ForgedLog);

/// A rule, what breaks it, and what is like it and harmless.
pub(in crate::evidence) const OFFENCES: [(&str, Deed, Deed); 7] = [
    (
        "R57",
        |log| {
            log.now -= 600;
            log.statement(0);
        },
        |log| {
            log.now += 600;
            log.statement(0);
        },
    ),
    (
        "R60",
        |log| {
            log.state(0);
            log.statement(0);
        },
        |log| log.statement(0),
    ),
    (
        "R61",
        |log| {
            let head = TreeHead { size: log.size(0), root: sha256(b"another history") };
            log.sign_head(0, head);
        },
        |log| log.head(0),
    ),
    ("R62", |log| log.succeed(1), |log| log.succeed(0)),
    ("R63", |log| later(log, &[0]), |log| later(log, &[0, 1])),
    (
        "R64",
        |log| {
            let head = TreeHead { size: TreeSize::new(log.size(0).get() + 1), root: sha256(b"more") };
            log.sign_head(0, head);
        },
        |log| {
            log.statement(0);
            log.head(0);
        },
    ),
    (
        "R76",
        |log| log.open(77, 4, None),
        |log| {
            log.enrol(77);
            log.open(77, 4, None);
        },
    ),
];

/// Two streams for three minutes, of which only these show a sign of life.
fn later(log: &mut ForgedLog, alive: &[usize]) {
    log.open_another();
    for _ in 0..6 {
        log.now += 29_000;
        alive.iter().for_each(|stream| log.head(*stream));
    }
}

pub(in crate::evidence) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Audits the files in `dir` and writes the report beside them.
pub(in crate::evidence) fn audit(dir: &Path, more: &[&str]) -> (PathBuf, Value) {
    let vkey = log_key().verifying_key().to_string();
    let args = ["audit", "--json", "--entries", "ours", "--log-vkey", &vkey, "--log", text(dir)];
    let output = run(&[&args[..], more].concat());
    let report = dir.join("audit.json");
    std::fs::write(&report, &output.stdout).unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let said = serde_json::from_str(&said)
        .unwrap_or_else(|_| panic!("{said}{}", String::from_utf8_lossy(&output.stderr)));
    (report, said)
}

pub(in crate::evidence) fn forged(world: &World, name: &str, deed: Deed) -> PathBuf {
    let dir = PathBuf::from(world.path(name));
    let mut log = ForgedLog::begun();
    deed(&mut log);
    log.mirror(&dir);
    dir
}

/// The rules that an audit of these files finds broken, as the auditor names them and as a comparison reads its report.
fn found(world: &World, dir: &Path, more: &[&str]) -> Codes {
    let (report, said) = audit(dir, more);
    let (code, found) = reconciled(world, &["--audit", text(&report)]);
    let named: Codes = said["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["rule"].as_str().unwrap().to_owned())
        .collect();
    // A comparison also names streams that an earlier audit found incomplete.
    assert!(named.is_subset(&found), "{named:?}, {found:?}");
    assert_eq!((code == 0, &said["clean"]), (found.is_empty(), &json!(found.is_empty())), "{said}");
    found
}

/// What is served is not what was signed, and what was signed has no quorum.
fn of_checkpoints(world: &World) -> [Proof; 2] {
    let dir = forged(world, "checkpoint", |_| {});
    let spares = found(world, &dir, &[]);
    let policy = world.path("policy.txt");
    let witness = vouchlog_sequencer::testing::key(
        "witness.example.com",
        vouchlog_note::SignatureType::CosignatureEd25519,
        9,
    );
    std::fs::write(&policy, format!("witness w {}\nquorum w\n", witness.verifying_key())).unwrap();
    let no_quorum = found(world, &dir, &["--policy", &policy]);
    ForgedLog::begun().alter(&dir);
    let altered = found(world, &dir, &[]);
    [
        Proof { rule: rule("R74"), fires: altered, spares: spares.clone() },
        Proof { rule: rule("R75"), fires: no_quorum, spares },
    ]
}

pub(super) fn proofs(world: &World) -> Vec<Proof> {
    let side = |name: String, deed| found(world, &forged(world, &name, deed), &[]);
    let mut proofs: Vec<Proof> = OFFENCES
        .into_iter()
        .map(|(code, wrong, right)| {
            let (fires, spares) =
                (side(format!("{code}-wrong"), wrong), side(format!("{code}-right"), right));
            assert_eq!(spares, Codes::new(), "{code}");
            Proof { rule: rule(code), fires, spares }
        })
        .collect();
    proofs.extend(of_checkpoints(world));
    proofs
}
