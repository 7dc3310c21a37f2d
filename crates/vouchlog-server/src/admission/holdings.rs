//! What can be taken from a server, and how much of it somebody holds.

use std::sync::atomic::{AtomicUsize, Ordering};

/// What can be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resource {
    /// Places of health checks and metrics: under any load these answer.
    Operations,
    /// Places of reads.
    Reads,
    /// Places of appends by gateways, and of all else that writes.
    Appends,
    /// Places of appends to the house stream.
    House,
    /// Calls without an end.
    Streams,
    /// Requests whose body is still to come.
    Waiting,
    /// Bytes of bodies that are read, or of the messages of streams while they are incomplete.
    BodyBytes,
    /// Bytes of the requests of streams that are read and not answered.
    QueuedBytes,
    /// Bytes of answers that the client has not read.
    AnswerBytes,
    /// The same of health checks and metrics.
    OperationsBytes,
}

impl Resource {
    pub(crate) const ALL: [Self; 10] = [
        Self::Operations,
        Self::Reads,
        Self::Appends,
        Self::House,
        Self::Streams,
        Self::Waiting,
        Self::BodyBytes,
        Self::QueuedBytes,
        Self::AnswerBytes,
        Self::OperationsBytes,
    ];

    pub(crate) const COUNT: usize = Self::ALL.len();

    /// What clients can use up by doing nothing.
    pub(crate) const BYTES: [Self; 2] = [Self::BodyBytes, Self::AnswerBytes];

    /// As metrics have it.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Operations => "operations",
            Self::Reads => "reads",
            Self::Appends => "appends",
            Self::House => "house",
            Self::Streams => "streams",
            Self::Waiting => "waiting_bodies",
            Self::BodyBytes => "body_bytes",
            Self::QueuedBytes => "queued_bytes",
            Self::AnswerBytes => "answer_bytes",
            Self::OperationsBytes => "operations_bytes",
        }
    }
}

/// How much a connection, an address or a key holds of each.
#[derive(Default)]
pub(crate) struct Holdings([AtomicUsize; Resource::COUNT]);

impl Holdings {
    /// What is held with so much more.
    pub(super) fn add(&self, resource: Resource, more: usize) -> usize {
        self.0[resource as usize].fetch_add(more, Ordering::Relaxed) + more
    }

    pub(super) fn subtract(&self, resource: Resource, less: usize) {
        self.0[resource as usize].fetch_sub(less, Ordering::Relaxed);
    }

    pub(crate) fn get(&self, resource: Resource) -> usize {
        self.0[resource as usize].load(Ordering::Relaxed)
    }
}
