//! Quotas: what is over is refused by name, what is not is not, and neither a restart nor an old note changes that.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::registry::Registry;
use vouchlog_api::{AckLevel, Appender, Error, ErrorKind, HouseAppend};
use vouchlog_note::{KeyName, Origin, SignatureType};
use vouchlog_storage::{MemoryStore, Store as _};
use vouchlog_stream::{DailyLimits, Limit, LoggedAt, Quota, QuotaScope, Statement, StatementKind};

use super::check;
use crate::rebuild::Rebuilder;
use crate::testing::{ORIGIN, TestClock, TestGateway, config, key, statements};
use crate::{Engine, Options};

const T: u64 = 1_767_225_600;
const DAY: u64 = 24 * 60 * 60 * 1_000;

type Log = Engine<Arc<MemoryStore>>;

/// Seconds that no head was signed at before.
fn later() -> u64 {
    static SIGNED: AtomicU64 = AtomicU64::new(0);
    T + SIGNED.fetch_add(1, Ordering::Relaxed)
}

fn open(store: &Arc<MemoryStore>, clock: &TestClock, house: DailyLimits) -> (Log, Registry) {
    let (options, mut registry) =
        (Options { house_limits: house, ..Options::default() }, Registry::default());
    let log = Engine::open(config(clock, options), store.clone(), None, &mut registry).unwrap();
    (log, registry)
}

fn limits(statements: Limit, bytes: Limit, streams: Limit) -> DailyLimits {
    DailyLimits { statements, bytes, streams }
}

fn of_statements(most: u64) -> DailyLimits {
    limits(Limit::AtMost(most), Limit::Unlimited, Limit::Unlimited)
}

fn name_of(gateway: u8) -> QuotaScope {
    QuotaScope::Gateway(KeyName::new(&format!("gateway-{gateway}.example.com")).unwrap())
}

fn note(scope: QuotaScope, issued: u64, limits: DailyLimits) -> String {
    let issued = LoggedAt::from_millis(issued).unwrap();
    let operator = key("operator.example.com", SignatureType::Ed25519, 2);
    Quota { log: Origin::new(ORIGIN).unwrap(), scope, issued, limits }.sign(&operator).unwrap()
}

/// What the log says to `count` more statements; a refusal leaves the gateway as it was.
async fn send(log: &Log, gateway: &mut TestGateway, count: usize) -> Result<(), Error> {
    let mut trial = gateway.clone();
    trial.send(log, statements(count, gateway.range.end()), later()).await?;
    *gateway = trial;
    Ok(())
}

fn assert_over(refused: Result<(), Error>, words: &str, wait: u64) {
    let error = refused.unwrap_err();
    assert_eq!(error.kind, ErrorKind::QuotaExceeded { retry_after: Duration::from_millis(wait) }, "{error}");
    assert!(error.message.contains(words), "{error}");
}

fn metrics(registry: &Registry) -> String {
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, registry).unwrap();
    text
}

