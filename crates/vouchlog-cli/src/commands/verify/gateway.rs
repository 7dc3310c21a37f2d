//! Whose statement something is: a gateway's key, pinned or on the word of the log's operator, or an unknown sender in the house stream.

use serde_json::Value;
use vouchlog::VerifyingKey;
use vouchlog::verify::Verified;
use vouchlog_auditor::{CompleteStream, Completeness};
use vouchlog_session::plain;
use vouchlog_statement::{KeyTrust, VerifiedPresentation};
use vouchlog_stream::{Entry, Evidence, StatementKind, StreamId, StreamOpening};

use crate::advice::Advice;
use crate::commands::key_status;
use crate::output;

/// Who wrote the stream of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sender {
    /// The entry belongs to no stream.
    None,
    /// The stream's opening is not shown.
    NotShown(StreamId),
    /// Nobody knows: the log holds the key and signs for callers without one.
    House,
    /// The holder of the key that opened the stream.
    Gateway(Box<VerifyingKey>),
}

impl Sender {
    /// By the entry that opened its stream, which is the entry itself or another that is proven.
    pub(super) fn of(verified: &Verified, opening: Option<&Verified>) -> anyhow::Result<Self> {
        let stream = match &verified.entry {
            Some(Entry::Statement(entry)) => entry.stream,
            Some(Entry::StreamHead { stream, .. } | Entry::StreamClosed { stream, .. }) => *stream,
            Some(Entry::StreamOpened { .. }) => return Self::opened(verified),
            _ => return Ok(Self::None),
        };
        match opening {
            None => Ok(Self::NotShown(stream)),
            Some(opening) if opening.index == stream.index() => Self::opened(opening),
            Some(opening) => Err(Advice::error(
                format!(
                    "--stream-proof is of entry {}, and the statement is in stream {stream}",
                    opening.index
                ),
                "give the proof file of the entry whose index is the stream's number",
            )),
        }
    }

    fn opened(opening: &Verified) -> anyhow::Result<Self> {
        let read = match &opening.entry {
            Some(Entry::StreamOpened { note, .. }) => StreamOpening::open(note, &opening.origin).ok(),
            _ => None,
        };
        let read = read.ok_or_else(|| {
            Advice::error(
                format!("entry {} opens no stream", opening.index),
                "give the proof file of the entry whose index is the stream's number",
            )
        })?;
        let is_house = read.gateway.name().as_str() == format!("{}/house", opening.origin);
        Ok(if is_house { Self::House } else { Self::Gateway(Box::new(read.gateway)) })
    }

    /// Why this is none of the pinned gateways.
    ///
    /// # Errors
    /// If it cannot be told.
    pub(super) fn not_pinned(&self, pinned: &[VerifyingKey]) -> anyhow::Result<Option<String>> {
        if pinned.is_empty() {
            return Ok(None);
        }
        match self {
            Self::None => Err(Advice::error("the entry is no gateway's", "leave out --gateway-vkey")),
            Self::NotShown(stream) => Err(Advice::error(
                format!("the proof file does not show whose stream {stream} is"),
                format!("give the proof file of entry {stream} with --stream-proof"),
            )),
            Self::House => Ok(Some(
                "it is in the house stream of the log: its sender is unknown, and none of the pinned gateways"
                    .to_owned(),
            )),
            Self::Gateway(key) if pinned.contains(key) => Ok(None),
            Self::Gateway(key) => Ok(Some(not_pinned(key, pinned))),
        }
    }

    /// The lines about it, each after a line feed.
    pub(super) fn words(&self, verified: &Verified, pinned: &[VerifyingKey]) -> String {
        let claims = verified.statement().is_some_and(|entry| {
            entry.statement.kind != StatementKind::Opaque || entry.statement.evidence != Evidence::NONE
        });
        match self {
            Self::None => String::new(),
            Self::NotShown(stream) => format!(
                "\n  sender      not shown: stream {stream} may be a gateway's or the house stream of the log, whose senders are unknown; \
                 --stream-proof shows it"
            ),
            Self::House if claims => "\n  sender      stated by an unknown sender in the house stream of the log; not the word of any gateway"
                .to_owned(),
            Self::House => "\n  sender      the house stream of the log: sender unknown".to_owned(),
            Self::Gateway(key) => {
                format!("\n  gateway     {}\n  key         {}", described(key), trust_words(pinned.is_empty()))
            }
        }
    }

