//! Bytes on a socket: connections from many loopback addresses, answers to raw HTTP/1.1, and HTTP/2 frames in any order.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, timeout, timeout_at};

/// How long a connection may take to be made, and a write to be taken.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of answers to a flood that are kept.
const MAX_KEPT: usize = 1 << 20;
/// A server that sends nothing for so long after its answer has said all.
const QUIET: Duration = Duration::from_millis(150);
/// How long a server may think about a request that it can answer.
const ANSWER: Duration = Duration::from_secs(3);

/// The attacker's address `number`. All of 127.0.0.0/8 is this machine; the good client comes from 127.0.0.1.
pub(crate) fn stranger(number: usize) -> Ipv4Addr {
    let [.., high, low] = u32::try_from(number % 60_000).unwrap_or_default().to_be_bytes();
    Ipv4Addr::new(127, 66, high, low.max(1))
}

/// Connects from one of the attacker's addresses.
pub(crate) async fn connect(to: SocketAddr, from: usize) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((stranger(from), 0).into())?;
    timeout(PATIENCE, socket.connect(to)).await?
}

/// Writes, unless the peer takes nothing for [`PATIENCE`].
pub(crate) async fn write(io: &mut (impl AsyncWriteExt + Unpin), bytes: &[u8]) -> io::Result<()> {
    timeout(PATIENCE, io.write_all(bytes)).await?
}

/// Reads and forgets until `end`, or until the peer closes: whether it did.
pub(crate) async fn drain(io: &mut (impl AsyncReadExt + Unpin), end: Instant) -> bool {
    let mut buffer = [0; 16 * 1024];
    while let Ok(read) = timeout_at(end, io.read(&mut buffer)).await {
        if !matches!(read, Ok(1..)) {
            return true;
        }
    }
    false
}

/// What came back for raw bytes.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) bytes: Vec<u8>,
    /// Whether the peer closed the connection.
    pub(crate) closed: bool,
}

impl Answer {
    /// The statuses of all answers in it, in order.
    pub(crate) fn statuses(&self) -> Vec<u16> {
        let text = String::from_utf8_lossy(&self.bytes);
        let heads = text.match_indices("HTTP/1.").filter_map(|(at, _)| text.get(at + 9..at + 12));
        heads.filter_map(|status| status.parse().ok()).collect()
    }
}

/// Sends raw bytes on a connection of their own and gathers what comes back.
pub(crate) async fn exchange(to: SocketAddr, bytes: &[u8]) -> io::Result<Answer> {
    let mut stream = connect(to, 0).await?;
    let (mut read, mut write_half) = stream.split();
    let mut answer = Answer::default();
    let reading = async {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let patience = if answer.bytes.is_empty() { ANSWER } else { QUIET };
            match timeout(patience, read.read(&mut buffer)).await {
                Ok(Ok(count @ 1..)) if answer.bytes.len() < 1 << 20 => {
                    answer.bytes.extend_from_slice(buffer.get(..count).unwrap_or_default());
                }
                Ok(_) => {
                    answer.closed = true;
                    return;
                }
                Err(_) => return,
            }
        }
    };
    // The server may close before it has read everything, so a failed write is no error.
    let writing = async { drop(write(&mut write_half, bytes).await) };
    tokio::join!(reading, writing);
    Ok(answer)
}

/// Frame types of HTTP/2.
pub(crate) mod kind {
    pub(crate) const DATA: u8 = 0;
    pub(crate) const HEADERS: u8 = 1;
    pub(crate) const PRIORITY: u8 = 2;
    pub(crate) const RST_STREAM: u8 = 3;
    pub(crate) const SETTINGS: u8 = 4;
    pub(crate) const PUSH_PROMISE: u8 = 5;
    pub(crate) const PING: u8 = 6;
    pub(crate) const GOAWAY: u8 = 7;
    pub(crate) const WINDOW_UPDATE: u8 = 8;
    pub(crate) const CONTINUATION: u8 = 9;
}

/// Flags of frames.
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const ACK: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const PADDED: u8 = 8;

/// What a client says first.
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A frame, drawn as RFC 9113 section 4.1: length (24) type (8) flags (8) stream (32) payload.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A header block of literals without indexing and without Huffman codes (RFC 7541 section 6.2.2).
pub(crate) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        bytes.push(0);
        for text in [name, value] {
            integer(text.len(), 7, &mut bytes);
            bytes.extend(text.as_bytes());
        }
    }
    bytes
}

/// An integer with a prefix of so many bits (RFC 7541 section 5.1), the bits above it zero.
pub(crate) fn integer(value: usize, prefix: u32, bytes: &mut Vec<u8>) {
    let most = (1_usize << prefix) - 1;
    let low = |value: usize| u8::try_from(value & 0xff).unwrap_or_default();
    if value < most {
        return bytes.push(low(value));
    }
    bytes.push(low(most));
    let mut rest = value - most;
    while rest >= 128 {
        bytes.push(low(rest % 128) | 0x80);
        rest /= 128;
    }
    bytes.push(low(rest));
}

/// The head of a request.
pub(crate) fn request(method: &str, path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let fixed = [(":method", method), (":scheme", "http"), (":path", path), (":authority", "localhost")];
    block(&[&fixed, more].concat())
}

