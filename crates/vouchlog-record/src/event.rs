//! What the kinds of records that are no interaction say.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::digest::ArtifactDigest;
use crate::group::{group, words};
use crate::id::RecordId;

words! {
    /// What happened to a credential.
    CredentialAction {
        /// It was issued.
        Issued,
        /// The credential's secret was rotated.
        Rotated,
        /// Revoked from `effective`.
        Revoked,
    }
}

group! {
    /// An event in the life of a credential (kind `credential-event`); the credential itself is in `credential`.
    CredentialEvent {
        /// The event.
        action: CredentialAction,
        /// The time from which it applies. A revocation may be in the past: actions since then are judged again.
        effective: Timestamp,
        /// The reason, as a code.
        reason: String,
        /// Who did it. Personal.
        by: String,
    }
}

words! {
    /// Why a session ended.
    SealReason {
        /// The session ended.
        Done,
        /// The session timed out.
        Timeout,
        /// The session was abandoned.
        Abandoned,
    }
}

group! {
    /// States the final number of records of a session (kind `session-seal`).
    SessionSeal {
        /// The number of records.
        records: u64,
        /// The ids of the records.
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
        /// Mapping tables for telemetry.
        Dialects,
        /// The gateway itself.
        Gateway,
    }
}

group! {
    /// What is in force from here on (kind `configuration`).
    Configuration {
        /// The kind of configuration.
        subject: ConfigurationSubject,
        /// The id of the configured item.
        id: String,
        /// Its version.
        version: String,
        /// Its digest.
        digest: ArtifactDigest,
        /// The time from which it is in force.
        in_force_from: Timestamp,
        /// The time until which it was in force, if known.
        in_force_until: Timestamp,
        /// Of the subject `data_classes`: the classes, the least sensitive first.
        classes: Vec<String>,
        /// The entry of an agent in the registry of agents. `id` is the agent's id, which is never given to another agent.
        agent: RegisteredAgent,
    }
}

group! {
    /// An agent in the registry of agents. The newest entry of an id counts.
    RegisteredAgent {
        /// Its name.
        name: String,
        /// The person or team that runs it. Personal.
        owner: String,
        /// The person accountable for it. Personal.
        sponsor: String,
        /// When it was put into service.
        created: Timestamp,
        /// When it was retired: it must not act at or after this.
        retired: Timestamp,
        /// The workload that it runs as.
        workload: String,
    }
}

words! {
    /// What was read.
    DisclosureScope {
        /// Content was read by users of the vault.
        Read,
        /// Fields were disclosed.
        Presented,
        /// A whole session was disclosed.
        Bundle,
    }
}

group! {
    /// Evidence was read or disclosed (kind `disclosure`).
    DisclosureEvent {
        /// The person or program responsible. Personal.
        by: String,
        /// The scope of the disclosure.
        scope: DisclosureScope,
        /// The basis: the case or the request.
        basis: String,
        /// To whom the fields were disclosed. Personal.
        recipient: String,
        /// The records.
        records: Vec<RecordId>,
        /// The fields, as JSON pointers.
        fields: Vec<String>,
    }
}

words! {
    /// What is erased.
    ErasureScope {
        /// Records, each by name.
        Record,
        /// All records of a person, who is not named.
        Subject,
        /// Records whose retention period is over.
        Retention,
    }
}

group! {
    /// Evidence was erased, or its erasure was refused (kind `erasure`). No personal data.
    ErasureEvent {
        /// The scope of the erasure.
        scope: ErasureScope,
        /// The legal basis, as a citation: `GDPR Art. 17(1)(a)`.
        basis: String,
        /// The erased records.
        records: Vec<RecordId>,
        /// Records whose erasure was requested but refused, because of a legal hold or a retention duty.
        refused: Vec<RecordId>,
        /// Why those were kept, as a code.
        refusal: String,
    }
}

words! {
    /// What happened to a hold.
    HoldAction {
        /// It was placed, or more records were put under it.
        Placed,
        /// It was lifted.
        Lifted,
    }
}

