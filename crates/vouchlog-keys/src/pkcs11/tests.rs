//! A real token: SoftHSM, which finds its configuration in the environment. So each test runs this binary again with one of its own.

use std::path::Path;
use std::process::Command;

use ed25519_dalek::VerifyingKey;

use super::*;

const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";
/// Set in the process that has a token.
const FOLDER: &str = "VOUCHLOG_TEST_TOKEN";
/// `PrivateKeyInfo` of Ed25519 before the 32 bytes of the seed (RFC 8410).
const PKCS8: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

fn run(folder: &Path, arguments: &[&str]) {
    let mut command = Command::new("softhsm2-util");
    let output = command.args(arguments).env("SOFTHSM2_CONF", folder.join("conf")).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Runs a test of this file again in a process that has a token with two keys of each kind; returns true in that process.
fn has_token(test: &str) -> bool {
    if std::env::var_os(FOLDER).is_some() {
        return true;
    }
    if Command::new("softhsm2-util").arg("--version").output().is_err() {
        eprintln!("no token signs here: install SoftHSM (softhsm2) to have this test run");
        return false;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::create_dir(path("tokens")).unwrap();
    std::fs::write(
        path("conf"),
        format!("directories.tokendir = {}\nobjectstore.backend = file\n", path("tokens")),
    )
    .unwrap();
    std::fs::write(path("pin"), "1234\n").unwrap();
    for label in ["vouchlog", "other"] {
        run(
            folder.path(),
            &["--init-token", "--free", "--label", label, "--pin", "1234", "--so-pin", "5678"],
        );
    }
    for (seed, label) in [(7, "log"), (8, "operator")] {
        let der = [&PKCS8[..], &[seed; 32]].concat();
        let pem = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, der);
        std::fs::write(
            path("key"),
            format!("-----BEGIN PRIVATE KEY-----\n{pem}\n-----END PRIVATE KEY-----\n"),
        )
        .unwrap();
        let id = format!("0{seed}");
        run(
            folder.path(),
            &[
                "--import",
                &path("key"),
                "--token",
                "vouchlog",
                "--label",
                label,
                "--id",
                &id,
                "--pin",
                "1234",
            ],
        );
    }
    for (seed, label) in [(9, "vault"), (10, "other")] {
        std::fs::write(path("key"), [seed; 32]).unwrap();
        let (key, id) = (path("key"), format!("{seed:02x}"));
        let import = ["--import", &key, "--aes", "--token", "vouchlog", "--label", label, "--id", &id];
        run(folder.path(), &[&import[..], &["--pin", "1234"]].concat());
    }
    let again = Command::new(std::env::current_exe().unwrap())
        .args([&format!("pkcs11::tests::{test}"), "--exact", "--nocapture"])
        .env(FOLDER, folder.path())
        .env("SOFTHSM2_CONF", path("conf"))
        .env(MODULE_VARIABLE, MODULE)
        .env("PIN", "1234")
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&again.stdout);
    assert!(
        again.status.success() && shown.contains("1 passed"),
        "{shown}{}",
        String::from_utf8_lossy(&again.stderr)
    );
    false
}

fn uri(text: &str) -> Pkcs11Uri {
    text.parse().unwrap()
}

fn pin_file() -> String {
    format!("pin-source=file:{}/pin", std::env::var(FOLDER).unwrap())
}

fn public(seed: u8) -> VerifyingKey {
    ed25519_dalek::SigningKey::from_bytes(&[seed; 32]).verifying_key()
}

#[test]
fn a_token_signs_with_the_key_that_is_named() {
    if !has_token("a_token_signs_with_the_key_that_is_named") {
        return;
    }
    for (text, seed) in [
        (format!("token=vouchlog;object=log?{}", pin_file()), 7),
        (format!("token=vouchlog;id=%08?module-path={MODULE}&{}", pin_file()), 8),
        ("token=vouchlog;object=operator;id=%08?pin-source=env:PIN".to_owned(), 8),
    ] {
        let uri = uri(&text);
        assert_eq!(public_key(&uri).unwrap(), public(seed).to_bytes(), "{text}");
        let mut token = Token::new(&uri).unwrap();
        for message in [&b"a message"[..], &[0xff; 4_096]] {
            let signature = token.sign(message).unwrap();
            public(seed).verify_strict(message, &signature.into()).unwrap();
        }
        assert!(!format!("{token:?}").contains("1234"));
    }
}

