//! What the kinds of records that are no interaction say.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::ArtifactDigest;
use super::group::{group, words};
use super::id::RecordId;

words! {
    /// What happened to a credential.
    CredentialAction {
        /// It was issued.
        Issued,
        /// Its secret was exchanged.
        Rotated,
        /// It must not be used from `effective` on.
        Revoked,
    }
}

group! {
    /// Something happened to a credential (kind `credential-event`); the credential itself is in `credential`.
    CredentialEvent {
        /// What.
        action: CredentialAction,
        /// From when on. A revocation may lie in the past: what was done since then is judged again.
        effective: Timestamp,
        /// Why, as a code.
        reason: String,
        /// Who did it. Personal.
        by: String,
    }
}

words! {
    /// Why a session ended.
    SealReason {
        /// It was over.
        Done,
        /// Nothing came for a while.
        Timeout,
        /// It was given up.
        Abandoned,
    }
}

group! {
    /// A session has this many records and no more (kind `session-seal`).
    SessionSeal {
        /// How many.
        records: u64,
        /// Which.
        ids: Vec<RecordId>,
        /// Why it ended.
        reason: SealReason,
    }
}

words! {
    /// What is configured.
    ConfigurationSubject {
        /// A policy bundle.
        Policy,
        /// Definitions of tools.
        Tools,
        /// Models and what they are approved for.
        Models,
        /// Guardrails.
        Guardrails,
        /// An agent.
        Agent,
        /// Classes of data and their order.
        DataClasses,
        /// Tables by which telemetry is understood.
        Dialects,
        /// The gateway itself.
        Gateway,
    }
}

group! {
    /// What is in force from here on (kind `configuration`).
    Configuration {
        /// What it is.
        subject: ConfigurationSubject,
        /// Which one.
        id: String,
        /// Its version.
        version: String,
        /// Its digest.
        digest: ArtifactDigest,
        /// From when on.
        in_force_from: Timestamp,
        /// Until when, if that is known.
        in_force_until: Timestamp,
    }
}

words! {
    /// What was read.
    DisclosureScope {
        /// Content was read by the vault's own people.
        Read,
        /// Fields were given to somebody.
        Presented,
        /// A whole session was given to somebody.
        Bundle,
    }
}

group! {
    /// Somebody read evidence (kind `disclosure`).
    DisclosureEvent {
        /// Who. Personal.
        by: String,
        /// What.
        scope: DisclosureScope,
        /// On what basis: the case, the request.
        basis: String,
        /// Of which records.
        records: Vec<RecordId>,
        /// Which fields, as JSON pointers.
        fields: Vec<String>,
    }
}

words! {
    /// What is erased.
    ErasureScope {
        /// Records, each by name.
        Record,
        /// Everything about a person. Who that is stands nowhere.
        Subject,
        /// Whatever the retention period no longer covers.
        Retention,
    }
}

group! {
    /// Evidence was erased, or that was refused (kind `erasure`). No personal data.
    ErasureEvent {
        /// What.
        scope: ErasureScope,
        /// On what basis, as a citation: `GDPR Art. 17(1)(a)`.
        basis: String,
        /// Which records.
        records: Vec<RecordId>,
        /// Which were asked for and kept, because of a legal hold or a duty to keep.
        refused: Vec<RecordId>,
        /// Why those were kept, as a code.
        refusal: String,
    }
}

group! {
    /// The gateway lost records and says so (kind `declared-loss`).
    DeclaredLoss {
        /// Between this time
        from: Timestamp,
        /// and that.
        to: Timestamp,
        /// How many, if known.
        count: u64,
        /// Why, as a code.
        cause: String,
        /// What the gateway does when it cannot record: `fail_closed`, `spool`, `fail_open`.
        mode: String,
    }
}

group! {
    /// An auditor's finding about a record (kind `finding`).
    FindingEvent {
        /// The code of the rule.
        code: String,
        /// The record.
        record: RecordId,
        /// Version of the rules.
        rules: String,
        /// In words.
        message: String,
    }
}

group! {
    /// The gateway's own account of an interval (kind `heartbeat`). Whatever it counts and no record tells of is missing.
    Heartbeat {
        /// Between this time
        from: Timestamp,
        /// and that.
        to: Timestamp,
        /// Place among the heartbeats of this process, from 1. The first tells of what came since the process began.
        number: u64,
        /// Records stated since the last heartbeat of this process, by kind; this one is in the count of the next.
        counts: BTreeMap<String, u64>,
        /// Items taken from emitters: spans, events, decisions.
        received: u64,
        /// Items refused.
        refused: u64,
        /// Attributes that no table knows.
        not_understood: u64,
        /// Items about no interaction.
        ignored: u64,
        /// Items that wait in traces that are open.
        waiting: u64,
        /// Bytes the journal holds.
        journal_bytes: u64,
        /// Items lost; each loss is declared by a record of its own too.
        lost: u64,
        /// Bodies that were not passed on to the next collector.
        forward_dropped: u64,
    }
}
