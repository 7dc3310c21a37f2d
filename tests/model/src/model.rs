//! Which steps can be taken in a state.

use std::collections::BTreeSet;

use stateright::{Model, Property};

use crate::plant::Plant;
use crate::promises;
use crate::reached::{Event, Reached};
use crate::world::{Database, Keeper, Leader, Left, NODES, Node, Run, Sequencer, Statement, Step, World};

/// Whose lease a starting process takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takeover {
    /// One that has run out.
    WhenFree,
    /// Any.
    AtOnce,
}

/// How far the checker walks. Times are ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long a lease lasts.
    pub ttl: u8,
    /// How much earlier its holder takes it for over.
    pub margin: u8,
    /// How often the log is claimed.
    pub epochs: u8,
    /// How many batches arrive.
    pub batches: u8,
    /// How often a process ends without a word.
    pub crashes: u8,
    /// How often an answer is lost or late.
    pub losses: u8,
    /// How many ticks the clock of a node misses. The margin covers as many.
    pub slips: u8,
    /// How often each node is started.
    pub starts: u8,
    /// How many nodes there are, at most three.
    pub nodes: usize,
}

/// The protocol, with a planted bug or without.
#[derive(Debug)]
pub struct Protocol {
    /// The bug.
    pub plant: Option<Plant>,
    /// Whose lease a starting process takes.
    pub takeover: Takeover,
    /// How far the checker walks.
    pub limits: Limits,
    pub(crate) reached: Reached,
}

impl Protocol {
    /// The protocol as the code has it.
    pub fn new(takeover: Takeover, limits: Limits) -> Self {
        Self { plant: None, takeover, limits, reached: Reached::default() }
    }

    /// The same with a bug.
    pub fn with(mut self, plant: Plant) -> Self {
        self.plant = Some(plant);
        self
    }

    /// Whether an event happened in any state that was walked through so far.
    pub fn has_reached(&self, event: Event) -> bool {
        self.reached.has(event)
    }
}

/// A step. Between any two of them anything else may happen: a node that takes none while the clock ticks is paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// A tick passes for all clocks but that of a node, if one is named.
    Tick(Option<usize>),
    /// A process starts as a standby.
    Start(usize),
    /// It sends a claim.
    SendClaim(usize),
    /// It receives what its claim returned.
    ReceiveClaim(usize),
    /// It reads the log that it claimed.
    Load(usize),
    /// It sends a commit.
    SendCommit(usize),
    /// It receives what its commit returned.
    ReceiveCommit(usize),
    /// It stops waiting for a commit and claims the log again.
    Settle(usize),
    /// It receives what that claim returned.
    ReceiveSettlement(usize),
    /// It sends a batch that was not made once more.
    Resend(usize),
    /// It reports a batch that was not made as refused.
    Refuse(usize),
    /// It looks at its tenure, signs, or looks again and shows the head.
    Sign(usize),
    /// It sends a renewal.
    SendRenewal(usize),
    /// It receives what its renewal returned.
    ReceiveRenewal(usize),
    /// It stops waiting for a renewal.
    ForgetRenewal(usize),
    /// It stops and gives its lease up.
    Close(usize),
    /// It ends without a word.
    Crash(usize),
    /// A statement takes effect in the database.
    Execute(Statement),
}

impl Model for Protocol {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let Limits { batches, crashes, losses, slips, .. } = self.limits;
        let started = Node { start: 1, run: Run::Standby };
        let mut nodes = [Node::default(); NODES];
        nodes[..self.limits.nodes].fill(started);
        vec![World {
            database: Database::default(),
            nodes,
            wire: BTreeSet::new(),
            signed: BTreeSet::new(),
            acknowledged: BTreeSet::new(),
            refused: BTreeSet::new(),
            usurped: false,
            left: Left { batches, crashes, losses, slips },
        }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        actions.push(Action::Tick(None));
        actions.extend(world.wire.iter().copied().map(Action::Execute));
        for node in 0..self.limits.nodes {
            match &world.nodes[node].run {
                Run::Down if world.nodes[node].start < self.limits.starts => {
                    actions.push(Action::Start(node));
                }
                Run::Down => {}
                Run::Standby => actions.push(Action::SendClaim(node)),
                Run::Claiming { answer, .. } => {
                    actions.extend(answer.map(|_| Action::ReceiveClaim(node)));
                }
                Run::Leading(leader) => self.leading(world, node, leader, actions),
            }
            if world.left.crashes > 0 && world.nodes[node].run != Run::Down {
                actions.push(Action::Crash(node));
            }
            if world.left.slips > 0 && matches!(world.nodes[node].run, Run::Leading(_) | Run::Claiming { .. })
            {
                actions.push(Action::Tick(Some(node)));
            }
        }
    }

