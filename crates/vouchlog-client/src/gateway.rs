//! `Gateway`: statements go in, verified receipts come out. Start here, then read `gateway/run.rs`.
//!
//! ```text
//! submit ──► writer thread ──► spool (durable) ──► session: sign, send, up to 8 under way ──► log
//! ticket ◄── writer thread ◄── spool (forgets) ◄── session: verify the receipt  ◄──────────── log
//! ```
//!
//! One thread writes the spool and makes whatever waits durable as one. One task holds the conversation with the log:
//!
//! ```text
//!              ┌────────────► open a stream (opening.rs) ──┐
//!   start ─────┤                                           ├──► compare with the log (resume.rs)
//!              └─ has one ─────────────────────────────────┘             │
//!      ▲                                                                 ▼
//!      └──── wait (a backoff) ◄── lost connection, pushback, ... ── converse (run.rs) ──────► closed
//! ```
//!
//! Every trouble that may pass ends in the same place, *compare with the log*, so recovery is the path that runs every day.

use std::fmt;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use vouchlog_api::{AckLevel, StreamSigner};
use vouchlog_note::{Origin, SignatureType, SigningKey, VerifyingKey};
use vouchlog_runtime::{Backoff, Clock};
use vouchlog_stream::limits::RECENT_RUNS;
use vouchlog_stream::{Statement, StreamId};

use crate::receipts::{Acknowledged, LoggedStatements, ReceiptSink};
use crate::spool::{Owner, Spool, SpoolOptions, StreamKeys};
use crate::{Connection, GrpcLog, SpoolError, limits};

mod error;
mod exchange;
mod finding;
mod opening;
mod recover;
mod resume;
mod run;
mod session;
mod submitter;
mod writer;

pub use error::GatewayError;

use finding::Finder;
use session::{Disk, History, Identity, Session};
use writer::{Change, Ticket, Writer};

/// How often [`Gateway::out_of_reach`] reads the gateway's status.
const STATUS_INTERVAL: Duration = Duration::from_millis(500);

/// How long a gateway waits for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How often an idle gateway says that it is alive; in whole seconds, as heads are signed.
    pub heartbeat: Duration,
    /// How long the log may leave a request unanswered before the connection is given up for lost.
    pub answer: Duration,
    /// The first wait after a failure; it doubles with every further one.
    pub first_backoff: Duration,
    /// The longest wait after a failure.
    pub max_backoff: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            heartbeat: limits::HEARTBEAT_INTERVAL,
            answer: limits::ANSWER_TIMEOUT,
            first_backoff: limits::FIRST_BACKOFF,
            max_backoff: limits::MAX_BACKOFF,
        }
    }
}

/// Behaviour that has a sensible default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Statements in one request, if so many wait; 1 to [`MAX_STATEMENTS`](vouchlog_api::limits::MAX_STATEMENTS).
    pub batch: usize,
    /// Requests that may be unanswered at a time; 1 to [`RECENT_RUNS`], as many as the log can answer again.
    pub window: usize,
    /// Statements the spool may hold.
    pub max_spooled: u64,
    /// Bytes of the disk that the spool leaves free: with less it refuses statements and acknowledges none, until there is room again.
    pub min_free: u64,
    /// When the log answers. Asking for [`AckLevel::Witnessed`] costs the time of a round of witnesses for each request, and
    /// promises no cosignatures: the log may not get them in time, and what is recovered after a crash is proven against
    /// whatever checkpoint is the newest. Verify [`LoggedStatements::receipt`](crate::LoggedStatements::receipt)'s checkpoint with the policy. A log
    /// without witnesses refuses such requests; the gateway keeps its statements, says so in its status, and tries again.
    pub wait_for: AckLevel,
    /// How long to wait for what.
    pub patience: Patience,
    /// The stream this gateway had before its state directory was lost; a first stream will name it. Where only the spool in it was
    /// lost, the directory still tells.
    pub previous: Option<StreamId>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            batch: limits::BATCH_STATEMENTS,
            window: RECENT_RUNS,
            max_spooled: limits::MAX_SPOOLED_STATEMENTS,
            min_free: limits::MIN_FREE_BYTES,
            wait_for: AckLevel::Sequenced,
            patience: Patience::default(),
            previous: None,
        }
    }
}

