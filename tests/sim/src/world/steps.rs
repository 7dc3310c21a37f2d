//! The steps of a run in which something useful happens.

use vouchlog_api::{ErrorKind, proof};
use vouchlog_merkle::{ConsistencyProof, Hash, TreeHead, TreeSize};
use vouchlog_note::{AddCheckpoint, Checkpoint, Origin, SignatureType, SignedCheckpoint, UnverifiedNote};
use vouchlog_sequencer::testing::{ORIGIN, key};

use super::World;
use crate::checker::Violation;
use crate::network::Message;
use crate::plant::Plant;
use crate::spool::Batch;

impl World {
    pub(super) fn take_step(&mut self) -> Result<(), Violation> {
        self.pass_time();
        self.disturb()?;
        self.start_some()?;
        if self.refused {
            return Ok(());
        }
        match self.rng.below(11) {
            0..3 => self.submit(),
            3..6 => {
                let gateway = self.rng.index(self.gateways.len());
                let retries = self.plant != Some(Plant::GatewayNeverRetries);
                self.send(gateway, retries);
            }
            6 => self.seal()?,
            7 => self.propose(),
            8 => self.forge(),
            9 => self.visit()?,
            _ => self.audit()?,
        }
        for _ in 0..self.rng.below(4) {
            self.deliver()?;
        }
        self.end_failed()
    }

    fn submit(&mut self) {
        let gateway = self.rng.index(self.gateways.len());
        let count = match (self.profile.large, self.rng.below(10)) {
            (true, 0..3) => 100 + self.rng.below(150),
            (_, 0..2) => 20 + self.rng.below(60),
            _ => 1 + self.rng.below(6),
        };
        let batch = Batch { count: u32::try_from(count).expect("a small batch"), seed: self.rng.bits() };
        if !self.gateways[gateway].is_running() {
            return;
        }
        let outcome = self.gateways[gateway].submit(batch);
        let outcome = outcome.map_or_else(|error| format!("failed, {error}"), |()| "spooled".to_owned());
        self.note(&format!("gateway {gateway}: {count} statements {outcome}"));
    }

    pub(super) fn send(&mut self, gateway: usize, retries: bool) {
        let (pick, seconds) = (self.rng.index(1000), self.seconds());
        let node = &mut self.gateways[gateway];
        let Some(batch) = node.due(pick, retries) else { return };
        let Some(request) = node.request(batch, seconds) else { return };
        self.note(&format!("gateway {gateway}: sends batch {batch}"));
        self.network.send(self.step, Message::Append { gateway, batch, request }, self.profile.network);
    }

    fn seal(&mut self) -> Result<(), Violation> {
        let Some(running) = self.log.running() else { return Ok(()) };
        let outcome = running.store.seal();
        let outcome = outcome.map_or_else(|error| format!("fails to seal, {error}"), |()| "seals".to_owned());
        self.note(&format!("log: {outcome}"));
        self.after_log()
    }

    /// The log brings its newest head to a witness.
    fn propose(&mut self) {
        let witness = self.rng.index(self.witnesses.len());
        let (Some(running), Some(known)) =
            (self.log.running(), self.witnesses[witness].latest(&self.runtime))
        else {
            return;
        };
        // What the log knows of the witness may be old.
        let known = if self.rng.chance(1, 8) { known / 2 } else { known };
        let (note, Ok(head)) = (running.log.sequenced().checkpoint().to_owned(), running.head()) else {
            return;
        };
        if head.size.get() < known {
            return;
        }
        let proof = match known {
            0 => ConsistencyProof::from_hashes(Vec::new()).ok(),
            _ => {
                self.runtime.block_on(proof::consistency(&running.log, TreeSize::new(known), head.size)).ok()
            }
        };
        let Some(proof) = proof else { return };
        self.note(&format!("log: brings size {} to witness {witness}", head.size));
        let Some(request) = add_checkpoint(known, proof, &note) else { return };
        let message = Message::Checkpoint { witness, request, head, note, is_forged: false };
        self.network.send(self.step, message, self.profile.network);
    }

