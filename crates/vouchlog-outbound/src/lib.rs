//! Where our connections may go: every URL passes here before anything is sent to it.
//!
//! In scope: [`ConnectionSecurity`] (which authorities a client trusts, the certificate it presents, and that plain text stays on this machine unless
//! it is allowed elsewhere), `PostgresUrl` (the same for databases, with the feature `postgres`), [`Reach`] (that a webhook does not end up at an address that only we can reach), HTTP clients that keep
//! both rules.
//!
//! Out of scope: what is said over a connection (`vouchlog-client`, `vouchlog-collector`, `vouchlog-telemetry`), and which clients may
//! connect to us (`vouchlog-server`).
//!
//! *Invariant: what was checked is what is connected to*: a name is resolved once, and each of its addresses is checked.
//!
//! ```
//! use vouchlog_outbound::{ConnectionSecurity, parse};
//!
//! let security = ConnectionSecurity::default();
//! assert!(security.check(&parse("https://log.example.com")?).is_ok());
//! assert!(security.check(&parse("http://127.0.0.1:6962")?).is_ok());
//! assert!(security.check(&parse("http://log.example.com")?).is_err());
//! # Ok::<(), vouchlog_outbound::UrlError>(())
//! ```

mod address;
#[cfg(feature = "postgres")]
mod postgres;
mod reach;
mod security;

#[cfg(feature = "postgres")]
pub use postgres::{PostgresUrl, ServerSettings, without_password};
pub use reach::{Reach, ReachError};
pub use security::{
    ConnectionSecurity, Identity, PlainText, SecurityError, UrlError, is_local, parse, root_cause,
};
