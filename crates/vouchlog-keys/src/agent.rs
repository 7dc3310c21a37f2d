//! Keys in an ssh-agent (draft-miller-ssh-agent): two requests over the socket that `SSH_AUTH_SOCK` names.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use vouchlog_merkle::sha256;
use vouchlog_note::SignerError;

use crate::bounded::ThreadSigner;
use crate::error::KeyPlaceError;
use crate::limits::PATIENCE;

// message  = <length u32> <type u8> <body>                 length of type and body, integers big-endian
// string   = <length u32> <bytes>
// list     = 11;  answer 12: <count u32> *( <key blob: string> <comment: string> )
// sign     = 13: <key blob: string> <data: string> <flags u32 = 0>;  answer 14: <signature: string>
// key blob = "ssh-ed25519": string, <public key[32]>: string
// signature= "ssh-ed25519": string, <signature[64]>: string

const LIST: u8 = 11;
const LISTED: u8 = 12;
const SIGN: u8 = 13;
const SIGNED: u8 = 14;
const KIND: &[u8] = b"ssh-ed25519";
/// The longest message an agent may send; OpenSSH's own limit.
const MAX_ANSWER_BYTES: usize = 256 * 1024;
/// Most keys of an agent that are looked at.
const MAX_KEYS: u32 = 1_024;

/// The SHA-256 fingerprint of an Ed25519 key, as `ssh-add -l` prints it: `SHA256:` and base64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint(String);

impl Fingerprint {
    pub(crate) fn of(key: &[u8; 32]) -> Self {
        Self(STANDARD_NO_PAD.encode(sha256(&blob(key)).as_bytes()))
    }
}

impl FromStr for Fingerprint {
    type Err = KeyPlaceError;

    fn from_str(text: &str) -> Result<Self, KeyPlaceError> {
        let hash = text
            .strip_prefix("SHA256:")
            .filter(|hash| STANDARD_NO_PAD.decode(hash).is_ok_and(|bytes| bytes.len() == 32));
        let malformed = || {
            KeyPlaceError::Malformed(
                "a fingerprint is SHA256: and 43 characters, as `ssh-add -l` prints it".into(),
            )
        };
        Ok(Self(hash.ok_or_else(malformed)?.to_owned()))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SHA256:{}", self.0)
    }
}

fn string(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).expect("messages are short");
    [&length.to_be_bytes()[..], bytes].concat()
}

fn blob(key: &[u8; 32]) -> Vec<u8> {
    [string(KIND), string(key)].concat()
}

/// Takes a string off the front.
fn take<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (bytes, after) = (after.get(..length)?, after.get(length..)?);
    *rest = after;
    Some(bytes)
}

/// The Ed25519 keys of the answer to a list request; `None` if it is malformed.
fn listed(answer: &[u8]) -> Option<Vec<[u8; 32]>> {
    let (&[LISTED], rest) = answer.split_first_chunk::<1>()? else { return None };
    let (count, mut rest) = rest.split_first_chunk::<4>()?;
    let count = u32::from_be_bytes(*count);
    if count > MAX_KEYS {
        return None;
    }
    let mut keys = Vec::new();
    for _ in 0..count {
        let (mut blob, _comment) = (take(&mut rest)?, take(&mut rest)?);
        if take(&mut blob)? == KIND
            && let Ok(key) = take(&mut blob)?.try_into()
        {
            keys.push(key);
        }
    }
    Some(keys)
}

/// The signature in the answer to a sign request; `None` if there is none.
fn signature(answer: &[u8]) -> Option<[u8; 64]> {
    let (&[SIGNED], mut rest) = answer.split_first_chunk::<1>()? else { return None };
    let mut signature = take(&mut rest)?;
    (take(&mut signature)? == KIND).then_some(())?;
    take(&mut signature)?.try_into().ok()
}

/// A key of an agent. Connects anew for each signature, so an agent may be restarted.
pub(crate) struct Agent {
    socket: PathBuf,
    key: [u8; 32],
}

impl Agent {
    pub(crate) fn new(key: [u8; 32]) -> Result<Self, SignerError> {
        Ok(Self { socket: socket()?, key })
    }

    /// The public key of this fingerprint in the agent of the environment; without one, of its only Ed25519 key.
    pub(crate) fn find(fingerprint: Option<&Fingerprint>) -> Result<[u8; 32], SignerError> {
        find(&socket()?, fingerprint)
    }
}

fn find(socket: &Path, fingerprint: Option<&Fingerprint>) -> Result<[u8; 32], SignerError> {
    let answer = ask(socket, &[LIST])?;
    let keys = listed(&answer).ok_or_else(|| SignerError::new("the agent's list of keys is malformed"))?;
    let mut fitting =
        keys.into_iter().filter(|key| fingerprint.is_none_or(|wanted| *wanted == Fingerprint::of(key)));
    match (fitting.next(), fitting.next()) {
        (Some(key), None) => Ok(key),
        (Some(_), Some(_)) => {
            Err(SignerError::new("the agent has several Ed25519 keys: name one by its fingerprint, SHA256:…"))
        }
        (None, _) => Err(SignerError::new("the agent has no such Ed25519 key: add it with `ssh-add`")),
    }
}

fn socket() -> Result<PathBuf, SignerError> {
    let socket = std::env::var_os("SSH_AUTH_SOCK").filter(|path| !path.is_empty());
    socket
        .map(PathBuf::from)
        .ok_or_else(|| SignerError::new("SSH_AUTH_SOCK is not set: no ssh-agent is known"))
}

