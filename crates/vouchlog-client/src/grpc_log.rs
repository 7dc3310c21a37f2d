//! `GrpcLog`: a log across the network, as if it were in this process.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::transport::Channel;
use tonic::{Request, Response, Status, Streaming};
use vouchlog_api::{
    Append, Appended, Appender, Error, HouseAppend, HouseAppended, LogReader, Lookup, LookupKey, Opened,
    Result, StreamInfo, Watch,
};
use vouchlog_merkle::{ConsistencyProof, LeafIndex, TileId, TreeSize, leaf_hash};
use vouchlog_proto::limits::{MAX_REQUEST_BYTES, MAX_RESPONSE_BYTES};
use vouchlog_proto::reason::FORWARDED;
use vouchlog_proto::v1::gateway_client::GatewayClient;
use vouchlog_proto::v1::log_client::LogClient;
use vouchlog_proto::{EntryName, v1};
use vouchlog_stream::{Entry, StreamId};

use crate::connection::{Connection, endpoint};
use crate::limits::ANSWER_MARGIN;
use crate::status;
use crate::tile_reader::TileReader;

/// A log across the network. Clones share one connection, which is made when it is first needed and made again when it was lost.
///
/// Statements, streams, lookups and checkpoints go over gRPC; tiles and entry bundles are read over HTTP from the same port.
/// What it reads is not verified: [`VerifiedLog`](crate::VerifiedLog) and [`Gateway`](crate::Gateway) do that.
#[derive(Clone, Debug)]
pub struct GrpcLog {
    gateway: GatewayClient<Channel>,
    log: LogClient<Channel>,
    tiles: TileReader,
    timeout: Duration,
    /// What goes along with each call.
    metadata: MetadataMap,
}

/// An entry with the proof file the log answered for it; nothing of it is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServedReceipt {
    /// The entry's index.
    pub index: LeafIndex,
    /// The entry.
    pub entry: Bytes,
    /// Text of the proof file (C2SP tlog-proof).
    pub proof_file: String,
}

impl GrpcLog {
    /// Prepares a connection; nothing is sent yet. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`InvalidArgument`](vouchlog_api::ErrorKind::InvalidArgument) for a URL or certificate that cannot be used.
    pub fn connect(connection: &Connection) -> Result<Self> {
        let channel = endpoint(connection)?.connect_lazy();
        let gateway = GatewayClient::new(channel.clone())
            .max_encoding_message_size(MAX_REQUEST_BYTES)
            .max_decoding_message_size(MAX_RESPONSE_BYTES);
        let log = LogClient::new(channel).max_decoding_message_size(MAX_RESPONSE_BYTES);
        let tiles = TileReader::connect(connection)?;
        let timeout = connection.timeout + ANSWER_MARGIN;
        Ok(Self { gateway, log, tiles, timeout, metadata: MetadataMap::new() })
    }

    /// The same connection for RPCs that a node of the log passes on to the one that leads it, with the caller's own bearer token if that
    /// is to go along. Tiles and bundles are read without. A node that does not lead answers [`NotLeader`](vouchlog_api::ErrorKind::NotLeader) and does nothing.
    ///
    /// # Errors
    /// [`InvalidArgument`](vouchlog_api::ErrorKind::InvalidArgument) for a token that no header can carry.
    pub fn forwarding(&self, token: Option<&str>) -> Result<Self> {
        let mut metadata = MetadataMap::new();
        metadata.insert(FORWARDED, MetadataValue::from_static("1"));
        if let Some(token) = token {
            let value = MetadataValue::try_from(format!("Bearer {token}"));
            let mut value = value
                .map_err(|_| Error::invalid("the bearer token has characters that no header can carry"))?;
            value.set_sensitive(true);
            metadata.insert("authorization", value);
        }
        Ok(Self { metadata, ..self.clone() })
    }

