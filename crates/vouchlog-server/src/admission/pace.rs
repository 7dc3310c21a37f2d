//! How fast a body has to come: never nothing for long, and on average at a least rate.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// What is asked of a body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LeastPace {
    /// The longest pause.
    pub(crate) idle: Duration,
    /// Bytes a second, on average over all but one such pause.
    pub(crate) rate: usize,
}

/// The pace of a body, or of a message, that is awaited.
pub(crate) struct Pace {
    least: LeastPace,
    began: Instant,
    last: Instant,
    bytes: usize,
    /// Made when something is waited for: most bodies are there with their heads.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Pace {
    pub(crate) fn new(least: LeastPace) -> Self {
        let now = Instant::now();
        Self { least, began: now, last: now, bytes: 0, alarm: None }
    }

    /// Another body, or message, begins.
    pub(crate) fn restart(&mut self, now: Instant) {
        self.began = now;
        self.last = now;
        self.bytes = 0;
    }

    /// So much has come.
    pub(crate) fn came(&mut self, bytes: usize, now: Instant) {
        self.last = now;
        self.bytes += bytes;
    }

    /// Ready once it is too slow.
    pub(crate) fn poll_too_slow(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let deadline = self.deadline();
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if alarm.deadline() != deadline {
            alarm.as_mut().reset(deadline);
        }
        alarm.as_mut().poll(cx)
    }

    fn deadline(&self) -> Instant {
        let earned = u64::try_from(self.bytes / self.least.rate.max(1)).unwrap_or(u64::MAX);
        let by_rate = self.began + self.least.idle + Duration::from_secs(earned.min(86_400));
        by_rate.min(self.last + self.least.idle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trickle_is_too_slow_and_a_flow_is_not() {
        let least = LeastPace { idle: Duration::from_secs(10), rate: 1_000 };
        let mut trickle = Pace::new(least);
        let mut flow = Pace::new(least);
        let began = trickle.began;
        let at = |seconds| began + Duration::from_secs(seconds);
        for second in 1..=20 {
            trickle.came(1, at(second));
            flow.came(2_000, at(second));
            assert_eq!(trickle.deadline(), at(10), "whatever comes so slowly");
            assert_eq!(
                flow.deadline(),
                (flow.began + Duration::from_secs(10 + 2 * second)).min(at(second + 10))
            );
        }
        trickle.restart(at(30));
        assert_eq!(trickle.deadline(), at(40));
    }
}