#[tokio::test]
async fn what_is_over_the_quota_is_refused_until_midnight_and_no_other_gateway_is() {
    let (store, clock) = (Arc::new(MemoryStore::new()), TestClock::default());
    let (log, registry) = open(&store, &clock, DailyLimits::default());
    let mut first = TestGateway::open(&log, 10).await.unwrap();
    let mut other = TestGateway::open(&log, 11).await.unwrap();
    send(&log, &mut first, 500).await.unwrap();
    clock.advance(7_000);
    log.set_quota(note(name_of(10), clock.now(), of_statements(100))).await.unwrap();
    // What was logged before the quota was set does not count.
    send(&log, &mut first, 90).await.unwrap();
    assert_over(
        send(&log, &mut first, 11).await,
        "`gateway-10.example.com` is exceeded: 90 of 100 statements are used today, and the request has 11",
        DAY - 7_000,
    );
    send(&log, &mut first, 10).await.unwrap();
    assert_over(send(&log, &mut first, 1).await, "100 of 100 statements", DAY - 7_000);
    send(&log, &mut other, 1_000).await.unwrap();
    // It may still say that it is there, get its receipts again, and end.
    log.append(first.head_only(later(), false)).await.unwrap();
    let shown = metrics(&registry);
    assert!(shown.contains("vouchlog_log_over_quota_total{quota=\"statements\"} 2"), "{shown}");
    assert!(shown.contains("vouchlog_log_quota_highest_use_ratio{quota=\"statements\"} 1.0"), "{shown}");
    assert!(!shown.contains("gateway-10"), "no label is a gateway's");
    clock.advance(DAY - 7_000 - 1);
    assert_over(send(&log, &mut first, 1).await, "it renews at midnight UTC, in 1 s", 1);
    clock.advance(1);
    send(&log, &mut first, 100).await.unwrap();
    assert_over(send(&log, &mut first, 1).await, "100 of 100 statements", DAY);
    log.append(first.head_only(later(), true)).await.unwrap();
    check(&log, &store).await;
}

#[tokio::test]
async fn a_restart_forgets_neither_quota_nor_usage() {
    let (store, clock) = (Arc::new(MemoryStore::new()), TestClock::default());
    let (log, _) = open(&store, &clock, DailyLimits::default());
    let mut gateway = TestGateway::open(&log, 10).await.unwrap();
    log.set_quota(note(QuotaScope::All, clock.now(), of_statements(100))).await.unwrap();
    send(&log, &mut gateway, 60).await.unwrap();
    log.stop().await;
    drop(log);
    let store = Arc::new(store.reopen());
    let (log, _) = open(&store, &clock, DailyLimits::default());
    assert_over(send(&log, &mut gateway, 41).await, "60 of 100 statements", DAY);
    send(&log, &mut gateway, 40).await.unwrap();
    check(&log, &store).await;
    drop(log);
    // A log that is written again from its entries has the quotas, and what the states that were found say of usage.
    let store = store.reopen();
    let loaded = store.load().unwrap().unwrap();
    let (rebuilt, origin) = (Arc::new(MemoryStore::new()), Origin::new(ORIGIN).unwrap());
    let log_key = key(ORIGIN, SignatureType::Ed25519, 1);
    let mut rebuilder = Rebuilder::new(&*rebuilt, &origin, log_key.verifying_key());
    loaded.tail.iter().for_each(|piece| rebuilder.push(piece).unwrap());
    rebuilder.finish(loaded.head, &[loaded.states]).unwrap();
    let (log, _) = open(&rebuilt, &clock, DailyLimits::default());
    assert_over(send(&log, &mut gateway, 1).await, "100 of 100 statements", DAY);
}

#[tokio::test]
async fn an_older_note_does_not_come_back_and_only_the_operator_sets_one() {
    let (store, clock) = (Arc::new(MemoryStore::new()), TestClock::default());
    let (log, _) = open(&store, &clock, DailyLimits::default());
    let generous = note(name_of(10), clock.now(), of_statements(1_000));
    let first = log.set_quota(generous.clone()).await.unwrap();
    assert_eq!(log.set_quota(generous.clone()).await.unwrap(), first, "the same again answers the same");
    let strict = log.set_quota(note(name_of(10), clock.now() + 1, of_statements(10))).await.unwrap();
    assert!(strict > first);
    // The first note is in the log, where anybody finds it.
    let error = log.set_quota(generous).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::FailedPrecondition, "{error}");
    let mut gateway = TestGateway::open(&log, 10).await.unwrap();
    assert_over(send(&log, &mut gateway, 11).await, "0 of 10 statements", DAY);
    let stranger = key("operator.example.com", SignatureType::Ed25519, 9);
    let quota = Quota {
        log: Origin::new(ORIGIN).unwrap(),
        scope: QuotaScope::All,
        issued: LoggedAt::from_millis(clock.now() + 9).unwrap(),
        limits: of_statements(0),
    };
    let error = log.set_quota(quota.sign(&stranger).unwrap()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::PermissionDenied, "{error}");
    let far = note(QuotaScope::All, clock.now() + 2 * DAY, of_statements(0));
    assert_eq!(log.set_quota(far).await.unwrap_err().kind, ErrorKind::InvalidArgument);
    check(&log, &store).await;
}

