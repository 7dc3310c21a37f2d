//! What comes in, by which door, from whom, and how it stands in the journal.

use bytes::Bytes;
use jiff::Timestamp;

use crate::intake::Encoding;
use crate::sender::Sender;

/// By which door a body came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// OTLP spans.
    Traces(Encoding),
    /// OTLP log records.
    Logs(Encoding),
    /// Records as a gateway makes them itself.
    Records,
    /// LiteLLM's generic callback.
    LiteLlm,
    /// OPA's decision log.
    Opa,
    /// A record of what is about to happen.
    Intents,
    /// The end of a session: `{"session": "…", "reason": "done"}`.
    Seal,
}

impl Door {
    /// Its name in heartbeats.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Traces(_) => "traces",
            Self::Logs(_) => "logs",
            Self::Records => "records",
            Self::LiteLlm => "litellm",
            Self::Opa => "opa",
            Self::Intents => "intents",
            Self::Seal => "seal",
        }
    }
}

/// A body, unzipped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// By which door.
    pub door: Door,
    /// From whom, with what that caller may send.
    pub sender: Sender,
    /// The body.
    pub body: Bytes,
}

/// What changes a collector. Nothing else does, the time included: so the same entries give the same records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// Somebody sent a body.
    Arrived(Door),
    /// Time went by.
    Tick,
    /// A process started; the body has its settings.
    Started,
    /// Interactions were rejected for lack of space; the body has their number.
    Lost,
    /// Nothing more comes for now: all is to be completed.
    Flush,
    /// Time went by, and a heartbeat is due.
    Heartbeat,
}

/// An entry of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JournalEntry {
    /// When it came in by the wall clock, to the millisecond: for records.
    pub(crate) at: Timestamp,
    /// When it came in by the journal's clock, which never goes back and does not jump while a process runs: for everything that
    /// waits. The journal sets it.
    pub(crate) steady: Timestamp,
    pub(crate) what: What,
    /// Who sent the body; none where the collector itself made the entry, and where an earlier version did not write it down.
    pub(crate) sender: Option<Sender>,
    pub(crate) body: Bytes,
}

/// Bytes at the beginning of an entry:
///
/// ```text
/// 1  what, by its place in `What::ALL`; with bit 7 set, the sender follows the head
/// 8  milliseconds since 1970 by the wall clock
/// 8  the same by the journal's clock
/// 4  length of the sender, if there is one; then the sender in postcard
/// .. body
/// ```
const HEAD: usize = 17;

/// Bit of the first byte: a sender follows.
const HAS_SENDER: u8 = 0x80;

impl JournalEntry {
    pub(crate) fn new(at: Timestamp, what: What, body: Bytes) -> Self {
        let at = to_the_millisecond(at);
        Self { at, steady: at, what, sender: None, body }
    }

    /// A body that somebody sent.
    pub(crate) fn arrived(at: Timestamp, Arrival { door, sender, body }: Arrival) -> Self {
        Self { sender: Some(sender), ..Self::new(at, What::Arrived(door), body) }
    }

    /// What is read back must be what was put in.
    pub(crate) fn set_steady(&mut self, steady: Timestamp) {
        self.steady = to_the_millisecond(steady);
    }

    /// Its length in bytes.
    pub(crate) fn len(&self) -> usize {
        HEAD + self.sender_bytes().map_or(0, |sender| 4 + sender.len()) + self.body.len()
    }

    fn sender_bytes(&self) -> Option<Vec<u8>> {
        self.sender.as_ref().map(|sender| postcard::to_stdvec(sender).expect("it is made of texts and words"))
    }

    pub(crate) fn write_to(&self, bytes: &mut Vec<u8>) {
        let sender = self.sender_bytes();
        bytes.push(self.what.byte() | if sender.is_some() { HAS_SENDER } else { 0 });
        bytes.extend(self.at.as_millisecond().to_be_bytes());
        bytes.extend(self.steady.as_millisecond().to_be_bytes());
        if let Some(sender) = sender {
            bytes.extend(u32::try_from(sender.len()).expect("grants are bounded").to_be_bytes());
            bytes.extend(sender);
        }
        bytes.extend(&self.body);
    }

