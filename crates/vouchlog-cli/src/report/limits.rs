//! How much of a timeline is printed.

/// Critical findings at the top of a report. All of them stand in the timeline.
pub(super) const MAX_CRITICAL: usize = 12;