    /// Another tree of the size that a witness cosigned last, signed with the log's key.
    fn forge(&mut self) {
        let witness = self.rng.index(self.witnesses.len());
        let Some(size) = self.checker.newest_cosigned(witness).filter(|_| self.profile.forger) else {
            return;
        };
        let head = TreeHead { size: TreeSize::new(size), root: Hash::from_bytes([0xee; 32]) };
        let signed = Origin::new(ORIGIN).map(|origin| Checkpoint::new(origin, head));
        let log_key = key(ORIGIN, SignatureType::Ed25519, 1);
        let Ok(Ok(signed)) = signed.map(|checkpoint| SignedCheckpoint::sign(&checkpoint, &log_key)) else {
            return;
        };
        let known = if self.rng.chance(1, 2) { size } else { 0 };
        let Ok(proof) = ConsistencyProof::from_hashes(Vec::new()) else { return };
        self.note(&format!("a forger brings size {size} to witness {witness}"));
        let note = signed.note().to_owned();
        let Some(request) = add_checkpoint(known, proof, &note) else { return };
        let message = Message::Checkpoint { witness, request, head, note, is_forged: true };
        self.network.send(self.step, message, self.profile.network);
    }

    /// A message arrives; whether there was one.
    pub(super) fn deliver(&mut self) -> Result<bool, Violation> {
        match self.network.receive(self.step) {
            None => return Ok(false),
            Some(Message::Append { gateway, batch, request }) => {
                let Some(running) = self.log.running() else { return Ok(true) };
                let answer = self.runtime.block_on(vouchlog_api::Appender::append(&running.log, request));
                let outcome = answer.as_ref().map_or_else(
                    |error| format!("refused, {error}"),
                    |done| if done.repeated { "known".to_owned() } else { "logged".to_owned() },
                );
                self.note(&format!("log: batch {batch} of gateway {gateway} {outcome}"));
                self.after_log()?;
                self.network.send(
                    self.step,
                    Message::Appended { gateway, batch, answer },
                    self.profile.network,
                );
            }
            Some(Message::Appended { gateway, batch, answer: Ok(appended) }) => {
                if let Some(checkpoint) = self.gateways[gateway].receive(batch, &appended) {
                    self.checker.show(checkpoint.head())?;
                    self.note(&format!("gateway {gateway}: has the receipt of batch {batch}"));
                }
            }
            Some(Message::Appended { gateway, batch, answer: Err(error) }) => {
                if matches!(error.kind, ErrorKind::Fork | ErrorKind::NotFound | ErrorKind::PermissionDenied) {
                    return Err(format!("batch {batch} of gateway {gateway} was refused: {error}"));
                }
            }
            Some(Message::Checkpoint { witness, request, head, note, is_forged }) => {
                self.ask_witness(witness, &request, head, &note, is_forged)?;
            }
        }
        Ok(true)
    }

    fn ask_witness(
        &mut self,
        witness: usize,
        request: &str,
        head: TreeHead,
        note: &str,
        is_forged: bool,
    ) -> Result<(), Violation> {
        let node = &self.witnesses[witness];
        let parsed = AddCheckpoint::parse(request.as_bytes()).map_err(|error| error.to_string())?;
        let Some(answer) = node.ask(&self.runtime, parsed) else { return Ok(()) };
        match answer {
            Ok(lines) => {
                self.note(&format!("witness {witness}: cosigns size {}", head.size));
                let origin = Origin::new(ORIGIN).map_err(|error| error.to_string())?;
                let log_key = key(ORIGIN, SignatureType::Ed25519, 1).verifying_key().clone();
                let signed = SignedCheckpoint::open(note.as_bytes(), &origin, &log_key);
                let signed = signed.map_err(|error| error.to_string())?;
                let vkeys = self.witnesses[witness].vkeys();
                signed.with_cosignatures(&lines, &vkeys).map_err(|error| error.to_string())?;
                self.checker.cosigned(witness, head)?;
            }
            Err(error) if error.kind == ErrorKind::Inconsistent && !is_forged => {
                return Err(format!("witness {witness} found the log inconsistent: {error}"));
            }
            Err(error) => self.note(&format!("witness {witness}: refuses size {}, {error}", head.size)),
        }
        Ok(())
    }
}

/// The text of a request to a witness that is thought to know a tree of size `known`.
fn add_checkpoint(known: u64, proof: ConsistencyProof, note: &str) -> Option<String> {
    let note = UnverifiedNote::parse(note.as_bytes()).ok()?;
    Some(AddCheckpoint::new(TreeSize::new(known), proof, note).ok()?.to_text())
}
