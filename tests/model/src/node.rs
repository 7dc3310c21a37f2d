//! What a node's process does: `living.rs`, `lease.rs` and `claim.rs` of `vouchlog-storage-postgres`, `sequence.rs` and
//! `sequence/signing.rs` of `vouchlog-sequencer`.

use crate::model::{Protocol, Takeover};
use crate::plant::Plant;
use crate::reached::Event;
use crate::world::{Batch, Fence, Keeper, Leader, LeaseHolder, Run, Sequencer, Sql, Step, World};

impl Protocol {
    /// For how many ticks from now on the holder of a lease trusts it.
    fn grant(&self) -> u8 {
        if self.plant == Some(Plant::NoMargin) {
            self.limits.ttl
        } else {
            self.limits.ttl - self.limits.margin
        }
    }

    pub(crate) fn send_claim(&self, world: &mut World, node: usize) {
        let whose = match self.takeover {
            Takeover::WhenFree => LeaseHolder::Free,
            Takeover::AtOnce => LeaseHolder::Anyone,
        };
        world.nodes[node].run = Run::Claiming { grant: self.grant(), answer: None };
        world.send(node, Sql::Claim(whose));
    }

    /// A standby that was answered leads, or looks at the lease again.
    pub(crate) fn receive_claim(&self, world: &mut World, node: usize) {
        let Run::Claiming { grant, answer: Some(claimed) } = world.nodes[node].run else { return };
        world.nodes[node].run = match claimed {
            Some(fence) => Run::Leading(Leader {
                fence,
                tenure: grant,
                lost: false,
                sequencer: Sequencer::Loading,
                keeper: Keeper::Waiting,
            }),
            None => {
                self.reached.note(Event::FoundHeld);
                Run::Standby
            }
        };
    }

    /// Reads the log that it claimed. If it was claimed again since, the process ends.
    pub(crate) fn load(&self, world: &mut World, node: usize) {
        let database = world.database;
        let Some(leader) = leader(world, node) else { return };
        if database.epoch != leader.fence.epoch {
            return world.end(node);
        }
        leader.sequencer = if database.tree.size() == 0 {
            Sequencer::Idle
        } else {
            Sequencer::Signing { batch: None, step: Step::Look }
        };
    }

    pub(crate) fn send_commit(&self, world: &mut World, node: usize) {
        let batch = Batch(world.left.batches);
        world.left.batches -= 1;
        self.send_batch(world, node, batch, true);
    }

    pub(crate) fn send_batch(&self, world: &mut World, node: usize, batch: Batch, is_first: bool) {
        let Some(leader) = leader(world, node) else { return };
        let fence = leader.fence;
        leader.sequencer = Sequencer::Committing { batch, is_first, answer: None };
        world.send(node, Sql::Commit { fence, batch });
        if self.plant == Some(Plant::SignBeforeCommit) {
            world.signed.insert(fence.tree.and(batch));
        }
    }

    pub(crate) fn receive_commit(&self, world: &mut World, node: usize) {
        let Some(leader) = leader(world, node) else { return };
        match leader.sequencer {
            Sequencer::Committing { batch, answer: Some(true), .. } => made(leader, batch),
            Sequencer::Committing { answer: Some(false), .. } => {
                self.reached.note(Event::Fenced);
                world.end(node);
            }
            _ => {}
        }
    }

    /// The answer to a commit does not come: the log is claimed again, which fences the commit and shows the head.
    pub(crate) fn settle(&self, world: &mut World, node: usize) {
        let (grant, tree) = (self.grant(), world.database.tree);
        world.abandon(node, |sql| matches!(sql, Sql::Commit { .. }));
        let Some(leader) = leader(world, node) else { return };
        let Sequencer::Committing { batch, is_first, .. } = leader.sequencer else { return };
        leader.sequencer = Sequencer::Settling { batch, is_first, grant, answer: None };
        if self.plant == Some(Plant::SettleByReading) {
            let fence = Fence { tree, ..leader.fence };
            return self.settled(world, node, fence);
        }
        world.send(node, Sql::Claim(LeaseHolder::Own));
    }

    pub(crate) fn receive_settlement(&self, world: &mut World, node: usize) {
        let Some(leader) = leader(world, node) else { return };
        let Sequencer::Settling { grant, answer: Some(claimed), .. } = leader.sequencer else { return };
        let Some(fence) = claimed else { return world.end(node) };
        leader.tenure = grant;
        self.settled(world, node, fence);
    }

