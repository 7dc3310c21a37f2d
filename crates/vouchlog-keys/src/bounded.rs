//! A place for a key, on a thread of its own: callers wait within a bound, and one signature is made at a time.

use std::fmt;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use vouchlog_note::{Signer, SignerError};

use crate::limits::{CLOSING, MAX_MESSAGE_BYTES, MAX_WAITING};

/// Signs, and may take its time. It lives on one thread, so it can keep a session or a connection.
pub(crate) trait ThreadSigner: Send {
    /// Signs exactly these bytes with Ed25519.
    fn sign(&mut self, message: &[u8]) -> Result<[u8; 64], SignerError>;
}

/// A [`ThreadSigner`] as a signer that answers in time.
pub(crate) struct Bounded {
    name: String,
    jobs: SyncSender<Job>,
    patience: Duration,
    /// Disconnected once the place is closed.
    ended: Mutex<Receiver<()>>,
}

struct Job {
    message: Vec<u8>,
    /// After this nobody waits for it: it must not be signed any more.
    until: Instant,
    reply: SyncSender<Result<[u8; 64], SignerError>>,
}

impl Bounded {
    /// Starts the thread. `name` is shown in errors; it must hold no secret.
    pub(crate) fn start(
        name: String,
        patience: Duration,
        place: impl ThreadSigner + 'static,
    ) -> Result<Self, SignerError> {
        let (jobs, to_do) = sync_channel(MAX_WAITING);
        let (running, ended) = sync_channel(0);
        let working = move || {
            work(place, &to_do);
            drop(running);
        };
        thread::Builder::new()
            .name("vouchlog-signer".into())
            .spawn(working)
            .map_err(|error| SignerError::new(format!("{name}: no thread could be started: {error}")))?;
        Ok(Self { name, jobs, patience, ended: Mutex::new(ended) })
    }

    fn failed(&self, why: impl fmt::Display) -> SignerError {
        SignerError::new(format!("{}: {why}", self.name))
    }
}

/// Does `work` on a thread of its own, and waits for it: a token may hang, and requests to a key service have a runtime of their own,
/// which an async thread must not enter.
pub(crate) fn once<T: Send + 'static>(
    patience: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, SignerError> {
    let (reply, answer) = sync_channel(1);
    let working = move || {
        // The caller may have given up meanwhile.
        let _ = reply.send(work());
    };
    thread::Builder::new()
        .name("vouchlog-wrapper".into())
        .spawn(working)
        .map_err(|error| SignerError::new(format!("no thread could be started: {error}")))?;
    answer.recv_timeout(patience).map_err(|error| match error {
        RecvTimeoutError::Timeout => {
            SignerError::new(format!("it did not respond within {} s", patience.as_secs_f32()))
        }
        RecvTimeoutError::Disconnected => SignerError::new("its thread has ended"),
    })
}

fn work(mut place: impl ThreadSigner, jobs: &Receiver<Job>) {
    while let Ok(Job { message, until, reply }) = jobs.recv() {
        if Instant::now() < until {
            // The caller may have given up meanwhile.
            let _ = reply.send(place.sign(&message));
        }
    }
}

impl Drop for Bounded {
    /// Waits until the place is closed: a module of a token that is in use while the process ends can crash it.
    fn drop(&mut self) {
        let (closed, _) = sync_channel(0);
        self.jobs = closed;
        let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
        // It is disconnected, or hangs.
        let _ = ended.recv_timeout(CLOSING);
    }
}

impl Signer for Bounded {
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignerError> {
        if message.len() > MAX_MESSAGE_BYTES {
            let bytes = message.len();
            return Err(
                self.failed(format!("{bytes} bytes are too many: it signs at most {MAX_MESSAGE_BYTES}"))
            );
        }
        let (reply, answer) = sync_channel(1);
        let job = Job { message: message.to_vec(), until: Instant::now() + self.patience, reply };
        self.jobs.try_send(job).map_err(|error| {
            self.failed(match error {
                TrySendError::Full(_) => "too many callers wait for it",
                TrySendError::Disconnected(_) => "its thread has ended",
            })
        })?;
        match answer.recv_timeout(self.patience) {
            Ok(signed) => signed.map_err(|error| self.failed(error.reason())),
            Err(RecvTimeoutError::Timeout) => {
                Err(self.failed(format!("it gave no signature within {} s", self.patience.as_secs_f32())))
            }
            Err(RecvTimeoutError::Disconnected) => Err(self.failed("its thread has ended, or was too late")),
        }
    }
}

