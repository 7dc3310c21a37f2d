//! Each question to a vault, at size, figures on standard output:
//! `cargo run --profile dist -p vouchlog-desk --example desk_load -- [LOCATION] [RECORDS]`.
//!
//! Without a location it makes a vault on SQLite in a temporary directory; PostgreSQL needs an empty database. A vault that is there
//! is measured as it is, if its key is in the file `desk_load.key` of the working directory. Records are signed and sealed as a gateway
//! does it: sessions of ten and one of 300, 500 people, 40 agents, 30 tools; each thousandth record has no initiator, and each
//! hundredth was denied. Nothing is sent to a log.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};
use vouchlog_api::AnySubmitter;
use vouchlog_desk::{
    Ask, CountFindings, Desk, DeskError, Export, ExportFormat, FacetValue, FindRecords, ListDisclosures,
    ListFindings, ListIdentities, ListSessions, LocalDesk, OpenSession, ShowIdentity, whole_session,
};
use vouchlog_note::{KeyName, SignatureType, SigningKey};
use vouchlog_record::{Record, RecordId};
use vouchlog_vault::{Access, Query, Recorder, RecorderConfig, Vault, VaultKeySource};

#[path = "../src/serve/tests/nowhere.rs"]
mod nowhere;

use nowhere::Nowhere;

/// Records of one call to the recorder.
const BATCH: usize = 512;
/// How often each question is asked.
const TIMES: usize = 100;
/// Records of the long session.
const LONG: usize = 300;
/// Readings that are on record.
const READINGS: usize = 500;

const TEMPLATE: &str = include_str!("../../vouchlog-record/testdata/record-complete.json");
const EARLIER: &str = include_str!("../../vouchlog-record/testdata/earlier.json");

fn random() -> [u8; 16] {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("random bytes");
    bytes
}

fn session_of(n: usize) -> String {
    if n < LONG { "session-long".to_owned() } else { format!("session-{}", n / 10) }
}

fn record(template: &Value, n: usize) -> Record {
    let mut record = template.clone();
    // 17 s between two records: 100,000 of them are 20 days.
    let start: Timestamp = "2026-11-18T09:06:40.100Z".parse().expect("a time");
    let at = start.as_millisecond() + i64::try_from(n).expect("few") * 17_000;
    record["id"] = format!("record-{n}").into();
    record["time"] = json!({ "start": Timestamp::from_millisecond(at).expect("a time").to_string() });
    record["correlation"] =
        json!({ "session": session_of(n), "trace": format!("{n:032x}"), "response_id": format!("resp-{n}") });
    record["initiator"]["sub"] = format!("u-{}", n / 10 % 500).into();
    if n % 1_000 == 999 {
        record["initiator"] = Value::Null;
    }
    record["workload"]["agent"]["id"] = format!("agents/{}", n / 10 % 40).into();
    record["credential"]["id"] = format!("credential-{}", n / 10).into();
    let classes = ["public", "internal", "pii", "payment", "source-code", "hr"];
    record["data"]["input_class"] = json!([classes[n / 10 % classes.len()]]);
    if let Some(tool) = record["tools"].get_mut(0) {
        tool["name"] = format!("tool-{}", n % 30).into();
    }
    if n % 100 == 50
        && let Some(decision) = record["policy"].get_mut(0)
    {
        decision["verdict"] = "deny".into();
        decision["enforced"] = "deny".into();
    }
    Record::from_value(record).expect("a record").record
}

async fn fill(vault: &Vault, owner: &Access, records: usize) -> Result<(), Box<dyn std::error::Error>> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret)?;
    let key =
        SigningKey::generate(KeyName::new("gateway.example")?, SignatureType::CosignatureEd25519, secret)?;
    let config = RecorderConfig {
        tenant: "default".to_owned(),
        issuer: "gateway.example".to_owned(),
        clock: Timestamp::now,
        randomness: random,
    };
    let submitter = AnySubmitter::new(Nowhere(Arc::new(key)));
    let recorder = Recorder::open(vault.clone(), owner.clone(), submitter, config).await?;
    let earlier: Vec<Value> = serde_json::from_str(EARLIER)?;
    let earlier: Result<Vec<Record>, _> =
        earlier.into_iter().map(|value| Record::from_value(value).map(|read| read.record)).collect();
    recorder.record(earlier?).await?;
    let template: Value = serde_json::from_str(TEMPLATE)?;
    let started = Instant::now();
    for first in (0..records).step_by(BATCH) {
        let batch = (first..records.min(first + BATCH)).map(|n| record(&template, n)).collect();
        recorder.record(batch).await?;
    }
    let took = started.elapsed();
    println!("kept {records} records: {:.0}/s", records as f64 / took.as_secs_f64());
    for n in 0..READINGS {
        let id = RecordId::new(&format!("record-{}", n * 7 % records))?;
        let row = vault.row(owner, &id).await?;
        recorder.read_content(owner, vec![row], "measured").await?;
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let dir = tempfile::tempdir()?;
    let place = arguments.next();
    let key = match &place {
        Some(_) => "file:desk_load.key".to_owned(),
        None => format!("file:{}", dir.path().join("desk_load.key").display()),
    };
    let location = place.unwrap_or_else(|| dir.path().join("vault").to_string_lossy().into_owned());
    let records: usize = arguments.next().map_or(Ok(100_000), |text| text.parse())?;
    let key: VaultKeySource = key.parse()?;
    let vault = Vault::open_or_create(&location, key.load_or_create()?).await?;
    let owner = vault.owner().await?;
    if vault.find(&owner, &Query { limit: 1, ..Query::default() }).await?.is_empty() {
        fill(&vault, &owner, records).await?;
    }
    let desk = Desk::Here { desk: LocalDesk::reading(vault, None), access: owner };
    lists(&desk, records).await?;
    let mut times = Vec::new();
    for _ in 0..20 {
        let ask =
            OpenSession { tenant: None, session: "session-long".to_owned(), content: None, after: None };
        let started = Instant::now();
        let page = whole_session(&desk, ask).await?;
        times.push(started.elapsed());
        assert_eq!(page.records.len(), LONG);
    }
    spread(&format!("session of {LONG} records, opened and judged"), &mut times);
    desk.close().await;
    Ok(())
}

