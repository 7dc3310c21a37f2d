//! Keys behind a program: it gets the bytes on standard input and prints the signature.

use std::fmt;
use std::process::Command;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use vouchlog_note::{SignerError, VerifyingKey};
use vouchlog_runtime::program::{self, Bounds};

use crate::bounded::ThreadSigner;
use crate::error::KeyPlaceError;
use crate::limits::PATIENCE;

/// Most bytes a program may print: a signature in base64, with room for white space.
const MAX_OUTPUT_BYTES: usize = 256;
/// Most bytes of a command.
const MAX_COMMAND_BYTES: usize = 4_096;

/// A program and its arguments. No shell reads them: they are parted by white space, and nothing is quoted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    words: Vec<String>,
}

impl Program {
    pub(crate) fn for_key(&self, vkey: &VerifyingKey) -> RunningProgram {
        RunningProgram { words: self.words.clone(), vkey: vkey.to_string() }
    }
}

impl FromStr for Program {
    type Err = KeyPlaceError;

    fn from_str(text: &str) -> Result<Self, KeyPlaceError> {
        let words: Vec<String> = text.split_ascii_whitespace().map(str::to_owned).collect();
        if words.is_empty() || text.len() > MAX_COMMAND_BYTES || text.contains(|c: char| c.is_control()) {
            return Err(KeyPlaceError::Malformed(
                "command: needs a program, and has no control characters".into(),
            ));
        }
        Ok(Self { words })
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words.join(" "))
    }
}

/// The program of one key, whose vkey it finds in `VOUCHLOG_VKEY`.
pub(crate) struct RunningProgram {
    words: Vec<String>,
    vkey: String,
}

impl ThreadSigner for RunningProgram {
    fn sign(&mut self, message: &[u8]) -> Result<[u8; 64], SignerError> {
        let (program, arguments) = self.words.split_first().expect("it has a program");
        let mut command = Command::new(program);
        command.args(arguments).env("VOUCHLOG_VKEY", &self.vkey);
        let bounds = Bounds { patience: PATIENCE, max_output: MAX_OUTPUT_BYTES };
        let output = program::run(&mut command, message, bounds).map_err(SignerError::new)?;
        read(&output).ok_or_else(|| {
            SignerError::new("it printed no signature: 64 bytes, or those in base64 or hexadecimal digits")
        })
    }
}

/// 64 bytes as they are, in base64, or in hexadecimal digits; white space around the text does not count.
fn read(output: &[u8]) -> Option<[u8; 64]> {
    if let Ok(signature) = output.try_into() {
        return Some(signature);
    }
    let text = output.trim_ascii();
    match text.len() {
        88 => STANDARD.decode(text).ok()?.try_into().ok(),
        128 => {
            let mut signature = [0; 64];
            for (byte, digits) in signature.iter_mut().zip(text.chunks(2)) {
                let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
                *byte = u8::from_str_radix(digits, 16).ok()?;
            }
            Some(signature)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_read_in_three_spellings() {
        let signature: [u8; 64] = std::array::from_fn(|at| u8::try_from(at * 3).unwrap());
        let text = STANDARD.encode(signature) + "\n";
        for output in [&signature[..], text.as_bytes(), hex::encode(signature).as_bytes()] {
            assert_eq!(read(output), Some(signature));
        }
        for wrong in [&signature[1..], b"", b"no signature", &[b'+'; 128], &[b'x'; 88]] {
            assert_eq!(read(wrong), None);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_program_is_run_without_a_shell_and_within_bounds() {
        let vkey: VerifyingKey =
            "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW".parse().unwrap();
        let sign =
            |command: &str, message: &[u8]| command.parse::<Program>().unwrap().for_key(&vkey).sign(message);
        let bytes: [u8; 64] = std::array::from_fn(|at| u8::try_from(at).unwrap());
        assert_eq!(sign("cat", &bytes), Ok(bytes), "it gets the bytes as they are");
        // A shell would have made two commands of it.
        let error = sign("cat ; true", &bytes).unwrap_err();
        assert!(error.reason().contains("exit status"), "{error}");
        for (command, why) in [
            ("false", "exit status"),
            ("/no/such/program", "cannot be started"),
            ("yes", "more than"),
            ("echo no", "no signature"),
        ] {
            let error = sign(command, &bytes).unwrap_err();
            assert!(error.reason().contains(why), "{command}: {error}");
        }
    }
}
