//! Attacks on the unmodified `vouchlog` binary: hostile inputs and floods over HTTP/1.1, HTTP/2 and gRPC, hostile servers and files for
//! its commands. A good client works beside each; it must meet no error, and the server's memory and descriptors must stay flat.
//!
//! The engine is a library so that the integration tests can run a short form.

pub mod attack;
mod classes;
mod good;
pub mod overload;
mod process;
pub mod report;
mod wire;
mod world;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use futures::{StreamExt as _, TryStreamExt as _};
use tokio::runtime::Runtime;

pub use attack::{Attack, Context, Observation, Pace, Settings, Target};
pub use good::Experience;
pub use report::{Report, Row};

use classes::commands::NOWHERE;
use process::Sampler;
use report::{MAX_GROWTH, MB, SLACK_DESCRIPTORS};
use world::Subject;

/// How much longer than it should an attack may take before it is given up: more than the most patient command is given.
const OVERTIME: Duration = Duration::from_secs(300);
/// How long a server may take to let go of an attacker's descriptors: longer than it waits for a head.
const SETTLING: Duration = Duration::from_secs(15);
/// How often an attack is carried out at most, of which only the latency is wrong.
const MAX_ATTEMPTS: u32 = 3;
/// Attacks of one class side by side, and repetitions of one that has none beside it.
const AT_ONCE: usize = 4;
/// The lowest priority of a thread beside others, which have 0.
const LOWEST_PRIORITY: i32 = 19;
/// Commands side by side: most of them wait.
const COMMANDS_AT_ONCE: usize = 8;

/// All attacks, in the order they are carried out.
pub fn attacks() -> Vec<Attack> {
    // Made once: bombs of gzip are among them.
    static ALL: LazyLock<Vec<Attack>> = LazyLock::new(classes::all);
    ALL.clone()
}

/// The attacks of `only`: whole classes, or every attack whose name has one of the words.
pub fn chosen(only: &[String]) -> Result<Vec<Attack>> {
    let all = attacks();
    let classes: BTreeSet<_> = all.iter().map(|attack| attack.class).collect();
    // A word that is a class means that class, also where it is a part of other names.
    let is_meant = |attack: &Attack, word: &str| {
        if classes.contains(word) { attack.class == word } else { attack.name.contains(word) }
    };
    let is_chosen = |attack: &Attack| only.is_empty() || only.iter().any(|word| is_meant(attack, word));
    let chosen: Vec<Attack> = all.into_iter().filter(is_chosen).collect();
    ensure!(!chosen.is_empty(), "no attack is called {}", only.join(" or "));
    Ok(chosen)
}

/// The same, those of one class with one target and pace one after the other.
fn in_groups(mut attacks: Vec<Attack>) -> Vec<Attack> {
    let mut classes = Vec::new();
    for attack in &attacks {
        if !classes.contains(&attack.class) {
            classes.push(attack.class);
        }
    }
    let place = |attack: &Attack| classes.iter().position(|class| *class == attack.class);
    attacks.sort_by_key(|attack| (place(attack), attack.target, attack.pace));
    attacks
}

/// Carries out attacks one after the other. `tell` is given each row as it ends.
pub async fn run(settings: &Settings, mut tell: impl FnMut(&Row)) -> Result<Report> {
    let attacks = in_groups(chosen(&settings.only)?);
    process::raise_descriptor_limit()?;
    let folder = tempfile::tempdir()?;
    let mut subjects = BTreeMap::new();
    let mut report = Report { rows: Vec::new(), judges_latency: !settings.is_short };
    let mut quiet_times = BTreeMap::new();
    // Inputs of one class are sent side by side and share one measurement.
    for group in attacks.chunk_by(Attack::goes_with) {
        let Some(first) = group.first() else { continue };
        if first.target != Target::Command && !subjects.contains_key(&first.target) {
            let subject = Subject::start(settings, folder.path(), first.target).await?;
            subjects.insert(first.target, subject);
        }
        let subject = subjects.get_mut(&first.target);
        let context = Context {
            to: subject.as_ref().map_or(NOWHERE, |subject| subject.places.main),
            token: subject.as_ref().and_then(|subject| subject.token.clone()),
            vkey: world::log_vkey(),
            lasts: settings.lasts,
            is_short: settings.is_short,
            program: settings.program.clone(),
            folder: folder.path().to_owned(),
        };
        let rows = match subject {
            Some(subject) => {
                // What is quiet is measured once for a class.
                let before = match quiet_times.entry((first.class, first.target)) {
                    Entry::Occupied(before) => before.into_mut(),
                    Entry::Vacant(place) => place.insert(quiet(subject, &context).await),
                };
                with_attempts(group, subject, before, &context).await
            }
            None => on_commands(group, context).await,
        };
        let rows = rows.with_context(|| format!("{} / {}", first.class, first.name))?;
        // A server that died or panicked is started anew: the attacks after it are judged by themselves.
        if subjects.get_mut(&first.target).is_some_and(|subject| subject.complaint().is_some()) {
            subjects.remove(&first.target);
            std::fs::remove_dir_all(folder.path().join(first.target.name()))?;
        }
        rows.iter().for_each(&mut tell);
        report.rows.extend(rows);
    }
    Ok(report)
}

