//! Duties to keep records, by instrument: what figures of a deployment speak to each, and what they do not show.
//!
//! This is an engineer's reading in our own words, not legal advice. A report never states that a duty is met: it states what the log
//! shows and what it cannot show. Each entry states the source of its wording.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

/// Figures of a deployment, for a period. What is not known is `None`, and is reported as not shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Figures {
    /// Records in the log.
    pub records: Option<u64>,
    /// Interactions among them.
    pub interactions: Option<u64>,
    /// Interactions that claim to be attributable.
    pub attributable: Option<u64>,
    /// Interactions that claim to be complete.
    pub complete: Option<u64>,
    /// Streams.
    pub streams: Option<u64>,
    /// Heads and heartbeats of streams.
    pub heartbeats: Option<u64>,
    /// Times an open stream was silent for too long.
    pub silences: Option<u64>,
    /// Losses that gateways declared.
    pub declared_losses: Option<u64>,
    /// Interactions whose clock's source and error are recorded.
    pub clocked: Option<u64>,
    /// Interactions with an approval or an override.
    pub approvals: Option<u64>,
    /// When the oldest record was logged.
    pub oldest_record: Option<Timestamp>,
    /// Witnesses that cosign, in the policy.
    pub witnesses: Option<u64>,
    /// Records of kind `configuration`.
    pub configurations: Option<u64>,
    /// Records of kind `credential-event`.
    pub credential_events: Option<u64>,
    /// Records of kind `disclosure`.
    pub disclosures: Option<u64>,
    /// Erasures by which something was erased.
    pub erasures: Option<u64>,
    /// Legal holds in force.
    pub holds: Option<u64>,
    /// Records of kind `finding`.
    pub findings: Option<u64>,
}

/// A figure, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Figure {
    /// [`Figures::records`]
    Records,
    /// [`Figures::attributable`] of [`Figures::interactions`]
    AttributableShare,
    /// [`Figures::complete`] of [`Figures::interactions`]
    CompleteShare,
    /// [`Figures::streams`]
    Streams,
    /// [`Figures::heartbeats`] and [`Figures::silences`]
    Heartbeats,
    /// [`Figures::declared_losses`]
    DeclaredLosses,
    /// [`Figures::clocked`] of [`Figures::interactions`]
    ClockedShare,
    /// [`Figures::approvals`]
    Approvals,
    /// [`Figures::oldest_record`]
    OldestRecord,
    /// [`Figures::witnesses`]
    Witnesses,
    /// [`Figures::configurations`]
    Configurations,
    /// [`Figures::credential_events`]
    CredentialEvents,
    /// [`Figures::disclosures`]
    Disclosures,
    /// [`Figures::erasures`]
    Erasures,
    /// [`Figures::holds`]
    Holds,
    /// [`Figures::findings`]
    Findings,
}

impl Figure {
    /// What the figure is of.
    const fn about(self) -> &'static str {
        match self {
            Self::Records => "records in the log",
            Self::AttributableShare => "interactions that claim to be attributable",
            Self::CompleteShare => "interactions that claim to be complete",
            Self::Streams => "gateway streams without a gap in their numbering",
            Self::Heartbeats => "signed heads and heartbeats of streams",
            Self::DeclaredLosses => "losses declared by gateways",
            Self::ClockedShare => "interactions that record their clock and its error",
            Self::Approvals => "interactions with an approval or an override",
            Self::OldestRecord => "oldest record, logged at",
            Self::Witnesses => "witnesses that cosign the log",
            Self::Configurations => "entries on policies, tools and models in force",
            Self::CredentialEvents => "entries on credentials issued, rotated and revoked",
            Self::Disclosures => "entries on who read evidence",
            Self::Erasures => "entries on lawful erasures",
            Self::Holds => "legal holds in force",
            Self::Findings => "findings entered by auditors",
        }
    }

    /// The figure in words, if it is known.
    fn shown(self, figures: &Figures) -> Option<String> {
        let value = match self {
            Self::Records => count(figures.records),
            Self::AttributableShare => figures.share(figures.attributable),
            Self::CompleteShare => figures.share(figures.complete),
            Self::Streams => count(figures.streams),
            Self::Heartbeats => figures.heartbeats.zip(figures.silences).map(|(heartbeats, silences)| {
                format!("{heartbeats}; silences longer than allowed: {silences}")
            }),
            Self::DeclaredLosses => count(figures.declared_losses),
            Self::ClockedShare => figures.share(figures.clocked),
            Self::Approvals => count(figures.approvals),
            Self::OldestRecord => figures.oldest_record.map(|at| format!("{at:.0}")),
            Self::Witnesses => count(figures.witnesses),
            Self::Configurations => count(figures.configurations),
            Self::CredentialEvents => count(figures.credential_events),
            Self::Disclosures => count(figures.disclosures),
            Self::Erasures => count(figures.erasures),
            Self::Holds => count(figures.holds),
            Self::Findings => count(figures.findings),
        };
        value.map(|value| format!("{}: {value}", self.about()))
    }
}

