//! Opening a log: keys checked, the tree brought back, the witnesses asked, and only then the threads started.

use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use prometheus_client::registry::Registry;
use tracing::Span;
use vouchlog_merkle::TreeHead;
use vouchlog_note::{Policy, SignatureType, SigningKey, VerifyingKey};
use vouchlog_runtime::Poison;
use vouchlog_runtime::scope::in_span;
use vouchlog_storage::{Index, Loaded, StateKey, Store, StoreError};
use vouchlog_stream::{Enrolment, Genesis, Operators};

use crate::commit::Committer;
use crate::config::Config;
use crate::draft::House;
use crate::edge::Edge;
use crate::engine::{Engine, Inner};
use crate::engine_error::EngineError;
use crate::enroller::Enroller;
use crate::follow::Follower;
use crate::log_time::{LogTime, logged_at};
use crate::metrics::SequencerMetrics;
use crate::pruner::Pruner;
use crate::publish::{Published, Publisher, Sequenced};
use crate::queue::{Queue, Request};
use crate::recover::{Beginning, check_continues, create, genesis, genesis_damage, recover, retired};
use crate::scrubber::Scrubber;
use crate::second_path::SecondPath;
use crate::sequence::{DueHeads, Parts, Sequencer};
use crate::signer::Signer;
use crate::state::{Directory, PanicGuard, RetiredLog, Shared, Tree, last_published};
use crate::witnesses::Feeders;

impl<S: Store> Engine<S> {
    /// Opens the log in `store`, or creates it with a genesis entry. `index` is the lookup index, if there is to be one;
    /// metrics are registered in `registry`. Blocks while the tail is read back and the witnesses are asked what they know,
    /// which takes some seconds when one does not answer.
    pub fn open(
        mut config: Config,
        store: S,
        index: Option<Arc<dyn Index>>,
        registry: &mut Registry,
    ) -> Result<Self, EngineError> {
        check_keys(&config)?;
        let signer = Signer {
            origin: config.origin.clone(),
            ed25519: config.log_key.clone(),
            ml_dsa: config.ml_dsa_key.clone(),
        };
        let feeders = config.witnesses.take().map(|w| Feeders::new(w, registry)).transpose();
        let mut feeders = feeders.map_err(EngineError::Thread)?;
        if store.load()?.is_none() {
            if let Some(feeders) = &mut feeders {
                feeders.guard_new(&signer, logged_at(config.clock.now()))?;
            }
            let now = logged_at(config.clock.now());
            let (operator, continues) = (config.named_operator(), config.continues.as_ref());
            create(&signer, Beginning { operator, continues, now }, &store)?;
        }
        let loaded = store.load()?.ok_or_else(|| StoreError::Damaged("the new log is missing".into()))?;
        let operator = match operator(&genesis(&store, &loaded)?, &config) {
            Err(EngineError::LogKey(wrong)) => {
                let damage = genesis_damage(&store, &loaded)?;
                return Err(damage.map_or(EngineError::LogKey(wrong), EngineError::Store));
            }
            operator => operator?,
        };
        if let Some(proof) = &config.continues {
            check_continues(proof, config.log_key.verifying_key(), &store, &loaded)?;
        }
        let (mut tree, last) = recover(&store, &loaded)?;
        let retired = retired(&tree, last.as_ref(), config.log_key.verifying_key())?;
        check_remembered(&store, loaded.head, index.as_deref())?;
        // The head is committed, so signing it again is signing the same; a process that ended before it signed is made up for.
        store.note_signed(loaded.head)?;
        check_tenure(&store)?;
        let head = signer.sign(loaded.head, logged_at(config.clock.now()).max(tree.logged_at));
        tree.head = Some(head.map_err(|error| EngineError::Key(error.to_string()))?);
        check_tenure(&store)?;
        let found = CheckedLog { store, index, operator, loaded, retired };
        let shared = share(&config, found, &tree, feeders.as_ref(), registry)?;
        if let Some(feeders) = &mut feeders {
            feeders.guard(&shared)?;
        }
        let operator = config.operator_key.clone();
        let sequencer = sequencer(config, signer, shared.clone(), tree)?;
        let scrubber = Scrubber::start(&shared, registry).map_err(EngineError::Thread)?;
        Self::start(shared, sequencer, operator, feeders, scrubber)
    }

