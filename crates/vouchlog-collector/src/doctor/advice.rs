//! What to add to which gateway's configuration. Advice is data (`advice/*.json`): how a gateway is recognised, which lines mend
//! which rules, and what no line of it mends. Tests send a made-up call of each gateway through the collector, with and without what the
//! lines add, and see that the rules are mended; the pages in `docs/gateways` have the same lines.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use vouchlog_record::Record;

use super::missing::Missing;
use super::trial::{Changes, Example};
use crate::dialect::Dialect;

#[cfg(test)]
mod tests;

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("advice/", $name, ".json")))),*]
    };
}

/// One for each gateway. The first that recognises a record is the one: the particular stand before the general.
const FILES: [(&str, &str); 14] = files![
    "litellm_callback",
    "litellm",
    "litellm_v2",
    "agentgateway",
    "envoy_ai_gateway",
    "kong",
    "portkey",
    "claude_code",
    "openllmetry",
    "openinference",
    "openai_v2",
    "opa",
    "otel_sdk",
    "records",
];
/// Lines that several of them share.
const SHARED: [(&str, &str); 1] = files!["otel_program"];
/// What holds for all of them.
const COMMON: &str = include_str!("advice/common.json");
/// What lines mend that make a gateway send prompts and answers: no rule asks for those by itself.
pub(super) const CONTENT: &str = "content";
/// What records are taken for that no gateway's marks fit and that telemetry was not the source of.
const RECORDS: &str = "records";
/// What telemetry is taken for that no gateway's marks fit.
const TELEMETRY: &str = "otel_sdk";

/// A kind of gateway.
#[derive(Debug, Deserialize)]
pub(super) struct Gateway {
    /// The file's name.
    pub(super) gateway: String,
    /// What people call it.
    pub(super) name: String,
    /// Its page in `docs/gateways`.
    pub(super) page: String,
    recognised_by: Vec<Mark>,
    add: Vec<Lines>,
    beyond: Vec<Beyond>,
    /// Files of lines that it shares with others.
    #[serde(default)]
    also: Vec<String>,
    /// A call as this gateway sends it with its default settings.
    pub(super) example: Example,
}

/// What a gateway is recognised by: all that is given must fit.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mark {
    /// The dialect, as `custody.source` names it first.
    #[serde(default)]
    dialect: String,
    /// How the instrumentation scope begins, which follows there.
    #[serde(default)]
    scope: String,
    /// How the service's name begins.
    #[serde(default)]
    service: String,
}

/// Lines to add to a configuration.
#[derive(Debug, Deserialize)]
pub(super) struct Lines {
    /// Codes of the rules that are content with it.
    mends: Vec<String>,
    /// Where the lines go.
    to: String,
    lines: Vec<String>,
    /// What to mind.
    #[serde(default)]
    note: String,
    /// What the lines add to the example.
    pub(super) adds: serde_json::Value,
    /// What they change in its record.
    #[serde(skip)]
    pub(super) changes: Changes,
    /// What the record has then, by JSON pointer.
    #[cfg(test)]
    #[serde(default)]
    gives: BTreeMap<String, serde_json::Value>,
}

/// What no line of the gateway mends.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Beyond {
    /// Codes of the rules.
    rules: Vec<String>,
    /// Why not.
    why: String,
    /// Who can, and how.
    who: String,
}

/// What holds for all gateways.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Common {
    beyond: Vec<Beyond>,
}

struct Advice {
    gateways: Vec<Gateway>,
    common: Common,
}

fn all() -> &'static Advice {
    static ALL: LazyLock<Advice> = LazyLock::new(|| Advice {
        gateways: FILES.iter().map(|(_, json)| gateway(json)).collect(),
        common: serde_json::from_str(COMMON).expect("a test reads it"),
    });
    &ALL
}

/// A gateway with the lines that it shares, and what all of them change.
fn gateway(json: &str) -> Gateway {
    let mut gateway: Gateway = serde_json::from_str(json).expect("a test reads every file");
    for (_, json) in SHARED.iter().filter(|(name, _)| gateway.also.iter().any(|also| also == name)) {
        let shared: Vec<Lines> = serde_json::from_str(json).expect("a test reads every file");
        gateway.add.extend(shared);
    }
    for lines in &mut gateway.add {
        lines.changes = Changes::of(&gateway.example, &lines.adds).expect("a test makes every record");
    }
    gateway
}

/// Lines to add, and what for.
#[derive(Debug, Serialize)]
pub struct Suggestion {
    /// Codes of the rules that it mends here.
    pub mends: Vec<&'static str>,
    /// How many findings go away: each rule in each record.
    pub findings: u64,
    /// Where the lines go.
    pub to: &'static str,
    /// The lines, as they stand in the configuration.
    pub lines: &'static [String],
    /// What to mind; empty if nothing.
    pub note: &'static str,
}

