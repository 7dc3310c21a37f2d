//! R60 to R64, R74, R75, R79: what a reader of the log sees of streams, receipts and witnesses.

use jiff::Timestamp;

use crate::facts::StreamFacts;
use crate::record_set::RecordSet;
use crate::rule::{RULE, Reporter, Rule, whole_seconds};
use crate::terms::{AskedOf, Definition, Severity};

#[rustfmt::skip] // one line each: a table
pub(super) fn table() -> Vec<Rule> {
    use Severity::{Critical, Warn};
    const SET: Rule = Rule { asked_of: AskedOf::Set, serves: &[Definition::Completeness], ..RULE };
    vec![
        Rule { code: "R60", name: "STREAM_GAP", severity: Critical,
            says: "statements of a stream are missing, and no loss is declared for them",
            remedy: "declare what was lost; audit the log, which should have refused the gap",
            set: Some(gap), ..SET },
        Rule { code: "R61", name: "STREAM_FORK", severity: Critical,
            says: "a stream has two statements with one sequence number",
            remedy: "none: revoke the gateway's key and find out who else has it",
            set: Some(fork), ..SET },
        Rule { code: "R62", name: "STREAM_UNCLOSED", severity: Warn,
            says: "a stream was succeeded by another without being closed, and the successor does not state where it stopped",
            remedy: "stop gateways cleanly; keep their state, so that the next stream names the last one and its size",
            set: Some(unclosed), ..SET },
        Rule { code: "R63", name: "HEARTBEAT_MISSED", severity: Critical,
            says: "an open stream was silent for longer than allowed",
            remedy: "find out whether the gateway was down, and what went past it meanwhile",
            set: Some(silent), ..SET },
        Rule { code: "R64", name: "HEARTBEAT_COUNT_MISMATCH", severity: Critical,
            says: "the number of statements that the gateway signed is not the number in the log",
            remedy: "none: audit the log with the signed head as evidence",
            set: Some(miscounted), ..SET },
        Rule { code: "R74", name: "NOT_INTEGRATED", severity: Critical,
            says: "the log issued a receipt for an entry that cannot be proven to be in the log",
            remedy: "none: the receipt is evidence against the log",
            set: Some(not_integrated), ..SET },
        Rule { code: "R75", name: "NO_WITNESS_QUORUM",
            says: "too few witnesses cosigned the checkpoint that covers it",
            remedy: "wait for the witnesses; see which of them do not answer",
            set: Some(no_quorum), ..SET },
        Rule { code: "R79", name: "CANARY_MISSING", severity: Critical,
            says: "an auditor's probe, sent through the normal path, is not in the log",
            remedy: "find out which traffic goes past the gateway, or past its log",
            set: Some(canary), ..SET },
    ]
}

fn at(stream: &StreamFacts) -> [String; 1] {
    [format!("stream {}", stream.stream)]
}

fn gap(set: &RecordSet<'_>, report: &mut Reporter<'_>) {
    for stream in &set.facts.streams {
        // What is there and what is declared lost, as ranges with both ends in them, in order.
        let mut covered: Vec<_> = stream.ranges.iter().chain(&stream.losses).copied().collect();
        covered.sort_unstable();
        let mut next = 0;
        for (first, last) in covered.into_iter().chain(stream.size.map(|size| (size, size))) {
            if first > next {
                report.missing(at(stream), format!("statements {next} to {} are missing", first - 1));
            }
            next = next.max(last.saturating_add(1));
        }
    }
}

fn fork(set: &RecordSet<'_>, report: &mut Reporter<'_>) {
    for stream in &set.facts.streams {
        for place in &stream.forks {
            report.wrong(at(stream), format!("two statements have sequence number {place}"));
        }
    }
}

fn unclosed(set: &RecordSet<'_>, report: &mut Reporter<'_>) {
    for stream in set.facts.streams.iter().filter(|stream| !stream.closed) {
        let Some(successor) = &stream.successor else { continue };
        if successor.names.is_none() || stream.size.is_some() && successor.names != stream.size {
            let message =
                format!("interrupted: {} follows and does not state where it stopped", successor.stream);
            report.missing(at(stream), message);
        }
    }
}

fn silent(set: &RecordSet<'_>, report: &mut Reporter<'_>) {
    for stream in &set.facts.streams {
        let Some(interval) = stream.heartbeat_interval else { continue };
        let most = interval.checked_mul(set.facts.missed_heartbeats()).unwrap_or(interval);
        let mut times: Vec<Timestamp> =
            stream.opened.into_iter().chain(stream.heads.iter().map(|head| head.at)).collect();
        times.sort_unstable();
        if !stream.closed && stream.successor.is_none() {
            match set.facts.now {
                Some(now) => times.push(now),
                None => report.unknown(at(stream), "the stream is open, and the current time was not given"),
            }
        }
        for pair in times.windows(2) {
            let silence = pair[1].duration_since(pair[0]);
            if silence > most {
                let silence = whole_seconds(silence);
                report.missing(at(stream), format!("silent for {silence:#} from {:.0}", pair[0]));
            }
        }
    }
}

fn miscounted(set: &RecordSet<'_>, report: &mut Reporter<'_>) {
    for stream in &set.facts.streams {
        for head in stream.heads.iter().filter(|head| head.signed != head.logged) {
            let message = format!(
                "at {:.0} the gateway signed {} statements, the log has {}",
                head.at, head.signed, head.logged
            );
            report.wrong(at(stream), message);
        }
    }
}

/// Whether what was promised at `since` is overdue; unknown where the time is.
fn overdue(set: &RecordSet<'_>, since: Timestamp) -> Option<bool> {
    set.facts.now.map(|now| now.duration_since(since) > set.facts.max_merge_delay())
}

fn not_integrated(set: &RecordSet<'_>, report: &mut Reporter<'_>) {
    for receipt in set.facts.receipts.iter().filter(|receipt| !receipt.proven) {
        let at = [format!("receipt for {}", receipt.of)];
        match overdue(set, receipt.given_at) {
            Some(true) => report.missing(at, format!("promised at {:.0}, and not proven", receipt.given_at)),
            Some(false) => {}
            None => report.unknown(at, "not proven yet, and the current time was not given"),
        }
    }
}

fn no_quorum(set: &RecordSet<'_>, report: &mut Reporter<'_>) {
    for checkpoint in set.facts.witnesses.iter().filter(|checkpoint| checkpoint.cosigned < checkpoint.needed)
    {
        let message = format!("{} of {} witnesses cosigned", checkpoint.cosigned, checkpoint.needed);
        report.missing([format!("checkpoint {}", checkpoint.size)], message);
    }
}

fn canary(set: &RecordSet<'_>, report: &mut Reporter<'_>) {
    for canary in set.facts.canaries.iter().filter(|canary| !canary.surfaced) {
        let at = [format!("canary {}", canary.name)];
        match overdue(set, canary.sent_at) {
            Some(true) => report.missing(at, format!("sent at {:.0}, and not in the log", canary.sent_at)),
            Some(false) => {}
            None => report.unknown(at, "not in the log, and the current time was not given"),
        }
    }
}
