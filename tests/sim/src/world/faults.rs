//! The steps of a run in which something fails, and those in which it starts again.

use super::World;
use crate::checker::Violation;
use crate::profile::{OldCopies, Rot};

impl World {
    /// Something happens to a machine, now and then.
    pub(super) fn disturb(&mut self) -> Result<(), Violation> {
        self.change_faults();
        if self.profile.clock && self.rng.chance(1, 10) {
            let millis = if self.rng.chance(1, 4) { 5_000_000 } else { 20_000 };
            let (forward, back) = (self.rng.below(millis), self.rng.below(millis));
            let wall = vouchlog_runtime::clock::TimeSource::wall(&self.time).get();
            let wall = (wall + forward).saturating_sub(back);
            self.time.set_wall(vouchlog_runtime::UnixMillis::new(wall));
            self.note(&format!("the clock is set to {wall}"));
        }
        if self.profile.crashes && self.rng.chance(1, 12) {
            self.crash_something()?;
        }
        if self.rng.chance(1, 25) {
            self.stop_log()?;
        }
        if self.rng.chance(1, 15) {
            self.take_copy();
        }
        if self.rng.chance(1, 40) {
            self.rot()?;
        }
        if self.rng.chance(1, 40) {
            self.put_old_copy_back()?;
        }
        Ok(())
    }

    /// Disks begin to fail, or no longer do.
    fn change_faults(&mut self) {
        if !self.rng.chance(1, 8) {
            return;
        }
        let (io_errors, sync_errors) = (self.profile.io_errors, self.profile.sync_errors);
        let (fails, one) = (self.rng.chance(1, 2), self.rng.chance(1, 2));
        let (full, misdirected) = (self.profile.full && self.rng.chance(1, 2), self.profile.misdirected);
        self.log.disk.set_faults(|faults| {
            faults.folders = match (misdirected, one) {
                (true, true) => vec!["live"],
                (true, false) => vec!["ledger"],
                _ => Vec::new(),
            };
            faults.read_errors = if io_errors && fails { 20 } else { 0 };
            faults.write_errors = if io_errors && fails { 20 } else { 0 };
            faults.sync_errors = if sync_errors && fails { 150 } else { 0 };
            faults.misdirected = if misdirected && fails { 50 } else { 0 };
            faults.is_full = full && fails;
        });
        let others =
            self.gateways.iter().map(|node| &node.disk).chain(self.witnesses.iter().map(|node| &node.disk));
        for disk in others {
            disk.set_faults(|faults| {
                faults.sync_errors = if sync_errors && fails { 100 } else { 0 };
                faults.is_full = full && fails;
            });
        }
        if io_errors || sync_errors || full || misdirected {
            self.note(if fails { "disks fail from now on" } else { "disks work from now on" });
        }
    }

    /// A process dies, now or at one of its next operations, or a machine loses power.
    fn crash_something(&mut self) -> Result<(), Violation> {
        let (power_cut, later) = (self.rng.chance(1, 2), self.rng.chance(1, 2));
        let how = if power_cut { "loses power" } else { "is killed" };
        let operations = self.rng.below(40);
        match self.rng.below(4) {
            0 => {
                let gateway = self.rng.index(self.gateways.len());
                self.gateways[gateway].crash(power_cut);
                self.note(&format!("gateway {gateway}: {how}"));
            }
            1 => {
                let witness = self.rng.index(self.witnesses.len());
                self.witnesses[witness].crash(power_cut);
                self.note(&format!("witness {witness}: {how}"));
            }
            _ if later => {
                self.log.disk.die_after(operations);
                self.note(&format!("log: will die in {operations} operations"));
                return Ok(());
            }
            _ => {
                self.note(&format!("log: {how}"));
                return self.crash_log(power_cut);
            }
        }
        self.report.crashes += 1;
        Ok(())
    }

    fn take_copy(&mut self) {
        if self.profile.old_copies != OldCopies::None && self.log.running().is_some() {
            let folder = if self.rng.chance(1, 2) { "live" } else { "ledger" };
            let folder =
                if self.profile.old_copies == OldCopies::OfOneBesideDamage { "live" } else { folder };
            let disk = &self.log.disk;
            self.old = Some((disk.copy(None), disk.copy(Some(folder)), self.checker.newest()));
            self.old_folder = folder;
            self.note("a copy of the log's disk is taken");
        }
    }

    /// Bytes of a log, or of a spool, are damaged while its process is down.
    fn rot(&mut self) -> Result<(), Violation> {
        if self.profile.spool_rot && self.rng.chance(1, 3) {
            let gateway = self.rng.index(self.gateways.len());
            self.gateways[gateway].crash(false);
            self.gateways[gateway].disk.rot("spool", false);
            self.note(&format!("gateway {gateway}: its spool is damaged"));
        }
        let folders: &[&str] = match (self.profile.rot, self.rng.chance(1, 2)) {
            (Rot::Nothing, _) => return Ok(()),
            (Rot::OneCopy, true) => &["live"],
            (Rot::OneCopy, false) => &["ledger"],
            (Rot::BothCopies, _) => &["live", "ledger"],
            (Rot::Anything, true) => &["sealed"],
            (Rot::Anything, false) => &["sealed", ""],
        };
        // One copy at a time: the other has to be whole.
        let other = if folders == ["live"] { "ledger" } else { "live" };
        if self.profile.rot == Rot::OneCopy && self.log.disk.is_damaged(other) {
            return Ok(());
        }
        let power_cut = self.profile.crashes && self.rng.chance(1, 2);
        self.crash_log(power_cut)?;
        for folder in folders {
            // After a power cut, damage to the last records of both copies looks like a crash in the middle of a commit.
            let half = self.lost_power && self.profile.rot == Rot::BothCopies && *folder == "live";
            self.log.disk.rot(folder, half);
        }
        self.note(&format!("log: bytes in {folders:?} are damaged"));
        Ok(())
    }

