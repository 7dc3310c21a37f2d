//! Goal: a program compiles only what it uses of Vouchlog.
//! Method: `cargo tree` lists what each feature pulls in. It reads manifests and compiles nothing.

use std::collections::BTreeSet;
use std::process::Command;

/// Never in a program that only runs a log, and in no feature but those that name it below.
const HEAVY: [&str; 8] =
    ["clap", "indicatif", "libsqlite3-sys", "maud", "mimalloc", "opentelemetry", "opentelemetry_sdk", "sqlx"];

/// The crates that the library with one feature is built from.
fn crates(feature: &str) -> BTreeSet<String> {
    let mut tree = Command::new(env!("CARGO"));
    tree.args(["tree", "--locked", "--offline", "--package", "vouchlog", "--no-default-features"]);
    tree.args(["--features", feature, "--edges", "normal", "--prefix", "none", "--format", "{p}"]);
    let listed = tree.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    let listed = String::from_utf8(listed.stdout).unwrap();
    listed.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

/// Checks that a feature pulls in these crates, and of the other expensive ones none but `heavy`.
#[track_caller]
fn assert_lean(feature: &str, needed: &[&str], heavy: &[&str], banned: &[&str]) {
    let crates = crates(feature);
    for name in needed.iter().chain(heavy) {
        assert!(crates.contains(*name), "the feature {feature} needs {name}: {crates:?}");
    }
    let others = HEAVY.iter().filter(|name| !heavy.contains(name));
    for name in others.chain(banned).chain(&["vouchlog-cli"]) {
        assert!(!crates.contains(*name), "the feature {feature} must not pull in {name}");
    }
}

#[test]
fn a_log_needs_neither_a_database_nor_a_command_line() {
    let banned = ["vouchlog-vault", "vouchlog-collector", "vouchlog-auditor", "vouchlog-witness"];
    assert_lean("log", &["vouchlog-sequencer", "vouchlog-server", "sled"], &[], &banned);
}

#[test]
fn gateways_and_auditors_need_no_store() {
    let banned = ["sled", "vouchlog-sequencer", "vouchlog-server", "vouchlog-vault"];
    assert_lean("gateway", &["vouchlog-client"], &[], &banned);
    assert_lean("auditor", &["vouchlog-auditor", "vouchlog-client"], &[], &banned);
}

#[test]
fn a_witness_needs_no_log() {
    let banned = ["vouchlog-sequencer", "vouchlog-client", "vouchlog-vault"];
    assert_lean("witness", &["vouchlog-witness", "vouchlog-server", "sled"], &[], &banned);
}

#[test]
fn a_vault_needs_a_database_and_no_log() {
    let banned = ["sled", "vouchlog-sequencer", "vouchlog-collector"];
    assert_lean("vault", &["vouchlog-vault"], &["sqlx", "libsqlite3-sys"], &banned);
}

#[test]
fn a_collector_needs_the_format_of_telemetry_and_no_log() {
    let heavy = ["sqlx", "libsqlite3-sys", "opentelemetry", "opentelemetry_sdk"];
    let banned = ["sled", "vouchlog-sequencer", "opentelemetry-otlp"];
    assert_lean("collector", &["vouchlog-collector", "vouchlog-vault"], &heavy, &banned);
}

/// With no feature at all what is left checks proofs offline.
#[test]
fn checking_a_proof_needs_no_network() {
    let crates = crates("");
    for name in HEAVY.iter().chain(&["axum", "tonic", "reqwest", "sled"]) {
        assert!(!crates.contains(*name), "checking a proof must not pull in {name}");
    }
}
