//! Which keys a witness takes, which logs, and how often they may ask.

use std::num::NonZeroU32;
use std::sync::Arc;

use prometheus_client::registry::Registry;
use vouchlog_api::{ErrorKind, Witness as _};
use vouchlog_note::{Origin, SignatureType, SigningKey};
use vouchlog_runtime::{Clock, UnixSeconds};
use vouchlog_witness::{
    Config, KnownLog, Logs, LogsError, Options, Rate, Refusal, Witness, WitnessEngineError, limits,
};

use crate::world::{TestLog, WITNESS, World, ed25519, key, memory, ml_dsa, request};

fn open(keys: Vec<SigningKey>, logs: Logs) -> Result<(), WitnessEngineError> {
    let config = Config {
        keys,
        logs,
        clock: Clock::from_wall(|| UnixSeconds::new(5).millis()),
        on_refusal: Arc::new(|_: &Refusal| Ok(())),
        options: Options::default(),
    };
    Witness::open(config, memory(), &mut Registry::default()).map(drop)
}

#[tokio::test]
async fn a_witness_has_one_name_and_keys_that_cosign() {
    let note_key = key(WITNESS, SignatureType::Ed25519, 1);
    let other_name = key("witness.example.com/other", SignatureType::MlDsa44, 1);
    let many = (0..5).map(|seed| key(WITNESS, SignatureType::CosignatureEd25519, seed)).collect();
    for (wrong, why) in [
        (vec![], "needs a key"),
        (vec![note_key], "0x01"),
        (vec![ed25519(), other_name], "one name"),
        (vec![ed25519(), ml_dsa(), ed25519()], "twice"),
        (many, "at most"),
    ] {
        let error = open(wrong, Logs::new()).unwrap_err();
        assert!(
            matches!(&error, WitnessEngineError::Key(message) if message.contains(why)),
            "{error}: {why}"
        );
    }
    open(vec![ml_dsa()], Logs::new()).unwrap();
}

#[tokio::test]
async fn a_log_with_the_witness_s_own_key_is_refused() {
    let origin = Origin::new(WITNESS).unwrap();
    let own = KnownLog::new(origin, vec![ml_dsa().verifying_key().clone()], Rate::UNLIMITED).unwrap();
    let mut logs = Logs::new();
    logs.add(own).unwrap();
    let error = open(vec![ed25519(), ml_dsa()], logs.clone()).unwrap_err();
    assert!(matches!(error, WitnessEngineError::Logs(LogsError::OwnKey { .. })), "{error}");

    let log = TestLog::new("log.example.com/a", 5);
    let world = World::open(memory(), &[&log]);
    assert!(matches!(world.witness.set_logs(logs), Err(LogsError::OwnKey { .. })));
    assert_eq!(world.witness.logs().len(), 1, "nothing was changed");
    world.ask(log.request(0, 5)).await.unwrap();
}

#[test]
fn a_log_has_keys_of_its_own_types_that_can_be_told_apart() {
    let origin = || Origin::new("log.example.com/a").unwrap();
    let log = TestLog::new("log.example.com/a", 0);
    let vkey = log.key.verifying_key();
    let new = |keys| KnownLog::new(origin(), keys, Rate::UNLIMITED).map(drop);
    assert!(matches!(new(vec![]), Err(LogsError::KeyCount { keys: 0, .. })));
    assert!(matches!(new(vec![vkey.clone(); 9]), Err(LogsError::KeyCount { keys: 9, .. })));
    assert!(matches!(new(vec![vkey.clone(), vkey.clone()]), Err(LogsError::Ambiguous { .. })));
    assert!(matches!(new(vec![ed25519().verifying_key().clone()]), Err(LogsError::KeyType { .. })));
    new(vec![vkey.clone(), key("any.example.com", SignatureType::MlDsa44, 4).verifying_key().clone()])
        .unwrap();
}