/// A number in words, if it is known.
fn count(number: Option<u64>) -> Option<String> {
    number.map(|number| number.to_string())
}

impl Figures {
    /// A part of the interactions in words, if both numbers are known.
    fn share(&self, part: Option<u64>) -> Option<String> {
        let (part, whole) = (part?, self.interactions?);
        // In tenths of a per cent, rounded down: a share of 100.0 is all of them.
        let tenths = u128::from(part) * 1000 / u128::from(whole).max(1);
        Some(format!("{part} of {whole} ({}.{} %)", tenths / 10, tenths % 10))
    }
}

/// How sure the wording of an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Certainty {
    /// Seen in an excerpt or a report on it.
    Excerpt,
    /// From general knowledge.
    Memory,
}

impl fmt::Display for Certainty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Excerpt => "after an excerpt: check the official text",
            Self::Memory => "from general knowledge: check the official text",
        })
    }
}

/// A duty, and what speaks to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Duty {
    /// The law or standard.
    pub instrument: &'static str,
    /// Where in it.
    pub article: &'static str,
    /// What it asks for, in own words.
    pub duty: &'static str,
    /// Figures that speak to it.
    pub shown_by: &'static [Figure],
    /// What no figure here shows.
    pub not_shown: &'static [&'static str],
    /// How sure the wording is.
    pub certainty: Certainty,
}

/// A duty with the figures of a deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DutyReport {
    /// The law or standard.
    pub instrument: &'static str,
    /// Where in it.
    pub article: &'static str,
    /// What it asks for, in own words.
    pub duty: &'static str,
    /// What the log shows, with figures.
    pub shown: Vec<String>,
    /// What it does not show: by its nature, or because a figure is not known.
    pub not_shown: Vec<String>,
    /// Where the wording is from, and how sure it is.
    pub source: String,
}

/// Every duty of the table with these figures.
pub fn duties(figures: &Figures) -> Vec<DutyReport> {
    DUTIES.iter().map(|duty| report(duty, figures)).collect()
}

fn report(duty: &Duty, figures: &Figures) -> DutyReport {
    let mut shown = Vec::new();
    let mut not_shown: Vec<_> = duty.not_shown.iter().map(|&text| text.to_owned()).collect();
    for figure in duty.shown_by {
        match figure.shown(figures) {
            Some(text) => shown.push(text),
            None => not_shown.push(format!("{}: no figure", figure.about())),
        }
    }
    let source = format!("{} {}, {}", duty.instrument, duty.article, duty.certainty);
    DutyReport {
        instrument: duty.instrument,
        article: duty.article,
        duty: duty.duty,
        shown,
        not_shown,
        source,
    }
}

const BYPASS: &str =
    "whether traffic bypassed the gateways: close other routes, and compare with the providers' usage";
const TRUTH: &str = "whether what a gateway recorded is true";

use Certainty::{Excerpt, Memory};
use Figure::{
    Approvals, AttributableShare, ClockedShare, CompleteShare, Configurations, CredentialEvents,
    DeclaredLosses, Disclosures, Erasures, Findings, Heartbeats, Holds, OldestRecord, Records, Streams,
    Witnesses,
};

