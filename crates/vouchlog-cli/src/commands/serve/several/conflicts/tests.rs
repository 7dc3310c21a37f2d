//! What two logs of a file must not have in common, and what they may.

use std::path::Path;

use vouchlog::keys::load_or_create;

use super::super::file;
use super::*;

/// What is wrong with a file whose logs each are read.
fn problems(text: &str, process: &[&str]) -> Vec<String> {
    let tables = file::read(text).unwrap_or_else(|problems| panic!("{problems:?}"));
    let claims: Vec<_> = tables.iter().map(|table| Claims::of(table).unwrap()).collect();
    let process: Vec<_> = process.iter().map(|address| operators(address)).collect();
    find(&claims, &process).into_iter().map(|problem| format!("{}: {}", problem.line, problem.what)).collect()
}

fn only(found: &[String], line: &str, part: &str) {
    let [found] = found else { panic!("{found:?}") };
    assert!(found.starts_with(line) && found.contains(part), "{found}");
}

#[test]
fn logs_that_share_a_database_and_an_operator_are_fine() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().display();
    let text = format!(
        "[log.a]\ndata = \"{dir}/a\"\norigin = \"a.example.com\"\nlisten = \"127.0.0.1:7001\"\nadmin-listen = \"127.0.0.1:7002\"\n\
         store = \"postgres://db.example.com/logs\"\nobjects = \"file://{dir}/bucket/a\"\n\
         [log.b]\ndata = \"{dir}/ab\"\norigin = \"b.example.com\"\nlisten = \"127.0.0.2:7001\"\n\
         store = \"postgres://db.example.com/logs\"\nobjects = \"file://{dir}/bucket/b\"\n\
         [log.c]\ndata = \"{dir}/c\"\nlisten = \"127.0.0.1:0\"\n\
         [log.d]\ndata = \"{dir}/d\"\nlisten = \"127.0.0.1:0\"\n"
    );
    assert_eq!(problems(&text, &["127.0.0.1:7003"]), Vec::<String>::new());
    assert!(!folder.path().join("a").exists(), "nothing is made before all is well");
}

#[test]
fn two_logs_have_nothing_in_common() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().display().to_string();
    let pair = |a: &str, b: &str| {
        let text = format!(
            "[log.a]\ndata = \"{dir}/a\"\nlisten = \"127.0.0.1:7001\"\n{a}\n[log.b]\n{}{}{b}\n",
            if b.contains("data") { String::new() } else { format!("data = \"{dir}/b\"\n") },
            if b.contains("listen") { "" } else { "listen = \"127.0.0.1:7002\"\n" },
        );
        problems(&text, &["127.0.0.1:7009"])
    };
    let origin = "origin = \"log.example.com/a\"";
    only(&pair(origin, origin), "5: ", "[log.b]: it is the log log.example.com/a, and so is [log.a]");
    for data in ["a", "./a", "x/../a"] {
        let data = format!("data = \"{dir}/{data}\"");
        std::fs::create_dir_all(folder.path().join("x")).unwrap();
        only(&pair("", &data), "5: ", "the same `data` as [log.a]");
    }
    only(&pair("", &format!("data = \"{dir}/a/live\"")), "5: ", "one inside the other");
    let objects = |prefix: &str| format!("objects = \"file://{dir}/bucket/{prefix}\"");
    only(&pair(&objects("p"), &objects("p/")), "5: ", "the same `objects` as [log.a]");
    let store = "store = \"postgres://db.example.com/logs\"";
    let named = format!("{store}\n{origin}");
    only(&pair(&named, store), "6: ", "it shares a database with [log.a], and one of them has no `origin`");
    for (address, setting) in [
        ("listen = \"127.0.0.1:7001\"", "listen"),
        ("listen = \"0.0.0.0:7001\"", "listen"),
        ("admin-listen = \"[::]:7001\"", "admin-listen"),
    ] {
        only(&pair("", address), "5: ", &format!("`{setting}`"));
    }
    only(&pair("", "admin-listen = \"127.0.0.1:7009\""), "5: ", "taken by `--admin-listen`");
    let twice = "listen = \"127.0.0.1:7002\"\nadmin-listen = \"127.0.0.1:7002\"";
    only(&pair("", twice), "5: ", "`admin-listen` 127.0.0.1:7002 is taken by `listen`");
    // Every one of them is reported.
    assert_eq!(pair(&named, &format!("{named}\ndata = \"{dir}/a\"\nlisten = \"127.0.0.1:7001\"")).len(), 3);
}

#[test]
fn a_link_to_a_directory_is_that_directory() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    std::fs::create_dir(dir.join("a")).unwrap();
    std::os::unix::fs::symlink(dir.join("a"), dir.join("b")).unwrap();
    let data = |name: &str| format!("data = \"{}\"", dir.join(name).display());
    let text = format!(
        "[log.a]\n{}\nlisten = \"127.0.0.1:0\"\n[log.b]\n{}\nlisten = \"127.0.0.1:0\"\n",
        data("a"),
        data("b")
    );
    only(&problems(&text, &[]), "4: ", "the same `data`");
    assert_eq!(resolved(Path::new("/nowhere/at/all")), Path::new("/nowhere/at/all"));
}

#[test]
fn keys_and_names_are_those_of_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let key = dir.join("log.key");
    load_or_create(&key, "log.example.com/a").unwrap();
    std::fs::create_dir(dir.join("b")).unwrap();
    std::fs::copy(&key, dir.join("b/log.key")).unwrap();
    let text = format!(
        "[log.a]\ndata = \"{0}/a\"\nkey = \"{0}/log.key\"\nlisten = \"127.0.0.1:0\"\n[log.b]\ndata = \"{0}/b\"\nlisten = \"127.0.0.1:0\"\n",
        dir.display()
    );
    let found = problems(&text, &[]);
    assert!(found.iter().any(|found| found.contains("it is the log log.example.com/a")), "{found:?}");
    assert!(found.iter().any(|found| found.contains("the same key as [log.a]")), "{found:?}");
}

#[test]
fn a_file_that_is_missing_is_an_error_of_its_log() {
    for (setting, reported) in [
        ("key = \"/nowhere/log.key\"", "/nowhere/log.key"),
        ("access = \"/nowhere/access.json\"", "/nowhere/access.json"),
        ("operator-key = \"/nowhere/operator.key\"", "/nowhere/operator.key"),
        ("policy = \"/nowhere/policy\"", "/nowhere/policy"),
        ("ml-dsa-key = \"/nowhere/ml\"", "/nowhere/ml"),
        ("house = \"token\"", "--house token"),
    ] {
        let text = format!("[log.a]\ndata = \"/nowhere/data\"\n{setting}\n");
        let tables = file::read(&text).unwrap_or_else(|problems| panic!("{problems:?}"));
        let error = format!("{:#}", Claims::of(&tables[0]).err().unwrap());
        assert!(error.contains(reported), "{setting}: {error}");
    }
}