/// Carries out each of them, as many at a time as go side by side; what they saw, in their order. In the long form again and again until
/// the time is over, unless they last by themselves.
async fn all_seen(group: &[Attack], context: &Context, begin: Instant) -> Result<Vec<Observation>> {
    let is_once = context.is_short || group.iter().any(|attack| attack.pace == Pace::Lasting);
    if is_once {
        return seen_once(group, context, AT_ONCE).await;
    }
    let alone = std::iter::repeat_n(group, AT_ONCE.div_ceil(group.len().max(1))).flatten().cloned();
    let round: Vec<Attack> = alone.collect();
    let mut all = vec![Observation::default(); group.len()];
    while begin.elapsed() < context.lasts {
        let seen = seen_once(&round, context, AT_ONCE).await?;
        for (nth, seen) in seen.into_iter().enumerate() {
            let sum = &mut all[nth % group.len()];
            *sum = Observation { sent: sum.sent + seen.sent, ..std::mem::take(sum) }.with(seen.complaint);
        }
    }
    Ok(all)
}

async fn seen_once(group: &[Attack], context: &Context, at_once: usize) -> Result<Vec<Observation>> {
    let each = group.iter().map(|attack| with_overtime(attack, context.clone()));
    futures::stream::iter(each).buffered(at_once).try_collect().await
}

async fn on_commands(group: &[Attack], context: Context) -> Result<Vec<Row>> {
    let seen = seen_once(group, &context, COMMANDS_AT_ONCE).await?;
    let row = |(attack, seen): (&Attack, Observation)| Row {
        class: attack.class,
        name: attack.name.clone(),
        target: attack.target,
        attempts: 1,
        sent: seen.sent,
        before: None,
        during: None,
        growth: seen.peak.unwrap_or_default(),
        resident: seen.peak.unwrap_or_default(),
        descriptors: None,
        complaints: seen.complaint.into_iter().collect(),
    };
    Ok(group.iter().zip(seen).map(row).collect())
}

/// Where attackers of servers run: on threads that get what processor time the server and the good client leave. An attacker on a machine
/// of its own would take none of theirs.
static ATTACKERS: LazyLock<Runtime> = LazyLock::new(|| {
    let threads = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("attacker")
        .on_thread_start(|| {
            if let Err(error) = rustix::process::setpriority_process(None, LOWEST_PRIORITY) {
                eprintln!("attackers run at the usual priority: {error}");
            }
        })
        .enable_all()
        .build();
    threads.expect("threads for attackers")
});

async fn carried_out(attack: &Attack, context: Context) -> Result<Observation> {
    match attack.target {
        // It starts the command under test, which would inherit the priority.
        Target::Command => attack.run(context).await,
        Target::Log | Target::Witness | Target::Collector | Target::Vault => {
            let attack = attack.clone();
            ATTACKERS.spawn(async move { attack.run(context).await }).await?
        }
    }
}

async fn with_overtime(attack: &Attack, context: Context) -> Result<Observation> {
    let patience = context.lasts + OVERTIME;
    match tokio::time::timeout(patience, carried_out(attack, context)).await {
        Ok(seen) => seen,
        Err(_) => Ok(Observation::default()
            .with(Some(format!("the attack did not come to an end in {} s", patience.as_secs())))),
    }
}

