//! The console in a real browser: an investigator's way from signing in to the letter after an erasure, with the keyboard's order, in
//! light and dark, at three widths, and axe-core on every page.
//!
//! This takes Node, Chromium, and axe-core where `tests/pages/package.json` is installed (`VOUCHLOG_PAGES`, or `tests/pages` itself).
//! Where one is missing, the test says so. `VOUCHLOG_SHOTS=DIR` keeps pictures of the pages.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::cases::services;
use super::{PERSON, PRINCIPALS, Served};

/// Where the walks are.
pub(super) fn pages() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/pages")
}

fn starts(name: &str) -> bool {
    Command::new(name).arg("--version").output().is_ok_and(|it| it.status.success())
}

/// The file of axe-core, where it, Node and Chromium are to be had.
pub(super) fn browser() -> Option<PathBuf> {
    let folder = std::env::var_os("VOUCHLOG_PAGES").map_or_else(pages, PathBuf::from);
    let axe = folder.join("node_modules/axe-core/axe.min.js");
    let has_chromium = ["chromium", "chromium-browser", "google-chrome"].into_iter().any(starts);
    (starts("node") && has_chromium && axe.is_file()).then_some(axe)
}

#[test]
fn an_investigator_walks_from_signing_in_to_the_letter() {
    let Some(axe) = browser() else {
        eprintln!("skipped: no Node, no Chromium, or axe-core is not installed (tests/pages)");
        return;
    };
    let served = Served::start_with(&PRINCIPALS, &[], services);
    let downloads = served.world.path("downloads");
    std::fs::create_dir(&downloads).unwrap();
    let walked = Command::new("node")
        .arg(pages().join("console.mjs"))
        .env("CONSOLE_URL", &served.daemon.url)
        .env("CONSOLE_TOKEN", &served.tokens["inspector"])
        .env("CONSOLE_PERSON", PERSON)
        .env("CONSOLE_DOWNLOADS", &downloads)
        .env("AXE", axe)
        .output()
        .unwrap();
    let (said, error) = (String::from_utf8_lossy(&walked.stdout), String::from_utf8_lossy(&walked.stderr));
    assert!(walked.status.success(), "{said}\n{error}");
    let given = std::fs::read(Path::new(&downloads).join("presentation.json")).unwrap();
    let file = served.world.path("presentation.json");
    std::fs::write(&file, given).unwrap();
    crate::process::succeed(&["verify", &file, "--log-vkey", &served.world.server.vkey]);
}