/// What stays open, and who can mend it.
#[derive(Debug, Serialize)]
pub struct Open {
    /// Codes of the rules that found something here.
    pub rules: Vec<&'static str>,
    /// How much: each rule in each record.
    pub findings: u64,
    /// Why no setting fixes it.
    pub why: &'static str,
    /// Who can, and how.
    pub who: &'static str,
}

#[cfg(test)]
pub(super) fn named(name: &str) -> &'static Gateway {
    all().gateways.iter().find(|gateway| gateway.gateway == name).expect("there is one of that name")
}

#[cfg(test)]
impl Gateway {
    /// The advice that has these lines.
    pub(super) fn lines(&self, lines: &[String]) -> Option<&Lines> {
        self.add.iter().find(|one| one.lines == lines)
    }
}

/// Which gateway a record came from.
pub(super) fn recognise(record: &Record, service: &str) -> &'static Gateway {
    let source = record.body.custody.value().and_then(|custody| custody.source.value());
    let source = source.map(String::as_str).unwrap_or_default();
    let of = |name: &str| all().gateways.iter().find(|gateway| gateway.gateway == name);
    let marked = all().gateways.iter().find(|gateway| {
        source.split("; ").any(|part| gateway.recognised_by.iter().any(|mark| mark.fits(part, service)))
    });
    let is_telemetry = Dialect::ALL.iter().any(|dialect| words(source).0 == dialect.name());
    let fallback = if is_telemetry { TELEMETRY } else { RECORDS };
    marked.or_else(|| of(fallback)).expect("a test finds both")
}

/// The dialect of a source, and the rest.
fn words(part: &str) -> (&str, &str) {
    part.split_once(' ').unwrap_or((part, ""))
}

impl Mark {
    fn fits(&self, part: &str, service: &str) -> bool {
        let (dialect, scope) = words(part);
        (self.dialect.is_empty() || self.dialect == dialect)
            && scope.starts_with(&self.scope)
            && service.starts_with(&self.service)
    }
}

/// What to add where this is missing, and where some records have no content: the most helpful first, each with what it changes in a
/// record; and what is beyond the gateway.
pub(super) fn answer(
    gateway: &'static Gateway,
    missing: &[Missing],
    without_content: u64,
) -> (Vec<(Suggestion, &'static Changes)>, Vec<Open>) {
    let common = &all().common;
    // A line would replace a recorded value that is wrong by one that was never observed. Wrong values are mended at their source.
    let mut counts: BTreeMap<&str, u64> = missing
        .iter()
        .map(|missing| (missing.rule.code, missing.records - missing.wrong))
        .filter(|(_, records)| *records > 0)
        .collect();
    if without_content > 0 {
        counts.insert(CONTENT, without_content);
    }
    let mut answered: Vec<&str> = Vec::new();
    let mut add = Vec::new();
    for lines in &gateway.add {
        let mends: Vec<&'static str> =
            lines.mends.iter().map(String::as_str).filter(|code| counts.contains_key(code)).collect();
        if mends.is_empty() {
            continue;
        }
        answered.extend(&mends);
        let findings = mends.iter().map(|code| counts[code]).sum();
        let Lines { to, lines, note, changes, .. } = lines;
        add.push((Suggestion { mends, findings, to, lines, note }, changes));
    }
    add.sort_by_key(|(suggestion, _)| std::cmp::Reverse(suggestion.findings));
    // The gateway's own word on a rule goes before the general one, which is asked where nobody else answers.
    let mut beyond = Vec::new();
    let general = common.beyond.iter();
    for (is_own, one) in gateway.beyond.iter().map(|one| (true, one)).chain(general.map(|one| (false, one))) {
        let rules = one.rules.iter().map(String::as_str);
        let rules: Vec<&'static str> =
            rules.filter(|code| counts.contains_key(code) && (is_own || !answered.contains(code))).collect();
        if rules.is_empty() {
            continue;
        }
        answered.extend(&rules);
        let findings = rules.iter().map(|code| counts[code]).sum();
        beyond.push(Open { rules, findings, why: &one.why, who: &one.who });
    }
    beyond.extend(missing.iter().filter(|missing| missing.wrong > 0).map(|missing| Open {
        rules: vec![missing.rule.code],
        findings: missing.wrong,
        why: missing.rule.says,
        who: missing.rule.change(),
    }));
    beyond.sort_by_key(|open| std::cmp::Reverse(open.findings));
    (add, beyond)
}
