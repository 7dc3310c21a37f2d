//! A program of the operator's that gets some bytes and prints some: bounded in time and in what it prints.

use std::convert::Infallible;
use std::io::{self, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use thiserror::Error;

/// How often a program that has closed its output is looked at.
const LOOK: Duration = Duration::from_millis(2);

/// How far a program may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// How long it may run.
    pub patience: Duration,
    /// Most bytes it may print.
    pub max_output: usize,
}

/// Why a program gave no output. Does not hold what it printed, which may be a secret.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// It cannot be started.
    #[error("{program} cannot be started: {error}")]
    Start {
        /// The program.
        program: String,
        /// What the system reports.
        error: io::Error,
    },
    /// It ran for too long and was killed.
    #[error("it ran for more than {} s and was killed", .0.as_secs_f32())]
    Late(Duration),
    /// It printed too much and was killed.
    #[error("it printed more than {0} bytes and was killed")]
    TooLong(usize),
    /// It reported a failure.
    #[error("it failed: {0}")]
    Failed(ExitStatus),
    /// Its output could not be read, or its end not be awaited.
    #[error("its output cannot be read: {0}")]
    Io(#[from] io::Error),
}

/// Begins this process anew with a variable set in its environment: the same program with the same arguments, for what is read
/// before `main`. Returns only if that failed.
///
/// # Errors
/// The program cannot be found or started, or the system has no such thing. The process goes on as it was.
#[cfg(unix)]
pub fn begin_anew(name: &str, value: &str) -> io::Result<Infallible> {
    use std::os::unix::process::CommandExt as _;
    let mut arguments = std::env::args_os();
    let mut command = Command::new(std::env::current_exe()?);
    if let Some(own) = arguments.next() {
        command.arg0(own);
    }
    Err(command.args(arguments).env(name, value).exec())
}

/// The same, where no process can.
///
/// # Errors
/// Always.
#[cfg(not(unix))]
pub fn begin_anew(_name: &str, _value: &str) -> io::Result<Infallible> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Runs a program with `input` on its standard input and returns what it prints. Its standard error goes to ours. It runs in a
/// process group of its own, all of which is killed when it goes too far.
pub fn run(command: &mut Command, input: &[u8], bounds: Bounds) -> Result<Vec<u8>, ProgramError> {
    own_group(command);
    let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = started.map_err(|error| ProgramError::Start {
        program: command.get_program().to_string_lossy().into_owned(),
        error,
    })?;
    let outcome = converse(&mut child, input, bounds);
    if outcome.is_err() {
        kill(&mut child);
    }
    outcome
}

fn converse(child: &mut Child, input: &[u8], bounds: Bounds) -> Result<Vec<u8>, ProgramError> {
    // `None` when the patience is longer than the clock goes.
    let deadline = Instant::now().checked_add(bounds.patience);
    let late = || ProgramError::Late(bounds.patience);
    let left =
        || deadline.map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(Instant::now()));
    let (mut stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let input = input.to_vec();
    // Threads of their own, for a program may read or write as little as it likes. They end with the program.
    thread::spawn(move || stdin.as_mut().map(|stdin| stdin.write_all(&input)));
    let (sender, receiver) = mpsc::sync_channel(1);
    thread::spawn(move || {
        // Reserved in full: what was printed is left behind in no buffer that was outgrown.
        let mut output = Vec::with_capacity(bounds.max_output + 1);
        let read = stdout.map(|stdout| stdout.take(bounds.max_output as u64 + 1).read_to_end(&mut output));
        // The caller may have given up.
        let _ = sender.send(read.transpose().map(|_| output));
    });
    let output = receiver.recv_timeout(left()).map_err(|_| late())??;
    if output.len() > bounds.max_output {
        return Err(ProgramError::TooLong(bounds.max_output));
    }
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if left().is_zero() {
            return Err(late());
        }
        thread::sleep(LOOK);
    };
    if status.success() { Ok(output) } else { Err(ProgramError::Failed(status)) }
}

#[cfg(unix)]
fn own_group(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    command.process_group(0);
}

#[cfg(not(unix))]
fn own_group(_: &mut Command) {}

/// Kills the program and what it has started. One that has ended already is left alone.
fn kill(child: &mut Child) {
    if matches!(child.try_wait(), Ok(None)) {
        #[cfg(unix)]
        rustix::process::kill_process_group(
            rustix::process::Pid::from_child(child),
            rustix::process::Signal::KILL,
        )
        .ok();
        child.kill().ok();
        child.wait().ok();
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { patience: Duration::from_secs(600), max_output: 100 };

    fn sh(script: &str, input: &[u8], bounds: Bounds) -> Result<Vec<u8>, ProgramError> {
        run(Command::new("sh").args(["-c", script]), input, bounds)
    }

    #[test]
    fn a_program_gets_its_input_and_its_output_comes_back() {
        assert_eq!(sh("cat; echo .", b"abc", BOUNDS).unwrap(), b"abc.\n");
        assert_eq!(sh("echo .", &[0; 1 << 20], BOUNDS).unwrap(), b".\n", "one that reads nothing");
        assert_eq!(sh("exec >&-; sleep 0.1", b"", BOUNDS).unwrap(), b"");
    }

    #[test]
    fn what_goes_too_far_is_killed_with_its_children() {
        // Time enough for the script to get where it waits.
        let short = Bounds { patience: Duration::from_secs(3), ..BOUNDS };
        let folder = tempfile::tempdir().unwrap();
        let pid = folder.path().join("pid");
        let script = format!("sleep 1000 & echo $! > {}; wait", pid.display());
        assert!(matches!(sh(&script, b"", short), Err(ProgramError::Late(_))));
        let pid: i32 = std::fs::read_to_string(pid).unwrap().trim().parse().unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        // Init may take a moment to bury it.
        for _ in 0..1_000 {
            if rustix::process::test_kill_process(pid).is_err() || is_dead(pid) {
                return;
            }
            thread::sleep(LOOK);
        }
        panic!("the program's child still runs");
    }

    /// A dead process that nobody has waited for.
    fn is_dead(pid: rustix::process::Pid) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
        stat.is_ok_and(|stat| stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z')))
    }

    #[test]
    fn every_failure_is_told_apart() {
        assert!(matches!(sh("yes", b"", BOUNDS), Err(ProgramError::TooLong(100))));
        assert!(
            matches!(sh("echo .; exit 3", b"", BOUNDS), Err(ProgramError::Failed(status)) if status.code() == Some(3))
        );
        let missing = run(&mut Command::new("/no/such/program"), b"", BOUNDS).unwrap_err();
        assert!(missing.to_string().starts_with("/no/such/program cannot be started"), "{missing}");
        let closed = Bounds { patience: Duration::from_millis(200), ..BOUNDS };
        assert!(matches!(sh("exec >&-; sleep 1000", b"", closed), Err(ProgramError::Late(_))));
    }
}
