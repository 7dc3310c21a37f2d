//! One audit from beginning to end: the checkpoint, what contradicts it, the walk, the evidence, the report.

use std::panic::resume_unwind;
use std::time::Instant;

use futures::StreamExt;
use thiserror::Error;
use tokio::task::JoinSet;
use tracing::Instrument;
use vouchlog_api::{CachingReader, Error, LogReader, Result};
use vouchlog_merkle::{TILE_WIDTH, TileId, TilePath, TreeHead, TreeSize};
use vouchlog_note::SignedCheckpoint;

use crate::bundle::Leaves;
use crate::checkpoint::{Cosigned, examine};
use crate::config::Config;
use crate::edge::RightEdge;
use crate::evidence::EvidenceSource;
use crate::fetch::{Fetcher, Served, is_log_unreadable};
use crate::finding::{Finding, Suspicions};
use crate::heads::Comparison;
use crate::kind::{FindingKind, Proves};
use crate::limits::{MAX_EVIDENCED_FINDINGS, MAX_IN_FLIGHT};
use crate::place::Place;
use crate::proving::{build, prefix_of, verify_finding};
use crate::pruning::{AnnouncedPruning, announced_pruning};
use crate::report::{AuditReport, Base};
use crate::rules::{Rules, Terms};
use crate::state::{AuditState, Opened, StateError};
use crate::tiles::Tiles;
use crate::walk::{Fetched, Walk};

const WIDTH: u64 = TILE_WIDTH as u64;
/// Bundles between two rests.
const BUNDLES_BETWEEN_RESTS: u64 = 256;

/// How far an audit is.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// Entries of the log that are behind it, those of earlier audits too.
    pub done: u64,
    /// Entries of the log.
    pub total: u64,
    /// The state to save, every so many bundles and only while what is served is the signed tree's.
    pub state: Option<&'a AuditState>,
}

/// What an audit comes to.
#[derive(Clone, Debug)]
pub struct Audited {
    /// What was found.
    pub report: AuditReport,
    /// What the next audit goes on from. That of before, if what the log serves could not be verified whole.
    pub state: Option<AuditState>,
}

