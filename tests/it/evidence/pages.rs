//! Goal: the pages of reports can be used with a keyboard and a screen reader, in both colour schemes.
//! Method: the real program makes pages, a real Chromium shows them, axe-core looks for what is wrong.
//!
//! This takes Chromium and a folder in which `tests/pages/package.json` is installed: `VOUCHLOG_PAGES`, or else `tests/pages` itself.
//! Where there is none, the test says so; what the pages have is checked beside the code that makes them.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::world::{World, exchange, record_of, seal, turn};
use crate::process::succeed;

/// The file of axe-core, and a Chromium that starts.
fn tools() -> Option<(PathBuf, &'static str)> {
    let ours = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/pages");
    let folder = std::env::var_os("VOUCHLOG_PAGES").map_or_else(ours, PathBuf::from);
    let axe = folder.join("node_modules/axe-core/axe.min.js");
    let starts =
        |name: &&str| Command::new(name).arg("--version").output().is_ok_and(|it| it.status.success());
    let chromium = ["chromium", "chromium-browser", "google-chrome"].into_iter().find(starts)?;
    axe.is_file().then_some((axe, chromium))
}

/// Pages of a session in which much is wrong, and of an audit.
fn pages() -> (World, Vec<PathBuf>) {
    let world = World::start();
    let mut denied = record_of("s-9", &exchange("tool-call"));
    denied["correlation"] = turn(3, "tool-call")["correlation"].clone();
    denied["policy"][0]["verdict"] = "deny".into();
    denied["credential"]["exp"] = "2020-01-01T00:00:00Z".into();
    world.record(&json!([turn(1, "tool-call"), turn(2, "tool-result"), denied, seal(5)]));
    let (session, audit) = (world.path("session.html"), world.path("audit.html"));
    world.ask(&["session", "sess-story", "--content", "--basis", "case 17", "--html", &session]);
    let audit_log = ["audit", "--log", &world.server.url, "--log-vkey", &world.server.vkey, "--html", &audit];
    succeed(&audit_log);
    (world, vec![PathBuf::from(session), PathBuf::from(audit)])
}

#[test]
fn axe_finds_nothing_serious() {
    let Some((axe, chromium)) = tools() else {
        eprintln!("skipped: no Chromium, or axe-core is not installed (tests/pages)");
        return;
    };
    let axe = std::fs::read_to_string(axe).unwrap();
    let (_world, pages) = pages();
    for page in pages {
        // 0 is dark, 1 is light.
        for scheme in ["0", "1"] {
            let found = violations(&page, &axe, (chromium, scheme));
            let grave: Vec<&Value> = found
                .iter()
                .filter(|one| ["serious", "critical"].contains(&one["impact"].as_str().unwrap_or("critical")))
                .collect();
            assert!(grave.is_empty(), "{}, scheme {scheme}: {grave:#?}", page.display());
        }
    }
}

/// The fault that this repairs: two records printed to 18 pages, every fold open.
#[test]
fn a_session_prints_on_few_pages() {
    let Some((_, chromium)) = tools() else {
        eprintln!("skipped: no Chromium, or axe-core is not installed (tests/pages)");
        return;
    };
    let (world, pages) = pages();
    for page in pages {
        let pdf = world.path("printed.pdf");
        let profile = tempfile::tempdir().unwrap();
        let printed = Command::new(chromium)
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-pdf-header-footer",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(format!("--print-to-pdf={pdf}"))
            .arg(format!("file://{}", page.display()))
            .output()
            .unwrap();
        assert!(printed.status.success());
        let bytes = std::fs::read(&pdf).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        let sheets = text.matches("/Type /Page\n").count()
            + text.matches("/Type /Page ").count()
            + text.matches("/Type /Page/").count();
        assert!((1..=9).contains(&sheets), "{}: {sheets} sheets", page.display());
    }
}

/// What axe-core has to say of a page. The page's own policy lets no script run, so a copy without it is shown.
fn violations(page: &Path, axe: &str, (chromium, scheme): (&str, &str)) -> Vec<Value> {
    let html = std::fs::read_to_string(page).unwrap();
    let (before, policy) = html.split_once("<meta http-equiv=\"Content-Security-Policy\"").unwrap();
    let after = policy.split_once('>').unwrap().1;
    let script = "document.querySelectorAll('details').forEach(d => d.open = true); \
        axe.run(document, { resultTypes: ['violations'] }).then(found => { \
          const pre = document.createElement('pre'); pre.id = 'found'; \
          pre.textContent = JSON.stringify(found.violations.map(v => ({ id: v.id, impact: v.impact, nodes: v.nodes.slice(0, 3).map(n => n.html.slice(0, 200) + ' ' + n.failureSummary) }))); \
          document.body.append(pre); });";
    let copy = page.with_extension("axe.html");
    std::fs::write(&copy, format!("{before}{after}<script>{axe}</script><script>{script}</script>")).unwrap();
    let profile = tempfile::tempdir().unwrap();
    let shown = Command::new(chromium)
        .args([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--virtual-time-budget=60000",
        ])
        .arg(format!("--blink-settings=preferredColorScheme={scheme}"))
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg("--dump-dom")
        .arg(format!("file://{}", copy.display()))
        .output()
        .unwrap();
    let dom = String::from_utf8_lossy(&shown.stdout).into_owned();
    let found = dom
        .split_once("<pre id=\"found\">")
        .unwrap_or_else(|| panic!("axe did not run: {}", String::from_utf8_lossy(&shown.stderr)));
    let text = found.1.split_once("</pre>").unwrap().0;
    let text =
        text.replace("&lt;", "<").replace("&gt;", ">").replace("&nbsp;", "\u{a0}").replace("&amp;", "&");
    serde_json::from_str(&text).unwrap()
}
