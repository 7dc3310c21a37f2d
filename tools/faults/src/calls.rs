//! System calls that fail: strace makes the nth call of a kind return an error, or kills the process there, while a log starts,
//! commits, seals or stops, a gateway sends what waits in its spool, or a collector takes a body. Then the program is started without a
//! fault, and judged.
//!
//! Only calls on files and folders of the data directory count. strace counts for each thread by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::campaign::Fixture;
use crate::outcome::{Outcome, Table, Verdict};
use crate::program::{Program, Started};
use crate::promised::Promised;
use crate::subject::{State, Subject};
use crate::{collector, gateway, log};

/// The calls that touch files.
const CALLS: &str = "pwrite64,write,pwritev,fdatasync,fsync,sync_file_range,openat,pread64,read,rename,ftruncate,fallocate,mmap,mkdir,\
                     unlink,statfs,fstatfs";
/// Calls that can run out of space.
const WRITING: &[&str] = &[
    "pwrite64",
    "write",
    "pwritev",
    "fdatasync",
    "fsync",
    "openat",
    "rename",
    "ftruncate",
    "fallocate",
    "mkdir",
];
/// Calls that a signal can interrupt.
const INTERRUPTIBLE: &[&str] = &[
    "pwrite64",
    "write",
    "pwritev",
    "read",
    "pread64",
    "openat",
    "fdatasync",
    "fsync",
    "ftruncate",
    "fallocate",
];
/// How long strace may take to attach or to end.
const TRACER_PATIENCE: Duration = Duration::from_secs(10);
/// Full bundles are sealed after half a second, failed sealings are tried again after one.
const SEALING: Duration = Duration::from_millis(1_900);
/// Statements that fill a bundle on top of what a small log has.
const FILLING: usize = 60;

/// What the log does while its calls fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// It starts.
    Start,
    /// It commits requests of three gateways.
    Commit,
    /// It seals a bundle that became full, and commits.
    Seal,
    /// It stops at SIGTERM.
    Stop,
    /// A gateway opens its spool, sends what waits, and forgets it.
    Flush,
    /// A collector starts, takes a body and records it.
    Collect,
}

impl Phase {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Start, Self::Commit, Self::Seal, Self::Stop, Self::Flush, Self::Collect];

    /// Those that a fixture can go through.
    pub fn of(subject: Subject) -> &'static [Self] {
        match subject {
            Subject::SmallLog | Subject::LargeLog => &[Self::Start, Self::Commit, Self::Seal, Self::Stop],
            Subject::Gateway => &[Self::Flush],
            Subject::Collector => &[Self::Collect],
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Commit => "commit",
            Self::Seal => "seal",
            Self::Stop => "stop",
            Self::Flush => "flush",
            Self::Collect => "collect",
        }
    }
}

/// One fault, written `PHASE:CALL:ERROR:NTH`, as in `start:pread64:EIO:3`; the error SIGKILL kills.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    phase: Phase,
    call: String,
    error: String,
    nth: usize,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}:{}", self.phase.name(), self.call, self.error, self.nth)
    }
}

impl FromStr for Fault {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let form = || anyhow!("`{text}` is not PHASE:CALL:ERROR:NTH, as in start:pread64:EIO:3");
        let [phase, call, error, nth] = text.split(':').collect::<Vec<_>>()[..] else { bail!(form()) };
        let phase = Phase::ALL.into_iter().find(|one| one.name() == phase).ok_or_else(form)?;
        let nth = nth.parse().map_err(|_| form())?;
        Ok(Self { phase, call: call.to_owned(), error: error.to_owned(), nth })
    }
}

impl Fault {
    fn arguments(&self) -> Vec<String> {
        let Self { call, error, nth, .. } = self;
        let what = if error == "SIGKILL" { format!("signal={error}") } else { format!("error={error}") };
        let inject = format!("inject={call}:{what}:when={nth}");
        ["-o", "/dev/null", "-e", &format!("trace={call}"), "-e", &inject].map(str::to_owned).to_vec()
    }
}