    fn next_state(&self, before: &World, action: Action) -> Option<World> {
        let mut world = before.clone();
        match action {
            Action::Tick(slipping) => tick(&mut world, slipping),
            Action::Start(node) => {
                let start = world.nodes[node].start + 1;
                world.nodes[node] = Node { start, run: Run::Standby };
            }
            Action::SendClaim(node) => self.send_claim(&mut world, node),
            Action::ReceiveClaim(node) => self.receive_claim(&mut world, node),
            Action::Load(node) => self.load(&mut world, node),
            Action::SendCommit(node) => self.send_commit(&mut world, node),
            Action::ReceiveCommit(node) => self.receive_commit(&mut world, node),
            Action::Settle(node) => {
                world.left.losses -= 1;
                self.settle(&mut world, node);
            }
            Action::ReceiveSettlement(node) => self.receive_settlement(&mut world, node),
            Action::Resend(node) => {
                if let Run::Leading(Leader { sequencer: Sequencer::NotMade { batch, .. }, .. }) =
                    world.nodes[node].run
                {
                    self.send_batch(&mut world, node, batch, false);
                }
            }
            Action::Refuse(node) => self.refuse(&mut world, node),
            Action::Sign(node) => self.sign(&mut world, node),
            Action::SendRenewal(node) => self.send_renewal(&mut world, node),
            Action::ReceiveRenewal(node) => self.receive_renewal(&mut world, node),
            Action::ForgetRenewal(node) => {
                world.left.losses -= 1;
                self.forget_renewal(&mut world, node);
            }
            Action::Close(node) => self.close(&mut world, node),
            Action::Crash(node) => {
                world.left.crashes -= 1;
                world.end(node);
            }
            Action::Execute(statement) => self.execute(&mut world, &statement),
        }
        (world != *before).then_some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        promises::properties()
    }
}

impl Protocol {
    fn leading(&self, world: &World, node: usize, leader: &Leader, actions: &mut Vec<Action>) {
        let may_lose = world.left.losses > 0;
        match leader.sequencer {
            Sequencer::Loading => actions.push(Action::Load(node)),
            Sequencer::Idle => {
                if world.left.batches > 0 {
                    actions.push(Action::SendCommit(node));
                }
                actions.push(Action::Close(node));
            }
            Sequencer::Committing { answer, .. } => {
                actions.extend(answer.map(|_| Action::ReceiveCommit(node)));
                if may_lose {
                    actions.push(Action::Settle(node));
                }
            }
            Sequencer::Settling { answer, .. } => {
                actions.extend(answer.map(|_| Action::ReceiveSettlement(node)));
            }
            Sequencer::NotMade { is_first, .. } => {
                actions.push(Action::Refuse(node));
                if is_first {
                    actions.push(Action::Resend(node));
                }
            }
            Sequencer::Signing { step: Step::Look | Step::Sign | Step::LookAgain, .. } => {
                actions.push(Action::Sign(node));
            }
        }
        match leader.keeper {
            // The keeper ends once it has found another holder.
            Keeper::Waiting if leader.lost => {}
            Keeper::Waiting => actions.push(Action::SendRenewal(node)),
            Keeper::Renewing { answer, .. } => {
                actions.extend(answer.map(|_| Action::ReceiveRenewal(node)));
                if may_lose {
                    actions.push(Action::ForgetRenewal(node));
                }
            }
        }
    }
}

/// Time passes.
fn tick(world: &mut World, slipping: Option<usize>) {
    world.database.runs = world.database.runs.saturating_sub(1);
    for (number, node) in world.nodes.iter_mut().enumerate() {
        if slipping == Some(number) {
            world.left.slips -= 1;
            continue;
        }
        match &mut node.run {
            Run::Down | Run::Standby => {}
            Run::Claiming { grant, .. } => *grant = grant.saturating_sub(1),
            Run::Leading(leader) => {
                leader.tenure = leader.tenure.saturating_sub(1);
                if let Keeper::Renewing { grant, .. } = &mut leader.keeper {
                    *grant = grant.saturating_sub(1);
                }
                if let Sequencer::Settling { grant, .. } = &mut leader.sequencer {
                    *grant = grant.saturating_sub(1);
                }
            }
        }
    }
}

/// The same state with its nodes in a fixed order: which of them is which does not matter, so one order of them is walked through for all.
pub fn canonical(world: &World) -> World {
    const ORDERS: [[usize; NODES]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    let ordered = ORDERS.into_iter().map(|order| renamed(world, order));
    ordered.min().unwrap_or_else(|| world.clone())
}

/// Node `n` becomes node `order[n]`.
fn renamed(world: &World, order: [usize; NODES]) -> World {
    let mut renamed = world.clone();
    for (node, to) in order.into_iter().enumerate() {
        renamed.nodes[to] = world.nodes[node];
    }
    if let Some(holder) = &mut renamed.database.holder {
        holder.node = order[holder.node];
    }
    let wire = world.wire.iter().map(|statement| {
        let mut statement = *statement;
        statement.from.node = order[statement.from.node];
        statement
    });
    renamed.wire = wire.collect();
    renamed
}
