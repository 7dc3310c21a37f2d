//! The log as a process: the real sequencer over the simulated store.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use prometheus_client::registry::Registry;
use tokio::runtime::Runtime;
use vouchlog_api::LogReader;
use vouchlog_merkle::TreeHead;
use vouchlog_note::{Origin, SignedCheckpoint};
use vouchlog_runtime::Clock;
use vouchlog_runtime::clock::ManualTime;
use vouchlog_sequencer::testing::{ORIGIN, TestClock, config};
use vouchlog_sequencer::{Engine, Options};
use vouchlog_storage::{Index, MemoryIndex, framing};

use crate::disk::SimDisk;
use crate::plant::Plant;
use crate::store::SimStore;

/// How long the lookup index may take to follow before the run goes on without it.
const INDEX_PATIENCE: Duration = Duration::from_millis(500);

/// Few, so that short runs evict streams.
const KEPT_ENDED_STREAMS: usize = 1;

/// The log's machine.
pub(crate) struct LogNode {
    pub(crate) disk: SimDisk,
    index: Arc<MemoryIndex>,
    plant: Option<Plant>,
    running: Option<Running>,
    /// The disk as the process that was started last sees it.
    process: SimDisk,
}

/// The log's process.
pub(crate) struct Running {
    pub(crate) log: Engine<Arc<SimStore>>,
    pub(crate) store: Arc<SimStore>,
    pub(crate) disk: SimDisk,
}

impl LogNode {
    pub(crate) fn new(disk: SimDisk, plant: Option<Plant>) -> Self {
        disk.set_faults(|faults| faults.lie = plant.and_then(Plant::lie));
        Self { process: disk.clone(), disk, index: Arc::default(), plant, running: None }
    }

    pub(crate) fn running(&self) -> Option<&Running> {
        self.running.as_ref()
    }

    /// Starts the process; the error in the log's words.
    pub(crate) fn open(&mut self, time: &ManualTime) -> Result<(), String> {
        let disk = self.disk.for_new_process();
        self.process = disk.clone();
        let store = Arc::new(SimStore::open(&disk, self.plant).map_err(|error| error.to_string())?);
        if self.plant == Some(Plant::IndexDeletesItself) && self.index.covered().unwrap_or(0) > store.size() {
            drop(self.index.clear());
        }
        let options = Options { kept_ended_streams: KEPT_ENDED_STREAMS, ..Options::default() };
        let mut config = config(&TestClock::default(), options);
        config.house_key = None;
        config.clock = Clock::new(time.clone());
        let log = Engine::open(config, store.clone(), Some(self.index.clone()), &mut Registry::default());
        let log = log.map_err(|error| error.to_string())?;
        self.running = Some(Running { log, store, disk });
        self.settle();
        Ok(())
    }

    /// Whether the process that was started last has ended.
    pub(crate) fn has_died(&self) -> bool {
        self.process.is_dead()
    }

    /// Waits until the index has followed, so that nothing happens beside the next step.
    pub(crate) fn settle(&self) {
        let Some(Running { log, .. }) = &self.running else { return };
        let size = log.sequenced().size().get();
        let pause = Duration::from_micros(50);
        for _ in 0..INDEX_PATIENCE.as_micros() / pause.as_micros() {
            if self.index.covered().unwrap_or(0) >= size {
                return;
            }
            std::thread::sleep(pause);
        }
    }

    /// The lookup index is lost.
    pub(crate) fn lose_index(&mut self) {
        self.index = Arc::default();
    }

    /// Ends the process: killed, or with its machine.
    pub(crate) fn crash(&mut self, power_cut: bool) {
        if power_cut {
            self.disk.power_cut();
        } else {
            self.disk.kill();
        }
        self.running = None;
    }

    /// Stops the process in order; the last head it shows.
    pub(crate) fn stop(&mut self, runtime: &Runtime) -> Option<TreeHead> {
        runtime.block_on(self.running.as_ref()?.log.stop());
        self.settle();
        let head = self.running.as_ref()?.head().ok();
        self.crash(false);
        head
    }

    /// Why the process would end itself, if so.
    pub(crate) fn poison(&self) -> Option<String> {
        let running = self.running.as_ref()?;
        if running.disk.is_dead() {
            return Some("its process died".into());
        }
        let failed = |name: &str| ["writes", "sequencer"].contains(&name);
        let checks = running.log.readiness().checks;
        let trouble = checks.into_iter().find_map(|check| check.outcome.err().filter(|_| failed(check.name)));
        let stopped = running.store_failure();
        trouble.or(stopped)
    }
}

impl Running {
    /// A store that takes nothing until it is opened again.
    fn store_failure(&self) -> Option<String> {
        vouchlog_storage::Store::impediment(&*self.store).filter(|reason| reason.contains("restart"))
    }

    /// The newest head, as a reader verifies it.
    pub(crate) fn head(&self) -> Result<TreeHead, String> {
        let sequenced = self.log.sequenced();
        let origin = Origin::new(ORIGIN).map_err(|error| error.to_string())?;
        let opened = SignedCheckpoint::open(sequenced.checkpoint().as_bytes(), &origin, self.log.vkey());
        opened.map(|checkpoint| checkpoint.head()).map_err(|error| error.to_string())
    }

    /// All entries of the log.
    pub(crate) fn entries(&self, runtime: &Runtime) -> Result<Vec<Bytes>, String> {
        let size = self.log.sequenced().size().get();
        let mut entries = Vec::new();
        for bundle in 0..size.div_ceil(256) {
            let width = u16::try_from((size - bundle * 256).min(256)).expect("at most 256");
            let bytes = runtime.block_on(self.log.entry_bundle(bundle, width));
            let bytes = bytes.map_err(|error| error.to_string())?;
            let starts = framing::starts(&bytes).ok_or("a bundle is not framed")?;
            let ends = starts.iter().skip(1).map(|start| *start as usize).chain([bytes.len()]);
            entries.extend(starts.iter().zip(ends).map(|(start, end)| bytes.slice(*start as usize + 2..end)));
        }
        Ok(entries)
    }
}

/// Whether a refusal to start tells an operator which file is concerned.
pub(crate) fn names_a_file(reason: &str) -> bool {
    let files =
        ["ledger", "live", "sealed", "SIGNED", "MARK", "lookup index", "data directory", "spool", "states"];
    files.iter().any(|file| reason.contains(file))
}
