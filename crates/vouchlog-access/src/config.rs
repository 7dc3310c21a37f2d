//! The access file: who may call, how each is recognised, and what each may do. JSON, and strict: an unknown member is an error.
//!
//! ```json
//! { "principals": [
//!     { "name": "support-app", "tokens": [{ "sha256": "<64 hex digits>", "expires": "2027-03-01T00:00:00Z" }],
//!       "emit": { "services": ["support-*"] } },
//!     { "name": "issuer", "oidc": [{ "issuer": "https://idp.example.com", "client_id": "token-service" }],
//!       "emit": { "kinds": ["credential-event"] } },
//!     { "name": "ops", "certificates": ["spiffe://example.com/ops", "dns:ops.example.com"], "roles": ["administer"] } ],
//!   "issuers": [{ "issuer": "https://idp.example.com", "audience": "https://log.example.com", "algorithms": ["ES256"] }],
//!   "anonymous": { "roles": ["read"] } }
//! ```

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use thiserror::Error;
use url::Url;
use vouchlog_outbound::{ConnectionSecurity, Reach};

use crate::algorithm::SignatureAlgorithm;
use crate::client::SignInClient;
use crate::grants::{EmitGrants, Role};
use crate::limits::{
    CLOCK_SKEW, MAX_CLOCK_SKEW, MAX_FILE_BYTES, MAX_ISSUERS, MAX_NAME_BYTES, MAX_PRINCIPALS, MAX_TOKENS,
};
use crate::principal::{ANONYMOUS, BEARER};

/// Why an access file is refused. No variant contains a secret: the file has none.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// It is too long.
    #[error("the access file has more than {MAX_FILE_BYTES} bytes")]
    TooLong,
    /// It is not JSON of this form.
    #[error("the access file cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    /// It contradicts itself, or names something that cannot be.
    #[error("{0}")]
    Wrong(String),
}

/// An access file that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessFile {
    pub(crate) principals: Vec<PrincipalEntry>,
    pub(crate) issuers: Vec<Issuer>,
    pub(crate) anonymous: AnonymousEntry,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    principals: Vec<PrincipalEntry>,
    #[serde(default)]
    issuers: Vec<IssuerEntry>,
    #[serde(default)]
    anonymous: AnonymousEntry,
}

/// A principal as the file has it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PrincipalEntry {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) tokens: Vec<TokenEntry>,
    #[serde(default)]
    pub(crate) oidc: Vec<SubjectEntry>,
    #[serde(default)]
    pub(crate) certificates: Vec<String>,
    #[serde(default)]
    pub(crate) roles: BTreeSet<Role>,
    pub(crate) emit: Option<EmitGrants>,
}

/// A static token, by its digest.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenEntry {
    #[serde(deserialize_with = "digest")]
    pub(crate) sha256: [u8; 32],
    pub(crate) expires: Option<Timestamp>,
}

/// 64 hexadecimal digits.
fn digest<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
    let text = String::deserialize(deserializer)?;
    let mut digest = [0; 32];
    match hex::decode_to_slice(&text, &mut digest) {
        Ok(()) => Ok(digest),
        Err(_) => {
            Err(D::Error::custom("a token's sha256 has 64 hexadecimal digits: `vouchlog token` prints it"))
        }
    }
}

/// Whom a provider's token is about: exactly one of `sub`, `client_id` and `group`, and scopes that it must have.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SubjectEntry {
    pub(crate) issuer: String,
    pub(crate) sub: Option<String>,
    pub(crate) client_id: Option<String>,
    pub(crate) group: Option<String>,
    #[serde(default)]
    pub(crate) scopes: Vec<String>,
}

/// What callers may do that are not authenticated. By default they read what is public.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AnonymousEntry {
    #[serde(default)]
    pub(crate) roles: BTreeSet<Role>,
    pub(crate) emit: Option<EmitGrants>,
}