/// The faults of a campaign, and how often each call was made without them.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Every fault.
    pub faults: Vec<Fault>,
    /// By phase and call: the most calls that one thread made.
    pub counted: BTreeMap<(Phase, String), usize>,
    paths: Arc<BTreeSet<PathBuf>>,
}

/// What the program did under a fault.
#[derive(Debug, Default)]
struct Ran {
    broken: Broken,
}

/// A promise that was broken, and what shows it.
pub(crate) type Broken = Option<(Outcome, String)>;

/// Fails unless strace can trace and inject here.
pub async fn check_strace() -> Result<()> {
    let inject = ["-qq", "-o", "/dev/null", "-e", "inject=fsync:error=EIO:when=1", "true"];
    let ran = Command::new("strace").args(inject).stderr(Stdio::null()).status().await;
    let ran = ran.context("strace cannot be run: install the package strace (apt-get install strace)")?;
    ensure!(ran.success(), "strace cannot trace here: run as root, or permit ptrace");
    Ok(())
}

impl Plan {
    /// Counts the calls of each phase in a run without faults, and plans every error at every one of them, up to `max` of a kind.
    pub async fn make(fixture: &Fixture, phases: &[Phase], max: usize) -> Result<Self> {
        let (mut paths, root) = (BTreeSet::new(), Path::new(fixture.subject.directory()));
        for phase in phases {
            // The names of files that the phase makes are known afterwards.
            let copy = fixture.copy().await?;
            list(&copy.0, root, &mut paths)?;
            run(fixture.program(), &copy.0, *phase, None).await?;
            list(&copy.0, root, &mut paths)?;
        }
        let mut counted = BTreeMap::new();
        for phase in phases {
            let copy = fixture.copy().await?;
            let out = copy.0.join("trace");
            let mut arguments =
                ["-o", &out.to_string_lossy(), "-e", &format!("trace={CALLS}")].map(str::to_owned).to_vec();
            arguments.extend(only(&paths, &copy.0));
            run(fixture.program(), &copy.0, *phase, Some(&arguments)).await?;
            let text = std::fs::read(&out).with_context(|| out.display().to_string())?;
            for (call, count) in count(&String::from_utf8_lossy(&text)) {
                counted.insert((*phase, call), count);
            }
        }
        let faults = counted
            .iter()
            .flat_map(|((phase, call), count)| faults(*phase, call, (*count).min(max)))
            .collect();
        Ok(Self { faults, counted, paths: Arc::new(paths) })
    }

    /// All trials, some at once. Each verdict is passed to `seen`. Returns the table by phase and call.
    pub async fn run(
        &self,
        fixture: &Arc<Fixture>,
        jobs: usize,
        mut seen: impl FnMut(&Fault, &Verdict),
    ) -> Result<(Table, Vec<(Fault, Verdict)>)> {
        let (mut table, mut violations, room) =
            (Table::default(), Vec::new(), Arc::new(Semaphore::new(jobs)));
        let mut trials = JoinSet::new();
        for fault in self.faults.clone() {
            let (fixture, room, paths) = (fixture.clone(), room.clone(), self.paths.clone());
            trials.spawn(async move {
                let _permit = room.acquire().await?;
                let verdict =
                    trial(&fixture, &fault, &paths).await.with_context(|| format!("trial {fault}"))?;
                anyhow::Ok((fault, verdict))
            });
        }
        while let Some(done) = trials.join_next().await {
            let (fault, verdict) = done??;
            seen(&fault, &verdict);
            table.count(&format!("{} {} {}", fault.phase.name(), fault.call, fault.error), verdict.outcome);
            if verdict.outcome.is_violation() {
                violations.push((fault, verdict));
            }
        }
        violations.sort_by(|a, b| a.0.cmp(&b.0));
        Ok((table, violations))
    }