    /// The same for programs.
    pub(super) fn fill(&self, json: &mut Value) {
        match self {
            Self::None => {}
            Self::NotShown(_) => json["sender"] = "not-shown".into(),
            Self::House => json["sender"] = "house".into(),
            Self::Gateway(key) => {
                json["sender"] = "gateway".into();
                json["gateway"] = key.to_string().into();
                json["gateway_key_id"] = key.id().to_string().into();
            }
        }
    }
}

/// A key for people: the gateway's name and the key's id. Names of old logs may hold any character.
pub(super) fn described(key: &VerifyingKey) -> String {
    format!("{}, key {}", plain(key.name().as_str()), key.id())
}

fn not_pinned(key: &VerifyingKey, pinned: &[VerifyingKey]) -> String {
    let ids: Vec<String> = pinned.iter().map(|key| key.id().to_string()).collect();
    format!(
        "the gateway's key {} of `{}` is none of the pinned keys ({})",
        key.id(),
        key.name(),
        ids.join(", ")
    )
}

fn trust_words(by_operator: bool) -> &'static str {
    if by_operator {
        "by the word of the log's operator, who enrolled it: pin it with --gateway-vkey"
    } else {
        "pinned by --gateway-vkey"
    }
}

/// A stream of a completeness file that is none of a pinned gateway's.
pub(super) fn unpinned(shown: &Completeness, pinned: &[VerifyingKey]) -> Option<String> {
    if pinned.is_empty() {
        return None;
    }
    let is_pinned = |stream: &&CompleteStream| {
        let handed_over = stream.rotated_from.as_ref().is_some_and(|old| pinned.contains(old));
        !stream.is_house && (pinned.contains(&stream.gateway_vkey) || handed_over)
    };
    let stranger = shown.streams.iter().find(|stream| !is_pinned(stream))?;
    Some(format!("stream {}: {}", stranger.stream, not_pinned(&stranger.gateway_vkey, pinned)))
}

/// What the reader of a completeness file must know about its gateways and witnesses.
pub(super) fn completeness_notes(pinned: &[VerifyingKey], policy: bool) -> Vec<String> {
    let mut lines = vec![format!("  keys        {}", trust_words(pinned.is_empty()))];
    lines.push(
        "  revoked     REVOCATION STATUS NOT INCLUDED: a key may have been revoked since; an audit of the log shows it"
            .to_owned(),
    );
    if !policy {
        lines.push(output::NO_POLICY.to_owned());
    }
    lines
}

/// The lines of a presentation about its gateway's key.
pub(super) fn presented_lines(verified: &VerifiedPresentation) -> [String; 2] {
    let trust = match &verified.trust {
        KeyTrust::Operator => format!(
            "{}, by the entry at index {}",
            trust_words(true).replace(": pin it", "; pin it"),
            verified.enrolled
        ),
        KeyTrust::Pinned => trust_words(false).to_owned(),
        KeyTrust::RotatedFrom(old) => {
            format!(
                "handed over by the pinned key {}: that key signed the rotation at index {}",
                old.id(),
                verified.enrolled
            )
        }
    };
    let status = key_status::words(&verified.status);
    [format!("  key         {}, {trust}", verified.gateway.id()), format!("  revoked     {status}")]
}

#[cfg(test)]
mod tests {
    use vouchlog_merkle::{LeafIndex, TreeSize};
    use vouchlog_note::{KeyName, SignatureType, SigningKey};
    use vouchlog_stream::{Digest, LoggedAt, SequenceNumber, Statement, StatementEntry};

    use super::*;

    fn key(name: &str, seed: u8, signature_type: SignatureType) -> SigningKey {
        SigningKey::generate(KeyName::new(name).unwrap(), signature_type, [seed; 32]).unwrap()
    }

