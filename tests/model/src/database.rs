//! What the database does with a statement: `claim.rs`, `lease.rs` and `commit.rs` of `vouchlog-storage-postgres`.

use crate::model::Protocol;
use crate::plant::Plant;
use crate::reached::Event;
use crate::world::{Batch, Fence, Keeper, LeaseHolder, Process, Run, Sequencer, Sql, Statement, World};

impl Protocol {
    /// One statement takes effect, and is answered if its process still waits for it.
    pub(crate) fn execute(&self, world: &mut World, statement: &Statement) {
        world.wire.remove(statement);
        let before = world.database;
        match statement.sql {
            Sql::Claim(whose) => {
                let claimed = self.claim(world, statement.from, whose);
                self.answer_claim(world, statement, claimed);
            }
            Sql::Renew => {
                let renewed = self.renew(world, statement.from);
                self.answer_renewal(world, statement, renewed);
            }
            Sql::Commit { fence, batch } => {
                let moved = self.commit(world, fence, batch);
                self.answer_commit(world, statement, moved);
            }
            Sql::Resign => {
                if world.database.holder == Some(statement.from) {
                    world.database.runs = 0;
                }
            }
        }
        if !statement.awaited && before != world.database {
            self.reached.note(Event::LateEffect);
        }
    }

    fn claim(&self, world: &mut World, from: Process, whose: LeaseHolder) -> Option<Fence> {
        let database = &mut world.database;
        let is_own = database.holder == Some(from);
        let is_free = database.runs == 0 || self.plant == Some(Plant::ClaimRunningLease);
        let may = match whose {
            LeaseHolder::Anyone => true,
            LeaseHolder::Free => is_own || is_free,
            LeaseHolder::Own => is_own,
        };
        // Beyond the last epoch nothing is claimed, so that the walk ends.
        if !may || database.epoch == self.limits.epochs {
            return None;
        }
        if database.holder.is_some_and(|holder| holder.node != from.node) {
            self.reached.note(Event::TookOver);
        }
        database.holder = Some(from);
        database.runs = self.limits.ttl;
        if self.plant != Some(Plant::ClaimWithoutEpoch) {
            database.epoch += 1;
        }
        Some(Fence { epoch: database.epoch, tree: database.tree })
    }

    fn renew(&self, world: &mut World, from: Process) -> bool {
        let is_own = world.database.holder == Some(from) || self.plant == Some(Plant::RenewWithoutHolder);
        if is_own {
            world.database.runs = self.limits.ttl;
        }
        is_own
    }

    fn commit(&self, world: &mut World, fence: Fence, batch: Batch) -> bool {
        let database = &mut world.database;
        let met = match self.plant {
            Some(Plant::CommitUnconditionally) => true,
            Some(Plant::CommitWithoutEpoch) => database.tree == fence.tree,
            _ => (database.epoch, database.tree) == (fence.epoch, fence.tree),
        };
        if met {
            database.tree = fence.tree.and(batch);
        }
        met
    }

    fn answer_claim(&self, world: &mut World, statement: &Statement, claimed: Option<Fence>) {
        let Some(run) = waiting(world, statement) else { return };
        match run {
            Run::Claiming { answer, .. } => *answer = Some(claimed),
            Run::Leading(leader) => {
                if let Sequencer::Settling { answer, .. } = &mut leader.sequencer {
                    *answer = Some(claimed);
                }
            }
            Run::Down | Run::Standby => {}
        }
    }

    fn answer_renewal(&self, world: &mut World, statement: &Statement, renewed: bool) {
        if let Some(Run::Leading(leader)) = waiting(world, statement)
            && let Keeper::Renewing { answer, .. } = &mut leader.keeper
        {
            *answer = Some(renewed);
        }
    }

    fn answer_commit(&self, world: &mut World, statement: &Statement, moved: bool) {
        if let Some(Run::Leading(leader)) = waiting(world, statement)
            && let Sequencer::Committing { answer, .. } = &mut leader.sequencer
        {
            *answer = Some(moved);
        }
    }
}

/// The process that waits for the answer to a statement.
fn waiting<'w>(world: &'w mut World, statement: &Statement) -> Option<&'w mut Run> {
    statement.awaited.then(|| &mut world.nodes[statement.from.node].run)
}