impl Default for AnonymousEntry {
    fn default() -> Self {
        Self { roles: BTreeSet::from([Role::Read]), emit: None }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IssuerEntry {
    issuer: String,
    audience: String,
    algorithms: Vec<SignatureAlgorithm>,
    clock_skew_seconds: Option<u64>,
    #[serde(default)]
    allow_private_addresses: bool,
    sign_in: Option<SignInClient>,
}

/// An identity provider whose tokens are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Issuer {
    pub(crate) issuer: String,
    pub(crate) audience: String,
    pub(crate) algorithms: Vec<SignatureAlgorithm>,
    pub(crate) clock_skew: Duration,
    /// How far its URLs may lead.
    pub(crate) reach: Reach,
    /// The client as which people sign in to a vault's console there, if they may.
    pub(crate) sign_in: Option<SignInClient>,
}

impl AccessFile {
    /// Reads a file.
    pub fn parse(bytes: &[u8]) -> Result<Self, ConfigError> {
        if bytes.len() > MAX_FILE_BYTES {
            return Err(ConfigError::TooLong);
        }
        let File { principals, issuers, anonymous } = serde_json::from_slice(bytes)?;
        let issuers = issuers.into_iter().map(Issuer::try_from).collect::<Result<Vec<_>, _>>()?;
        let file = Self { principals, issuers, anonymous };
        file.check()?;
        Ok(file)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let tokens = || self.principals.iter().flat_map(|principal| &principal.tokens);
        for (what, count, limit) in [
            ("principals", self.principals.len(), MAX_PRINCIPALS),
            ("tokens", tokens().count(), MAX_TOKENS),
            ("issuers", self.issuers.len(), MAX_ISSUERS),
        ] {
            if count > limit {
                return wrong(format!("the access file has {count} {what}; at most {limit} are allowed"));
            }
        }
        unique("the issuer", self.issuers.iter().map(|issuer| issuer.issuer.as_str()))?;
        unique("the principal", self.principals.iter().map(|principal| principal.name.as_str()))?;
        let certificates = self.principals.iter().flat_map(|principal| &principal.certificates);
        unique("the certificate name", certificates.map(String::as_str))?;
        let digests: Vec<String> = tokens().map(|token| hex::encode(token.sha256)).collect();
        unique("the token", digests.iter().map(String::as_str))?;
        let subjects = self.principals.iter().flat_map(|principal| &principal.oidc);
        let subjects: Vec<String> = subjects.map(|subject| format!("{subject:?}")).collect();
        unique("the subject", subjects.iter().map(String::as_str))?;
        self.principals.iter().try_for_each(|principal| self.check_principal(principal))
    }

    fn check_principal(&self, principal: &PrincipalEntry) -> Result<(), ConfigError> {
        let name = &principal.name;
        let is_plain = |c: u8| c.is_ascii_alphanumeric() || b"-_.:/@+".contains(&c);
        if name.is_empty() || name.len() > MAX_NAME_BYTES || !name.bytes().all(is_plain) {
            return wrong(format!(
                "{name:?} cannot be the name of a principal: use 1 to {MAX_NAME_BYTES} letters, digits and -_.:/@+"
            ));
        }
        if [ANONYMOUS, BEARER].contains(&name.as_str()) {
            return wrong(format!("the name {name} is reserved"));
        }
        if principal.tokens.is_empty() && principal.oidc.is_empty() && principal.certificates.is_empty() {
            return wrong(format!("{name} cannot be recognised: give it tokens, oidc or certificates"));
        }
        for subject in &principal.oidc {
            let named = [&subject.sub, &subject.client_id, &subject.group];
            let named = named.into_iter().flatten().filter(|value| !value.is_empty()).count();
            if named != 1 {
                return wrong(format!("{name}: name a subject by one of sub, client_id and group"));
            }
            if !self.issuers.iter().any(|issuer| issuer.issuer == subject.issuer) {
                return wrong(format!("{name}: {} is not among the issuers", subject.issuer));
            }
        }
        for certificate in &principal.certificates {
            let dns =
                certificate.strip_prefix("dns:").is_some_and(|name| !name.is_empty() && !name.contains('*'));
            let spiffe = certificate
                .strip_prefix("spiffe://")
                .is_some_and(|id| !id.is_empty() && !id.starts_with('/'));
            if !dns && !spiffe {
                return wrong(format!("{name}: {certificate:?} is neither spiffe://… nor dns:…"));
            }
        }
        Ok(())
    }
}

impl TryFrom<IssuerEntry> for Issuer {
    type Error = ConfigError;

