//! What happened somewhere in the states that were walked through. A check that never sees a takeover proves nothing.

use std::sync::atomic::{AtomicU32, Ordering};

/// Something that the checker must come across.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A process took over a log that another one had led.
    TookOver,
    /// A claim was answered with: the lease is held.
    FoundHeld,
    /// A process signed a head that an earlier one had committed.
    SignedAtStart,
    /// A statement took effect after its process had stopped waiting for it, or had ended.
    LateEffect,
    /// A commit whose answer was lost turned out to be made.
    FoundMade,
    /// A commit whose answer was lost turned out not to be made.
    FoundNotMade,
    /// A commit of a former leader changed nothing.
    Fenced,
    /// A leader learned from a renewal that another process leads.
    Deposed,
    /// A tenure that had run out was held again.
    HeldAgain,
    /// A signature was discarded, since the tenure ran out while it was made.
    Discarded,
}

impl Event {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::TookOver,
        Self::FoundHeld,
        Self::SignedAtStart,
        Self::LateEffect,
        Self::FoundMade,
        Self::FoundNotMade,
        Self::Fenced,
        Self::Deposed,
        Self::HeldAgain,
        Self::Discarded,
    ];
}

/// The events that happened; the checker's threads share it.
#[derive(Debug, Default)]
pub(crate) struct Reached(AtomicU32);

impl Reached {
    pub(crate) fn note(&self, event: Event) {
        self.0.fetch_or(1 << event as u32, Ordering::Relaxed);
    }

    pub(crate) fn has(&self, event: Event) -> bool {
        self.0.load(Ordering::Relaxed) & (1 << event as u32) != 0
    }
}