    /// A call, with what goes along.
    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        *request.metadata_mut() = self.metadata.clone();
        request
    }

    /// Opens a pipe for appends: many on one call, answered in order.
    pub async fn append_stream(&self, window: usize) -> Result<AppendPipe> {
        let (requests, queue) = mpsc::channel(window);
        let call = self.request(ReceiverStream::new(queue));
        let answers = self.gateway.clone().append_stream(call).await.map_err(failed)?;
        Ok(AppendPipe { requests, answers: answers.into_inner() })
    }

    /// The answer to a call, which must end in time: a channel's own timeout ends with the headers, and a message may drip for ever.
    async fn answer<T>(
        &self,
        call: impl Future<Output = std::result::Result<Response<T>, Status>>,
    ) -> Result<T> {
        match tokio::time::timeout(self.timeout, call).await {
            Ok(answer) => answer.map(Response::into_inner).map_err(failed),
            Err(_) => {
                let seconds = self.timeout.as_secs();
                Err(Error::unavailable(format!("the log did not finish its response within {seconds} s")))
            }
        }
    }

    /// An entry by what is known of it, with its proof file.
    pub async fn receipt(&self, name: EntryName) -> Result<ServedReceipt> {
        let request = v1::GetReceiptRequest { entry: Some(name.into()) };
        let answer = self.answer(self.log.clone().get_receipt(self.request(request))).await?;
        Ok(ServedReceipt {
            index: LeafIndex::new(answer.index),
            entry: answer.entry,
            proof_file: answer.proof_file,
        })
    }

    /// The consistency proof between two sizes.
    pub async fn consistency_proof(&self, old: TreeSize, new: TreeSize) -> Result<ConsistencyProof> {
        let request = v1::GetConsistencyProofRequest { old_size: old.get(), new_size: new.get() };
        let answer = self.answer(self.log.clone().get_consistency_proof(self.request(request))).await?;
        ConsistencyProof::try_from(&answer).map_err(|error| status::malformed(&error))
    }
}

/// Appends on one call. The log answers them in order; its first error ends the call.
#[derive(Debug)]
pub struct AppendPipe {
    requests: mpsc::Sender<v1::AppendRequest>,
    answers: Streaming<v1::AppendResponse>,
}

impl AppendPipe {
    /// Sends a request; waits while as many as the window are on their way.
    ///
    /// # Errors
    /// [`Unavailable`](vouchlog_api::ErrorKind::Unavailable) when the call has ended; [`next`](Self::next) says why.
    pub async fn send(&mut self, request: &Append) -> Result<()> {
        let sent = self.requests.send(request.into()).await;
        sent.map_err(|_| Error::unavailable("the log ended the call"))
    }

    /// The next answer. Cancel safe.
    pub async fn next(&mut self) -> Result<Appended> {
        match self.answers.message().await {
            Ok(Some(answer)) => answer.try_into().map_err(|error| status::malformed(&error)),
            Ok(None) => Err(Error::unavailable("the log ended the call without a response")),
            Err(status) => Err(failed(status)),
        }
    }
}

impl Appender for GrpcLog {
    async fn open_stream(&self, note: String) -> Result<Opened> {
        let request = v1::OpenStreamRequest { note };
        let answer = self.answer(self.gateway.clone().open_stream(self.request(request))).await?;
        answer.try_into().map_err(|error| status::malformed(&error))
    }

    async fn append(&self, request: Append) -> Result<Appended> {
        let request = v1::AppendRequest::from(&request);
        let answer = self.answer(self.gateway.clone().append(self.request(request))).await?;
        answer.try_into().map_err(|error| status::malformed(&error))
    }

    async fn append_house(&self, request: HouseAppend) -> Result<HouseAppended> {
        let request = v1::AppendHouseRequest::from(&request);
        let answer = self.answer(self.gateway.clone().append_house(self.request(request))).await?;
        answer.try_into().map_err(|error| status::malformed(&error))
    }

    async fn enrol(&self, note: String) -> Result<LeafIndex> {
        let answer = self.answer(self.gateway.clone().enrol(self.request(v1::EnrolRequest { note }))).await?;
        Ok(LeafIndex::new(answer.index))
    }

