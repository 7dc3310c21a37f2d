//! Goal: whoever types the commands of the README and of the pages in `docs/` gets what these promise.
//! Method: every `sh` block of a page, in order, is one script of one `sh -eu` in an empty directory. A page in `docs/` goes on
//! from the first two steps of the README, as it says there. A block that cannot run here says why in a comment above it.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::process::free_port;

/// The README's steps that every page in `docs/` goes on from: start a log, record what an agent did.
const FIRST_STEPS: usize = 2;

/// The pages with commands that run here; those of one row in one shell, in this order.
const CHAPTERS: [&[&str]; 9] = [
    &["docs/access.md"],
    &["docs/auditing.md"],
    &["docs/collector.md"],
    &["docs/embedding.md"],
    &[
        "docs/gateways/README.md",
        "docs/gateways/agentgateway.md",
        "docs/gateways/claude-code.md",
        "docs/gateways/envoy-ai-gateway.md",
        "docs/gateways/kong.md",
        "docs/gateways/litellm.md",
        "docs/gateways/opa.md",
        "docs/gateways/openllmetry.md",
        "docs/gateways/otel-sdk.md",
        "docs/gateways/portkey.md",
    ],
    &["docs/investigating.md"],
    &["docs/operations.md"],
    &["docs/statements.md"],
    &["docs/vault.md"],
];

/// Ports that the pages name. Tests run side by side, so each script gets others.
const PORTS: [&str; 6] = ["6962", "6963", "6964", "4317", "4318", "6968"];

/// Seconds until a script is ended. The longest takes about fifteen.
const PATIENCE: &str = "120";

/// A fenced block of a page.
struct Block {
    /// Of its first fence, from 1.
    line: usize,
    language: String,
    text: String,
    /// The last line above it that is not empty.
    above: String,
}

impl Block {
    /// Why it does not run here, if its page says so.
    fn excuse(&self) -> Option<&str> {
        self.above.strip_prefix("<!-- not run: ")?.strip_suffix(" -->")
    }

    fn runs(&self) -> bool {
        self.language == "sh" && self.excuse().is_none()
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn blocks(page: &str) -> Vec<Block> {
    let text = std::fs::read_to_string(root().join(page)).unwrap();
    let (mut blocks, mut above) = (Vec::new(), String::new());
    let mut lines = text.lines().zip(1..);
    while let Some((line, number)) = lines.next() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            let inside = lines.by_ref().map(|(line, _)| line).take_while(|line| line.trim_start() != "```");
            let text = inside.map(|line| format!("{line}\n")).collect();
            let language = language.to_owned();
            blocks.push(Block { line: number, language, text, above: std::mem::take(&mut above) });
        } else if !line.is_empty() {
            above = line.to_owned();
        }
    }
    blocks
}

/// The blocks of a page that run here.
fn commands(page: &str) -> Vec<String> {
    blocks(page).into_iter().filter(Block::runs).map(|block| block.text).collect()
}

/// Every page with prose for users, by its path from the root.
fn pages() -> Vec<String> {
    let mut pages = vec!["README.md".to_owned()];
    for folder in ["docs", "docs/deploy", "docs/gateways"] {
        for entry in std::fs::read_dir(root().join(folder)).unwrap() {
            let name = entry.unwrap().file_name().to_string_lossy().into_owned();
            if Path::new(&name).extension().is_some_and(|extension| extension == "md") {
                pages.push(format!("{folder}/{name}"));
            }
        }
    }
    pages.sort();
    pages
}

/// Runs a script in a shell that stops at the first failure, in an empty directory, on ports of its own.
fn run(script: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let ports: Vec<String> = PORTS.iter().map(|_| free_port().to_string()).collect();
    let renumber = |script: String, (page, here): (&&str, &String)| {
        script.replace(&format!(":{page}"), &format!(":{here}"))
    };
    let script = PORTS.iter().zip(&ports).fold(script.to_owned(), renumber);
    let programs = Path::new(env!("CARGO_BIN_EXE_vouchlog")).parent().unwrap();
    let mut shell = Command::new("timeout");
    shell.args([PATIENCE, "sh", "-eu", "-c", &script]).current_dir(folder.path());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("VOUCHLOG_")) {
        shell.env_remove(name);
    }
    shell.env("PATH", format!("{}:{}", programs.display(), std::env::var("PATH").unwrap()));
    // The pages leave a collector its own ports.
    let here = |place: usize| format!("127.0.0.1:{}", ports[place]);
    shell.env("VOUCHLOG_OTLP_GRPC", here(3)).env("VOUCHLOG_OTLP_HTTP", here(4));
    // Into files: a server that a page leaves running would hold a pipe open.
    let (out, err) = (folder.path().join(".stdout"), folder.path().join(".stderr"));
    shell.stdin(Stdio::null());
    shell.stdout(std::fs::File::create(&out).unwrap()).stderr(std::fs::File::create(&err).unwrap());
    let mut running = shell.process_group(0).spawn().unwrap();
    let group = running.id();
    let status = running.wait().unwrap();
    end(group);
    Output { status, stdout: std::fs::read(out).unwrap(), stderr: std::fs::read(err).unwrap() }
}

