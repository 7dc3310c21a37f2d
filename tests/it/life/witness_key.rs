//! A witness's key and the file beside it belong together.

use super::program::{Program, witness};
use crate::process::{fail, succeed};

const WORDS: &str = "I know that this witness may contradict itself";

#[test]
fn a_key_restored_alone_does_not_begin_with_an_empty_memory() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let mut first = Program::start(witness(&at("old"), &[]));
    let vkeys = first.announced["vkeys"].clone();
    assert_eq!(first.terminate(), Some(0));
    std::fs::create_dir(at("new")).unwrap();
    std::fs::copy(at("old/witness.key"), at("new/witness.key")).unwrap();
    let start = ["witness", "--listen", "127.0.0.1:0", "--data"];
    for data in ["new", "old"] {
        if data == "old" {
            std::fs::remove_file(at("old/witness.key.state")).unwrap();
        }
        let data = at(data);
        for _ in 0..2 {
            let (code, said) = fail(&[&start[..], &[data.to_str().unwrap()]].concat());
            assert_eq!(code, 2);
            assert!(said.contains("witness.key.state is missing"), "{said}");
            assert!(said.contains("--accept-lost-state") && said.contains(WORDS), "{said}");
        }
        let mut accepted = Program::start(witness(&data, &["--accept-lost-state", WORDS]));
        assert_eq!(accepted.announced["vkeys"], vkeys);
        assert_eq!(accepted.terminate(), Some(0));
        assert_eq!(Program::start(witness(&data, &[])).terminate(), Some(0), "said once");
    }
}

#[test]
fn a_key_of_keygen_starts_by_one_command_and_is_not_made_where_another_was() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for (name, algorithm) in [("w.key", "ed25519"), ("w-ml-dsa.key", "ml-dsa-44")] {
        let more = ["--name", "witness.example.com/w", "--algorithm", algorithm, "--out", &at(name)];
        succeed(&[&["keygen", "--kind", "witness"][..], &more].concat());
    }
    let keys = ["--key", &at("w.key"), "--ml-dsa-key", &at("w-ml-dsa.key")];
    let mut witness = Program::start(witness(at("data").as_ref(), &keys));
    assert_eq!(witness.announced["vkeys"].as_array().unwrap().len(), 2);
    assert_eq!(witness.terminate(), Some(0));
    // The key is lost, and its state is not: a new key there would take over the promise of the old one.
    std::fs::remove_file(at("w.key")).unwrap();
    let again = ["--name", "witness.example.com/w", "--out", &at("w.key")];
    let (code, said) = fail(&[&["keygen", "--kind", "witness"][..], &again].concat());
    assert_eq!(code, 2);
    assert!(said.contains("w.key.state exists"), "{said}");
    succeed(&["keygen", "--kind", "log", "--name", "log.example.com", "--out", &at("log.key")]);
    assert!(!folder.path().join("log.key.state").exists(), "only a witness has such a file");
}
