//! A collector whose key files are gone, or are others, is refused by their names: with new keys it would be another gateway, or record
//! what waits a second time.

use super::program::{Program, collect};
use crate::process::signal;

#[tokio::test]
async fn a_collector_without_its_keys_is_refused_by_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let listen = ["--listen", "127.0.0.1:0"];
    let mut collector = Program::start(collect(&data, &listen));
    assert_eq!(collector.terminate(), Some(0));
    let refused = || {
        let mut command = collect(&data, &listen);
        let mut child =
            command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::piped()).spawn().unwrap();
        let ended = (0..600).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(50));
            child.try_wait().unwrap().is_some()
        });
        if !ended {
            signal(child.id(), "KILL");
        }
        let output = child.wait_with_output().unwrap();
        assert!(ended && output.status.code() == Some(2), "it started: {output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    for name in ["gateway.key", "collector.key"] {
        let file = data.join(name);
        let whole = std::fs::read(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        let said = refused();
        assert!(said.contains(&format!("{name} is missing")) && said.contains("hint:"), "{said}");
        assert!(!file.exists(), "no other key is made");
        std::fs::write(&file, &whole).unwrap();
    }
    let file = data.join("collector.key");
    let whole = std::fs::read(&file).unwrap();
    let mut other = whole.clone();
    other[7] = if other[7] == b'0' { b'1' } else { b'0' };
    std::fs::write(&file, other).unwrap();
    let said = refused();
    assert!(said.contains("collector.key"), "{said}");
    std::fs::write(&file, whole).unwrap();
    let mut collector = Program::start(collect(&data, &listen));
    assert_eq!(collector.terminate(), Some(0));
}