impl ThreadSigner for Agent {
    fn sign(&mut self, message: &[u8]) -> Result<[u8; 64], SignerError> {
        let request = [&[SIGN][..], &string(&blob(&self.key)), &string(message), &[0; 4]].concat();
        let answer = ask(&self.socket, &request)?;
        signature(&answer).ok_or_else(|| {
            SignerError::new("the agent refused to sign: it has no such key, or the key was not confirmed")
        })
    }
}

#[cfg(not(unix))]
fn ask(_: &Path, _: &[u8]) -> Result<Vec<u8>, SignerError> {
    Err(SignerError::new("an ssh-agent is reached over a Unix socket, which this system has not"))
}

/// Sends a request and returns the answer, without its length.
#[cfg(unix)]
fn ask(socket: &Path, request: &[u8]) -> Result<Vec<u8>, SignerError> {
    use std::io::{Read, Write};
    let failed = |error: std::io::Error| SignerError::new(format!("{}: {error}", socket.display()));
    let mut agent = std::os::unix::net::UnixStream::connect(socket).map_err(failed)?;
    agent.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    agent.set_write_timeout(Some(PATIENCE)).map_err(failed)?;
    agent.write_all(&string(request)).map_err(failed)?;
    let mut length = [0; 4];
    agent.read_exact(&mut length).map_err(failed)?;
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > MAX_ANSWER_BYTES {
        return Err(SignerError::new(format!("the agent's answer has {length} bytes")));
    }
    let mut answer = vec![0; length];
    agent.read_exact(&mut answer).map_err(failed)?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn answers_are_read_and_what_is_no_answer_is_none() {
        let key = [9; 32];
        let rsa = [string(&[string(b"ssh-rsa"), string(&[1; 40])].concat()), string(b"a comment")].concat();
        let ours = [string(&blob(&key)), string(b"")].concat();
        let list = [&[LISTED, 0, 0, 0, 2][..], &rsa, &ours].concat();
        assert_eq!(listed(&list), Some(vec![key]));
        assert_eq!(listed(&list[..list.len() - 1]), None);
        assert_eq!(listed(&[LISTED, 0xff, 0xff, 0xff, 0xff]), None);
        let signed = [&[SIGNED][..], &string(&[string(KIND), string(&[5; 64])].concat())].concat();
        assert_eq!(signature(&signed), Some([5; 64]));
        assert_eq!(signature(&[5]), None, "a failure");
        assert_eq!(signature(&signed[..40]), None);
    }

    /// A real agent with a key of its own; it ends with the test.
    #[cfg(unix)]
    struct RealAgent(std::process::Child, tempfile::TempDir);

    #[cfg(unix)]
    impl RealAgent {
        fn start() -> Option<Self> {
            let folder = tempfile::tempdir().unwrap();
            let socket = folder.path().join("agent");
            let mut agent = std::process::Command::new("ssh-agent");
            agent.arg("-D").arg("-a").arg(&socket).stdout(std::process::Stdio::null());
            let Ok(agent) = agent.spawn() else {
                eprintln!("no agent signs here: install ssh-agent (openssh-client) to have this test run");
                return None;
            };
            let agent = Self(agent, folder);
            while std::os::unix::net::UnixStream::connect(&socket).is_err() {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            Some(agent)
        }

        fn run(&self, program: &str, arguments: &[&str]) -> String {
            let mut command = std::process::Command::new(program);
            let command = command.args(arguments).current_dir(&self.1).env("SSH_AUTH_SOCK", self.socket());
            let output = command.output().unwrap();
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).unwrap()
        }

        fn add_key(&self, name: &str) -> Fingerprint {
            self.run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", name]);
            self.run("ssh-add", &["-q", name]);
            let line = self.run("ssh-keygen", &["-lf", name]);
            line.split(' ').nth(1).unwrap().parse().unwrap()
        }

        fn socket(&self) -> PathBuf {
            self.1.path().join("agent")
        }
    }

    #[cfg(unix)]
    impl Drop for RealAgent {
        fn drop(&mut self) {
            self.0.kill().ok();
            self.0.wait().ok();
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_real_agent_signs_with_the_key_that_is_named() {
        let Some(real) = RealAgent::start() else { return };
        let socket = real.socket();
        assert!(find(&socket, None).unwrap_err().reason().contains("no such"));
        let first = real.add_key("first");
        let key = find(&socket, None).unwrap();
        assert_eq!(Fingerprint::of(&key), first, "what ssh-keygen prints");
        let second = real.add_key("second");
        assert!(find(&socket, None).unwrap_err().reason().contains("several"));
        for fingerprint in [&first, &second] {
            let key = find(&socket, Some(fingerprint)).unwrap();
            let public = ed25519_dalek::VerifyingKey::from_bytes(&key).unwrap();
            let signature = Agent { socket: socket.clone(), key }.sign(b"a message").unwrap();
            public.verify_strict(b"a message", &signature.into()).unwrap();
        }
        let refused = Agent { socket: socket.clone(), key: [9; 32] }.sign(b"a").unwrap_err();
        assert!(refused.reason().contains("refused"), "{refused}");
        real.run("ssh-add", &["-q", "-D"]);
        assert!(Agent { socket, key }.sign(b"a").is_err());
    }

    #[test]
    fn a_fingerprint_is_read_as_ssh_prints_it() {
        let fingerprint = Fingerprint::of(&[9; 32]);
        assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
        for wrong in
            ["", "SHA256:", "SHA256:AAAA", "MD5:00:11", "uNiVztksCsDhcc0u9e8BrrJXVGDRDx0wWGoWrMzqpWs"]
        {
            assert!(wrong.parse::<Fingerprint>().is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_answer_panics(answer: Vec<u8>) {
            let _ = (listed(&answer), signature(&answer));
            let framed = |kind: u8| [&[kind][..], &answer].concat();
            let _ = (listed(&framed(LISTED)), signature(&framed(SIGNED)));
        }
    }
}
