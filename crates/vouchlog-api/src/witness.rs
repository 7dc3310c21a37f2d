//! Witnesses: independent parties that cosign a log's tree heads (tlog-witness).

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use vouchlog_merkle::Hash;
use vouchlog_note::{AddCheckpoint, SignSubtree};

use crate::Result;

/// Cosigns a log's tree heads. Every method answers only when what it answers is durable.
///
/// The kinds of errors are those of tlog-witness: [`NotFound`](crate::ErrorKind::NotFound), the log is not one the witness
/// knows; [`PermissionDenied`](crate::ErrorKind::PermissionDenied), a signature is missing or false;
/// [`InvalidArgument`](crate::ErrorKind::InvalidArgument), the request is malformed;
/// [`Conflict`](crate::ErrorKind::Conflict), the witness last cosigned another size, which the error names;
/// [`Inconsistent`](crate::ErrorKind::Inconsistent), the checkpoint contradicts the one it last cosigned;
/// [`Overloaded`](crate::ErrorKind::Overloaded), the log asks too often. Beyond them, [`Retired`](crate::ErrorKind::Retired): the log
/// has ended, and the checkpoint is beyond its end.
pub trait Witness: Clone + Send + Sync + 'static {
    /// Cosigns a checkpoint that extends the last one it cosigned for the same log, or is the same. Answers signature lines,
    /// each ending in LF, all of this witness.
    fn add_checkpoint(&self, request: AddCheckpoint) -> impl Future<Output = Result<String>> + Send;

    /// Signs a subtree of a checkpoint it cosigned before. Answers signature lines, each ending in LF.
    fn sign_subtree(&self, request: SignSubtree) -> impl Future<Output = Result<String>> + Send;

    /// The last checkpoint it cosigned for the log whose origin has this SHA-256, with the log's signatures and its own.
    fn latest_checkpoint(&self, origin: Hash) -> impl Future<Output = Result<String>> + Send;

    /// Takes note that a log has ended, from the text of a [`RetirementProof`](vouchlog_stream::RetirementProof): it cosigns nothing
    /// beyond that end any more. Answers its signature lines for the final checkpoint, which has to be the last one it cosigned.
    fn retire_log(&self, proof: String) -> impl Future<Output = Result<String>> + Send;
}

/// Some witness, in this process or across the network. Clones are the same witness.
#[derive(Clone)]
pub struct AnyWitness(Arc<dyn Erased>);

impl AnyWitness {
    /// Puts a witness behind one type.
    pub fn new(witness: impl Witness) -> Self {
        Self(Arc::new(witness))
    }
}

impl Witness for AnyWitness {
    fn add_checkpoint(&self, request: AddCheckpoint) -> impl Future<Output = Result<String>> + Send {
        self.0.add_checkpoint(request)
    }

    fn sign_subtree(&self, request: SignSubtree) -> impl Future<Output = Result<String>> + Send {
        self.0.sign_subtree(request)
    }

    fn latest_checkpoint(&self, origin: Hash) -> impl Future<Output = Result<String>> + Send {
        self.0.latest_checkpoint(origin)
    }

    fn retire_log(&self, proof: String) -> impl Future<Output = Result<String>> + Send {
        self.0.retire_log(proof)
    }
}

impl fmt::Debug for AnyWitness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AnyWitness")
    }
}

type Answer<'a> = Pin<Box<dyn Future<Output = Result<String>> + Send + 'a>>;

/// The methods of [`Witness`] with boxed futures.
trait Erased: Send + Sync {
    fn add_checkpoint(&self, request: AddCheckpoint) -> Answer<'_>;
    fn sign_subtree(&self, request: SignSubtree) -> Answer<'_>;
    fn latest_checkpoint(&self, origin: Hash) -> Answer<'_>;
    fn retire_log(&self, proof: String) -> Answer<'_>;
}

impl<W: Witness> Erased for W {
    fn add_checkpoint(&self, request: AddCheckpoint) -> Answer<'_> {
        Box::pin(Witness::add_checkpoint(self, request))
    }

    fn sign_subtree(&self, request: SignSubtree) -> Answer<'_> {
        Box::pin(Witness::sign_subtree(self, request))
    }

    fn latest_checkpoint(&self, origin: Hash) -> Answer<'_> {
        Box::pin(Witness::latest_checkpoint(self, origin))
    }

    fn retire_log(&self, proof: String) -> Answer<'_> {
        Box::pin(Witness::retire_log(self, proof))
    }
}
