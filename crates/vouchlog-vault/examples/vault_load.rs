//! Load on a vault, figures on standard output:
//! `cargo run -p vouchlog-vault --example vault_load -- [LOCATION] [RECORDS]`.
//!
//! Without a location it makes a vault on SQLite in a temporary directory; PostgreSQL needs an empty database. The records are like a
//! gateway's: sessions of ten, a trace each, 500 persons, six kB of content.

use std::time::{Duration, Instant};

use vouchlog_stream::{Digest, Evidence, StatementKind, StreamId};
use vouchlog_vault::{
    Access, Facet, KeepRecord, KeyEncryptionKey, Order, Query, RecordId, Retention, Scope, Vault,
};

const BATCH: usize = 256;
const NOW: i64 = 1_800_000_000_000;

fn time(n: usize) -> i64 {
    i64::try_from(n).expect("few records")
}

fn record(n: usize) -> KeepRecord {
    let person = format!("https://idp.example|user-{}", n % 500);
    let facet = |facet, value: String| (facet, value);
    KeepRecord {
        id: RecordId::new(&format!("{n:032x}")).expect("32 digits"),
        kind: StatementKind::Interaction,
        tenant: "acme".to_owned(),
        stream: StreamId::new(1).expect("40 bits"),
        evidence: Evidence::NONE,
        digest: Digest::of(&n.to_be_bytes()),
        jwt: format!("e30.{}.{}", "x".repeat(1_800), "y".repeat(86)),
        metadata: vec![b'm'; 2_000],
        content: vec![b'c'; 6_000],
        facets: vec![
            facet(Facet::Session, format!("session-{}", n / 10)),
            facet(Facet::Conversation, format!("conversation-{}", n / 10)),
            facet(Facet::Trace, format!("trace-{n}")),
            facet(Facet::Response, format!("response-{n}")),
            facet(Facet::Initiator, person.clone()),
            facet(Facet::Workload, format!("spiffe://example/agent/{}", n % 40)),
            facet(Facet::Credential, format!("credential-{}", n % 2_000)),
            facet(Facet::Tool, format!("tool-{}", n % 30)),
            facet(Facet::Model, "model-5".to_owned()),
            facet(Facet::Verdict, if n.is_multiple_of(100) { "deny" } else { "allow" }.to_owned()),
            facet(Facet::Gateway, "gateway-1".to_owned()),
        ],
        subjects: vec![person],
        started_at: time(n) * 20 + NOW,
        retention: Retention::default(),
        amends: None,
    }
}

#[tokio::main]
async fn main() -> vouchlog_vault::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let dir = tempfile::tempdir().expect("a temporary directory");
    let location = arguments.next().unwrap_or_else(|| dir.path().to_string_lossy().into_owned());
    let records: usize = arguments.next().map_or(100_000, |text| text.parse().expect("a number of records"));
    let vault = Vault::create(&location, KeyEncryptionKey::generate()?).await?;
    let owner = vault.owner().await?;

    let started = Instant::now();
    let mut batches = Vec::new();
    for first in (0..records).step_by(BATCH) {
        let batch = (first..records.min(first + BATCH)).map(record).collect();
        let started = Instant::now();
        vault.keep(&owner, batch, NOW).await?;
        batches.push(started.elapsed());
    }
    rate("kept one batch after another", records, started.elapsed());
    spread("  one batch", &mut batches);

    let singles = records.min(5_000);
    let started = Instant::now();
    let mut calls = tokio::task::JoinSet::new();
    for n in records..records + singles {
        let (vault, owner) = (vault.clone(), owner.clone());
        calls.spawn(async move { vault.keep(&owner, vec![record(n)], NOW).await });
    }
    while let Some(kept) = calls.join_next().await {
        kept.expect("no call panics")?;
    }
    rate("kept one by one, all at once", singles, started.elapsed());

    let started = Instant::now();
    let waiting = vault.unlogged(&owner, i64::MIN, 1_000).await?;
    println!("{:<44} {:>10.1?}", format!("{} unlogged", waiting.len()), started.elapsed());
    search(&vault, &owner, records).await?;

    let scope = Scope::Subject { tenant: None, subject: "https://idp.example|user-7".to_owned() };
    let started = Instant::now();
    let plan = vault.plan_erasure(&owner, &scope, NOW).await?;
    let erasure = RecordId::new("erasure-1").expect("an id");
    vault.begin_erasure(&owner, &plan, "measured", &erasure, NOW).await?;
    let erased = vault.finish_erasure(&owner, &erasure, NOW).await?;
    println!("{:<44} {:>10.1?}", format!("erased a person with {erased} records"), started.elapsed());
    vault.close().await;
    Ok(())
}

/// The nth query of a kind.
type MakeQuery<'a> = Box<dyn Fn(usize) -> Query + 'a>;

async fn search(vault: &Vault, owner: &Access, records: usize) -> vouchlog_vault::Result<()> {
    let facets =
        |facets: &[(Facet, String)]| Query { facets: facets.to_vec(), limit: 100, ..Query::default() };
    let allowed = (Facet::Verdict, "allow".to_owned());
    let denied = (Facet::Verdict, "deny".to_owned());
    let person = (Facet::Initiator, "https://idp.example|user-42".to_owned());
    let session = |n: usize| (Facet::Session, format!("session-{}", n * 7_919 % (records / 10)));
    let queries: [(&str, MakeQuery<'_>); 5] = [
        ("a session", Box::new(|n| facets(&[session(n)]))),
        ("a session, allowed", Box::new(|n| facets(&[allowed.clone(), session(n)]))),
        ("a person, denied", Box::new(|_| facets(&[person.clone(), denied.clone()]))),
        (
            "everything allowed, newest first",
            Box::new(|_| Query { order: Order::NewestFirst, ..facets(std::slice::from_ref(&allowed)) }),
        ),
        ("by time alone", Box::new(|n| Query { from: Some(NOW + time(n) * 2_000), ..facets(&[]) })),
    ];
    for (name, query) in queries {
        let (mut times, mut rows) = (Vec::new(), 0);
        for n in 0..200 {
            let started = Instant::now();
            rows = vault.find(owner, &query(n)).await?.len();
            times.push(started.elapsed());
        }
        spread(&format!("found {name} ({rows} rows)"), &mut times);
    }
    let mut times = Vec::new();
    for n in 0..200 {
        let id = RecordId::new(&format!("{:032x}", n * 7_919 % records)).expect("an id");
        let started = Instant::now();
        vault.metadata(owner, &id).await?;
        times.push(started.elapsed());
    }
    spread("read metadata", &mut times);
    Ok(())
}

fn rate(what: &str, count: usize, took: Duration) {
    println!("{what:<44} {:>10.0} records/s ({count} in {took:.1?})", count as f64 / took.as_secs_f64());
}

fn spread(what: &str, times: &mut [Duration]) {
    times.sort();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    println!("{what:<44} p50 {:>8.1?}  p99 {:>8.1?}  max {:>8.1?}", at(50), at(99), at(100));
}
