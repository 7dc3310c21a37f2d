//! A witness as a process: the real witness over a ledger on the simulated disk.

use std::sync::Arc;

use prometheus_client::registry::Registry;
use tokio::runtime::Runtime;
use vouchlog_api::Witness as _;
use vouchlog_merkle::sha256;
use vouchlog_note::{AddCheckpoint, Origin, SignatureType, SignedCheckpoint, VerifyingKey};
use vouchlog_runtime::Clock;
use vouchlog_runtime::clock::ManualTime;
use vouchlog_sequencer::testing::{ORIGIN, key};
use vouchlog_witness::{Config, KnownLog, Logs, Options, Rate, Refusal, Witness};

use crate::disk::SimDisk;
use crate::witness_store::SimWitnessStore;

/// The witness's machine.
pub(crate) struct WitnessNode {
    pub(crate) disk: SimDisk,
    number: u8,
    forgets: bool,
    running: Option<(Witness<SimWitnessStore>, SimDisk)>,
}

impl WitnessNode {
    pub(crate) fn new(disk: SimDisk, number: u8, forgets: bool) -> Self {
        Self { disk, number, forgets, running: None }
    }

    pub(crate) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Starts the process; the error in its words.
    pub(crate) fn open(&mut self, time: &ManualTime) -> Result<(), String> {
        let disk = self.disk.for_new_process();
        let store = SimWitnessStore::open(&disk, self.forgets).map_err(|error| format!("states/{error}"))?;
        let origin = Origin::new(ORIGIN).map_err(|error| error.to_string())?;
        let log = key(ORIGIN, SignatureType::Ed25519, 1).verifying_key().clone();
        let mut logs = Logs::new();
        let known = KnownLog::new(origin, vec![log], Rate::UNLIMITED).map_err(|error| error.to_string())?;
        logs.add(known).map_err(|error| error.to_string())?;
        let name = format!("witness-{}.example.com/w", self.number);
        let config = Config {
            keys: vec![key(&name, SignatureType::CosignatureEd25519, 50 + self.number)],
            logs,
            clock: Clock::new(time.clone()),
            on_refusal: Arc::new(|_: &Refusal| Ok(())),
            options: Options::default(),
        };
        let witness = Witness::open(config, store, &mut Registry::default());
        self.running = Some((witness.map_err(|error| format!("states: {error}"))?, disk));
        Ok(())
    }

    pub(crate) fn crash(&mut self, power_cut: bool) {
        if power_cut {
            self.disk.power_cut();
        } else {
            self.disk.kill();
        }
        self.running = None;
    }

    /// Whether the process would end itself.
    pub(crate) fn has_failed(&self) -> bool {
        self.running.as_ref().is_some_and(|(witness, disk)| {
            disk.is_dead()
                || witness
                    .readiness()
                    .checks
                    .iter()
                    .any(|check| check.name == "cosigning" && check.outcome.is_err())
        })
    }

    pub(crate) fn vkeys(&self) -> Vec<VerifyingKey> {
        self.running.as_ref().map(|(witness, _)| witness.vkeys().to_vec()).unwrap_or_default()
    }

    /// Asks for a cosignature; `None` when it is down.
    pub(crate) fn ask(
        &self,
        runtime: &Runtime,
        request: AddCheckpoint,
    ) -> Option<vouchlog_api::Result<String>> {
        let (witness, _) = self.running.as_ref()?;
        Some(runtime.block_on(witness.add_checkpoint(request)))
    }

    /// The size of the checkpoint it cosigned last, 0 if there is none.
    pub(crate) fn latest(&self, runtime: &Runtime) -> Option<u64> {
        let (witness, _) = self.running.as_ref()?;
        let origin = Origin::new(ORIGIN).ok()?;
        let log = key(ORIGIN, SignatureType::Ed25519, 1).verifying_key().clone();
        match runtime.block_on(witness.latest_checkpoint(sha256(ORIGIN.as_bytes()))) {
            Ok(note) => {
                SignedCheckpoint::open(note.as_bytes(), &origin, &log).ok().map(|note| note.head().size.get())
            }
            Err(error) if error.kind == vouchlog_api::ErrorKind::NotFound => Some(0),
            Err(_) => None,
        }
    }
}