    /// An old copy is put back while the log is down.
    fn put_old_copy_back(&mut self) -> Result<(), Violation> {
        let Some((all, one, size)) = self.old.take() else { return Ok(()) };
        let folder = self.old_folder;
        let other = if folder == "live" { "ledger" } else { "live" };
        match self.profile.old_copies {
            OldCopies::None => {}
            OldCopies::OfOne => {
                if self.log.disk.is_damaged(other) {
                    return Ok(());
                }
                self.crash_log(false)?;
                self.log.disk.restore(Some(folder), &one);
                self.note(&format!("log: an old copy of {folder} is put back"));
            }
            // After a power cut even SIGNED may not know how much there was: it is not synced.
            OldCopies::OfOneBesideDamage if self.log.running().is_none() => {}
            OldCopies::OfOneBesideDamage => {
                self.crash_log(false)?;
                // Nothing but SIGNED knows how much there was.
                self.log.lose_index();
                self.log.disk.restore(Some(folder), &one);
                self.log.disk.rot(other, false);
                self.note(&format!(
                    "log: an old copy of {folder} is put back, {other} is damaged, its index is lost"
                ));
            }
            // Without the index nothing would know that there was more.
            OldCopies::OfAll if self.profile.index_loss => {}
            OldCopies::OfAll => {
                self.crash_log(false)?;
                self.log.disk.restore(None, &all);
                self.may_refuse |= self.checker.newest() > size;
                self.note("log: an old copy of its disk is put back");
            }
        }
        Ok(())
    }

    /// Starts some of what is down.
    pub(super) fn start_some(&mut self) -> Result<(), Violation> {
        if self.log.running().is_none() && self.rng.chance(1, 2) {
            self.start_log()?;
        }
        for gateway in 0..self.gateways.len() {
            if self.rng.chance(1, 2) {
                self.start_gateway(gateway)?;
            }
        }
        for witness in 0..self.witnesses.len() {
            if self.rng.chance(1, 2) {
                self.start_witness(witness)?;
            }
        }
        Ok(())
    }

    /// Starts everything that is down.
    pub(super) fn start_all(&mut self) -> Result<(), Violation> {
        if self.log.running().is_none() {
            self.start_log()?;
        }
        (0..self.gateways.len()).try_for_each(|gateway| self.start_gateway(gateway))?;
        (0..self.witnesses.len()).try_for_each(|witness| self.start_witness(witness))
    }

    fn start_gateway(&mut self, gateway: usize) -> Result<(), Violation> {
        let node = &mut self.gateways[gateway];
        if node.is_running() || node.is_lost {
            return Ok(());
        }
        let before = node.disk.counts().failures();
        if let Err(reason) = node.open()? {
            let failed = node.disk.counts().failures() > before;
            if !failed && !node.disk.is_damaged("spool") {
                return Err(format!("gateway {gateway} refuses to start without need: {reason}"));
            }
            node.is_lost = !failed;
            self.note(&format!("gateway {gateway}: does not start, {reason}"));
        } else {
            node.disk.forget_damage("spool");
            self.note(&format!("gateway {gateway}: started"));
        }
        Ok(())
    }

    fn start_witness(&mut self, witness: usize) -> Result<(), Violation> {
        let node = &mut self.witnesses[witness];
        if node.is_running() {
            return Ok(());
        }
        let before = node.disk.counts().failures();
        if let Err(reason) = node.open(&self.time) {
            if node.disk.counts().failures() == before {
                return Err(format!("witness {witness} refuses to start without need: {reason}"));
            }
            self.note(&format!("witness {witness}: does not start, {reason}"));
            return Ok(());
        }
        let (cosigned, known) = (self.checker.newest_cosigned(witness), node.latest(&self.runtime));
        if cosigned > known {
            return Err(format!("witness {witness} cosigned size {cosigned:?} and remembers {known:?}"));
        }
        self.note(&format!("witness {witness}: started"));
        Ok(())
    }

    /// Processes that would end themselves end.
    pub(super) fn end_failed(&mut self) -> Result<(), Violation> {
        let power_cut = self.profile.crashes && self.rng.chance(1, 2);
        for gateway in 0..self.gateways.len() {
            if self.gateways[gateway].has_failed() {
                self.gateways[gateway].crash(power_cut);
                self.note(&format!("gateway {gateway}: ends, its spool failed"));
            }
        }
        for witness in 0..self.witnesses.len() {
            if self.witnesses[witness].has_failed() {
                self.witnesses[witness].crash(power_cut);
                self.note(&format!("witness {witness}: ends, its store failed"));
            }
        }
        self.after_log()
    }

    /// Nothing fails any more.
    pub(super) fn quiet(&mut self) {
        self.profile.network = false;
        self.profile.crashes = false;
        self.profile.index_loss = false;
        let nodes =
            self.gateways.iter().map(|node| &node.disk).chain(self.witnesses.iter().map(|node| &node.disk));
        for disk in nodes.chain([&self.log.disk]) {
            disk.live_on();
            disk.set_faults(|faults| {
                (faults.read_errors, faults.write_errors, faults.sync_errors) = (0, 0, 0);
                (faults.misdirected, faults.is_full) = (0, false);
            });
        }
    }
}