/// What a gateway is opened with.
pub struct GatewayConfig {
    /// How to reach the log.
    pub log: Connection,
    /// The log's name.
    pub origin: Origin,
    /// The key that signs the log's checkpoints (type 0x01).
    pub log_key: VerifyingKey,
    /// The gateway's enrolled key (type 0x01).
    pub gateway_key: SigningKey,
    /// Where the spool is kept. Each gateway process needs its own.
    pub state_dir: PathBuf,
    /// The time.
    pub clock: Clock,
    /// 32 fresh random bytes at each call, for the keys of streams.
    pub randomness: fn() -> [u8; 32],
    /// Gets every verified receipt before the spool forgets its statements.
    pub sink: Option<Box<dyn ReceiptSink>>,
    /// The rest.
    pub options: Options,
}

impl fmt::Debug for GatewayConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { log, origin, gateway_key, state_dir, options, .. } = self;
        f.debug_struct("GatewayConfig")
            .field("log", log)
            .field("origin", origin)
            .field("gateway", gateway_key.verifying_key())
            .field("state_dir", state_dir)
            .field("options", options)
            .finish_non_exhaustive()
    }
}

/// How a gateway is doing.
#[derive(Clone, Debug, Default)]
pub struct GatewayStatus {
    /// The stream it writes to, once the log opened one.
    pub stream: Option<StreamId>,
    /// Statements of that stream whose receipt was verified.
    pub acknowledged: u64,
    /// What keeps it from talking to the log at the moment; it goes on trying.
    pub trouble: Option<String>,
    /// Why the spool takes nothing at the moment. It takes more once there is room, unless writing failed: then its process must be
    /// restarted.
    pub spool: Option<SpoolError>,
    /// Why it stopped for good.
    pub stopped: Option<GatewayError>,
    /// Position up to which all is acknowledged.
    position: u64,
}

/// A request to the task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Order {
    #[default]
    Run,
    /// Close the stream once everything is acknowledged.
    Close,
    /// Leave everything as it is.
    Stop,
}

/// A gateway's client. Dropping it stops the conversation and leaves the stream open, to be continued by the next
/// [`Gateway::open`] with the same state directory; so does being killed.
#[derive(Debug)]
pub struct Gateway {
    changes: mpsc::Sender<Change>,
    spool: Arc<Spool>,
    tickets: Arc<Semaphore>,
    orders: watch::Sender<Order>,
    status: watch::Receiver<GatewayStatus>,
    signer: watch::Receiver<Option<StreamSigner>>,
    finder: Finder,
    task: JoinHandle<()>,
    writer: std::thread::JoinHandle<()>,
}

impl Gateway {
    /// Opens the spool and begins to exchange to the log. What an earlier process left in the spool is sent first. Nothing fails
    /// because the log is away: that is what the spool is for.
    pub async fn open(config: GatewayConfig) -> Result<Self, GatewayError> {
        Self::open_with(config, None).await
    }

    /// As [`open`](Self::open), with the spool's ledger on another disk than the folder `spool` of the state directory: for simulations
    /// and tests, which make it fail. The stamp and the keys stay in the state directory.
    pub async fn open_on(
        config: GatewayConfig,
        disk: Arc<dyn vouchlog_ledger::Disk>,
    ) -> Result<Self, GatewayError> {
        Self::open_with(config, Some(disk)).await
    }

    async fn open_with(
        config: GatewayConfig,
        disk: Option<Arc<dyn vouchlog_ledger::Disk>>,
    ) -> Result<Self, GatewayError> {
        check(&config)?;
        let GatewayConfig { log, origin, log_key, gateway_key, state_dir, clock, randomness, sink, options } =
            config;
        let log = GrpcLog::connect(&log).map_err(GatewayError::Refused)?;
        let gateway = gateway_key.verifying_key().clone();
        let owner = Owner { origin: origin.clone(), log: log_key.clone(), gateway };
        let keys = StreamKeys::new(&state_dir);
        let mut identity = [0; 16];
        identity.copy_from_slice(&randomness()[..16]);
        let spool = SpoolOptions { disk, min_free: options.min_free, identity };
        let opened = tokio::task::spawn_blocking(move || Spool::open(&state_dir, &owner, spool)).await;
        let (spool, state) = opened.map_err(|_| GatewayError::Stopped)??;
        let spool = Arc::new(spool);

        let (ends_sender, ends) = watch::channel(spool.end());
        let writer = Writer::new(spool.clone(), ends_sender, options.max_spooled, sink, state.position());
        let (changes, writer) =
            writer.start().map_err(|error| GatewayError::Spool(SpoolError::Io(error.to_string())))?;
        let (orders, order) = watch::channel(Order::Run);
        let (status_sender, status) = watch::channel(GatewayStatus::default());
        let (signer_sender, signer) = watch::channel(None);
        let seed = *randomness().first_chunk().expect("8 of 32 bytes");
        let Patience { first_backoff, max_backoff, .. } = options.patience;
        let backoff = Backoff::seeded(first_backoff, max_backoff, u64::from_be_bytes(seed));
        let finder = Finder {
            log: log.clone(),
            origin: origin.clone(),
            log_key: log_key.clone(),
            name: gateway_key.verifying_key().name().clone(),
        };
        let session = Session {
            log,
            me: Identity { origin, log_key, gateway_key, clock, randomness, options },
            disk: Disk { spool: spool.clone(), keys, changes: changes.clone(), ends },
            state,
            history: History::default(),
            orders: order,
            status: status_sender,
            signer: signer_sender,
            backoff,
            signed_at: 0,
        };
        let task = tokio::spawn(session.run());
        let tickets = Arc::new(Semaphore::new(limits::MAX_TICKETS));
        Ok(Self { changes, spool, tickets, orders, status, signer, finder, task, writer })
    }

