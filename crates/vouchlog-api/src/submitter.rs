//! How a keeper of records submits statements to a log, without knowing how the log is reached.

use std::collections::HashSet;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use vouchlog_note::SigningKey;
use vouchlog_stream::{Digest, Statement, StreamId};

use crate::Result;

/// A stream, with the key that signs for it.
#[derive(Clone, Debug)]
pub struct StreamSigner {
    /// The stream.
    pub stream: StreamId,
    /// Its own key, not the gateway's.
    pub key: Arc<SigningKey>,
}

/// Who a stream belongs to, seen from a submitter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamOwner {
    /// This submitter: its present stream, or one that its present stream continues, directly or through other streams.
    Own,
    /// Another submitter whose gateway key has the same name.
    Namesake(StreamActivity),
    /// A gateway of another name, or a stream that this log does not have.
    Foreign,
}

/// What the log has of a stream. Two equal values, some time apart: its owner sent nothing in between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamActivity {
    /// Statements in the stream.
    pub size: u64,
    /// The newest head its owner signed.
    pub head: Option<String>,
}

/// Takes statements on their way to a log: a gateway's durable spool, or a log in this process. Receipts come another way, to
/// whatever the submitter was opened with.
pub trait Submitter: Send + Sync + 'static {
    /// The stream that statements go to at present; waits until the log opened one. A statement may still end up in a later
    /// stream of the same gateway, if this one is over before the statement is sent.
    fn signer(&self) -> impl Future<Output = Result<StreamSigner>> + Send;

    /// Takes statements, in this order and next to each other; they are durable when this returns. A submitter that is full takes
    /// none of them.
    fn submit(&self, statements: Vec<Statement>) -> impl Future<Output = Result<()>> + Send;

    /// Waits until the log has everything that was taken before this call, and its receipts were handed over.
    fn flush(&self) -> impl Future<Output = Result<()>> + Send;

    /// Those of the digests whose statements were taken and wait for their receipts. They reach the log without being submitted
    /// again. Answers without the log.
    fn pending(&self, digests: Vec<Digest>) -> impl Future<Output = Result<HashSet<Digest>>> + Send;

    /// Asks the log who a stream belongs to.
    fn owner(&self, stream: StreamId) -> impl Future<Output = Result<StreamOwner>> + Send;

    /// Looks statements up in the log by their digests, hands over the receipt of each one that the gateway logged, and returns the
    /// others in their order. A log without a lookup index finds none.
    fn look_up(&self, statements: Vec<Statement>) -> impl Future<Output = Result<Vec<Statement>>> + Send;
}

/// Some submitter. Clones are the same one.
#[derive(Clone)]
pub struct AnySubmitter(Arc<dyn Erased>);

impl AnySubmitter {
    /// Puts a submitter behind one type.
    pub fn new(submitter: impl Submitter) -> Self {
        Self(Arc::new(submitter))
    }
}

impl Submitter for AnySubmitter {
    fn signer(&self) -> impl Future<Output = Result<StreamSigner>> + Send {
        self.0.signer()
    }

    fn submit(&self, statements: Vec<Statement>) -> impl Future<Output = Result<()>> + Send {
        self.0.submit(statements)
    }

    fn flush(&self) -> impl Future<Output = Result<()>> + Send {
        self.0.flush()
    }

    fn pending(&self, digests: Vec<Digest>) -> impl Future<Output = Result<HashSet<Digest>>> + Send {
        self.0.pending(digests)
    }

    fn owner(&self, stream: StreamId) -> impl Future<Output = Result<StreamOwner>> + Send {
        self.0.owner(stream)
    }

    fn look_up(&self, statements: Vec<Statement>) -> impl Future<Output = Result<Vec<Statement>>> + Send {
        self.0.look_up(statements)
    }
}

impl<S: Submitter> Submitter for Arc<S> {
    fn signer(&self) -> impl Future<Output = Result<StreamSigner>> + Send {
        self.as_ref().signer()
    }

    fn submit(&self, statements: Vec<Statement>) -> impl Future<Output = Result<()>> + Send {
        self.as_ref().submit(statements)
    }

    fn flush(&self) -> impl Future<Output = Result<()>> + Send {
        self.as_ref().flush()
    }

    fn pending(&self, digests: Vec<Digest>) -> impl Future<Output = Result<HashSet<Digest>>> + Send {
        self.as_ref().pending(digests)
    }

    fn owner(&self, stream: StreamId) -> impl Future<Output = Result<StreamOwner>> + Send {
        self.as_ref().owner(stream)
    }

    fn look_up(&self, statements: Vec<Statement>) -> impl Future<Output = Result<Vec<Statement>>> + Send {
        self.as_ref().look_up(statements)
    }
}

impl fmt::Debug for AnySubmitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AnySubmitter")
    }
}

type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// The methods of [`Submitter`] with boxed futures.
trait Erased: Send + Sync {
    fn signer(&self) -> Answer<'_, StreamSigner>;
    fn submit(&self, statements: Vec<Statement>) -> Answer<'_, ()>;
    fn flush(&self) -> Answer<'_, ()>;
    fn pending(&self, digests: Vec<Digest>) -> Answer<'_, HashSet<Digest>>;
    fn owner(&self, stream: StreamId) -> Answer<'_, StreamOwner>;
    fn look_up(&self, statements: Vec<Statement>) -> Answer<'_, Vec<Statement>>;
}

impl<S: Submitter> Erased for S {
    fn signer(&self) -> Answer<'_, StreamSigner> {
        Box::pin(Submitter::signer(self))
    }

    fn submit(&self, statements: Vec<Statement>) -> Answer<'_, ()> {
        Box::pin(Submitter::submit(self, statements))
    }

    fn flush(&self) -> Answer<'_, ()> {
        Box::pin(Submitter::flush(self))
    }

    fn pending(&self, digests: Vec<Digest>) -> Answer<'_, HashSet<Digest>> {
        Box::pin(Submitter::pending(self, digests))
    }

    fn owner(&self, stream: StreamId) -> Answer<'_, StreamOwner> {
        Box::pin(Submitter::owner(self, stream))
    }

    fn look_up(&self, statements: Vec<Statement>) -> Answer<'_, Vec<Statement>> {
        Box::pin(Submitter::look_up(self, statements))
    }
}
