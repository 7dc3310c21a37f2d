//! A service that checks the token of each request, and knows one key version.

use std::sync::{Arc, Mutex};

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use axum::{Json, Router};
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::Value;

use super::*;
use crate::http::testing::{open, seal};

const NAME: &str = "projects/p/locations/global/keyRings/r/cryptoKeys/log/cryptoKeyVersions/1";

/// A key that wraps.
const KEY: &str = "projects/p/locations/global/keyRings/r/cryptoKeys/vault";

type RequestList = Arc<Mutex<Vec<String>>>;

fn is_let_in(headers: &HeaderMap) -> bool {
    headers.get("authorization").is_some_and(|value| value == "Bearer ya29.token")
}

async fn sign(
    State(seen): State<RequestList>,
    Path(path): Path<String>,
    headers: HeaderMap,
    Json(request): Json<Value>,
) -> (StatusCode, String) {
    seen.lock().unwrap().push(path.clone());
    match () {
        () if !is_let_in(&headers) => (StatusCode::UNAUTHORIZED, "{}".into()),
        () if path.ends_with("crypt") => wrap(&path, &request),
        () if path != format!("{NAME}:asymmetricSign") => (StatusCode::NOT_FOUND, "{}".into()),
        () => {
            let message = STANDARD.decode(request["data"].as_str().unwrap()).unwrap();
            let signature = SigningKey::from_bytes(&[7; 32]).sign(&message).to_bytes();
            (StatusCode::OK, json!({ "signature": STANDARD.encode(signature) }).to_string())
        }
    }
}

/// `encrypt` and `decrypt` of any key.
fn wrap(path: &str, request: &Value) -> (StatusCode, String) {
    let bytes = |field: &str| STANDARD.decode(request[field].as_str().unwrap()).unwrap();
    let context = String::from_utf8(bytes("additionalAuthenticatedData")).unwrap();
    let answer = match path.rsplit_once(':').unwrap() {
        (key, "encrypt") => {
            json!({ "ciphertext": STANDARD.encode(seal(key, &context, &bytes("plaintext"))) })
        }
        (key, _) => match open(key, &context, &bytes("ciphertext")) {
            Some(plain) => json!({ "plaintext": STANDARD.encode(plain) }),
            None => {
                return (
                    StatusCode::BAD_REQUEST,
                    json!({ "error": { "status": "INVALID_ARGUMENT" } }).to_string(),
                );
            }
        },
    };
    (StatusCode::OK, answer.to_string())
}

async fn public(headers: HeaderMap) -> (StatusCode, String) {
    if !is_let_in(&headers) {
        return (StatusCode::UNAUTHORIZED, "{}".into());
    }
    let key = SigningKey::from_bytes(&[7; 32]).verifying_key();
    let der = [&hex::decode("302a300506032b6570032100").unwrap()[..], key.as_bytes()].concat();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der));
    (StatusCode::OK, json!({ "pem": pem, "algorithm": "EC_SIGN_ED25519" }).to_string())
}

async fn token(headers: HeaderMap) -> (StatusCode, String) {
    let flavoured = headers.get("metadata-flavor").is_some_and(|flavour| flavour == "Google");
    let token = json!({ "access_token": "ya29.token", "expires_in": 3_599, "token_type": "Bearer" });
    if flavoured { (StatusCode::OK, token.to_string()) } else { (StatusCode::FORBIDDEN, String::new()) }
}

fn serve() -> (RequestList, Url) {
    let seen = RequestList::default();
    let app = Router::new()
        .route("/v1/{*path}", get(public).post(sign))
        .route("/token", get(token))
        .with_state(seen.clone());
    (seen, crate::http::testing::serve(app))
}

#[test]
fn a_key_version_signs_with_a_token_of_either_kind() {
    let (seen, url) = serve();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "ya29.token\n").unwrap();
    let key = SigningKey::from_bytes(&[7; 32]).verifying_key();
    for source in [TokenSource::File(file.clone()), TokenSource::Machine(url.join("/token").unwrap())] {
        let mut kms = Kms::new(NAME, &url, source).unwrap();
        assert_eq!(kms.public_key().unwrap(), key.to_bytes());
        let signature = ThreadSigner::sign(&mut kms, b"a message").unwrap();
        key.verify_strict(b"a message", &signature.into()).unwrap();
    }
    assert_eq!(*seen.lock().unwrap(), [format!("{NAME}:asymmetricSign"), format!("{NAME}:asymmetricSign")]);
    // The file is read again for each request.
    let mut kms = Kms::new(NAME, &url, TokenSource::File(file.clone())).unwrap();
    std::fs::write(&file, "withdrawn").unwrap();
    let error = ThreadSigner::sign(&mut kms, b"a").unwrap_err();
    assert!(error.reason().contains("401") && !error.reason().contains("withdrawn"), "{error}");
    std::fs::write(&file, "ya29.token").unwrap();
    assert!(ThreadSigner::sign(&mut kms, b"a").is_ok());
}

#[test]
fn only_a_key_version_is_named() {
    assert!(Resource::Version.check(NAME).is_ok() && Resource::Key.check(KEY).is_ok());
    assert!(Resource::Version.check(KEY).is_err() && Resource::Key.check(NAME).is_err());
    for wrong in [
        "projects/p",
        "",
        &NAME[..NAME.len() - 2],
        &format!("{NAME}/2"),
        &NAME.replace("keyRings", "rings"),
        &NAME.replace("/r/", "/../"),
    ] {
        assert!(Resource::Version.check(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_key_wraps_and_unwraps_for_its_context_alone() {
    let (seen, url) = serve();
    let kms = |name: &str| Kms::new(name, &url, TokenSource::Machine(url.join("/token").unwrap())).unwrap();
    let wrapped = kms(KEY).wrap(&[5; 32], "the vault").unwrap();
    assert_eq!(kms(KEY).unwrap(&wrapped, "the vault").unwrap().as_slice(), [5; 32]);
    assert_eq!(*seen.lock().unwrap(), [format!("{KEY}:encrypt"), format!("{KEY}:decrypt")]);
    let mut damaged = wrapped.clone();
    damaged[40] ^= 1;
    for (name, wrapped, context) in [
        (KEY, &wrapped, "another vault"),
        (KEY, &damaged, "the vault"),
        ("projects/p/locations/global/keyRings/r/cryptoKeys/other", &wrapped, "the vault"),
    ] {
        let error = kms(name).unwrap(wrapped, context).unwrap_err();
        assert!(error.reason().contains("INVALID_ARGUMENT"), "{error}");
    }
}
