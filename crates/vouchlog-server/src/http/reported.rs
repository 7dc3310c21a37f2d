//! What a log's server reports to readers without JavaScript: its own word, as HTML that pages with JavaScript hide.

use vouchlog_api::{Error, LogReader, LookupKey};
use vouchlog_merkle::LeafIndex;
use vouchlog_note::{Checkpoint, UnverifiedNote};
use vouchlog_proto::EntryName;
use vouchlog_stream::{Evidence, SequenceNumber, StreamId};

use super::entries::EntryJson;
use super::facts::{escaped, panel, refusal, time};
use crate::log::AnyLog;
use crate::reads::{self, Included};

/// Longest text that is taken for the name of an entry.
const MAX_NAME_BYTES: usize = 64;

/// For the front page: the newest checkpoint, and the way to the entries.
pub(super) async fn front(log: &AnyLog) -> String {
    match log.checkpoint().await {
        Ok(note) => checkpoint_in(&note).unwrap_or_default() + &finder("explorer/entry.html", ""),
        Err(error) => refusal("The server has no checkpoint to show", &error),
    }
}

/// For the page of entries: the entry of this name.
pub(super) async fn entry(log: &AnyLog, name: Option<&str>) -> String {
    let Some(name) = name else { return finder("entry.html", "") };
    let shown = match named(name) {
        Ok(entry) => reads::inclusion(log, entry, None).await.map(|included| entry_in(&included)),
        Err(error) => Err(error),
    };
    finder("entry.html", name)
        + &shown.unwrap_or_else(|error| refusal("The server has no entry to show", &error))
}

/// For the page that compares: the newest checkpoint as text, and the commands that compare it from outside.
pub(super) async fn newest(log: &AnyLog) -> String {
    match log.checkpoint().await {
        Ok(note) => panel(&[
            ("Newest checkpoint", format!("<pre class=\"raw\" tabindex=\"0\">{}</pre>", escaped(&note))),
            (
                "Verified",
                "No. Whether the log signed this, whether its witnesses did, and whether other readers are shown the same tree is checked from outside.".to_owned(),
            ),
            (
                "Compare with what you saw before, and with the witnesses",
                "<code>vouchlog audit --log URL --log-vkey VKEY --policy FILE --state DIR</code>".to_owned(),
            ),
            (
                "Compare with another address of the log",
                "The same command and the same <code>--state</code>, with that address for <code>--log</code>.".to_owned(),
            ),
            ("As a file", "<a href=\"../checkpoint\">checkpoint</a>".to_owned()),
        ]),
        Err(error) => refusal("The server has no checkpoint to show", &error),
    }
}

/// For the page that audits: what an audit would read, and the command.
pub(super) async fn head(log: &AnyLog) -> String {
    let note = match log.checkpoint().await {
        Ok(note) => note,
        Err(error) => return refusal("The server has no checkpoint to show", &error),
    };
    let Some((_, checkpoint)) = parsed(&note) else { return String::new() };
    let head = checkpoint.head();
    panel(&[
        ("Log", escaped(&checkpoint.origin().to_string())),
        ("Entries to read", head.size.to_string()),
        ("Root", format!("<code>{}</code>", escaped(&head.root.to_string()))),
        (
            "Verified",
            "Nothing. Without JavaScript, this page checks no hash, no signature and no rule.".to_owned(),
        ),
        ("Audit it with", "<code>vouchlog audit --log URL --log-vkey VKEY --state DIR</code>".to_owned()),
    ])
}

/// A note and the checkpoint in it. None for what is none.
fn parsed(note: &str) -> Option<(UnverifiedNote, Checkpoint)> {
    let note = UnverifiedNote::parse(note.as_bytes()).ok()?;
    let checkpoint = Checkpoint::parse(note.unverified_text()).ok()?;
    Some((note, checkpoint))
}

/// What a reader calls an entry: an index, a digest, or a stream and a sequence number.
fn named(text: &str) -> Result<EntryName, Error> {
    let text = text.trim();
    let unknown = || {
        Error::invalid(
            "an entry is named by its index, its digest of 64 hexadecimal digits, or its stream/sequence",
        )
    };
    if text.len() > MAX_NAME_BYTES {
        return Err(unknown());
    }
    if let Some((stream, sequence)) = text.split_once('/') {
        let stream = stream.parse().ok().and_then(StreamId::new);
        let place = stream.zip(sequence.parse().ok().and_then(SequenceNumber::new));
        let (stream, sequence) = place.ok_or_else(unknown)?;
        return Ok(EntryName::Key(LookupKey::Sequence(stream, sequence)));
    }
    if text.len() == MAX_NAME_BYTES {
        return Ok(EntryName::Key(LookupKey::Digest(
            text.to_ascii_lowercase().parse().map_err(|_| unknown())?,
        )));
    }
    Ok(EntryName::Index(LeafIndex::new(text.parse().map_err(|_| unknown())?)))
}

