//! Plain text: on this machine without a word, beyond it only when it is asked for.

use std::path::Path;

use vouchlog_sequencer::testing::ORIGIN;

use crate::process::{Server, fail, succeed, vouchlog};

const FAR: &str = "http://log.example.com:6962";

#[test]
fn servers_refuse_to_listen_beyond_this_machine_in_clear() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").to_str().unwrap().to_owned();
    let log = Server::start(&folder.path().join("log"), 0, &[]);
    let state = folder.path().join("state").to_str().unwrap().to_owned();
    for command in [
        &["serve", "--data", &data, "--listen", "0.0.0.0:0"][..],
        &["serve", "--data", &data, "--listen", "[::]:0"],
        &["witness", "--data", &data, "--name", "w.example.com", "--listen", "0.0.0.0:0"],
        &["collect", "--data", &data, "--otlp-http", "0.0.0.0:0", "--otlp-grpc", "127.0.0.1:0"],
        &["collect", "--data", &data, "--otlp-http", "127.0.0.1:0", "--otlp-grpc", "0.0.0.0:0"],
        &["monitor", "--log", &log.url, "--log-vkey", &log.vkey, "--state", &state, "--listen", "0.0.0.0:0"],
        &["up", "--dir", &data, "--listen", "0.0.0.0:26962"],
    ] {
        let (code, error) = fail(command);
        assert!(code == 2 && error.contains("--insecure-listen"), "{command:?}: {error}");
        assert!(!Path::new(&data).exists(), "{command:?} made something");
    }
    let mut allowed = vouchlog();
    allowed.args(["serve", "--json", "--data", &data, "--listen", "0.0.0.0:0", "--insecure-listen"]);
    assert!(Server::spawn(allowed).url.starts_with("http://0.0.0.0:"));
}

#[test]
fn clients_refuse_to_speak_in_clear_over_a_network() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let log = Server::start(&folder.path().join("log"), 0, &[]);
    let (vkey, digest) = (log.vkey.as_str(), vouchlog_stream::Digest::of(b"x").to_string());
    let (key, state, canaries, policy) =
        (at("log/operator.key"), at("state"), at("canaries"), at("policy.txt"));
    let witness =
        succeed(&["keygen", "--kind", "witness", "--name", "w.example.com", "--out", &at("witness.key")]);
    std::fs::write(&policy, format!("witness w {} {FAR}\nquorum w\n", witness.trim())).unwrap();
    let grpc = at("grpc.txt");
    std::fs::write(&grpc, format!("witness w {} grpc://w.example.com:6963\nquorum w\n", witness.trim()))
        .unwrap();
    let (data, copy, free) = (at("data"), at("copy"), ["--listen", "127.0.0.1:0"]);
    let otlp = ["--otlp-http", "127.0.0.1:0", "--otlp-grpc", "127.0.0.1:0"];
    let gateway =
        succeed(&["keygen", "--kind", "gateway", "--name", "g.example.com", "--out", &at("gateway.key")]);
    let digests = ["--digest", digest.as_str()];
    let far = ["--log", FAR, "--log-vkey", vkey];
    let commands: Vec<Vec<&str>> = vec![
        [&["submit"][..], &far, &digests].concat(),
        [&["submit", "--gateway-key", &key, "--state", &state][..], &far, &digests].concat(),
        [&["prove", "--index", "0"][..], &far].concat(),
        [&["audit"][..], &far].concat(),
        [&["canary", "plant", "--file", &canaries][..], &far].concat(),
        vec!["enrol", "--log", FAR, "--origin", ORIGIN, "--operator-key", &key, gateway.trim()],
        [&["collect", "--data", &data][..], &far, &otlp].concat(),
        [&["collect", "--data", &data, "--forward", "http://otel.example.com:4318"][..], &otlp, &free]
            .concat(),
        [&["serve", "--data", &data, "--policy", &policy][..], &free].concat(),
        [&["serve", "--data", &data, "--policy", &grpc][..], &free].concat(),
        [&["serve", "--data", &data, "--repair-from", FAR][..], &free].concat(),
        [&["serve", "--data", &data, "--otlp-endpoint", "http://otel.example.com:4318"][..], &free].concat(),
        vec!["recover", "--to", &copy, "--tiles", FAR, "--log-vkey", vkey],
        [
            &["monitor", "--state", &state, "--webhook", "http://hooks.example.com/x"][..],
            &["--log", &log.url, "--log-vkey", vkey],
        ]
        .concat(),
    ];
    for command in commands {
        let (code, error) = fail(&command);
        assert!(code == 2 && error.contains("--insecure-http"), "{command:?}: {error}");
    }
}

/// 0.0.0.0 is no loopback address, and leads to this machine all the same.
#[test]
fn plain_text_and_private_addresses_can_be_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let log = Server::start(&folder.path().join("log"), 0, &[]);
    let url = log.url.replace("127.0.0.1", "0.0.0.0");
    let audit = ["audit", "--log", &url, "--log-vkey", &log.vkey];
    let (code, error) = fail(&audit);
    assert!(code == 2 && error.contains("--insecure-http"), "{error}");
    succeed(&[&audit[..], &["--insecure-http"]].concat());

    let state = folder.path().join("state").to_str().unwrap().to_owned();
    let monitor = ["monitor", "--log", &log.url, "--log-vkey", &log.vkey, "--state", &state];
    let (code, error) = fail(&[&monitor[..], &["--webhook", "https://169.254.169.254/x"]].concat());
    assert!(code == 2 && error.contains("--allow-private-addresses"), "{error}");
    let data = folder.path().join("data").to_str().unwrap().to_owned();
    let collect = ["collect", "--data", &data, "--otlp-http", "127.0.0.1:0", "--otlp-grpc", "127.0.0.1:0"];
    let far = ["--listen", "127.0.0.1:0", "--forward", "https://10.0.0.1:4318"];
    let (code, error) = fail(&[&collect[..], &far].concat());
    assert!(code == 2 && error.contains("--allow-private-addresses"), "{error}");
}
