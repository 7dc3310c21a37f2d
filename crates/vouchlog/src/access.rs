//! Who may call a server of this process: [`Access`] for [`Server::access`](vouchlog_server::Server::access) and a collector's
//! `ReceiverConfig`.

pub use vouchlog_access::{
    Access, AccessError, AccessFile, BearerToken, CertificateNames, ConfigError, Denied, EmitGrants, Method,
    NewToken, PatternError, Patterns, Principal, Reach, RecordKind, Role, Setup, TokenError,
};