    /// The journal's time of an entry that is only looked at, in milliseconds since 1970.
    pub(crate) fn steady_of(bytes: &[u8]) -> Option<i64> {
        bytes.get(9..HEAD)?.first_chunk().map(|steady| i64::from_be_bytes(*steady))
    }

    pub(crate) fn from_bytes(bytes: &Bytes) -> Option<Self> {
        let (what, rest) = bytes.split_first()?;
        let (at, rest) = rest.split_first_chunk()?;
        let (steady, _) = rest.split_first_chunk()?;
        let time = |bytes: &[u8; 8]| Timestamp::from_millisecond(i64::from_be_bytes(*bytes)).ok();
        let (at, steady) = (time(at)?, time(steady)?);
        let (mut sender, mut body) = (None, bytes.slice(HEAD..));
        if what & HAS_SENDER != 0 {
            let length = u32::from_be_bytes(*body.first_chunk()?) as usize;
            let end = length.checked_add(4).filter(|end| *end <= body.len())?;
            sender = Some(postcard::from_bytes(&body[4..end]).ok()?);
            body = body.slice(end..);
        }
        Some(Self { at, steady, what: What::from_byte(what & !HAS_SENDER)?, sender, body })
    }
}

fn to_the_millisecond(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}

impl What {
    const ALL: [What; 14] = [
        What::Tick,
        What::Started,
        What::Lost,
        What::Flush,
        What::Arrived(Door::Traces(Encoding::Protobuf)),
        What::Arrived(Door::Traces(Encoding::Json)),
        What::Arrived(Door::Logs(Encoding::Protobuf)),
        What::Arrived(Door::Logs(Encoding::Json)),
        What::Arrived(Door::Records),
        What::Arrived(Door::LiteLlm),
        What::Arrived(Door::Opa),
        What::Arrived(Door::Intents),
        What::Arrived(Door::Seal),
        What::Heartbeat,
    ];

    fn byte(self) -> u8 {
        let place = Self::ALL.iter().position(|what| *what == self).expect("every one is in the list");
        u8::try_from(place).expect("the list is short")
    }

    fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.get(usize::from(byte)).copied()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use vouchlog_access::EmitGrants;

    use super::*;

    #[test]
    fn an_entry_is_read_back_as_it_was() {
        for (place, what) in What::ALL.into_iter().enumerate() {
            let at = Timestamp::from_millisecond(1_795_300_000_123).unwrap();
            let mut entry = JournalEntry::new(at, what, Bytes::from(vec![7; place]));
            entry.set_steady(Timestamp::from_microsecond(-1_500).unwrap());
            let mut bytes = Vec::new();
            entry.write_to(&mut bytes);
            assert_eq!(bytes.len(), entry.len());
            let bytes = Bytes::from(bytes);
            assert_eq!(usize::from(bytes[0]), place, "the journals of earlier versions must stay readable");
            assert_eq!(JournalEntry::from_bytes(&bytes), Some(entry.clone()));
            entry.sender = Some(Sender::new(Some("support-app"), Arc::new(EmitGrants::default())));
            let mut bytes = Vec::new();
            entry.write_to(&mut bytes);
            assert_eq!(bytes.len(), entry.len());
            assert_eq!(JournalEntry::steady_of(&bytes), Some(entry.steady.as_millisecond()));
            for end in 0..bytes.len() - place {
                assert_eq!(JournalEntry::from_bytes(&Bytes::copy_from_slice(&bytes[..end])), None, "{end}");
            }
            assert_eq!(JournalEntry::from_bytes(&bytes.into()), Some(entry));
        }
        assert_eq!(JournalEntry::from_bytes(&Bytes::from_static(&[0; HEAD - 1])), None);
        assert_eq!(JournalEntry::from_bytes(&Bytes::from_static(&[99; HEAD])), None);
    }
}
