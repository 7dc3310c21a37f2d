//! People who sign in at a provider that the test runs itself: what is asked of it, and what it must answer.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use url::{Url, form_urlencoded};

use super::provider::{Answer, Provider, discovery};
use super::sign::{Key, b64, claims};
use super::{clock, file};
use crate::provider::Pace;
use crate::{Access, AccessFile, Account, Denied, Method, PendingSignIn, Person, Setup, SignInReturn};

const REDIRECT: &str = "https://vault.example/console/sign-in/return";
const SIGNED_OUT: &str = "https://vault.example/console/sign-out/return";

struct World {
    provider: Provider,
    key: Key,
    access: Access,
    setup: Value,
}

/// A sign-in that a browser began, and what the URL that it was sent to has.
struct Begun {
    pending: PendingSignIn,
    url: Url,
    query: BTreeMap<String, String>,
}

impl World {
    async fn start(client: &Value) -> Self {
        let key = Key::p256();
        let provider = Provider::start(&[key.jwk("k", &json!({ "alg": "ES256" }))]).await;
        let issuer = provider.issuer.clone();
        let mut sign_in = json!({ "client_id": "console", "redirect_uri": REDIRECT, "scopes": ["groups"] });
        sign_in.as_object_mut().unwrap().extend(client.as_object().unwrap().clone());
        let setup = json!({
            "principals": [
                { "name": "ada", "oidc": [{ "issuer": issuer, "sub": "u-1" }] },
                { "name": "machine", "oidc": [{ "issuer": issuer, "client_id": "console" }] },
                { "name": "auditors", "oidc": [{ "issuer": issuer, "group": "audit" }] },
            ],
            "issuers": [{ "issuer": issuer, "audience": "https://log.example", "algorithms": ["ES256"], "sign_in": sign_in }],
        });
        let pace = Pace { interval: std::time::Duration::ZERO, ..Pace::default() };
        let access = Access::with_pace(&file(&setup), clock, pace).unwrap();
        Self { provider, key, access, setup }
    }

    async fn begin(&self) -> Begun {
        let (url, pending) = self.access.begin_sign_in(&self.provider.issuer).await.unwrap();
        let url: Url = url.parse().unwrap();
        let query = url.query_pairs().into_owned().collect();
        Begun { pending, url, query }
    }

    /// An ID token for the sign-in, in which members of `more` replace others.
    fn id_token(&self, begun: &Begun, more: &Value) -> String {
        let mut all = claims(
            &self.provider.issuer,
            &json!({ "aud": "console", "sub": "u-7", "groups": ["staff", "audit"],
            "nonce": begun.query["nonce"], "client_id": null, "scope": null }),
        );
        let members = all.as_object_mut().unwrap();
        members.extend(more.as_object().unwrap().clone());
        members.retain(|_, value| !value.is_null());
        self.key.token(&json!({ "alg": "ES256", "kid": "k", "typ": "JWT" }), &all)
    }

    async fn finish(&self, begun: &Begun, query: &str) -> Result<Account, Denied> {
        self.access.finish_sign_in(&begun.pending, &SignInReturn::parse(query).unwrap()).await
    }

    /// What becomes of a sign-in whose ID token has these claims.
    async fn signed_in(&self, more: &Value) -> Result<Account, Denied> {
        let begun = self.begin().await;
        self.provider.answers_codes(Answer::Json(json!({ "id_token": self.id_token(&begun, more) })));
        self.finish(&begun, &format!("code=c&state={}", begun.query["state"])).await
    }
}

