//! When something happened, as it was stated, and whether two accounts can be of one call.

/// Start and end as an emitter stated them, in nanoseconds since 1970. What it did not state is missing, and an end before the start
/// stays one: rules judge it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct StatedTimes {
    pub(super) start: Option<u64>,
    pub(super) end: Option<u64>,
}

impl StatedTimes {
    /// OTLP writes a time that is not known as 0.
    pub(super) fn of(start: u64, end: u64) -> Self {
        let known = |time: u64| (time > 0).then_some(time);
        Self { start: known(start), end: known(end) }
    }

    /// The interval to compare with others, and for nothing else: it takes a time that is missing, or impossible, for the other one.
    pub(super) fn interval(self) -> Times {
        let start = self.start.or(self.end).unwrap_or_default();
        (start, self.end.unwrap_or(start).max(start))
    }
}

/// Begin and end of a call in nanoseconds since 1970, for comparison.
pub(super) type Times = (u64, u64);

/// Whether two accounts can be of one call, by their times. The same answer at another time is a cache's.
pub(super) fn overlap((one_start, one_end): Times, (start, end): Times) -> bool {
    one_start <= end && start <= one_end
}

/// Whether the first is within the second.
pub(super) fn is_within((inner_start, inner_end): Times, (start, end): Times) -> bool {
    start <= inner_start && inner_end <= end
}

/// The same where not all is known.
pub(super) fn may_be_of_one_call(one: Option<Times>, other: Option<Times>) -> bool {
    one.zip(other).is_none_or(|(one, other)| overlap(one, other))
}

/// From the begin of the first to the end of the last.
pub(super) fn hull(one: Option<Times>, other: Option<Times>) -> Option<Times> {
    match (one, other) {
        (Some((one_start, one_end)), Some((start, end))) => Some((one_start.min(start), one_end.max(end))),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_or_impossible_is_stated_as_it_is_and_compared_as_a_moment() {
        for (start, end, stated, interval) in [
            (3, 5, (Some(3), Some(5)), (3, 5)),
            (5, 3, (Some(5), Some(3)), (5, 5)),
            (5, 0, (Some(5), None), (5, 5)),
            (0, 5, (None, Some(5)), (5, 5)),
            (0, 0, (None, None), (0, 0)),
            (u64::MAX, 1, (Some(u64::MAX), Some(1)), (u64::MAX, u64::MAX)),
        ] {
            let found = StatedTimes::of(start, end);
            assert_eq!(((found.start, found.end), found.interval()), (stated, interval));
        }
    }
}
