//! What was erased is in no file of the log, the collector, its journal, its spool or its vault, in no encoding.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use reqwest::StatusCode;
use serde_json::json;
use vouchlog_stream::StatementKind;

use super::world::{World, traces};

const PERSON: &str = "user-zwölf-7f3a91";
const PROMPT: &str = "my-diagnosis-is-größer-c04be2";
/// How long the journal may take to destroy the key of what is recorded.
const PATIENCE: Duration = Duration::from_secs(60);

/// A text in every form in which it could stand in a file.
fn forms(text: &str) -> Vec<(&'static str, Vec<u8>)> {
    let utf16 = |order: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(order).collect::<Vec<u8>>();
    let escaped: String = text
        .chars()
        .map(|c| if c.is_ascii() { c.to_string() } else { format!("\\u{:04x}", u32::from(c)) })
        .collect();
    let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut forms = vec![
        ("raw", text.as_bytes().to_vec()),
        ("JSON", escaped.into_bytes()),
        ("UTF-16LE", utf16(u16::to_le_bytes)),
        ("UTF-16BE", utf16(u16::to_be_bytes)),
        ("hex", hex.clone().into_bytes()),
        ("HEX", hex.to_uppercase().into_bytes()),
    ];
    // Base64 of a part of something longer: at each of three offsets, the digits that its neighbours do not change.
    for (name, skip) in [("base64", 0), ("base64 at 1", 2), ("base64 at 2", 1)] {
        let whole = &text.as_bytes()[skip..];
        let digits = STANDARD_NO_PAD.encode(&whole[..whole.len() / 3 * 3]);
        forms.push((name, digits.clone().into_bytes()));
        forms.push((name, digits.replace('+', "-").replace('/', "_").into_bytes()));
    }
    forms
}

/// Where a text stands below a folder, and in which form.
fn places(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            // A file that is deleted meanwhile holds nothing.
            let Ok(bytes) = std::fs::read(&path) else { continue };
            for (form, needle) in forms(text) {
                if memchr::memmem::find(&bytes, &needle).is_some() {
                    found.push(format!("{} as {form}", path.display()));
                }
            }
        }
    }
    found
}

fn anywhere(world: &World) -> Vec<String> {
    [PERSON, PROMPT].iter().flat_map(|text| places(world.folder.path(), text)).collect()
}

#[test]
fn the_search_finds_every_form() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(places(dir.path(), PROMPT), [""; 0]);
    let padded = |n: usize| format!("{}{PROMPT}..", "x".repeat(n));
    for (n, bytes) in [
        padded(0).into_bytes(),
        serde_json::to_vec(&padded(1)).unwrap(),
        STANDARD_NO_PAD.encode(padded(0)).into_bytes(),
        STANDARD_NO_PAD.encode(padded(1)).into_bytes(),
        STANDARD_NO_PAD.encode(padded(2)).into_bytes(),
        padded(1).encode_utf16().flat_map(u16::to_le_bytes).collect(),
    ]
    .into_iter()
    .enumerate()
    {
        std::fs::write(dir.path().join(n.to_string()), bytes).unwrap();
        let this = format!("/{n} as ");
        assert!(places(dir.path(), PROMPT).iter().any(|place| place.contains(&this)), "{n}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_was_erased_is_in_any_file() {
    nothing_is_left(World::new(), &[], PROMPT).await;
}

/// The same with content in an object store, a folder beside the others: it is searched as well, and no object is left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_was_erased_is_in_any_object() {
    let world = World::new();
    let objects = world.path("objects");
    let (url, objects) = (format!("file://{objects}"), Path::new(&objects).to_owned());
    let count = || {
        let folders = std::fs::read_dir(objects.join("content")).into_iter().flatten();
        folders.map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap().count()).sum::<usize>()
    };
    let long = format!("{PROMPT} ").repeat(200);
    let _world = nothing_is_left(world, &["--objects", &url], &long).await;
    assert_eq!(count(), 0);
    assert!(objects.join("vault").is_file());
}

async fn nothing_is_left(world: World, objects: &[&str], prompt: &str) -> World {
    let _log = world.start_log();
    // A directory that was there before, open to everybody.
    let data = world.path("collector");
    std::fs::create_dir(&data).unwrap();
    std::fs::set_permissions(&data, Permissions::from_mode(0o755)).unwrap();
    let collector = world.start_collector(objects);

    let (body, answers) = traces(0, 0, 3);
    let body = body.to_string().replace("user-7", PERSON).replace("Where is order 8841?", prompt);
    let body = serde_json::from_str(&body).unwrap();
    assert_eq!(world.post("/v1/traces", &body).await, Some((StatusCode::OK, json!({}))));
    // While it waits in the journal it cannot be read there either.
    assert_eq!(anywhere(&world), [""; 0]);
    world.wait_for(StatementKind::Interaction, answers.len()).await;

    let erased = world.ask(
        0,
        &[&["erase", "--subject", PERSON, "--basis", "GDPR Art. 17(1)(a)", "--yes"], objects].concat(),
    );
    assert_eq!(erased["objects_left"], 0, "{erased}");
    assert_eq!(erased["erased"].as_array().unwrap().len(), answers.len(), "{erased}");
    assert_eq!(anywhere(&world), [""; 0]);
    // The journal destroys the keys of what is recorded, so a copy of its files made earlier cannot be read with them.
    let first_file = || std::fs::exists(world.path("collector/journal/00000001")).unwrap();
    let waits = Instant::now();
    while first_file() {
        assert!(waits.elapsed() < PATIENCE, "the journal keeps its first file");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let keys = std::fs::read(world.path("collector/journal/KEYS")).unwrap();
    assert_ne!(keys[16..24], 1_u64.to_be_bytes(), "the first file's key is gone");

    assert_eq!(collector.terminate(), 0);
    assert_eq!(anywhere(&world), [""; 0], "after a clean stop");
    let collector = world.start_collector(objects);
    assert_eq!(anywhere(&world), [""; 0], "after a restart");
    world.send_traces(1, 1).await;
    collector.kill();
    assert_eq!(anywhere(&world), [""; 0], "after a kill");
    let collector = world.start_collector(objects);
    world.wait_for(StatementKind::Interaction, answers.len() + 1).await;
    assert_eq!(anywhere(&world), [""; 0], "after a kill and a restart");
    assert_eq!(collector.terminate(), 0);

    let mode = |path: &str| std::fs::metadata(world.path(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("collector"), mode("collector/journal")), (0o700, 0o700));
    assert_eq!(mode("collector/journal/KEYS"), 0o600);
    world
}
