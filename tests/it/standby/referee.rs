//! The referee: every node's key is kept by a program that writes down what it is asked to sign before it signs. What any node ever
//! signed is known at the end, whether it was shown or not.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use vouchlog_merkle::TreeHead;
use vouchlog_note::Checkpoint;
use vouchlog_sequencer::testing::ORIGIN;

use crate::witnesses::log_key;

/// What comes before the 32 bytes of an Ed25519 key in PKCS #8 (RFC 8410).
const PKCS8: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
/// The seed of the tests' log key.
const SEED: [u8; 32] = [1; 32];

pub(super) struct Referee {
    script: PathBuf,
    record: PathBuf,
}

impl Referee {
    pub(super) fn new(folder: &Path) -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let (script, record, key) = (folder.join("referee"), folder.join("signed"), folder.join("log.der"));
        std::fs::write(&key, [&PKCS8[..], &SEED].concat()).unwrap();
        // One line in one write: two nodes may sign at a time.
        let text = format!(
            "#!/bin/sh\nset -eu\nf=$(mktemp)\ntrap 'rm -f \"$f\"' EXIT\ncat > \"$f\"\n\
             base64 -w0 < \"$f\" | sed 's/$/\\n/' | dd bs=64k iflag=fullblock of={record} oflag=append conv=notrunc status=none\n\
             openssl pkeyutl -sign -rawin -keyform DER -inkey {key} -in \"$f\"\n",
            record = record.display(),
            key = key.display(),
        );
        std::fs::write(&script, text).unwrap();
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
        Self { script, record }
    }

    /// What a node is given as its key.
    pub(super) fn key(&self) -> String {
        format!("command:{} {}", self.script.display(), log_key().verifying_key())
    }

    /// Every head that any node signed.
    pub(super) fn heads(&self) -> Vec<TreeHead> {
        let record = std::fs::read_to_string(&self.record).unwrap();
        let texts = record.lines().map(|line| STANDARD.decode(line).expect("a line is one message"));
        let ours = texts.filter(|text| text.starts_with(format!("{ORIGIN}\n").as_bytes()));
        ours.map(|text| Checkpoint::parse(std::str::from_utf8(&text).unwrap()).unwrap().head()).collect()
    }
}