#[rustfmt::skip] // a table
const DUTIES: &[Duty] = &[
    Duty { instrument: "Regulation (EU) 2024/1689 (AI Act)", article: "Art. 12(1)-(2)", certainty: Excerpt,
        duty: "A high-risk system records events automatically over its lifetime, so that risks, substantial modifications and its operation can be traced.",
        shown_by: &[Records, Streams, CompleteShare, Configurations, DeclaredLosses],
        not_shown: &["whether the system is high-risk", "whether every model and gateway in use has a stream", BYPASS, TRUTH] },
    Duty { instrument: "Regulation (EU) 2024/1689 (AI Act)", article: "Art. 12(3)", certainty: Excerpt,
        duty: "Remote biometric identification records the period of each use, the reference database, the input that matched, and who verified the result.",
        shown_by: &[],
        not_shown: &["the four items it requires: no profile here makes them mandatory"] },
    Duty { instrument: "Regulation (EU) 2024/1689 (AI Act)", article: "Art. 14, 26(2)", certainty: Memory,
        duty: "People oversee a high-risk system and can intervene.",
        shown_by: &[Approvals],
        not_shown: &["whether those people were able and free to decide", "whether an approval was more than a click"] },
    Duty { instrument: "Regulation (EU) 2024/1689 (AI Act)", article: "Art. 19(1), 26(6)", certainty: Excerpt,
        duty: "Provider and deployer keep the logs that a high-risk system generates, as far as they control them, for at least six months.",
        shown_by: &[OldestRecord, Erasures, Holds],
        not_shown: &["whether content kept beside the log can still be read: check the vault", "whether another law requires a longer period"] },
    Duty { instrument: "Regulation (EU) 2024/1689 (AI Act)", article: "Art. 21, 73", certainty: Memory,
        duty: "Authorities get access to the logs on request, and serious incidents are reported to them.",
        shown_by: &[Records, Disclosures],
        not_shown: &["whether an incident was recognised and reported in time"] },
    Duty { instrument: "ISO/IEC 42001", article: "A.6.2.6, A.6.2.8", certainty: Memory,
        duty: "The organisation decides in which life-cycle phases an AI system records event logs, records them, and monitors its operation.",
        shown_by: &[Records, CompleteShare, Findings],
        not_shown: &["the decision itself: a document of the organisation"] },
    Duty { instrument: "prEN 18229-1, ISO/IEC DIS 24970", article: "(drafts)", certainty: Excerpt,
        duty: "Logging of AI systems: what triggers a record, what it holds, and how it can be traced.",
        shown_by: &[Records, CompleteShare],
        not_shown: &["anything by clause: the texts are drafts and may change"] },
    Duty { instrument: "NIST AI RMF 1.0", article: "GOVERN 1.1, 3.2; MAP 2.3; MEASURE 2.4, 2.8; MANAGE 4.1", certainty: Excerpt,
        duty: "Requirements are known, roles are assigned, systems are monitored in operation, accountability is documented, incidents are followed up.",
        shown_by: &[AttributableShare, Approvals, Findings],
        not_shown: &["the processes themselves"] },
    Duty { instrument: "NIST SP 800-53 Rev. 5", article: "AU-3, AU-8, AU-9(3), AU-10, AU-11, AU-12", certainty: Memory,
        duty: "Audit records state what, when, where, who and with which outcome, have reliable time stamps, are protected by cryptography, cannot be repudiated, and are retained.",
        shown_by: &[AttributableShare, ClockedShare, Witnesses, OldestRecord],
        not_shown: &["whether the clocks were actually synchronised", TRUTH] },
    Duty { instrument: "Regulation (EU) 2022/2554 (DORA)", article: "Art. 9, 10, 17", certainty: Excerpt,
        duty: "A financial entity protects its systems, detects anomalies, and records and follows up incidents.",
        shown_by: &[Records, Witnesses, Findings],
        not_shown: &["detection and handling themselves", BYPASS] },
    Duty { instrument: "Delegated Regulation (EU) 2024/1774 (RTS under DORA)", article: "Art. 12", certainty: Excerpt,
        duty: "Logging procedures define which events are logged and for how long, protect logs at rest, in transit and in use, detect logging failures, and synchronise clocks with a documented source.",
        shown_by: &[Heartbeats, Streams, DeclaredLosses, Witnesses, ClockedShare],
        not_shown: &["which events the entity decided to log", "whether anyone acted on a silence", "whether the clocks were actually synchronised"] },
    Duty { instrument: "45 CFR 164 (HIPAA)", article: "164.312(b)-(c), 164.316(b)(2)", certainty: Memory,
        duty: "Activity in systems with health information is recorded and examined, integrity is protected, documentation is kept for six years.",
        shown_by: &[Records, Disclosures, Witnesses, OldestRecord],
        not_shown: &["whether anyone examined the records", "which records hold health information, unless their data class states it"] },
    Duty { instrument: "17 CFR 240.17a-4(f) (SEC)", article: "audit-trail alternative", certainty: Excerpt,
        duty: "A complete, time-stamped trail of every change and deletion, by whom, from which originals can be reconstructed.",
        shown_by: &[Records, Erasures, Disclosures, OldestRecord],
        not_shown: &["whether originals can be reconstructed: content must not be erased before its retention period is over"] },
    Duty { instrument: "Regulation (EU) 910/2014 as amended (eIDAS)", article: "Art. 45k-45l", certainty: Excerpt,
        duty: "A qualified electronic ledger shows the origin and the unique order of its entries, and reveals any later change immediately.",
        shown_by: &[Records, Witnesses],
        not_shown: &["qualification: only a qualified trust service provider can give it, and this log is not qualified"] },
    Duty { instrument: "Regulation (EU) 2016/679 (GDPR)", article: "Art. 5(1)(e), 17", certainty: Memory,
        duty: "Personal data is kept no longer than necessary, and is erased on request where no ground to keep it remains.",
        shown_by: &[Erasures, Holds],
        not_shown: &["copies outside the vault: backups, and disclosures already made", "whether a refusal was justified"] },
    Duty { instrument: "Regulation (EU) 2016/679 (GDPR)", article: "Art. 25, 30, 32", certainty: Memory,
        duty: "Data protection is built in, processing is listed, and access is secured.",
        shown_by: &[Disclosures, Witnesses],
        not_shown: &["the list of processing: a document of the organisation", "access that bypassed the vault"] },
    Duty { instrument: "PCI DSS 4", article: "Req. 10", certainty: Memory,
        duty: "Access to systems and cardholder data is logged, logs are protected and reviewed, twelve months are kept.",
        shown_by: &[AttributableShare, Witnesses, OldestRecord, ClockedShare],
        not_shown: &["whether anyone reviewed the logs", "systems that do not write to this log"] },
    Duty { instrument: "SOC 2", article: "CC7", certainty: Memory,
        duty: "Operations are monitored, anomalies are evaluated, incidents are responded to.",
        shown_by: &[Records, CredentialEvents, Findings],
        not_shown: &["the evaluation and the response themselves"] },
    Duty { instrument: "Directive 2014/65/EU (MiFID II)", article: "Art. 16(6)-(7)", certainty: Memory,
        duty: "Investment firms keep records of services, activities and transactions that let the authority reconstruct them.",
        shown_by: &[Records, CompleteShare, OldestRecord],
        not_shown: &["transactions that do not go through a gateway", BYPASS] },
];

