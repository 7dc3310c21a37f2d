//! The openings of streams: by whom, with which key, and after which other stream.

use vouchlog_note::Origin;
use vouchlog_stream::{Previous, StreamId, StreamOpening, stream_origin};

use super::{Rules, Stream};
use crate::evidence::EvidenceSource;
use crate::finding::Suspicions;
use crate::kind::FindingKind;
use crate::place::Place;

impl Rules {
    /// Takes up the entry at `index`, which opens a stream of that name.
    pub(super) fn opened(&mut self, index: u64, note: &str, found: &mut Suspicions) {
        let Some(id) = StreamId::new(index) else { return };
        let mut stream = Stream::new(self.uptime);
        // What was lost before it cannot be of this stream.
        let opening = match StreamOpening::open(note, &self.terms.origin) {
            Ok(opening) => opening,
            Err(error) => {
                let lead = EvidenceSource::entries([index]);
                let cause = found.add(FindingKind::BadOpening, Place::stream(id).at(index), lead, || {
                    format!("the opening is rejected: {error}")
                });
                stream.broken = Some(cause);
                self.streams.insert(id, stream);
                return;
            }
        };
        self.check_gateway(index, id, &opening, &mut stream, found);
        // SPEC: each stream has a fresh key, so that a head names one stream.
        if let Some(other) = self.by_key.get(&opening.stream) {
            let lead = EvidenceSource::entries([other.get(), index]);
            found.add(FindingKind::BadOpening, Place::stream(id).at(index), lead, || {
                format!("its key already opened stream {other}")
            });
        }
        if let Some(previous) = opening.previous {
            self.succeed(index, id, &opening, previous, found);
            stream.previous = Some((previous.stream, previous.size));
        }
        stream.origin = Origin::new(&stream_origin(self.terms.origin.as_str(), id)).ok();
        self.by_key.entry(opening.stream.clone()).or_insert(id);
        stream.gateway = Some(opening.gateway);
        stream.key = Some(opening.stream);
        self.streams.insert(id, stream);
    }

    /// SPEC: a stream is opened by a key that is enrolled and not withdrawn at that point of the log.
    fn check_gateway(
        &self,
        index: u64,
        id: StreamId,
        opening: &StreamOpening,
        stream: &mut Stream,
        found: &mut Suspicions,
    ) {
        let name = opening.gateway.name();
        match (self.gateways.get(&opening.gateway), self.lost) {
            (Some(gateway), _) => {
                stream.withdrawn = gateway.withdrawn;
                let is_valid = stream.check_not_withdrawn(index, id, self.last, "the opening", found);
                // SPEC: a key that was rotated opens no streams; those it has open go on.
                if let (Some(by), true) = (gateway.replaced, is_valid) {
                    let lead = EvidenceSource::entries([by, index]);
                    found.add(FindingKind::RevokedKeyUsed, Place::stream(id).at(index), lead, || {
                        format!(
                            "the opening of stream {id} is signed by a key of {name} that entry {by} replaced"
                        )
                    });
                }
            }
            (None, Some(cause)) => found.follows(cause),
            (None, None) => {
                let lead = EvidenceSource::entries([index]).with_run(0, index);
                found.add(FindingKind::UnknownGateway, Place::stream(id).at(index), lead, || {
                    format!("the key of {name} is not enrolled")
                });
            }
        }
    }

    /// SPEC: a restart names the stream it continues and where that stopped; it is the same gateway's, and has no other
    /// successor.
    fn succeed(
        &mut self,
        index: u64,
        id: StreamId,
        opening: &StreamOpening,
        previous: Previous,
        found: &mut Suspicions,
    ) {
        let name = opening.gateway.name();
        let before = previous.stream;
        let mut bad = |lead: EvidenceSource, words: String| {
            found.add(FindingKind::BadRestart, Place::stream(id).at(index), lead, || words);
        };
        let Some(stream) = self.streams.get_mut(&before) else {
            let is_earlier = Some(before.get()).filter(|before| *before < index);
            match self.lost {
                Some(cause) => found.follows(cause),
                None => bad(
                    EvidenceSource::entries(is_earlier.into_iter().chain([index])),
                    format!("it continues stream {before}, which was never opened"),
                ),
            }
            return;
        };
        let gateway = stream.gateway.as_ref();
        if let Some(other) = gateway.map(vouchlog_note::VerifyingKey::name).filter(|other| *other != name) {
            return bad(
                EvidenceSource::entries([before.get(), index]),
                format!("it continues stream {before}, which belongs to {other}"),
            );
        }
        if let Some(other) = stream.succeeded {
            return bad(
                EvidenceSource::entries([before.get(), other, index]),
                format!("it continues stream {before}, which entry {other} already continues"),
            );
        }
        stream.succeeded = Some(index);
        if previous.size != stream.next {
            stream.note_pruned(before, self.pruned_until);
            if let Some(cause) = stream.broken {
                return found.follows(cause);
            }
            let last = stream.last_statement.unwrap_or(before.get());
            let size = stream.next;
            bad(
                EvidenceSource::entries([before.get(), last, index]).with_run(last, index),
                format!("it continues stream {before} at size {}, which stopped at {size}", previous.size),
            );
        }
    }
}
