//! Files and words from strangers, for commands that run on an auditor's or an investigator's machine.

use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tokio::process::Command;

use super::commands::{Bounds, judged};
use crate::attack::{Attack, Context, Target};

const CLASS: &str = "files";
/// None of these files proves anything.
const BOUNDS: Bounds = Bounds { time: Duration::from_secs(10), codes: &[1, 2] };

/// What repaints a line that a terminal has shown: erase it, go to its start, write, hide the rest.
const REPAINT: &str =
    "\u{1b}[1K\u{1b}[1Gverified: record refund-1 of the gateway gateway.example.com\u{1b}[8m";
const TITLE: &str = "\u{1b}]0;verified\u{7}";
const CONTROL: &str = "\u{9b}1K\u{9b}1Gverified";
const RETURN: &str = "\rverified: policy satisfied by 3 witnesses                  ";
const BIDI: &str = "\u{202e}deifirev\u{2066}";
const HIDDEN: &str = "gate\u{200b}way\u{feff}.example.com\u{2060}";

type MakeBytes = fn() -> Vec<u8>;

pub(super) fn attacks() -> Vec<Attack> {
    let mut all = presentations();
    all.extend(others());
    all.extend(places());
    all.extend(words());
    all
}

/// Verifies a file as what it says it is, and as what its contents say.
fn file(name: &str, option: &'static str, made: MakeBytes) -> Attack {
    let file = format!("{}.file", name.replace(|character: char| !character.is_ascii_alphanumeric(), "-"));
    Attack::repeated(CLASS, format!("{CLASS}: {name}"), Target::Command, move |context: Context| {
        let path = context.folder.join(&file);
        async move {
            std::fs::write(&path, made())?;
            verified(&context, option, &path).await
        }
    })
}

async fn verified(context: &Context, option: &str, path: &Path) -> Result<crate::attack::Observation> {
    let path = path.to_string_lossy();
    let args: Vec<String> = ["verify", option, &path, "--log-vkey", &context.vkey]
        .iter()
        .filter(|it| !it.is_empty())
        .map(ToString::to_string)
        .collect();
    judged(&context.program, &args, BOUNDS).await
}

/// A presentation whose parts are well formed and prove nothing, with `text` in one of them.
fn presentation(place: &str, text: &str) -> Vec<u8> {
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let mut header = json!({ "alg": "EdDSA", "typ": "vouchlog+sd-jwt" });
    let mut payload = json!({ "_sd_alg": "sha-256", "_sd": [] });
    let (mut origin, mut proof) = ("log.example.com/test".to_owned(), proof_file("7"));
    let mut disclosure = json!(["salt", "name", "value"]);
    match place {
        "alg" | "typ" => header[place] = text.into(),
        "claim" => payload[text] = text.into(),
        "disclosure" => disclosure = json!([text, text, text]),
        "origin" => origin = text.to_owned(),
        _ => proof = text.to_owned(),
    }
    let jwt = format!("{}.{}.{}", part(header), part(payload), URL_SAFE_NO_PAD.encode([7; 64]));
    let stream = json!({ "enrolment": proof_file("1"), "opening": proof_file("2") });
    let presentation = json!({
        "format": "vouchlog/v1 presentation", "origin": origin, "sd_jwt": format!("{jwt}~{}~", part(disclosure)),
        "proof": proof, "genesis": proof_file("0"), "stream": stream,
    });
    presentation.to_string().into_bytes()
}

/// A proof file that proves nothing.
fn proof_file(index: &str) -> String {
    let hash = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";
    format!(
        "c2sp.org/tlog-proof@v1\nindex {index}\n{hash}\n\nlog.example.com/test\n8\n{hash}\n\n\u{2014} log.example.com/test AAAAAAAA\n"
    )
}