group! {
    /// A legal hold was placed or lifted (kind `hold`).
    HoldEvent {
        /// The event.
        action: HoldAction,
        /// The name of the hold: the case.
        name: String,
        /// The person or program responsible. Personal.
        by: String,
        /// The reason.
        reason: String,
        /// The number of records that came under it, or that were under it when it was lifted.
        records: u64,
        /// Whether matching records that are kept later come under it, too.
        covers_later: bool,
    }
}

group! {
    /// The gateway declares lost records (kind `declared-loss`).
    DeclaredLoss {
        /// Start of the interval.
        from: Timestamp,
        /// End of the interval.
        to: Timestamp,
        /// Number of lost records, if known.
        count: u64,
        /// The reason, as a code.
        cause: String,
        /// What the gateway does when it cannot record: `fail_closed`, `spool`, `fail_open`.
        mode: String,
    }
}

words! {
    /// What was decided about a finding.
    FindingDecision {
        /// It is open again.
        Open,
        /// Its cause is known, and stated as the reason.
        Explained,
        /// The risk is accepted.
        Accepted,
    }
}

words! {
    /// What was done to a case.
    CaseAction {
        /// It was opened.
        Opened,
        /// A session, a hold or a disclosure was added.
        Added,
        /// A note was written.
        Noted,
        /// It was closed: nothing is added any more.
        Closed,
    }
}

group! {
    /// What was done to a case, under whose name sessions, holds, notes and disclosures are grouped.
    CaseEvent {
        /// The event.
        action: CaseAction,
        /// The name of the case.
        name: String,
        /// The person or team that it is with. Personal.
        owner: String,
        /// The session that was added.
        session: String,
        /// The legal hold that was added.
        hold: String,
        /// The record of the disclosure that was added.
        disclosure: RecordId,
    }
}

group! {
    /// An auditor's finding about a record, a decision about what a rule found in records, or what was done to a case (kind `finding`).
    FindingEvent {
        /// The code of the rule.
        code: String,
        /// The record.
        record: RecordId,
        /// Version of the rules.
        rules: String,
        /// The message.
        message: String,
        /// Of a decision: what was decided.
        decision: FindingDecision,
        /// Of a decision: the records in which the rule found it.
        records: Vec<RecordId>,
        /// Of a decision or a case: the person or program responsible. Personal.
        by: String,
        /// Of a decision or a case: the reason, or the note.
        reason: String,
        /// Of an accepted risk: the time until which it is accepted.
        until: Timestamp,
        /// Of a case: what was done to it.
        case: CaseEvent,
    }
}

group! {
    /// The gateway's counts for an interval (kind `heartbeat`). A counted item without a record is missing.
    Heartbeat {
        /// Start of the interval.
        from: Timestamp,
        /// End of the interval.
        to: Timestamp,
        /// Number among the heartbeats of this process, from 1. The first covers the time since the process started.
        number: u64,
        /// Records stated since the last heartbeat of this process, by kind; this one is in the count of the next.
        counts: BTreeMap<String, u64>,
        /// Items received from emitters: spans, events, decisions.
        received: u64,
        /// Items rejected.
        refused: u64,
        /// Attributes in no mapping table.
        not_understood: u64,
        /// Items that belong to no interaction.
        ignored: u64,
        /// Items in open traces.
        waiting: u64,
        /// Bytes the journal holds.
        journal_bytes: u64,
        /// Items lost; each loss is also declared in its own record.
        lost: u64,
        /// Bodies that were not forwarded to the next collector.
        forward_dropped: u64,
        /// Spans that no mapping table understands, by emitter. Nothing else of them is on record.
        unclaimed: Vec<UnclaimedSpans>,
        /// The doors that received something since the last heartbeat, and when each last did.
        doors: Vec<DoorActivity>,
    }
}

group! {
    /// What one door of a collector received.
    DoorActivity {
        /// The door: `traces`, `logs`, `records`, `litellm`, `opa`, `intents` or `seal`.
        door: String,
        /// When it last received anything.
        last: Timestamp,
    }
}

group! {
    /// Spans of one emitter that no mapping table understands.
    UnclaimedSpans {
        /// Name of the service, self-asserted.
        service: String,
        /// Name of the instrumentation scope, self-asserted.
        scope: String,
        /// How many were received.
        spans: u64,
    }
}