    fn start(
        shared: Arc<Shared<S>>,
        sequencer: Sequencer<S>,
        operator: Option<SigningKey>,
        feeders: Option<Feeders>,
        scrubber: Option<Scrubber>,
    ) -> Result<Self, EngineError> {
        let (queue, messages) = Queue::new(shared.options.max_queued_statements);
        let pruner = Pruner::start(&shared).map_err(EngineError::Thread)?;
        let index = shared.index.clone();
        let follower =
            index.map(|index| Follower::start(&shared, index)).transpose().map_err(EngineError::Thread)?;
        let witnessing =
            feeders.map(|feeders| feeders.start(&shared)).transpose().map_err(EngineError::Thread)?;
        let house = sequencer.house.gateway.as_ref().map(|key| key.verifying_key().clone());
        // One that was replaced signs nothing more.
        let in_force = shared.directory.read().operators.as_ref().map(|operators| operators.key().clone());
        let operator = operator.filter(|key| Some(key.verifying_key()) == in_force.as_ref());
        let enrolment = match (&operator, house) {
            (Some(operator), Some(house)) if shared.directory.read().takes(&house) => {
                let enrolment = Enrolment::first(shared.origin.clone(), house);
                Some((enrolment.sign(operator), enrolment, operator.verifying_key().clone()))
            }
            _ => None,
        };
        let enrols_everyone = shared.options.open_enrolment;
        let enroller = operator.filter(|_| enrols_everyone).map(Enroller::start).transpose();
        let enroller = enroller.map_err(EngineError::Thread)?;
        let thread = std::thread::Builder::new()
            .name("vouchlog-sequencer".into())
            .spawn(in_span(move || {
                let _guard = PanicGuard(sequencer.shared.clone());
                sequencer.run(&messages);
            }))
            .map_err(EngineError::Thread)?;
        if let Some((note, enrolment, by)) = enrolment {
            let note = note.map_err(|error| EngineError::Key(error.to_string()))?;
            // The reply is not awaited: a house stream that cannot be enrolled reports so when it is used.
            drop(queue.submit(Request::Enrol { note, enrolment: Box::new(enrolment), by: Box::new(by) }));
        }
        let thread = Mutex::new(Some(thread));
        let inner = Inner { shared, queue, enroller, follower, scrubber, pruner, witnessing, thread };
        Ok(Self { inner: Arc::new(inner) })
    }
}

/// Whether this process may sign: asked before and after, since loading a log can outlast a lease.
fn check_tenure<S: Store>(store: &S) -> Result<(), EngineError> {
    match store.tenure().obstacle() {
        Some(reason) => Err(StoreError::Leased(reason.to_owned()).into()),
        None => Ok(()),
    }
}

/// Any party that remembers more of the log than its store holds shows that the store is an old copy. What such a log signed next would
/// be a second history.
fn check_remembered<S: Store>(
    store: &S,
    head: TreeHead,
    index: Option<&dyn Index>,
) -> Result<(), EngineError> {
    if let Some(signed) = store.signed()?
        && (signed.size > head.size || (signed.size == head.size && signed.root != head.root))
    {
        return Err(EngineError::Forgotten {
            what: "SIGNED",
            seen: signed.size.get(),
            size: head.size.get(),
        });
    }
    match index.map(Index::remembered) {
        // One that cannot be read is rebuilt while the log runs.
        Some(Ok(seen)) if seen > head.size.get() => {
            Err(EngineError::Forgotten { what: "the lookup index", seen, size: head.size.get() })
        }
        _ => Ok(()),
    }
}

/// The log as it was found, opened and checked.
struct CheckedLog<S> {
    store: S,
    index: Option<Arc<dyn Index>>,
    operator: VerifyingKey,
    loaded: Loaded,
    retired: Option<RetiredLog>,
}

/// What all parts of the log work with.
fn share<S: Store>(
    config: &Config,
    CheckedLog { store, index, operator, loaded, retired }: CheckedLog<S>,
    tree: &Tree,
    feeders: Option<&Feeders>,
    registry: &mut Registry,
) -> Result<Arc<Shared<S>>, EngineError> {
    let mut directory = Directory::load(&loaded.states, loaded.head.size.get())
        .ok_or_else(|| StoreError::Damaged("a stream or gateway state cannot be read".into()))?;
    let operators = directory.operators.get_or_insert_with(|| Operators::new(operator.clone()));
    if operators.terms().next().is_none_or(|first| first.key != operator) {
        return Err(
            StoreError::Damaged("its operator's state is not that of its genesis entry".into()).into()
        );
    }
    check_operator(config, operators)?;
    if let Some(house) = &config.house_key {
        directory.quotas.set_house(house.verifying_key().name().clone(), config.options.house_limits);
    }
    for shared in directory.shared_names() {
        tracing::warn!("{shared}");
    }
    let metrics = SequencerMetrics::register(registry);
    if let Some(retired) = retired {
        tracing::warn!("{retired}");
        metrics.retired.set(1);
        directory.retired = Some(Arc::new(retired));
    }
    metrics.streams.set(directory.streams.len() as u64);
    metrics.tree_size.set(tree.size());
    metrics.quotas(directory.quotas.count(), &directory.quotas.highest(tree.logged_at));
    let log_keys: Vec<VerifyingKey> = config.log_keys().map(|key| key.verifying_key().clone()).collect();
    let policy = feeders.map(|feeders| feeders.policy().clone());
    let at_once = policy.as_ref().is_none_or(Policy::is_quorum_none);
    let known = policy.as_ref().and_then(|policy| still_published(&loaded.states, policy, config, &log_keys));
    let head = tree.head.clone().ok_or_else(|| StoreError::Damaged("the head is not signed".into()))?;
    let newest = Sequenced { head, edge: Edge::clone(&tree.edge) };
    Ok(Arc::new(Shared {
        store: Arc::new(store),
        origin: config.origin.clone(),
        log_keys,
        time: LogTime::new(config.clock.clone(), config.options.max_clock_jump, tree.logged_at),
        options: config.options.clone(),
        policy,
        directory: RwLock::new(directory),
        index,
        publisher: Publisher::new(newest, at_once, known),
        metrics,
        poison: Poison::new(),
        unsigned: Mutex::new(None),
        span: Span::current(),
    }))
}

