//! A service that checks each request as AWS does, and knows one key.

use std::sync::{Arc, Mutex};

use aws_lc_rs::hmac;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post, put};
use ed25519_dalek::{Signer as _, SigningKey};
use vouchlog_note::Signer as _;

use super::*;
use crate::bounded::Bounded;
use crate::http::testing::{open, seal};

const ID: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const TOKEN: &str = "a-session-token";
const KEY: &str = "alias/log";
/// Two keys that wrap.
const WRAPPING: [&str; 2] = ["alias/vault", "alias/vault-2"];

/// What the service does next.
#[derive(Clone, Copy, PartialEq)]
enum Mood {
    Good,
    Denies,
    WrongSignature,
    Huge,
    Redirects,
}

#[derive(Clone)]
struct Service {
    mood: Arc<Mutex<Mood>>,
    seen: Arc<Mutex<Vec<String>>>,
}

/// The signature that AWS would compute, from the headers as they arrived.
fn expected(headers: &HeaderMap, body: &[u8], signed: &str, scope: &str) -> String {
    let value = |name: &str| headers[name].to_str().unwrap().trim().to_owned();
    let lines: String = signed.split(';').map(|name| format!("{name}:{}\n", value(name))).collect();
    let hash = |bytes: &[u8]| hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes));
    let canonical = format!("POST\n/\n\n{lines}\n{signed}\n{}", hash(body));
    let to_sign =
        format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{}", value("x-amz-date"), hash(canonical.as_bytes()));
    let mut key = format!("AWS4{SECRET}").into_bytes();
    for part in scope.split('/').chain([to_sign.as_str()]) {
        key = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), part.as_bytes()).as_ref().to_vec();
    }
    hex::encode(key)
}

fn is_signed(headers: &HeaderMap, body: &[u8]) -> bool {
    let Some(authorization) = headers.get("authorization").and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let Some(rest) = authorization.strip_prefix(&format!("AWS4-HMAC-SHA256 Credential={ID}/")) else {
        return false;
    };
    let parts: Vec<&str> = rest.split(", ").collect();
    let [scope, signed, signature] = parts[..] else { return false };
    let signed = signed.strip_prefix("SignedHeaders=").unwrap();
    let day = &headers["x-amz-date"].to_str().unwrap()[..8];
    scope == format!("{day}/eu-central-1/kms/aws4_request")
        // Every header that means something is signed.
        && ["content-type", "host", "x-amz-date", "x-amz-security-token", "x-amz-target"].join(";") == signed
        && headers["x-amz-security-token"] == TOKEN
        && signature == format!("Signature={}", expected(headers, body, signed, scope))
}