/// Carries out a group, and once more if nothing but its latency is wrong: a server that an attack slows down is slow each time, a disk that
/// stalls for others is not.
async fn with_attempts(
    group: &[Attack],
    subject: &mut Subject,
    before: &Experience,
    context: &Context,
) -> Result<Vec<Row>> {
    let mut rows = on_server(group, subject, before, context).await?;
    for attempts in 2..=MAX_ATTEMPTS {
        let is_more_wrong = rows.iter().any(|row| !row.complaints.is_empty());
        if is_more_wrong || rows.iter().all(|row| row.faults(!context.is_short).is_empty()) {
            break;
        }
        rows = on_server(group, subject, before, context).await?;
        rows.iter_mut().for_each(|row| row.attempts = attempts);
    }
    Ok(rows)
}

async fn on_server(
    group: &[Attack],
    subject: &mut Subject,
    before: &Experience,
    context: &Context,
) -> Result<Vec<Row>> {
    let pid = subject.pid;
    let (resident, open) = (process::resident(pid)?, process::descriptors(pid)?);
    let sampler = Sampler::start(pid);
    let begin = Instant::now();
    let seen = all_seen(group, context, begin).await?;
    subject.good.another_round().await;
    let during = subject.good.met(begin);
    let mut shared: Vec<String> = subject.complaint().into_iter().collect();
    let left = settled(pid, open).await.unwrap_or(open);
    let peak = sampler.peak();
    let growth = peak.saturating_sub(resident);
    if let Some(error) = &during.first_error {
        shared.push(format!("{} of {} good requests failed: {error}", during.errors, during.requests));
    }
    match group.iter().find_map(|attack| attack.max_resident) {
        Some(most) if peak > most => {
            shared.push(format!("it had {} MB in memory, more than {}", peak / MB, most / MB));
        }
        None if growth >= MAX_GROWTH => shared.push(format!("memory grew by {} MB", growth / MB)),
        _ => {}
    }
    if left > open + SLACK_DESCRIPTORS {
        shared.push(format!("{left} descriptors are left of {open} before"));
    }
    let row = |(attack, seen): (&Attack, Observation)| Row {
        class: attack.class,
        name: attack.name.clone(),
        target: attack.target,
        attempts: 1,
        sent: seen.sent,
        before: Some(before.clone()),
        during: Some(during.clone()),
        growth,
        resident: peak,
        descriptors: Some((open, left)),
        complaints: seen.complaint.into_iter().chain(shared.iter().cloned()).collect(),
    };
    Ok(group.iter().zip(seen).map(row).collect())
}

/// What the good client meets when nothing attacks. In the short form it is not measured.
async fn quiet(subject: &Subject, context: &Context) -> Experience {
    let begin = Instant::now();
    if !context.is_short {
        tokio::time::sleep(context.lasts).await;
    }
    subject.good.met(begin)
}

/// Waits until the process has no more descriptors than before; how many it has in the end.
async fn settled(pid: u32, before: usize) -> Result<usize> {
    let begin = Instant::now();
    loop {
        let open = process::descriptors(pid)?;
        if open <= before + SLACK_DESCRIPTORS || begin.elapsed() > SETTLING {
            return Ok(open);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_more_than_a_hundred_attacks_and_each_has_a_name_of_its_own() {
        let all = attacks();
        let names: BTreeSet<_> = all.iter().map(|attack| &attack.name).collect();
        assert_eq!(names.len(), all.len());
        assert!(all.len() > 150, "{}", all.len());
        let classes: BTreeSet<_> = all.iter().map(|attack| attack.class).collect();
        for class in classes {
            assert!(
                chosen(&[class.to_owned()]).unwrap().iter().all(|attack| attack.class == class),
                "{class}"
            );
        }
        assert!(chosen(&["no such attack".to_owned()]).is_err());
    }

    #[test]
    fn groups_hold_each_attack_once_and_are_as_large_as_can_be() {
        let (all, grouped) = (attacks(), in_groups(attacks()));
        let names = |attacks: &[Attack]| attacks.iter().map(|it| it.name.clone()).collect::<BTreeSet<_>>();
        assert_eq!((names(&all), all.len()), (names(&grouped), grouped.len()));
        let kind = |attack: &Attack| (attack.class, attack.target, attack.pace);
        let groups = grouped.chunk_by(|one, next| kind(one) == kind(next)).count();
        assert_eq!(groups, grouped.iter().map(kind).collect::<BTreeSet<_>>().len());
    }
}
