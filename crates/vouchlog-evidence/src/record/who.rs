//! Who acted: the initiator, the session and device it came from, the workload that executed, and under whose authority.

use jiff::Timestamp;

use super::ArtifactDigest;
use super::group::{group, words};

words! {
    /// What began the interaction.
    InitiatorKind {
        /// A person.
        Human,
        /// Another agent.
        Agent,
        /// A service.
        Service,
        /// A clock or a queue: nobody is behind this very run.
        Schedule,
        /// Somebody outside the organisation.
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
        /// The issuer was asked (RFC 7662).
        Introspection,
        /// An API key that was looked up.
        ApiKey,
        /// A header said so. Anybody can write a header: not verified.
        Header,
        /// The caller said so. Not verified.
        #[serde(rename = "self")]
        SelfAsserted,
    }
}

group! {
    /// The principal at the beginning of the chain.
    Initiator {
        /// What it is.
        kind: InitiatorKind,
        /// Who vouches for `sub` (OpenID Connect `iss`).
        iss: String,
        /// The principal, unique at `iss` (OpenID Connect `sub`). Personal.
        sub: String,
        /// How that was verified.
        verified_by: InitiatorCheck,
        /// Roles that decisions were made with.
        roles: Vec<String>,
        /// The person or team accountable for an agent or a service. Personal.
        sponsor: String,
        /// The person behind an application that asked under a name of its own, as the application says (OpenTelemetry
        /// `enduser.id`). Personal.
        end_user: String,
        /// A name that stands for the person and names nobody by itself (OpenTelemetry `enduser.pseudo.id`). Personal.
        pseudonym: String,
    }
}

group! {
    /// The user's session.
    Session {
        /// Whether it was verified to be alive and the initiator's.
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
    /// What the device management says of the device.
    DevicePosture {
        /// It is managed and keeps its rules.
        Managed,
        /// It is managed and breaks a rule.
        NonCompliant,
        /// Nobody manages it.
        Unmanaged,
    }
}

group! {
    /// What the initiator sat at.
    Device {
        /// The device. Personal.
        id: String,
        /// What its management says.
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
        /// A cloud's instance identity document.
        CloudInstance,
        /// The workload said so. Not verified.
        #[serde(rename = "self")]
        SelfAsserted,
        /// Nothing asserts it.
        None,
    }
}

group! {
    /// What executed: the program, not whoever launched it.
    Workload {
        /// Its identity, such as a SPIFFE id.
        id: String,
        /// How that was asserted.
        method: WorkloadAssertion,
        /// Whether the assertion was checked.
        verified: bool,
        /// Which of its instances.
        instance: String,
        /// The account it runs as.
        service_account: String,
        /// Whether other programs share that identity.
        shared: bool,
        /// The agent it is.
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
    }
}

words! {
    /// In whose name the workload acted.
    AuthorityMode {
        /// For the initiator (RFC 8693 `act`).
        OnBehalfOf,
        /// For itself.
        Autonomous,
        /// Through a connector somebody configured earlier.
        Connector,
    }
}

group! {
    /// Under whose authority.
    Authority {
        /// In whose name.
        mode: AuthorityMode,
        /// The principals it passed through, from the initiator to the workload (nested `act` of RFC 8693). Personal.
        chain: Vec<String>,
        /// What each hop could do, in the order of `chain`: never more than the hop before.
        scopes: Vec<Vec<String>>,
        /// What for.
        purpose: String,
        /// The task or transaction (`txn` of a transaction token).
        task: String,
    }
}
