//! Who acted: the initiator, the session and device it came from, the workload that executed, and under whose authority.

use jiff::Timestamp;

use crate::digest::ArtifactDigest;
use crate::group::{group, words};
use crate::hop::Hop;

words! {
    /// What started the interaction.
    InitiatorKind {
        /// A person.
        Human,
        /// Another agent.
        Agent,
        /// A service.
        Service,
        /// A clock or a queue: no person started this run.
        Schedule,
        /// A party outside the organisation.
        External,
    }
}

words! {
    /// How the initiator's identity was verified.
    InitiatorCheck {
        /// OpenID Connect ID token or a JWT access token whose signature was checked.
        Oidc,
        /// A client certificate.
        Mtls,
        /// Token introspection at the issuer (RFC 7662).
        Introspection,
        /// An API key that was looked up.
        ApiKey,
        /// From a header, which anyone can write: not verified.
        Header,
        /// Self-asserted by the caller. Not verified.
        #[serde(rename = "self")]
        SelfAsserted,
    }
}

group! {
    /// The principal at the beginning of the chain.
    Initiator {
        /// The kind of initiator.
        kind: InitiatorKind,
        /// Who vouches for `sub` (OpenID Connect `iss`).
        iss: String,
        /// The principal, unique at `iss` (OpenID Connect `sub`). Personal.
        sub: String,
        /// How the identity was verified.
        verified_by: InitiatorCheck,
        /// Role definitions used by decisions.
        roles: Vec<String>,
        /// The person or team accountable for an agent or a service. Personal.
        sponsor: String,
        /// The end user of an application that called under its own name, as reported by the application (OpenTelemetry
        /// `enduser.id`). Personal.
        end_user: String,
        /// A pseudonym of the person (OpenTelemetry `enduser.pseudo.id`). Personal.
        pseudonym: String,
    }
}

group! {
    /// The user's session.
    Session {
        /// Whether it was verified as active and as the initiator's.
        verified: bool,
        /// Authentication methods (OpenID Connect `amr`).
        amr: Vec<String>,
        /// Authentication context class (OpenID Connect `acr`).
        acr: String,
        /// When the user last proved who they are (OpenID Connect `auth_time`).
        auth_time: Timestamp,
        /// Whether several people use it: a shared workspace, a shared browser.
        shared: bool,
    }
}

words! {
    /// The device management's assessment of the device.
    DevicePosture {
        /// Managed, and complies with its rules.
        Managed,
        /// Managed, and violates a rule.
        NonCompliant,
        /// Not managed.
        Unmanaged,
    }
}

group! {
    /// The initiator's device.
    Device {
        /// The device. Personal.
        id: String,
        /// The device management's assessment.
        posture: DevicePosture,
        /// Whether that came with an attestation of the hardware.
        attested: bool,
        /// Network address of the client. Personal.
        client_address: String,
        /// The application the client ran (OAuth `azp` or `client_id`).
        client_app: String,
    }
}

words! {
    /// How the workload's identity was asserted.
    WorkloadAssertion {
        /// X.509 certificate of SPIFFE.
        X509Svid,
        /// JWT of SPIFFE.
        JwtSvid,
        /// WIMSE workload identity token with proof of possession.
        Wit,
        /// A certificate checked by mutual TLS.
        Mtls,
        /// Kubernetes TokenReview.
        K8sTokenReview,
        /// Projected token of a Kubernetes service account, checked with the cluster's published keys.
        K8sToken,
        /// OIDC token of GitHub Actions.
        GithubActions,
        /// Google's ID token of a service account, or a token of Google's workload identity federation.
        GoogleToken,
        /// Microsoft Entra's token of a managed identity, a service principal or an agent identity.
        EntraToken,
        /// The caller identity that AWS STS returned.
        AwsSts,
        /// OpenID Connect token of another issuer.
        Oidc,
        /// A cloud's instance identity document.
        CloudInstance,
        /// Self-asserted by the workload. Not verified.
        #[serde(rename = "self")]
        SelfAsserted,
        /// The identity is not asserted.
        None,
    }
}

