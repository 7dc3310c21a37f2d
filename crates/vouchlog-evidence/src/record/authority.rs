//! What allowed it: the credential with its window of validity, the grant behind it, policy decisions, approval, override.

use jiff::Timestamp;
use serde_json::Value;

use super::ArtifactDigest;
use super::Commitment;
use super::group::{group, words};
use super::id::RecordId;

words! {
    /// What kind of credential.
    CredentialType {
        /// OAuth transaction token.
        TxnToken,
        /// OAuth access token.
        AccessToken,
        /// Identity document of SPIFFE.
        Svid,
        /// A key or password without an end.
        StaticKey,
        /// A browser's cookie.
        Cookie,
        /// Another.
        Other,
    }
}

words! {
    /// What binds the credential to whoever may use it.
    CredentialBinding {
        /// Nothing: who holds it can use it.
        None,
        /// The same, by name (RFC 6750).
        Bearer,
        /// Proof of possession (RFC 9449).
        Dpop,
        /// Mutual TLS (RFC 8705).
        Mtls,
        /// WIMSE workload proof token.
        Wpt,
    }
}

group! {
    /// The credential the action was done with. Never the secret itself.
    Credential {
        /// Names the credential without being it: a JWT's `jti`, a certificate's serial, a keyed hash.
        id: String,
        /// Its type.
        r#type: CredentialType,
        /// Who issued it.
        issuer: String,
        /// The issuer's key (JOSE `kid`).
        kid: String,
        /// Whom it is for (JWT `aud`).
        aud: Vec<String>,
        /// What it allows (OAuth `scope`).
        scope: Vec<String>,
        /// What it allows, in detail (RFC 9396).
        authorization_details: serde_json::Value,
        /// When it was issued.
        iat: Timestamp,
        /// Not valid before.
        nbf: Timestamp,
        /// Not valid at or after.
        exp: Timestamp,
        /// What binds it to its holder.
        binding: CredentialBinding,
        /// The record of its issuance.
        issuance: RecordId,
        /// Whether it was revoked, as far as somebody looked.
        status: CredentialStatus,
    }
}

words! {
    /// How the status of a credential was looked up.
    StatusMethod {
        /// The issuer was asked (RFC 7662).
        Introspection,
        /// A token status list.
        StatusList,
        /// A certificate's status (RFC 6960).
        Ocsp,
        /// A list of revoked certificates (RFC 5280).
        Crl,
        /// The trust bundle of SPIFFE.
        SvidBundle,
        /// The gateway's own table of keys.
        KeyTable,
    }
}

words! {
    /// What the look-up answered.
    StatusResult {
        /// In force.
        Active,
        /// Revoked for good.
        Revoked,
        /// Suspended for now.
        Suspended,
        /// There was no answer, or the issuer did not know.
        Unknown,
    }
}

group! {
    /// A look-up of a credential's status.
    CredentialStatus {
        /// How.
        method: StatusMethod,
        /// When.
        checked_at: Timestamp,
        /// What it answered.
        result: StatusResult,
        /// Digest of the signed answer.
        answer_digest: Commitment,
    }
}

words! {
    /// What kind of grant.
    GrantKind {
        /// Given just in time, for the task.
        Jit,
        /// Checked out of privileged access management.
        Pam,
        /// Standing.
        Standing,
    }
}

group! {
    /// The grant behind the credential.
    Grant {
        /// Its id.
        id: String,
        /// Its kind.
        kind: GrantKind,
        /// How long it holds, in seconds.
        ttl_s: u64,
        /// The task it was given for.
        task: String,
    }
}

words! {
    /// Where in the interaction a decision was made.
    PolicyPhase {
        /// On the input, before the model saw it.
        Input,
        /// Before a tool was called.
        PreTool,
        /// Before a resource was read.
        ResourceRead,
        /// On the output, before anybody saw it.
        Output,
    }
}

