//! Goal: a token is taken if, and only if, the provider's key of its id signed it with the one algorithm of that key, for this audience
//! and this time. Method: tokens with one thing wrong.

use std::time::Duration;

use aws_lc_rs::hmac;
use proptest::prelude::*;
use serde_json::{Value, json};
use vouchlog_outbound::ConnectionSecurity;

use super::provider::{Answer, Provider};
use super::sign::{Key, b64, claims};
use super::{NOW, asked, clock, file, names};
use crate::algorithm::SignatureAlgorithm;
use crate::config::Issuer;
use crate::jwks::KeySet;
use crate::jwt::Unverified;
use crate::provider::Pace;
use crate::{Access, Denied, Method, Setup};

/// No waiting between fetches.
const AT_ONCE: Pace = Pace {
    interval: Duration::ZERO,
    refresh_after: Duration::from_secs(3_600),
    stale_after: Duration::from_secs(7_200),
};

fn setup(issuer: &str, algorithms: &[&str]) -> Setup {
    file(&json!({
        "principals": [
            { "name": "collector", "oidc": [{ "issuer": issuer, "client_id": "collector", "scopes": ["append"] }] },
            { "name": "auditors", "oidc": [{ "issuer": issuer, "group": "auditors" }] },
        ],
        "issuers": [{ "issuer": issuer, "audience": "https://log.example", "algorithms": algorithms, "clock_skew_seconds": 30 }],
    }))
}

fn access(setup: &Setup, pace: Pace) -> Access {
    Access::with_pace(setup, clock, pace).unwrap()
}

async fn with(access: &Access, token: &str) -> Result<String, Denied> {
    let principal = asked(access, &format!("Bearer {token}")).await?;
    assert_eq!(principal.method(), Method::Oidc);
    Ok(names(&principal).0.unwrap().to_owned())
}

fn header(algorithm: &str, kid: &str) -> Value {
    json!({ "alg": algorithm, "kid": kid, "typ": "at+jwt" })
}

#[tokio::test]
async fn a_token_of_each_algorithm_is_its_subject() {
    let (ed, ec, rsa) = (Key::ed25519(), Key::p256(), Key::rsa());
    let provider = Provider::start(&[
        ed.jwk("ed", &json!({ "alg": "EdDSA", "use": "sig" })),
        ec.jwk("ec", &json!({ "use": "sig" })),
        rsa.jwk("rsa", &json!({})),
        // What else sets have: keys to encrypt with, shared secrets, curves of the future.
        rsa.jwk("enc", &json!({ "use": "enc" })),
        json!({ "kty": "oct", "kid": "oct", "k": b64("secret") }),
        json!({ "kty": "AKP", "kid": "pq", "alg": "ML-DSA-44", "pub": "AA" }),
        json!({ "kty": "OKP", "crv": "X25519", "kid": "x", "x": b64([7; 32]) }),
    ])
    .await;
    let access = access(&setup(&provider.issuer, &["EdDSA", "ES256", "RS256", "PS256"]), AT_ONCE);
    let good = claims(&provider.issuer, &json!({}));
    for (key, algorithm, kid) in
        [(&ed, "EdDSA", "ed"), (&ec, "ES256", "ec"), (&rsa, "RS256", "rsa"), (&rsa, "PS256", "rsa")]
    {
        let token = key.token(&header(algorithm, kid), &good);
        assert_eq!(with(&access, &token).await.as_deref(), Ok("collector"), "{algorithm}");
    }
    assert_eq!(provider.fetches(), 1, "one set for all");
    let person = claims(
        &provider.issuer,
        &json!({ "client_id": "console", "groups": ["auditors"], "aud": ["x", "https://log.example"] }),
    );
    assert_eq!(with(&access, &ed.token(&header("EdDSA", "ed"), &person)).await.as_deref(), Ok("auditors"));
    let stranger = claims(&provider.issuer, &json!({ "client_id": "other" }));
    assert!(with(&access, &ed.token(&header("EdDSA", "ed"), &stranger)).await.unwrap_err().is_forbidden());
    let no_scope = claims(&provider.issuer, &json!({ "scope": "read" }));
    assert!(with(&access, &ed.token(&header("EdDSA", "ed"), &no_scope)).await.unwrap_err().is_forbidden());
}

