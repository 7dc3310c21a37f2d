//! AWS Signature Version 4, for the one kind of request that KMS takes.

use aws_lc_rs::hmac::{self, HMAC_SHA256, Key, Tag};
use vouchlog_merkle::sha256;
use vouchlog_note::SignerError;
use vouchlog_runtime::UnixMillis;

use super::credentials::Credentials;

const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

/// A POST of JSON to the path `/`.
pub(super) struct Request<'a> {
    pub(super) host: &'a str,
    pub(super) target: &'a str,
    pub(super) body: &'a [u8],
    pub(super) region: &'a str,
}

impl Request<'_> {
    /// The headers that the request needs, its signature included.
    pub(super) fn sign(
        &self,
        credentials: &Credentials,
        now: UnixMillis,
    ) -> Result<Vec<(&'static str, String)>, SignerError> {
        let now = jiff::Timestamp::from_millisecond(now.signed());
        let now = now.map_err(|_| SignerError::new("the clock shows no time that can be written"))?;
        let (date, day) = (now.strftime("%Y%m%dT%H%M%SZ").to_string(), now.strftime("%Y%m%d").to_string());

        // In the order of their names, as the signature has them.
        let mut headers = vec![
            ("content-type", CONTENT_TYPE.to_owned()),
            ("host", self.host.to_owned()),
            ("x-amz-date", date.clone()),
        ];
        headers.extend(credentials.token.as_ref().map(|token| ("x-amz-security-token", token.to_string())));
        headers.push(("x-amz-target", self.target.to_owned()));
        let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");
        let lines: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let body = hex::encode(sha256(self.body).as_bytes());
        let canonical = format!("POST\n/\n\n{lines}\n{names}\n{body}");

        let scope = format!("{day}/{}/kms/aws4_request", self.region);
        let canonical = hex::encode(sha256(canonical.as_bytes()).as_bytes());
        let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{canonical}");
        let key = signing_key(&credentials.secret, &day, self.region, "kms");
        let signature = hex::encode(mac(key.as_ref(), &to_sign));
        let id = &credentials.id;
        headers.push((
            "authorization",
            format!("AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}"),
        ));
        Ok(headers)
    }
}

fn mac(key: &[u8], message: &str) -> Tag {
    hmac::sign(&Key::new(HMAC_SHA256, key), message.as_bytes())
}

fn signing_key(secret: &str, day: &str, region: &str, service: &str) -> Tag {
    let secret = zeroize::Zeroizing::new(format!("AWS4{secret}"));
    [region, service, "aws4_request"]
        .into_iter()
        .fold(mac(secret.as_bytes(), day), |key, part| mac(key.as_ref(), part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signing_key_is_the_one_of_the_documentation() {
        // "Examples of how to derive a signing key", AWS General Reference.
        let key = signing_key("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "20150830", "us-east-1", "iam");
        assert_eq!(hex::encode(key), "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9");
    }
}
