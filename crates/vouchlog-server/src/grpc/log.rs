//! The `Log` service: checkpoints, entries and proofs.

use futures::stream::BoxStream;
use futures::{StreamExt, stream};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use vouchlog_api::{LogReader, Watch};
use vouchlog_merkle::TreeSize;
use vouchlog_proto::{EntryName, hash_messages, v1};

use super::{refused, stopped};
use crate::log::AnyLog;
use crate::reads;
use crate::status::status;

/// Reads the log.
pub(crate) struct LogService {
    pub(crate) log: AnyLog,
    pub(crate) stopping: CancellationToken,
}

#[tonic::async_trait]
impl v1::log_server::Log for LogService {
    type WatchCheckpointsStream = BoxStream<'static, Result<v1::Checkpoint, Status>>;

    async fn get_checkpoint(
        &self,
        _: Request<v1::GetCheckpointRequest>,
    ) -> Result<Response<v1::Checkpoint>, Status> {
        let note = self.log.checkpoint().await.map_err(|error| status(&error))?;
        Ok(Response::new(v1::Checkpoint { note }))
    }

    async fn watch_checkpoints(
        &self,
        request: Request<v1::WatchCheckpointsRequest>,
    ) -> Result<Response<Self::WatchCheckpointsStream>, Status> {
        let seen = LastSeen::Size(TreeSize::new(request.into_inner().after_size));
        let watch = Some((self.log.clone(), self.stopping.clone(), seen));
        Ok(Response::new(stream::unfold(watch, next_checkpoint).boxed()))
    }

    async fn get_entries(
        &self,
        request: Request<v1::GetEntriesRequest>,
    ) -> Result<Response<v1::GetEntriesResponse>, Status> {
        let v1::GetEntriesRequest { start, end } = request.into_inner();
        let entries = reads::entries(&self.log, start, end).await.map_err(|error| status(&error))?;
        Ok(Response::new(v1::GetEntriesResponse { entries }))
    }

    async fn get_inclusion_proof(
        &self,
        request: Request<v1::GetInclusionProofRequest>,
    ) -> Result<Response<v1::GetInclusionProofResponse>, Status> {
        let v1::GetInclusionProofRequest { entry, size } = request.into_inner();
        let name = EntryName::try_from(entry).map_err(refused)?;
        let included = reads::inclusion(&self.log, name, newest_if_zero(size)).await;
        let included = included.map_err(|error| status(&error))?;
        Ok(Response::new(v1::GetInclusionProofResponse {
            index: included.index.get(),
            size: included.size.get(),
            leaf_hash: included.leaf.as_bytes().to_vec().into(),
            hashes: hash_messages(included.proof.hashes()),
            checkpoint: included.checkpoint,
        }))
    }

    async fn get_consistency_proof(
        &self,
        request: Request<v1::GetConsistencyProofRequest>,
    ) -> Result<Response<v1::GetConsistencyProofResponse>, Status> {
        let v1::GetConsistencyProofRequest { old_size, new_size } = request.into_inner();
        let proof = reads::consistency(&self.log, old_size, newest_if_zero(new_size)).await;
        let (new, proof, checkpoint) = proof.map_err(|error| status(&error))?;
        Ok(Response::new(v1::GetConsistencyProofResponse {
            old_size,
            new_size: new.size.get(),
            hashes: hash_messages(proof.hashes()),
            checkpoint,
        }))
    }

    async fn get_receipt(
        &self,
        request: Request<v1::GetReceiptRequest>,
    ) -> Result<Response<v1::GetReceiptResponse>, Status> {
        let name = EntryName::try_from(request.into_inner().entry).map_err(refused)?;
        let (index, entry, proof_file) =
            reads::receipt(&self.log, name).await.map_err(|error| status(&error))?;
        Ok(Response::new(v1::GetReceiptResponse { index: index.get(), proof_file, entry }))
    }
}

/// In messages a size of 0 means the newest.
fn newest_if_zero(size: u64) -> Option<u64> {
    Some(size).filter(|size| *size != 0)
}

type Watching = (AnyLog, CancellationToken, LastSeen);

/// What a watcher has seen of the log.
enum LastSeen {
    /// It knows a tree of this size.
    Size(TreeSize),
    /// It was sent this checkpoint.
    Checkpoint(String),
}

/// The next checkpoint of a watch, which an error ends.
async fn next_checkpoint(
    watching: Option<Watching>,
) -> Option<(Result<v1::Checkpoint, Status>, Option<Watching>)> {
    let (log, stopping, seen) = watching?;
    let next = async {
        match seen {
            LastSeen::Size(size) => log.checkpoint_after(size).await,
            LastSeen::Checkpoint(note) => log.checkpoint_other_than(note).await,
        }
    };
    let next = match stopping.run_until_cancelled(next).await {
        None => Err(stopped()),
        Some(next) => next.map_err(|error| status(&error)),
    };
    Some(match next {
        Ok(note) => {
            (Ok(v1::Checkpoint { note: note.clone() }), Some((log, stopping, LastSeen::Checkpoint(note))))
        }
        Err(status) => (Err(status), None),
    })
}
