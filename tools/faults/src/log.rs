//! A log under test: filled by several gateways, then held against what it promised them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use tokio::task::JoinSet;
use vouchlog_client::{Connection, GrpcLog};
use vouchlog_note::{SignatureType, SigningKey};
use vouchlog_sequencer::testing::{ORIGIN, key};

use crate::history::{self, Trouble};
use crate::outcome::Outcome;
use crate::program::{Program, Server, Started};
use crate::promised::{Failed, Promised, Stream};
use crate::subject::{After, Report, State};

/// The data directory of the log below a fixture.
pub const DATA: &str = "log";
/// Requests of each gateway that leave less than a bundle.
pub const SMALL: u64 = 18;
/// Requests of each gateway that leave over 1,000 entries.
pub const LARGE: u64 = 120;

/// Gateways that write at once.
const GATEWAYS: u8 = 3;
/// Seed of the first gateway; the test keys of the log come before it.
const FIRST_GATEWAY: u8 = 10;
/// Seed of the gateway that writes to a log that forgot the others.
const STRANGER: u8 = 90;
/// Full bundles are sealed after half a second.
const SEALING: Duration = Duration::from_millis(900);
/// How long the load goes on while the log is ended.
const UNDER_LOAD: Duration = Duration::from_millis(15);
/// How long the log may take to answer.
const ANSWER: Duration = Duration::from_secs(10);
/// Statements of the request after a restart.
const MORE: usize = 3;
/// Reads that fail are tried again for two seconds: the program may repair what it serves.
const READS: u32 = 8;
const BETWEEN_READS: Duration = Duration::from_millis(250);

/// Makes a data directory with the published test keys, so that the gateways of the campaign fit.
pub fn write_keys(data: &Path) -> Result<()> {
    fs::create_dir_all(data)?;
    let keys: [(&str, SigningKey); 2] = [
        ("log.key", key(ORIGIN, SignatureType::Ed25519, 1)),
        ("operator.key", key("operator.example.com", SignatureType::Ed25519, 2)),
    ];
    for (file, key) in &keys {
        let path = data.join(file);
        fs::write(&path, key.to_key_file().expect("it was made here").as_str())?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        fs::File::open(&path)?.sync_all()?;
    }
    Ok(())
}

/// Starts the log of a fixture, by way of a wrapper such as strace if one is given.
pub async fn serve(program: &Program, folder: &Path, wrapper: &[String], more: &[&str]) -> Result<Started> {
    serve_data(program, &folder.join(DATA), &folder.join("log.stderr"), (wrapper, more)).await
}

/// Starts a log on any data directory.
pub async fn serve_data(
    program: &Program,
    data: &Path,
    errors: &Path,
    (wrapper, more): (&[String], &[&str]),
) -> Result<Started> {
    let mut command = program.command_under(wrapper);
    command
        .args(["serve", "--json", "--origin", ORIGIN, "--listen", "127.0.0.1:0", "--data"])
        .arg(data)
        .args(more);
    Server::start(command, errors).await
}

/// Starts a log that must start.
pub async fn must_serve(program: &Program, folder: &Path, more: &[&str]) -> Result<Server> {
    match serve(program, folder, &[], more).await? {
        Started::Serving(server) => Ok(server),
        Started::Ended(ended) => Err(anyhow!("the log did not start: {}", ended.errors)),
        Started::Hung(said) => Err(anyhow!("the log did not start in time: {said}")),
    }
}

/// A connection to a running log.
pub fn connect(server: &Server) -> Result<GrpcLog> {
    let connection = Connection { timeout: ANSWER, ..Connection::new(&server.url) };
    Ok(GrpcLog::connect(&connection)?)
}

/// Runs a log under the load of three gateways, then ends it while they go on.
pub async fn make(program: &Program, folder: &Path, requests: u64, after: After) -> Result<()> {
    write_keys(&folder.join(DATA))?;
    let server = must_serve(program, folder, &[]).await?;
    let log = connect(&server)?;
    let mut gateways = JoinSet::new();
    for seed in FIRST_GATEWAY..FIRST_GATEWAY + GATEWAYS {
        let stream = Stream::open(&log, seed).await.context("a stream cannot be opened")?;
        gateways.spawn(fill(log.clone(), stream, requests));
    }
    let mut streams = Vec::new();
    while let Some(filled) = gateways.join_next().await {
        streams.push(filled??);
    }
    tokio::time::sleep(SEALING).await;
    let mut gateways = JoinSet::new();
    for mut stream in streams {
        let log = log.clone();
        gateways.spawn(async move {
            // Goes on until the log is gone: the last request has no answer.
            while stream.send_once(&log, 1).await {}
            stream
        });
    }
    tokio::time::sleep(UNDER_LOAD).await;
    match after {
        After::Kill => server.kill().await?,
        After::Stop => {
            let status = server.stop().await?.ok_or_else(|| anyhow!("the log did not stop"))?;
            ensure!(status.success(), "the log stopped with {status}");
        }
    }
    let promised = Promised { streams: gateways.join_all().await };
    promised.save(folder)
}