    fn try_from(entry: IssuerEntry) -> Result<Self, ConfigError> {
        let IssuerEntry { issuer, audience, algorithms, sign_in, .. } = entry;
        let IssuerEntry { clock_skew_seconds, allow_private_addresses, .. } = entry;
        let reach = if allow_private_addresses { Reach::Anywhere } else { Reach::Public };
        let Some(url) = issuer.parse().ok().filter(is_safe) else {
            return wrong(format!("the issuer {issuer} is not an https URL (http is for loopback only)"));
        };
        if let Err(error) = reach.check(&url) {
            return wrong(format!(
                "the issuer {issuer}: {error}; allow it with \"allow_private_addresses\": true"
            ));
        }
        if audience.is_empty() || algorithms.is_empty() {
            return wrong(format!("the issuer {issuer} needs an audience and algorithms"));
        }
        let clock_skew = clock_skew_seconds.map_or(CLOCK_SKEW, Duration::from_secs);
        if clock_skew > MAX_CLOCK_SKEW {
            let most = MAX_CLOCK_SKEW.as_secs();
            return wrong(format!("the issuer {issuer}: clock_skew_seconds is at most {most}"));
        }
        if let Some(Err(why)) = sign_in.as_ref().map(|client| client.check(is_safe)) {
            return wrong(format!("sign_in of the issuer {issuer}: {why}"));
        }
        Ok(Self { issuer, audience, algorithms, clock_skew, reach, sign_in })
    }
}

/// Whether keys may be fetched from there: nobody on the way may replace them, whatever other connections are allowed.
pub(crate) fn is_safe(url: &Url) -> bool {
    let is_plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    let is_http = matches!(url.scheme(), "http" | "https") && url.has_host();
    is_plain && is_http && ConnectionSecurity::default().check(url).is_ok()
}

fn unique<'a>(what: &str, names: impl Iterator<Item = &'a str>) -> Result<(), ConfigError> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            return wrong(format!("{what} {name} occurs twice"));
        }
    }
    Ok(())
}

