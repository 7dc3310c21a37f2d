//! Operators and gateways that break the rules of entries, and sign a tree of them. The tree is sound; the evidence proves it.

use super::*;

/// Builds a log in whose middle something is done, and expects that as the first finding.
pub(super) async fn check_deed(
    kind: Kind,
    stream: Option<usize>,
    proves: Proves,
    deed: impl FnOnce(&mut Builder) -> u64,
) {
    let mut name = None;
    let (entries, place) = log_with(|log| {
        let place = deed(log);
        name = stream.map(|stream| log.streams[stream].id.get());
        Some(place)
    });
    let place = Place { stream: name, ..at_entry(place.unwrap()) };
    let objects = Objects::of(&entries);
    check(objects.clone(), kind, place.clone(), proves).await;
    // The same from a state of before.
    let state = state_of(&HONEST[..2_000]).await;
    check_with(objects, &config(), Some(state), kind, place, proves).await;
}

pub(super) async fn check_proven(kind: Kind, stream: Option<usize>, deed: impl FnOnce(&mut Builder) -> u64) {
    check_deed(kind, stream, Proves::Misconduct, deed).await;
}

#[tokio::test]
async fn a_statement_the_log_left_out() {
    check_proven(Kind::StreamGap, Some(0), |log| {
        log.statements(0, 3);
        log.state(0);
        let place = log.next();
        log.statements(0, 3);
        place
    })
    .await;
}

#[tokio::test]
async fn a_statement_the_log_left_out_and_renumbered() {
    check_proven(Kind::HeadWithoutEntries, Some(0), |log| {
        log.statements(0, 3);
        let stated: Vec<_> = (0..4).map(|_| log.state(0)).collect();
        for mut entry in stated.into_iter().skip(1) {
            entry.sequence = SequenceNumber::new(entry.sequence.get() - 1).unwrap();
            log.push_statement(entry);
        }
        log.now += 30_000;
        log.head(0)
    })
    .await;
}

#[tokio::test]
async fn a_statement_the_log_altered() {
    check_proven(Kind::HeadWithoutEntries, Some(1), |log| {
        let mut entry = log.state(1);
        entry.statement = log.statement();
        log.push_statement(entry);
        log.now += 30_000;
        log.head(1)
    })
    .await;
}

#[tokio::test]
async fn two_statements_the_log_exchanged() {
    check_proven(Kind::HeadWithoutEntries, Some(2), |log| {
        let (mut one, mut other) = (log.state(2), log.state(2));
        std::mem::swap(&mut one.statement, &mut other.statement);
        log.push_statement(one);
        log.push_statement(other);
        log.now += 30_000;
        log.head(2)
    })
    .await;
}

#[tokio::test]
async fn a_statement_the_log_made_up() {
    check_proven(Kind::HeadWithoutEntries, Some(2), |log| {
        let mut entry = log.state(2);
        log.push_statement(entry);
        entry.sequence = SequenceNumber::new(entry.sequence.get() + 1).unwrap();
        entry.statement = log.statement();
        log.push_statement(entry);
        log.now += 30_000;
        log.head(2)
    })
    .await;
}

#[tokio::test]
async fn a_statement_that_comes_twice() {
    check_proven(Kind::StreamGap, Some(0), |log| {
        let entry = log.state(0);
        log.push_statement(entry);
        log.push_statement(entry)
    })
    .await;
}

#[tokio::test]
async fn statements_missing_at_the_end_of_a_stream() {
    check_proven(Kind::HeadWithoutEntries, Some(0), |log| {
        log.state(0);
        log.now += 30_000;
        log.head(0)
    })
    .await;
}

#[tokio::test]
async fn a_head_with_another_root() {
    check_proven(Kind::HeadWithoutEntries, Some(0), |log| {
        log.statements(0, 2);
        let stream = &log.streams[0];
        let head = TreeHead { size: stream.range.size(), root: leaf_hash(b"another") };
        let note = sign_head(stream, head, log.now / 1000 + 1);
        log.push_head(0, note)
    })
    .await;
}