async fn answer(
    State(service): State<Service>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, HeaderMap, String) {
    let reply = |status: StatusCode, body: &Value| (status, HeaderMap::new(), body.to_string());
    if !is_signed(&headers, &body) {
        return reply(StatusCode::FORBIDDEN, &json!({ "__type": "InvalidSignatureException" }));
    }
    let request: Value = serde_json::from_slice(&body).unwrap();
    let action = headers["x-amz-target"].to_str().unwrap().to_owned();
    service.seen.lock().unwrap().push(action.clone());
    let key = request["KeyId"].as_str().unwrap();
    if key != KEY && !WRAPPING.contains(&key) {
        return reply(StatusCode::BAD_REQUEST, &json!({ "__type": "NotFoundException" }));
    }
    let context = request["EncryptionContext"]["vouchlog-vault"].as_str().unwrap_or_default();
    let bytes = |field: &str| STANDARD.decode(request[field].as_str().unwrap()).unwrap();
    let (name, key) = (key, SigningKey::from_bytes(&[7; 32]));
    let mood = *service.mood.lock().unwrap();
    match (action.as_str(), mood) {
        (_, Mood::Denies) => reply(StatusCode::BAD_REQUEST, &json!({ "__type": "AccessDeniedException" })),
        (_, Mood::Huge) => reply(StatusCode::OK, &json!({ "Signature": "A".repeat(1 << 20) })),
        (_, Mood::Redirects) => {
            let headers =
                [("location".parse().unwrap(), "http://127.0.0.1:1/".parse().unwrap())].into_iter().collect();
            (StatusCode::TEMPORARY_REDIRECT, headers, String::new())
        }
        ("TrentService.GetPublicKey", _) => {
            let der = [&hex::decode("302a300506032b6570032100").unwrap()[..], key.verifying_key().as_bytes()]
                .concat();
            reply(StatusCode::OK, &json!({ "PublicKey": STANDARD.encode(der) }))
        }
        ("TrentService.Sign", mood) => {
            assert_eq!(
                (&request["MessageType"], &request["SigningAlgorithm"]),
                (&json!("RAW"), &json!("ED25519_SHA_512"))
            );
            let message = STANDARD.decode(request["Message"].as_str().unwrap()).unwrap();
            let key = if mood == Mood::WrongSignature { SigningKey::from_bytes(&[9; 32]) } else { key };
            reply(StatusCode::OK, &json!({ "Signature": STANDARD.encode(key.sign(&message).to_bytes()) }))
        }
        ("TrentService.Encrypt", _) => {
            let sealed = seal(name, context, &bytes("Plaintext"));
            reply(StatusCode::OK, &json!({ "CiphertextBlob": STANDARD.encode(sealed), "KeyId": name }))
        }
        ("TrentService.Decrypt", _) => match open(name, context, &bytes("CiphertextBlob")) {
            Some(plain) => {
                reply(StatusCode::OK, &json!({ "Plaintext": STANDARD.encode(plain), "KeyId": name }))
            }
            None => reply(StatusCode::BAD_REQUEST, &json!({ "__type": "InvalidCiphertextException" })),
        },
        _ => reply(StatusCode::BAD_REQUEST, &json!({ "__type": "UnknownOperationException" })),
    }
}

/// Serves on a thread of its own until the process ends.
fn serve() -> (Service, Url) {
    let service = Service { mood: Arc::new(Mutex::new(Mood::Good)), seen: Arc::default() };
    let role = json!({ "AccessKeyId": ID, "SecretAccessKey": SECRET, "Token": TOKEN, "Expiration": "2030-01-01T00:00:00Z" });
    let app = Router::new()
        .route("/", post(answer))
        .route("/latest/api/token", put(|| async { "metadata-token" }))
        .route("/latest/meta-data/iam/security-credentials/", get(|| async { "the-role\n" }))
        .route(
            "/latest/meta-data/iam/security-credentials/the-role",
            get(|headers: HeaderMap| async move {
                let known =
                    headers.get("x-aws-ec2-metadata-token").is_some_and(|token| token == "metadata-token");
                if known {
                    (StatusCode::OK, role.to_string())
                } else {
                    (StatusCode::UNAUTHORIZED, String::new())
                }
            }),
        )
        .with_state(service.clone());
    (service, crate::http::testing::serve(app))
}

fn fixed(secret: &str) -> Source {
    let (secret, token) = (secret.to_owned().into(), Some(TOKEN.to_owned().into()));
    Source::Fixed(Credentials { id: ID.into(), secret, token })
}

fn kms(url: &Url, key: &str, source: Source) -> Kms {
    Kms::new(key, url.clone(), "eu-central-1".into(), source).unwrap()
}

#[test]
fn a_key_of_the_service_signs() {
    let (service, url) = serve();
    let public = SigningKey::from_bytes(&[7; 32]).verifying_key();
    let mut key = kms(&url, KEY, fixed(SECRET));
    assert_eq!(key.public_key().unwrap(), public.to_bytes());
    let signature = ThreadSigner::sign(&mut key, b"a message").unwrap();
    public.verify_strict(b"a message", &signature.into()).unwrap();
    assert_eq!(*service.seen.lock().unwrap(), ["TrentService.GetPublicKey", "TrentService.Sign"]);
    // From another thread, as a log uses it.
    let bounded = Bounded::start("aws-kms".into(), crate::limits::PATIENCE, key).unwrap();
    public.verify_strict(b"b", &bounded.sign(b"b").unwrap().into()).unwrap();
}

