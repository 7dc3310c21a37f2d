//! One of the policies that determined a decision.

use crate::digest::ArtifactDigest;
use crate::group::{group, words};

words! {
    /// What a policy does where it applies.
    PolicyEffect {
        /// It permits the action.
        Permit,
        /// It forbids the action; one such policy outweighs all that permit it.
        Forbid,
    }
}

group! {
    /// A policy that determined a decision (Cedar's determining policies).
    DeterminingPolicy {
        /// The policy.
        id: String,
        /// Its effect.
        effect: PolicyEffect,
        /// Its version.
        version: String,
        /// Its digest.
        digest: ArtifactDigest,
    }
}