#[tokio::test]
async fn a_gateway_that_tells_two_histories() {
    check_proven(Kind::StreamFork, Some(0), |log| {
        let stream = &log.streams[0];
        let head = TreeHead { size: stream.range.size(), root: leaf_hash(b"another") };
        let note = sign_head(stream, head, log.now / 1000 + 1);
        log.push_head(0, note)
    })
    .await;
}

#[tokio::test]
async fn a_head_signed_by_somebody_else() {
    check_proven(Kind::ForgedHead, Some(0), |log| {
        let head = TreeHead { size: log.streams[0].range.size(), root: log.streams[0].range.root().unwrap() };
        let forger =
            TestStream { id: log.streams[0].id, key: stream_key(99), range: log.streams[0].range.clone() };
        let note = sign_head(&forger, head, log.now / 1000 + 1);
        log.push_head(0, note)
    })
    .await;
}

#[tokio::test]
async fn an_old_head_that_comes_again() {
    check_proven(Kind::TimeGoingBack, Some(0), |log| {
        let note = log.signed_head(0);
        log.now += 5_000;
        log.push_head(0, note)
    })
    .await;
    check_proven(Kind::TimeGoingBack, Some(0), |log| {
        log.statements(0, 4);
        let stream = &log.streams[0];
        let head = TreeHead { size: stream.range.size(), root: stream.range.root().unwrap() };
        let note = sign_head(stream, head, log.now / 1000 - 60);
        log.push_head(0, note)
    })
    .await;
}

#[tokio::test]
async fn an_entry_older_than_the_one_before() {
    check_proven(Kind::TimeGoingBack, None, |log| {
        log.now -= 10_000;
        log.statements(0, 1);
        log.now += 10_000;
        log.next() - 1
    })
    .await;
}

#[tokio::test]
async fn an_entry_without_meaning() {
    for junk in [&b""[..], b"junk", &[0x7f; 54], &[0x84; 100]] {
        check_proven(Kind::UndecodableEntry, None, |log| {
            log.entries.push(junk.to_vec());
            log.next() - 1
        })
        .await;
    }
}

/// A later version may have it: an old verifier says what it sees, and accuses nobody.
#[tokio::test]
async fn an_entry_of_an_unknown_kind_is_no_misconduct() {
    check_deed(Kind::UndecodableEntry, None, Proves::Observation, |log| {
        log.entries.push(vec![0xfe; 100]);
        log.next() - 1
    })
    .await;
}

#[tokio::test]
async fn a_withdrawn_key_that_goes_on() {
    let revoke_and = |log: &mut Builder| {
        log.revoke(10);
        log.now += 1_000;
    };
    check_proven(Kind::RevokedKeyUsed, Some(0), |log| {
        revoke_and(log);
        log.statements(0, 1);
        log.next() - 1
    })
    .await;
    check_proven(Kind::RevokedKeyUsed, Some(0), |log| {
        revoke_and(log);
        log.head(0)
    })
    .await;
    // A withdrawal that takes effect later holds up none that takes effect now.
    check_proven(Kind::RevokedKeyUsed, Some(0), |log| {
        log.revoke_at(10, log.now + 86_400_000);
        revoke_and(log);
        log.statements(0, 1);
        log.next() - 1
    })
    .await;
    check_proven(Kind::RevokedKeyUsed, Some(3), |log| {
        revoke_and(log);
        let opened = log.open(10, 60, None);
        log.streams[opened].id.get()
    })
    .await;
}

#[tokio::test]
async fn a_head_of_statements_from_before_the_withdrawal_is_no_fault() {
    let mut log = Builder::new();
    log.enrol(10);
    log.open(10, 30, None);
    log.statements(0, 5);
    log.revoke(10);
    log.now += 30_000;
    log.head(0);
    let report = report(Objects::of(&log.entries)).await;
    assert!(report.is_clean(), "{report}");
}