#[tokio::test]
async fn a_person_who_signs_in_is_the_principal_of_their_group() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "s&cret:1\n").unwrap();
    let world = World::start(&json!({ "client_secret_file": secret, "name": "Example ID" })).await;
    let places = world.access.sign_in_places();
    assert_eq!((places.len(), places[0].name.as_str()), (1, "Example ID"));
    let begun = world.begin().await;
    let issuer = &world.provider.issuer;
    assert!(begun.url.as_str().starts_with(&format!("{issuer}/authorize?tenant=a&response_type=code&")));
    let is = |name: &str, value: &str| assert_eq!(begun.query[name], value);
    is("client_id", "console");
    is("redirect_uri", REDIRECT);
    is("scope", "openid groups");
    is("code_challenge_method", "S256");
    for random in ["state", "nonce", "code_challenge"] {
        assert_eq!(begun.query[random].len(), 43, "{random}");
    }
    world.provider.answers_codes(Answer::Json(json!({ "id_token": world.id_token(&begun, &json!({})) })));
    let account = world.finish(&begun, &format!("code=a%2Bb&state={}", begun.query["state"])).await.unwrap();
    let principal = world.access.account(&account).unwrap();
    assert_eq!((principal.name(), principal.method()), (Some("auditors"), Method::Oidc));
    assert_eq!(principal.person(), &Person::OfGroup("u-7".into()));

    // What the provider was sent: the code with what proves that the browser began, and the secret in a header alone.
    let [redeemed] = &world.provider.redeemed()[..] else { panic!("redeemed once") };
    let (head, body) = redeemed.split_once("\r\n\r\n").unwrap();
    let form: BTreeMap<String, String> = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    assert_eq!((form["code"].as_str(), form["redirect_uri"].as_str()), ("a+b", REDIRECT));
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, form["code_verifier"].as_bytes());
    assert_eq!(b64(hash), begun.query["code_challenge"]);
    let basic = STANDARD.encode("console:s%26cret%3A1");
    assert!(
        head.to_ascii_lowercase().contains(&format!("authorization: basic {basic}").to_ascii_lowercase()),
        "{head}"
    );
    assert!(!body.contains("cret"), "{body}");

    // A group that is taken out of the file is out with the next request, and so is the client.
    for (at, value) in [("/principals/2/oidc/0/group", "others"), ("/issuers/0/sign_in/client_id", "other")] {
        let mut changed = world.setup.clone();
        *changed.pointer_mut(at).unwrap() = value.into();
        world.access.replace(&file(&changed)).unwrap();
        assert!(world.access.account(&account).is_err(), "{at}");
    }
    world.access.replace(&file(&world.setup)).unwrap();
    assert!(world.access.account(&account).is_ok());
    let mut none = world.setup.clone();
    none["issuers"][0].as_object_mut().unwrap().remove("sign_in");
    world.access.replace(&file(&none)).unwrap();
    assert!(world.access.account(&account).is_err() && world.access.sign_in_places().is_empty());
    assert!(world.access.begin_sign_in(issuer).await.is_err());
    assert!(!format!("{account:?} {:?}", begun.pending).contains(&begun.query["nonce"]));
}

#[tokio::test]
async fn the_secret_of_the_client_is_in_the_environment_too() {
    let world = World::start(&json!({ "client_secret_env": "PATH" })).await;
    world.signed_in(&json!({})).await.unwrap();
    let [redeemed] = &world.provider.redeemed()[..] else { panic!("redeemed once") };
    let secret = std::env::var("PATH").unwrap();
    let encoded: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let basic = STANDARD.encode(format!("console:{encoded}"));
    assert!(redeemed.contains(&format!("Basic {basic}")), "{redeemed}");
    assert!(!redeemed.contains("client_id="), "it names itself in the header alone: {redeemed}");
    let world = World::start(&json!({ "client_secret_env": "VOUCHLOG_NO_SUCH_VARIABLE" })).await;
    assert_eq!(world.signed_in(&json!({})).await.unwrap_err(), Denied::Unavailable);
}

