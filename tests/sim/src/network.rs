//! Messages between machines: lost, repeated, late and out of order.

use vouchlog_api::{Append, Appended, Error};
use vouchlog_merkle::TreeHead;

use crate::rng::Rng;

/// A message on its way.
#[derive(Clone, Debug)]
pub(crate) enum Message {
    /// A gateway's batch to the log.
    Append { gateway: usize, batch: usize, request: Append },
    /// The log's answer.
    Appended { gateway: usize, batch: usize, answer: Result<Appended, Error> },
    /// A checkpoint to a witness, as text; `is_forged` if it is of another tree.
    Checkpoint { witness: usize, request: String, head: TreeHead, note: String, is_forged: bool },
}

/// Everything on its way, with the step from which it can arrive.
#[derive(Debug)]
pub(crate) struct Network {
    rng: Rng,
    under_way: Vec<(u64, Message)>,
    pub(crate) lost: u64,
    pub(crate) repeated: u64,
}

impl Network {
    pub(crate) fn new(rng: Rng) -> Self {
        Self { rng, under_way: Vec::new(), lost: 0, repeated: 0 }
    }

    /// Sends a message at a step. On a network that fails it may be lost, late, or arrive twice.
    pub(crate) fn send(&mut self, step: u64, message: Message, fails: bool) {
        if fails && self.rng.chance(15, 100) {
            self.lost += 1;
            return;
        }
        if fails && self.rng.chance(10, 100) {
            self.repeated += 1;
            let late = step + self.rng.below(30);
            self.under_way.push((late, message.clone()));
        }
        let late = if fails { step + self.rng.below(8) } else { step };
        self.under_way.push((late, message));
    }

    /// Any message that can arrive by now.
    pub(crate) fn receive(&mut self, step: u64) -> Option<Message> {
        let due: Vec<_> = (0..self.under_way.len()).filter(|at| self.under_way[*at].0 <= step).collect();
        let at = *due.get(self.rng.index(due.len()))?;
        Some(self.under_way.remove(at).1)
    }
}