#[test]
fn the_role_of_the_machine_is_enough() {
    let (_, url) = serve();
    let signature = ThreadSigner::sign(&mut kms(&url, KEY, Source::Machine(url.clone())), b"a").unwrap();
    SigningKey::from_bytes(&[7; 32]).verifying_key().verify_strict(b"a", &signature.into()).unwrap();
}

#[test]
fn whatever_the_service_refuses_is_an_error_without_a_secret() {
    let (service, url) = serve();
    let sign =
        |key: &str, secret: &str| ThreadSigner::sign(&mut kms(&url, key, fixed(secret)), b"a").unwrap_err();
    let refused = sign(KEY, "another secret");
    assert!(refused.reason().contains("InvalidSignatureException"), "{refused}");
    assert!(sign("alias/other", SECRET).reason().contains("NotFoundException"));
    for (mood, why) in [(Mood::Denies, "AccessDenied"), (Mood::Huge, "more than"), (Mood::Redirects, "307")] {
        *service.mood.lock().unwrap() = mood;
        let error = sign(KEY, SECRET);
        assert!(error.reason().contains(why) && !error.reason().contains(SECRET), "{error}");
    }
}

#[test]
fn a_signature_of_another_key_is_not_used() {
    let (service, url) = serve();
    *service.mood.lock().unwrap() = Mood::WrongSignature;
    let name = vouchlog_note::KeyName::new("log.example").unwrap();
    let public = SigningKey::from_bytes(&[7; 32]).verifying_key().to_bytes();
    let vkey =
        vouchlog_note::VerifyingKey::ed25519(name, vouchlog_note::SignatureType::Ed25519, public).unwrap();
    let signer =
        Bounded::start("aws-kms".into(), crate::limits::PATIENCE, kms(&url, KEY, fixed(SECRET))).unwrap();
    let key = vouchlog_note::SigningKey::elsewhere(vkey, Arc::new(signer)).unwrap();
    let error = key.sign_note("a\n").unwrap_err().to_string();
    assert!(error.contains("does not verify"), "{error}");
    *service.mood.lock().unwrap() = Mood::Good;
    assert!(key.sign_note("a\n").is_ok(), "it is asked again");
}

#[test]
fn a_key_wraps_and_unwraps_for_its_context_alone() {
    let (service, url) = serve();
    let [vault, other] = WRAPPING;
    let wrapped = kms(&url, vault, fixed(SECRET)).wrap(&[5; 32], "the vault").unwrap();
    let unwrap = |key: &str, wrapped: &[u8], context: &str| {
        kms(&url, key, fixed(SECRET)).unwrap(wrapped, context).map_err(|error| error.reason().to_owned())
    };
    assert_eq!(unwrap(vault, &wrapped, "the vault").unwrap().as_slice(), [5; 32]);
    assert_eq!(*service.seen.lock().unwrap(), ["TrentService.Encrypt", "TrentService.Decrypt"]);
    let mut damaged = wrapped.clone();
    damaged[40] ^= 1;
    for (key, wrapped, context, why) in [
        (vault, &wrapped, "another vault", "InvalidCiphertextException"),
        (vault, &damaged, "the vault", "InvalidCiphertextException"),
        (other, &wrapped, "the vault", "InvalidCiphertextException"),
        ("alias/none", &wrapped, "the vault", "NotFoundException"),
    ] {
        let error = unwrap(key, wrapped, context).unwrap_err();
        assert!(error.contains(why), "{error}");
    }
    *service.mood.lock().unwrap() = Mood::Denies;
    assert!(unwrap(vault, &wrapped, "the vault").unwrap_err().contains("AccessDenied"));
}
