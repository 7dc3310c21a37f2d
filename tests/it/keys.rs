//! Keys that are kept elsewhere, with the real program: an ssh-agent, a PKCS#11 token, a program that signs. Where the operator's
//! key is. And the key of a vault, which a token or a key service wraps.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tempfile::TempDir;

use crate::process::{Server, succeed, vouchlog};

/// `PrivateKeyInfo` of Ed25519 before the 32 bytes of the seed (RFC 8410).
const PKCS8: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

/// A directory, and the variables that the program finds its key with.
struct World {
    folder: TempDir,
    variables: Vec<(&'static str, String)>,
}

impl World {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), variables: Vec::new() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn command(&self) -> Command {
        let mut command = vouchlog();
        command
            .envs(self.variables.iter().map(|(name, value)| (*name, value.as_str())))
            .current_dir(self.folder.path());
        command
    }

    /// Exit status, standard output, standard error.
    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = self.command().args(arguments).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
    }

    /// Makes a key file that names a place; returns the vkey.
    fn refer(&self, kind: &str, out: &str, place: &[&str]) -> String {
        let name =
            if kind == "log" { "log.example.com/elsewhere" } else { "log.example.com/elsewhere/operator" };
        let (code, vkey, error) = self
            .run(&[&["keygen", "--kind", kind, "--name", name, "--out", out, "--at"][..], place].concat());
        assert_eq!(code, 0, "{error}");
        let text = fs::read_to_string(self.path(out)).unwrap();
        assert!(text.contains(vkey.trim()) && !text.contains("PRIVATE"), "{text}");
        vkey.trim().to_owned()
    }

    fn serve(&self, more: &[&str]) -> Server {
        let mut command = self.command();
        command.args(["serve", "--json", "--listen", "127.0.0.1:0", "--data", "log"]).args(more);
        if more.contains(&"--key") {
            command.args(["--origin", "log.example.com/elsewhere"]);
        }
        Server::spawn(command)
    }

    /// Runs `vouchlog vault` with this key.
    fn vault(&self, key: &str, what: &[&str]) -> (i32, String, String) {
        self.run(&[&["vault", "--vault", "vault", "--vault-key", key][..], what].concat())
    }

    /// A refusal of `vouchlog vault check` with this key, with what to do.
    fn refused(&self, key: &str) -> String {
        let (code, _, error) = self.vault(key, &["check"]);
        assert_eq!(code, 2, "{error}");
        error
    }

    /// Makes a token, which the program finds by the variables.
    fn make_token(&mut self) {
        fs::create_dir(self.path("tokens")).unwrap();
        let conf = format!("directories.tokendir = {}\nobjectstore.backend = file\n", self.text("tokens"));
        fs::write(self.path("softhsm.conf"), conf).unwrap();
        fs::write(self.path("pin"), "1234\n").unwrap();
        self.variables.push(("SOFTHSM2_CONF", self.text("softhsm.conf")));
        let token = ["--init-token", "--free", "--label", "vouchlog", "--pin", "1234", "--so-pin", "5678"];
        self.softhsm(&token);
    }

    fn softhsm(&self, arguments: &[&str]) {
        let mut command = Command::new("softhsm2-util");
        let output =
            command.args(arguments).env("SOFTHSM2_CONF", self.text("softhsm.conf")).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    /// The URI of a key of the token.
    fn uri(&self, object: &str) -> String {
        let pin = self.text("pin");
        format!(
            "pkcs11:token=vouchlog;object={object}?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:{pin}"
        )
    }

    fn submit(&self, server: &Server, seed: u8) -> (i32, String) {
        let digest = vouchlog_stream::Digest::of(&[seed]).to_string();
        let (code, _, error) =
            self.run(&["submit", "--log", &server.url, "--log-vkey", &server.vkey, "--digest", &digest]);
        (code, error)
    }

    /// Enrols a gateway with this operator key, and submits through the house stream.
    fn check(&self, server: &Server, operator: &str) {
        assert_eq!(self.submit(server, 1).0, 0);
        let gateway = self.text("gateway.key");
        let vkey =
            succeed(&["keygen", "--kind", "gateway", "--name", "gateway.example.com", "--out", &gateway]);
        let (code, _, error) =
            self.run(&["enrol", "--log", &server.url, "--operator-key", operator, vkey.trim()]);
        assert_eq!(code, 0, "{error}");
    }

    /// The PKCS #8 file of the key of a seed.
    fn pem(&self, name: &str, seed: u8) -> String {
        let body = STANDARD.encode([&PKCS8[..], &[seed; 32]].concat());
        let path = self.text(name);
        fs::write(&path, format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n"))
            .unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }
}

fn is_there(program: &str, package: &str) -> bool {
    let found =
        Command::new(program).arg("--help").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !found {
        eprintln!("this test needs {program}: install {package} to have it run");
    }
    found
}

/// An agent that holds keys of its own.
struct Agent(Child);

impl Agent {
    fn start(world: &World, keys: &[&str]) -> Self {
        let socket = world.path("agent");
        // A socket that an agent left behind.
        fs::remove_file(&socket).ok();
        let mut agent = Command::new("ssh-agent");
        let agent = Self(agent.arg("-D").arg("-a").arg(&socket).stdout(Stdio::null()).spawn().unwrap());
        while std::os::unix::net::UnixStream::connect(&socket).is_err() {
            std::thread::sleep(Duration::from_millis(5));
        }
        for key in keys {
            let mut add = Command::new("ssh-add");
            let added =
                add.args(["-q", key]).current_dir(world.folder.path()).env("SSH_AUTH_SOCK", &socket).status();
            assert!(added.unwrap().success());
        }
        agent
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Makes an SSH key; returns its fingerprint.
fn fingerprint(world: &World, key: &str) -> String {
    let run = |arguments: &[&str]| {
        let mut command = Command::new("ssh-keygen");
        let output = command.args(arguments).current_dir(world.folder.path()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    run(&["-q", "-t", "ed25519", "-N", "", "-f", key]);
    run(&["-lf", key]).split(' ').nth(1).unwrap().to_owned()
}

#[test]
fn a_log_signs_with_keys_in_an_agent_and_waits_for_it() {
    if !is_there("ssh-agent", "openssh-client") {
        return;
    }
    let mut world = World::new();
    world.variables.push(("SSH_AUTH_SOCK", world.text("agent")));
    let (log, operator) = (fingerprint(&world, "ssh-log"), fingerprint(&world, "ssh-operator"));
    let agent = Agent::start(&world, &["ssh-log", "ssh-operator"]);
    let vkey = world.refer("log", "log.key", &[&format!("ssh-agent:{log}")]);
    let operator = world.refer("operator", "operator.key", &[&format!("ssh-agent:{operator}")]);
    let operator = format!("ssh-agent:{operator}");
    let server = world.serve(&["--key", "log.key", "--operator-key", &operator]);
    assert_eq!(server.vkey, vkey);
    world.check(&server, "operator.key");

    // The agent goes away: nothing is acknowledged, and the reason is shown to the operator alone.
    drop(agent);
    let (code, error) = world.submit(&server, 2);
    assert!(code != 0 && error.contains("no signature yet"), "{error}");
    let ready = Command::new("curl").args(["-s", &format!("{}/readyz", server.url)]).output();
    if let Ok(ready) = ready {
        let ready = String::from_utf8_lossy(&ready.stdout).into_owned();
        assert!(ready.contains("signature") && ready.contains("the signer failed"), "{ready}");
    }
    // It returns: the log goes on by itself.
    let agent = Agent::start(&world, &["ssh-log", "ssh-operator"]);
    assert!((0..50).any(|_| world.submit(&server, 3).0 == 0), "the log signs again");
    assert_eq!(server.terminate(), 0);

    // Without the agent it does not start; with it, it is the same log.
    drop(agent);
    let (code, _, error) =
        world.run(&["serve", "--listen", "127.0.0.1:0", "--data", "log", "--key", "log.key"]);
    assert!(code == 2 && error.contains("the signer failed"), "{error}");
    let _agent = Agent::start(&world, &["ssh-log"]);
    let server = world.serve(&["--key", &format!("ssh-agent:{vkey}")]);
    assert_eq!(world.submit(&server, 4).0, 0);
    assert_eq!(server.terminate(), 0);
}

#[test]
fn a_log_signs_with_keys_in_a_token() {
    if !is_there("softhsm2-util", "softhsm2") {
        return;
    }
    let mut world = World::new();
    world.make_token();
    for (label, seed) in [("log", 21), ("operator", 22)] {
        let pem = world.pem(label, seed);
        world.softhsm(&[
            "--import",
            &pem,
            "--token",
            "vouchlog",
            "--label",
            label,
            "--id",
            &seed.to_string(),
            "--pin",
            "1234",
        ]);
        fs::remove_file(pem).unwrap();
    }
    let uri = |object: &str| world.uri(object);
    let vkey = world.refer("log", "log.key", &[&uri("log")]);
    let operator = world.refer("operator", "operator.key", &[&uri("operator")]);
    let server =
        world.serve(&["--key", "log.key", "--operator-key", &format!("{} {operator}", uri("operator"))]);
    assert_eq!(server.vkey, vkey);
    world.check(&server, "operator.key");
    assert_eq!(server.terminate(), 0);
    let wrong = uri("log").replace("object=log", "object=none");
    let (code, _, error) =
        world.run(&["keygen", "--kind", "log", "--name", "a", "--out", "none.key", "--at", &wrong]);
    assert!(code == 2 && error.contains("no such Ed25519 key"), "{error}");
    assert!(!world.path("none.key").exists());
}

#[test]
fn a_token_wraps_the_key_of_a_vault() {
    if !is_there("softhsm2-util", "softhsm2") {
        return;
    }
    let mut world = World::new();
    world.make_token();
    for (label, id) in [("vault", "01"), ("other", "02")] {
        fs::write(world.path("aes"), [id.as_bytes()[1]; 32]).unwrap();
        let aes = world.text("aes");
        let import = ["--import", &aes, "--aes", "--token", "vouchlog", "--label", label, "--id", id];
        world.softhsm(&[&import[..], &["--pin", "1234"]].concat());
        fs::remove_file(aes).unwrap();
    }
    // The first use makes vault and key; the plain key is in no file.
    let key = world.uri("vault");
    let (code, _, error) = world.vault(&key, &["principals"]);
    assert_eq!(code, 0, "{error}");
    let wrapped = world.path("vault/vault.key.wrapped");
    assert_eq!(fs::metadata(&wrapped).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!world.path("vault/vault.key").exists());
    assert_eq!(world.vault(&key, &["check"]).0, 0);
    // Wrapped by the other key of the token, into a file that is named.
    let other = format!("{} {}", world.uri("other"), world.text("other.wrapped"));
    let (code, _, error) = world.vault(&key, &["rewrap", "--to", &other]);
    assert_eq!(code, 0, "{error}");
    assert_eq!(world.vault(&other, &["check"]).0, 0);
    assert!(world.refused(&key).contains("does not belong to this vault"));

    let crossed = format!("{} {}", world.uri("vault"), world.text("other.wrapped"));
    let error = world.refused(&crossed);
    assert!(error.contains("another key of the token") && error.contains("no other key was made"), "{error}");
    fs::write(world.path("wrong"), "99999\n").unwrap();
    let error = world.refused(&other.replace("/pin ", "/wrong "));
    assert!(error.contains("refused the PIN") && !error.contains("99999"), "{error}");
    let text = fs::read_to_string(world.path("other.wrapped")).unwrap();
    fs::write(world.path("other.wrapped"), text.replace("key ", "key A")).unwrap();
    let error = world.refused(&other);
    assert!(error.contains("is damaged") && error.contains("backup"), "{error}");

    // What is lost is not replaced, not even by a command that makes a vault.
    fs::remove_file(world.path("other.wrapped")).unwrap();
    for (key, file) in [(other.as_str(), "other.wrapped"), ("file:vault.key", "vault.key")] {
        let (code, _, error) = world.vault(key, &["principals"]);
        assert!(code == 2 && error.contains("there is no") && error.contains(file), "{error}");
        assert!(!world.path(file).exists());
    }
    fs::write(world.path("other.wrapped"), text).unwrap();
    assert_eq!(world.vault(&other, &["check"]).0, 0);
}

#[test]
fn a_key_service_wraps_the_key_of_a_vault_that_had_another() {
    let mut world = World::new();
    let address = key_service();
    world.variables.push(("CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDKMS", format!("http://{address}")));
    world.variables.push(("GCE_METADATA_HOST", address));
    let name = |key: &str| format!("gcp-kms:projects/p/locations/l/keyRings/r/cryptoKeys/{key}");
    // As systemd hands it over.
    fs::create_dir(world.path("credentials")).unwrap();
    fs::write(world.path("credentials/vault"), format!("{}\n", "07".repeat(32))).unwrap();
    world.variables.push(("CREDENTIALS_DIRECTORY", world.text("credentials")));
    let (code, _, error) = world.vault("credential:vault", &["principals"]);
    assert_eq!(code, 0, "{error}");
    let (code, _, error) = world.vault("credential:vault", &["rewrap", "--to", &name("vault")]);
    assert_eq!(code, 0, "{error}");
    assert_eq!(world.vault(&name("vault"), &["check"]).0, 0);
    let error = world.refused(&name("other"));
    assert!(error.contains("INVALID_ARGUMENT") && error.contains("no other key was made"), "{error}");
    assert!(world.refused("aws-kms:alias/vault").contains("was wrapped with gcp-kms"));
    assert!(world.refused("credential:vault").contains("does not belong to this vault"));
    assert!(world.refused("credential:none").contains("there is no key file"));
}

/// A program that signs with OpenSSL, which reads what it signs from a file.
fn write_program(world: &World, name: &str, key: &str) -> String {
    let path = world.text(name);
    let script = format!(
        "#!/bin/sh\nset -eu\nf=$(mktemp)\ntrap 'rm -f $f' EXIT\ncat > $f\nopenssl pkeyutl -sign -rawin -inkey {key} -in $f\n"
    );
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    path
}

fn public_key(seed: u8) -> String {
    let name = vouchlog_note::KeyName::new("a").unwrap();
    let key =
        vouchlog_note::SigningKey::generate(name, vouchlog_note::SignatureType::Ed25519, [seed; 32]).unwrap();
    hex::encode(key.verifying_key().public_key())
}

#[test]
fn a_log_signs_with_a_program_and_a_wrong_one_is_found_at_once() {
    if !is_there("openssl", "openssl") {
        return;
    }
    let world = World::new();
    let (log, operator) = (world.pem("log.pem", 31), world.pem("operator.pem", 32));
    let (sign_log, sign_operator) =
        (write_program(&world, "sign-log", &log), write_program(&world, "sign-operator", &operator));
    let (log, operator) = (public_key(31), public_key(32));
    world.refer("log", "log.key", &[&format!("command:{sign_log}"), "--public-key", &log]);
    world.refer(
        "operator",
        "operator.key",
        &[&format!("command:{sign_operator}"), "--public-key", &operator],
    );
    let server = world.serve(&["--key", "log.key", "--operator-key", "operator.key"]);
    world.check(&server, "operator.key");
    assert_eq!(server.terminate(), 0);
    // The key of another.
    let place = format!("command:{sign_operator}");
    let wrong = [
        "keygen",
        "--kind",
        "log",
        "--name",
        "a",
        "--out",
        "wrong.key",
        "--at",
        &place,
        "--public-key",
        &log,
    ];
    let (code, _, error) = world.run(&wrong);
    assert!(code == 2 && error.contains("does not verify"), "{error}");
    assert!(!world.path("wrong.key").exists());
}

/// What Google Cloud KMS answers to `encrypt` and `decrypt`: here the ciphertext names the key and the context, and hides nothing.
fn wrap(path: &str, request: &serde_json::Value) -> (axum::http::StatusCode, String) {
    let (key, method) = path.rsplit_once(':').unwrap();
    let context = request["additionalAuthenticatedData"].as_str().unwrap();
    let before = format!("{key} {context} ");
    if method == "encrypt" {
        let ciphertext = STANDARD.encode(before + request["plaintext"].as_str().unwrap());
        return (axum::http::StatusCode::OK, serde_json::json!({ "ciphertext": ciphertext }).to_string());
    }
    let ciphertext = STANDARD.decode(request["ciphertext"].as_str().unwrap()).unwrap();
    match String::from_utf8(ciphertext).unwrap().strip_prefix(&before) {
        Some(plain) => (axum::http::StatusCode::OK, serde_json::json!({ "plaintext": plain }).to_string()),
        None => {
            (axum::http::StatusCode::BAD_REQUEST, r#"{"error":{"status":"INVALID_ARGUMENT"}}"#.to_owned())
        }
    }
}

/// Serves two key versions as Google Cloud KMS does, and any key that wraps, until the process ends; returns host and port.
fn key_service() -> String {
    use axum::extract::Path;
    use axum::routing::get;
    use vouchlog_note::{KeyName, SignatureType, SigningKey};
    const DER: [u8; 12] = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];
    let key = |path: &str| {
        let seed = if path.contains("/log/") { 51 } else { 52 };
        SigningKey::generate(KeyName::new("a").unwrap(), SignatureType::Ed25519, [seed; 32]).unwrap()
    };
    let public = move |Path(path): Path<String>| async move {
        let der = STANDARD.encode([&DER[..], key(&path).verifying_key().public_key()].concat());
        serde_json::json!({ "pem": format!("-----BEGIN PUBLIC KEY-----\n{der}\n-----END PUBLIC KEY-----\n") })
            .to_string()
    };
    let sign = move |Path(path): Path<String>, body: String| async move {
        let request: serde_json::Value = serde_json::from_str(&body).unwrap();
        if path.ends_with("crypt") {
            return wrap(&path, &request);
        }
        let message = STANDARD.decode(request["data"].as_str().unwrap()).unwrap();
        let message = String::from_utf8(message).unwrap();
        let signature = match key(&path).sign_note(&message) {
            Ok(line) => line.payload().to_vec(),
            // The trial of a new key file is no note.
            Err(_) => key(&path).sign_jws(&message).unwrap().to_vec(),
        };
        let answer = serde_json::json!({ "signature": STANDARD.encode(signature) });
        (axum::http::StatusCode::OK, answer.to_string())
    };
    let token = || async { r#"{"access_token":"t","expires_in":3599}"# };
    let app = axum::Router::new()
        .route("/v1/{*path}", get(public).post(sign))
        .route("/computeMetadata/v1/instance/service-accounts/default/token", get(token));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            axum::serve(tokio::net::TcpListener::from_std(listener).unwrap(), app).await.unwrap();
        });
    });
    address
}

#[test]
fn a_log_signs_with_keys_of_a_key_service() {
    let mut world = World::new();
    let address = key_service();
    world.variables.push(("CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDKMS", format!("http://{address}")));
    world.variables.push(("GCE_METADATA_HOST", address));
    let version =
        |key: &str| format!("gcp-kms:projects/p/locations/l/keyRings/r/cryptoKeys/{key}/cryptoKeyVersions/1");
    let vkey = world.refer("log", "log.key", &[&version("log")]);
    let operator = world.refer("operator", "operator.key", &[&version("operator")]);
    let server =
        world.serve(&["--key", "log.key", "--operator-key", &format!("{} {operator}", version("operator"))]);
    assert_eq!(server.vkey, vkey);
    world.check(&server, "operator.key");
    assert_eq!(server.terminate(), 0);
}

#[test]
fn a_witness_cosigns_with_a_key_elsewhere_and_remembers_what_it_did() {
    if !is_there("openssl", "openssl") {
        return;
    }
    let world = World::new();
    let program = write_program(&world, "sign", &world.pem("witness.pem", 41));
    let (place, public) = (format!("command:{program}"), public_key(41));
    let keygen = [
        "keygen",
        "--kind",
        "witness",
        "--name",
        "witness.example.com/w",
        "--out",
        "witness.key",
        "--at",
        &place,
        "--public-key",
        &public,
    ];
    let (code, vkey, error) = world.run(&keygen);
    assert_eq!(code, 0, "{error}");
    assert!(world.path("witness.key.state").exists());
    let mut command = world.command();
    command.args([
        "witness",
        "--json",
        "--listen",
        "127.0.0.1:0",
        "--data",
        "witness",
        "--key",
        "witness.key",
    ]);
    let witness = Server::spawn(command);
    assert_eq!(witness.vkey, vkey.trim());
    assert_eq!(witness.terminate(), 0);
    // Without a file there is no place for what it has cosigned with.
    let named = format!("{place} {}", vkey.trim());
    let (code, _, error) =
        world.run(&["witness", "--listen", "127.0.0.1:0", "--data", "w2", "--key", &named]);
    assert!(code == 2 && error.contains("needs a key file"), "{error}");
    // The reference alone, as after a loss, does not begin with an empty memory.
    fs::remove_file(world.path("witness.key.state")).unwrap();
    let (code, _, error) =
        world.run(&["witness", "--listen", "127.0.0.1:0", "--data", "w3", "--key", "witness.key"]);
    assert!(code == 2 && error.contains("witness.key.state"), "{error}");
}

#[test]
fn an_operator_key_in_the_data_directory_works_and_is_moved_out_as_the_notice_says() {
    let world = World::new();
    let at = |name: &str| world.path(name).exists();
    assert_eq!(world.serve(&[]).terminate(), 0);
    assert!(at("log.operator.key") && !at("log/operator.key"));
    // As an older version left it.
    fs::rename(world.path("log.operator.key"), world.path("log/operator.key")).unwrap();
    let mut command = world.command();
    command.args(["serve", "--json", "--listen", "127.0.0.1:0", "--data", "log"]);
    let lines = world.path("lines");
    let server = Server::spawn_logging(command, &lines);
    world.check(&server, "log/operator.key");
    assert_eq!(server.terminate(), 0);
    let said = fs::read_to_string(&lines).unwrap();
    let advice =
        said.lines().find_map(|line| line.split("Move it out: ").nth(1)).expect("a notice").to_owned();
    assert_eq!(advice, "mv log/operator.key log.operator.key");
    assert!(
        Command::new("sh").args(["-c", &advice]).current_dir(world.folder.path()).status().unwrap().success()
    );
    let server = world.serve(&[]);
    assert!(at("log.operator.key") && !at("log/operator.key"));
    assert_eq!(server.terminate(), 0);
}

#[test]
fn a_log_need_not_hold_the_operators_key() {
    let world = World::new();
    let operator = world.text("operator.key");
    let vkey =
        succeed(&["keygen", "--kind", "operator", "--name", "localhost/l/operator", "--out", &operator]);
    let named = ["--origin", "localhost/l", "--operator-vkey", vkey.trim()];
    let server = world.serve(&named);
    assert!(!exists_below(&world.path("log"), "operator") && !world.path("log.operator.key").exists());
    let gateway = world.text("gateway.key");
    let gateway = succeed(&["keygen", "--kind", "gateway", "--name", "g.example.com", "--out", &gateway]);
    succeed(&["enrol", "--log", &server.url, "--operator-key", &operator, gateway.trim()]);
    assert_eq!(server.terminate(), 0);
    // It keeps its operator.
    let other = succeed(&["keygen", "--kind", "operator", "--name", "o", "--out", &world.text("other.key")]);
    let (code, _, error) =
        world.run(&["serve", "--listen", "127.0.0.1:0", "--data", "log", "--operator-vkey", other.trim()]);
    assert!(code == 2 && error.contains("the log's operator is"), "{error}");
}

fn exists_below(folder: &Path, part: &str) -> bool {
    fs::read_dir(folder).unwrap().any(|entry| entry.unwrap().file_name().to_string_lossy().contains(part))
}