/// Why a log could not be audited. This is not a statement about the log.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The log could not be asked, or not any more. An audit that was given the last saved state goes on from there.
    #[error("the log could not be read: {0}")]
    Read(#[from] vouchlog_api::Error),
    /// The proof that the log has ended is for another log.
    #[error("the proof that the log has ended is for the log `{0}`, not for this one")]
    OtherEnd(String),
    /// What was saved of an earlier audit is not to be believed.
    #[error(transparent)]
    State(#[from] StateError),
}

/// Audits a log: everything that its newest checkpoint implies, or, with the state of an earlier audit, everything since.
///
/// Faults of the log are findings of the report; an error is only what keeps the auditor from looking. `on_step` receives how far
/// the audit is, and is now and then given a state to save. Call it in a Tokio runtime: bundles are read ahead in tasks of their own.
#[tracing::instrument(name = "audit", skip_all, fields(origin = %config.log.origin, size))]
pub async fn audit<R: LogReader>(
    reader: R,
    config: &Config,
    previous: Option<AuditState>,
    on_step: impl FnMut(Step<'_>),
) -> Result<Audited, AuditError> {
    let log = Fetcher::new(reader, &config.options);
    Audit { log, config, previous, begun: Instant::now() }.run(on_step).await
}

/// An audit under way.
struct Audit<'c, R> {
    log: Fetcher<R>,
    config: &'c Config,
    /// What the last audit verified. It stays the newest state until this audit has verified the whole tree.
    previous: Option<AuditState>,
    begun: Instant,
}

impl<'c, R: LogReader> Audit<'c, R> {
    async fn run(self, on_step: impl FnMut(Step<'_>)) -> Result<Audited, AuditError> {
        if let Some(end) = self.config.end.as_ref().map(|end| &end.retirement().log)
            && !self.config.log.keys.contains(end)
        {
            return Err(AuditError::OtherEnd(end.to_string()));
        }
        let opened = self.previous.as_ref().map(|state| state.open(&self.config.log)).transpose()?;
        let mut found = self.previous.as_ref().map(|state| state.body.found.clone()).unwrap_or_default();
        let Some((signed, cosigned)) = self.checkpoint(&mut found).await? else {
            let findings = self.findings(None, &found).await?;
            let report = AuditReport::without_checkpoint(self.config, &found, findings, self.begun.elapsed());
            return Ok(Audited { report, state: self.previous });
        };

        tracing::Span::current().record("size", signed.head().size.get());
        let mut comparison = Comparison { log: &self.log, served: &signed, found: &mut found };
        let mut compared = comparison.with_all(self.config, opened.as_ref()).await?;
        compared.goes_on &= self.is_possible(&signed, &mut found);
        let base = Base { signed, cosigned, compared };
        if !compared.goes_on {
            let findings = self.findings(Some(&base.signed), &found).await?;
            let report =
                AuditReport::without_walk(self.config, &base, &found, findings, self.begun.elapsed());
            return Ok(Audited { report, state: self.previous });
        }

        let mut walk = self.begin_walk(&base.signed, opened, found).await?;
        walk.pruning = announced_pruning(&self.log, &self.config.log, &base.signed.head()).await?;
        walk.unchecked = self.previous.as_ref().map_or(0, |state| state.body.unchecked);
        walk.before = walk.before.saturating_sub(walk.unchecked);
        self.walk(&base.signed, &mut walk, on_step).await?;
        self.check_still_whole(&base.signed, &walk.found).await?;
        walk.finish();
        let findings = self.findings(Some(&base.signed), &walk.found).await?;
        let report = AuditReport::of_walk(self.config, &base, &walk, findings, self.begun.elapsed());
        let is_sound = walk.is_tree_sound();
        let state = if is_sound { Some(self.final_state(&base.signed, walk)) } else { self.previous };
        Ok(Audited { report, state })
    }

    /// The checkpoint that the log serves, with its cosignatures. None, and a finding, if there is no valid one.
    async fn checkpoint(&self, found: &mut Suspicions) -> Result<Option<(SignedCheckpoint, Cosigned)>> {
        match self.log.checkpoint().await {
            Ok(note) => Ok(examine(&note, self.config, found)),
            Err(error) if is_log_unreadable(&error) => Err(error),
            Err(error) => {
                let words = || format!("the log serves no checkpoint: {error}");
                found.add(FindingKind::MissingCheckpoint, Place::default(), EvidenceSource::note(""), words);
                Ok(None)
            }
        }
    }

    /// Whether the log may have as many entries as it signed. A walk through more would not end.
    fn is_possible(&self, signed: &SignedCheckpoint, found: &mut Suspicions) -> bool {
        let (size, most) = (signed.head().size.get(), self.config.options.max_entries);
        if size > most {
            let lead = EvidenceSource::note(signed.note());
            found.add(FindingKind::ImpossibleSize, Place::checkpoint(size), lead, || {
                format!(
                    "the log signed a tree of {size} entries; at most {most} are believed, so none was read"
                )
            });
        }
        size <= most
    }

    /// Begins a walk where the last one ended, or at the first entry.
    async fn begin_walk(
        &self,
        signed: &SignedCheckpoint,
        opened: Option<Opened>,
        mut found: Suspicions,
    ) -> Result<Walk<'c>, AuditError> {
        let head = signed.head();
        let (edge, rules) = match (&self.previous, opened) {
            (Some(state), Some(opened)) => (opened.edge, state.body.rules.clone()),
            _ => (RightEdge::default(), None),
        };
        let contradiction = StateError::Contradiction("its streams do not match its size");
        let rules = rules.map(|stored| {
            Rules::from_stored(Terms::of(self.config), stored, edge.size()).ok_or(contradiction)
        });
        self.check_edge(&edge, &head).await?;
        let tiles = Tiles::open(&self.log, &head, &mut found).await?;
        Ok(Walk::new(self.config, head, tiles, edge, rules.transpose()?, found))
    }

    /// Refuses a saved edge that is not the log's. One from the middle of an audit leads to no checkpoint, so the tiles of the
    /// newest one must contain it.
    async fn check_edge(&self, edge: &RightEdge, head: &TreeHead) -> Result<(), AuditError> {
        let size = TreeSize::new(edge.size());
        if size.get() > 0
            && size < head.size
            && let Ok(Some((root, _))) = prefix_of(&self.log, size, head).await
            && root != edge.head().root
        {
            return Err(StateError::Contradiction("its edge does not match its log").into());
        }
        Ok(())
    }

    /// Walks to the end, many requests at a time, one bundle after the other. No more than `in_flight` bundles are in memory, each with
    /// its tile and hashes: some 250 kB of statements by default.
    async fn walk(
        &self,
        signed: &SignedCheckpoint,
        walk: &mut Walk<'_>,
        mut on_step: impl FnMut(Step<'_>),
    ) -> Result<()> {
        let (size, options) = (signed.head().size, &self.config.options);
        let begun = walk.grown.size();
        on_step(Step { done: begun, total: size.get(), state: None });
        if begun == size.get() {
            return Ok(());
        }
        let first = begun / WIDTH;
        let bundles = first..size.get().div_ceil(WIDTH);
        let fetches = futures::stream::iter(bundles)
            .map(|bundle| ahead(fetch(self.log.clone(), bundle, bundle == first, size)));
        let mut fetched = std::pin::pin!(fetches.buffered(options.in_flight.clamp(1, MAX_IN_FLIGHT)));
        let mut count = 0;
        while let Some(next) = fetched.next().await {
            let next = next?;
            walk.take(&next);
            if walk.gives_up(&next) {
                return Ok(());
            }
            count += 1;
            let is_due = count % options.save_every.max(1) == 0 && walk.is_tree_sound();
            let state = is_due.then(|| self.halfway_state(signed, walk));
            on_step(Step { done: walk.grown.size(), total: size.get(), state: state.as_ref() });
            if count % BUNDLES_BETWEEN_RESTS == 0 && !options.pause.is_zero() {
                tokio::time::sleep(options.pause).await;
            }
        }
        Ok(())
    }

    /// An audit reads under one checkpoint, and takes its time: a log may publish an announcement later than that, and give up what it
    /// announced. If that explains all that is missing, this audit cannot tell it from a loss; the next one, which begins with a later
    /// checkpoint, can.
    async fn check_still_whole(&self, signed: &SignedCheckpoint, found: &Suspicions) -> Result<()> {
        let missing = || found.list.iter().filter(|one| one.kind == FindingKind::MissingBundle);
        if missing().next().is_none() {
            return Ok(());
        }
        let newest = match self.log.checkpoint().await {
            Err(error) if is_log_unreadable(&error) => return Err(error),
            read => read.ok().and_then(|note| self.config.log.open_checkpoint(note.as_bytes()).ok()),
        };
        let Some(newest) = newest.filter(|newest| newest.head().size > signed.head().size) else {
            return Ok(());
        };
        let pruning = announced_pruning(&self.log, &self.config.log, &newest.head()).await?;
        let later = pruning.filter(|pruning| pruning.entry >= signed.head().size.get());
        match later {
            Some(AnnouncedPruning { minimum, entry, .. })
                if missing().all(|one| is_below(&one.place, minimum)) =>
            {
                Err(Error::unavailable(format!(
                    "the log gave up entries below {minimum} while it was audited, as its entry {entry} announces: audit it again"
                )))
            }
            _ => Ok(()),
        }
    }

    /// What an audit that is broken off now would go on from.
    fn halfway_state(&self, signed: &SignedCheckpoint, walk: &Walk<'_>) -> AuditState {
        let mut state = AuditState::new(&self.config.log.origin, &walk.grown);
        state.body.verified = self.previous.as_ref().and_then(|state| state.body.verified.clone());
        state.body.target = Some(signed.note().to_owned());
        state.body.rules = walk.rules.as_ref().map(Rules::to_stored);
        state.body.found = walk.found.clone();
        state.body.unchecked = walk.unchecked;
        state
    }

    fn final_state(&self, signed: &SignedCheckpoint, mut walk: Walk<'_>) -> AuditState {
        let mut state = AuditState::new(&self.config.log.origin, &walk.grown);
        state.body.verified = Some(signed.note().to_owned());
        if let Some(rules) = &mut walk.rules {
            rules.forget_causes();
        }
        state.body.rules = walk.rules.as_ref().map(Rules::to_stored);
        state.body.unchecked = walk.unchecked;
        state
    }

    /// The findings with their evidence, in the order of causes. Each is checked as a stranger would: what does not prove the
    /// fault by itself is an observation.
    async fn findings(&self, signed: Option<&SignedCheckpoint>, found: &Suspicions) -> Result<Vec<Finding>> {
        let order = found.order();
        let log = CachingReader::new(self.log.clone());
        let mut findings = Vec::with_capacity(order.len());
        for (place, &at) in order.iter().enumerate() {
            let suspicion = &found.list[at];
            let proven_under = signed.filter(|_| place < MAX_EVIDENCED_FINDINGS);
            let file = build(&log, &self.config.log.origin, proven_under, suspicion).await?;
            let is_proven = verify_finding(&file, &self.config.log).is_proven();
            findings.push(Finding {
                kind: suspicion.kind,
                rule: suspicion.kind.rule(),
                severity: suspicion.kind.severity(),
                proves: if is_proven { Proves::Misconduct } else { Proves::Observation },
                words: suspicion.words.clone(),
                place: suspicion.place.clone(),
                follows_from: suspicion.cause.and_then(|cause| order.iter().position(|at| *at == cause)),
                consequences: suspicion.consequences,
                evidence: file,
            });
        }
        Ok(findings)
    }
}

/// Reads in a task of its own: on another core, if there is one, what comes next is read, unzipped and hashed while the walk checks
/// what came before. A task whose result is not wanted any more is aborted.
async fn ahead(fetch: impl Future<Output = Result<Fetched>> + Send + 'static) -> Result<Fetched> {
    let mut task = JoinSet::new();
    task.spawn(fetch.in_current_span());
    match task.join_next().await.expect("there is one task") {
        Ok(fetched) => fetched,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            Err(_) => Err(Error::unavailable("the audit is stopped")),
        },
    }
}

/// A bundle with its hashes, the tile beside it, and the full tiles above that the walk has not seen yet.
async fn fetch<R: LogReader>(
    log: Fetcher<R>,
    bundle: u64,
    is_first: bool,
    size: TreeSize,
) -> Result<Fetched> {
    let id = TileId { level: 0, index: bundle };
    let width = id.width_at(size);
    let mut parents = Vec::new();
    for parent in Tiles::parents_of(bundle, is_first, size) {
        parents.push((parent, log.served_tile(parent, 256).await?));
    }
    let entries = log.served_bundle(bundle, width).await?;
    // A partial tile was read with the others of the right edge.
    let tile = if width == 256 { Some(log.served_tile(id, width).await?) } else { None };
    let leaves = match &entries {
        Served::Bytes(bytes) => Leaves::of(bytes, usize::from(width)),
        Served::Missing(_) => None,
    };
    Ok(Fetched { bundle, width, entries, leaves, tile, parents })
}

/// Whether a place is a full bundle below a minimum index. The first one, with the genesis entry, is never given up.
fn is_below(place: &Place, minimum: u64) -> bool {
    let path = place.tile.as_deref().map(TilePath::parse);
    matches!(path, Some(Ok(TilePath::Entries { index, width: 256 })) if index > 0 && (index + 1) * WIDTH <= minimum)
}