async fn fill(log: GrpcLog, mut stream: Stream, requests: u64) -> Result<Stream> {
    for round in 0..requests {
        let count = usize::try_from(1 + round % 6)?;
        stream.send(&log, count).await.map_err(|failed| anyhow!("{failed:?}"))?;
    }
    Ok(stream)
}

/// Starts the log, reads it from its first entry, lets every gateway go on, reads it again, and stops it.
pub async fn work(program: &Program, folder: &Path) -> Result<Report> {
    match serve(program, folder, &[], &[]).await? {
        Started::Ended(ended) => Ok(Report::ended(&ended)),
        Started::Hung(said) => Ok(Report::hung(said)),
        Started::Serving(server) => judge(server, folder).await,
    }
}

/// Judges a running log, and stops it.
pub async fn judge(mut server: Server, folder: &Path) -> Result<Report> {
    let mut promised = Promised::load(folder)?;
    let log = connect(&server)?;
    let mut state = converse(&log, &mut promised).await;
    promised.save(folder)?;
    let readiness = server.readiness().await.map_or_else(|error| error.to_string(), |(_, body)| body);
    let ended_itself = server.ended();
    let errors = folder.join("log.stderr");
    let stopped = server.stop().await?;
    let said = format!("{}\n{readiness}", fs::read_to_string(errors).unwrap_or_default());
    if matches!(state, State::Whole | State::Refused(_)) && said.contains("panicked at") {
        state = State::Broken(Outcome::Crash, said.clone());
    }
    if matches!(state, State::Whole) {
        state = match (ended_itself.or(stopped), ended_itself) {
            (None, _) => State::Broken(Outcome::Hang, "it did not stop".to_owned()),
            (Some(status), Some(_)) => State::Refused(format!("it ended by itself with {status}: {said}")),
            (Some(status), None) if !status.success() => {
                State::Broken(Outcome::Crash, format!("it stopped with {status}"))
            }
            (Some(_), None) => state,
        };
    }
    Ok(Report { state, said })
}

async fn converse(log: &GrpcLog, promised: &mut Promised) -> State {
    if let Err(trouble) = read_patiently(log, promised).await {
        return match trouble {
            Trouble::Shrunk { now, was } => write_on(log, promised, now, was).await,
            Trouble::Refused(words) => State::Refused(words),
            Trouble::Broken(outcome, words) => State::Broken(outcome, words),
        };
    }
    for stream in &mut promised.streams {
        let mut sent = stream.repeat(log).await;
        if sent.is_ok() {
            sent = stream.send(log, MORE).await;
        }
        match sent {
            Ok(()) => {}
            Err(Failed::Broken(words)) => return State::Broken(Outcome::Lost, words),
            Err(Failed::Refused(error)) if error.is_transient() => return State::Refused(error.message),
            Err(Failed::Refused(error)) => {
                return State::Broken(Outcome::Lost, format!("a gateway cannot go on: {error}"));
            }
        }
    }
    match read_patiently(log, promised).await {
        Ok(()) => State::Whole,
        Err(Trouble::Refused(words)) => State::Refused(words),
        Err(Trouble::Broken(outcome, words)) => State::Broken(outcome, words),
        Err(Trouble::Shrunk { now, was }) => {
            State::Broken(Outcome::Rollback, format!("it shrank from {was} to {now} while it ran"))
        }
    }
}

async fn read_patiently(log: &GrpcLog, promised: &Promised) -> Result<(), Trouble> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        match history::read(log, promised).await {
            Ok(_) => return Ok(()),
            Err(Trouble::Refused(_) | Trouble::Broken(Outcome::Lost, _)) if attempt < READS => {
                tokio::time::sleep(BETWEEN_READS).await;
            }
            Err(trouble) => return Err(trouble),
        }
    }
}

/// An older log: does it take writes, and does it sign a size again that it signed before?
async fn write_on(log: &GrpcLog, promised: &Promised, now: u64, was: u64) -> State {
    let words = format!("it opened with {now} of {was} entries");
    let written = async {
        let mut stream = Stream::open(log, STRANGER).await?;
        let count = usize::try_from(was - now + 1).unwrap_or(1);
        match stream.send(log, count).await {
            Err(Failed::Refused(error)) => Err(error),
            Ok(()) | Err(Failed::Broken(_)) => Ok(()),
        }
    };
    match written.await {
        Err(error) => State::Refused(format!("{words} and took no writes: {error}")),
        Ok(()) => match history::read(log, promised).await {
            Err(Trouble::Broken(Outcome::Fork, fork)) => {
                State::Broken(Outcome::Fork, format!("{words}; {fork}"))
            }
            _ => State::Broken(Outcome::Rollback, format!("{words} and took writes")),
        },
    }
}
