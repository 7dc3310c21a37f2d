//! Finding out, for keepers of records, whose a stream is, and whether the log has a statement that no spool holds any more.

use std::collections::HashMap;

use futures::{StreamExt, TryStreamExt, stream};
use vouchlog_api::{Appender, Error, ErrorKind, LookupKey, Result, StreamActivity, StreamInfo, StreamOwner};
use vouchlog_note::{KeyName, Origin, VerifyingKey};
use vouchlog_proto::EntryName;
use vouchlog_stream::{Entry, Statement, StreamId};

use super::recover::single;
use crate::receipts::LoggedStatements;
use crate::{GrpcLog, ServedReceipt};

/// Statements that are looked up at a time.
const AT_ONCE: usize = 16;
/// Streams of one chain that are asked about: each costs a call, and a gateway that is closed every day has one a day.
const MAX_CHAIN: usize = 1_000;

/// Asks the log.
#[derive(Clone, Debug)]
pub(super) struct Finder {
    pub(super) log: GrpcLog,
    pub(super) origin: Origin,
    pub(super) log_key: VerifyingKey,
    /// Name of the gateway's key.
    pub(super) name: KeyName,
}

impl Finder {
    /// Whose a stream is, for a gateway that writes to `present`.
    pub(super) async fn owner(&self, present: StreamId, stream: StreamId) -> Result<StreamOwner> {
        if stream == present {
            return Ok(StreamOwner::Own);
        }
        let Some(info) = self.info(stream).await? else { return Ok(StreamOwner::Foreign) };
        if info.gateway != self.name.as_str() {
            return Ok(StreamOwner::Foreign);
        }
        // A stream is opened after the one it continues, so its number is larger.
        let mut later = present;
        for _ in 0..MAX_CHAIN {
            let Some(previous) = self.info(later).await?.and_then(|info| info.previous) else { break };
            if previous.stream == stream {
                return Ok(StreamOwner::Own);
            }
            if previous.stream < stream || previous.stream >= later {
                break;
            }
            later = previous.stream;
        }
        Ok(StreamOwner::Namesake(StreamActivity { size: info.size, head: info.head }))
    }

    /// Looks statements up: verified receipts of those that are in the log, in a stream of a gateway of this name, and the others.
    pub(super) async fn look_up(
        &self,
        statements: Vec<Statement>,
    ) -> Result<(Vec<LoggedStatements>, Vec<Statement>)> {
        let served: Vec<(Statement, Option<ServedReceipt>)> = stream::iter(statements)
            .map(|statement| async move {
                let served = self.log.receipt(EntryName::Key(LookupKey::Digest(statement.digest))).await;
                match served {
                    Ok(served) => Ok((statement, Some(served))),
                    // Not there, or the log has no lookup index.
                    Err(error)
                        if matches!(error.kind, ErrorKind::NotFound | ErrorKind::FailedPrecondition) =>
                    {
                        Ok((statement, None))
                    }
                    Err(error) => Err(error),
                }
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let (mut found, mut missing, mut names) = (Vec::new(), Vec::new(), HashMap::new());
        for (statement, served) in served {
            let Some(served) = served else {
                missing.push(statement);
                continue;
            };
            match self.found(statement, &served, &mut names).await? {
                Some(taken) => found.push(taken),
                None => missing.push(statement),
            }
        }
        Ok((found, missing))
    }

    /// The receipt of a statement; `None` when the entry that was found is not ours.
    async fn found(
        &self,
        statement: Statement,
        served: &ServedReceipt,
        names: &mut HashMap<StreamId, bool>,
    ) -> Result<Option<LoggedStatements>> {
        let Ok(Entry::Statement(entry)) = Entry::decode(&served.entry) else { return Ok(None) };
        if entry.statement != statement {
            return Ok(None);
        }
        let is_ours = match names.get(&entry.stream) {
            Some(is_ours) => *is_ours,
            None => self.info(entry.stream).await?.is_some_and(|info| info.gateway == self.name.as_str()),
        };
        names.insert(entry.stream, is_ours);
        if !is_ours {
            return Ok(None);
        }
        let unproven = |why: String| Error::internal(format!("the log's response does not verify: {why}"));
        let receipt = single(entry.stream, entry.sequence, served).map_err(unproven)?;
        let taken = LoggedStatements::verify(vec![statement], receipt, &self.origin, &self.log_key);
        taken.map(Some).map_err(|error| unproven(error.to_string()))
    }

    /// What the log knows of a stream; `None` when it has no such stream.
    async fn info(&self, id: StreamId) -> Result<Option<StreamInfo>> {
        match self.log.stream(id).await {
            Ok(info) => Ok(Some(info)),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}
