//! A gateway under test: `vouchlog submit` with a spool, whose log is away while statements are submitted.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use vouchlog_sequencer::testing::statements;
use vouchlog_stream::Digest;

use crate::calls::Broken;
use crate::history::{self, Trouble};
use crate::log;
use crate::outcome::Outcome;
use crate::program::{Ended, Program, Run, Server, Started};
use crate::promised::{Promised, vkey};
use crate::subject::{After, Report, State};

/// The gateway's state directory below a fixture.
pub(crate) const STATE: &str = "spool";
/// Its key file: the operator's to keep, so it lies outside.
const KEY: &str = "gateway.key";
/// Every digest whose spooling was acknowledged, one a line.
const DIGESTS: &str = "digests.txt";
/// Where nothing listens.
const NOWHERE: &str = "http://127.0.0.1:1";
/// Submissions while the log is away, and the statements of each.
const SUBMISSIONS: usize = 5;
const STATEMENTS: usize = 120;
/// By then a submission is in the spool: the program reports that the log is away half a second after.
const SPOOLED: Duration = Duration::from_secs(6);

/// Makes a gateway's key and returns its public key.
pub(crate) async fn make_key(program: &Program, path: &Path) -> Result<String> {
    let out = path.to_string_lossy();
    let args = ["keygen", "--kind", "gateway", "--name", "gateway.example.com", "--out", &*out];
    match program.run(args).await? {
        Run::Ended(ended) if ended.status.success() => Ok(ended.printed.trim().to_owned()),
        other => bail!("no key was made: {other:?}"),
    }
}

fn digests(begin: usize, count: usize) -> Vec<Digest> {
    (begin..begin + count).flat_map(|number| statements(1, number as u64)).map(|one| one.digest).collect()
}

fn acknowledged(folder: &Path) -> Result<Vec<Digest>> {
    let path = folder.join(DIGESTS);
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    text.lines().map(|line| line.parse().map_err(|_| anyhow!("`{line}` is no digest"))).collect()
}

fn acknowledge(folder: &Path, more: &[Digest]) -> Result<()> {
    let mut all = acknowledged(folder).unwrap_or_default();
    all.extend_from_slice(more);
    let lines: Vec<String> = all.iter().map(ToString::to_string).collect();
    Ok(fs::write(folder.join(DIGESTS), lines.join("\n"))?)
}

/// The arguments of `submit`.
fn arguments(folder: &Path, url: &str, wait: &str, what: &[String]) -> Vec<String> {
    let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let fixed =
        ["submit", "--log", url, "--log-vkey", &vkey().to_string(), "--wait", wait].map(str::to_owned);
    let files = ["--gateway-key".to_owned(), path(KEY), "--state".to_owned(), path(STATE)];
    fixed.into_iter().chain(files).chain(what.iter().cloned()).collect()
}

fn naming(digests: &[Digest]) -> Vec<String> {
    std::iter::once("--digest".to_owned()).chain(digests.iter().map(ToString::to_string)).collect()
}

/// Submits while the log runs, then several times while it is away; the last submission is ended while it waits.
pub(crate) async fn make(program: &Program, folder: &Path, after: After) -> Result<()> {
    let gateway = make_key(program, &folder.join(KEY)).await?;
    log::write_keys(&folder.join(log::DATA))?;
    let server = log::must_serve(program, folder, &["--gateway", &gateway]).await?;
    let first = digests(0, STATEMENTS);
    match program.run(arguments(folder, &server.url, "10s", &naming(&first))).await? {
        Run::Ended(ended) if ended.status.success() => acknowledge(folder, &first)?,
        other => bail!("the first submission failed: {other:?}"),
    }
    ensure!(server.stop().await?.is_some_and(|status| status.success()), "the log did not stop");
    for round in 1..=SUBMISSIONS {
        let more = digests(round * STATEMENTS, STATEMENTS);
        match program.run(arguments(folder, NOWHERE, "500ms", &naming(&more))).await? {
            Run::Ended(ended) if ended.errors.contains("in the spool") => acknowledge(folder, &more)?,
            other => bail!("a submission was not spooled: {other:?}"),
        }
    }
    if after == After::Kill {
        let more = digests((SUBMISSIONS + 1) * STATEMENTS, STATEMENTS);
        let mut command = program.command();
        command.args(arguments(folder, NOWHERE, "60s", &naming(&more))).stderr(Stdio::null());
        let mut child = command.spawn()?;
        tokio::time::sleep(SPOOLED).await;
        child.kill().await?;
        acknowledge(folder, &more)?;
    }
    Ok(())
}

/// Starts the log, has the gateway send what waits and one statement more, and looks for every digest in the log.
pub(crate) async fn work(program: &Program, folder: &Path) -> Result<Report> {
    let server = match log::serve(program, folder, &[], &[]).await? {
        Started::Serving(server) => server,
        other => bail!("the log of the gateway did not start: {other:?}"),
    };
    let report = converse(program, folder, &server).await;
    server.kill().await?;
    report
}

/// Has the gateway send what waits, run by a wrapper such as strace. A failure is no broken promise yet.
pub(crate) async fn flush_under(program: &Program, folder: &Path, wrapper: &[String]) -> Result<Broken> {
    let server = log::must_serve(program, folder, &[]).await?;
    let mut command = program.command_under(wrapper);
    command.args(arguments(folder, &server.url, "2s", &["--flush".to_owned()]));
    let run = Run::of(command).await;
    server.kill().await?;
    Ok(match run? {
        Run::Hung => Some((Outcome::Hang, "submit did not end".to_owned())),
        // strace ends as the program did.
        Run::Ended(ended) if ended.is_crash() && ended.status.signal() != Some(9) => {
            Some((Outcome::Crash, format!("{}: {}", ended.status, ended.errors)))
        }
        Run::Ended(_) => None,
    })
}

async fn converse(program: &Program, folder: &Path, server: &Server) -> Result<Report> {
    let mut said = String::new();
    let more = digests(acknowledged(folder)?.len(), 1);
    for what in [vec!["--flush".to_owned()], naming(&more)] {
        match program.run(arguments(folder, &server.url, "3s", &what)).await? {
            Run::Hung => return Ok(Report::hung(format!("submit {} did not end", what[0]))),
            Run::Ended(ended) if !ended.status.success() => {
                let printed = format!("{}{}{}", said, ended.errors, ended.printed);
                return Ok(Report::ended(&Ended { errors: printed, ..ended }));
            }
            Run::Ended(ended) => said.push_str(&ended.errors),
        }
    }
    acknowledge(folder, &more)?;
    let state = match history::read(&log::connect(server)?, &Promised::default()).await {
        Err(Trouble::Broken(outcome, words)) => State::Broken(outcome, words),
        Err(trouble) => bail!("the log of the gateway cannot be read: {trouble:?}"),
        Ok(logged) => {
            let all = acknowledged(folder)?;
            let missing = all.iter().filter(|digest| !logged.contains_key(digest)).count();
            match missing {
                0 => State::Whole,
                _ => State::Broken(
                    Outcome::Lost,
                    format!("{missing} of {} acknowledged statements never reached the log", all.len()),
                ),
            }
        }
    };
    Ok(Report { state, said })
}
