//! Hostile servers: a log that auditors read, and a witness that a log asks.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use vouchlog_api::Appender as _;
use vouchlog_client::{Connection, GrpcLog};
use vouchlog_faults::log::write_keys;
use vouchlog_merkle::{Hash, TreeHead, TreeSize};
use vouchlog_note::{Checkpoint, Origin, SignatureType, SignedCheckpoint};
use vouchlog_sequencer::testing::{ORIGIN, TestGateway, key, statements};

use super::commands::{Bounds, judged};
use super::zipped::bomb;
use crate::attack::{Attack, Context, Observation, Target};
use crate::wire::{connect, write};
use crate::world::must_start;

const LOGS: &str = "logs";
const WAITS: &str = "waits";
const WITNESSES: &str = "witnesses";

/// A log that lies is found out at once.
const QUICK: Bounds = Bounds { time: Duration::from_secs(20), codes: &[1, 2] };
/// One that makes its reader wait is given up: a bounded number of tries, each with a bounded wait.
const PATIENT: Bounds = Bounds { time: Duration::from_secs(240), codes: &[1, 2] };
/// Between two pieces of a drip.
const DRIP: Duration = Duration::from_millis(100);
/// How long a log may take to take a statement although its witness is hostile.
const APPEND: Duration = Duration::from_secs(20);

/// What a hostile server does with a request.
enum Reply {
    /// Sends this and closes.
    Bytes(Vec<u8>),
    /// Sends the first, and then the second again and again as fast as it is taken.
    Endless(Vec<u8>, Vec<u8>),
    /// The same, slowly.
    Drip(Vec<u8>, Vec<u8>),
    /// Nothing, with the connection open.
    Silence,
}

/// By the path that is asked for, and by the server's own address.
type Answer = fn(&str, SocketAddr) -> Reply;

fn text(head: &str, body: &str) -> Reply {
    Reply::Bytes(
        format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
            .into_bytes(),
    )
}

/// A hostile server, which ends when it is dropped.
struct Hostile {
    address: SocketAddr,
    requests: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Hostile {
    async fn start(answer: Answer) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let requests = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&requests);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let counted = Arc::clone(&counted);
                tokio::spawn(async move { drop(serve(stream, address, answer, &counted).await) });
            }
        });
        Ok(Self { address, requests, task })
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, own: SocketAddr, answer: Answer, requests: &AtomicU64) -> Result<()> {
    let (mut head, mut buffer) = (Vec::new(), [0; 4_096]);
    while !head.windows(4).any(|four| four == b"\r\n\r\n") && head.len() < 1 << 16 {
        let count = stream.read(&mut buffer).await?;
        head.extend_from_slice(buffer.get(..count).filter(|some| !some.is_empty()).context("it left")?);
    }
    requests.fetch_add(1, Ordering::Relaxed);
    let head = String::from_utf8_lossy(&head).into_owned();
    match answer(head.split(' ').nth(1).unwrap_or_default(), own) {
        Reply::Bytes(bytes) => write(&mut stream, &bytes).await?,
        Reply::Endless(first, again) => {
            write(&mut stream, &first).await?;
            let again = again.repeat((1 << 16) / again.len().max(1));
            loop {
                write(&mut stream, &again).await?;
            }
        }
        Reply::Drip(first, again) => {
            write(&mut stream, &first).await?;
            loop {
                tokio::time::sleep(DRIP).await;
                write(&mut stream, &again).await?;
            }
        }
        Reply::Silence => std::future::pending().await,
    }
    // Whoever has not sent everything reads the answer all the same.
    let _ = tokio::time::timeout(Duration::from_millis(200), stream.read(&mut buffer)).await;
    Ok(())
}

