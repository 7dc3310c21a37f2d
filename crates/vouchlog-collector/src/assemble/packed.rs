//! Parts as they wait. Of what a trace holds in memory a value costs several times its text: names, nodes of trees, spare room. A part
//! waits for many seconds and is read once, so it waits in one piece of bytes, with what is asked meanwhile beside it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Delivery;
use super::part::Part;
use super::times::Times;
use crate::dialect::Reading;
use crate::intake::{Item, Source};

/// What a part takes in memory beside its bytes, about: itself, its names, its place among the others.
const PART_BYTES: usize = 384;

/// A part that waits for the rest of its trace.
#[derive(Clone, Debug)]
pub(super) struct PackedPart {
    /// The item and its reading.
    bytes: Box<[u8]>,
    source: Option<Arc<Source>>,
    pub(super) lot: Arc<Delivery>,
    pub(super) digest: [u8; 16],
    pub(super) times: Times,
    pub(super) awaited: Awaited,
    pub(super) has_trace: bool,
    /// The provider's id of the answer that it is about.
    pub(super) answer: Option<Box<str>>,
}

/// What has to be there before a part is complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Awaited {
    /// Nothing that it names.
    Nothing,
    /// Its own end.
    End,
    /// The span with this id.
    Span {
        id: Box<str>,
        /// Whether that is known to be another process's.
        is_remote: bool,
    },
}

#[derive(Serialize)]
struct PackedContent<'a>(&'a Item, &'a Reading);

#[derive(Deserialize)]
struct UnpackedContent(Item, Reading);

impl PackedPart {
    /// Packs a part, without what was read of it.
    pub(super) fn new(mut part: Part) -> Self {
        part.forget_what_was_read();
        let bytes = postcard::to_stdvec(&PackedContent(&part.item, &part.reading))
            .expect("it is made of texts and numbers");
        Self {
            bytes: bytes.into_boxed_slice(),
            times: part.times(),
            awaited: awaited(&part),
            has_trace: part.trace().is_some(),
            answer: answer(&part).map(Box::from),
            source: part.source().cloned(),
            lot: part.lot,
            digest: part.digest,
        }
    }

    /// The part as it was.
    pub(super) fn unpack(self) -> Part {
        let UnpackedContent(mut item, reading) =
            postcard::from_bytes(&self.bytes).expect("it was packed in this process");
        match (&mut item, self.source) {
            (Item::Span(span), Some(source)) => span.source = source,
            (Item::Event(event), Some(source)) => event.source = source,
            _ => {}
        }
        Part::new(item, reading, self.lot, self.digest)
    }

    /// Bytes that it takes in memory, about.
    pub(super) fn size(&self) -> usize {
        PART_BYTES + self.bytes.len()
    }

    /// Whether it is a span of which only the begin was sent.
    pub(super) fn is_unfinished(&self) -> bool {
        self.awaited == Awaited::End
    }
}

fn awaited(part: &Part) -> Awaited {
    match &part.item {
        Item::Span(_) if part.is_unfinished() => Awaited::End,
        Item::Span(span) => match &span.parent {
            Some(parent) => Awaited::Span { id: parent.as_str().into(), is_remote: span.has_remote_parent() },
            None => Awaited::Nothing,
        },
        Item::Event(event) => match (&event.trace, &event.span) {
            (Some(_), Some(span)) if !event.is_unsampled() => {
                Awaited::Span { id: span.as_str().into(), is_remote: false }
            }
            _ => Awaited::Nothing,
        },
        Item::Decision(_) => Awaited::Nothing,
    }
}

fn answer(part: &Part) -> Option<&str> {
    match &part.item {
        Item::Decision(decision) => decision.response.as_deref(),
        _ => part.reading.text("correlation.response_id"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect;
    use crate::testsupport::{at, items, testdata};

    #[test]
    fn a_part_comes_back_as_it_was() {
        let lot = Arc::new(Delivery::at(at(0)));
        let folders = std::fs::read_dir(testdata().join("otlp")).unwrap();
        let mut parts = 0;
        for folder in folders {
            for item in items(&folder.unwrap().file_name().into_string().unwrap()) {
                let reading = dialect::read(&item);
                let mut part = Part::new(item, reading, lot.clone(), [7; 16]);
                let packed = PackedPart::new(part.clone());
                part.forget_what_was_read();
                assert_eq!(packed.is_unfinished(), part.is_unfinished());
                assert_eq!((packed.times, packed.has_trace), (part.times(), part.trace().is_some()));
                assert_eq!(packed.unpack(), part);
                parts += 1;
            }
        }
        assert!(parts > 100, "{parts}");
    }
}