    fn verified(index: u64, entry: Entry) -> Verified {
        Verified {
            origin: vouchlog::Origin::new("log.example.com").unwrap(),
            index: LeafIndex::new(index),
            entry: Some(entry),
            size: TreeSize::new(100),
            witnesses: Vec::new(),
            witnessed: None,
        }
    }

    fn opening(index: u64, gateway: &SigningKey) -> Verified {
        let name = gateway.verifying_key().name().as_str();
        let opening = StreamOpening {
            log: vouchlog::Origin::new("log.example.com").unwrap(),
            gateway: gateway.verifying_key().clone(),
            stream: key(name, 9, SignatureType::CosignatureEd25519).verifying_key().clone(),
            previous: None,
        };
        let note = opening.sign(gateway).unwrap();
        verified(index, Entry::StreamOpened { logged_at: LoggedAt::default(), note })
    }

    fn statement(kind: StatementKind, bits: u32) -> Verified {
        let statement =
            Statement { kind, evidence: Evidence::new(bits).unwrap(), digest: Digest::from_bytes([7; 32]) };
        let entry = StatementEntry {
            logged_at: LoggedAt::default(),
            stream: StreamId::new(5).unwrap(),
            sequence: SequenceNumber::new(0).unwrap(),
            statement,
        };
        verified(7, Entry::Statement(entry))
    }

    #[test]
    fn a_statement_belongs_to_the_gateway_that_opened_its_stream() {
        let (gateway, other) =
            (key("g.example", 1, SignatureType::Ed25519), key("g.example", 2, SignatureType::Ed25519));
        let logged = statement(StatementKind::Interaction, 1);
        let sender = Sender::of(&logged, Some(&opening(5, &gateway))).unwrap();
        let (pin, stranger) = ([gateway.verifying_key().clone()], [other.verifying_key().clone()]);
        assert_eq!(sender.not_pinned(&pin).unwrap(), None);
        assert!(sender.not_pinned(&stranger).unwrap().unwrap().contains("none of the pinned keys"));
        let id = gateway.verifying_key().id().to_string();
        assert!(sender.words(&logged, &[]).contains(&id) && sender.words(&logged, &[]).contains("operator"));
        // The opening of another stream shows nothing of this one.
        assert!(Sender::of(&logged, Some(&opening(6, &gateway))).is_err());
        assert!(Sender::of(&logged, Some(&verified(5, logged.entry.clone().unwrap()))).is_err());
    }

    #[test]
    fn without_the_opening_it_is_nobodys_and_satisfies_no_pin() {
        let logged = statement(StatementKind::Interaction, 1);
        let sender = Sender::of(&logged, None).unwrap();
        let pin = [key("g.example", 1, SignatureType::Ed25519).verifying_key().clone()];
        assert!(sender.not_pinned(&pin).is_err());
        let words = sender.words(&logged, &[]);
        assert!(words.contains("not shown") && !words.contains("claimed by the gateway"), "{words}");
    }

    #[test]
    fn the_house_stream_is_called_that_and_no_gateway() {
        let house = key("log.example.com/house", 3, SignatureType::Ed25519);
        for (kind, bits, expected) in [
            (StatementKind::Opaque, 0, "the house stream of the log: sender unknown"),
            (
                StatementKind::Interaction,
                0,
                "stated by an unknown sender in the house stream of the log; not the word of any gateway",
            ),
            (StatementKind::Opaque, 1, "not the word of any gateway"),
        ] {
            let logged = statement(kind, bits);
            let sender = Sender::of(&logged, Some(&opening(5, &house))).unwrap();
            assert_eq!(sender, Sender::House);
            assert!(sender.words(&logged, &[]).contains(expected));
            // Not even if its key is pinned: the log signs with it for anyone.
            assert!(sender.not_pinned(&[house.verifying_key().clone()]).unwrap().is_some());
        }
    }

    #[test]
    fn what_cannot_be_seen_in_a_name_is_not_printed() {
        let odd = key("g\u{202e}\u{200b}.example", 1, SignatureType::Ed25519);
        let shown = described(odd.verifying_key());
        assert!(!shown.contains(['\u{202e}', '\u{200b}']), "{shown:?}");
    }
}
