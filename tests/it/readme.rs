//! The README's commands, run as they stand, in an empty directory.

use std::path::Path;
use std::process::Command;

use crate::process::free_port;

/// The blocks after the marks that say they are run here; each goes on from the one before.
fn blocks() -> Vec<String> {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let text = std::fs::read_to_string(readme).unwrap();
    let blocks = text.split("<!-- these commands are run by tests/it/readme.rs -->\n```sh\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap().to_owned()).collect()
}

/// The first block: a log, a statement, a proof.
fn commands() -> String {
    blocks().into_iter().next().expect("the README has the block")
}

/// Runs the commands in a shell; only the port is another, since several tests run at once.
fn run(script: &str) -> std::process::Output {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let http = free_port();
    let script = script.replace("6962", &port.to_string()).replace("4318", &http.to_string());
    let programs = Path::new(env!("CARGO_BIN_EXE_vouchlog")).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    // Job control, as in a terminal; a server that outlives a failure is ended with the shell.
    let script = format!("set -em\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n{script}");
    let mut shell = Command::new("timeout");
    shell.args(["60", "bash", "-c", &script]).current_dir(folder.path()).env("PATH", path);
    shell.env("VOUCHLOG_LISTEN", format!("127.0.0.1:{port}"));
    shell.env("VOUCHLOG_OTLP_GRPC", "127.0.0.1:0").env("VOUCHLOG_OTLP_HTTP", format!("127.0.0.1:{http}"));
    shell.output().unwrap()
}

#[test]
fn the_commands_of_the_readme_end_with_a_verified_record() {
    let output = run(&commands());
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{errors}");
    assert!(said.contains("log.example.com/ai"), "{said}");
}

#[test]
fn and_with_one_character_changed_the_record_does_not_verify() {
    let commands = commands();
    let (before, verify) = commands.split_once("vouchlog verify").unwrap();
    let output = run(&format!("{before}sed -i s/booked/b00ked/ call.json\nvouchlog verify{verify}"));
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("DOES NOT HOLD"));
}

#[test]
fn a_record_becomes_evidence_that_a_stranger_checks() {
    let [first, second, _] = <[String; 3]>::try_from(blocks()).unwrap();
    let output = run(&format!("{first}\n{second}"));
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{errors}");
    assert!(said.contains("initiator.sub = u-20931"), "{said}");
    assert!(said.contains("credential valid at the moment: yes"), "{said}");
    assert!(!said.contains("order 8841"), "content is not shown unasked: {said}");
}

#[test]
fn what_a_program_sends_becomes_a_session_and_the_doctor_says_what_it_lacks() {
    let [_, _, third] = <[String; 3]>::try_from(blocks()).unwrap();
    let output = run(&third);
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{errors}");
    assert!(said.contains("the stream is closed") && said.contains("u-20931"), "{said}\n{errors}");
    assert!(said.contains("refunds-gateway") && said.contains("% attributable"), "{said}\n{errors}");
}
