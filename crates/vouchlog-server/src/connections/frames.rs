//! The frames of an HTTP/2 connection that bring neither a request nor a body: pings, settings, priorities, resets, windows. Each makes
//! the server work and none is a call, so that no bound on calls counts them.

use std::time::Duration;

use tokio::time::Instant;

use crate::limits::{CONTROL_FRAMES_AT_ONCE, CONTROL_FRAMES_PER_SECOND, WRITTEN_PER_CONTROL_FRAME};

/// SPEC: RFC 9113 section 3.4: what a client sends first.
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// SPEC: RFC 9113 section 4.1: the bytes before a frame's payload.
const HEAD: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const END_STREAM: u8 = 1;

/// Counts such frames in what a client sends, however its bytes are cut. Of a client that does not speak HTTP/2 it counts nothing.
pub(super) struct ControlFrames {
    at: At,
}

enum At {
    /// So many bytes of the preface have come.
    Preface(usize),
    /// So many bytes of a frame's head.
    Head([u8; HEAD], usize),
    /// So many bytes of its payload are still to come.
    Payload(usize),
    NotHttp2,
}

impl ControlFrames {
    pub(super) fn new() -> Self {
        Self { at: At::Preface(0) }
    }

    /// How many frames of control began in the next bytes.
    pub(super) fn count(&mut self, mut bytes: &[u8]) -> u32 {
        let mut count = 0;
        while !bytes.is_empty() {
            match &mut self.at {
                At::NotHttp2 => break,
                At::Preface(come) => {
                    let now = bytes.len().min(PREFACE.len() - *come);
                    if bytes[..now] != PREFACE[*come..*come + now] {
                        self.at = At::NotHttp2;
                        break;
                    }
                    *come += now;
                    if *come == PREFACE.len() {
                        self.at = At::Head([0; HEAD], 0);
                    }
                    bytes = &bytes[now..];
                }
                At::Head(head, come) => {
                    let now = bytes.len().min(HEAD - *come);
                    head[*come..*come + now].copy_from_slice(&bytes[..now]);
                    *come += now;
                    if *come == HEAD {
                        count += u32::from(is_control(head));
                        self.at = At::Payload(length(head));
                    }
                    bytes = &bytes[now..];
                }
                At::Payload(left) => {
                    let now = bytes.len().min(*left);
                    *left -= now;
                    bytes = &bytes[now..];
                }
            }
            if let At::Payload(0) = self.at {
                self.at = At::Head([0; HEAD], 0);
            }
        }
        count
    }
}

fn length(head: &[u8; HEAD]) -> usize {
    usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2])
}

/// A request's head and a piece of a body are no control, unless the piece is empty and not the end.
fn is_control(head: &[u8; HEAD]) -> bool {
    match head[3] {
        HEADERS => false,
        DATA => length(head) == 0 && head[4] & END_STREAM == 0,
        _ => true,
    }
}

/// How many frames of control a connection may still send at once. They come back with time, and with what is written to the client:
/// who reads much sends many windows.
pub(super) struct Allowance {
    left: i64,
    at: Instant,
    written: usize,
}

impl Allowance {
    pub(super) fn new(now: Instant) -> Self {
        Self { left: i64::from(CONTROL_FRAMES_AT_ONCE), at: now, written: 0 }
    }

    /// So many frames came. How long the next bytes have to wait, if they do.
    pub(super) fn take(&mut self, frames: u32, now: Instant) -> Option<Duration> {
        let rate = u64::from(CONTROL_FRAMES_PER_SECOND);
        let earned =
            u64::try_from(now.duration_since(self.at).as_micros()).unwrap_or(u64::MAX).saturating_mul(rate)
                / 1_000_000;
        // What is less than a frame's time is kept for the next call.
        self.at += Duration::from_micros(earned.saturating_mul(1_000_000) / rate);
        self.earn(earned);
        self.left -= i64::from(frames);
        let debt = u64::try_from(-self.left).ok().filter(|debt| *debt > 0)?;
        Some(Duration::from_micros(debt.saturating_mul(1_000_000) / rate))
    }

    /// So many bytes were written to the client.
    pub(super) fn wrote(&mut self, bytes: usize) {
        self.written += bytes;
        self.earn((self.written / WRITTEN_PER_CONTROL_FRAME) as u64);
        self.written %= WRITTEN_PER_CONTROL_FRAME;
    }

    fn earn(&mut self, frames: u64) {
        let most = i64::from(CONTROL_FRAMES_AT_ONCE);
        self.left = self.left.saturating_add(i64::try_from(frames).unwrap_or(most)).min(most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: usize) -> Vec<u8> {
        let length = u32::try_from(payload).unwrap().to_be_bytes();
        let head = [length[1], length[2], length[3], kind, flags, 0, 0, 0, 1];
        [&head[..], &vec![PREFACE[0]; payload]].concat()
    }

    #[test]
    fn frames_are_counted_however_they_are_cut() {
        let (ping, settings, request, piece) =
            (frame(6, 0, 8), frame(4, 0, 0), frame(1, 4, 300), frame(0, 0, 70_000));
        let (empty, end) = (frame(0, 0, 0), frame(0, 1, 0));
        let all = [
            PREFACE,
            &settings,
            &ping,
            &request,
            &piece,
            &empty,
            &ping,
            &end,
            &frame(9, 0, 1),
            &frame(250, 0, 5),
        ]
        .concat();
        for step in [1, 2, 7, 9, 10, 64, 4_096, all.len()] {
            let mut frames = ControlFrames::new();
            let counted: u32 = all.chunks(step).map(|bytes| frames.count(bytes)).sum();
            assert_eq!(counted, 6, "in steps of {step}");
        }
    }

    #[test]
    fn of_http_1_nothing_is_counted() {
        let mut frames = ControlFrames::new();
        let request = b"PRI / HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(100);
        assert_eq!(request.chunks(5).map(|bytes| frames.count(bytes)).sum::<u32>(), 0);
        assert_eq!(frames.count(&[PREFACE, &frame(6, 0, 8)].concat()), 0);
    }

    #[test]
    fn an_allowance_comes_back_with_time_and_with_what_is_read() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut allowance = Allowance::new(start);
        assert_eq!(allowance.take(CONTROL_FRAMES_AT_ONCE, start), None);
        assert_eq!(allowance.take(CONTROL_FRAMES_PER_SECOND, start), Some(second));
        assert_eq!(allowance.take(0, start + second / 2), Some(second / 2));
        assert_eq!(allowance.take(0, start + second), None);
        assert_eq!(allowance.take(1, start + second), Some(second / CONTROL_FRAMES_PER_SECOND));
        allowance.wrote(WRITTEN_PER_CONTROL_FRAME - 1);
        allowance.wrote(1);
        assert_eq!(allowance.take(0, start + second), None);
        // It never grows beyond what it began with.
        allowance.wrote(usize::MAX / 2);
        assert_eq!(allowance.take(CONTROL_FRAMES_AT_ONCE, start + 9 * second), None);
        assert!(allowance.take(1, start + 9 * second).is_some());
    }
}