#[cfg(test)]
mod tests {
    use super::*;

    fn figures() -> Figures {
        Figures {
            records: Some(1_204),
            interactions: Some(1_000),
            attributable: Some(992),
            heartbeats: Some(2_880),
            silences: Some(0),
            oldest_record: "2026-05-01T00:00:00Z".parse().ok(),
            ..Figures::default()
        }
    }

    #[test]
    fn figures_stand_where_they_speak_to_a_duty_and_their_absence_is_told() {
        let reports = duties(&figures());
        let dora = reports.iter().find(|report| report.instrument.contains("2024/1774")).unwrap();
        assert_eq!(
            dora.shown,
            ["signed heads and heartbeats of streams: 2880; silences longer than allowed: 0"]
        );
        assert!(dora.not_shown.contains(&"witnesses that cosign the log: no figure".to_owned()));
        let nist = reports.iter().find(|report| report.instrument.contains("800-53")).unwrap();
        assert_eq!(
            nist.shown,
            [
                "interactions that claim to be attributable: 992 of 1000 (99.2 %)",
                "oldest record, logged at: 2026-05-01T00:00:00Z"
            ]
        );
    }

    #[test]
    fn a_share_of_nothing_is_no_division_and_no_full_share() {
        let none = Figures { interactions: Some(0), attributable: Some(0), ..Figures::default() };
        let shown: Vec<_> = duties(&none).into_iter().flat_map(|report| report.shown).collect();
        assert!(shown.iter().any(|text| text.ends_with("0 of 0 (0.0 %)")), "{shown:?}");
    }

    #[test]
    fn every_duty_says_what_is_not_shown_and_how_sure_it_is() {
        for report in duties(&figures()) {
            assert!(!report.not_shown.is_empty(), "{}", report.source);
            assert!(report.source.ends_with("check the official text"), "{}", report.source);
        }
    }

    #[test]
    fn nothing_is_called_what_only_an_authority_can_say() {
        let source = include_str!("duties.rs").to_lowercase();
        // Spelled so that the test does not find itself.
        for word in [concat!("compl", "iant"), concat!("compl", "iance"), concat!("conf", "ormant")] {
            assert!(!source.contains(word), "{word}");
        }
    }
}
