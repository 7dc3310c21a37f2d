//! What each profile asks for: how much evidence is enough depends on what is at stake.

use jiff::SignedDuration;
use serde::Serialize;

use vouchlog_record::{PolicyPhase, Profile};

/// What a profile asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ProfileRequirements {
    /// The profile.
    pub profile: Profile,
    /// Longest life of a credential, from issuance to expiry.
    pub max_credential_lifetime: SignedDuration,
    /// How old a look-up of a credential's status may be when the credential is used.
    pub max_status_age: SignedDuration,
    /// Whether the device of a human initiator must be named.
    pub device: bool,
    /// The points where a policy must have decided. `PreTool`: for each tool call.
    pub decisions: &'static [PolicyPhase],
    /// Whether the credential must be bound to its holder.
    pub proof_of_possession: bool,
    /// Whether a person must approve a tool call that cannot be undone. Where not, a policy may still ask for it.
    pub human_approval_of_irreversible: bool,
}

const EVERY_POINT: &[PolicyPhase] =
    &[PolicyPhase::Input, PolicyPhase::PreTool, PolicyPhase::ResourceRead, PolicyPhase::Output];

/// The table.
const PROFILES: [ProfileRequirements; 3] = [
    ProfileRequirements {
        profile: Profile::LowRisk,
        max_credential_lifetime: SignedDuration::from_hours(24),
        max_status_age: SignedDuration::from_hours(1),
        device: false,
        decisions: &[PolicyPhase::Input],
        proof_of_possession: false,
        human_approval_of_irreversible: false,
    },
    ProfileRequirements {
        profile: Profile::Regulated,
        max_credential_lifetime: SignedDuration::from_hours(1),
        max_status_age: SignedDuration::from_mins(5),
        device: true,
        decisions: EVERY_POINT,
        proof_of_possession: false,
        human_approval_of_irreversible: false,
    },
    ProfileRequirements {
        profile: Profile::Privileged,
        max_credential_lifetime: SignedDuration::from_mins(15),
        max_status_age: SignedDuration::from_secs(60),
        device: true,
        decisions: EVERY_POINT,
        proof_of_possession: true,
        human_approval_of_irreversible: true,
    },
];

impl ProfileRequirements {
    /// What a profile asks for.
    pub const fn of(profile: Profile) -> &'static Self {
        const TABLE: &[ProfileRequirements; 3] = &PROFILES;
        match profile {
            Profile::LowRisk => &TABLE[0],
            Profile::Regulated => &TABLE[1],
            Profile::Privileged => &TABLE[2],
        }
    }
}
