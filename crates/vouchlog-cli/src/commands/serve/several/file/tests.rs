//! What a file of several logs may have, and how each mistake in it is reported.

use std::path::Path;

use proptest::prelude::*;

use super::*;

/// The one problem of a file.
fn problem(text: &str) -> String {
    match read(text) {
        Ok(_) => panic!("accepted: {text}"),
        Err(problems) => {
            let [problem] = &problems[..] else { panic!("{problems:?}") };
            format!("{}: {}", problem.line, problem.what)
        }
    }
}

fn one(settings: &str) -> Args {
    let mut logs = read(&format!("[log.a]\n{settings}")).unwrap_or_else(|problems| panic!("{problems:?}"));
    assert_eq!(logs.len(), 1);
    logs.remove(0).args
}

#[test]
fn a_table_is_what_its_flags_would_be() {
    let text = "\
# All logs of the house.
[log.ai]
data = \"/srv/ai\"
origin = \"log.example.com/ai\"
listen = \"127.0.0.1:7001\"
open-enrolment = true
create = false
house = \"off\"
host = [\"a.example.com\", \"b.example.com\"]
scrub-rate = 0
exit-when-poisoned = false

[log.\"b.2\"]
data = '/srv/b'
";
    let logs = read(text).unwrap_or_else(|problems| panic!("{problems:?}"));
    let [ai, b] = &logs[..] else { panic!("two logs") };
    assert_eq!((ai.name.as_str(), ai.line, b.name.as_str(), b.line), ("ai", 2, "b.2", 13));
    assert_eq!((ai.args.data.as_path(), ai.args.listen.as_str()), (Path::new("/srv/ai"), "127.0.0.1:7001"));
    assert_eq!(ai.args.origin.as_deref(), Some("log.example.com/ai"));
    assert!(ai.args.open_enrolment);
    assert_eq!(ai.args.access.hosts(), ["a.example.com", "b.example.com"]);
    // The defaults are those of the flags.
    let typed = flags().try_get_matches_from(["--data=/srv/b"]).unwrap();
    let typed = Args::from_arg_matches(&typed).unwrap();
    assert_eq!((&b.args.listen, b.args.stream_head_interval), (&typed.listen, typed.stream_head_interval));
    assert_eq!((b.args.origin.as_ref(), b.args.open_enrolment), (None, false));
    // A table may be written in one line.
    assert_eq!(one("data = \"x\"").data, Path::new("x"));
    assert_eq!(read("log.a = { data = \"x\" }").map_err(|_| ()).unwrap().len(), 1);
}

/// The environment is that of the process: a log would take its origin from it, and so would the next.
#[test]
fn no_setting_of_a_log_comes_from_the_environment() {
    let of_environment: Vec<_> =
        flags().get_arguments().filter(|arg| arg.get_env().is_some()).map(Arg::get_id).cloned().collect();
    assert!(of_environment.is_empty(), "{of_environment:?}");
}

#[test]
fn each_mistake_is_reported_with_its_line() {
    for (text, reported) in [
        ("", "1: there is no log: begin with a table [log.NAME]"),
        ("[log]\n", "1: there is no log"),
        ("[log.a]\ndata = \n", "2: "),
        ("[log.a]\ndata = \"x\"\ndata = \"y\"\n", "3: duplicate key"),
        ("[log.a]\ndata = \"x\"\n[log.a]\n", "3: duplicate key"),
        ("[log.a]\ndata = \"x\"\norigins = \"y\"\n", "3: [log.a]: `origins` is not a setting of a log: see"),
        (
            "[log.a]\ndata = \"x\"\ntls_cert = \"y\"\n",
            "3: [log.a]: `tls_cert` is not a setting of a log: write `tls-cert`",
        ),
        ("\n[log.a]\n", "2: [log.a]: the following required arguments were not provided: --data <DIR>"),
        (
            "[log.a]\ndata = \"x\"\n\nindex = \"maybe\"\n",
            "4: [log.a]: invalid value 'maybe' for '--index <INDEX>'",
        ),
        ("[log.a]\ndata = [\"x\"]\n", "2: [log.a]: `data` takes one value"),
        ("[log.a]\ndata = \"x\"\ncreate = \"yes\"\n", "3: [log.a]: `create` is true or false"),
        ("[log.a]\ndata = \"x\"\nlisten = 1.5\n", "3: [log.a]: `listen` takes text"),
        ("[log.a]\ndata = \"x\"\n[log.a.tls]\ncert = \"y\"\n", "3: [log.a]: `tls` is not a setting"),
        ("[log.a]\ndata = \"x\"\n[log.a.listen]\n", "3: [log.a]: `listen` takes a value, and is a table"),
        (
            "[log.a]\ndata = \"x\"\ntls-cert = \"y\"\n",
            "1: [log.a]: the following required arguments were not provided: --tls-key <FILE>",
        ),
        (
            "[log.a]\ndata = \"x\"\noperator-key = \"y\"\noperator-vkey = \"z\"\n",
            "4: [log.a]: invalid value 'z'",
        ),
        (
            "[log.a]\ndata = \"x\"\ndrain = \"1s\"\n",
            "3: [log.a]: `drain` is a setting of the process: give it as a flag, --drain",
        ),
        ("drain = \"1s\"\n[log.a]\ndata = \"x\"\n", "1: `drain` is a setting of the process"),
        ("data = \"x\"\n", "1: `data` is a setting of one log: put it into a table [log.NAME]"),
        ("[logs.a]\ndata = \"x\"\n", "1: `logs` is unknown"),
        ("[log]\na = 1\n", "2: `a` is no table"),
        ("[[log]]\ndata = \"x\"\n", "1: `log` is unknown"),
        ("[log.\"a b\"]\ndata = \"x\"\n", "1: `a b` cannot name a log"),
        ("[log.\"\"]\ndata = \"x\"\n", "1: `` cannot name a log"),
    ] {
        let found = problem(text);
        assert!(found.starts_with(reported), "{text}\n{found}");
    }
    let name = "n".repeat(MAX_NAME + 1);
    assert!(problem(&format!("[log.{name}]\ndata = \"x\"\n")).contains("cannot name a log"));
    let many: String = (0..=MAX_LOGS).map(|n| format!("[log.n{n}]\ndata = \"d{n}\"\n")).collect();
    assert_eq!(problem(&many), "1: there are 65 logs, and a process runs at most 64");
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let text = "\
[log.a]
data = \"a\"
index = \"maybe\"
stream-head-interval = \"soon\"
house = \"perhaps\"
colour = \"red\"

[log.b]
origin = \"b.example.com\"
";
    let problems = read(text).err().unwrap();
    let lines: Vec<_> = problems.iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [3, 4, 5, 6, 8], "{problems:?}");
}

#[test]
fn a_pin_is_not_repeated() {
    let found =
        problem("[log.a]\ndata = \"x\"\nkey = \"pkcs11:object=a?pin-value=98765 log.example.com+1234\"\n");
    assert!(found.starts_with("3: ") && !found.contains("98765"), "{found}");
}

proptest! {
    #[test]
    fn no_text_panics(text in "(\\[(log\\.)?[a-c\"]{0,3}\\]\n|(data|index|log|create|host)( ?= ?|\\.)(\"[a-z]{0,3}\"|\\[\"a\"\\]|true|1|\\{\\})?\n|é\n){0,8}") {
        let _ = read(&text).map(drop);
    }
}
