//! Getting a stream. Each step is durable before the next, so a crash between any two repeats one of them: the key is on disk
//! before the note that names it is, and the note is on disk before it is sent.
//!
//! ```text
//! none, or over ──► opening (key and note on disk) ──► open (the log's entry verified)
//! ```

use vouchlog_api::{Appender, Error, ErrorKind, LogReader as _, Opened};
use vouchlog_merkle::leaf_hash;
use vouchlog_note::{ProofFile, SignatureType, SignedCheckpoint, SigningKey, VerifyingKey};
use vouchlog_proto::EntryName;
use vouchlog_stream::{Entry, Previous, StreamId, StreamOpening, StreamStatus};

use super::GatewayError;
use super::error::Trouble;
use super::session::{Session, Stream};
use crate::spool::{State, StreamRecord};

impl Session {
    /// The stream to write to; opens one if there is none.
    pub(super) async fn stream(&mut self) -> Result<Stream, Trouble> {
        loop {
            match self.state.stream.clone() {
                None => {
                    let previous = self.configured_predecessor().await?;
                    self.prepare(previous).await?;
                }
                Some(StreamRecord::Over(previous)) => {
                    let previous = self.predecessor(previous).await?;
                    self.prepare(previous).await?;
                }
                Some(StreamRecord::Opening { note, key, previous }) => {
                    self.open_stream(note, key, previous).await?;
                }
                Some(StreamRecord::Open { id, key }) => match self.disk.keys.load(&key)? {
                    Some(secret) => return Stream::new(&self.me.origin, id, secret),
                    None => self.give_up(id).await?,
                },
            }
        }
    }

    /// Makes a fresh key and the note that asks to open a stream with it.
    async fn prepare(&mut self, previous: Option<Previous>) -> Result<(), Trouble> {
        let gateway = self.me.gateway_key.verifying_key().clone();
        let (name, seed) = (gateway.name().clone(), (self.me.randomness)());
        let secret = SigningKey::generate(name, SignatureType::CosignatureEd25519, seed)
            .map_err(|error| GatewayError::Config(error.to_string()))?;
        let key = secret.verifying_key().clone();
        let opening = StreamOpening { log: self.me.origin.clone(), gateway, stream: key.clone(), previous };
        let gateway_key = self.me.gateway_key.clone();
        // A key that is kept elsewhere may take seconds, and may fail: no file of the new key is left behind then.
        let signed = tokio::task::spawn_blocking(move || opening.sign(&gateway_key)).await;
        let note = signed
            .map_err(|_| Error::unavailable("the opening was not signed: this process is ending"))??;
        self.disk.keys.save(&secret)?;
        let opening = StreamRecord::Opening { note, key, previous };
        self.remember(self.state.begin(Some(opening)), Vec::new()).await
    }

    async fn open_stream(
        &mut self,
        note: String,
        key: VerifyingKey,
        previous: Option<Previous>,
    ) -> Result<(), Trouble> {
        self.check_log().await?;
        let opened = match self.log.open_stream(note.clone()).await {
            Ok(opened) => opened,
            Err(error) => return self.opening_refused(error, &note, previous).await,
        };
        self.check_opening(&opened, &note).await?;
        let open = StreamRecord::Open { id: opened.stream, key: key.clone() };
        self.remember(State { stream: Some(open), ..self.state.clone() }, Vec::new()).await?;
        if let Err(error) = self.disk.keys.keep_only(&key) {
            tracing::warn!(%error, "keys of earlier streams could not be deleted");
        }
        if let Err(error) = self.disk.spool.note_stream(opened.stream) {
            tracing::warn!(%error, "the stream was not noted: if the spool is lost, the next stream will not be linked to it");
        }
        Ok(())
    }

    /// A log that another key signs must not get a stream, which it would keep for good. A log whose witnesses have not cosigned
    /// anything yet shows no checkpoint: then the answer to the opening is the first thing to verify.
    async fn check_log(&mut self) -> Result<(), Trouble> {
        let note = match self.log.checkpoint().await {
            // If the log cannot be reached, opening the stream fails for the same reason.
            Err(error) if matches!(error.kind, ErrorKind::NotFound | ErrorKind::Unavailable) => return Ok(()),
            note => note?,
        };
        let published = SignedCheckpoint::open(note.as_bytes(), &self.me.origin, &self.me.log_key)?;
        self.see(&published)
    }

