//! What the log lists for people: what it holds, in order, in parts, and no more than the bounds allow.

use std::sync::Arc;

use prometheus_client::registry::Registry;
use vouchlog_api::limits::{MAX_LISTED_GATEWAYS, MAX_LISTED_STREAMS};
use vouchlog_api::{Appender, GatewayList, ListPlace, Overview, QuotaOverview, StreamOverview};
use vouchlog_merkle::LeafIndex;
use vouchlog_note::{Origin, SignatureType};
use vouchlog_storage::MemoryStore;
use vouchlog_stream::{
    Counted, DailyLimits, Limit, LoggedAt, Previous, Quota, QuotaScope, Revocation, StreamStatus,
};

use super::check;
use crate::testing::{ORIGIN, TestClock, TestGateway, config, key, statements};
use crate::{Engine, Options};

const T: u64 = 1_767_225_600;

type Log = Engine<Arc<MemoryStore>>;

fn open(store: &Arc<MemoryStore>) -> Log {
    let config = config(&TestClock::default(), Options::default());
    Engine::open(config, store.clone(), None, &mut Registry::default()).unwrap()
}

/// Every gateway, part by part, and how many parts there were.
fn all(log: &Log) -> (GatewayList, usize) {
    let mut all = log.gateways(ListPlace::default());
    for parts in 1.. {
        assert!(all.gateways.len() <= parts * MAX_LISTED_GATEWAYS);
        let Some(next) = all.next else { return (all, parts) };
        let part = log.gateways(next);
        all.gateways.extend(part.gateways);
        all.next = part.next;
    }
    unreachable!("a list ends")
}

#[tokio::test]
async fn gateways_are_listed_in_the_order_of_their_enrolment() {
    let store = Arc::default();
    let log = open(&store);
    let seeds: Vec<u8> = (10..10 + u8::try_from(MAX_LISTED_GATEWAYS).unwrap() + 5).rev().collect();
    let mut enrolled = Vec::new();
    for seed in &seeds {
        enrolled.push(log.enrol(TestGateway::enrolment(*seed)).await.unwrap());
    }
    let listed = |log: &Log| {
        let (list, parts) = all(log);
        assert_eq!((parts, list.has_evicted), (2, false));
        let own = list.gateways.into_iter().filter(|gateway| gateway.name.starts_with("gateway-"));
        own.map(|gateway| (gateway.name, gateway.enrolled)).collect::<Vec<_>>()
    };
    let names = seeds.iter().map(|seed| format!("gateway-{seed}.example.com"));
    let expected: Vec<_> = names.zip(enrolled).collect();
    assert_eq!(listed(&log), expected);
    // After a restart, the same.
    check(&log, &store).await;
    drop(log);
    let log = open(&store);
    assert_eq!(listed(&log), expected);
    let beyond = ListPlace { enrolled: LeafIndex::new(1_000), older_than: None };
    assert_eq!(log.gateways(beyond), GatewayList::default());
    check(&log, &store).await;
}

#[tokio::test]
async fn streams_of_a_gateway_are_listed_newest_first_and_the_older_ones_apart() {
    let store = Arc::default();
    let log = open(&store);
    let enrolled = log.enrol(TestGateway::enrolment(10)).await.unwrap();
    let count = MAX_LISTED_STREAMS + 2;
    let mut streams = Vec::new();
    for number in 0..count as u64 {
        let mut gateway = TestGateway::open_numbered(&log, 10, number, None).await.unwrap();
        gateway.send(&log, statements(3, number * 3), T + number).await.unwrap();
        streams.push(gateway);
    }
    let closing = streams.last().unwrap();
    log.append(closing.head_only(T + 100, true)).await.unwrap();
    let overview = |stream: &TestGateway, status| StreamOverview {
        stream: stream.stream,
        size: 3,
        status,
        has_fork: false,
    };
    let from = ListPlace { enrolled, older_than: None };
    let gateway = log.gateways(from).gateways.remove(0);
    let newest = streams.iter().rev().take(MAX_LISTED_STREAMS).enumerate().map(|(place, stream)| {
        overview(stream, if place == 0 { StreamStatus::Closed } else { StreamStatus::Open })
    });
    assert_eq!(gateway.streams, newest.collect::<Vec<_>>());
    let rest = log.gateways(gateway.older.unwrap());
    let older = streams[..2].iter().rev().map(|stream| overview(stream, StreamStatus::Open));
    assert_eq!(rest.gateways[0].streams, older.collect::<Vec<_>>());
    assert_eq!(rest.gateways[0].older, None);
    // Of one gateway only where it is named by its own enrolment.
    let elsewhere = ListPlace { enrolled: LeafIndex::new(0), ..gateway.older.unwrap() };
    assert!(log.gateways(elsewhere).gateways.iter().all(|listed| listed.name != gateway.name));
    check(&log, &store).await;
}

#[tokio::test]
async fn a_gateways_quota_revocation_and_succession_are_listed() {
    let store = Arc::default();
    let log = open(&store);
    let mut gateway = TestGateway::open(&log, 10).await.unwrap();
    let operator = key("operator.example.com", SignatureType::Ed25519, 2);
    let (origin, issued) = (Origin::new(ORIGIN).unwrap(), LoggedAt::from_millis(1_000).unwrap());
    let limits =
        DailyLimits { statements: Limit::AtMost(50), bytes: Limit::Unlimited, streams: Limit::Unlimited };
    let quota = Quota { log: origin.clone(), scope: QuotaScope::All, issued, limits };
    log.set_quota(quota.sign(&operator).unwrap()).await.unwrap();
    gateway.send(&log, statements(7, 0), T).await.unwrap();
    let previous = Some(Previous { stream: gateway.stream, size: 7 });
    let second = TestGateway::open_stream(&log, 10, 111, previous).await.unwrap();
    let revocation = Revocation {
        log: origin,
        gateway: gateway.vkey().clone(),
        effective: issued,
        reason: "lost".to_owned(),
    };
    let revoked = log.revoke(revocation.sign(&operator).unwrap()).await.unwrap();
    let (list, _) = all(&log);
    let listed = list.gateways.iter().find(|listed| listed.name.starts_with("gateway-10")).unwrap();
    assert_eq!((listed.revoked, listed.replaced), (Some(revoked), None));
    assert_eq!(listed.quotas, [QuotaOverview { counted: Counted::Statements, used: 7, most: 50 }]);
    let states: Vec<_> = listed.streams.iter().map(|stream| (stream.stream, stream.status)).collect();
    let superseded = StreamStatus::Superseded(second.stream);
    assert_eq!(states, [(second.stream, StreamStatus::Open), (gateway.stream, superseded)]);
    assert_eq!(Overview::witnesses(&log), []);
    check(&log, &store).await;
}