/// The newest checkpoint in words. None for what is no checkpoint.
fn checkpoint_in(note: &str) -> Option<String> {
    let (note, checkpoint) = parsed(note)?;
    let head = checkpoint.head();
    let lines: String =
        note.lines().iter().map(|line| format!("<li>{}</li>", escaped(&line.name().to_string()))).collect();
    Some(panel(&[
        ("Log", escaped(&checkpoint.origin().to_string())),
        ("Entries at the newest checkpoint", head.size.to_string()),
        ("Root", format!("<code>{}</code>", escaped(&head.root.to_string()))),
        ("Signature lines", format!("<ul class=\"plain\">{lines}</ul>")),
        (
            "Verified",
            "No. Whether the log signed this, whether its witnesses did, and whether the log still contains what it showed before, takes \
             JavaScript or the program <code>vouchlog</code>."
                .to_owned(),
        ),
        ("As files", "<a href=\"checkpoint\">checkpoint</a>".to_owned()),
    ]))
}

/// An entry in words.
fn entry_in(included: &Included) -> String {
    let index = included.index.get();
    let entry = EntryJson::new(index, &included.entry);
    let link = |to: u64, words: &str| format!("<a href=\"entry.html?q={to}\">{words}</a>");
    let mut facts = vec![
        ("Index", format!("{index} of a tree of {} entries", included.size)),
        ("Kind", entry.kind.to_owned()),
    ];
    if let Some(at) = entry.logged_at.and_then(time) {
        facts.push(("Logged, by the log's clock", at));
    }
    if let Some(stream) = entry.stream {
        facts.push(("Stream", link(stream, &stream.to_string())));
    }
    if let Some(sequence) = entry.sequence {
        facts.push(("Sequence number", sequence.to_string()));
    }
    if let Some(digest) = entry.digest {
        facts.push(("Digest", format!("<code>{digest}</code>")));
    }
    if let Some(evidence) = entry.evidence.and_then(Evidence::new) {
        facts.push(("Evidence that the gateway claims", evidence.names().join(", ")));
    }
    if let Some(note) = entry.note {
        facts.push(("Signed note", format!("<pre>{}</pre>", escaped(&note))));
    }
    facts.push(("Leaf hash", format!("<code>{}</code>", included.leaf)));
    facts.push((
        "Verified",
        format!(
            "No. To check that this entry is in a tree that the log signed and its witnesses cosigned takes JavaScript, or <code>vouchlog \
             verify</code> and the entry's <a href=\"../v1/receipts/{index}\">proof file</a>."
        ),
    ));
    let before = index.checked_sub(1).map(|before| link(before, "The entry before"));
    let after = (index + 1 < included.size.get()).then(|| link(index + 1, "The entry after"));
    facts.push(("Beside it", before.into_iter().chain(after).collect::<Vec<_>>().join(" \u{b7} ")));
    panel(&facts)
}

/// What is found without JavaScript, too.
fn finder(page: &str, name: &str) -> String {
    format!(
        "<form class=\"nojs near find big\" action=\"{page}\" method=\"get\" role=\"search\"><div class=\"in\"><svg class=\"ic\" \
         viewBox=\"0 0 16 16\" aria-hidden=\"true\"><use href=\"#i-search\"/></svg><label class=\"vh\" for=\"read\">Index, digest, or \
         stream/sequence</label><input id=\"read\" name=\"q\" type=\"search\" placeholder=\"Index, digest, or stream/sequence\" \
         value=\"{}\"></div><button class=\"btn main-act\">Read an entry</button></form>",
        escaped(name)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_reported_is_escaped_and_nothing_for_what_is_no_checkpoint() {
        let root = "A".repeat(43);
        let note = format!("log.example/<b>\n7\n{root}=\n\n\u{2014} log.example/<b> AAAAAAAA\n");
        let shown = checkpoint_in(&note).unwrap();
        assert!(
            shown.contains("log.example/&lt;b&gt;") && shown.contains("<dd>7</dd>") && !shown.contains("<b>"),
            "{shown}"
        );
        assert_eq!(checkpoint_in("nothing"), None);
        assert!(finder("entry.html", "\"><script>").contains("value=\"&quot;&gt;&lt;script&gt;\""));
    }

    #[test]
    fn an_entry_is_named_as_on_the_pages() {
        let digest = "0a".repeat(32);
        assert!(matches!(named(" 17 "), Ok(EntryName::Index(index)) if index.get() == 17));
        assert!(
            matches!(named("3/5"), Ok(EntryName::Key(LookupKey::Sequence(stream, _))) if stream.get() == 3)
        );
        assert!(
            matches!(named(&digest.to_uppercase()), Ok(EntryName::Key(LookupKey::Digest(found))) if found.to_string() == digest)
        );
        for nothing in [
            "",
            "x",
            "-1",
            "1/",
            "/1",
            "1/2/3",
            "18446744073709551616",
            "1099511627776/0",
            &"g".repeat(64),
            &"1".repeat(65),
        ] {
            assert!(named(nothing).is_err(), "{nothing}");
        }
    }
}