#[tokio::test]
async fn a_token_with_one_thing_wrong_is_refused() {
    let (ed, rsa, thief) = (Key::ed25519(), Key::rsa(), Key::ed25519());
    let provider =
        Provider::start(&[ed.jwk("ed", &json!({})), rsa.jwk("rsa", &json!({ "alg": "RS256" }))]).await;
    let issuer = provider.issuer.as_str();
    let access = access(&setup(issuer, &["EdDSA", "RS256"]), AT_ONCE);
    let good = claims(issuer, &json!({}));
    assert!(with(&access, &ed.token(&header("EdDSA", "ed"), &good)).await.is_ok());
    for (more, expected) in [
        (json!({ "exp": NOW - 30 }), Denied::Expired),
        (json!({ "exp": NOW - 3_600 }), Denied::Expired),
        (json!({ "nbf": NOW + 31 }), Denied::Invalid("it is not valid yet")),
        (json!({ "aud": "https://other.example" }), Denied::Invalid("it is for another audience")),
        (json!({ "aud": ["https://log.example.evil"] }), Denied::Invalid("it is for another audience")),
        (json!({ "iss": "https://other.example" }), Denied::Invalid("it is of another issuer")),
        (json!({ "exp": null }), Denied::Invalid("its claims cannot be read")),
        (json!({ "exp": "2030" }), Denied::Invalid("its claims cannot be read")),
        (json!({ "aud": null }), Denied::Invalid("its claims cannot be read")),
        (json!({ "iss": null }), Denied::Invalid("it names no issuer")),
    ] {
        let token = ed.token(&header("EdDSA", "ed"), &claims(issuer, &more));
        assert_eq!(with(&access, &token).await, Err(expected), "{more}");
    }
    // Within the difference of clocks.
    for more in [json!({ "exp": NOW - 29 }), json!({ "nbf": NOW + 30 }), json!({ "exp": NOW as f64 + 0.5 })] {
        assert!(
            with(&access, &ed.token(&header("EdDSA", "ed"), &claims(issuer, &more))).await.is_ok(),
            "{more}"
        );
    }
    let token = |header: Value| ed.token(&header, &good);
    for (token, why) in [
        (thief.token(&header("EdDSA", "ed"), &good), "another key's signature"),
        (token(header("EdDSA", "unknown")), "an unknown key"),
        (token(json!({ "alg": "EdDSA" })), "no key id, and two keys"),
        (token(header("Ed25519", "ed")), "the name of the algorithm by RFC 9864"),
        (token(header("ES256", "ed")), "an algorithm that is not allowed"),
        (token(header("RS256", "ed")), "an algorithm of another key"),
        (rsa.token(&header("PS256", "rsa"), &good), "another algorithm of the same family"),
        (token(header("none", "ed")), "none"),
        (token(header("None", "ed")), "none, spelt otherwise"),
        (token(json!({ "alg": "EdDSA", "kid": "ed", "typ": "dpop+jwt" })), "a proof of possession"),
        (token(json!({ "alg": "EdDSA", "kid": "ed", "crit": ["exp"] })), "an extension"),
        (token(json!({ "alg": "EdDSA", "kid": "ed", "b64": false, "crit": ["b64"] })), "RFC 7797"),
        (token(json!({ "alg": 7, "kid": "ed" })), "no algorithm"),
    ] {
        assert!(matches!(with(&access, &token).await, Err(Denied::Invalid(_))), "{why}");
    }
    // An empty signature, a shared secret that everyone knows, claims that were changed, and a tail.
    let (head, body) = (b64(header("none", "ed").to_string()), b64(good.to_string()));
    let signed = ed.token(&header("EdDSA", "ed"), &good);
    let (kept, signature) = signed.rsplit_once('.').unwrap();
    let other = b64(claims(issuer, &json!({ "client_id": "root" })).to_string());
    let mut bad =
        vec![format!("{head}.{body}."), format!("{}.{other}.{signature}", kept.split('.').next().unwrap())];
    bad.extend([
        format!("{kept}."),
        format!("{signed}A"),
        format!("{signed}.x"),
        "a.b.c".to_owned(),
        "..".to_owned(),
    ]);
    for (kid, key) in [("rsa", &rsa), ("ed", &ed)] {
        let signing = format!("{}.{body}", b64(header("HS256", kid).to_string()));
        let secret = hmac::Key::new(hmac::HMAC_SHA256, &key.public_bytes());
        bad.push(format!("{signing}.{}", b64(hmac::sign(&secret, signing.as_bytes()))));
    }
    for token in bad {
        assert!(matches!(with(&access, &token).await, Err(Denied::Invalid(_))), "{token}");
    }
}