words! {
    /// What a policy decided.
    Verdict {
        /// Go on.
        Allow,
        /// Do not.
        Deny,
        /// Go on with changes.
        Modify,
        /// Only after stronger authentication or approval.
        StepUp,
        /// Somebody else has to decide.
        Escalate,
        /// The engine failed.
        Error,
        /// The engine was not asked.
        NotEvaluated,
    }
}

words! {
    /// What really happened then.
    Enforced {
        /// It went on.
        Allow,
        /// It was stopped.
        Deny,
        /// It went on with changes.
        Modify,
    }
}

words! {
    /// What happens when the policy engine fails.
    FailMode {
        /// Nothing goes on.
        Closed,
        /// Everything goes on.
        Open,
    }
}

group! {
    /// One decision of a policy engine.
    PolicyDecision {
        /// The engine's name for the decision.
        decision_id: String,
        /// The engine.
        engine: String,
        /// The engine's id.
        engine_id: String,
        /// Who provides it.
        engine_provider: String,
        /// Its version.
        engine_version: String,
        /// Where in the interaction.
        phase: PolicyPhase,
        /// The engine's own word for where or how it ran, if that is none of `phase`: `logging_only`.
        mode: String,
        /// What about: a tool call's id, a resource.
        target: String,
        /// The policy.
        id: String,
        /// Its version.
        version: String,
        /// Its digest.
        digest: ArtifactDigest,
        /// The rule that matched.
        rule: String,
        /// What it decided.
        verdict: Verdict,
        /// What happened.
        enforced: Enforced,
        /// Why, as a code.
        reason: String,
        /// Why, in words. Content.
        reason_text: String,
        /// The engine's answer as it gave it; it may quote what it judged. Content.
        response: Value,
        /// What was masked: a number, or numbers by kind.
        masked: Value,
        /// Whether the engine says that it changed something.
        modified: bool,
        /// When.
        at: Timestamp,
        /// Commitment to what the engine saw.
        input_digest: Commitment,
        /// Commitment to what stood there before a change.
        before_digest: Commitment,
        /// Commitment to what stands there since.
        after_digest: Commitment,
        /// What happens when the engine fails.
        fail_mode: FailMode,
        /// The decision lowers the class of data on purpose.
        declassifies: bool,
    }
}

words! {
    /// How far an approval is.
    ApprovalState {
        /// None is needed.
        NotRequired,
        /// Somebody was asked.
        Pending,
        /// Somebody said yes.
        Approved,
        /// Somebody said no.
        Rejected,
        /// Nobody answered in time.
        Expired,
    }
}

words! {
    /// What the approver is.
    ApproverKind {
        /// A person.
        Human,
        /// A rule.
        Policy,
        /// The other side of the transaction.
        Counterparty,
    }
}

words! {
    /// Where the approval came from.
    ApprovalSource {
        /// A person answered.
        User,
        /// A hook of the program.
        Hook,
        /// The configuration.
        Config,
        /// An automatic mode.
        Auto,
    }
}

group! {
    /// Approval of the action.
    Approval {
        /// Whether one was needed.
        required: bool,
        /// How far it is.
        state: ApprovalState,
        /// Who approved. Personal.
        approver: String,
        /// What the approver is.
        approver_kind: ApproverKind,
        /// Where the answer came from.
        source: ApprovalSource,
        /// When it was given.
        at: Timestamp,
        /// Until when it holds.
        expires: Timestamp,
        /// The ticket.
        r#ref: String,
        /// Why. Content.
        rationale: String,
    }
}

group! {
    /// Somebody went against a decision.
    Override {
        /// Who. Personal.
        by: String,
        /// The decision it went against.
        decision_id: String,
        /// What had been decided.
        from: Verdict,
        /// What was done.
        to: Enforced,
        /// Why, as a code.
        reason: String,
        /// Why, in words. Content.
        reason_text: String,
        /// When.
        at: Timestamp,
    }
}