#[tokio::test]
async fn a_person_signs_out_at_the_provider_if_both_have_a_place_for_it() {
    let world = World::start(&json!({ "post_logout_redirect_uri": SIGNED_OUT, "name": "Example ID" })).await;
    let mut document = discovery(&world.provider.issuer);
    document["end_session_endpoint"] = format!("{}/logout?tenant=a", world.provider.issuer).into();
    world.provider.answers_discovery(Answer::Json(document.clone()));
    let account = world.signed_in(&json!({})).await.unwrap();
    let begun = world.access.begin_sign_out(&account).await.unwrap().unwrap();
    let url: Url = begun.url.parse().unwrap();
    assert_eq!((url.path(), begun.provider.as_str(), begun.state.len()), ("/logout", "Example ID", 43));
    let query: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
    let expected = [
        ("client_id", "console"),
        ("post_logout_redirect_uri", SIGNED_OUT),
        ("state", begun.state.as_str()),
        ("tenant", "a"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(query, BTreeMap::from(expected));
    let again = world.access.begin_sign_out(&account).await.unwrap().unwrap();
    assert_ne!(again.state, begun.state);

    // An endpoint that is not there, or leads elsewhere, keeps nobody from signing in or out here.
    for url in [json!(null), json!("http://evil.example/logout"), json!("javascript:alert(1)")] {
        document["end_session_endpoint"] = url.clone();
        world.provider.answers_discovery(Answer::Json(document.clone()));
        let fresh = Access::with_pace(&file(&world.setup), clock, Pace::default()).unwrap();
        assert_eq!(fresh.begin_sign_out(&account).await, Ok(None), "{url}");
        assert!(fresh.begin_sign_in(&world.provider.issuer).await.is_ok(), "{url}");
    }
    // Nor is a person sent there whose console has no way back, or whose provider is no place to sign in any more.
    let mut setup = world.setup.clone();
    setup["issuers"][0]["sign_in"].as_object_mut().unwrap().remove("post_logout_redirect_uri");
    world.access.replace(&file(&setup)).unwrap();
    assert_eq!(world.access.begin_sign_out(&account).await, Ok(None));
    setup["issuers"][0].as_object_mut().unwrap().remove("sign_in");
    world.access.replace(&file(&setup)).unwrap();
    assert!(world.access.begin_sign_out(&account).await.is_err());
}

#[tokio::test]
async fn an_id_token_with_one_thing_wrong_signs_nobody_in() {
    let world = World::start(&json!({})).await;
    assert!(world.signed_in(&json!({})).await.is_ok());
    for (more, why) in [
        (json!({ "aud": "https://log.example" }), "for the interface for programs"),
        (json!({ "aud": ["console", "other"] }), "for two, and none is named"),
        (json!({ "aud": ["console", "other"], "azp": "other" }), "issued to the other"),
        (json!({ "azp": "other" }), "issued to another"),
        (json!({ "nonce": "n" }), "of another sign-in"),
        (json!({ "nonce": null }), "of none"),
        (json!({ "iss": "https://other.example" }), "of another issuer"),
        (json!({ "sub": null }), "about nobody"),
        (json!({ "sub": "" }), "about nobody"),
        (json!({ "nbf": super::NOW + 31 }), "not valid yet"),
    ] {
        let refused = world.signed_in(&more).await.unwrap_err();
        assert!(matches!(refused, Denied::Invalid(_)), "{why}: {refused}");
    }
    assert_eq!(world.signed_in(&json!({ "exp": super::NOW - 31 })).await.unwrap_err(), Denied::Expired);
    assert!(world.signed_in(&json!({ "aud": ["console", "other"], "azp": "console" })).await.is_ok());

    // Not principals here: a group that the file does not have, and a person by the id of the client that the token was issued through.
    let stranger =
        world.signed_in(&json!({ "groups": ["staff"], "azp": "console", "client_id": "console" })).await;
    assert!(world.access.account(&stranger.unwrap()).unwrap_err().is_forbidden());
    let ada = world.signed_in(&json!({ "sub": "u-1", "groups": null })).await.unwrap();
    assert_eq!(world.access.account(&ada).unwrap().name(), Some("ada"));

    // Other signatures.
    let begun = world.begin().await;
    let good = world.id_token(&begun, &json!({}));
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let claims = signed.split_once('.').unwrap().1;
    let header = |header: Value| format!("{}.{claims}", b64(header.to_string()));
    let thief =
        Key::p256().token(&json!({ "alg": "ES256", "kid": "k" }), &json!({ "iss": world.provider.issuer }));
    for token in [
        format!("{}.", header(json!({ "alg": "none" }))),
        format!("{}.{signature}", header(json!({ "alg": "HS256", "kid": "k" }))),
        format!("{signed}."),
        thief,
        "x".to_owned(),
        "x".repeat(20_000),
    ] {
        world.provider.answers_codes(Answer::Json(json!({ "id_token": token })));
        let refused = world.finish(&begun, &format!("code=c&state={}", begun.query["state"])).await;
        assert!(matches!(refused, Err(Denied::Invalid(_))), "{token}");
    }
    // An access token is none.
    let all = json!({ "iss": world.provider.issuer, "aud": "console", "sub": "u-7", "exp": super::NOW + 60, "nonce": begun.query["nonce"] });
    let token = world.key.token(&json!({ "alg": "ES256", "kid": "k", "typ": "at+jwt" }), &all);
    world.provider.answers_codes(Answer::Json(json!({ "id_token": token })));
    assert!(world.finish(&begun, &format!("code=c&state={}", begun.query["state"])).await.is_err());
}

#[tokio::test]
async fn an_answer_that_is_not_of_the_sign_in_is_not_redeemed() {
    let world = World::start(&json!({})).await;
    let begun = world.begin().await;
    let other = world.begin().await;
    assert_ne!(begun.query["state"], other.query["state"]);
    let (state, issuer) = (&begun.query["state"], &world.provider.issuer);
    for query in [
        "code=c".to_owned(),
        "code=c&state=".to_owned(),
        format!("code=c&state={}", other.query["state"]),
        format!("code=c&state={state}&iss=https%3A%2F%2Fother.example"),
        format!("code=c&state={state}&iss="),
        format!("state={state}"),
        format!("code=&state={state}"),
        format!("error=access_denied&state={state}"),
        format!("code=c&error=access_denied&state={state}"),
    ] {
        let refused = world.finish(&begun, &query).await.unwrap_err();
        assert!(matches!(refused, Denied::Invalid(_)), "{query}: {refused}");
    }
    for query in ["code=a&code=b", "state=a&state=a", &format!("code={}", "x".repeat(5_000))] {
        assert!(SignInReturn::parse(query).is_none());
    }
    assert_eq!(world.provider.redeemed(), Vec::<String>::new(), "no code was sent to the provider");

    // A provider that names itself must.
    let mut names = discovery(issuer);
    names["authorization_response_iss_parameter_supported"] = true.into();
    let again =
        World { access: Access::with_pace(&file(&world.setup), clock, Pace::default()).unwrap(), ..world };
    again.provider.answers_discovery(Answer::Json(names));
    let begun = again.begin().await;
    let (state, issuer) = (&begun.query["state"], &again.provider.issuer);
    assert!(again.finish(&begun, &format!("code=c&state={state}")).await.is_err());
    again.provider.answers_codes(Answer::Json(json!({ "id_token": again.id_token(&begun, &json!({})) })));
    let iss: String = form_urlencoded::byte_serialize(issuer.as_bytes()).collect();
    assert!(again.finish(&begun, &format!("code=c&state={state}&iss={iss}")).await.is_ok());
}

#[tokio::test]
async fn answers_of_a_provider_are_bounded_and_lead_nowhere_else() {
    let world = World::start(&json!({})).await;
    let begun = world.begin().await;
    let query = format!("code=c&state={}", begun.query["state"]);
    let raw = |status: &str, head: &str, body: &str| {
        Answer::Raw(format!(
            "HTTP/1.1 {status}\r\n{head}content-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        ))
    };
    let elsewhere = format!("location: {}/elsewhere\r\n", world.provider.issuer);
    for (answer, is_passing) in [
        (raw("400 Bad Request", "", r#"{"error":"invalid_grant"}"#), false),
        (raw("401 Unauthorized", "", r#"{"error":"invalid_client"}"#), false),
        (raw("302 Found", &elsewhere, ""), false),
        (raw("200 OK", "", "no JSON"), false),
        (raw("200 OK", "", r#"{"access_token":"a"}"#), false),
        (raw("500 Oops", "", ""), true),
        (raw("429 Slow down", "", ""), true),
        (Answer::Nothing, true),
        (raw("200 OK", "", &"x".repeat(300 * 1024)), true),
    ] {
        world.provider.answers_codes(answer.clone());
        let refused = world.finish(&begun, &query).await.unwrap_err();
        assert_eq!(refused.is_passing(), is_passing, "{answer:?}: {refused}");
    }
    assert!(world.provider.redeemed().iter().all(|sent| !sent.starts_with("GET")));
    // Discovery names an endpoint on another host: no browser is sent there, and tokens are still checked.
    for (member, url) in [
        ("authorization_endpoint", json!("http://evil.example/authorize")),
        ("authorization_endpoint", json!("javascript:alert(1)")),
        ("authorization_endpoint", json!(null)),
        ("token_endpoint", json!("https://10.0.0.1/token")),
        ("token_endpoint", json!("http://idp.example/token")),
        ("token_endpoint", json!(null)),
    ] {
        let mut document = discovery(&world.provider.issuer);
        document[member] = url.clone();
        world.provider.answers_discovery(Answer::Json(document));
        let fresh = Access::with_pace(&file(&world.setup), clock, Pace::default()).unwrap();
        assert_eq!(
            fresh.begin_sign_in(&world.provider.issuer).await.unwrap_err(),
            Denied::Unavailable,
            "{member}: {url}"
        );
    }
    // A secret that cannot be read.
    let mut missing = world.setup.clone();
    missing["issuers"][0]["sign_in"]["client_secret_file"] = "/nowhere/secret".into();
    world.provider.answers_discovery(Answer::Json(discovery(&world.provider.issuer)));
    world.access.replace(&file(&missing)).unwrap();
    let begun = world.begin().await;
    let query = format!("code=c&state={}", begun.query["state"]);
    assert_eq!(world.finish(&begun, &query).await.unwrap_err(), Denied::Unavailable);
}

#[test]
fn a_client_that_would_lead_elsewhere_is_refused() {
    let parse = |sign_in: Value| {
        let file = json!({ "principals": [], "issuers": [{ "issuer": "https://idp.example", "audience": "x", "algorithms": ["ES256"],
            "sign_in": sign_in }] });
        AccessFile::parse(file.to_string().as_bytes())
            .map(|file| Setup { file: Some(file), ..Setup::default() })
    };
    let client = |redirect: &str| json!({ "client_id": "console", "redirect_uri": redirect });
    assert!(parse(client(REDIRECT)).is_ok());
    assert!(parse(client("http://127.0.0.1:6964/console/sign-in/return")).is_ok());
    for wrong in [
        client("http://vault.example/console/sign-in/return"),
        client("https://vault.example/console/sign-in"),
        client("https://vault.example/console/sign-in/return?next=x"),
        client("https://vault.example/console/sign-in/return#x"),
        client("/console/sign-in/return"),
        client(""),
        json!({ "client_id": "", "redirect_uri": REDIRECT }),
        json!({ "client_id": "console", "redirect_uri": REDIRECT, "client_secret": "s" }),
        json!({ "client_id": "console", "redirect_uri": REDIRECT, "scopes": ["a b"] }),
        json!({ "client_id": "console", "redirect_uri": REDIRECT, "name": "" }),
        json!({ "client_id": "console", "redirect_uri": REDIRECT, "client_secret_env": "" }),
        json!({ "client_id": "console", "redirect_uri": REDIRECT, "client_secret_env": "A=b" }),
        json!({ "client_id": "console", "redirect_uri": REDIRECT, "client_secret_env": "A", "client_secret_file": "/a" }),
        json!({ "client_id": "console", "redirect_uri": REDIRECT, "post_logout_redirect_uri": REDIRECT }),
        json!({ "client_id": "console", "redirect_uri": REDIRECT, "post_logout_redirect_uri": "http://vault.example/console/sign-out/return" }),
        json!({ "client_id": "console", "redirect_uri": REDIRECT, "post_logout_redirect_uri": format!("{SIGNED_OUT}?x") }),
    ] {
        assert!(parse(wrong.clone()).is_err(), "{wrong}");
    }
}
