//! One state: the database's rows, the nodes, what is under way between them, and what was promised so far.

use std::collections::BTreeSet;

/// How many entries there are room for.
const ROOM: usize = 3;
/// How many nodes there are.
pub(crate) const NODES: usize = 3;

/// A batch of statements; no two are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Batch(pub(crate) u8);

/// A log: its batches in order. This is size and root in one, since two logs with the same batches have the same root.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Tree([Option<Batch>; ROOM]);

impl Tree {
    pub(crate) fn batches(&self) -> impl Iterator<Item = Batch> {
        self.0.iter().map_while(|batch| *batch)
    }

    pub(crate) fn size(&self) -> usize {
        self.batches().count()
    }

    pub(crate) fn and(mut self, batch: Batch) -> Self {
        if let Some(place) = self.0.iter_mut().find(|place| place.is_none()) {
            *place = Some(batch);
        }
        self
    }

    pub(crate) fn is_prefix_of(&self, longer: &Self) -> bool {
        self.size() <= longer.size() && self.batches().zip(longer.batches()).all(|(own, other)| own == other)
    }

    pub(crate) fn holds(&self, batch: Batch) -> bool {
        self.batches().any(|held| held == batch)
    }
}

/// One start of a node's process: what the lease calls its holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Process {
    pub(crate) node: usize,
    pub(crate) start: u8,
}

/// Rows `vouchlog_lease` and `vouchlog_head`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Database {
    pub(crate) holder: Option<Process>,
    /// Ticks of the database's clock until the lease has run out.
    pub(crate) runs: u8,
    pub(crate) epoch: u8,
    pub(crate) tree: Tree,
}

/// Where the head must be for a commit to succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Fence {
    pub(crate) epoch: u8,
    pub(crate) tree: Tree,
}

/// Whose lease a claim takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum LeaseHolder {
    Anyone,
    Free,
    Own,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Sql {
    Claim(LeaseHolder),
    Renew,
    Commit { fence: Fence, batch: Batch },
    Resign,
}

/// A statement on its way to the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Statement {
    pub(crate) from: Process,
    pub(crate) sql: Sql,
    /// Whether its process still waits for the answer.
    pub(crate) awaited: bool,
}

/// An answer that reached its process, if one did.
pub(crate) type Answer<T> = Option<T>;

/// What a claim returns: the fence, or none while another process holds the lease.
pub(crate) type Claimed = Option<Fence>;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Node {
    pub(crate) start: u8,
    pub(crate) run: Run,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Run {
    #[default]
    Down,
    /// Looks at the lease again and again.
    Standby,
    /// `grant`: ticks of its own clock for which it may sign if the claim succeeds.
    Claiming {
        grant: u8,
        answer: Answer<Claimed>,
    },
    Leading(Leader),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Leader {
    pub(crate) fence: Fence,
    /// Ticks of its own clock for which it may sign.
    pub(crate) tenure: u8,
    /// Whether a renewal found another holder.
    pub(crate) lost: bool,
    pub(crate) sequencer: Sequencer,
    pub(crate) keeper: Keeper,
}

/// The thread that owns the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Sequencer {
    Loading,
    Idle,
    Committing {
        batch: Batch,
        is_first: bool,
        answer: Answer<bool>,
    },
    Settling {
        batch: Batch,
        is_first: bool,
        grant: u8,
        answer: Answer<Claimed>,
    },
    /// The commit was certainly not made.
    NotMade {
        batch: Batch,
        is_first: bool,
    },
    Signing {
        batch: Option<Batch>,
        step: Step,
    },
}

/// Between two looks at the tenure a head is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Step {
    Look,
    Sign,
    LookAgain,
}

/// The task that renews the lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Keeper {
    Waiting,
    Renewing { grant: u8, answer: Answer<bool> },
}

/// What may still happen: the checker's walk is finite because these run out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Left {
    pub(crate) batches: u8,
    pub(crate) crashes: u8,
    /// Answers that are lost, with their statements or without.
    pub(crate) losses: u8,
    /// Ticks that the clock of one node misses.
    pub(crate) slips: u8,
}

/// A state of everything.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct World {
    pub(crate) database: Database,
    pub(crate) nodes: [Node; NODES],
    /// A set: its order is not the order of arrival.
    pub(crate) wire: BTreeSet<Statement>,
    /// Every head that was signed, whether it was shown or not.
    pub(crate) signed: BTreeSet<Tree>,
    pub(crate) acknowledged: BTreeSet<Batch>,
    /// Batches whose callers were answered that they are not in the log.
    pub(crate) refused: BTreeSet<Batch>,
    /// Whether a process showed a head without holding the lease.
    pub(crate) usurped: bool,
    pub(crate) left: Left,
}

impl World {
    pub(crate) fn process(&self, node: usize) -> Process {
        Process { node, start: self.nodes[node].start }
    }

    pub(crate) fn send(&mut self, node: usize, sql: Sql) {
        self.wire.insert(Statement { from: self.process(node), sql, awaited: true });
    }

    /// What a process sent and waits for is answered into nothing, if it arrives at all.
    pub(crate) fn abandon(&mut self, node: usize, is_meant: impl Fn(&Sql) -> bool) {
        let process = self.process(node);
        let abandoned = std::mem::take(&mut self.wire).into_iter().map(|mut statement| {
            statement.awaited &= statement.from != process || !is_meant(&statement.sql);
            statement
        });
        self.wire = abandoned.collect();
    }

    /// The process ends, by itself or not; what it sent may still arrive.
    pub(crate) fn end(&mut self, node: usize) {
        self.abandon(node, |_| true);
        self.nodes[node].run = Run::Down;
    }
}