/// Ends the servers that a script left running, which are all in its process group.
fn end(group: u32) {
    let left = Command::new("kill").args(["-KILL", "--", &format!("-{group}")]).output().unwrap();
    // There is no such group any more if the page stopped its servers itself.
    assert!(left.status.success() || String::from_utf8_lossy(&left.stderr).contains("No such process"));
}

/// What a script printed; it must succeed.
fn succeed(name: &str, script: &str) -> String {
    let output = run(script);
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{name}: {:?}\n{said}\n{errors}", output.status.code());
    said.into_owned()
}

/// What the commands of a chapter print, which begins with this page.
fn chapter(first: &str) -> String {
    let pages = CHAPTERS.iter().find(|pages| pages[0] == first).expect("the page begins a chapter");
    let start = commands("README.md").into_iter().take(FIRST_STEPS);
    let script: Vec<_> = start.chain(pages.iter().flat_map(|page| commands(page))).collect();
    succeed(first, &script.join("\n"))
}

#[test]
fn the_readme_runs_from_top_to_bottom_in_one_shell() {
    let said = succeed("README.md", &commands("README.md").join("\n"));
    assert!(said.contains("credential valid when used: no"), "{said}");
    assert!(said.contains("record 1 of the session is missing"), "{said}");
    assert!(said.contains("initiator.sub = u-20931"), "{said}");
    assert!(said.contains("Everything is recorded, and the stream is closed"), "{said}");
    assert!(said.contains("refunds-gateway") && said.contains("% attributable"), "{said}");
    assert!(!said.contains("order 8841"), "content is shown to nobody who did not ask for it: {said}");
}

#[test]
fn the_page_on_access_runs_and_a_caller_sends_with_its_token() {
    let said = chapter("docs/access.md");
    assert!(said.contains(r#""accepted":1"#), "{said}");
}

#[test]
fn the_page_on_auditing_runs() {
    let said = chapter("docs/auditing.md");
    assert!(said.contains("clean: no findings in log.example.com/ai"), "{said}");
}

#[test]
fn the_page_on_the_collector_runs() {
    chapter("docs/collector.md");
}

#[test]
fn the_page_on_embedding_runs_and_an_altered_record_does_not_verify() {
    let said = chapter("docs/embedding.md");
    assert!(said.contains("DOES NOT HOLD"), "{said}");
}

#[test]
fn the_pages_on_gateways_run() {
    chapter("docs/gateways/README.md");
}

#[test]
fn the_page_on_investigating_runs() {
    let said = chapter("docs/investigating.md");
    assert!(said.contains("no record has the response chatcmpl-past-the-gateway"), "{said}");
    assert!(said.contains("5 actions with the credential txn-7"), "{said}");
}

#[test]
fn the_page_on_operations_runs() {
    chapter("docs/operations.md");
}

#[test]
fn the_page_on_statements_runs() {
    chapter("docs/statements.md");
}

#[test]
fn the_page_on_the_vault_runs() {
    let said = chapter("docs/vault.md");
    assert!(said.contains("erased"), "{said}");
}

/// A block escapes the tests above only where its page says why.
#[test]
fn every_command_runs_or_says_why_not() {
    let mut run_here = Vec::new();
    for page in pages() {
        let blocks = blocks(&page);
        for block in &blocks {
            let place = format!("{page}:{}", block.line);
            let programs = ["vouchlog ", "curl ", "cargo ", "export ", "target/"];
            let is_command =
                block.text.lines().any(|line| programs.iter().any(|word| line.starts_with(word)));
            assert!(!is_command || block.language == "sh", "{place} has commands and is not marked as `sh`");
            assert!(
                block.excuse().is_none_or(|excuse| excuse.len() > 10),
                "{place} does not say why it does not run"
            );
            for hidden in ["|| true", "|| :", "set +e"] {
                assert!(!block.text.contains(hidden), "{place} hides failures by `{hidden}`");
            }
        }
        if blocks.iter().any(Block::runs) {
            run_here.push(page);
        }
    }
    let mut tested: Vec<_> = CHAPTERS.concat().into_iter().chain(["README.md"]).collect();
    tested.sort_unstable();
    assert_eq!(run_here, tested, "the pages with commands, and those that a test runs");
}

/// The lines of a page outside its blocks.
fn prose(page: &str) -> String {
    let text = std::fs::read_to_string(root().join(page)).unwrap();
    let parts = text.split("\n```").step_by(2);
    parts.collect::<Vec<_>>().join("\n")
}

/// What a heading is called in a link.
fn anchor(heading: &str) -> String {
    let words = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = words.chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
    kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let mut checked = 0;
    for page in pages() {
        let here = root().join(&page);
        let text = prose(&page);
        let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.contains("://")) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { here.clone() } else { here.parent().unwrap().join(file) };
            assert!(target.exists(), "{page} links to {file}, which is not there");
            if !heading.is_empty() {
                let text = std::fs::read_to_string(target).unwrap();
                let mut headings = text.lines().filter(|line| line.starts_with('#')).map(anchor);
                assert!(headings.any(|known| known == heading), "{page} links to {link}: no such heading");
            }
            checked += 1;
        }
    }
    assert!(checked > 50, "{checked} links: were they found at all?");
}