fn sequencer<S: Store>(
    config: Config,
    signer: Signer,
    shared: Arc<Shared<S>>,
    tree: Tree,
) -> Result<Sequencer<S>, EngineError> {
    let mut due = DueHeads::default();
    {
        let directory = shared.directory.read();
        let streams = directory.streams.values().map(Arc::as_ref);
        // Due at once: how long these heads have waited is not known, and a log that is often restarted must not put them off.
        due.update(streams, shared.time.monotonic(), std::time::Duration::ZERO);
    }
    let committer = Committer::start(shared.store.clone(), config.options.commit_patience)
        .map_err(EngineError::Thread)?;
    let Config { origin, house_key, randomness, .. } = config;
    let house = House { origin, gateway: house_key, randomness, open: None };
    let second_path = SecondPath::start().map_err(EngineError::Thread)?;
    let parts = Parts { signer, house, committer, second_path, due };
    Ok(Sequencer::new(shared, tree, parts))
}

/// The checkpoint that was published when the log stopped, if it still satisfies the policy.
fn still_published(
    states: &[(StateKey, bytes::Bytes)],
    policy: &Policy,
    config: &Config,
    log_keys: &[VerifyingKey],
) -> Option<Published> {
    let note = last_published(states)?;
    match policy.verify_checkpoint_of(note, &config.origin, log_keys) {
        Ok(known) => {
            let checkpoint = known.signed().note().to_owned();
            Some(Published { size: known.head().size, checkpoint })
        }
        Err(error) => {
            tracing::info!(%error, "the last published checkpoint no longer satisfies the policy");
            None
        }
    }
}
fn check_keys(config: &Config) -> Result<(), EngineError> {
    let log = config.log_key.verifying_key();
    if log.name().as_str() != config.origin.as_str() {
        let message =
            format!("the log's key is named `{}`, but its origin is `{}`", log.name(), config.origin);
        return Err(EngineError::Key(message));
    }
    if let Some(key) = config.ml_dsa_key.as_ref().map(SigningKey::verifying_key)
        && (key.signature_type() != SignatureType::MlDsa44 || key.name() != log.name())
    {
        let message = format!(
            "the key `{}+{}` is not an ML-DSA-44 key (type 0x06) named like the log",
            key.name(),
            key.id()
        );
        return Err(EngineError::Key(message));
    }
    let others = [&config.operator_key, &config.house_key];
    let keys =
        others.into_iter().flatten().map(SigningKey::verifying_key).chain(&config.operator).chain([log]);
    for key in keys {
        if key.signature_type() != SignatureType::Ed25519 {
            return Err(EngineError::Key(format!("the key `{key}` is not an Ed25519 note key (type 0x01)")));
        }
    }
    Ok(())
}

/// The operator that the genesis entry names.
fn operator(genesis_note: &str, config: &Config) -> Result<VerifyingKey, EngineError> {
    let genesis = Genesis::open(genesis_note, config.log_key.verifying_key())
        .map_err(|error| EngineError::LogKey(error.to_string()))?;
    if genesis.origin != config.origin {
        let message = format!("the store holds the log `{}`, not `{}`", genesis.origin, config.origin);
        return Err(StoreError::Foreign(message).into());
    }
    Ok(genesis.operator)
}

/// A key that the log is opened with must be, or have been, its operator's. One that was replaced names the log as well as any, but signs
/// nothing more.
fn check_operator(config: &Config, operators: &Operators) -> Result<(), EngineError> {
    let named = [config.operator_key.as_ref().map(SigningKey::verifying_key), config.operator.as_ref()];
    for named in named.into_iter().flatten() {
        if !operators.has(named) {
            return Err(EngineError::OperatorKey {
                in_force: Box::new(operators.key().clone()),
                since: operators.terms().next_back().map_or(0, |term| term.since.get()),
                given: Box::new(named.clone()),
            });
        }
        if let Some(by) = operators.retired_by(named) {
            tracing::warn!(
                key = %named.id(),
                entry = by.get(),
                "the operator's key that was given was replaced and signs nothing more: give the new one"
            );
        }
    }
    Ok(())
}