#[tokio::test]
async fn a_stream_of_nobody_enrolled() {
    let deed = |log: &mut Builder| {
        let opened = log.open(77, 61, None);
        log.streams[opened].id.get()
    };
    // That nobody enrolled it is proven by every entry before, which is too much of a log of this size.
    check_deed(Kind::UnknownGateway, Some(3), Proves::Observation, deed).await;
    let (entries, place) = crate::support::log_with(|log| Some(deed(log)));
    let place = in_stream(place.unwrap(), place.unwrap());
    check(Objects::of(&entries), Kind::UnknownGateway, place, Proves::Misconduct).await;
}

#[tokio::test]
async fn a_restart_that_does_not_fit() {
    let other = |log: &Builder| Previous { size: log.previous(0).size - 1, ..log.previous(0) };
    let ahead = |log: &Builder| Previous { size: log.previous(0).size + 1, ..log.previous(0) };
    let nobody = |_: &Builder| Previous { stream: StreamId::new(1).unwrap(), size: 0 };
    let later = |_: &Builder| Previous { stream: StreamId::new(1 << 30).unwrap(), size: 0 };
    let foreign = |log: &Builder| log.previous(1);
    let cases: [&dyn Fn(&Builder) -> Previous; 5] = [&other, &ahead, &nobody, &later, &foreign];
    for previous in cases {
        check_proven(Kind::BadRestart, Some(3), |log| {
            let previous = previous(log);
            log.open(10, 62, Some(previous));
            log.streams[3].id.get()
        })
        .await;
    }
}

#[tokio::test]
async fn two_successors_of_one_stream() {
    check_proven(Kind::BadRestart, Some(5), |log| {
        let spare = log.open(10, 63, None);
        let previous = log.previous(spare);
        log.open(10, 64, Some(previous));
        log.open(10, 65, Some(previous));
        log.streams[5].id.get()
    })
    .await;
}

#[tokio::test]
async fn an_entry_after_the_end_of_its_stream() {
    check_proven(Kind::EntryAfterClose, Some(3), |log| {
        let closed = log.open(10, 66, None);
        log.statements(closed, 2);
        log.close(closed);
        log.statements(closed, 1);
        log.next() - 1
    })
    .await;
    check_proven(Kind::EntryAfterClose, Some(3), |log| {
        let old = log.open(10, 67, None);
        let previous = log.previous(old);
        log.open(10, 68, Some(previous));
        log.statements(old, 1);
        log.next() - 1
    })
    .await;
    check_proven(Kind::EntryAfterClose, Some(3), |log| {
        let old = log.open(10, 69, None);
        log.statements(old, 2);
        log.head(old);
        let previous = log.previous(old);
        log.open(10, 70, Some(previous));
        log.now += 1_000;
        log.head(old)
    })
    .await;
}

#[tokio::test]
async fn a_statement_of_a_stream_that_never_was() {
    for stream in [1, 1 << 30] {
        let (entries, place) = log_with(|log| {
            let mut entry = log.state(0);
            log.streams[0].range = {
                let mut log = Builder::new();
                log.enrol(10);
                log.open(10, 30, None);
                log.statements(0, 0);
                log.streams.remove(0).range
            };
            entry.stream = StreamId::new(stream).unwrap();
            Some(log.push_statement(entry))
        });
        let place = in_stream(stream, place.unwrap());
        let cut = usize::try_from(place.entry.unwrap()).unwrap() + 1;
        check(Objects::of(&entries[..cut]), Kind::UnknownStream, place, Proves::Misconduct).await;
    }
}

#[tokio::test]
async fn a_genesis_that_is_none() {
    let other = key(ORIGIN, SignatureType::Ed25519, 77);
    let genesis =
        vouchlog_stream::Genesis { origin: origin(), operator: operator_key().verifying_key().clone() };
    let mut entries = HONEST.clone();
    entries[0] =
        Entry::Genesis { logged_at: Builder::new().time(), note: genesis.sign(&other).unwrap() }.encode();
    check(Objects::of(&entries), Kind::BadGenesis, at_entry(0), Proves::Misconduct).await;
    check_proven(Kind::BadGenesis, None, |log| {
        let (logged_at, note) = (log.time(), genesis.sign(&log_key()).unwrap());
        log.push(&Entry::Genesis { logged_at, note })
    })
    .await;
    let mut ours = config();
    ours.options.entries = vouchlog_auditor::EntryRules::Ours;
    let opaque = Objects::of(&[b"no genesis".to_vec(), b"at all".to_vec()]);
    check_with(opaque, &ours, None, Kind::BadGenesis, at_entry(0), Proves::Misconduct).await;
}