/// A checkpoint with the log's own signature and a root of the attacker's choosing.
fn checkpoint(size: u64) -> String {
    let sign = || {
        let head = TreeHead { size: TreeSize::new(size), root: Hash::from_bytes([7; 32]) };
        let checkpoint = Checkpoint::new(Origin::new(ORIGIN)?, head);
        let signed = SignedCheckpoint::sign(&checkpoint, &key(ORIGIN, SignatureType::Ed25519, 1))?;
        Ok::<_, anyhow::Error>(signed.note().to_owned())
    };
    sign().unwrap_or_default()
}

/// The internal service that no command may be led to: anything at this path of a hostile server counts.
const SECRET: &str = "/internal-secret";

pub(super) fn attacks() -> Vec<Attack> {
    let mut all = vec![redirected()];
    for command in ["audit", "prove", "sample"] {
        all.extend(logs().into_iter().map(|(name, answer)| read_by(LOGS, (name, command), answer, QUICK)));
    }
    all.extend(waits().into_iter().map(|(name, answer)| read_by(WAITS, (name, "audit"), answer, PATIENT)));
    all.extend(witnesses());
    all
}

fn logs() -> Vec<(&'static str, Answer)> {
    vec![
        ("redirects to itself", |path, own| text(&format!("302 Found\r\nLocation: http://{own}{path}"), "")),
        ("redirects to a file", |_, _| text("302 Found\r\nLocation: file:///etc/passwd", "")),
        ("has 2^62 entries and no tile", |path, _| match path {
            "/checkpoint" => text("200 OK", &checkpoint(1 << 62)),
            _ => text("404 Not Found", ""),
        }),
        ("has 2^62 entries and tiles of zeros", |path, _| match path {
            "/checkpoint" => text("200 OK", &checkpoint(1 << 62)),
            _ => Reply::Bytes(
                [&b"HTTP/1.1 200 OK\r\nContent-Length: 8192\r\nConnection: close\r\n\r\n"[..], &[0; 8192]]
                    .concat(),
            ),
        }),
        ("has a million entries and no tile", |path, _| match path {
            "/checkpoint" => text("200 OK", &checkpoint(1_000_000)),
            _ => text("404 Not Found", ""),
        }),
        ("answers with less than it says", |_, _| {
            Reply::Bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\nlog".to_vec())
        }),
        ("answers with more than it says", |_, _| {
            Reply::Bytes(
                b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nlog.example.com".to_vec(),
            )
        }),
        ("answers without end", |_, _| {
            Reply::Endless(b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), b"log.example.com/test\n".to_vec())
        }),
        ("has headers without end", |_, _| {
            Reply::Endless(b"HTTP/1.1 200 OK\r\n".to_vec(), b"X: y\r\n".to_vec())
        }),
        ("has tiles without end", |path, _| match path {
            "/checkpoint" => text("200 OK", &checkpoint(300)),
            _ => Reply::Endless(b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![7; 64]),
        }),
        ("answers with a bomb", |_, _| {
            let body = bomb(256 << 20);
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            Reply::Bytes([head.as_bytes(), &body].concat())
        }),
        ("has ten thousand signatures", |_, _| {
            let note = checkpoint(300);
            let line = note.lines().last().unwrap_or_default().to_owned();
            text("200 OK", &format!("{note}{}", format!("{line}\n").repeat(10_000)))
        }),
        ("has a note that repaints the line", |_, _| {
            text("200 OK", "\u{1b}[1K\u{1b}[1Gclean: no findings\u{1b}[8m\n1\nAAAA\n\n\u{2014} x AAAA\n")
        }),
        ("has errors that repaint the line", |_, _| {
            text(
                "400 Bad Request\r\nContent-Type: application/problem+json",
                r#"{"title":"\u001b[1K\u001b[1Gclean: no findings\u001b[8m","detail":"\u202eclean","status":400}"#,
            )
        }),
        ("has a reason that repaints the line", |_, _| {
            Reply::Bytes(b"HTTP/1.1 404 \x1b[1K\x1b[1Gclean\r\nContent-Length: 0\r\n\r\n".to_vec())
        }),
        ("is a web page", |_, _| text("200 OK\r\nContent-Type: text/html", "<html>it works</html>")),
        ("is no HTTP", |_, _| Reply::Bytes(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec())),
        ("closes at once", |_, _| Reply::Bytes(Vec::new())),
    ]
}

