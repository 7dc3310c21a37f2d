//! The layer as servers ask it: tokens of a file, client certificates, and tokens of an identity provider that the test runs itself.

mod oidc;
mod provider;
mod sign;
mod sign_in;

use http::{HeaderMap, HeaderValue, header};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::token::hash;
use crate::{
    Access, AccessFile, BearerToken, CertificateNames, Denied, Method, Principal, Reach, Role, Setup,
};

/// 2026-11-29T12:00:00Z: the time of every test here.
pub(crate) const NOW: i64 = 1_795_953_600;

fn clock() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

fn headers(authorization: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if !authorization.is_empty() {
        headers.insert(header::AUTHORIZATION, HeaderValue::from_str(authorization).unwrap());
    }
    headers
}

fn file(file: &Value) -> Setup {
    Setup { file: Some(AccessFile::parse(file.to_string().as_bytes()).unwrap()), ..Setup::default() }
}

fn access(setup: &Setup) -> Access {
    Access::new(setup, clock).unwrap()
}

async fn asked(access: &Access, authorization: &str) -> Result<Principal, Denied> {
    access.authenticate(&headers(authorization), None).await
}

fn names(principal: &Principal) -> (Option<&str>, Method) {
    (principal.name(), principal.method())
}

const SECRET: &str = "vlt_0123456789abcdef0123456789abcdef";
const OTHER: &str = "vlt_fedcba9876543210fedcba9876543210";

fn two() -> Value {
    json!({ "principals": [
        { "name": "a", "tokens": [{ "sha256": hex::encode(hash(SECRET.as_bytes())), "expires": "2026-11-29T12:00:01Z" }],
          "certificates": ["spiffe://corp.example/a", "dns:a.example"], "roles": ["submit"] },
        { "name": "b", "tokens": [{ "sha256": hex::encode(hash(OTHER.as_bytes())), "expires": "2026-11-29T12:00:00Z" }],
          "certificates": ["dns:b.example"], "roles": ["administer"] },
    ] })
}

#[tokio::test]
async fn a_token_is_its_principal_until_it_expires() {
    let access = access(&file(&two()));
    assert_eq!(
        names(&asked(&access, &format!("Bearer {SECRET}")).await.unwrap()),
        (Some("a"), Method::Token)
    );
    assert_eq!(
        names(&asked(&access, &format!("bEARER  {SECRET}")).await.unwrap()),
        (Some("a"), Method::Token)
    );
    assert_eq!(asked(&access, &format!("Bearer {OTHER}")).await, Err(Denied::Expired));
    for wrong in [&SECRET[..35], "vlt_", "x", "a.b.c"] {
        let denied = asked(&access, &format!("Bearer {wrong}")).await.unwrap_err();
        assert!(matches!(denied, Denied::Invalid(_)), "{wrong}: {denied}");
        assert!(!denied.to_string().contains(wrong) || wrong == "x");
    }
    for malformed in ["Bearer", "Basic YTpi", SECRET, "Bearer  "] {
        assert_eq!(asked(&access, malformed).await, Err(Denied::Malformed), "{malformed}");
    }
    let mut twice = headers(&format!("Bearer {SECRET}"));
    twice.append(header::AUTHORIZATION, HeaderValue::from_static("Bearer other"));
    assert_eq!(access.authenticate(&twice, None).await, Err(Denied::Malformed));
}

#[tokio::test]
async fn tokens_are_rotated_without_a_restart() {
    let access = access(&file(&two()));
    let clone = access.clone();
    let mut other = two();
    other["principals"][0]["tokens"] = json!([{ "sha256": hex::encode(hash(b"another-token-of-a")) }]);
    access.replace(&file(&other)).unwrap();
    assert!(asked(&clone, &format!("Bearer {SECRET}")).await.is_err());
    assert_eq!(asked(&clone, "Bearer another-token-of-a").await.unwrap().name(), Some("a"));
}

