//! Runs many seeds, or repeats one and prints everything that happened.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use clap::Parser;
use parking_lot::Mutex;
use serde_json::json;
use vouchlog_sim::{Outcome, Plant, Report, run, run_suited};

/// Simulates logs, gateways and witnesses over failing disks, networks and clocks, and checks their promises.
#[derive(Debug, Parser)]
struct Arguments {
    /// Number of seeds to run.
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// First seed.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Repeat this seed and print every event.
    #[arg(long)]
    seed: Option<u64>,
    /// Plant each bug in turn and print the first seed that finds it.
    #[arg(long)]
    plants: bool,
    /// Runs at a time.
    #[arg(long, default_value_t = 1)]
    jobs: u64,
    /// Print the figures as JSON.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.seed {
        Some(seed) => repeat(seed),
        None if arguments.plants => find_plants(&arguments),
        None => run_many(&arguments),
    }
}

fn repeat(seed: u64) -> ExitCode {
    let report = run(seed);
    report.trace.iter().for_each(|event| println!("{event}"));
    let Some(violation) = &report.violation else {
        println!("seed {seed}: {:?}, {} entries", report.outcome, report.entries);
        return ExitCode::SUCCESS;
    };
    println!("seed {seed}: {violation}");
    ExitCode::FAILURE
}

fn find_plants(arguments: &Arguments) -> ExitCode {
    let mut outcome = ExitCode::SUCCESS;
    for plant in Plant::ALL {
        let mut seeds = arguments.first..arguments.first + arguments.seeds;
        let found = seeds.find_map(|seed| Some((seed, run_suited(seed, plant, true).violation?)));
        match found {
            Some((seed, violation)) => println!("{plant:?}: seed {seed}: {violation}"),
            None => {
                println!("{plant:?}: not found");
                outcome = ExitCode::FAILURE;
            }
        }
    }
    outcome
}

fn run_many(arguments: &Arguments) -> ExitCode {
    let started = Instant::now();
    let next = AtomicU64::new(arguments.first);
    let end = arguments.first + arguments.seeds;
    let total = Mutex::new((Report::default(), 0_u64, Vec::new()));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end {
                return;
            }
            let report = run(seed);
            let mut total = total.lock();
            add(&mut total.0, &report);
            total.1 += u64::from(report.outcome == Outcome::Refused);
            if let Some(violation) = report.violation {
                eprintln!("seed {seed}: {violation}");
                total.2.push((seed, violation));
            }
            if (seed + 1 - arguments.first).is_multiple_of(500) && !arguments.json {
                eprintln!(
                    "{} seeds, {} violations, {:.0?}",
                    seed + 1 - arguments.first,
                    total.2.len(),
                    started.elapsed()
                );
            }
        }
    };
    std::thread::scope(|scope| (0..arguments.jobs.max(1)).for_each(|_| drop(scope.spawn(work))));
    let (sum, refused, violations) = total.into_inner();
    let seconds = started.elapsed().as_secs_f64();
    print(arguments, &sum, refused, &violations, seconds);
    if violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn add(sum: &mut Report, report: &Report) {
    sum.steps += report.steps;
    sum.entries += report.entries;
    sum.crashes += report.crashes;
    sum.starts += report.starts;
    sum.messages_lost += report.messages_lost;
    sum.messages_repeated += report.messages_repeated;
    sum.add(&report.faults);
}

fn print(arguments: &Arguments, sum: &Report, refused: u64, violations: &[(u64, String)], seconds: f64) {
    let faults = &sum.faults;
    let figures = json!({
        "seeds": arguments.seeds,
        "violations": violations.iter().map(|(seed, text)| json!({"seed": seed, "violation": text})).collect::<Vec<_>>(),
        "refused": refused,
        "steps": sum.steps,
        "entries": sum.entries,
        "crashes": sum.crashes,
        "starts": sum.starts,
        "failed_reads": faults.read_errors,
        "failed_writes": faults.write_errors,
        "failed_syncs": faults.sync_errors,
        "misdirected_writes": faults.misdirected,
        "damaged_sectors": faults.rotted,
        "old_copies": faults.restored,
        "messages_lost": sum.messages_lost,
        "messages_repeated": sum.messages_repeated,
        "seconds": seconds,
    });
    if arguments.json {
        println!("{figures}");
        return;
    }
    for (name, value) in figures.as_object().into_iter().flatten().filter(|(_, value)| !value.is_array()) {
        println!("{name:20} {value}");
    }
    println!("{:20} {}", "violations", violations.len());
}