    /// What the note says of its predecessor may have become untrue since it was written; then another note is needed.
    async fn opening_refused(
        &mut self,
        error: Error,
        note: &str,
        previous: Option<Previous>,
    ) -> Result<(), Trouble> {
        // The gateway's key was rotated after it signed the note.
        let opening = StreamOpening::open(note, &self.me.origin);
        let is_rotated = opening.is_ok_and(|opening| opening.gateway != *self.me.gateway_key.verifying_key());
        let stale = is_rotated && error.kind == ErrorKind::PermissionDenied
            || matches!(
                error.kind,
                ErrorKind::Conflict { .. } | ErrorKind::FailedPrecondition | ErrorKind::NotFound
            );
        if !stale {
            return Err(error.into());
        }
        let now = match previous {
            None => None,
            Some(previous) => self.predecessor(previous).await?,
        };
        if now == previous && !is_rotated {
            return Err(GatewayError::Refused(error).into());
        }
        self.prepare(now).await
    }

    /// The log's entry at the stream's index is our note, and the log signed that. Everything the stream will sign names
    /// that index.
    async fn check_opening(&mut self, opened: &Opened, note: &str) -> Result<(), Trouble> {
        let (origin, log_key) = (self.me.origin.clone(), self.me.log_key.clone());
        let checkpoint = SignedCheckpoint::open(opened.checkpoint.as_bytes(), &origin, &log_key)?;
        self.see(&checkpoint)?;
        let index = opened.stream.index();
        let served = self.log.receipt(EntryName::Index(index)).await?;
        let unproven = |what: String| Trouble::Stop(GatewayError::Unverified(what));
        match Entry::decode(&served.entry) {
            Ok(Entry::StreamOpened { note: logged, .. }) if logged == note => {}
            _ => return Err(unproven(format!("entry {index} does not open the stream"))),
        }
        let proof =
            ProofFile::parse(served.proof_file.as_bytes()).map_err(|error| unproven(error.to_string()))?;
        let checkpoint = SignedCheckpoint::open(proof.note().as_str().as_bytes(), &origin, &log_key)?;
        self.see(&checkpoint)?;
        if proof.index() != index {
            return Err(unproven(format!("the proof for entry {index} is for another entry")));
        }
        let proven = proof.verify_inclusion(&leaf_hash(&served.entry), &checkpoint.head());
        proven.map_err(|error| unproven(error.to_string()))
    }

    /// A stream whose key is gone is over; what is spooled goes with the next one.
    async fn give_up(&mut self, id: StreamId) -> Result<(), Trouble> {
        tracing::warn!(stream = %id, "the stream's key is missing: a new stream continues it");
        let info = self.stream_info(id).await?;
        if info.size < self.state.size() {
            return Err(self.lost(format!("stream {id} has {} statements", info.size)));
        }
        let over = StreamRecord::Over(Previous { stream: id, size: info.size });
        self.remember(self.state.begin(Some(over)), Vec::new()).await
    }

    /// A predecessor as the log has it now; none if another stream continued it already.
    async fn predecessor(&self, known: Previous) -> Result<Option<Previous>, Trouble> {
        let info = self.stream_info(known.stream).await?;
        if info.size < known.size {
            let said = format!("stream {} has {} statements, not {}", known.stream, info.size, known.size);
            return Err(self.lost(said));
        }
        if let StreamStatus::Superseded(by) = info.status {
            tracing::warn!(stream = %known.stream, %by, "another stream continued this gateway's stream");
            return Ok(None);
        }
        Ok(Some(Previous { stream: known.stream, size: info.size }))
    }

    /// The predecessor a caller knows of whose state directory was lost; else the one its directory names, if only the spool was.
    async fn configured_predecessor(&self) -> Result<Option<Previous>, Trouble> {
        let named = self.me.options.previous;
        let Some(stream) = named.or(self.disk.spool.last_stream()) else { return Ok(None) };
        let info = match self.log.stream(stream).await {
            Ok(info) => info,
            Err(error) if error.kind == ErrorKind::NotFound && named.is_some() => {
                return Err(Trouble::Stop(GatewayError::Refused(error)));
            }
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if named.is_none() {
            tracing::warn!(%stream, "the spool is new: the earlier stream is continued");
        }
        Ok((!matches!(info.status, StreamStatus::Superseded(_)))
            .then_some(Previous { stream, size: info.size }))
    }
}