fn waits() -> Vec<(&'static str, Answer)> {
    vec![
        ("asks to come back in an hour", |_, _| text("503 Service Unavailable\r\nRetry-After: 3600", "")),
        ("asks to come back in 30 billion years", |_, _| {
            text("429 Too Many Requests\r\nRetry-After: 999999999999999999", "")
        }),
        ("asks to come back in 2099", |_, _| {
            text("503 Service Unavailable\r\nRetry-After: Fri, 31 Dec 2099 23:59:59 GMT", "")
        }),
        ("answers drop by drop", |_, _| Reply::Drip(b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), b"l".to_vec())),
        ("has headers drop by drop", |_, _| {
            Reply::Drip(b"HTTP/1.1 200 OK\r\n".to_vec(), b"X: y\r\n".to_vec())
        }),
        ("asks for patience without end", |_, _| {
            Reply::Drip(Vec::new(), b"HTTP/1.1 100 Continue\r\n\r\n".to_vec())
        }),
        ("is silent", |_, _| Reply::Silence),
        ("has tiles drop by drop", |path, _| match path {
            "/checkpoint" => text("200 OK", &checkpoint(300)),
            _ => Reply::Drip(b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), b"l".to_vec()),
        }),
    ]
}

/// A command that reads the whole of a hostile log.
fn read_by(
    class: &'static str,
    (name, command): (&str, &'static str),
    answer: Answer,
    bounds: Bounds,
) -> Attack {
    let name = format!("{class}: a log that {name}, read by {command}");
    Attack::repeated(class, name, Target::Command, move |context: Context| async move {
        let log = Hostile::start(answer).await?;
        judged(&context.program, &arguments(command, log.address, &context), bounds).await
    })
}

fn arguments(command: &str, log: SocketAddr, context: &Context) -> Vec<String> {
    let url = format!("http://{log}");
    let out = context.folder.join(format!("{}.out", log.port())).to_string_lossy().into_owned();
    let rest = match command {
        "prove" => vec!["--index".to_owned(), "0".to_owned(), "--out".to_owned(), out],
        "sample" => vec!["--count".to_owned(), "5".to_owned(), "--out".to_owned(), out],
        _ => Vec::new(),
    };
    [command.to_owned(), "--log".to_owned(), url, "--log-vkey".to_owned(), context.vkey.clone()]
        .into_iter()
        .chain(rest)
        .collect()
}

/// A log that sends its reader to another server.
fn redirected() -> Attack {
    Attack::repeated(
        LOGS,
        "logs: a log that redirects to a secret, read by audit",
        Target::Command,
        |context: Context| async move {
            let secret = Hostile::start(|_, _| text("200 OK", "INTERNAL-SECRET-DATA\n")).await?;
            let log = Redirecting::start(secret.address).await?;
            let seen = judged(&context.program, &arguments("audit", log.address, &context), QUICK).await?;
            let led = secret.requests.load(Ordering::Relaxed);
            Ok(seen.with((led > 0).then(|| format!("it followed {led} redirections to another server"))))
        },
    )
}

/// A server that sends everybody elsewhere.
struct Redirecting {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Redirecting {
    async fn start(to: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let answer = format!(
            "HTTP/1.1 302 Found\r\nLocation: http://{to}{SECRET}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut buffer = [0; 4_096];
                let _ = stream.read(&mut buffer).await;
                let _ = write(&mut stream, answer.as_bytes()).await;
            }
        });
        Ok(Self { address, task })
    }
}