fn wrong<T>(why: String) -> Result<T, ConfigError> {
    Err(ConfigError::Wrong(why))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn parse(file: &Value) -> Result<AccessFile, ConfigError> {
        AccessFile::parse(file.to_string().as_bytes())
    }

    fn principal(more: &Value) -> Value {
        let mut entry = json!({ "name": "a", "tokens": [{ "sha256": "00".repeat(32) }] });
        entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "principals": [entry], "issuers": [{ "issuer": "https://idp.example", "audience": "x", "algorithms": ["ES256"] }] })
    }

    #[test]
    fn what_is_left_out_grants_nothing() {
        let file = parse(&principal(&json!({ "emit": { "services": ["a-*"] } }))).unwrap();
        assert!(file.principals[0].roles.is_empty());
        let emit = file.principals[0].emit.as_ref().unwrap();
        assert!(
            emit.services.matches("a-b") && !emit.services.matches("b") && emit.seal == Default::default()
        );
        assert_eq!(file.anonymous, AnonymousEntry { roles: BTreeSet::from([Role::Read]), emit: None });
        assert_eq!(file.issuers[0].clock_skew, CLOCK_SKEW);
        let nobody = json!({ "principals": [], "anonymous": {} });
        assert!(parse(&nobody).unwrap().anonymous.roles.is_empty());
    }

    #[test]
    fn a_mistake_is_an_error_and_never_a_grant() {
        assert!(parse(&principal(&json!({}))).is_ok());
        for more in [
            json!({ "role": ["read"] }),
            json!({ "roles": ["root"] }),
            json!({ "roles": "read" }),
            json!({ "emit": { "service": ["a"] } }),
            json!({ "emit": { "services": ["*a"] } }),
            json!({ "emit": { "kinds": ["heartbeat"] } }),
            json!({ "emit": { "kinds": ["declared-loss"] } }),
            json!({ "emit": { "kinds": ["session-seal"] } }),
            json!({ "name": "" }),
            json!({ "name": "anonymous" }),
            json!({ "name": "bearer-token" }),
            json!({ "name": "a b" }),
            json!({ "name": "a\u{200b}" }),
            json!({ "name": "a".repeat(MAX_NAME_BYTES + 1) }),
            json!({ "tokens": [] }),
            json!({ "tokens": [{ "sha256": "00" }] }),
            json!({ "tokens": [{ "sha256": "00".repeat(32), "expires": "soon" }] }),
            json!({ "tokens": [{ "sha256": "00".repeat(32) }, { "sha256": "00".repeat(32) }] }),
            json!({ "oidc": [{ "issuer": "https://idp.example" }] }),
            json!({ "oidc": [{ "issuer": "https://idp.example", "sub": "a", "group": "b" }] }),
            json!({ "oidc": [{ "issuer": "https://other.example", "sub": "a" }] }),
            json!({ "oidc": [{ "issuer": "https://idp.example", "sub": "" }] }),
            json!({ "certificates": ["CN=a"] }),
            json!({ "certificates": ["dns:*.example"] }),
            json!({ "certificates": ["spiffe:///a"] }),
            json!({ "certificates": ["dns:a", "dns:a"] }),
        ] {
            assert!(parse(&principal(&more)).is_err(), "{more}");
        }
        let twice = principal(&json!({}));
        let both = json!({ "principals": [twice["principals"][0], twice["principals"][0]] });
        assert!(parse(&both).is_err());
        let text = br#"{"principals":[],"principals":[]}"#;
        assert!(AccessFile::parse(text).is_err(), "a member twice");
        assert!(matches!(AccessFile::parse(&vec![b' '; MAX_FILE_BYTES + 1]), Err(ConfigError::TooLong)));
    }

    #[test]
    fn keys_come_over_tls_or_from_this_machine() {
        for (url, expected) in [
            ("https://idp.example/realm", true),
            ("http://127.0.0.1:9400", true),
            ("http://[::1]:9400", true),
            ("http://localhost:9400", true),
            ("http://idp.example", false),
            ("http://127.0.0.1.example", false),
            ("https://user:secret@idp.example", false),
            ("https://idp.example/#a", false),
            ("file:///etc/passwd", false),
            ("idp.example", false),
            ("https://10.0.0.1", false),
            ("https://169.254.169.254", false),
        ] {
            let issuer = json!({ "principals": [], "issuers": [{ "issuer": url, "audience": "x", "algorithms": ["RS256"] }] });
            assert_eq!(parse(&issuer).is_ok(), expected, "{url}");
        }
        let private = json!({ "principals": [], "issuers": [{ "issuer": "https://10.0.0.1", "audience": "x",
            "algorithms": ["RS256"], "allow_private_addresses": true }] });
        assert_eq!(parse(&private).unwrap().issuers[0].reach, Reach::Anywhere);
        for algorithms in [json!([]), json!(["none"]), json!(["HS256"]), json!(["rs256"])] {
            let issuer = json!({ "principals": [],
                "issuers": [{ "issuer": "https://idp.example", "audience": "x", "algorithms": algorithms }] });
            assert!(parse(&issuer).is_err(), "{algorithms}");
        }
    }

    proptest! {
        #[test]
        fn no_file_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = AccessFile::parse(&bytes);
        }
    }
}