#[tokio::test]
async fn logs_come_and_go_while_it_runs_and_none_is_forgotten() {
    let (one, two) = (TestLog::new("log.example.com/1", 9), TestLog::new("log.example.com/2", 9));
    let world = World::open(memory(), &[&one]);
    world.ask(one.request(0, 5)).await.unwrap();
    assert_eq!(world.ask(two.request(0, 5)).await.unwrap_err().kind, ErrorKind::NotFound);

    let mut logs = (*world.witness.logs()).clone();
    logs.add(two.known()).unwrap();
    assert_eq!(logs.add(two.known()), Err(LogsError::Known(two.origin.clone())));
    world.witness.set_logs(logs).unwrap();
    world.ask(two.request(0, 5)).await.unwrap();
    world.ask(one.request(5, 6)).await.unwrap();

    world.witness.set_logs(Logs::new()).unwrap();
    assert_eq!(world.ask(one.request(6, 7)).await.unwrap_err().kind, ErrorKind::NotFound);
    assert_eq!(world.latest(&one).await.unwrap().head(), one.head(6), "what was cosigned is still served");

    let mut logs = Logs::new();
    logs.add(one.known()).unwrap();
    world.witness.set_logs(logs).unwrap();
    assert_eq!(world.ask(one.request(0, 7)).await.unwrap_err().kind, ErrorKind::Conflict { size: 6 });
    assert!(world.metrics().contains("vouchlog_witness_logs 1\n"));
}

/// No wall clock: the burst is used up, and a request a day does not come back while the test runs.
#[tokio::test]
async fn a_log_that_asks_too_often_is_told_when_to_come_back() {
    let (eager, other) = (TestLog::new("log.example.com/1", 9), TestLog::new("log.example.com/2", 9));
    let daily = |log: &TestLog| {
        let keys = vec![log.key.verifying_key().clone()];
        KnownLog::new(log.origin.clone(), keys, Rate::per_day(NonZeroU32::MIN)).unwrap()
    };
    let world = World::with(memory(), vec![ed25519()], [daily(&eager), daily(&other)]);
    world.ask(eager.request(0, 5)).await.unwrap();
    // What the log did not sign does not count.
    let forged = eager.signed(5).note().replacen("\n5\n", "\n6\n", 1);
    for _ in 0..1_000 {
        let error = world.ask(request(5, vec![], &forged)).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::PermissionDenied);
    }
    for _ in 1..limits::MIN_BURST {
        world.ask(eager.request(5, 5)).await.unwrap();
    }
    let error = world.ask(eager.request(5, 6)).await.unwrap_err();
    let ErrorKind::Overloaded { retry_after } = error.kind else { panic!("{error:?}") };
    assert!(retry_after.as_secs() > 80_000, "{retry_after:?}");
    assert_eq!(world.latest(&eager).await.unwrap().head(), eager.head(5));
    world.ask(other.request(0, 5)).await.unwrap();

    // New lists do not give it a new day.
    world.witness.set_logs((*world.witness.logs()).clone()).unwrap();
    let error = world.ask(eager.request(5, 6)).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Overloaded { .. }), "{error}");
    assert!(world.witness.latest_checkpoint(eager.origin_hash()).await.is_ok(), "readers are not counted");
}

#[test]
fn a_list_adds_and_never_changes() {
    let log = |origin: &str| TestLog::new(origin, 0).key.verifying_key().to_string();
    let (known, new) = ("log.example.com/known", "log.example.com/new");
    let impostor = key("impostor.example.com", SignatureType::Ed25519, 9);
    let entry = |vkey: &str, rest: &str| format!("vkey {vkey}\n{rest}\ncontact nobody\n");
    let text = [
        "logs/v0\n".to_owned(),
        entry(&impostor.verifying_key().to_string(), &format!("origin {known}\nqpd 1")),
        entry(&log(new), "qpd 8640"),
        entry(&ml_dsa().verifying_key().to_string(), "qpd 5"),
    ]
    .concat();
    let list = vouchlog_note::LogList::parse(text.as_bytes()).unwrap();
    let own = [ed25519().verifying_key().clone(), ml_dsa().verifying_key().clone()];
    let mut logs = Logs::new();
    logs.add(TestLog::new(known, 0).known()).unwrap();
    let outcome = logs.add_list(&list, Rate::UNLIMITED, &own);
    assert_eq!(outcome.added, [Origin::new(new).unwrap()]);
    assert_eq!(outcome.known, 1);
    assert!(matches!(outcome.refused[..], [LogsError::OwnKey { .. }]), "{outcome:?}");
    let kept = logs.get(&Origin::new(known).unwrap()).unwrap();
    assert_eq!(kept.keys()[0].to_string(), log(known), "a known log keeps its key");
    assert_eq!(kept.rate(), Rate::UNLIMITED);
    let rate = |logs: &Logs| logs.get(&Origin::new(new).unwrap()).unwrap().rate().to_string();
    assert_eq!(rate(&logs), "8640 a day");
    assert_eq!(logs.add_list(&list, Rate::UNLIMITED, &own).added, []);

    let mut capped = Logs::new();
    capped.add_list(&list, Rate::per_day(NonZeroU32::new(100).unwrap()), &own);
    assert_eq!(rate(&capped), "100 a day");
}