#[tokio::test]
async fn a_certificate_is_the_principal_of_its_names() {
    let access = access(&file(&two()));
    let by = async |spiffe: Option<&str>, dns: &[&str], authorization: &str| {
        let dns = dns.iter().map(|name| (*name).to_owned()).collect();
        let names = CertificateNames { spiffe: spiffe.map(str::to_owned), dns };
        access.authenticate(&headers(authorization), Some(&names)).await
    };
    for (spiffe, dns, expected) in [
        (Some("spiffe://corp.example/a"), &[][..], Some("a")),
        (Some("spiffe://corp.example/a"), &["a.example", "x.example"], Some("a")),
        (None, &["B.Example"], Some("b")),
        (Some("spiffe://corp.example/A"), &[], None),
        (Some("spiffe://corp.example/a/b"), &[], None),
        (None, &["x.a.example"], None),
        // Whose it is cannot be told.
        (Some("spiffe://corp.example/a"), &["b.example"], None),
    ] {
        let principal = by(spiffe, dns, "").await.unwrap();
        assert_eq!(principal.name(), expected, "{spiffe:?} {dns:?}");
        assert_eq!(principal.method() == Method::Certificate, expected.is_some());
    }
    // A token is looked at first, and a wrong one is not saved by the certificate.
    let both = by(None, &["b.example"], &format!("Bearer {SECRET}")).await.unwrap();
    assert_eq!(names(&both), (Some("a"), Method::Token));
    assert!(by(None, &["b.example"], "Bearer wrong").await.is_err());
}

#[tokio::test]
async fn what_nobody_may_do_takes_a_role() {
    let on = access(&file(&two()));
    let nobody = asked(&on, "").await.unwrap();
    assert_eq!(nobody.require(Role::Read), Ok(()));
    assert_eq!(nobody.require(Role::Submit), Err(Denied::Missing));
    assert_eq!(nobody.require_emit().unwrap_err(), Denied::Missing);
    let a = asked(&on, &format!("Bearer {SECRET}")).await.unwrap();
    assert_eq!(
        (a.require(Role::Submit), a.require(Role::Administer)),
        (Ok(()), Err(Denied::Role(Role::Administer)))
    );
    assert!(a.require_emit().unwrap_err().is_forbidden());
    let by_name = CertificateNames { spiffe: None, dns: vec!["b.example".into()] };
    for role in [Role::Administer, Role::Metrics] {
        assert!(on.authorize(&HeaderMap::new(), Some(&by_name), role).await.is_ok());
    }
    let denied = on.authorize(&HeaderMap::new(), None, Role::Metrics).await.unwrap_err();
    assert_eq!((denied, denied.challenge()), (Denied::Missing, "Bearer"));

    for reach in [Reach::Loopback, Reach::Network] {
        let off = Access::off(reach);
        assert!(!off.is_on());
        // A token that nothing can check says nothing.
        let principal = asked(&off, "Bearer whatever").await.unwrap();
        assert_eq!(names(&principal), (None, Method::Anonymous));
        assert!(Role::ALL.iter().all(|role| principal.has(*role)));
        assert_eq!(principal.require_emit().unwrap().seal_own, reach == Reach::Loopback);
    }
}

#[tokio::test]
async fn a_bearer_token_alone_keeps_telemetry_from_others() {
    let bearer = Some(BearerToken::new("0123456789abcdef").unwrap());
    let access = access(&Setup { bearer, reach: Reach::Network, ..Setup::default() });
    let principal = asked(&access, "Bearer 0123456789abcdef").await.unwrap();
    assert_eq!(principal.name(), Some("bearer-token"));
    let emit = principal.require_emit().unwrap();
    assert!(emit.seal_own && emit.services.is_any() && !emit.allows(crate::RecordKind::CredentialEvent));
    let nobody = asked(&access, "").await.unwrap();
    assert_eq!((nobody.require_emit().unwrap_err(), nobody.has(Role::Metrics)), (Denied::Missing, true));
}

#[tokio::test]
async fn decisions_are_counted_and_no_token_is_shown() {
    let access = access(&file(&two()));
    let mut registry = prometheus_client::registry::Registry::default();
    access.register(&mut registry);
    let _ = asked(&access, &format!("Bearer {SECRET}")).await;
    let _ = asked(&access, "Bearer wrong").await;
    let _ = access.authorize(&headers(&format!("Bearer {SECRET}")), None, Role::Witness).await;
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    for line in [
        r#"vouchlog_access_requests_total{method="token",outcome="granted"} 2"#,
        r#"vouchlog_access_requests_total{method="none",outcome="invalid"} 1"#,
        r#"vouchlog_access_requests_total{method="none",outcome="forbidden"} 1"#,
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
    assert!(!text.contains(SECRET) && !format!("{access:?}").contains("vlt_"));
}
