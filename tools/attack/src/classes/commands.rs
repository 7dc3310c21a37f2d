//! Commands under attack: run to their end, within a time and a memory, and judged by exit code and by what they print.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use vouchlog_faults::program::Program;

use crate::attack::Observation;
use crate::process::Sampler;

/// Where nothing listens.
pub(crate) const NOWHERE: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 1));
/// What a command may have in memory.
const MAX_RESIDENT: u64 = 200 << 20;

/// What a command is held to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// It must have ended by then.
    pub(super) time: Duration,
    /// Its exit code must be one of these.
    pub(super) codes: &'static [i32],
}

/// Runs a command to its end, or kills it when its time is over.
pub(super) async fn judged(program: &Program, args: &[String], bounds: Bounds) -> Result<Observation> {
    let mut command = program.command();
    command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().context("the program cannot be started")?;
    let sampler = Sampler::start(child.id().ok_or_else(|| anyhow!("it has no process"))?);
    let output = tokio::time::timeout(bounds.time, child.wait_with_output()).await;
    let peak = sampler.peak();
    let complaint = match output {
        Err(_) => Some(format!("it had not ended after {} s", bounds.time.as_secs())),
        Ok(output) => {
            let output = output?;
            let printed = [output.stdout, output.stderr].concat();
            complaint(output.status.code(), &printed, bounds.codes)
        }
    };
    let too_much = (peak > MAX_RESIDENT)
        .then(|| format!("it had {} MiB in memory, more than {}", peak >> 20, MAX_RESIDENT >> 20));
    Ok(Observation { peak: Some(peak), ..Observation::sent(1_u64).with(complaint).with(too_much) })
}

fn complaint(code: Option<i32>, printed: &[u8], codes: &[i32]) -> Option<String> {
    let text = String::from_utf8_lossy(printed);
    let shown = || text.chars().take(160).collect::<String>().escape_debug().to_string();
    if text.contains("panicked at") {
        return Some(format!("it panicked: {}", shown()));
    }
    if let Some(character) = text.chars().find(|character| is_treacherous(*character)) {
        return Some(format!("it printed U+{:04X}: {}", u32::from(character), shown()));
    }
    match code {
        Some(code) if codes.contains(&code) => None,
        code => Some(format!("it ended with {code:?}, not with one of {codes:?}: {}", shown())),
    }
}

/// A character that a terminal obeys instead of showing it, or that hides itself or turns its neighbours round.
fn is_treacherous(character: char) -> bool {
    let is_control = character.is_control() && !['\n', '\t'].contains(&character);
    let is_hidden = matches!(
        character,
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{061c}'
    );
    is_control || is_hidden
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_and_hidden_characters_are_found_whatever_the_exit_code_is() {
        assert_eq!(complaint(Some(1), b"does not hold\n", &[1, 2]), None);
        assert!(complaint(Some(0), b"verified\n", &[1, 2]).unwrap().contains("Some(0)"));
        for treacherous in ["\u{1b}[2J", "\r", "\u{9b}1K", "\u{202e}", "\u{200b}", "\u{7f}", "\u{feff}"] {
            assert!(complaint(Some(1), treacherous.as_bytes(), &[1]).is_some(), "{treacherous:?}");
        }
        assert!(complaint(Some(1), b"thread 'main' panicked at x", &[1]).is_some());
    }
}
