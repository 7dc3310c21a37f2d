//! One run: machines, what happens to them step by step, and what must hold after each.

use std::fmt::Write as _;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use vouchlog_runtime::UnixMillis;
use vouchlog_runtime::clock::ManualTime;
use vouchlog_sequencer::testing::TestGateway;
use vouchlog_stream::StreamId;

use crate::checker::{Checker, Expected, Violation};
use crate::disk::{Copy, SimDisk};
use crate::gateway_node::GatewayNode;
use crate::log_node::{LogNode, names_a_file};
use crate::network::Network;
use crate::plant::Plant;
use crate::profile::Profile;
use crate::report::{Outcome, Report};
use crate::rng::Rng;
use crate::witness_node::WitnessNode;

mod faults;
mod steps;
mod visits;

const START: u64 = 1_767_225_600_000;
const GATEWAYS: u8 = 2;
const WITNESSES: u8 = 2;
/// Rounds in which everything must arrive once nothing fails any more.
const MAX_ROUNDS: u64 = 2_000;

/// The world of one seed.
pub(crate) struct World {
    rng: Rng,
    runtime: Runtime,
    time: ManualTime,
    profile: Profile,
    plant: Option<Plant>,
    log: LogNode,
    gateways: Vec<GatewayNode>,
    /// The stream that each visitor opened.
    visitors: Vec<StreamId>,
    witnesses: Vec<WitnessNode>,
    network: Network,
    checker: Checker,
    step: u64,
    /// An old copy of the log's disk and of one folder of it.
    old: Option<(Copy, Copy, u64)>,
    old_folder: &'static str,
    /// Something was done to the log after which it may refuse to start.
    may_refuse: bool,
    /// The log's machine lost power since its last start.
    lost_power: bool,
    /// Failed writes on the log's disk before its last start.
    failures_before: u64,
    refused: bool,
    pub(crate) report: Report,
}

impl World {
    /// The world of a seed, with the faults that suit a planted bug, and with the bug if it is planted.
    pub(crate) fn new(seed: u64, suited: Option<Plant>, is_planted: bool) -> Self {
        let plant = suited.filter(|_| is_planted);
        let mut rng = Rng::new(seed);
        let mut profile = Profile::draw(&mut rng);
        if let Some(plant) = suited {
            profile.suit(plant);
        }
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let log = LogNode::new(SimDisk::new(rng.fork()), plant);
        let forgets = plant == Some(Plant::WitnessForgets);
        let witnesses = (0..WITNESSES)
            .map(|number| WitnessNode::new(SimDisk::new(rng.fork()), number, forgets))
            .collect();
        let network = Network::new(rng.fork());
        let mut world = Self {
            rng,
            runtime,
            time: ManualTime::new(UnixMillis::new(START)),
            profile,
            plant,
            log,
            gateways: Vec::new(),
            visitors: Vec::new(),
            witnesses,
            network,
            checker: Checker::new(usize::from(WITNESSES)),
            step: 0,
            old: None,
            old_folder: "live",
            may_refuse: false,
            lost_power: false,
            failures_before: 0,
            refused: false,
            report: Report::new(seed),
        };
        let profile = format!("{:?}", world.profile);
        world.note(&profile);
        world
    }

    /// Takes the whole run.
    pub(crate) fn run(&mut self, steps: u64) -> Result<(), Violation> {
        self.begin()?;
        while self.step < steps && !self.refused {
            self.step += 1;
            self.take_step()?;
        }
        if !self.refused {
            self.finish()?;
        }
        self.count();
        Ok(())
    }

    /// Opens every process and every stream, before anything fails.
    fn begin(&mut self) -> Result<(), Violation> {
        self.log.open(&self.time)?;
        self.opened()?;
        for seed in 20..20 + GATEWAYS {
            let log = &self.log.running().ok_or("the log is not running")?.log;
            let identity = self.runtime.block_on(TestGateway::open(log, seed));
            let identity = identity.map_err(|error| format!("no stream: {error}"))?;
            let disk = SimDisk::new(self.rng.fork());
            let mut gateway = GatewayNode::new(disk, identity);
            gateway.open()??;
            self.gateways.push(gateway);
        }
        for witness in &mut self.witnesses {
            witness.open(&self.time)?;
        }
        self.after_log()
    }

    /// After everything the log did: what it shows is remembered, and a process that would end itself ends.
    fn after_log(&mut self) -> Result<(), Violation> {
        self.log.settle();
        if let Some(running) = self.log.running() {
            for head in running.store.take_shown() {
                self.checker.show(head)?;
            }
            self.checker.show(running.head()?)?;
        }
        if let Some(reason) = self.log.poison() {
            self.note(&format!("log: ends, {reason}"));
            let power_cut = self.profile.crashes && self.rng.chance(1, 2);
            self.crash_log(power_cut)?;
        }
        Ok(())
    }

    fn crash_log(&mut self, power_cut: bool) -> Result<(), Violation> {
        // What a planted bug showed is remembered even if its process is gone.
        let shown = self.log.running().map(|running| running.store.take_shown()).unwrap_or_default();
        for head in shown {
            self.checker.show(head)?;
        }
        self.log.crash(power_cut);
        self.lost_power |= power_cut;
        self.report.crashes += 1;
        if self.profile.index_loss && self.rng.chance(1, 2) {
            self.log.lose_index();
            self.note("the lookup index is lost");
        }
        Ok(())
    }