#[tokio::test]
async fn an_enrolment_the_operator_did_not_sign() {
    check_proven(Kind::BadEnrolment, None, |log| {
        let enrolment = vouchlog_stream::Enrolment::first(origin(), gateway_key(80).verifying_key().clone());
        let (logged_at, note) = (log.time(), enrolment.sign(&gateway_key(80)).unwrap());
        log.push(&Entry::GatewayEnrolled { logged_at, note })
    })
    .await;
    check_proven(Kind::BadEnrolment, None, |log| {
        log.enrol(81);
        log.revoke(81);
        log.enrol(81)
    })
    .await;
}

#[tokio::test]
async fn a_quota_the_operator_did_not_sign_and_one_that_comes_back() {
    check_proven(Kind::BadEnrolment, None, |log| {
        let quota = vouchlog_stream::Quota {
            log: origin(),
            scope: vouchlog_stream::QuotaScope::All,
            issued: log.time(),
            limits: vouchlog_stream::DailyLimits {
                statements: vouchlog_stream::Limit::AtMost(1),
                bytes: vouchlog_stream::Limit::Unlimited,
                streams: vouchlog_stream::Limit::Unlimited,
            },
        };
        let (logged_at, note) = (log.time(), quota.sign(&gateway_key(80)).unwrap());
        log.push(&Entry::QuotaSet { logged_at, note })
    })
    .await;
    check_proven(Kind::BadEnrolment, None, |log| {
        log.quota(7, 1_000);
        log.quota(8, 10);
        log.quota(7, 1_000)
    })
    .await;
}

/// The quotas in force are in the report, also in that of an audit that goes on from a saved state.
#[tokio::test]
async fn quotas_are_reported() {
    let (entries, _) = log_with(|log| {
        log.quota(7, 1_000);
        Some(log.quota(8, 10))
    });
    for report in both_reports(&entries).await {
        let [quota] = &report.quotas[..] else { panic!("{report}") };
        assert_eq!((quota.gateway.as_deref(), quota.statements.as_str()), (None, "10"));
        let line =
            "quota of every gateway without its own a day: statements 10, bytes unlimited, streams unlimited";
        assert!(report.to_string().contains(line), "{report}");
    }
}

#[tokio::test]
async fn an_opening_that_does_not_hold() {
    check_proven(Kind::BadOpening, Some(3), |log| {
        let opened = log.open(10, 30, None);
        log.streams[opened].id.get()
    })
    .await;
    let mut place = 0;
    let (entries, _) = log_with(|log| {
        let note = Builder::opening(10, 71, None).replace("previous none", "previous 1 0");
        let logged_at = log.time();
        place = log.push(&Entry::StreamOpened { logged_at, note });
        None
    });
    check(Objects::of(&entries), Kind::BadOpening, in_stream(place, place), Proves::Misconduct).await;
}

#[tokio::test]
async fn a_stream_that_fell_silent() {
    let mut silent = 0;
    let (entries, _) = log_with(|log| {
        let opened = log.open(10, 72, None);
        log.statements(opened, 3);
        log.head(opened);
        silent = log.streams[opened].id.get();
        None
    });
    let place = Place { stream: Some(silent), ..Place::default() };
    check(Objects::of(&entries), Kind::SilentStream, place.clone(), Proves::Observation).await;
    let mut patient = config();
    patient.options.heartbeat_allowance = std::time::Duration::from_secs(3_600);
    assert!(run(Objects::of(&entries), &patient, None).await.report.is_clean());
}