    /// Only these faults.
    #[must_use]
    pub fn only(mut self, faults: Vec<Fault>) -> Self {
        self.faults = faults;
        self
    }
}

fn faults(phase: Phase, call: &str, count: usize) -> Vec<Fault> {
    let mut errors = vec!["EIO", "SIGKILL"];
    errors.extend(WRITING.contains(&call).then_some("ENOSPC"));
    errors.extend(INTERRUPTIBLE.contains(&call).then_some("EINTR"));
    errors.extend((call == "openat").then_some("EMFILE"));
    let one = |error: &str, nth| Fault { phase, call: call.to_owned(), error: error.to_owned(), nth };
    errors.into_iter().flat_map(|error| (1..=count).map(move |nth| one(error, nth))).collect()
}

/// The most calls of each kind that one thread made.
fn count(trace: &str) -> BTreeMap<String, usize> {
    let mut by_thread: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for line in trace.lines() {
        let Some((thread, call)) = line.split_once(' ') else { continue };
        let Some((name, _)) = call.trim_start().split_once('(') else { continue };
        if !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            *by_thread.entry((thread, name)).or_default() += 1;
        }
    }
    let mut most = BTreeMap::new();
    for ((_, name), count) in by_thread {
        let known: &mut usize = most.entry(name.to_owned()).or_default();
        *known = count.max(*known);
    }
    most
}

/// strace's arguments that leave out every call on another file.
fn only(paths: &BTreeSet<PathBuf>, folder: &Path) -> Vec<String> {
    let argument = |path: &PathBuf| ["-P".to_owned(), folder.join(path).to_string_lossy().into_owned()];
    paths.iter().flat_map(argument).collect()
}

fn list(folder: &Path, below: &Path, paths: &mut BTreeSet<PathBuf>) -> Result<()> {
    paths.insert(below.to_owned());
    for entry in std::fs::read_dir(folder.join(below))? {
        let entry = entry?;
        let path = below.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            list(folder, &path, paths)?;
        } else {
            paths.insert(path);
        }
    }
    Ok(())
}

async fn trial(fixture: &Fixture, fault: &Fault, paths: &BTreeSet<PathBuf>) -> Result<Verdict> {
    let copy = fixture.copy().await?;
    let mut arguments = fault.arguments();
    arguments.extend(only(paths, &copy.0));
    let ran = run(fixture.program(), &copy.0, fault.phase, Some(&arguments)).await?;
    if let Some((outcome, words)) = ran.broken {
        return Ok(Verdict::new(outcome, words));
    }
    fixture.judge_healthy(&copy).await
}

/// Runs the program through a phase, under strace if arguments for it are given.
async fn run(program: &Program, folder: &Path, phase: Phase, arguments: Option<&[String]>) -> Result<Ran> {
    let tracer = |first: &[&str]| -> Vec<String> {
        let fixed = ["strace", "-f", "-qq"].iter().chain(first).map(ToString::to_string);
        arguments.map(|more| fixed.chain(more.iter().cloned()).collect()).unwrap_or_default()
    };
    // With -D the program is strace's parent, so that signals reach the program.
    let broken = match phase {
        Phase::Start => {
            return started(log::serve(program, folder, &tracer(&["-D"]), &[]).await?, folder).await;
        }
        Phase::Flush => gateway::flush_under(program, folder, &tracer(&[])).await?,
        Phase::Collect => collector::take_under(program, folder, &tracer(&["-D"])).await?,
        Phase::Commit | Phase::Seal | Phase::Stop => {
            return run_log(program, folder, phase, &tracer(&[])).await;
        }
    };
    Ok(Ran { broken })
}

