//! The `Witness` service: checkpoints in, cosignatures out.

use tonic::{Request, Response, Status};
use vouchlog_api::{AnyWitness, Witness as _};
use vouchlog_merkle::Hash;
use vouchlog_note::{AddCheckpoint, SignSubtree};
use vouchlog_proto::v1;

use super::refused;
use crate::status::status;

/// Hands requests to the witness.
pub(crate) struct Witness {
    pub(crate) witness: AnyWitness,
}

#[tonic::async_trait]
impl v1::witness_server::Witness for Witness {
    async fn add_checkpoint(
        &self,
        request: Request<v1::AddCheckpointRequest>,
    ) -> Result<Response<v1::AddCheckpointResponse>, Status> {
        let request = AddCheckpoint::try_from(request.into_inner()).map_err(refused)?;
        let cosignatures = self.witness.add_checkpoint(request).await.map_err(|error| status(&error))?;
        Ok(Response::new(v1::AddCheckpointResponse { cosignatures }))
    }

    async fn sign_subtree(
        &self,
        request: Request<v1::SignSubtreeRequest>,
    ) -> Result<Response<v1::SignSubtreeResponse>, Status> {
        let request = SignSubtree::try_from(request.into_inner()).map_err(refused)?;
        let cosignatures = self.witness.sign_subtree(request).await.map_err(|error| status(&error))?;
        Ok(Response::new(v1::SignSubtreeResponse { cosignatures }))
    }

    async fn get_latest_checkpoint(
        &self,
        request: Request<v1::GetLatestCheckpointRequest>,
    ) -> Result<Response<v1::GetLatestCheckpointResponse>, Status> {
        let origin = Hash::try_from(request.into_inner()).map_err(refused)?;
        let checkpoint = self.witness.latest_checkpoint(origin).await.map_err(|error| status(&error))?;
        Ok(Response::new(v1::GetLatestCheckpointResponse { checkpoint }))
    }

    async fn retire_log(
        &self,
        request: Request<v1::RetireLogRequest>,
    ) -> Result<Response<v1::RetireLogResponse>, Status> {
        let proof = request.into_inner().proof;
        let cosignatures = self.witness.retire_log(proof).await.map_err(|error| status(&error))?;
        Ok(Response::new(v1::RetireLogResponse { cosignatures }))
    }
}