    /// Stops the log in order. The last heads of its streams go into it, and are shown.
    fn stop_log(&mut self) -> Result<(), Violation> {
        if let Some(head) = self.log.stop(&self.runtime) {
            self.note("log: stopped");
            self.checker.show(head)?;
        }
        Ok(())
    }

    /// The log started: everything shown before must be there.
    fn opened(&mut self) -> Result<(), Violation> {
        let running = self.log.running().ok_or("the log is not running")?;
        self.checker.opened(running.head()?)?;
        self.report.starts += 1;
        self.lost_power = false;
        self.failures_before = self.log.disk.counts().write_errors;
        self.audit()
    }

    /// Starts the log; whether it runs. It may refuse only what was damaged beyond repair, and only in words that name a file.
    fn start_log(&mut self) -> Result<bool, Violation> {
        let before = self.log.disk.counts();
        // Damage that is there before the start: a start that mends it forgets it.
        let may_refuse = self.log_may_refuse();
        match self.log.open(&self.time) {
            Ok(()) => {
                self.note("log: started");
                self.opened()?;
                return Ok(true);
            }
            Err(reason) => {
                let after = self.log.disk.counts();
                let failed = after.failures() > before.failures() || after.misdirected > before.misdirected;
                let died = self.log.has_died();
                self.note(&format!("log: does not start, {reason}"));
                self.log.crash(false);
                if died || failed {
                    return Ok(false);
                }
                if !may_refuse && !self.log_may_refuse() && !self.is_ambiguous(&reason) {
                    return Err(format!("the log refuses to start without need: {reason}"));
                }
                if !names_a_file(&reason) {
                    return Err(format!("the log refuses to start and names no file: {reason}"));
                }
            }
        }
        self.refused = true;
        self.report.outcome = Outcome::Refused;
        Ok(false)
    }

    /// After a power cut or a failed write one copy may end with an unfinished record. If the other one is damaged, nothing can tell
    /// whether that record was acknowledged.
    fn is_ambiguous(&self, reason: &str) -> bool {
        let damaged = |folder| self.log.disk.is_damaged(folder);
        let was_torn = self.lost_power || self.log.disk.counts().write_errors > self.failures_before;
        was_torn && reason.contains("unfinished record") && (damaged("live") || damaged("ledger"))
    }

    fn log_may_refuse(&self) -> bool {
        let damaged = |folder| self.log.disk.is_damaged(folder);
        self.may_refuse || damaged("sealed") || damaged("") || (damaged("live") && damaged("ledger"))
    }

    /// Reads the whole log and compares it with everything that was shown and promised.
    fn audit(&mut self) -> Result<(), Violation> {
        let Some(running) = self.log.running() else { return Ok(()) };
        let before = self.log.disk.counts().failures();
        let entries = match running.entries(&self.runtime) {
            Ok(entries) => entries,
            Err(reason) => {
                let may_fail = self.log.disk.counts().failures() > before
                    || self.log_may_refuse()
                    || running.disk.is_dead();
                return if may_fail { Ok(()) } else { Err(format!("the log cannot read itself: {reason}")) };
            }
        };
        if self.log.disk.is_damaged("sealed") {
            return Ok(());
        }
        self.report.entries = self.report.entries.max(entries.len() as u64);
        let expected: Expected =
            self.gateways.iter().map(|gateway| (gateway.stream(), gateway.expected())).collect();
        self.checker.audit(&entries, &expected)
    }

    /// Nothing fails any more: everything starts, everything arrives, and the log is audited, stopped and audited again.
    fn finish(&mut self) -> Result<(), Violation> {
        self.note("nothing fails any more");
        self.quiet();
        let retries = self.plant != Some(Plant::GatewayNeverRetries);
        for _ in 0..MAX_ROUNDS {
            self.step += 1;
            self.start_all()?;
            if self.refused {
                return Ok(());
            }
            let waiting: usize =
                self.gateways.iter().filter(|gateway| !gateway.is_lost).map(GatewayNode::waiting).sum();
            if waiting == 0 {
                break;
            }
            for gateway in 0..self.gateways.len() {
                self.send(gateway, retries);
            }
            while self.deliver()? {}
        }
        for gateway in self.gateways.iter().filter(|gateway| !gateway.is_lost) {
            if gateway.waiting() > 0 {
                return Err(format!("{} batches of a gateway never reached the log", gateway.waiting()));
            }
        }
        self.audit()?;
        self.stop_log()?;
        if self.start_log()? {
            self.audit()?;
            self.check_visits()?;
        }
        Ok(())
    }

    fn count(&mut self) {
        self.report.steps = self.step;
        let disks =
            self.gateways.iter().map(|node| &node.disk).chain(self.witnesses.iter().map(|node| &node.disk));
        for disk in disks.chain([&self.log.disk]) {
            self.report.add(&disk.counts());
        }
        (self.report.messages_lost, self.report.messages_repeated) =
            (self.network.lost, self.network.repeated);
    }

    fn seconds(&self) -> u64 {
        vouchlog_runtime::clock::TimeSource::wall(&self.time).seconds().get()
    }

    fn pass_time(&mut self) {
        let millis = self.rng.below(2_000);
        self.time.advance(Duration::from_millis(millis));
    }

    fn note(&mut self, event: &str) {
        let mut line = String::new();
        let _ = write!(line, "{:4} {event}", self.step);
        self.report.trace.push(line);
    }
}