fn facets(facets: &[(&str, String)]) -> Vec<FacetValue> {
    let named =
        |(facet, value): &(&str, String)| FacetValue { facet: (*facet).to_owned(), value: value.clone() };
    facets.iter().map(named).collect()
}

async fn lists(desk: &Desk, records: usize) -> Result<(), DeskError> {
    let by = |given: &[(&str, String)]| ListSessions { facets: facets(given), ..ListSessions::default() };
    let person = |n: usize| ("initiator", format!("https://idp.example|u-{}", n * 7 % 500));
    let agent = |n: usize| ("agent", format!("agents/{}", n % 40));
    let tool = |n: usize| ("tool", format!("tool-{}", n % 30));
    let fixed = |facet: &'static str, value: &str| (facet, value.to_owned());
    let middle = "2026-11-28T00:00:00Z".parse::<Timestamp>().expect("a time").as_millisecond();
    ask(desk, "sessions", |_| by(&[])).await?;
    ask(desk, "sessions of a person", |n| by(&[person(n)])).await?;
    ask(desk, "sessions of an agent", |n| by(&[agent(n)])).await?;
    ask(desk, "sessions with a tool", |n| by(&[tool(n)])).await?;
    ask(desk, "sessions with a class of data", |_| by(&[fixed("data-class", "pii")])).await?;
    ask(desk, "sessions with a verdict, common", |_| by(&[fixed("verdict", "executor_known:yes")])).await?;
    ask(desk, "sessions with a verdict, rare", |_| by(&[fixed("verdict", "authorized_known:no")])).await?;
    ask(desk, "sessions denied", |_| by(&[fixed("verdict", "deny")])).await?;
    ask(desk, "sessions with a finding", |_| by(&[fixed("finding", "R01")])).await?;
    ask(desk, "sessions of a person with a tool, denied", |n| {
        by(&[person(n), tool(n), fixed("verdict", "deny")])
    })
    .await?;
    ask(desk, "sessions of two common values that never meet", |_| {
        by(&[fixed("agent", "agents/0"), fixed("initiator", "https://idp.example|u-1")])
    })
    .await?;
    ask(desk, "sessions of a time", |n| ListSessions {
        from: Some(middle - i64::try_from(n).expect("few") * 60_000),
        to: Some(middle),
        ..by(&[])
    })
    .await?;
    let page = desk.ask(ListSessions { limit: Some(200), ..by(&[]) }).await?;
    ask(desk, "sessions, the page after 200", |_| ListSessions { after: page.next.clone(), ..by(&[]) })
        .await?;
    ask(desk, "sessions, a page of 200", |_| ListSessions { limit: Some(200), ..by(&[]) }).await?;
    ask(desk, "findings that are open", |_| ListFindings::default()).await?;
    ask(desk, "findings of a rule", |_| ListFindings {
        codes: vec!["R01".to_owned()],
        ..ListFindings::default()
    })
    .await?;
    ask(desk, "findings of an agent", |n| ListFindings {
        facets: facets(&[agent(n)]),
        ..ListFindings::default()
    })
    .await?;
    ask(desk, "findings counted", |_| CountFindings::default()).await?;
    for facet in ["agent", "initiator", "credential", "tool"] {
        let facet = facet.to_owned();
        let list = |_| ListIdentities { tenant: None, facet: facet.clone(), after: None, limit: None };
        ask(desk, &format!("identities: {facet}"), list).await?;
    }
    let one = |(facet, value): (&str, String)| ShowIdentity { tenant: None, facet: facet.to_owned(), value };
    ask(desk, "an agent with what it was used with", |n| one(agent(n))).await?;
    ask(desk, "a person with what they used", |n| one(person(n))).await?;
    ask(desk, "disclosures", |_| ListDisclosures::default()).await?;
    ask(desk, "who read a record", |n| ListDisclosures {
        record: RecordId::new(&format!("record-{}", n * 7 % records)).ok(),
        ..ListDisclosures::default()
    })
    .await?;
    ask(desk, "records of a person", |n| FindRecords {
        tenant: None,
        facets: facets(&[person(n)]),
        kinds: Vec::new(),
        from: None,
        to: None,
        newest: true,
        after: None,
        limit: Some(50),
    })
    .await?;
    ask(desk, "250 records exported as OCSF events", |_| Export {
        format: ExportFormat::Ocsf,
        ..Export::default()
    })
    .await?;
    Ok(())
}

async fn ask<A: Ask>(desk: &Desk, what: &str, make: impl Fn(usize) -> A) -> Result<(), DeskError> {
    let mut times = Vec::new();
    for n in 0..TIMES {
        let asked = make(n);
        let started = Instant::now();
        desk.ask(asked).await?;
        times.push(started.elapsed());
    }
    spread(what, &mut times);
    Ok(())
}

fn spread(what: &str, times: &mut [Duration]) {
    times.sort();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    println!("{what:<48} p50 {:>9.1?}  p99 {:>9.1?}  max {:>9.1?}", at(50), at(99), at(100));
}
