//! A witness over gRPC: service `vouchlog.v1.Witness`.

use std::future::Future;
use std::time::Duration;

use tonic::transport::Channel;
use tonic::{Code, Response, Status};
use vouchlog_api::{Error, ErrorKind, Result, Witness};
use vouchlog_merkle::Hash;
use vouchlog_note::{AddCheckpoint, SignSubtree};
use vouchlog_proto::limits::{MAX_WITNESS_REQUEST_BYTES, MAX_WITNESS_RESPONSE_BYTES};
use vouchlog_proto::v1;
use vouchlog_proto::v1::witness_client::WitnessClient;

use super::{WitnessOptions, parse_url};
use crate::connection::{Connection, endpoint};
use crate::limits::MAX_WITNESS_PAUSE;
use crate::status;

/// A witness across the network that speaks gRPC. Clones share one connection, which is made when it is first needed and made
/// again when it was lost.
///
/// The lines it answers are not verified: the caller has the keys.
#[derive(Clone, Debug)]
pub struct GrpcWitness {
    client: WitnessClient<Channel>,
    timeout: Duration,
    address: String,
}

impl GrpcWitness {
    /// The witness at a `grpc://` or `grpcs://` URL of host and port. Nothing is sent yet. Must be called within a tokio
    /// runtime.
    ///
    /// # Errors
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) for a URL or certificate that cannot be used.
    pub fn connect(url: &str, options: &WitnessOptions) -> Result<Self> {
        let parsed = parse_url(url, ["grpc", "grpcs"], &options.security)?;
        if !matches!(parsed.path(), "" | "/") {
            return Err(Error::invalid(format!("`{url}` has a path: services are at the root")));
        }
        let address = url.trim_end_matches('/').to_owned();
        let connection = Connection {
            url: address.replacen("grpc", "http", 1),
            security: options.security.clone(),
            timeout: options.timeout,
        };
        let client = WitnessClient::new(endpoint(&connection)?.connect_lazy())
            .max_encoding_message_size(MAX_WITNESS_REQUEST_BYTES)
            .max_decoding_message_size(MAX_WITNESS_RESPONSE_BYTES);
        Ok(Self { client, timeout: options.timeout, address })
    }

    /// The answer to a call, which may take no longer than any request: a channel's own timeout ends with the headers.
    async fn answer<T>(&self, call: impl Future<Output = Result<Response<T>, Status>>) -> Result<T> {
        match tokio::time::timeout(self.timeout, call).await {
            Ok(Ok(answer)) => Ok(answer.into_inner()),
            Ok(Err(status)) => Err(self.failed(&status)),
            Err(_) => Err(self.error(ErrorKind::Unavailable, "the request timed out")),
        }
    }

    fn failed(&self, status: &Status) -> Error {
        let error = status::error(status);
        let kind = match error.kind {
            // No request is too long, so it is the answer that was.
            _ if status.code() == Code::OutOfRange => ErrorKind::Internal,
            ErrorKind::Overloaded { retry_after } => {
                ErrorKind::Overloaded { retry_after: retry_after.min(MAX_WITNESS_PAUSE) }
            }
            kind => kind,
        };
        self.error(kind, &error.message)
    }

    fn error(&self, kind: ErrorKind, what: &str) -> Error {
        Error::new(kind, format!("the witness at {}: {what}", self.address))
    }
}

impl Witness for GrpcWitness {
    async fn add_checkpoint(&self, request: AddCheckpoint) -> Result<String> {
        let request = v1::AddCheckpointRequest::from(&request);
        Ok(self.answer(self.client.clone().add_checkpoint(request)).await?.cosignatures)
    }

    async fn sign_subtree(&self, request: SignSubtree) -> Result<String> {
        let request = v1::SignSubtreeRequest::from(&request);
        Ok(self.answer(self.client.clone().sign_subtree(request)).await?.cosignatures)
    }

    async fn latest_checkpoint(&self, origin: Hash) -> Result<String> {
        let request = v1::GetLatestCheckpointRequest::from(&origin);
        Ok(self.answer(self.client.clone().get_latest_checkpoint(request)).await?.checkpoint)
    }

    async fn retire_log(&self, proof: String) -> Result<String> {
        let request = v1::RetireLogRequest { proof };
        Ok(self.answer(self.client.clone().retire_log(request)).await?.cosignatures)
    }
}