impl fmt::Debug for Bounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bounded({})", self.name)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use super::*;

    /// Signs once it is released, and reports what it was asked to sign.
    struct BlockedSigner(Receiver<()>, Sender<Vec<u8>>);

    impl ThreadSigner for BlockedSigner {
        fn sign(&mut self, message: &[u8]) -> Result<[u8; 64], SignerError> {
            self.0.recv().map_err(|_| SignerError::new("gone"))?;
            self.1.send(message.to_vec()).ok();
            Ok([7; 64])
        }
    }

    fn held(patience: Duration) -> (Bounded, Sender<()>, Receiver<Vec<u8>>) {
        let (release, held) = channel();
        let (asked, seen) = channel();
        (Bounded::start("test".into(), patience, BlockedSigner(held, asked)).unwrap(), release, seen)
    }

    #[test]
    fn a_signature_comes_back_when_it_is_made_in_time() {
        let (signer, release, seen) = held(Duration::from_secs(600));
        release.send(()).unwrap();
        assert_eq!(signer.sign(b"a"), Ok([7; 64]));
        assert_eq!(seen.recv().unwrap(), b"a");
    }

    #[test]
    fn a_place_that_hangs_is_an_error_and_what_was_given_up_is_never_signed() {
        // Time enough for the thread to take the first up.
        let (signer, release, seen) = held(Duration::from_secs(1));
        let late = signer.sign(b"first").unwrap_err();
        assert!(late.reason().starts_with("test: it gave no signature within 1 s"), "{late}");
        // The first still hangs; the second is given up before its turn comes.
        assert!(signer.sign(b"second").is_err());
        release.send(()).unwrap();
        release.send(()).unwrap();
        assert_eq!(seen.recv().unwrap(), b"first");
        // In order, so the second was passed over by now.
        drop(release);
        drop(signer);
        assert!(seen.recv().is_err(), "the second was signed though nobody waited");
    }

    /// Says when it is gone.
    struct Closing(Sender<()>);

    impl ThreadSigner for Closing {
        fn sign(&mut self, _: &[u8]) -> Result<[u8; 64], SignerError> {
            Ok([7; 64])
        }
    }

    impl Drop for Closing {
        fn drop(&mut self) {
            thread::sleep(Duration::from_millis(50));
            self.0.send(()).ok();
        }
    }

    #[test]
    fn a_signer_is_gone_once_its_place_is_closed() {
        let (closing, closed) = channel();
        drop(Bounded::start("test".into(), Duration::from_secs(600), Closing(closing)).unwrap());
        assert_eq!(closed.try_recv(), Ok(()));
    }

    #[test]
    fn work_that_hangs_is_given_up() {
        assert_eq!(once(Duration::from_secs(600), || 7), Ok(7));
        let (release, held) = channel::<()>();
        let error = once(Duration::from_millis(20), move || held.recv().is_ok()).unwrap_err();
        assert!(error.reason().contains("within 0.02 s"), "{error}");
        drop(release);
        let panics = || -> u8 { panic!("as a module may") };
        let error = once(Duration::from_secs(600), panics).unwrap_err();
        assert!(error.reason().contains("ended"), "{error}");
    }

    #[test]
    fn what_is_too_long_is_not_sent_anywhere() {
        let (signer, _release, seen) = held(Duration::from_secs(600));
        assert!(signer.sign(&[0; MAX_MESSAGE_BYTES + 1]).unwrap_err().reason().contains("too many"));
        assert!(seen.try_recv().is_err());
    }
}
