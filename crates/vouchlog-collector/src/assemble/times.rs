//! When a call was made, and whether two accounts can be of one.

/// Begin and end of a call in nanoseconds since 1970.
pub(super) type Times = (u64, u64);

/// Whether two accounts can be of one call, by their times. The same answer at another time is a cache's.
pub(super) fn overlap((one_start, one_end): Times, (start, end): Times) -> bool {
    one_start <= end && start <= one_end
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
