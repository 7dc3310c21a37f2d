//! The identity of a client, read from its certificate. rustls has verified the chain up to an accepted authority.

use std::net::IpAddr;

use thiserror::Error;
use tokio_rustls::rustls::pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::peer::PeerCertificate;

// SPEC: SPIFFE-ID section 2: at most 2,048 bytes; 2.1: a trust domain has at most 255.
const MAX_SPIFFE_BYTES: usize = 2_048;
const MAX_TRUST_DOMAIN_BYTES: usize = 255;

/// Why a verified certificate is of no use.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum IdentityError {
    #[error("the client's certificate cannot be read")]
    Unreadable,
}

/// Reads the first certificate of a verified chain.
pub(super) fn peer_certificate(chain: &[CertificateDer<'_>]) -> Result<PeerCertificate, IdentityError> {
    let leaf = chain.first().ok_or(IdentityError::Unreadable)?;
    let (rest, certificate) = X509Certificate::from_der(leaf).map_err(|_| IdentityError::Unreadable)?;
    if !rest.is_empty() {
        return Err(IdentityError::Unreadable);
    }
    let names = certificate.subject_alternative_name().map_err(|_| IdentityError::Unreadable)?;
    let (mut uris, mut dns_names) = (Vec::new(), Vec::new());
    for name in names.iter().flat_map(|names| &names.value.general_names) {
        match name {
            GeneralName::URI(uri) => uris.push(*uri),
            GeneralName::DNSName(name) if is_dns_name(name) => dns_names.push(name.to_ascii_lowercase()),
            _ => {}
        }
    }
    let is_workload = !certificate.is_ca() && !signs_certificates(&certificate)?;
    // SPEC: X509-SVID section 2: exactly one URI SAN; section 4.1: a leaf has no CA flag, and does not sign.
    let spiffe_id = match uris[..] {
        [id] if is_workload && is_spiffe_id(id) => Some(id.to_owned()),
        _ => None,
    };
    let mut fingerprint = [0; 32];
    fingerprint.copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, leaf).as_ref());
    let chain = chain.iter().map(|certificate| certificate.to_vec()).collect();
    Ok(PeerCertificate { chain, spiffe_id, dns_names, fingerprint })
}

fn signs_certificates(certificate: &X509Certificate<'_>) -> Result<bool, IdentityError> {
    let usage = certificate.key_usage().map_err(|_| IdentityError::Unreadable)?;
    Ok(usage.is_some_and(|usage| usage.value.key_cert_sign() || usage.value.crl_sign()))
}

/// The ID of a workload: `spiffe://` trust domain `/` path, and nothing else.
fn is_spiffe_id(id: &str) -> bool {
    let Some((domain, path)) = id.strip_prefix("spiffe://").and_then(|rest| rest.split_once('/')) else {
        return false;
    };
    let is_special = |c: u8| matches!(c, b'.' | b'-' | b'_');
    let in_domain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || is_special(c);
    let in_path = |c: u8| c.is_ascii_alphanumeric() || is_special(c);
    id.len() <= MAX_SPIFFE_BYTES
        && (1..=MAX_TRUST_DOMAIN_BYTES).contains(&domain.len())
        && domain.bytes().all(in_domain)
        && path.split('/').all(|part| !matches!(part, "" | "." | "..") && part.bytes().all(in_path))
}

/// A host name: no address, and no wildcard, which names no host in particular.
pub(super) fn is_dns_name(name: &str) -> bool {
    let is_its = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_');
    name.len() <= 253
        && name.parse::<IpAddr>().is_err()
        && name.split('.').all(|label| (1..=63).contains(&label.len()) && label.bytes().all(is_its))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spiffe_ids_name_a_workload() {
        let longest = "a".repeat(MAX_TRUST_DOMAIN_BYTES);
        for id in [
            "spiffe://corp.example/ns/agents/sa/refunds",
            &format!("spiffe://{longest}/x"),
            "spiffe://a_1.b-2/a..b",
        ] {
            assert!(is_spiffe_id(id), "{id}");
        }
        for id in [
            "",
            "spiffe://",
            "spiffe://corp.example",
            "spiffe://corp.example/",
            "spiffe://Corp.example/x",
            "spiffe://corp.example:1/x",
            "spiffe://u@corp.example/x",
            "spiffe://corp.example/a//b",
            "spiffe://corp.example/../b",
            "spiffe://corp.example/a?b",
            "spiffe://corp.example/%61",
            "SPIFFE://corp.example/x",
            "https://corp.example/x",
            &format!("spiffe://{longest}a/x"),
            &format!("spiffe://corp.example/{}", "a".repeat(MAX_SPIFFE_BYTES)),
        ] {
            assert!(!is_spiffe_id(id), "{id}");
        }
    }

    #[test]
    fn names_that_name_one_host_are_taken() {
        for name in ["refunds.corp.example", "a", "x_1.example"] {
            assert!(is_dns_name(name), "{name}");
        }
        for name in ["", "*.corp.example", "a..b", "10.0.0.1", "a b", "a\u{1b}[2J", &"a".repeat(64), ".a"] {
            assert!(!is_dns_name(name), "{name}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..512)) {
            let _ = peer_certificate(&[CertificateDer::from(bytes)]);
        }
    }
}