words! {
    /// By what the workload's assertion was checked.
    WorkloadCheck {
        /// The issuer's published keys.
        IssuerKeys,
        /// The trust bundle of SPIFFE.
        TrustBundle,
        /// Token introspection at the issuer (RFC 7662).
        Introspection,
        /// Kubernetes TokenReview.
        TokenReview,
        /// The cloud's own token service, which returned the identity.
        CloudService,
        /// The handshake of mutual TLS.
        Tls,
    }
}

group! {
    /// What executed the action: the program, not the user who launched it.
    Workload {
        /// Its identity, such as a SPIFFE id.
        id: String,
        /// How the identity was asserted.
        method: WorkloadAssertion,
        /// Who vouches for it (`iss` of a token). The ids of different issuers are different ids.
        issuer: String,
        /// The audience that the token was issued for (`aud`).
        aud: Vec<String>,
        /// Whether the assertion was checked.
        verified: bool,
        /// By what it was checked.
        verified_by: WorkloadCheck,
        /// Which of its instances.
        instance: String,
        /// The account it runs as.
        service_account: String,
        /// Whether other programs share that identity.
        shared: bool,
        /// Id of the credential that proved the identity, among `credentials`.
        credential: String,
        /// The agent.
        agent: Agent,
    }
}

group! {
    /// An agent.
    Agent {
        /// Its id.
        id: String,
        /// Its name.
        name: String,
        /// Its version.
        version: String,
        /// Digest of its configuration: instructions, tools, guardrails.
        config_digest: ArtifactDigest,
        /// The node of the program's graph that acted, where the program is a graph (LangGraph).
        node: String,
        /// The blueprint that it was made from (Microsoft Entra: application id of the agent identity blueprint).
        blueprint: String,
        /// The tenant that it belongs to.
        tenant: String,
        /// The person accountable for the agent. Personal.
        sponsor: String,
    }
}

words! {
    /// The state of a task that an agent works on for another party, by the words of the A2A protocol.
    TaskState {
        /// Received; work has not begun.
        Submitted,
        /// Work is under way.
        Working,
        /// The agent waits for more input.
        InputRequired,
        /// It is done.
        Completed,
        /// It failed.
        Failed,
        /// It was canceled.
        Canceled,
        /// The agent rejected it.
        Rejected,
        /// The agent waits for authentication.
        AuthRequired,
    }
}

group! {
    /// An agent elsewhere that was called, beside the one that executed.
    RemoteAgent {
        /// Its id.
        id: String,
        /// Its name.
        name: String,
        /// Its version.
        version: String,
        /// Where it is: its agent card, else its address.
        endpoint: String,
        /// The task it was given.
        task: String,
        /// The context of the task.
        context: String,
        /// The latest state of the task that was reported.
        state: TaskState,
        /// When that state was reported.
        state_at: Timestamp,
        /// How many requests only asked for the state of the task.
        polls: u64,
    }
}

words! {
    /// On whose behalf the workload acted.
    AuthorityMode {
        /// For the initiator (RFC 8693 `act`).
        OnBehalfOf,
        /// For itself.
        Autonomous,
        /// Through a preconfigured connector.
        Connector,
    }
}

group! {
    /// The authority of the action.
    Authority {
        /// On whose behalf.
        mode: AuthorityMode,
        /// The principals it passed through, from the initiator to the workload (nested `act` of RFC 8693). A hop is a name, or an
        /// object with more about the delegation. Personal.
        chain: Vec<Hop>,
        /// The scope of each hop, in the order of `chain`: never wider than the hop before.
        scopes: Vec<Vec<String>>,
        /// The purpose.
        purpose: String,
        /// The task or transaction (`txn` of a transaction token).
        task: String,
    }
}