#[tokio::test]
async fn streams_and_bytes_are_counted_too_and_a_stream_can_always_be_closed() {
    let (store, clock) = (Arc::new(MemoryStore::new()), TestClock::default());
    let (log, _) = open(&store, &clock, DailyLimits::default());
    log.enrol(TestGateway::enrolment(10)).await.unwrap();
    let all = limits(Limit::Unlimited, Limit::AtMost(6_000), Limit::AtMost(2));
    log.set_quota(note(QuotaScope::All, clock.now(), all)).await.unwrap();
    let mut gateway = TestGateway::open_numbered(&log, 10, 0, None).await.unwrap();
    TestGateway::open_numbered(&log, 10, 1, None).await.unwrap();
    let third = TestGateway::open_numbered(&log, 10, 2, None).await.map(drop);
    assert_over(third, "2 of 2 streams", DAY);
    // The same opening again names the same stream, and counts for nothing.
    assert_eq!(TestGateway::open_numbered(&log, 10, 0, None).await.unwrap().stream, gateway.stream);
    assert_over(send(&log, &mut gateway, 100).await, "of 6000 bytes", DAY);
    let mut beats = 0;
    let over = loop {
        beats += 1;
        if let Err(error) = log.append(gateway.head_only(later(), false)).await {
            break error;
        }
    };
    assert!(beats < 60, "heartbeats without statements are bounded as well");
    assert_over(Err(over), "of 6000 bytes", DAY);
    log.append(gateway.head_only(later(), true)).await.unwrap();
    check(&log, &store).await;
}

#[tokio::test]
async fn the_house_stream_is_a_gateway_with_a_default_of_its_own() {
    let (store, clock) = (Arc::new(MemoryStore::new()), TestClock::default());
    let (log, _) = open(&store, &clock, of_statements(5));
    let house = |count| {
        let opaque = |statement| Statement { kind: StatementKind::Opaque, ..statement };
        let statements = statements(count, 1).into_iter().map(opaque).collect();
        let request = HouseAppend { statements, wait_for: AckLevel::Sequenced };
        let log = log.clone();
        async move { log.append_house(request).await.map(drop) }
    };
    // Many at once make one run: each is held against what those before it took.
    let all = futures_join(vec![house(2), house(2), house(2)]).await;
    assert_eq!(all.iter().filter(|done| done.is_ok()).count(), 2, "{all:?}");
    assert_over(house(2).await, "`house.example.com` is exceeded: 4 of 5 statements", DAY);
    house(1).await.unwrap();
    // Quotas for all stand behind it, the operator's for it before it.
    log.set_quota(note(QuotaScope::All, clock.now(), of_statements(1_000))).await.unwrap();
    assert_over(house(1).await, "5 of 5 statements", DAY);
    let scope = QuotaScope::Gateway(KeyName::new("house.example.com").unwrap());
    log.set_quota(note(scope, clock.now(), of_statements(6))).await.unwrap();
    house(1).await.unwrap();
    assert_over(house(1).await, "6 of 6 statements", DAY);
    check(&log, &store).await;
}

/// Runs all at once; the results are in order.
async fn futures_join<T: Send + 'static>(all: Vec<impl Future<Output = T> + Send + 'static>) -> Vec<T> {
    let tasks: Vec<_> = all.into_iter().map(tokio::spawn).collect();
    let mut done = Vec::new();
    for task in tasks {
        done.push(task.await.unwrap());
    }
    done
}