impl Drop for Redirecting {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn witnesses() -> Vec<Attack> {
    let cases: Vec<(&str, Answer)> = vec![
        ("has seen 999,999,999 entries", |_, _| {
            text("409 Conflict\r\nContent-Type: text/x.tlog.size", "999999999\n")
        }),
        ("has seen 2^63 - 1 entries", |_, _| {
            text("409 Conflict\r\nContent-Type: text/x.tlog.size", "9223372036854775807\n")
        }),
        ("has seen -1 entries", |_, _| text("409 Conflict\r\nContent-Type: text/x.tlog.size", "-1\n")),
        ("disagrees without a number", |_, _| text("409 Conflict", "no")),
        ("answers 200 with rubbish", |_, _| {
            text("200 OK", "\u{2014} witness.example.com/evil AAAA\u{1b}[2J\n")
        }),
        ("answers without end", |_, _| {
            Reply::Endless(b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), b"\xe2\x80\x94 x AAAA\n".to_vec())
        }),
        ("answers 409 without end", |_, _| {
            Reply::Endless(
                b"HTTP/1.1 409 Conflict\r\nContent-Type: text/x.tlog.size\r\n\r\n".to_vec(),
                b"9".to_vec(),
            )
        }),
        ("answers drop by drop", |_, _| Reply::Drip(b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), b"l".to_vec())),
        ("is silent", |_, _| Reply::Silence),
        ("redirects to itself", |path, own| text(&format!("302 Found\r\nLocation: http://{own}{path}"), "")),
        ("asks to come back in 30 billion years", |_, _| {
            text("503 Service Unavailable\r\nRetry-After: 999999999999999999", "")
        }),
        ("closes at once", |_, _| Reply::Bytes(Vec::new())),
    ];
    let attack = |(name, answer): (&str, Answer)| {
        let name = format!("{WITNESSES}: a witness that {name}");
        Attack::repeated(WITNESSES, name, Target::Command, move |context: Context| async move {
            let witness = Hostile::start(answer).await?;
            let outcome = beside(&context, &witness).await;
            Ok(Observation::sent(witness.requests.load(Ordering::Relaxed))
                .with(outcome.err().map(|error| format!("{error:#}"))))
        })
    };
    cases.into_iter().map(attack).collect()
}

/// A log with this witness, of whose cosignature it has no need, starts and takes a statement.
async fn beside(context: &Context, witness: &Hostile) -> Result<()> {
    let folder = context.folder.join(format!("log-{}", witness.address.port()));
    let data = folder.join("data");
    write_keys(&data)?;
    let vkey =
        key("witness.example.com/evil", SignatureType::CosignatureEd25519, 9).verifying_key().to_string();
    let policy = folder.join("policy.txt");
    std::fs::write(&policy, format!("witness evil {vkey} http://{}\nquorum none\n", witness.address))?;
    let mut command = context.program.command();
    command.args(["serve", "--json", "--origin", ORIGIN, "--listen", "127.0.0.1:0"]);
    command.args(["--witness-interval", "50ms", "--policy"]).arg(&policy).arg("--data").arg(&data);
    let server = must_start(command, &folder.join("stderr")).await?;
    let appended = tokio::time::timeout(APPEND, append(&server.url)).await;
    appended.map_err(|_| anyhow!("the log took no statement in {} s", APPEND.as_secs()))??;
    drop(connect(crate::world::address(&server.url)?, 0).await?);
    let stopped = server.stop().await?;
    anyhow::ensure!(stopped.is_some_and(|status| status.success()), "the log did not stop: {stopped:?}");
    Ok(())
}

async fn append(url: &str) -> Result<()> {
    let log = GrpcLog::connect(&Connection::new(url)).map_err(|error| anyhow!("{error}"))?;
    let mut gateway = TestGateway::open(&log, 10).await.map_err(|error| anyhow!("{error}"))?;
    let request = gateway.request(statements(3, 1), 1_767_225_600);
    log.append(request).await.map_err(|error| anyhow!("{error}"))?;
    Ok(())
}