    /// Puts statements into the spool, in this order and next to each other, and returns once they are durable. The ticket
    /// is for the receipt; it may be dropped.
    ///
    /// Waits while more than [`MAX_TICKETS`](limits::MAX_TICKETS) submissions wait for their receipts.
    ///
    /// # Errors
    /// [`SpoolError::Full`](crate::SpoolError::Full) takes none of the statements. After any other error of the spool they
    /// may be on disk or not.
    pub async fn submit(&self, statements: Vec<Statement>) -> Result<SubmitTicket, GatewayError> {
        self.check_running()?;
        let permit = self.tickets.clone().acquire_owned().await.map_err(|_| GatewayError::Stopped)?;
        let (receipt, ticket) = oneshot::channel();
        if statements.is_empty() {
            drop(receipt.send(Ok(Acknowledged::default())));
            return Ok(SubmitTicket(ticket));
        }
        let (reply, spooled) = oneshot::channel();
        let change = Change::Push { statements, ticket: Ticket::new(receipt, permit), reply };
        self.changes.send(change).await.map_err(|_| GatewayError::Stopped)?;
        spooled.await.map_err(|_| GatewayError::Stopped)??;
        // The session may have stopped in between, when it failed the tickets it could see.
        if let Err(error) = self.check_running() {
            drop(self.changes.send(Change::Fail(error)).await);
        }
        Ok(SubmitTicket(ticket))
    }

    /// Waits until everything submitted before this call is acknowledged.
    pub async fn flush(&self) -> Result<(), GatewayError> {
        let end = self.spool.end();
        let mut status = self.status.clone();
        let reached = status.wait_for(|status| status.position >= end || status.stopped.is_some()).await;
        let reached = reached.map_err(|_| GatewayError::Stopped)?;
        match &reached.stopped {
            Some(error) if reached.position < end => Err(error.clone()),
            _ => Ok(()),
        }
    }

    /// Waits until everything is acknowledged, then closes the stream: the last word about its completeness. Further
    /// submissions are refused.
    pub async fn close(&self) -> Result<(), GatewayError> {
        self.orders.send_if_modified(|order| std::mem::replace(order, Order::Close) == Order::Run);
        let mut status = self.status.clone();
        let stopped = status.wait_for(|status| status.stopped.is_some()).await;
        match stopped.map_err(|_| GatewayError::Stopped)?.stopped.clone() {
            None | Some(GatewayError::Closed) => Ok(()),
            Some(error) => Err(error),
        }
    }

    /// Stops talking to the log, leaves the stream open, and lets go of the spool.
    pub async fn stop(self) {
        let Self { changes, spool, orders, task, writer, .. } = self;
        orders.send_replace(Order::Stop);
        // Errors mean that they had ended before.
        let _ = task.await;
        drop((changes, spool));
        let _ = tokio::task::spawn_blocking(move || writer.join()).await;
    }