/// Runs a log, which strace is attached to once it serves.
async fn run_log(program: &Program, folder: &Path, phase: Phase, tracer: &[String]) -> Result<Ran> {
    let server = log::must_serve(program, folder, &[]).await?;
    let mut promised = Promised::load(folder)?;
    let connection = log::connect(&server)?;
    if phase == Phase::Stop {
        promised.send_once(&connection, 1).await;
        promised.save(folder)?;
    }
    let strace = match server.pid() {
        Some(pid) if !tracer.is_empty() => Some(attach(tracer, pid).await?),
        _ => None,
    };
    let mut ran = Ran::default();
    match phase {
        Phase::Commit => drop(promised.send_once(&connection, 3).await),
        Phase::Seal => {
            promised.send_once(&connection, FILLING).await;
            sleep(SEALING).await;
            promised.send_once(&connection, 1).await;
        }
        Phase::Start | Phase::Stop | Phase::Flush | Phase::Collect => {}
    }
    promised.save(folder)?;
    if phase == Phase::Stop {
        if server.stop().await?.is_none() {
            ran.broken = Some((Outcome::Hang, "it did not stop".to_owned()));
        }
    } else {
        server.kill().await?;
    }
    if let Some(strace) = strace {
        end(strace).await?;
    }
    ran.broken = ran.broken.or(panicked(folder));
    Ok(ran)
}

/// After a start under faults: a log that serves gets a request, and is killed.
async fn started(started: Started, folder: &Path) -> Result<Ran> {
    let broken = match started {
        Started::Hung(said) => Some((Outcome::Hang, said)),
        Started::Ended(ended) => {
            let by_itself = ended.is_crash() && ended.status.signal() != Some(9);
            by_itself.then(|| (Outcome::Crash, format!("{}: {}", ended.status, ended.errors)))
        }
        Started::Serving(server) => {
            let mut promised = Promised::load(folder)?;
            promised.send_once(&log::connect(&server)?, 1).await;
            promised.save(folder)?;
            server.kill().await?;
            None
        }
    };
    Ok(Ran { broken: broken.or(panicked(folder)) })
}

fn panicked(folder: &Path) -> Broken {
    let said = std::fs::read_to_string(folder.join("log.stderr")).unwrap_or_default();
    said.contains("panicked at").then_some((Outcome::Crash, said))
}

async fn attach(tracer: &[String], pid: u32) -> Result<Child> {
    let [strace, arguments @ ..] = tracer else { bail!("no tracer") };
    let loud = arguments.iter().filter(|argument| *argument != "-qq");
    let mut command = Command::new(strace);
    command.args(loud).args(["-p", &pid.to_string()]).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().context("strace cannot be run")?;
    let stderr = child.stderr.take().ok_or_else(|| anyhow!("strace's standard error is not piped"))?;
    let mut lines = BufReader::new(stderr).lines();
    let attached = async {
        while let Some(line) = lines.next_line().await? {
            if line.contains("attached") {
                return Ok(());
            }
        }
        Err(anyhow!("strace did not attach"))
    };
    timeout(TRACER_PATIENCE, attached).await.context("strace did not attach in time")??;
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Ok(child)
}

/// strace ends with the process it traces.
async fn end(mut strace: Child) -> Result<()> {
    if timeout(TRACER_PATIENCE, strace.wait()).await.is_err() {
        strace.kill().await?;
    }
    Ok(())
}

impl Fixture {
    /// Starts the program twice on a copy whose disk is sound again: everything must be there. A refusal has no cause any more.
    pub async fn judge_healthy(&self, copy: &crate::campaign::Copy) -> Result<Verdict> {
        let mut reported = BTreeSet::new();
        for start in ["first", "second"] {
            let report = self.subject.work(self.program(), &copy.0).await?;
            match &report.state {
                State::Whole => reported.extend(report.warnings()),
                State::Refused(words) => {
                    return Ok(Verdict::new(Outcome::Destroyed, format!("at the {start} start: {words}")));
                }
                State::Broken(outcome, words) => {
                    return Ok(Verdict::new(*outcome, format!("at the {start} start: {words}")));
                }
            }
        }
        Ok(self.whole_or_repaired(&reported))
    }
}
