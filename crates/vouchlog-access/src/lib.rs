//! Who calls a server, and what they may do: one layer for logs, witnesses, collectors and monitors.
//!
//! ```text
//! request ─► bearer token ─┬─ static token: SHA-256, compared in constant time ─┐
//!                          └─ JWT: issuer, key set, algorithm, audience, times ─┼─► Principal { name, method, grants }
//!         ─► client certificate: SPIFFE id, DNS name ───────────────────────────┤
//!         ─► neither: the anonymous principal ──────────────────────────────────┘
//! ```
//!
//! In scope: [`Access`] authenticates a request against an [`AccessFile`], a bearer token, both or neither; a [`Principal`] states
//! what its caller may do. Out of scope: how a refusal is written (`vouchlog-server`, `vouchlog-collector`), TLS, and signatures
//! of statements, which need no authentication of the connection.
//!
//! *Invariant: a credential that is presented and not valid is never taken for an anonymous request, and no error, log line or metric
//! contains a token.*
//!
//! People sign in to the console of a vault at their identity provider (`sign_in.rs`): what the provider states of a person is checked
//! once, and what that person may do is looked up for each request.
//!
//! Start with `access.rs`: [`Access::authenticate`] is the whole decision.

mod access;
mod algorithm;
mod claims;
mod client;
mod config;
mod denied;
mod grants;
mod jwks;
mod jwt;
pub mod limits;
mod metrics;
mod pattern;
mod principal;
mod provider;
mod secret;
mod sign_in;
mod sign_out;
mod token;

pub use access::{Access, CertificateNames, Reach, Setup, bearer};
pub use client::{RETURN_PATH, SIGNED_OUT_PATH};
pub use config::{AccessFile, ConfigError};
pub use denied::Denied;
pub use grants::{EmitGrants, RecordKind, Role};
pub use pattern::{PatternError, Patterns};
pub use principal::{ANONYMOUS, Method, Person, Principal};
pub use provider::AccessError;
pub use sign_in::{Account, PendingSignIn, SignInPlace, SignInReturn};
pub use sign_out::PendingSignOut;
pub use token::{BearerToken, NewToken, TokenError};

#[cfg(test)]
mod tests;
