//! Streams that fell silent: no entry shows it, so it is found at the end.

use vouchlog_stream::StreamId;

use super::{Rules, Stream, Terms};
use crate::evidence::EvidenceSource;
use crate::finding::Suspicions;
use crate::kind::FindingKind;
use crate::place::Place;

impl Rules {
    /// SPEC: an active stream has a head in the log at least every head interval, and an idle one its heartbeats. A stream
    /// without either for several times as long died, or is being kept out.
    ///
    /// Time is the log's own, while it was up: a log that was down for an hour owes its gateways the time to come back. The
    /// log itself holds the key of a house stream, so that has no heartbeat; its statements are covered all the same.
    pub(crate) fn silent_streams(&self, found: &mut Suspicions) {
        let allowance = u64::try_from(self.terms.heartbeat_allowance.as_millis()).unwrap_or(u64::MAX);
        let mut silent: Vec<(StreamId, u64)> = self
            .streams
            .iter()
            .filter_map(|(id, stream)| {
                let since = stream.owes_a_head_since(&self.terms)?;
                let silence = self.uptime - since;
                (silence > allowance).then_some((*id, silence))
            })
            .collect();
        silent.sort_unstable();
        for (id, silence) in silent {
            let seconds = silence / 1000;
            let head = self.streams.get(&id).and_then(|stream| stream.head.as_ref());
            let lead = EvidenceSource::entries([id.get()].into_iter().chain(head.map(|head| head.index)));
            found.add(FindingKind::SilentStream, Place::stream(id), lead, || {
                format!("the log grew for {seconds} seconds without a head of the stream")
            });
        }
    }
}

impl Stream {
    /// From when on a head of it is due, by the log's uptime. None of a stream that is over, or of which nothing can be said.
    fn owes_a_head_since(&self, terms: &Terms) -> Option<u64> {
        let is_over = self.closed.is_some() || self.succeeded.is_some() || self.withdrawn.is_some();
        if is_over || self.broken.is_some() {
            return None;
        }
        let name = self.gateway.as_ref()?.name().as_str();
        if terms.house_gateways.iter().any(|house| house == name) {
            return self.uncovered_since;
        }
        Some(self.alive_at)
    }
}
