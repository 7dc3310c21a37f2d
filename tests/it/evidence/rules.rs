//! Goal: every rule fires through a command of the program, and not on the harmless neighbour of what it fires on.
//! Method: each case has two sides that differ in one thing; a command judges both, and its report is read.

use std::collections::BTreeSet;

use serde_json::Value;
use vouchlog_grading::rules;

use super::world::World;

mod claims;
mod logs;
mod records;
mod sets;
mod vaults;

pub(super) use logs::{OFFENCES, audit, forged, text};
pub(super) use vaults::{damage, reconciled};

/// The codes of the rules that a command reported.
pub(super) type Codes = BTreeSet<String>;

/// What a command reported of the two sides of a case.
struct Proof {
    rule: &'static str,
    /// Of what the rule is for.
    fires: Codes,
    /// Of its harmless neighbour.
    spares: Codes,
}

/// The codes of findings in a report.
fn codes(findings: &Value) -> Codes {
    let codes = findings.as_array().into_iter().flatten();
    codes.map(|finding| finding["code"].as_str().expect("a finding has a code").to_owned()).collect()
}

/// The code of a rule that exists.
fn rule(code: &str) -> &'static str {
    vouchlog_grading::rule(code).unwrap_or_else(|| panic!("there is no rule {code}")).code
}

#[test]
fn every_rule_fires_through_a_command_and_spares_its_neighbour() {
    let world = World::start();
    let mut proofs = records::proofs(&world);
    proofs.extend(sets::proofs(&world));
    proofs.extend(logs::proofs(&world));
    proofs.extend(vaults::proofs(&world));
    proofs.push(claims::proof(&world));
    let mut wrong = Vec::new();
    for Proof { rule, fires, spares } in &proofs {
        if !fires.contains(*rule) {
            wrong.push(format!("{rule} does not fire: {fires:?}"));
        }
        if spares.contains(*rule) {
            wrong.push(format!("{rule} fires on its neighbour: {spares:?}"));
        }
    }
    let unproven = rules().iter().filter(|rule| proofs.iter().all(|proof| proof.rule != rule.code));
    wrong.extend(unproven.map(|rule| {
        format!(
            "{rule} has no case. A rule about one record: add a line with `fires` and `spares` to tests/vectors/rules/records.json. \
             About a session: add a row to CASES of tests/it/evidence/rules/sets.rs. About the log: add one to OFFENCES of logs.rs. \
             About a vault, a provider or a canary: add a proof to vaults.rs. No command can fire it: give one what it needs."
        )
    }));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