fn presentations() -> Vec<Attack> {
    const OPTION: &str = "--presentation";
    let cases: Vec<(&str, MakeBytes)> = vec![
        ("an algorithm that repaints the line", || presentation("alg", REPAINT)),
        ("an algorithm that sets the title", || presentation("alg", TITLE)),
        ("an algorithm with C1 controls", || presentation("alg", CONTROL)),
        ("an algorithm behind a carriage return", || presentation("alg", RETURN)),
        ("a type that turns letters round", || presentation("typ", BIDI)),
        ("a claim that repaints the line", || presentation("claim", REPAINT)),
        ("a disclosure that repaints the line", || presentation("disclosure", REPAINT)),
        ("an origin that repaints the line", || presentation("origin", REPAINT)),
        ("an origin that turns letters round", || presentation("origin", BIDI)),
        ("an origin with hidden letters", || presentation("origin", HIDDEN)),
        ("a proof that repaints the line", || presentation("proof", REPAINT)),
        ("a proof of entry 2^64", || presentation("proof", &proof_file("18446744073709551616"))),
        ("an algorithm of a megabyte", || presentation("alg", &"a".repeat(1 << 20))),
        ("a presentation of a format that repaints", || {
            json!({ "format": REPAINT }).to_string().into_bytes()
        }),
        ("a presentation with an unknown member that repaints", || {
            json!({ "format": "vouchlog/v1 presentation", REPAINT: 1 }).to_string().into_bytes()
        }),
        ("a presentation a hundred thousand deep", || "[".repeat(100_000).into_bytes()),
        ("a presentation with a number of a megabyte", || {
            format!(r#"{{"format":"vouchlog/v1 presentation","origin":{}}}"#, "9".repeat(1 << 20))
                .into_bytes()
        }),
        ("a presentation that is no UTF-8", || vec![0xff; 1_000]),
        ("an empty presentation", Vec::new),
    ];
    cases.into_iter().map(|(name, made)| file(name, OPTION, made)).collect()
}

/// Proof files, bundles, completeness files, evidence and samples.
fn others() -> Vec<Attack> {
    vec![
        file("a proof file that repaints the line", "--proof", || {
            proof_file("7").replace("log.example.com", REPAINT).into_bytes()
        }),
        file("a proof file of entry 2^64", "--proof", || proof_file("18446744073709551616").into_bytes()),
        file("a proof file of entry -1", "--proof", || proof_file("-1").into_bytes()),
        file("a proof file with a million hashes", "--proof", || {
            format!(
                "c2sp.org/tlog-proof@v1\nindex 7\n{}\n",
                "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n".repeat(1_000_000)
            )
            .into_bytes()
        }),
        file("a bundle that repaints the line", "--bundle", || {
            json!({ "format": "vouchlog/v1 session-bundle", "session": REPAINT, "presentations": [REPAINT] })
                .to_string()
                .into_bytes()
        }),
        file("a bundle a hundred thousand deep", "--bundle", || {
            format!(r#"{{"a":{}"#, "[".repeat(100_000)).into_bytes()
        }),
        file("a completeness file that repaints the line", "--completeness", || {
            json!({ "format": REPAINT, "origin": REPAINT, "streams": [REPAINT] }).to_string().into_bytes()
        }),
        file("a completeness file of 2^64 entries", "--completeness", || {
            br#"{"format":"vouchlog/v1 completeness","size":18446744073709551616}"#.to_vec()
        }),
        file("evidence that repaints the line", "", || {
            json!({ "format": "vouchlog/v1 evidence", "code": REPAINT, "note": REPAINT })
                .to_string()
                .into_bytes()
        }),
        file("a sample that repaints the line", "", || {
            json!({ "format": "vouchlog/v1 sample", "checkpoint": REPAINT, "entries": [REPAINT] })
                .to_string()
                .into_bytes()
        }),
        file("a file of an unknown kind that repaints the line", "", || REPAINT.as_bytes().to_vec()),
        file("a megabyte of escapes", "", || REPAINT.repeat(20_000).into_bytes()),
    ]
}

/// What is no file at all.
fn places() -> Vec<Attack> {
    let device = |name: &str, path: &'static str| {
        Attack::repeated(
            CLASS,
            format!("{CLASS}: {name}"),
            Target::Command,
            move |context: Context| async move { verified(&context, "--presentation", Path::new(path)).await },
        )
    };
    vec![
        device("an endless device", "/dev/zero"),
        device("a folder", "/proc/self"),
        Attack::repeated(
            CLASS,
            "files: a pipe that never ends",
            Target::Command,
            |context: Context| async move {
                static MADE: AtomicU64 = AtomicU64::new(0);
                let path = context.folder.join(format!("pipe-{}", MADE.fetch_add(1, Ordering::Relaxed)));
                let made = Command::new("mkfifo").arg(&path).status().await?;
                ensure!(made.success(), "no pipe could be made");
                let mut writer = Command::new("cat");
                writer.arg("/dev/zero").stdout(fifo(&path).await?).kill_on_drop(true);
                let _writer = writer.spawn()?;
                verified(&context, "--presentation", &path).await
            },
        ),
        Attack::repeated(
            CLASS,
            "files: a file of a terabyte",
            Target::Command,
            |context: Context| async move {
                let path = context.folder.join("terabyte");
                // Sparse: it takes no room.
                File::create(&path)?.set_len(1 << 40)?;
                verified(&context, "--presentation", &path).await
            },
        ),
    ]
}

/// A pipe, open for reading and writing, so that opening it does not wait for the other side.
async fn fifo(path: &Path) -> Result<File> {
    let file = tokio::fs::OpenOptions::new().read(true).write(true).open(path).await?;
    Ok(file.into_std().await)
}

/// Arguments that were pasted from a stranger.
fn words() -> Vec<Attack> {
    let with = |name: &str, args: &'static [&str]| {
        Attack::repeated(
            CLASS,
            format!("{CLASS}: {name}"),
            Target::Command,
            move |context: Context| async move {
                let args: Vec<String> =
                    args.iter().map(|arg| (*arg).replace("{vkey}", &context.vkey)).collect();
                judged(&context.program, &args, BOUNDS).await
            },
        )
    };
    vec![
        with(
            "a vkey that repaints the line",
            &["verify", "x", "--log-vkey", "\u{1b}[1K\u{1b}[1Gverified+00000000+AAAA"],
        ),
        with(
            "a vkey with hidden letters",
            &["verify", "x", "--log-vkey", "log\u{200b}.example.com+00000000+AAAA"],
        ),
        with(
            "a file name that repaints the line",
            &["verify", "\u{1b}[1K\u{1b}[1Gverified", "--log-vkey", "{vkey}"],
        ),
        with(
            "a key name with hidden letters",
            &["keygen", "--kind", "gateway", "--name", "gate\u{200b}way.example.com", "--out", "/dev/full"],
        ),
        with(
            "a key name that turns letters round",
            &["keygen", "--kind", "gateway", "--name", "gate\u{202e}way.example.com", "--out", "/dev/full"],
        ),
        with(
            "a key name with letters of two scripts",
            &["keygen", "--kind", "gateway", "--name", "g\u{0430}teway.example.com", "--out", "/dev/full"],
        ),
    ]
}
