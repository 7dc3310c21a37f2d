//! The examples, run as a reader would run them. `cargo test` builds them beside this program.

use std::path::PathBuf;
use std::process::Command;

fn run(example: &str) -> String {
    let own = std::env::current_exe().unwrap();
    let built: PathBuf = own.parent().unwrap().parent().unwrap().join("examples").join(example);
    assert!(
        built.is_file(),
        "{} is missing: `cargo test -p vouchlog --all-features` builds it",
        built.display()
    );
    let data = tempfile::tempdir().unwrap();
    let ran = Command::new(built).arg(data.path()).output().unwrap();
    let (out, err) =
        (String::from_utf8(ran.stdout).unwrap(), String::from_utf8_lossy(&ran.stderr).into_owned());
    assert!(ran.status.success(), "{example}: {out}{err}");
    out
}

#[test]
fn a_chat_service_keeps_and_logs_a_record_of_each_answer() {
    let shown = run("embed");
    assert!(shown.contains("\"reply\": \"It left the warehouse today.\""), "{shown}");
    assert!(shown.contains("\"executor_known\": \"yes\""), "{shown}");
    assert!(shown.contains("\"R11: no credential is named\""), "the grade says what to add: {shown}");
    assert!(shown.contains("logged at index "), "{shown}");
}

#[test]
fn a_program_that_runs_only_the_log_gets_a_receipt() {
    let shown = run("log_only");
    assert!(shown.contains("c2sp.org/tlog-proof"), "{shown}");
    assert!(shown.contains("log.example.com/ai"), "{shown}");
}