    async fn revoke(&self, note: String) -> Result<LeafIndex> {
        let answer =
            self.answer(self.gateway.clone().revoke(self.request(v1::RevokeRequest { note }))).await?;
        Ok(LeafIndex::new(answer.index))
    }

    async fn set_quota(&self, note: String) -> Result<LeafIndex> {
        let answer =
            self.answer(self.gateway.clone().set_quota(self.request(v1::SetQuotaRequest { note }))).await?;
        Ok(LeafIndex::new(answer.index))
    }

    async fn retire(&self, note: String) -> Result<LeafIndex> {
        let answer =
            self.answer(self.gateway.clone().retire(self.request(v1::RetireRequest { note }))).await?;
        Ok(LeafIndex::new(answer.index))
    }

    async fn change_key(&self, note: String) -> Result<LeafIndex> {
        let answer =
            self.answer(self.gateway.clone().change_key(self.request(v1::ChangeKeyRequest { note }))).await?;
        Ok(LeafIndex::new(answer.index))
    }

    async fn stream(&self, stream: StreamId) -> Result<StreamInfo> {
        let request = v1::GetStreamRequest { stream: stream.get() };
        let answer = self.answer(self.gateway.clone().get_stream(self.request(request))).await?;
        answer.try_into().map_err(|error| status::malformed(&error))
    }
}

impl LogReader for GrpcLog {
    async fn checkpoint(&self) -> Result<String> {
        let answer =
            self.answer(self.log.clone().get_checkpoint(self.request(v1::GetCheckpointRequest {}))).await?;
        Ok(answer.note)
    }

    async fn checkpoint_after(&self, size: TreeSize) -> Result<String> {
        let request = v1::WatchCheckpointsRequest { after_size: size.get() };
        let mut answers =
            self.log.clone().watch_checkpoints(self.request(request)).await.map_err(failed)?.into_inner();
        match answers.message().await.map_err(failed)? {
            Some(checkpoint) => Ok(checkpoint.note),
            None => Err(Error::unavailable("the log ended the watch")),
        }
    }

    async fn tile(&self, tile: TileId, width: u16) -> Result<Bytes> {
        self.tiles.tile(tile, width).await
    }

    async fn entry_bundle(&self, bundle: u64, width: u16) -> Result<Bytes> {
        self.tiles.entry_bundle(bundle, width).await
    }
}

impl Watch for GrpcLog {
    async fn checkpoint_other_than(&self, seen: String) -> Result<String> {
        let request = v1::WatchCheckpointsRequest { after_size: 0 };
        let mut answers =
            self.log.clone().watch_checkpoints(self.request(request)).await.map_err(failed)?.into_inner();
        while let Some(checkpoint) = answers.message().await.map_err(failed)? {
            if checkpoint.note != seen {
                return Ok(checkpoint.note);
            }
        }
        Err(Error::unavailable("the log ended the watch"))
    }

    /// Another log's newest is the one it publishes.
    async fn sequenced_checkpoint(&self) -> Result<String> {
        self.checkpoint().await
    }
}

impl Lookup for GrpcLog {
    async fn find(&self, key: LookupKey) -> Result<LeafIndex> {
        let found = self.receipt(EntryName::Key(key)).await?;
        if fits(&found.entry, key) {
            return Ok(found.index);
        }
        Err(Error::internal("the log returned an entry that was not requested"))
    }
}

/// Whether an entry is what was looked for.
pub(crate) fn fits(entry: &[u8], key: LookupKey) -> bool {
    match (key, Entry::decode(entry)) {
        (LookupKey::LeafHash(hash), _) => leaf_hash(entry) == hash,
        (LookupKey::Digest(digest), Ok(Entry::Statement(entry))) => entry.statement.digest == digest,
        (LookupKey::Sequence(stream, sequence), Ok(Entry::Statement(entry))) => {
            entry.stream == stream && entry.sequence == sequence
        }
        _ => false,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` hands over")]
fn failed(status: Status) -> Error {
    status::error(&status)
}
