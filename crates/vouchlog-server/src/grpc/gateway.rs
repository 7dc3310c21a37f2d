//! The `Gateway` service: statements in, receipts out.

use futures::StreamExt;
use futures::stream::BoxStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};
use vouchlog_api::{Append, Appender, Error, HouseAppend};
use vouchlog_proto::v1;
use vouchlog_stream::StreamId;

use super::pipeline::{self, CallOwner};
use super::refused;
use crate::admission::QueueRoom;
use crate::log::AnyLog;
use crate::status::status;

/// Hands requests to the log.
pub(crate) struct Gateway {
    pub(crate) log: AnyLog,
    pub(crate) stopping: CancellationToken,
}

#[tonic::async_trait]
impl v1::gateway_server::Gateway for Gateway {
    type AppendStreamStream = BoxStream<'static, Result<v1::AppendResponse, Status>>;

    async fn open_stream(
        &self,
        request: Request<v1::OpenStreamRequest>,
    ) -> Result<Response<v1::OpenStreamResponse>, Status> {
        let opened = self.log.open_stream(request.into_inner().note).await;
        opened.map(|opened| Response::new(opened.into())).map_err(|error| status(&error))
    }

    async fn append(
        &self,
        request: Request<v1::AppendRequest>,
    ) -> Result<Response<v1::AppendResponse>, Status> {
        let append = Append::try_from(request.into_inner()).map_err(refused)?;
        let appended = self.log.append(append).await;
        appended.map(|appended| Response::new(appended.into())).map_err(|error| status(&error))
    }

    async fn append_stream(
        &self,
        request: Request<Streaming<v1::AppendRequest>>,
    ) -> Result<Response<Self::AppendStreamStream>, Status> {
        let room = request.extensions().get::<QueueRoom>().cloned();
        let (log, requests, stopping) = (self.log.clone(), request.into_inner(), self.stopping.clone());
        let answers = pipeline::answers(log, requests, room, CallOwner::current(), stopping);
        Ok(Response::new(answers.boxed()))
    }

    async fn get_stream(
        &self,
        request: Request<v1::GetStreamRequest>,
    ) -> Result<Response<v1::GetStreamResponse>, Status> {
        let name = request.into_inner().stream;
        let no_such = || status(&Error::not_found(format!("the log has no stream {name}")));
        let info = self.log.stream(StreamId::new(name).ok_or_else(no_such)?).await;
        info.map(|info| Response::new(info.into())).map_err(|error| status(&error))
    }

    async fn append_house(
        &self,
        request: Request<v1::AppendHouseRequest>,
    ) -> Result<Response<v1::AppendHouseResponse>, Status> {
        let append = HouseAppend::try_from(request.into_inner()).map_err(refused)?;
        let appended = self.log.append_house(append).await;
        appended.map(|appended| Response::new(appended.into())).map_err(|error| status(&error))
    }

    async fn enrol(&self, request: Request<v1::EnrolRequest>) -> Result<Response<v1::EnrolResponse>, Status> {
        let index = self.log.enrol(request.into_inner().note).await.map_err(|error| status(&error))?;
        Ok(Response::new(v1::EnrolResponse { index: index.get() }))
    }

    async fn revoke(
        &self,
        request: Request<v1::RevokeRequest>,
    ) -> Result<Response<v1::RevokeResponse>, Status> {
        let index = self.log.revoke(request.into_inner().note).await.map_err(|error| status(&error))?;
        Ok(Response::new(v1::RevokeResponse { index: index.get() }))
    }

    async fn set_quota(
        &self,
        request: Request<v1::SetQuotaRequest>,
    ) -> Result<Response<v1::SetQuotaResponse>, Status> {
        let index = self.log.set_quota(request.into_inner().note).await.map_err(|error| status(&error))?;
        Ok(Response::new(v1::SetQuotaResponse { index: index.get() }))
    }

    async fn retire(
        &self,
        request: Request<v1::RetireRequest>,
    ) -> Result<Response<v1::RetireResponse>, Status> {
        let index = self.log.retire(request.into_inner().note).await.map_err(|error| status(&error))?;
        Ok(Response::new(v1::RetireResponse { index: index.get() }))
    }

    async fn change_key(
        &self,
        request: Request<v1::ChangeKeyRequest>,
    ) -> Result<Response<v1::ChangeKeyResponse>, Status> {
        let index = self.log.change_key(request.into_inner().note).await.map_err(|error| status(&error))?;
        Ok(Response::new(v1::ChangeKeyResponse { index: index.get() }))
    }
}
