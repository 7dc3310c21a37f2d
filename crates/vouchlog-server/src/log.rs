//! What is served: [`ServedLog`], any log there is; and `AnyLog`, one type for all of them.
//!
//! Handlers are not generic: the log is behind one pointer. A call then costs an allocation, next to nothing beside a commit
//! or a read, and the whole server is compiled once, here, rather than in every program that names its log.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use vouchlog_api::{
    Append, Appended, Appender, HouseAppend, HouseAppended, LogReader, Lookup, LookupKey, Opened,
    PrunedNotice, Result, StreamInfo, Watch,
};
use vouchlog_merkle::{LeafIndex, TileId, TreeSize};
use vouchlog_stream::StreamId;

/// Anything that takes statements, serves tiles and finds entries: the engine in this process, or a client of another log.
pub trait ServedLog: Appender + LogReader + Lookup + Watch {}

impl<L: Appender + LogReader + Lookup + Watch> ServedLog for L {}

/// Declares the object-safe twin of the service traits, and hands calls through in both directions.
macro_rules! erased {
    ($($service:ident { $($method:ident($($name:ident: $argument:ty),*) -> $answer:ty;)* })*) => {
        /// The methods of [`ServedLog`] with boxed futures.
        trait Erased: Send + Sync {
            $($(fn $method(&self, $($name: $argument),*) -> BoxFuture<'_, Result<$answer>>;)*)*
        }

        impl<L: ServedLog> Erased for L {
            $($(fn $method(&self, $($name: $argument),*) -> BoxFuture<'_, Result<$answer>> {
                Box::pin($service::$method(self, $($name),*))
            })*)*
        }

        $(impl $service for AnyLog {
            $(fn $method(&self, $($name: $argument),*) -> impl Future<Output = Result<$answer>> + Send {
                self.0.$method($($name),*)
            })*
        })*
    };
}

/// Some log. Clones are the same log.
#[derive(Clone)]
pub(crate) struct AnyLog(Arc<dyn Erased>);

impl AnyLog {
    pub(crate) fn new(log: impl ServedLog) -> Self {
        Self(Arc::new(log))
    }
}

erased! {
    Appender {
        open_stream(note: String) -> Opened;
        append(request: Append) -> Appended;
        append_house(request: HouseAppend) -> HouseAppended;
        enrol(note: String) -> LeafIndex;
        revoke(note: String) -> LeafIndex;
        set_quota(note: String) -> LeafIndex;
        change_key(note: String) -> LeafIndex;
        retire(note: String) -> LeafIndex;
        stream(stream: StreamId) -> StreamInfo;
    }
    LogReader {
        checkpoint() -> String;
        checkpoint_after(size: TreeSize) -> String;
        tile(tile: TileId, width: u16) -> Bytes;
        entry_bundle(bundle: u64, width: u16) -> Bytes;
        pruned() -> Option<PrunedNotice>;
    }
    Lookup {
        find(key: LookupKey) -> LeafIndex;
    }
    Watch {
        checkpoint_other_than(seen: String) -> String;
        sequenced_checkpoint() -> String;
    }
}
