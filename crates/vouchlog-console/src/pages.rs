//! The pages.

pub(crate) mod cases;
pub(crate) mod certificate;
pub(crate) mod disclose;
pub(crate) mod disclosures;
pub(crate) mod duties;
pub(crate) mod erase;
pub(crate) mod export;
pub(crate) mod findings;
pub(crate) mod holds;
pub(crate) mod identities;
pub(crate) mod provider;
pub(crate) mod record;
pub(crate) mod searches;
pub(crate) mod session;
pub(crate) mod session_cases;
pub(crate) mod sessions;
pub(crate) mod sign_in;
pub(crate) mod sign_out;
pub(crate) mod sources;
mod validity;
