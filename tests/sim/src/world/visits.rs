//! Callers whose streams end at once. The log evicts them, and must know them all the same.

use vouchlog_api::{Appender, ErrorKind};
use vouchlog_sequencer::testing::TestGateway;

use super::World;
use crate::checker::Violation;

/// The gateway that opens these streams.
const VISITOR: u8 = 20;

impl World {
    /// A caller opens a stream and closes it, or one does again what a caller did before.
    pub(super) fn visit(&mut self) -> Result<(), Violation> {
        let number = self.rng.index(self.visitors.len() + 2).min(self.visitors.len());
        self.visit_again(number).map(drop)
    }

    /// Every stream that a caller ever opened is still the one its key opened, once nothing fails any more.
    pub(super) fn check_visits(&mut self) -> Result<(), Violation> {
        for number in 0..self.visitors.len() {
            // What is read back may lie in a part that was damaged.
            if !self.visit_again(number)? && !self.log_may_refuse() {
                return Err(format!("visitor {number} is not answered any more"));
            }
        }
        Ok(())
    }

    /// Opens the stream of a visitor and closes it; whether the log answered.
    fn visit_again(&mut self, number: usize) -> Result<bool, Violation> {
        let Some(running) = self.log.running() else { return Ok(false) };
        let opening = TestGateway::open_numbered(&running.log, VISITOR, number as u64, None);
        let opened = self.runtime.block_on(opening);
        self.note(&format!(
            "visitor {number}: {}",
            words(opened.as_ref().map(|gateway| gateway.stream.get()))
        ));
        self.after_log()?;
        let gateway = match opened {
            Ok(gateway) => gateway,
            Err(error) => return passes(&format!("the opening of visitor {number}"), &error),
        };
        match self.visitors.get(number) {
            Some(stream) if *stream != gateway.stream => {
                return Err(format!("visitor {number} opened stream {stream} and stream {}", gateway.stream));
            }
            Some(_) => {}
            None => self.visitors.push(gateway.stream),
        }
        let seconds = self.seconds();
        let Some(running) = self.log.running() else { return Ok(false) };
        let closed = self.runtime.block_on(running.log.append(gateway.head_only(seconds, true)));
        self.note(&format!("visitor {number}: {}", words(closed.as_ref().map(|_| "closed"))));
        self.after_log()?;
        closed.map_or_else(|error| passes(&format!("the closing of visitor {number}"), &error), |_| Ok(true))
    }
}

fn words<T: std::fmt::Display>(outcome: Result<T, &vouchlog_api::Error>) -> String {
    outcome.map_or_else(|error| format!("refused, {error}"), |done| done.to_string())
}

/// A refusal is a violation unless a later attempt may succeed.
fn passes(what: &str, error: &vouchlog_api::Error) -> Result<bool, Violation> {
    match error.kind {
        ErrorKind::Unavailable | ErrorKind::Internal | ErrorKind::Overloaded { .. } => Ok(false),
        _ => Err(format!("{what} was refused: {error}")),
    }
}
