//! An honest log is clean, however it was run: by the engine, through kill -9 and restarts, with house streams and heartbeats.

use std::sync::Arc;

use vouchlog_api::{AckLevel, Appender, HouseAppend, LogReader};
use vouchlog_auditor::{AuditReport, AuditState, Config, LogIdentity, audit};
use vouchlog_note::{Origin, VerifyingKey};
use vouchlog_sequencer::Engine;
use vouchlog_sequencer::testing::{ORIGIN, TestClock, TestGateway, open, statements};
use vouchlog_storage::MemoryStore;
use vouchlog_stream::{Statement, StatementKind};

fn config(key: &VerifyingKey) -> Config {
    let origin = Origin::new(ORIGIN).unwrap();
    let mut config = Config::new(LogIdentity { origin, keys: vec![key.clone()], policy: None });
    config.options.house_gateways = vec!["house.example.com".into()];
    config
}

/// Audits the log anew and from where the last audit ended, and expects it clean both ways.
async fn check(log: &Engine<Arc<MemoryStore>>, state: &mut Option<AuditState>) -> AuditReport {
    let config = config(log.vkey());
    let whole = audit(log.clone(), &config, None, |_| {}).await.unwrap();
    assert!(whole.report.is_clean(), "{}", whole.report);
    let since = audit(log.clone(), &config, state.take(), |_| {}).await.unwrap();
    assert!(since.report.is_clean(), "{}", since.report);
    assert_eq!(since.report.streams, whole.report.streams);
    assert_eq!(since.state, whole.state);
    *state = since.state;
    whole.report
}

/// The log's second of writing heads comes round once a second: waits until it has taken note of the clock.
async fn settle(log: &Engine<Arc<MemoryStore>>) {
    let size = log.sequenced().size();
    drop(tokio::time::timeout(std::time::Duration::from_secs(3), log.checkpoint_after(size)).await);
}

async fn beat(log: &Engine<Arc<MemoryStore>>, gateway: &TestGateway, seconds: u64, close: bool) {
    log.append(gateway.head_only(seconds, close)).await.unwrap();
}

#[tokio::test]
async fn an_honest_log_is_clean_through_restarts_and_house_streams() {
    let (mut store, clock) = (Arc::new(MemoryStore::new()), TestClock::default());
    let mut log = open(store.clone(), None, &clock).unwrap();
    let mut state = None;
    let (mut one, mut two) =
        (TestGateway::open(&log, 10).await.unwrap(), TestGateway::open(&log, 11).await.unwrap());
    for round in 0..6u64 {
        let seconds = clock.now() / 1000;
        one.send(&log, statements(300, round), seconds).await.unwrap();
        two.send(&log, statements(1, round), seconds).await.unwrap();
        log.append_house(HouseAppend { statements: opaque(40, round), wait_for: AckLevel::Sequenced })
            .await
            .unwrap();
        clock.advance(31_000);
        settle(&log).await;
        beat(&log, &one, clock.now() / 1000, false).await;
        beat(&log, &two, clock.now() / 1000, false).await;
        check(&log, &mut state).await;
        match round % 3 {
            // Killed, and an hour later started again.
            0 => {
                store = Arc::new(store.reopen());
                clock.advance(3_600_000);
                log = open(store.clone(), None, &clock).unwrap();
            }
            1 => {
                log.stop().await;
                store = Arc::new(store.reopen());
                log = open(store.clone(), None, &clock).unwrap();
            }
            _ => {}
        }
        check(&log, &mut state).await;
    }
    let report = check(&log, &mut state).await;
    assert_eq!(report.checked.statements, 6 * 341);
    assert!(report.streams.iter().all(|stream| stream.complete));
}

#[tokio::test]
async fn a_predecessor_of_statements_no_head_covered_gets_its_head_after_its_successor() {
    let (store, clock) = (Arc::new(MemoryStore::new()), TestClock::default());
    let log = open(store, None, &clock).unwrap();
    let mut state = None;
    let mut gateway = TestGateway::open(&log, 10).await.unwrap();
    gateway.send(&log, statements(5, 1), clock.now() / 1000).await.unwrap();
    let previous = vouchlog_stream::Previous { stream: gateway.stream, size: 5 };
    let mut next = TestGateway::open_stream(&log, 10, 150, Some(previous)).await.unwrap();
    next.send(&log, statements(7, 2), clock.now() / 1000).await.unwrap();
    clock.advance(31_000);
    settle(&log).await;
    let report = check(&log, &mut state).await;
    let signed: Vec<_> = report.streams.iter().map(|s| (s.status, s.statements, s.signed)).collect();
    assert_eq!(signed, [("succeeded", 5, 5), ("open", 7, 7)]);
    beat(&log, &next, clock.now() / 1000, true).await;
    let report = check(&log, &mut state).await;
    assert_eq!(report.streams[1].status, "closed");
}
/// Statements as the house stream takes them.
fn opaque(count: usize, seed: u64) -> Vec<Statement> {
    let opaque = |statement: Statement| Statement { kind: StatementKind::Opaque, ..statement };
    statements(count, seed).into_iter().map(opaque).collect()
}
