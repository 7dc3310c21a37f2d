//! Work on a thread of its own, with a deadline.
//!
//! A call into a store can hang for as long as a disk does. The caller waits for a limited time; if the work has not ended
//! by then, its outcome is unknown, and stays unknown: a late outcome is never taken for that of a later job.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use thiserror::Error;

use crate::scope::in_span;

/// Why the outcome of a job is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Unknown {
    /// The job, or one before it, did not end in time. It may still be running.
    #[error("it did not end within {} s", .0.as_secs_f32())]
    Late(Duration),
    /// The job, or one before it, panicked.
    #[error("the thread panicked")]
    Panicked,
}

/// A thread that does one job at a time. It ends when this is dropped and the current job is done.
#[derive(Debug)]
pub struct Watched<J, O> {
    jobs: SyncSender<J>,
    outcomes: Receiver<O>,
    patience: Duration,
    failed: Option<Unknown>,
}

impl<J: Send + 'static, O: Send + 'static> Watched<J, O> {
    /// Starts a thread of that name. Each job may take as long as `patience`.
    ///
    /// # Errors
    /// If the operating system gives no thread.
    pub fn start(
        name: &str,
        patience: Duration,
        mut work: impl FnMut(J) -> O + Send + 'static,
    ) -> io::Result<Self> {
        let (jobs, to_do) = sync_channel::<J>(1);
        let (done, outcomes) = sync_channel(1);
        let run = in_span(move || {
            while let Ok(job) = to_do.recv() {
                if done.send(work(job)).is_err() {
                    return;
                }
            }
        });
        thread::Builder::new().name(name.to_owned()).spawn(run)?;
        Ok(Self { jobs, outcomes, patience, failed: None })
    }

    /// Does a job and waits for its outcome.
    ///
    /// # Errors
    /// After one [`Unknown`] every further job gets the same, without being started.
    pub fn run(&mut self, job: J) -> Result<O, Unknown> {
        self.begin(job)?.wait()
    }

    /// Starts a job; the caller can do something else until it [waits](Running::wait). The time runs from now.
    ///
    /// # Errors
    /// As for [`run`](Self::run).
    pub fn begin(&mut self, job: J) -> Result<Running<'_, J, O>, Unknown> {
        if let Some(unknown) = self.failed {
            return Err(unknown);
        }
        // The outcome of the job before was received, so there is room in the channel.
        if self.jobs.send(job).is_err() {
            return Err(self.fail(Unknown::Panicked));
        }
        // Without a deadline when the patience is longer than the clock goes.
        let deadline = Instant::now().checked_add(self.patience);
        Ok(Running { watched: self, deadline, is_over: false })
    }

    fn fail(&mut self, unknown: Unknown) -> Unknown {
        self.failed = Some(unknown);
        unknown
    }
}

/// A job that was started. If it is dropped unwaited, its outcome is unknown.
#[derive(Debug)]
pub struct Running<'w, J, O> {
    watched: &'w mut Watched<J, O>,
    deadline: Option<Instant>,
    is_over: bool,
}

impl<J: Send + 'static, O: Send + 'static> Running<'_, J, O> {
    /// Waits for the outcome until the job's time is over.
    pub fn wait(mut self) -> Result<O, Unknown> {
        self.is_over = true;
        let received = match self.deadline {
            Some(deadline) => {
                let left = deadline.saturating_duration_since(Instant::now());
                self.watched.outcomes.recv_timeout(left)
            }
            None => self.watched.outcomes.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        received.map_err(|error| match error {
            RecvTimeoutError::Timeout => self.watched.fail(Unknown::Late(self.watched.patience)),
            RecvTimeoutError::Disconnected => self.watched.fail(Unknown::Panicked),
        })
    }
}

impl<J, O> Drop for Running<'_, J, O> {
    fn drop(&mut self) {
        if !self.is_over {
            // Its outcome must not be taken for that of the next job.
            self.watched.failed = Some(Unknown::Late(Duration::ZERO));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    const LONG: Duration = Duration::from_secs(600);

    #[test]
    fn jobs_are_done_in_order_and_state_is_kept() {
        let mut sum = 0;
        let mut adder = Watched::start("test", LONG, move |n: u64| {
            sum += n;
            sum
        })
        .unwrap();
        assert_eq!([1, 2, 3].map(|n| adder.run(n).unwrap()), [1, 3, 6]);
        let running = adder.begin(4).unwrap();
        assert_eq!(running.wait(), Ok(10));
        let mut unbounded = Watched::start("test", Duration::MAX, |n: u64| n).unwrap();
        assert_eq!(unbounded.run(7), Ok(7));
    }

    #[test]
    fn a_late_outcome_is_never_that_of_a_later_job() {
        let (release, held) = channel::<()>();
        let (ended, end) = channel::<()>();
        let mut watched = Watched::start("test", Duration::from_millis(1), move |n: u64| {
            held.recv().unwrap();
            ended.send(()).unwrap();
            n
        })
        .unwrap();
        let late = Unknown::Late(Duration::from_millis(1));
        assert_eq!(watched.run(1), Err(late));
        release.send(()).unwrap();
        end.recv().unwrap();
        for job in 2..5 {
            assert_eq!(watched.run(job), Err(late));
        }
        assert!(late.to_string().contains("0.001 s"), "{late}");
    }

    #[test]
    fn a_panic_is_an_unknown_outcome_now_and_later() {
        let mut watched = Watched::start("test", LONG, |n: u64| {
            assert!(n < 2, "planted");
            n
        })
        .unwrap();
        assert_eq!(watched.run(1), Ok(1));
        assert_eq!(watched.run(2), Err(Unknown::Panicked));
        assert_eq!(watched.run(1), Err(Unknown::Panicked));
    }

    #[test]
    fn a_job_that_nobody_waited_for_ends_the_work() {
        let mut watched = Watched::start("test", LONG, |n: u64| n).unwrap();
        drop(watched.begin(1).unwrap());
        assert!(watched.run(2).is_err());
    }
}
