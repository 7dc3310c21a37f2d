//! Time as a value: one clock for wall-clock and monotonic time.
//!
//! The wall clock dates what the log and its callers sign. It may jump in either direction, so it never measures an interval:
//! that is what [`Clock::monotonic`] is for. Tests and simulations control both with a [`ManualTime`].

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A point in wall-clock time: milliseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMillis(u64);

/// A point in wall-clock time: whole seconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixSeconds(u64);

impl UnixMillis {
    /// From milliseconds since 1970-01-01 UTC.
    pub const fn new(millis: u64) -> Self {
        Self(millis)
    }

    /// A system time. Before 1970 it is 0.
    pub fn from_system(time: SystemTime) -> Self {
        Self(millis(time.duration_since(UNIX_EPOCH).unwrap_or_default()))
    }

    /// Milliseconds since 1970-01-01 UTC.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Milliseconds since 1970-01-01 UTC in the signed form of calendars; saturates.
    pub fn signed(self) -> i64 {
        i64::try_from(self.0).unwrap_or(i64::MAX)
    }

    /// The last whole second.
    pub const fn seconds(self) -> UnixSeconds {
        UnixSeconds(self.0 / 1000)
    }

    /// This much later; saturates.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(millis(span)))
    }

    /// How much later this is than `earlier`; zero if it is not later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl UnixSeconds {
    /// From seconds since 1970-01-01 UTC.
    pub const fn new(seconds: u64) -> Self {
        Self(seconds)
    }

    /// Seconds since 1970-01-01 UTC.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The first millisecond of the second; saturates.
    pub const fn millis(self) -> UnixMillis {
        UnixMillis(self.0.saturating_mul(1000))
    }

    /// How much later this is than `earlier`; zero if it is not later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_secs(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for UnixMillis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for UnixSeconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A reading of monotonic time: it only grows, whatever happens to the wall clock. Comparable with readings of the same
/// [`Clock`] only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Monotonic(Duration);

impl Monotonic {
    /// This long after the clock's start.
    pub const fn new(since_start: Duration) -> Self {
        Self(since_start)
    }

    /// This much later; saturates.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span))
    }

    /// How much later this is than `earlier`; zero if it is not later.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// What a [`Clock`] reads.
pub trait TimeSource: Send + Sync + 'static {
    /// Wall-clock time.
    fn wall(&self) -> UnixMillis;
    /// Time since a fixed start; never decreases.
    fn monotonic(&self) -> Monotonic;
}

/// The time, as a value. Clones read the same source.
#[derive(Clone)]
pub struct Clock(Arc<dyn TimeSource>);

impl Clock {
    /// The system's clock. Its wall-clock time saturates at 0 before 1970.
    pub fn system() -> Self {
        Self::new(SystemSource { start: Instant::now() })
    }

    /// A clock that reads `source`.
    pub fn new(source: impl TimeSource) -> Self {
        Self(Arc::new(source))
    }

    /// A clock whose wall-clock time is what `wall` returns, beside the system's monotonic time.
    pub fn from_wall(wall: impl Fn() -> UnixMillis + Send + Sync + 'static) -> Self {
        Self::new(WallSource { wall, start: Instant::now() })
    }

    /// A clock for a test or simulation, and the handle that sets it.
    pub fn manual(wall: UnixMillis) -> (Self, ManualTime) {
        let time = ManualTime::new(wall);
        (Self::new(time.clone()), time)
    }

    /// Wall-clock time.
    pub fn now(&self) -> UnixMillis {
        self.0.wall()
    }

    /// Wall-clock time in whole seconds.
    pub fn now_seconds(&self) -> UnixSeconds {
        self.now().seconds()
    }

    /// Monotonic time, for every interval.
    pub fn monotonic(&self) -> Monotonic {
        self.0.monotonic()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

struct SystemSource {
    start: Instant,
}

impl TimeSource for SystemSource {
    #[allow(
        clippy::disallowed_methods,
        reason = "the one place that reads the wall clock; all else takes a Clock"
    )]
    fn wall(&self) -> UnixMillis {
        UnixMillis::from_system(SystemTime::now())
    }

    fn monotonic(&self) -> Monotonic {
        Monotonic(self.start.elapsed())
    }
}