#[tokio::test]
async fn keys_are_rotated_and_withdrawn() {
    let (old, new) = (Key::ed25519(), Key::p256());
    let provider = Provider::start(&[old.jwk("old", &json!({}))]).await;
    let access = access(&setup(&provider.issuer, &["EdDSA", "ES256"]), AT_ONCE);
    let good = claims(&provider.issuer, &json!({}));
    let (by_old, by_new) =
        (old.token(&header("EdDSA", "old"), &good), new.token(&header("ES256", "new"), &good));
    assert!(with(&access, &by_old).await.is_ok());
    assert!(with(&access, &by_new).await.is_err());
    provider.has_keys(&[old.jwk("old", &json!({})), new.jwk("new", &json!({}))]);
    assert!(with(&access, &by_new).await.is_ok());
    assert!(with(&access, &by_old).await.is_ok());
    // Withdrawn: the next fetch, here by a key that nobody has, forgets it.
    provider.has_keys(&[new.jwk("new", &json!({}))]);
    let unknown = new.token(&header("ES256", "newer"), &good);
    assert!(with(&access, &unknown).await.is_err());
    assert!(with(&access, &by_old).await.is_err());
    assert!(with(&access, &by_new).await.is_ok());
}

#[tokio::test]
async fn unknown_keys_do_not_make_a_server_ask_without_bound() {
    let key = Key::ed25519();
    let provider = Provider::start(&[key.jwk("ed", &json!({}))]).await;
    let pace = Pace { interval: Duration::from_secs(3_600), ..AT_ONCE };
    let access = access(&setup(&provider.issuer, &["EdDSA"]), pace);
    let good = claims(&provider.issuer, &json!({}));
    let asking = (0..50).map(|n| {
        let token = key.token(&header("EdDSA", &format!("unknown-{n}")), &good);
        let access = access.clone();
        tokio::spawn(async move { asked(&access, &format!("Bearer {token}")).await })
    });
    for asking in asking.collect::<Vec<_>>() {
        assert_eq!(asking.await.unwrap(), Err(Denied::Invalid("the issuer has no such key")));
    }
    assert!(with(&access, &key.token(&header("EdDSA", "ed"), &good)).await.is_ok());
    assert_eq!(provider.fetches(), 1);
}

#[tokio::test]
async fn while_the_provider_is_away_known_keys_do_and_unknown_ones_do_not() {
    let key = Key::ed25519();
    let provider = Provider::start(&[key.jwk("ed", &json!({}))]).await;
    // Every request would refresh.
    let pace = Pace { refresh_after: Duration::ZERO, ..AT_ONCE };
    let patient = access(&setup(&provider.issuer, &["EdDSA"]), pace);
    let token = key.token(&header("EdDSA", "ed"), &claims(&provider.issuer, &json!({})));
    assert!(with(&patient, &token).await.is_ok());
    provider.answers_keys(Answer::Nothing);
    assert!(with(&patient, &token).await.is_ok(), "the keys are kept");
    let impatient =
        access(&setup(&provider.issuer, &["EdDSA"]), Pace { stale_after: Duration::ZERO, ..pace });
    let denied = with(&impatient, &token).await.unwrap_err();
    assert!(denied == Denied::Unavailable && denied.is_passing());
}

