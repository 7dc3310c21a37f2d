//! Logs that take nothing: each service whose every method is refused.

use vouchlog::Error;

/// Why a log refuses.
pub(super) trait Refusal {
    fn refusal(&self) -> Error;
}

/// Implements services of a log by refusing every method, for a type that knows why.
macro_rules! refuse {
    ($log:ty: $($service:ident),+) => {
        $($crate::commands::refusing::refuse!(@$service $log);)+
    };
    (@Appender $log:ty) => {
        $crate::commands::refusing::refuse! { @methods vouchlog::Appender, $log {
            open_stream(note: String) -> vouchlog::Opened;
            append(request: vouchlog::Append) -> vouchlog::Appended;
            append_house(request: vouchlog::HouseAppend) -> vouchlog::HouseAppended;
            enrol(note: String) -> vouchlog::LeafIndex;
            revoke(note: String) -> vouchlog::LeafIndex;
            set_quota(note: String) -> vouchlog::LeafIndex;
            change_key(note: String) -> vouchlog::LeafIndex;
            retire(note: String) -> vouchlog::LeafIndex;
            stream(stream: vouchlog_stream::StreamId) -> vouchlog::StreamInfo;
        } }
    };
    (@LogReader $log:ty) => {
        $crate::commands::refusing::refuse! { @methods vouchlog::LogReader, $log {
            checkpoint() -> String;
            checkpoint_after(size: vouchlog::TreeSize) -> String;
            tile(tile: vouchlog_merkle::TileId, width: u16) -> bytes::Bytes;
            entry_bundle(bundle: u64, width: u16) -> bytes::Bytes;
        } }
    };
    (@Lookup $log:ty) => {
        $crate::commands::refusing::refuse! { @methods vouchlog::Lookup, $log {
            find(key: vouchlog::LookupKey) -> vouchlog::LeafIndex;
        } }
    };
    (@Watch $log:ty) => {
        $crate::commands::refusing::refuse! { @methods vouchlog::Watch, $log {
            checkpoint_other_than(seen: String) -> String;
            sequenced_checkpoint() -> String;
        } }
    };
    (@methods $service:path, $log:ty { $($method:ident($($name:ident: $argument:ty),*) -> $answer:ty;)* }) => {
        impl $service for $log {
            $(async fn $method(&self, $($name: $argument),*) -> Result<$answer, vouchlog::Error> {
                $(let _ = $name;)*
                Err($crate::commands::refusing::Refusal::refusal(self))
            })*
        }
    };
}

pub(super) use refuse;
