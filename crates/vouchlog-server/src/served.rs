//! What is served: [`Log`], any log there is, or any [`Witness`]; and `AnyLog` and `AnyWitness`, one type for all of each.
//!
//! Handlers are not generic: what they serve is behind one pointer. A call then costs an allocation, next to nothing beside a
//! commit or a read, and the whole server is compiled once, here, rather than in every program that names its log.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use vouchlog_api::{
    Append, Appended, Appender, HouseAppend, HouseAppended, LogReader, Lookup, LookupKey, Opened, Result,
    StreamInfo, Witness,
};
use vouchlog_merkle::{Hash, LeafIndex, TileId, TreeSize};
use vouchlog_note::{AddCheckpoint, SignSubtree};
use vouchlog_stream::StreamId;

/// Anything that takes statements, serves tiles and finds entries: the engine in this process, or a client of another log.
pub trait Log: Appender + LogReader + Lookup {}

impl<L: Appender + LogReader + Lookup> Log for L {}

/// Declares the object-safe twin of service traits, and hands calls through in both directions.
macro_rules! erased {
    (
        $(#[$doc:meta])* $any:ident is any $served:ident by way of $erased:ident;
        $($service:ident { $($method:ident($($name:ident: $argument:ty),*) -> $answer:ty;)* })*
    ) => {
        /// The methods with boxed futures.
        trait $erased: Send + Sync {
            $($(fn $method(&self, $($name: $argument),*) -> BoxFuture<'_, Result<$answer>>;)*)*
        }

        impl<T: $served> $erased for T {
            $($(fn $method(&self, $($name: $argument),*) -> BoxFuture<'_, Result<$answer>> {
                Box::pin($service::$method(self, $($name),*))
            })*)*
        }

        $(#[$doc])*
        #[derive(Clone)]
        pub(crate) struct $any(Arc<dyn $erased>);

        impl $any {
            pub(crate) fn new(served: impl $served) -> Self {
                Self(Arc::new(served))
            }
        }

        $(impl $service for $any {
            $(fn $method(&self, $($name: $argument),*) -> impl Future<Output = Result<$answer>> + Send {
                self.0.$method($($name),*)
            })*
        })*
    };
}

erased! {
    /// Some log. Clones are the same log.
    AnyLog is any Log by way of ErasedLog;

    Appender {
        open_stream(note: String) -> Opened;
        append(request: Append) -> Appended;
        append_house(request: HouseAppend) -> HouseAppended;
        enrol(note: String) -> LeafIndex;
        revoke(note: String) -> LeafIndex;
        stream(stream: StreamId) -> StreamInfo;
    }
    LogReader {
        checkpoint() -> String;
        checkpoint_after(size: TreeSize) -> String;
        tile(tile: TileId, width: u16) -> Bytes;
        entry_bundle(bundle: u64, width: u16) -> Bytes;
    }
    Lookup {
        find(key: LookupKey) -> LeafIndex;
    }
}

erased! {
    /// Some witness. Clones are the same witness.
    AnyWitness is any Witness by way of ErasedWitness;

    Witness {
        add_checkpoint(request: AddCheckpoint) -> String;
        sign_subtree(request: SignSubtree) -> String;
        latest_checkpoint(origin: Hash) -> String;
    }
}
