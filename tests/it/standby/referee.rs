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
    folder: PathBuf,
}

/// When the referee stops the process that asks it to sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StopNode {
    BeforeSigning,
    /// Before the process has the signature.
    AfterSigning,
}

impl StopNode {
    fn file(self) -> &'static str {
        match self {
            Self::BeforeSigning => "stop-before",
            Self::AfterSigning => "stop-after",
        }
    }
}

impl Referee {
    pub(super) fn new(folder: &Path) -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let (script, record, key) = (folder.join("referee"), folder.join("signed"), folder.join("log.der"));
        std::fs::write(&key, [&PKCS8[..], &SEED].concat()).unwrap();
        // One line in one write: two nodes may sign at a time. The process that asks is the parent.
        let text = format!(
            "#!/bin/sh\nset -eu\nf=$(mktemp)\ntrap 'rm -f \"$f\" \"$f.line\"' EXIT\ncat > \"$f\"\n\
             if mv {before} {before}.done 2>/dev/null; then kill -STOP $PPID; fi\n\
             {{ printf '%s ' $PPID; base64 -w0 < \"$f\"; echo; }} > \"$f.line\"\n\
             dd if=\"$f.line\" bs=64k iflag=fullblock of={record} oflag=append conv=notrunc status=none\n\
             openssl pkeyutl -sign -rawin -keyform DER -inkey {key} -in \"$f\"\n\
             if mv {after} {after}.done 2>/dev/null; then kill -STOP $PPID; fi\n",
            record = record.display(),
            key = key.display(),
            before = folder.join(StopNode::BeforeSigning.file()).display(),
            after = folder.join(StopNode::AfterSigning.file()).display(),
        );
        std::fs::write(&script, text).unwrap();
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
        Self { script, record, folder: folder.to_owned() }
    }

    /// What a node is given as its key.
    pub(super) fn key(&self) -> String {
        format!("command:{} {}", self.script.display(), log_key().verifying_key())
    }

    /// Stops the next process that asks for a signature.
    pub(super) fn stop_next(&self, when: StopNode) {
        std::fs::write(self.folder.join(when.file()), "").unwrap();
    }

    /// Every head that any node signed.
    pub(super) fn heads(&self) -> Vec<TreeHead> {
        self.signed().into_iter().map(|(_, head)| head).collect()
    }

    /// How many heads a process signed.
    pub(super) fn count_of(&self, pid: u32) -> usize {
        self.signed().iter().filter(|(signer, _)| *signer == pid).count()
    }

    /// Each process with the head it signed, in the order of the requests.
    fn signed(&self) -> Vec<(u32, TreeHead)> {
        let record = std::fs::read_to_string(&self.record).unwrap();
        let requests = record.lines().map(|line| {
            let (pid, text) = line.split_once(' ').expect("a line is a process and a message");
            (pid.parse().unwrap(), STANDARD.decode(text).expect("the message is whole"))
        });
        let ours = requests.filter(|(_, text)| text.starts_with(format!("{ORIGIN}\n").as_bytes()));
        let head = |text: &[u8]| Checkpoint::parse(std::str::from_utf8(text).unwrap()).unwrap().head();
        ours.map(|(pid, text)| (pid, head(&text))).collect()
    }
}
