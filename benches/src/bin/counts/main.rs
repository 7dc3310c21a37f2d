//! Counts the instructions of each case under Valgrind, and compares them with those that are recorded: a shared machine hides a
//! regression of a few percent in its times, and not in these.
//!
//! ```text
//! counts list                 the cases
//! counts check                measures all, and fails if one takes over 3 % more than recorded
//! counts write                records new counts in benches/counts.txt
//! counts run CASE ROUNDS      runs a case under no tool, or under one of your choosing (callgrind shows where the instructions go)
//! ```
//!
//! A case is run twice, the second time with twice as many rounds: the difference is free of what comes before the first round. Each
//! check also measures a case that does 5 % more work than recorded, and fails if that passes.

mod cases;
mod log;
mod records;
mod served;

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use vouchlog_benches::counts::{Compared, Counts, Outcome};

use crate::cases::{CASES, Case, PLANTED};

/// The status of a check that could not compare anything.
const NOT_COMPARABLE: u8 = 3;

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match act(&words) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("counts: {error}");
            ExitCode::from(2)
        }
    }
}

fn act(words: &[&str]) -> Result<ExitCode, Failure> {
    match words {
        ["list"] => {
            for case in CASES {
                println!("{:<28} {}", case.name, case.what);
            }
        }
        ["run", name, rounds] => case(name)?.run(rounds.parse()?),
        ["check"] => return check(),
        ["write"] => {
            let counts = Counts { conditions: conditions()?, cases: measure_all()? };
            std::fs::write(recorded_at(), counts.to_string())?;
            print!("{counts}");
        }
        _ => return Err("usage: counts list | check | write | run CASE ROUNDS".into()),
    }
    Ok(ExitCode::SUCCESS)
}

fn check() -> Result<ExitCode, Failure> {
    let path = recorded_at();
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let recorded = Counts::parse(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    let conditions = conditions()?;
    if recorded.conditions != conditions {
        eprintln!("counts: nothing was compared: recorded with {}", recorded.conditions.join(", "));
        eprintln!("counts: and this is {}; record new counts with `counts write`", conditions.join(", "));
        return Ok(ExitCode::from(NOT_COMPARABLE));
    }
    let compared = recorded.compare(&measure_all()?);
    println!("{:<28} {:>15} {:>15}", "case", "recorded", "measured");
    for case in &compared {
        println!("{case}");
    }
    is_sensitive(&recorded)?;
    let failed = compared.iter().filter(|case| case.is_failure()).count();
    println!("{} cases, {failed} failed", compared.len());
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A guard that lets a slow-down of 5 % pass guards nothing.
fn is_sensitive(recorded: &Counts) -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let planted = Compared {
        case: PLANTED.name.to_owned(),
        recorded: recorded.cases.get(PLANTED.is_slower_than).copied(),
        measured: Some(measure(&PLANTED.case(), folder.path())?),
    };
    match planted.outcome() {
        Outcome::Slower => Ok(()),
        outcome => Err(format!("a planted slow-down was found to be {outcome:?}:\n{planted}").into()),
    }
}

fn case(name: &str) -> Result<Case, Failure> {
    if name == PLANTED.name {
        return Ok(PLANTED.case());
    }
    let case = CASES.iter().find(|case| case.name == name);
    case.copied().ok_or_else(|| format!("there is no case `{name}`: see `counts list`").into())
}

fn recorded_at() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("counts.txt")
}

fn measure_all() -> Result<BTreeMap<String, u64>, Failure> {
    if cfg!(debug_assertions) {
        return Err("counts of an unoptimised build mean nothing: build with --profile counts".into());
    }
    let folder = tempfile::tempdir()?;
    let mut counts = BTreeMap::new();
    for case in CASES {
        counts.insert(case.name.to_owned(), measure(case, folder.path())?);
    }
    Ok(counts)
}

/// Instructions of one round.
fn measure(case: &Case, folder: &Path) -> Result<u64, Failure> {
    let (few, many) = std::thread::scope(|scope| {
        let few = scope.spawn(|| instructions(case, case.rounds, folder));
        let many = instructions(case, 2 * case.rounds, folder);
        (few.join(), many)
    });
    let few = few.map_err(|_| "a thread panicked")??;
    let more = many?.checked_sub(few).ok_or("more rounds took fewer instructions")?;
    Ok(more / case.rounds)
}

/// Instructions of a whole process that runs so many rounds.
fn instructions(case: &Case, rounds: u64, folder: &Path) -> Result<u64, Failure> {
    let out = folder.join(format!("{}.{rounds}", case.name));
    let run = Command::new("valgrind")
        .args(["--tool=cachegrind", "--cache-sim=no", "--branch-sim=no", "--quiet"])
        .arg(format!("--cachegrind-out-file={}", out.display()))
        .arg(std::env::current_exe()?)
        .args(["run", case.name, &rounds.to_string()])
        // The length of the environment moves the stack.
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("valgrind: {error}"))?;
    if !run.status.success() {
        let errors = String::from_utf8_lossy(&run.stderr);
        return Err(format!("{} failed under valgrind: {}\n{errors}", case.name, run.status).into());
    }
    let counted = std::fs::read_to_string(&out)?;
    let summary = counted.lines().find_map(|line| line.strip_prefix("summary: "));
    let total = summary.ok_or("cachegrind wrote no summary")?.split(' ').next().unwrap_or_default();
    Ok(total.parse()?)
}

/// What the counts depend on beside the code.
fn conditions() -> Result<Vec<String>, Failure> {
    let said = |program: &str| -> Result<String, Failure> {
        let output = Command::new(program).arg("--version").output();
        let output = output.map_err(|error| format!("{program}: {error}"))?;
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    };
    #[cfg(target_arch = "x86_64")]
    let wide = if std::is_x86_feature_detected!("avx2") { " with AVX2" } else { " without AVX2" };
    #[cfg(not(target_arch = "x86_64"))]
    let wide = "";
    Ok(vec![said("rustc")?, said("valgrind")?, format!("{}{wide}", std::env::consts::ARCH)])
}