struct WallSource<F> {
    wall: F,
    start: Instant,
}

impl<F: Fn() -> UnixMillis + Send + Sync + 'static> TimeSource for WallSource<F> {
    fn wall(&self) -> UnixMillis {
        (self.wall)()
    }

    fn monotonic(&self) -> Monotonic {
        Monotonic(self.start.elapsed())
    }
}

/// Time that stands still until it is set: for tests and simulations. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct ManualTime(Arc<Readings>);

#[derive(Debug, Default)]
struct Readings {
    /// Milliseconds since 1970.
    wall: AtomicU64,
    /// Nanoseconds since the start: 584 years.
    monotonic: AtomicU64,
}

impl ManualTime {
    /// Stands at `wall`; monotonic time starts at zero.
    pub fn new(wall: UnixMillis) -> Self {
        let time = Self::default();
        time.set_wall(wall);
        time
    }

    /// Lets time pass: both readings grow.
    pub fn advance(&self, span: Duration) {
        self.set_wall(self.wall().plus(span));
        self.advance_monotonic(span);
    }

    /// Lets monotonic time pass while the wall clock stands still.
    pub fn advance_monotonic(&self, span: Duration) {
        let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        let add = |now: u64| Some(now.saturating_add(nanos));
        // The closure never returns `None`, so the update cannot fail.
        let _ = self.0.monotonic.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    /// Sets the wall clock, forwards or backwards; monotonic time is unaffected.
    pub fn set_wall(&self, wall: UnixMillis) {
        self.0.wall.store(wall.0, Ordering::Relaxed);
    }
}

impl TimeSource for ManualTime {
    fn wall(&self) -> UnixMillis {
        UnixMillis(self.0.wall.load(Ordering::Relaxed))
    }

    fn monotonic(&self) -> Monotonic {
        Monotonic(Duration::from_nanos(self.0.monotonic.load(Ordering::Relaxed)))
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_before_1970_stands_at_zero() {
        assert_eq!(UnixMillis::from_system(UNIX_EPOCH - Duration::from_secs(1)), UnixMillis::new(0));
        assert_eq!(UnixMillis::from_system(UNIX_EPOCH), UnixMillis::new(0));
        assert_eq!(UnixMillis::from_system(UNIX_EPOCH + Duration::from_micros(2_999)).get(), 2);
    }

    #[test]
    fn arithmetic_saturates() {
        let (zero, max) = (UnixMillis::new(0), UnixMillis::new(u64::MAX));
        assert_eq!(max.plus(Duration::MAX), max);
        assert_eq!(zero.since(max), Duration::ZERO);
        assert_eq!(max.signed(), i64::MAX);
        assert_eq!(UnixSeconds::new(u64::MAX).millis(), max);
        assert_eq!(UnixMillis::new(1_999).seconds(), UnixSeconds::new(1));
        assert_eq!(UnixSeconds::new(5).since(UnixSeconds::new(3)), Duration::from_secs(2));
        assert_eq!(
            Monotonic::new(Duration::MAX).plus(Duration::MAX).since(Monotonic::default()),
            Duration::MAX
        );
    }

    #[test]
    fn a_step_of_the_wall_clock_does_not_touch_intervals() {
        let (clock, time) = Clock::manual(UnixMillis::new(10_000));
        let begun = clock.monotonic();
        time.advance(Duration::from_secs(2));
        assert_eq!(clock.now_seconds(), UnixSeconds::new(12));
        for stepped in [0, u64::MAX] {
            time.set_wall(UnixMillis::new(stepped));
            assert_eq!(clock.now(), UnixMillis::new(stepped));
            assert_eq!(clock.monotonic().since(begun), Duration::from_secs(2));
        }
        time.advance_monotonic(Duration::MAX);
        assert!(clock.monotonic().since(begun) > Duration::from_secs(1 << 32));
    }

    #[test]
    fn the_system_clock_runs_and_clones_share_their_start() {
        let clock = Clock::system();
        let (first, second) = (clock.monotonic(), clock.clone().monotonic());
        assert!(second >= first);
        let given = Clock::from_wall(|| UnixMillis::new(7));
        assert_eq!(given.now(), UnixMillis::new(7));
    }
}
