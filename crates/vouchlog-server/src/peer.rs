//! The other end of a connection: its address, and the certificate it presented over TLS.

use std::net::SocketAddr;
use std::sync::Arc;

/// The client at the other end of a connection. [`Server::run`](crate::Server::run) puts it into the extensions of each request of
/// the connection. It is absent where another program accepts the connections of [`Server::router`](crate::Server::router).
///
/// Behind a proxy this is the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Where the connection comes from.
    pub address: SocketAddr,
    /// The client's certificate, if it presented one over TLS and it was verified.
    pub certificate: Option<Arc<PeerCertificate>>,
}

/// A client's certificate, verified when the connection was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerCertificate {
    /// The certificates in DER, the client's own first, then those that lead to a trusted issuer.
    pub chain: Vec<Vec<u8>>,
    /// The SPIFFE ID of a workload, if its only URI is a valid one and it signs nothing (X509-SVID).
    pub spiffe_id: Option<String>,
    /// The host names it is issued for, in lower case. None of them is a wildcard.
    pub dns_names: Vec<String>,
    /// SHA-256 of the client's own certificate in DER.
    pub fingerprint: [u8; 32],
}