    /// Waits until the gateway can no longer write to its own disk, or keep receipts, and returns why. Opening it again recovers.
    /// Whatever the log refuses is not waited for: that is for people to settle.
    pub fn poisoned(&self) -> impl Future<Output = String> + Send + use<> {
        let mut status = self.status.clone();
        async move {
            let is_local =
                |status: &GatewayStatus| status.stopped.as_ref().is_some_and(GatewayError::is_local);
            let stopped = status.wait_for(is_local).await;
            match stopped.ok().and_then(|status| status.stopped.clone()) {
                Some(error) => error.to_string(),
                // The gateway is gone, and nothing went wrong.
                None => std::future::pending().await,
            }
        }
    }

    /// How it is doing.
    pub fn status(&self) -> GatewayStatus {
        GatewayStatus { spool: self.spool.trouble(), ..self.status.borrow().clone() }
    }

    /// Whether statements can be spooled and go on to the log; else why not.
    ///
    /// # Errors
    /// Why the gateway stopped, or why its spool takes nothing. A log that cannot be reached is no error: statements wait for it.
    pub fn readiness(&self) -> Result<(), String> {
        let GatewayStatus { spool, stopped, .. } = self.status();
        match (spool, stopped) {
            (Some(error), _) => Err(error.to_string()),
            (None, Some(error)) => Err(error.to_string()),
            (None, None) => Ok(()),
        }
    }

    /// How many statements wait for their receipt.
    pub fn waiting(&self) -> u64 {
        self.spool.len()
    }

    /// Completes once the log has been out of reach for `patience` without a break, and returns why: it cannot be talked to, or it
    /// acknowledges nothing of what waits. `report` gets each new reason as soon as it is known. Statements stay in the spool.
    pub async fn out_of_reach(&self, patience: Duration, mut report: impl FnMut(&str)) -> String {
        let (mut reported, mut silent) = (None, Duration::ZERO);
        let mut progress = None;
        loop {
            tokio::time::sleep(STATUS_INTERVAL).await;
            let GatewayStatus { trouble, stream, position, .. } = self.status();
            let before = progress.replace((stream, position));
            let is_idle = trouble.is_none() && stream.is_some() && self.waiting() == 0;
            // A log that takes a connection and never answers gives no trouble for as long as an answer may take.
            if is_idle || before.is_some_and(|before| before != (stream, position)) {
                silent = Duration::ZERO;
                continue;
            }
            silent += STATUS_INTERVAL;
            if silent >= patience {
                return trouble.unwrap_or_else(|| "it does not answer".to_owned());
            }
            if let Some(trouble) = trouble.filter(|trouble| reported.as_ref() != Some(trouble)) {
                report(&trouble);
                reported = Some(trouble);
            }
        }
    }

    /// Hands receipts that were found in the log to the sink.
    async fn hand_over(&self, found: Vec<LoggedStatements>) -> Result<(), GatewayError> {
        let (reply, kept) = oneshot::channel();
        let change = Change::HandOver { found, reply };
        self.changes.send(change).await.map_err(|_| GatewayError::Stopped)?;
        kept.await.map_err(|_| GatewayError::Stopped)?
    }

    fn check_running(&self) -> Result<(), GatewayError> {
        if let Some(error) = &self.status.borrow().stopped {
            return Err(error.clone());
        }
        if *self.orders.borrow() == Order::Run { Ok(()) } else { Err(GatewayError::Closed) }
    }
}

/// A submission that is durable in the spool. Await it for the verified receipt; drop it if no receipt is needed.
#[derive(Debug)]
pub struct SubmitTicket(oneshot::Receiver<Result<Acknowledged, GatewayError>>);

impl Future for SubmitTicket {
    type Output = Result<Acknowledged, GatewayError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|answer| answer.unwrap_or(Err(GatewayError::Stopped)))
    }
}

fn check(config: &GatewayConfig) -> Result<(), GatewayError> {
    let wrong = |message: String| Err(GatewayError::Config(message));
    for (whose, key) in [("log", &config.log_key), ("gateway", config.gateway_key.verifying_key())] {
        if key.signature_type() != SignatureType::Ed25519 {
            return wrong(format!("the {whose}'s key `{key}` is not an Ed25519 note key (type 0x01)"));
        }
    }
    let Options { batch, window, .. } = config.options;
    if !(1..=vouchlog_api::limits::MAX_STATEMENTS).contains(&batch) {
        return wrong(format!(
            "a batch has 1 to {} statements, not {batch}",
            vouchlog_api::limits::MAX_STATEMENTS
        ));
    }
    if !(1..=RECENT_RUNS).contains(&window) {
        return wrong(format!("a window has 1 to {RECENT_RUNS} requests, not {window}"));
    }
    Ok(())
}
