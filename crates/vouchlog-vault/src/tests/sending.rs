//! Goal: every record that is kept reaches the log, once, whatever became of the spools it went through.
//! Method: recorders on a submitter whose spool, log and refusals the test holds in its hands.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use vouchlog_api::{
    AnySubmitter, Error, ErrorKind, Result, StreamActivity, StreamOwner, StreamSigner, Submitter,
};
use vouchlog_note::{KeyName, SignatureType, SigningKey};
use vouchlog_record::Record;
use vouchlog_stream::Statement;

use super::*;
use crate::{Recorder, RecorderConfig, RecordingError};

/// A log, in the order of its entries.
pub(super) type Entries = Arc<Mutex<Vec<(StreamId, Statement)>>>;

/// A gateway whose log takes statements when the test says so.
pub(super) struct Desk {
    stream: StreamId,
    key: Arc<SigningKey>,
    vault: Vault,
    access: Access,
    spool: Mutex<Vec<Statement>>,
    log: Entries,
    /// Of streams that are not our own.
    owners: Mutex<HashMap<StreamId, StreamOwner>>,
    is_full: AtomicBool,
    is_away: AtomicBool,
    /// Whether other gateways' streams grow between two questions about them.
    others_speak: AtomicBool,
    submitted: AtomicU64,
}

impl Desk {
    pub(super) fn open(vault: &Vault, access: &Access, stream: u64, log: &Entries) -> Arc<Self> {
        let name = KeyName::new("gateway.example").unwrap();
        let key = SigningKey::generate(name, SignatureType::CosignatureEd25519, [3; 32]).unwrap();
        Arc::new(Self {
            stream: StreamId::new(stream).unwrap(),
            key: Arc::new(key),
            vault: vault.clone(),
            access: access.clone(),
            spool: Mutex::default(),
            log: log.clone(),
            owners: Mutex::default(),
            is_full: AtomicBool::new(false),
            is_away: AtomicBool::new(false),
            others_speak: AtomicBool::new(false),
            submitted: AtomicU64::new(0),
        })
    }

    pub(super) async fn recorder(self: &Arc<Self>) -> Recorder {
        let config = RecorderConfig {
            tenant: "acme".to_owned(),
            issuer: "gateway.example".to_owned(),
            clock: || Timestamp::from_millisecond(NOW).unwrap(),
            randomness: || [9; 16],
        };
        let submitter = AnySubmitter::new(self.clone());
        Recorder::open(self.vault.clone(), self.access.clone(), submitter, config).await.unwrap()
    }

    /// The log takes the first of what waits; with receipts, the vault hears of it and the spool forgets it.
    async fn take(&self, count: usize, receipts: bool) {
        let taken: Vec<Statement> = self.spool.lock().drain(..count).collect();
        for statement in taken {
            let index = {
                let mut log = self.log.lock();
                log.push((self.stream, statement));
                log.len() as u64 - 1
            };
            if receipts {
                self.note(index, statement).await;
            }
        }
    }

    async fn note(&self, index: u64, statement: Statement) {
        let mut logged = logged("", index, "proof\n");
        logged.digest = statement.digest;
        assert_eq!(self.vault.logged(&self.access, vec![logged]).await.unwrap(), crate::NotNoted::default());
    }

    fn reach(&self) -> Result<()> {
        if self.is_away.load(Ordering::Relaxed) { Err(Error::unavailable("the log is away")) } else { Ok(()) }
    }
}

impl Submitter for Desk {
    async fn signer(&self) -> Result<StreamSigner> {
        Ok(StreamSigner { stream: self.stream, key: self.key.clone() })
    }

    async fn submit(&self, statements: Vec<Statement>) -> Result<()> {
        if self.is_full.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::Unavailable, "the spool accepts nothing now"));
        }
        self.submitted.fetch_add(statements.len() as u64, Ordering::Relaxed);
        self.spool.lock().extend(statements);
        Ok(())
    }

    async fn flush(&self) -> Result<()> {
        self.reach()
    }

    async fn pending(&self, digests: Vec<Digest>) -> Result<HashSet<Digest>> {
        let held: HashSet<Digest> = self.spool.lock().iter().map(|statement| statement.digest).collect();
        Ok(digests.into_iter().filter(|digest| held.contains(digest)).collect())
    }

    async fn owner(&self, stream: StreamId) -> Result<StreamOwner> {
        self.reach()?;
        let mut owners = self.owners.lock();
        let Some(owner) = owners.get_mut(&stream) else { return Ok(StreamOwner::Own) };
        let asked = owner.clone();
        if let StreamOwner::Namesake(activity) = owner
            && self.others_speak.load(Ordering::Relaxed)
        {
            activity.size += 1;
        }
        Ok(asked)
    }

    async fn look_up(&self, statements: Vec<Statement>) -> Result<Vec<Statement>> {
        self.reach()?;
        let mut missing = Vec::new();
        for statement in statements {
            let place = self.log.lock().iter().position(|(_, logged)| *logged == statement);
            match place {
                Some(index) => self.note(index as u64, statement).await,
                None => missing.push(statement),
            }
        }
        Ok(missing)
    }
}

fn records(range: std::ops::Range<usize>) -> Vec<Record> {
    let named = |n: usize| {
        let mut record = Record::new(StatementKind::Interaction);
        record.id = Some(id(&format!("r{n}")));
        record
    };
    range.map(named).collect()
}

/// Every record of the vault is in the log, once.
async fn check_all_logged_once(vault: &Vault, access: &Access, log: &Entries, count: usize) {
    assert_eq!(vault.kept_not_logged(access).await.unwrap(), crate::Backlog::default());
    let mut logged = BTreeMap::<String, usize>::new();
    for (_, statement) in log.lock().iter() {
        *logged.entry(statement.digest.to_string()).or_default() += 1;
    }
    assert!(logged.values().all(|times| *times == 1), "{logged:?}");
    assert_eq!(logged.len(), count);
}