    /// Compares the head with the one that the commit was to leave and the one before it.
    fn settled(&self, world: &mut World, node: usize, found: Fence) {
        let Some(leader) = leader(world, node) else { return };
        let Sequencer::Settling { batch, is_first, .. } = leader.sequencer else { return };
        leader.fence.epoch = found.epoch;
        if self.plant == Some(Plant::SettleAsNotMade) {
            leader.fence.tree = found.tree;
            leader.sequencer = Sequencer::NotMade { batch, is_first };
        } else if found.tree == leader.fence.tree.and(batch) {
            self.reached.note(Event::FoundMade);
            made(leader, batch);
        } else if found.tree == leader.fence.tree {
            self.reached.note(Event::FoundNotMade);
            leader.sequencer = Sequencer::NotMade { batch, is_first };
        } else {
            world.end(node);
        }
    }

    pub(crate) fn refuse(&self, world: &mut World, node: usize) {
        let Some(leader) = leader(world, node) else { return };
        let Sequencer::NotMade { batch, .. } = leader.sequencer else { return };
        leader.sequencer = Sequencer::Idle;
        world.refused.insert(batch);
    }

    /// Signs in three steps, since the process can be paused before each.
    pub(crate) fn sign(&self, world: &mut World, node: usize) {
        let lease = world.database;
        let process = world.process(node);
        let Some(leader) = leader(world, node) else { return };
        let Sequencer::Signing { batch, step } = leader.sequencer else { return };
        let (tree, held, lost) = (leader.fence.tree, leader.tenure > 0, leader.lost);
        let to = |step| Sequencer::Signing { batch, step };
        match step {
            Step::Look | Step::LookAgain if lost => world.end(node),
            Step::Look if held => leader.sequencer = to(Step::Sign),
            Step::Look => {}
            Step::Sign => {
                leader.sequencer = to(Step::LookAgain);
                if world.signed.insert(tree) && batch.is_none() {
                    self.reached.note(Event::SignedAtStart);
                }
            }
            Step::LookAgain if held || self.plant == Some(Plant::ShowWithoutLook) => {
                leader.sequencer = Sequencer::Idle;
                world.usurped |= lease.holder != Some(process) || lease.runs == 0;
                world.acknowledged.extend(batch);
            }
            Step::LookAgain => {
                self.reached.note(Event::Discarded);
                leader.sequencer = to(Step::Look);
            }
        }
    }

    pub(crate) fn send_renewal(&self, world: &mut World, node: usize) {
        let grant = self.grant();
        let Some(leader) = leader(world, node) else { return };
        leader.keeper = Keeper::Renewing { grant, answer: None };
        world.send(node, Sql::Renew);
    }

    pub(crate) fn receive_renewal(&self, world: &mut World, node: usize) {
        let full = self.grant();
        let Some(leader) = leader(world, node) else { return };
        let Keeper::Renewing { grant, answer: Some(renewed) } = leader.keeper else { return };
        leader.keeper = Keeper::Waiting;
        let grant = if self.plant == Some(Plant::CountFromAnswer) { full } else { grant };
        if !renewed {
            self.reached.note(Event::Deposed);
            leader.lost = true;
        } else {
            if leader.tenure == 0 && grant > 0 {
                self.reached.note(Event::HeldAgain);
            }
            leader.tenure = grant;
        }
    }

    /// The answer to a renewal does not come; the next one is sent on another connection.
    pub(crate) fn forget_renewal(&self, world: &mut World, node: usize) {
        world.abandon(node, |sql| *sql == Sql::Renew);
        if let Some(leader) = leader(world, node) {
            leader.keeper = Keeper::Waiting;
        }
    }

    /// Stops in order: the lease is given up once nothing is signed any more.
    pub(crate) fn close(&self, world: &mut World, node: usize) {
        world.send(node, Sql::Resign);
        world.end(node);
    }
}

fn made(leader: &mut Leader, batch: Batch) {
    leader.fence.tree = leader.fence.tree.and(batch);
    leader.sequencer = Sequencer::Signing { batch: Some(batch), step: Step::Look };
}

fn leader(world: &mut World, node: usize) -> Option<&mut Leader> {
    match &mut world.nodes[node].run {
        Run::Leading(leader) => Some(leader),
        _ => None,
    }
}