/// A HEADERS frame with the head of a request.
pub(crate) fn headers(stream: u32, head: &[u8], ends: bool) -> Vec<u8> {
    frame(kind::HEADERS, if ends { END_HEADERS | END_STREAM } else { END_HEADERS }, stream, head)
}

/// A SETTINGS frame.
pub(crate) fn settings(values: &[(u16, u32)]) -> Vec<u8> {
    let payload: Vec<u8> = values
        .iter()
        .flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
        .collect();
    frame(kind::SETTINGS, 0, 0, &payload)
}

/// What a server did on a connection with frames.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reaction {
    /// It closed the connection.
    pub(crate) closed: bool,
    /// It sent GOAWAY.
    pub(crate) goaway: bool,
    /// Streams that it reset.
    pub(crate) resets: u64,
    /// Answers that it began.
    pub(crate) answers: u64,
    /// Of these, those with status 200.
    pub(crate) successes: u64,
}

/// `:status: 200` as every encoder writes it (RFC 7541 appendix A, entry 8).
const STATUS_200: u8 = 0x88;

/// An HTTP/2 connection without any rules.
pub(crate) struct Frames {
    stream: TcpStream,
    read: Vec<u8>,
    pub(crate) reaction: Reaction,
}

impl Frames {
    /// Connects, and sends the preface and these settings.
    pub(crate) async fn open(to: SocketAddr, from: usize, values: &[(u16, u32)]) -> io::Result<Self> {
        let mut stream = connect(to, from).await?;
        write(&mut stream, &[PREFACE, &settings(values)].concat()).await?;
        Ok(Self { stream, read: Vec::new(), reaction: Reaction::default() })
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        write(&mut self.stream, bytes).await
    }

    /// Writes while what comes back is read and kept, so that neither side waits for the other.
    pub(crate) async fn write_reading(&mut self, bytes: &[u8]) -> io::Result<()> {
        let (mut from, mut to) = self.stream.split();
        let kept = &mut self.read;
        let reading = async {
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(count @ 1..) = from.read(&mut buffer).await {
                // A flood needs no more of it than this.
                if kept.len() < MAX_KEPT {
                    kept.extend_from_slice(buffer.get(..count).unwrap_or_default());
                }
            }
            // Closed for reading: the write will fail by itself.
            std::future::pending::<()>().await;
        };
        tokio::select! {
            written = write(&mut to, bytes) => written,
            () = reading => Ok(()),
        }
    }

    /// Reads frames until `end`, answers PING and SETTINGS, and notes what the server does. Ends early when it closes.
    pub(crate) async fn obey(&mut self, end: Instant) -> &Reaction {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            while let Some((kind, flags, payload)) = self.take() {
                if let Some(reply) = self.note(kind, flags, &payload)
                    && self.write(&reply).await.is_err()
                {
                    self.reaction.closed = true;
                    return &self.reaction;
                }
            }
            match timeout_at(end, self.stream.read(&mut buffer)).await {
                Err(_) => return &self.reaction,
                Ok(Ok(count @ 1..)) => self.read.extend_from_slice(buffer.get(..count).unwrap_or_default()),
                Ok(_) => {
                    self.reaction.closed = true;
                    return &self.reaction;
                }
            }
        }
    }

    /// The next whole frame that was read.
    fn take(&mut self) -> Option<(u8, u8, Vec<u8>)> {
        let &[a, b, c, kind, flags, ..] = self.read.get(..9)? else { return None };
        let end = 9 + usize::try_from(u32::from_be_bytes([0, a, b, c])).ok()?;
        let payload = self.read.get(9..end)?.to_vec();
        self.read.drain(..end);
        Some((kind, flags, payload))
    }

    fn note(&mut self, kind: u8, flags: u8, payload: &[u8]) -> Option<Vec<u8>> {
        match kind {
            kind::GOAWAY => self.reaction.goaway = true,
            kind::RST_STREAM => self.reaction.resets += 1,
            kind::HEADERS => {
                self.reaction.answers += 1;
                self.reaction.successes += u64::from(payload.first() == Some(&STATUS_200));
            }
            kind::PING if flags & ACK == 0 => return Some(frame(kind::PING, ACK, 0, payload)),
            kind::SETTINGS if flags & ACK == 0 => return Some(frame(kind::SETTINGS, ACK, 0, &[])),
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_and_header_blocks_are_written_as_the_rfcs_draw_them() {
        assert_eq!(frame(kind::PING, ACK, 3, &[7, 8]), [0, 0, 2, 6, 1, 0, 0, 0, 3, 7, 8]);
        // RFC 7541, C.1.2 and C.1.3.
        let mut bytes = Vec::new();
        integer(1337, 5, &mut bytes);
        integer(42, 8, &mut bytes);
        assert_eq!(bytes, [31, 154, 10, 42]);
        assert_eq!(block(&[("a", "bc")]), [0, 1, b'a', 2, b'b', b'c']);
    }

    #[test]
    fn every_status_of_a_pipeline_is_found() {
        let bytes = b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 404 Not Found\r\n\r\n".to_vec();
        assert_eq!(Answer { bytes, closed: true }.statuses(), [200, 404]);
        assert_eq!(Answer::default().statuses(), [0_u16; 0]);
    }
}
