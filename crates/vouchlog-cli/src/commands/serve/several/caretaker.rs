//! What answers at the ports of a log that is not open: every call is to be made again later, as at a standby without a leader.

use bytes::Bytes;
use tokio_util::sync::CancellationToken;
use vouchlog::{
    Append, Appended, Appender, Error, HouseAppend, HouseAppended, LeafIndex, LogReader, Lookup, LookupKey,
    Opened, StreamInfo, TreeSize, Watch,
};
use vouchlog_merkle::TileId;
use vouchlog_server::Server;
use vouchlog_stream::StreamId;

use crate::commands::serve::member::Member;
use crate::commands::serve::settings::{Ports, Settings};

/// A log that is not open. Why is for its operators: `/readyz` has it.
#[derive(Clone, Copy)]
struct ClosedLog;

fn closed<T>() -> Result<T, Error> {
    Err(Error::unavailable("the log is not open: its server is opening it"))
}

/// Answers for a log until `end` is cancelled.
pub(super) fn caretaker(
    settings: &Settings,
    hosts: Vec<String>,
    member: &Member,
    ports: Ports,
    end: CancellationToken,
) {
    let Ports { listener, admin, .. } = ports;
    let health = member.clone();
    let server = Server::new(ClosedLog, settings.config.clone())
        .health(move || health.readiness())
        .registry(member.registry())
        .access(settings.access.access.clone())
        .hosts(hosts)
        .tls(settings.tls.clone())
        .scope(member.span())
        .share_metrics(member.sharing());
    let server = admin.of(server);
    // It goes on until its last request is answered, while the log serves already.
    tokio::spawn(server.run(listener, end.cancelled_owned()));
}

impl Appender for ClosedLog {
    async fn open_stream(&self, _: String) -> Result<Opened, Error> {
        closed()
    }

    async fn append(&self, _: Append) -> Result<Appended, Error> {
        closed()
    }

    async fn append_house(&self, _: HouseAppend) -> Result<HouseAppended, Error> {
        closed()
    }

    async fn enrol(&self, _: String) -> Result<LeafIndex, Error> {
        closed()
    }

    async fn revoke(&self, _: String) -> Result<LeafIndex, Error> {
        closed()
    }

    async fn set_quota(&self, _: String) -> Result<LeafIndex, Error> {
        closed()
    }

    async fn retire(&self, _: String) -> Result<LeafIndex, Error> {
        closed()
    }

    async fn change_key(&self, _: String) -> Result<LeafIndex, Error> {
        closed()
    }

    async fn stream(&self, _: StreamId) -> Result<StreamInfo, Error> {
        closed()
    }
}

impl LogReader for ClosedLog {
    async fn checkpoint(&self) -> Result<String, Error> {
        closed()
    }

    async fn checkpoint_after(&self, _: TreeSize) -> Result<String, Error> {
        closed()
    }

    async fn tile(&self, _: TileId, _: u16) -> Result<Bytes, Error> {
        closed()
    }

    async fn entry_bundle(&self, _: u64, _: u16) -> Result<Bytes, Error> {
        closed()
    }
}

impl Watch for ClosedLog {
    async fn checkpoint_other_than(&self, _: String) -> Result<String, Error> {
        closed()
    }

    async fn sequenced_checkpoint(&self) -> Result<String, Error> {
        closed()
    }
}

impl Lookup for ClosedLog {
    async fn find(&self, _: LookupKey) -> Result<LeafIndex, Error> {
        closed()
    }
}
