//! The public key that key services hand out: an X.509 `SubjectPublicKeyInfo` of Ed25519 (RFC 8410), in DER or PEM.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use vouchlog_note::SignerError;

/// SEQUENCE { SEQUENCE { OID 1.3.101.112 }, BIT STRING of 32 bytes }: for this algorithm every byte before the key is fixed.
const PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// The 32 bytes of the key.
pub(crate) fn from_der(der: &[u8]) -> Result<[u8; 32], SignerError> {
    let key = der.strip_prefix(&PREFIX).and_then(|key| key.try_into().ok());
    key.ok_or_else(|| SignerError::new("its key is not an Ed25519 key"))
}

/// The 32 bytes of the key.
#[cfg(feature = "gcp-kms")]
pub(crate) fn from_pem(pem: &str) -> Result<[u8; 32], SignerError> {
    let body = pem.trim().strip_prefix("-----BEGIN PUBLIC KEY-----");
    let body = body.and_then(|body| body.strip_suffix("-----END PUBLIC KEY-----"));
    let base64: Option<String> = body.map(|body| body.split_whitespace().collect());
    let der = base64.and_then(|base64| STANDARD.decode(base64).ok());
    from_der(&der.ok_or_else(|| SignerError::new("its public key is not PEM"))?)
}

/// Decodes the base64 of a service's answer.
pub(crate) fn decoded(what: &str, base64: &str) -> Result<Vec<u8>, SignerError> {
    STANDARD.decode(base64).map_err(|_| SignerError::new(format!("its {what} is not base64")))
}

/// Decodes the base64 of a service's answer into as many bytes as are expected.
pub(crate) fn bytes<const N: usize>(what: &str, base64: &str) -> Result<[u8; N], SignerError> {
    let decoded = decoded(what, base64)?.try_into().ok();
    decoded.ok_or_else(|| SignerError::new(format!("its {what} is not base64 of {N} bytes")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ed25519_key_is_read_and_no_other() {
        // RFC 8410 section 10.1.
        let rfc = "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=";
        let der = STANDARD.decode(rfc).unwrap();
        let key = from_der(&der).unwrap();
        assert_eq!(key[..2], [0x19, 0xbf]);
        #[cfg(feature = "gcp-kms")]
        {
            let pem = format!(
                "-----BEGIN PUBLIC KEY-----\n{}\n{}\n-----END PUBLIC KEY-----\n",
                &rfc[..30],
                &rfc[30..]
            );
            assert_eq!(from_pem(&pem), Ok(key));
            assert!(from_pem(rfc).is_err());
        }
        assert!(
            from_der(&der[1..]).is_err()
                && from_der(&[&der[..], &[0]].concat()).is_err()
                && from_der(&[]).is_err()
        );
        let x25519 = [&PREFIX[..8], &[0x6e], &der[9..]].concat();
        assert!(from_der(&x25519).is_err());
    }
}
