//! How whoever keeps records gets their statements into a log, without knowing how the log is reached.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use vouchlog_note::SigningKey;
use vouchlog_stream::{Statement, StreamId};

use crate::Result;

/// A stream, with the key that signs for it.
#[derive(Clone, Debug)]
pub struct StreamSigner {
    /// The stream.
    pub stream: StreamId,
    /// Its own key, not the gateway's.
    pub key: Arc<SigningKey>,
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
}