#[test]
fn a_token_that_cannot_sign_says_why_and_works_again() {
    if !has_token("a_token_that_cannot_sign_says_why_and_works_again") {
        return;
    }
    let sign =
        |text: &str| Token::new(&uri(text)).unwrap().sign(b"a").map_err(|error| error.reason().to_owned());
    let good = format!("token=vouchlog;object=log?{}", pin_file());
    for (text, why) in [
        (good.replace("object=log", "object=none"), "no such Ed25519 key"),
        (good.replace("token=vouchlog", "token=none"), "no token fits"),
        (good.replace("token=vouchlog;", ""), "several tokens fit"),
        (good.replace("/pin", "/none"), "is missing"),
        ("token=vouchlog;object=log".to_owned(), "no such Ed25519 key"),
        (format!("token=other;object=log?{}", pin_file()), "no such Ed25519 key"),
    ] {
        let error = sign(&text).unwrap_err();
        assert!(error.contains(why), "{text}: {error}");
    }
    // Last before the good one: a wrong PIN must not be tried again and again.
    std::fs::write(format!("{}/wrong", std::env::var(FOLDER).unwrap()), "99999").unwrap();
    let error = Token::new(&uri(&good.replace("/pin", "/wrong"))).unwrap().sign(b"a").unwrap_err();
    assert!(error.reason().contains("refused the PIN") && !error.reason().contains("99999"), "{error}");
    assert!(sign(&good).is_ok());
}

#[test]
fn a_module_that_is_no_module_is_an_error() {
    let error = Token::new(&uri("object=a?module-path=/no/such/module.so")).err().unwrap();
    assert!(error.reason().contains("/no/such/module.so"), "{error}");
}

#[test]
fn a_token_wraps_a_key_and_refuses_what_it_did_not_wrap() {
    if !has_token("a_token_wraps_a_key_and_refuses_what_it_did_not_wrap") {
        return;
    }
    let token = |object: &str| Token::new(&uri(&format!("token=vouchlog;{object}?{}", pin_file()))).unwrap();
    let vault = "object=vault;type=secret-key";
    let wrapped = token(vault).wrap(&[5; 32], "the vault").unwrap();
    assert_eq!(wrapped.len(), NONCE_BYTES + 32 + 16);
    assert!(!wrapped.windows(4).any(|bytes| bytes == [5; 4]));
    assert_eq!(token(vault).unwrap(&wrapped, "the vault").unwrap().as_slice(), [5; 32]);
    let again = token(vault).wrap(&[5; 32], "the vault").unwrap();
    assert_ne!(again, wrapped, "nonces are random");

    let refused = |object: &str, wrapped: &[u8], context: &str| {
        token(object).unwrap(wrapped, context).unwrap_err().reason().to_owned()
    };
    for at in 0..wrapped.len() {
        let mut damaged = wrapped.clone();
        damaged[at] ^= 1;
        let error = refused(vault, &damaged, "the vault");
        assert!(error.contains("did not decrypt"), "byte {at}: {error}");
    }
    for length in [0, NONCE_BYTES, wrapped.len() - 1] {
        refused(vault, &wrapped[..length], "the vault");
    }
    assert!(refused(vault, &wrapped, "another vault").contains("for another vault"));
    assert!(refused("object=other", &wrapped, "the vault").contains("another key of the token"));
    assert!(refused("object=none", &wrapped, "the vault").contains("no such AES key"));
    assert!(refused("object=vault;type=private", &wrapped, "the vault").contains("another type"));
    let signs = token("object=log;type=secret-key").sign(b"a").unwrap_err();
    assert!(signs.reason().contains("an Ed25519 key is needed"), "{signs}");
    // After every refusal, it still unwraps.
    assert!(token("id=%09").unwrap(&wrapped, "the vault").is_ok());
}