#[tokio::test]
async fn a_provider_that_answers_nonsense_gives_no_keys() {
    let key = Key::ed25519();
    let jwk = key.jwk("ed", &json!({}));
    let provider = Provider::start(std::slice::from_ref(&jwk)).await;
    let issuer = provider.issuer.clone();
    let keys = format!("{issuer}/jwks");
    let token = key.token(&header("EdDSA", "ed"), &claims(&issuer, &json!({})));
    let refused = async |why: &str| {
        let fresh = access(&setup(&issuer, &["EdDSA"]), AT_ONCE);
        assert_eq!(with(&fresh, &token).await, Err(Denied::Unavailable), "{why}");
    };
    for (discovery, why) in [
        (Answer::Json(json!({ "issuer": "https://other.example", "jwks_uri": keys })), "another issuer"),
        (Answer::Json(json!({ "issuer": format!("{issuer}/"), "jwks_uri": keys })), "not exactly the issuer"),
        (
            Answer::Json(json!({ "issuer": issuer, "jwks_uri": "http://keys.example/jwks" })),
            "keys in plain text",
        ),
        (Answer::Json(json!({ "issuer": issuer, "jwks_uri": "file:///etc/passwd" })), "a file"),
        (Answer::Json(json!({ "issuer": issuer, "jwks_uri": "https://10.0.0.1/jwks" })), "a private address"),
        (Answer::Json(json!({ "issuer": issuer })), "no keys"),
        (
            Answer::Raw(format!(
                "HTTP/1.1 302 Found\r\nlocation: {keys}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            )),
            "a redirect",
        ),
        (
            Answer::Raw("HTTP/1.1 500 Oops\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".into()),
            "an error",
        ),
    ] {
        provider.answers_discovery(discovery);
        refused(why).await;
    }
    provider.answers_discovery(Answer::Json(json!({ "issuer": issuer, "jwks_uri": keys })));
    let long = "x".repeat(300 * 1024);
    for (answer, why) in [
        (Answer::Json(json!({ "keys": [], "padding": long })), "too long"),
        (Answer::Json(json!({ "keys": vec![jwk.clone(); 65] })), "too many"),
        (Answer::Json(json!({ "keys": [jwk, key.jwk("ed", &json!({ "alg": "EdDSA" }))] })), "an id twice"),
        (Answer::Json(json!([])), "no set"),
    ] {
        provider.answers_keys(answer);
        refused(why).await;
    }
}

/// A provider inside a company has a certificate of the company's own authority.
#[tokio::test]
async fn a_provider_is_trusted_by_the_authorities_of_every_connection() {
    let key = Key::ed25519();
    let (provider, authority) = Provider::start_tls(&[key.jwk("ed", &json!({}))]).await;
    let token = key.token(&header("EdDSA", "ed"), &claims(&provider.issuer, &json!({})));
    let stranger = setup(&provider.issuer, &["EdDSA"]);
    let trusting = |authority: String| {
        let security = ConnectionSecurity { authorities: Some(authority), ..ConnectionSecurity::default() };
        Setup { security, ..stranger.clone() }
    };
    let access = access(&stranger, AT_ONCE);
    assert_eq!(with(&access, &token).await, Err(Denied::Unavailable));
    assert!(access.replace(&trusting("no certificate".into())).is_err());
    assert_eq!(with(&access, &token).await, Err(Denied::Unavailable), "nothing changed");
    access.replace(&trusting(authority)).unwrap();
    assert_eq!(with(&access, &token).await, Ok("collector".to_owned()));
}

proptest! {
    #[test]
    fn no_token_and_no_key_set_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "[-_.a-zA-Z0-9]{0,120}") {
        let _ = Unverified::parse(&text).is_ok();
        let wrapped = format!("{}.{}.{text}", b64(&bytes), b64(&bytes));
        let _ = Unverified::parse(&wrapped).is_ok();
        let _ = KeySet::parse(&bytes).is_some();
        let set = json!({ "keys": [{ "kty": "RSA", "n": text, "e": b64(&bytes) }, { "kty": "EC", "crv": "P-256", "x": text, "y": text },
            { "kty": "OKP", "crv": "Ed25519", "x": text }] });
        let _ = KeySet::parse(set.to_string().as_bytes()).is_some();
    }

    /// A key whose bytes are none verifies nothing, and does not panic where it is used.
    #[test]
    fn a_key_of_nonsense_verifies_nothing(bytes in prop::collection::vec(any::<u8>(), 31..34)) {
        let set = json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": "k", "x": b64(&bytes) }] });
        let Some(keys) = KeySet::parse(set.to_string().as_bytes()) else { return Ok(()) };
        let token = Key::ed25519().token(&header("EdDSA", "k"), &claims("https://idp.example", &json!({})));
        let token = Unverified::parse(&token).unwrap();
        let issuer = Issuer {
            issuer: "https://idp.example".into(),
            audience: "https://log.example".into(),
            algorithms: vec![SignatureAlgorithm::EdDSA],
            clock_skew: Duration::ZERO,
            reach: vouchlog_outbound::Reach::Public,
            sign_in: None,
        };
        if let Some(key) = token.key(&keys) {
            prop_assert!(token.verify(key, &issuer, &issuer.audience, clock()).is_err());
        }
    }
}
