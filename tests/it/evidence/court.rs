//! Goal: a court file is one page that checks itself, whatever the records say, and the log has the digest of the program in it.
//! Method: the real program writes it; it is taken apart, its parts are verified by the program, and a Chromium opens it from disk.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use vouchlog_session::{VERIFIER, verifier_digest};

use super::world::{World, exchange, record_of, seal, turn};
use crate::process::succeed;

/// A session whose records hold what would end an element of HTML.
fn world() -> World {
    let world = World::start();
    let mut hostile = record_of("s-9", &exchange("tool-call"));
    hostile["correlation"] = turn(3, "tool-call")["correlation"].clone();
    hostile["tools"][0]["name"] = "</script><script>alert(1)</script><!--".into();
    world.record(&json!([turn(1, "tool-call"), turn(2, "tool-result"), hostile, seal(3)]));
    world
}

/// Writes a court file with everything that it may have.
fn court_file(world: &World) -> String {
    let receipts = world.path("verifier");
    let (code, logged) = world.ask(&["submit", "--verifier", "--receipts", &receipts]);
    assert_eq!(code, 0, "{logged}");
    assert_eq!(logged["statements"][0]["digest"], verifier_digest().to_string());
    let proof = logged["statements"][0]["receipt"].as_str().unwrap().to_owned();
    let complete = world.path("streams.completeness.json");
    succeed(&[
        "prove-complete",
        "--log",
        &world.server.url,
        "--log-vkey",
        &world.server.vkey,
        "--all",
        "-o",
        &complete,
    ]);
    let court = world.path("court.html");
    let with = ["--completeness", &complete, "--verifier-proof", &proof];
    let args = [
        "session",
        "sess-story",
        "--basis",
        "case 17",
        "--fields",
        "correlation,tools,outcome",
        "--court",
        &court,
    ];
    world.ask(&[&args[..], &with[..]].concat());
    court
}

/// The data behind the program.
fn data(html: &str) -> Value {
    let data = html.strip_prefix(VERIFIER).expect("the program comes first, unchanged");
    assert_eq!(data.matches('<').count(), 2, "no record leaves its element");
    let (_, data) = data.split_once('>').unwrap();
    serde_json::from_str(data.trim_end().strip_suffix("</script>").unwrap()).unwrap()
}

#[test]
fn a_court_file_has_what_its_recipient_needs() {
    let world = world();
    let html = std::fs::read_to_string(court_file(&world)).unwrap();
    let data = data(&html);
    assert_eq!((&data["title"], &data["basis"]), (&json!("Session sess-story"), &json!("case 17")));
    assert_eq!(data["log_vkey"], world.server.vkey);
    assert_eq!(data["verifier"]["sha256"], verifier_digest().to_string());
    assert!(data["rules"].as_array().unwrap().iter().any(|rule| rule["code"] == "R26"));
    let files = data["files"].as_array().unwrap();
    for (file, name) in files.iter().zip(["session.json", "streams.completeness.json"]) {
        assert_eq!(file["name"], name);
        let path = world.path(name);
        std::fs::write(&path, file["text"].as_str().unwrap()).unwrap();
        let mut verify = crate::process::vouchlog();
        let verified =
            verify.args(["verify", &path, "--json", "--log-vkey", &world.server.vkey]).output().unwrap();
        // A session in which something is wrong ends with 1; a file that does not hold is refused.
        let said: Value = serde_json::from_slice(&verified.stdout).unwrap();
        assert!(said.get("finding").is_none(), "{name}: {said}");
    }
    assert!(files[0]["text"].as_str().unwrap().contains("vouchlog/v1 session"));
}

#[test]
fn what_does_not_belong_in_a_court_file_is_reported_before_anything_is_disclosed() {
    let world = world();
    let (court, other) = (world.path("court.html"), world.path("other.json"));
    std::fs::write(&other, "{\"format\":\"vouchlog/v1 sample\"}").unwrap();
    let logged = || {
        let (_, found) = world.ask(&["find", "--kind", "disclosure"]);
        found["records"].as_array().map_or(0, Vec::len)
    };
    let before = logged();
    for (flag, words) in
        [("--completeness", "not a completeness file"), ("--verifier-proof", "does not prove")]
    {
        let output =
            world.run(&["session", "sess-story", "--basis", "case 17", "--court", &court, flag, &other]);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(words), "{error}");
    }
    assert_eq!(logged(), before);
    assert!(!Path::new(&court).exists());
}

#[test]
fn a_browser_checks_a_court_file_from_disk() {
    let starts =
        |name: &&str| Command::new(name).arg("--version").output().is_ok_and(|it| it.status.success());
    let Some(chromium) = ["chromium", "chromium-browser", "google-chrome"].into_iter().find(starts) else {
        eprintln!("skipped: no Chromium");
        return;
    };
    let world = world();
    let court = court_file(&world);
    let shown = |file: &str| {
        let profile = tempfile::tempdir().unwrap();
        let output = Command::new(chromium)
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--virtual-time-budget=20000",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .args(["--dump-dom", &format!("file://{file}")])
            .output()
            .unwrap();
        let dom = String::from_utf8_lossy(&output.stdout).into_owned();
        // The data itself stands at the end of the page; what is shown stands before it.
        dom.split("id=\"vouchlog-court\"").next().unwrap().to_owned()
    };
    let page = shown(&court);
    assert_eq!(page.matches("</svg>Holds by the keys in this file").count(), 2, "{page}");
    assert!(page.contains("The claimed digest is entry"), "{page}");
    assert!(page.contains("&lt;/script&gt;&lt;script&gt;alert(1)"), "the hostile name is text");
    assert!(!page.contains("</svg>Verified</span><p>"), "no file is verified by the keys in it");

    // One letter of a record: nothing in the bundle holds any more.
    let html = std::fs::read_to_string(&court).unwrap();
    let place = VERIFIER.len() + html[VERIFIER.len()..].find("sd_jwt").unwrap() + 40;
    let other = if html.as_bytes()[place] == b'A' { "B" } else { "A" };
    let altered = world.path("altered.html");
    std::fs::write(&altered, format!("{}{other}{}", &html[..place], &html[place + 1..])).unwrap();
    assert!(shown(&altered).contains("</svg>Does not verify"));
}
