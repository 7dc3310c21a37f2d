//! What to do about a log that does not open.

use vouchlog::{EngineError, GuardError, OpenError, StoreError};

use crate::advice::Advice;

/// What to do about a log that does not open.
pub(in crate::commands) fn advise(error: &OpenError) -> anyhow::Error {
    let hint = match error {
        OpenError::Store(StoreError::InUse) => {
            "stop the other process, or give this log another --data directory"
        }
        OpenError::Store(StoreError::ForeignObjects(_)) => {
            "check --objects, and --data or --store: `vouchlog store check --objects URL` shows which log the object store holds"
        }
        OpenError::Store(StoreError::Foreign(_)) => {
            "give another --data directory, or omit --origin to serve the existing log; with --store, see `vouchlog store check`, and --create for a new log"
        }
        OpenError::Store(StoreError::Moved(_)) => {
            "serve it there. This store must not sign again: gateways and witnesses would see two histories"
        }
        OpenError::Store(StoreError::Arriving(_)) => {
            "run `vouchlog store copy` again with the same arguments: it goes on where it stopped"
        }
        OpenError::Store(StoreError::Leased(_))
        | OpenError::Engine(EngineError::Store(StoreError::Leased(_))) => {
            "start this node again: it waits as a standby"
        }
        OpenError::Store(StoreError::ObjectStore(_))
        | OpenError::Engine(EngineError::Store(StoreError::ObjectStore(_))) => {
            "`vouchlog store check --objects URL` shows what the object store refuses; credentials are taken from the environment"
        }
        OpenError::Store(_) | OpenError::Engine(EngineError::Store(_)) => {
            "check the disk, then the store with `vouchlog fsck`"
        }
        OpenError::NoLogKey(_) => "restore log.key from its backup, or give its path with --key",
        OpenError::LogKey { .. } | OpenError::Engine(EngineError::LogKey(_) | EngineError::Key(_)) => {
            "--key (or log.key) must be the key the log was created with, named like its origin"
        }
        OpenError::Engine(EngineError::Guard(GuardError::Claimed { .. })) => {
            "serve the newest data directory. If this is the newest and the witnesses are wrong, name one with --disregard-witness"
        }
        OpenError::Engine(EngineError::Guard(_)) => {
            "serve the newest data directory. If it is lost, this log's key must not sign again: start a log with another origin"
        }
        OpenError::Engine(EngineError::Predecessor(_)) => {
            "give --continues the proof of the end of the log that names this log's key as its successor; a log that began without a predecessor cannot get one later"
        }
        OpenError::Engine(EngineError::OperatorKey { .. }) | OpenError::NoOperatorKey => {
            "give the operator's key with --operator-key, or enrol with `vouchlog enrol`"
        }
        OpenError::NoOrigin(_) => {
            "give the log's name with --origin; its key, of `vouchlog keygen --kind log`, has the same name"
        }
        OpenError::Origin { .. } | OpenError::KeyName { .. } => {
            "an origin is a URL without its scheme, such as log.example.com/ai"
        }
        OpenError::KeyFile(_) => "check the key file and its permissions; a lost key cannot be recreated",
        _ => "run again with --trace debug for details",
    };
    let problem = error.to_string();
    Advice::error(problem, hint)
}