pub(super) async fn a_second_call_submits_what_the_first_could_not(place: TestDatabase) {
    let (vault, owner) = open(&place).await;
    let log = Entries::default();
    let desk = Desk::open(&vault, &owner, 5, &log);
    let recorder = desk.recorder().await;
    desk.is_full.store(true, Ordering::Relaxed);
    // Kept, and not submitted: as often as it is tried, it is never said to be recorded.
    for _ in 0..3 {
        let refused = recorder.record(records(0..300)).await.unwrap_err();
        assert!(matches!(refused, RecordingError::NotSubmitted(_)), "{refused}");
    }
    assert!(recorder.kept_not_logged().await.unwrap().records >= 256);
    desk.is_full.store(false, Ordering::Relaxed);
    // The log need not be there for this.
    desk.is_away.store(true, Ordering::Relaxed);
    for _ in 0..2 {
        assert_eq!(recorder.record(records(0..300)).await.unwrap().len(), 300);
        assert_eq!(desk.submitted.load(Ordering::Relaxed), 300);
    }
    assert_eq!(recorder.resume().await.unwrap(), 0);
    // Another process finds them kept, too, and not in its spool.
    desk.spool.lock().drain(200..);
    let again = desk.recorder().await;
    again.record(records(150..250)).await.unwrap();
    assert_eq!(again.resume().await.unwrap(), 50);
    desk.take(300, true).await;
    check_all_logged_once(&vault, &owner, &log, 300).await;
    again.record(records(0..300)).await.unwrap();
    assert_eq!((again.resume().await.unwrap(), desk.spool.lock().len()), (0, 0));
}

pub(super) async fn a_lost_spool_loses_nothing_and_doubles_nothing(place: TestDatabase) {
    let (vault, owner) = open(&place).await;
    let log = Entries::default();
    let lost = Desk::open(&vault, &owner, 5, &log);
    lost.recorder().await.record(records(0..600)).await.unwrap();
    lost.take(100, true).await;
    // In the log, but the spool was lost before the vault had their receipts.
    lost.take(100, false).await;
    drop(lost);
    let desk = Desk::open(&vault, &owner, 700, &log);
    let recorder = desk.recorder().await;
    desk.is_away.store(true, Ordering::Relaxed);
    assert!(matches!(recorder.resume().await, Err(RecordingError::NotSubmitted(_))));
    desk.is_away.store(false, Ordering::Relaxed);
    recorder.record(records(600..610)).await.unwrap();
    assert_eq!(recorder.resume().await.unwrap(), 400);
    assert_eq!(recorder.resume().await.unwrap(), 0);
    desk.take(410, true).await;
    check_all_logged_once(&vault, &owner, &log, 610).await;
    assert!(log.lock()[200..].iter().all(|(stream, _)| stream.get() == 700));
}

pub(super) async fn other_gateways_records_are_left_to_them_until_they_fall_silent(place: TestDatabase) {
    let (vault, owner) = open(&place).await;
    let log = Entries::default();
    let [rival, foreign] = [20, 21].map(|stream| Desk::open(&vault, &owner, stream, &log));
    rival.recorder().await.record(records(0..10)).await.unwrap();
    foreign.recorder().await.record(records(10..20)).await.unwrap();
    let desk = Desk::open(&vault, &owner, 22, &log);
    let recorder = desk.recorder().await;
    let activity = |size| StreamOwner::Namesake(StreamActivity { size, head: None });
    desk.owners.lock().extend([(rival.stream, activity(0)), (foreign.stream, StreamOwner::Foreign)]);
    assert_eq!(recorder.resume().await.unwrap(), 0);

    // It says something while it is watched.
    desk.others_speak.store(true, Ordering::Relaxed);
    assert_eq!(recorder.take_over(Duration::from_millis(1)).await.unwrap(), 0);
    desk.others_speak.store(false, Ordering::Relaxed);

    rival.take(3, true).await;
    assert_eq!(recorder.take_over(Duration::from_millis(1)).await.unwrap(), 7);
    assert_eq!(recorder.take_over(Duration::from_millis(1)).await.unwrap(), 0);
    desk.take(7, true).await;
    assert_eq!(vault.kept_not_logged(&owner).await.unwrap().records, 10);
    foreign.take(10, true).await;
    check_all_logged_once(&vault, &owner, &log, 20).await;
}

pub(super) async fn pages_are_sent_to_the_end_and_errors_resume(place: TestDatabase) {
    let (vault, owner) = open(&place).await;
    let log = Entries::default();
    let lost = Desk::open(&vault, &owner, 5, &log);
    let recorder = lost.recorder().await;
    recorder.record(records(0..2_300)).await.unwrap();
    drop(lost);
    let desk = Desk::open(&vault, &owner, 6, &log);
    let recorder = desk.recorder().await;
    let sending = tokio::spawn({
        let recorder = recorder.clone();
        async move { recorder.resume().await }
    });
    while desk.submitted.load(Ordering::Relaxed) < 500 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    desk.is_full.store(true, Ordering::Relaxed);
    // It may just have come to the end.
    sending.await.unwrap().ok();
    desk.is_full.store(false, Ordering::Relaxed);
    // Other calls go on meanwhile.
    let (sent, recorded) = tokio::join!(recorder.resume(), recorder.record(records(2_300..2_310)));
    sent.unwrap();
    recorded.unwrap();
    assert_eq!(desk.submitted.load(Ordering::Relaxed), 2_310);
    desk.take(2_310, true).await;
    check_all_logged_once(&vault, &owner, &log, 2_310).await;
}
