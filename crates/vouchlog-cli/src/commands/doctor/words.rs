//! The report in plain words.

use vouchlog_collector::doctor::{
    CollectorState, Counts, Effect, HeartbeatReport, Loss, Missing, Open, Report, ServiceReport, Step,
    Suggestion, Sums, UnclaimedReport,
};

use crate::output;

#[cfg(test)]
mod tests;

/// Rules of one service that are told; programs hear of all.
const MAX_MISSING: usize = 12;
/// What no line mends, likewise.
const MAX_BEYOND: usize = 6;
/// Names of one list that are told, likewise.
const MAX_NAMES: usize = 8;

pub(super) fn text(report: &Report) -> String {
    let mut lines = vec![format!("{} from {:.0} to {:.0}", records(report.read), report.from, report.to)];
    if report.truncated {
        lines.push("  more records match: only the newest were read, see --limit".to_owned());
    }
    for service in &report.services {
        lines.push(String::new());
        of_service(service, &mut lines);
    }
    of_unclaimed(&report.heartbeats.unclaimed, &mut lines);
    if report.services.is_empty() {
        lines.push("no interactions: does the gateway send to the collector? See docs/gateways".to_owned());
    }
    lines.push(String::new());
    of_collector(&report.collector, &mut lines);
    of_heartbeats(&report.heartbeats, &mut lines);
    if !report.critical.is_empty() {
        lines.push(String::new());
        lines.push("critical".to_owned());
        lines.extend(report.critical.iter().map(|one| format!("  {one}")));
    }
    lines.join("\n")
}

fn of_service(service: &ServiceReport, lines: &mut Vec<String>) {
    let of = |count| share(count, service.records);
    lines.push(format!("{} — {}, docs/gateways/{}", service.service, service.name, service.page));
    let most = service.missing.first().map(|most| format!(": {}", most.told)).unwrap_or_default();
    lines.push(format!(
        "  {}: {} transcripts, {} attributable, {} complete{most}",
        records(service.records),
        of(service.with_content),
        of(service.attributable),
        of(service.complete)
    ));
    ladder(service, lines);
    lines.push(format!("  made from {}", names(&service.sources)));
    if !service.missing.is_empty() {
        lines.push("  missing".to_owned());
    }
    for Missing { rule, severity, told, records, .. } in service.missing.iter().take(MAX_MISSING) {
        lines.push(format!("    {:>5}  {:<4}  {} ({severity})", of(*records), rule.code, told));
    }
    let more = service.missing.len().saturating_sub(MAX_MISSING);
    if more > 0 {
        lines
            .push(format!("           and {}; --json has them", output::count(more as u64, "rule", "rules")));
    }
    let next = match service.ladder.next {
        Some(Step::Add { suggestion, .. }) => Some(suggestion),
        _ => None,
    };
    for (_, suggestion) in service.add.iter().enumerate().filter(|(place, _)| Some(*place) != next) {
        suggested("later", suggestion, lines);
    }
    if !service.beyond.is_empty() {
        lines.push("  no setting of this gateway fixes".to_owned());
    }
    for open in service.beyond.iter().take(MAX_BEYOND) {
        beyond(open, lines);
    }
    if service.beyond.len() > MAX_BEYOND {
        lines.push(format!("    and {} more; --json has them", service.beyond.len() - MAX_BEYOND));
    }
    odds(service, lines);
}

/// Where the service stands, and the one next step.
fn ladder(service: &ServiceReport, lines: &mut Vec<String>) {
    let ladder = &service.ladder;
    let complete = if ladder.complete { ", and complete" } else { "" };
    lines.push(format!("  answers {} of 3 identity questions{complete}", ladder.answered));
    for rung in &ladder.questions {
        lines.push(format!("    {:>5}  {}", share(rung.yes, service.records), rung.question.text()));
    }
    match &ladder.next {
        Some(Step::Add { suggestion, effect }) => {
            if let Some(suggestion) = service.add.get(*suggestion) {
                suggested("next", suggestion, lines);
                effects(effect, lines);
            }
        }
        Some(Step::Beyond { open }) => {
            if let Some(open) = service.beyond.get(*open) {
                lines.push("  next, and no setting of this gateway does it".to_owned());
                beyond(open, lines);
            }
        }
        None => {}
    }
}

/// What the next step changes.
fn effects(effect: &Effect, lines: &mut Vec<String>) {
    lines.push(format!(
        "    tried on {} of this service, with values like those above:",
        records(effect.tried_on)
    ));
    for one in effect.questions.iter().filter(|one| one.yes.before != one.yes.after) {
        lines.push(format!(
            "      {} yes in {} instead of {}",
            one.question.text(),
            one.yes.after,
            one.yes.before
        ));
    }
    let findings = output::count(effect.findings.before, "finding", "findings");
    let open = if effect.still_open.is_empty() {
        String::new()
    } else {
        format!("; still open: {}", effect.still_open.join(" "))
    };
    lines.push(format!("      {findings} in the way become {}{open}", effect.findings.after));
}

fn beyond(open: &Open, lines: &mut Vec<String>) {
    lines.push(format!("    {}: {}", open.rules.join(" "), open.why));
    lines.push(format!("      who can fix it: {}", open.who));
}

fn suggested(when: &str, suggestion: &Suggestion, lines: &mut Vec<String>) {
    let number = match suggestion.lines.len() {
        1 => "this line".to_owned(),
        n => format!("these {n} lines"),
    };
    let findings = output::count(suggestion.findings, "finding", "findings");
    lines.push(format!(
        "  {when}: add {number} to {} (fixes {}: {findings})",
        suggestion.to,
        suggestion.mends.join(" ")
    ));
    lines.extend(suggestion.lines.iter().map(|line| format!("      {line}")));
    if !suggestion.note.is_empty() {
        lines.push(format!("    note: {}", suggestion.note));
    }
}

fn odds(service: &ServiceReport, lines: &mut Vec<String>) {
    let mut say = |count: u64, words: String| {
        if count > 0 {
            lines.push(format!("  {words}"));
        }
    };
    say(service.sampled, format!("{} from a source that omits interactions", records(service.sampled)));
    let dropped = service.dropped_attributes;
    say(dropped, format!("{} dropped by the source", output::count(dropped, "attribute", "attributes")));
    say(service.late, format!("{} amended by late parts", records(service.late)));
    say(service.cut_short, format!("{} closed before all parts had arrived", records(service.cut_short)));
    for (count, what) in [
        (service.not_understood, "with attributes in no mapping table"),
        (service.refused, "with values that do not fit their field"),
        (service.conflicts, "of calls whose accounts contradict each other"),
    ] {
        say(count, format!("{} {what}: `vouchlog session --content` shows them", records(count)));
    }
    let unknown = &service.unknown_members;
    say(unknown.0.len() as u64, format!("unknown members: {}", names(unknown)));
}

/// Emitters of spans that no mapping table understands.
fn of_unclaimed(unclaimed: &[UnclaimedReport], lines: &mut Vec<String>) {
    let Some(total) = unclaimed.iter().map(|one| one.spans).reduce(u64::saturating_add) else { return };
    lines.push(String::new());
    lines.push(format!(
        "not understood: {} in no mapping table, with nothing on record but this count",
        output::count(total, "span", "spans")
    ));
    let named =
        |name: &str, nothing: &str| if name.is_empty() { nothing.to_owned() } else { name.to_owned() };
    for UnclaimedReport { service, scope, spans } in unclaimed.iter().take(MAX_NAMES) {
        let (service, scope) = (named(service, "(no service named)"), named(scope, "(no scope named)"));
        lines.push(format!("  {service}: {} of {scope}", output::count(*spans, "span", "spans")));
    }
    if unclaimed.len() > MAX_NAMES {
        lines.push(format!("  and {} more; --json has them", unclaimed.len() - MAX_NAMES));
    }
    lines
        .push("  if these are AI calls, use an instrumentation listed in docs/gateways/README.md".to_owned());
}

fn of_collector(collector: &CollectorState, lines: &mut Vec<String>) {
    lines.push("collector".to_owned());
    let kinds: Vec<String> = collector.kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    if !kinds.is_empty() {
        lines.push(format!("  kept {}", kinds.join(", ")));
    }
    if collector.erased > 0 {
        lines.push(format!("  {} erased lawfully", records(collector.erased)));
    }
    if collector.losses.is_empty() {
        lines.push("  no declared losses; undeclared losses are not visible here".to_owned());
    }
    lines.extend(collector.losses.iter().map(lost));
    if !collector.intents_without_outcome.is_empty() {
        let number = intents(collector.intents_without_outcome.len() as u64);
        lines.push(format!("  {number} without an outcome"));
    }
    let unsealed = collector.unsealed_sessions.len();
    if collector.sessions > 0 {
        lines.push(format!(
            "  {}, {unsealed} of them over and not sealed",
            output::count(collector.sessions, "session", "sessions")
        ));
    }
    if unsealed > 0 {
        let some: Vec<&str> =
            collector.unsealed_sessions.iter().take(MAX_NAMES).map(String::as_str).collect();
        let more = if unsealed > some.len() { ", …" } else { "" };
        lines.push(format!("    {}{more}", some.join(", ")));
    }
    if !collector.findings.is_empty() {
        let found: Vec<String> =
            collector.findings.iter().map(|(code, count)| format!("{count} of {code}")).collect();
        lines.push(format!("  findings on record: {}", found.join(", ")));
    }
    if collector.after_seal > 0 {
        lines.push(format!("  {} of a session that was sealed without them", records(collector.after_seal)));
    }
}

fn of_heartbeats(heartbeats: &HeartbeatReport, lines: &mut Vec<String>) {
    let Some(silence) = &heartbeats.longest_silence else {
        lines.push("  no heartbeats: nothing shows that the collector ran the whole time".to_owned());
        return;
    };
    let number = output::count(heartbeats.heartbeats, "heartbeat", "heartbeats");
    let span = jiff::SignedDuration::from_secs(silence.seconds);
    lines.push(format!(
        "  {number}, the longest silence {span:#} from {:.0} ({})",
        silence.from, silence.recorder
    ));
    for (door, last) in &heartbeats.doors {
        lines.push(format!("    {door}: last received {last:.0}"));
    }
    let (agree, disagree) = (heartbeats.agreeing, heartbeats.disagreeing.len());
    lines.push(format!(
        "  their counts agree with the vault in {agree} intervals, disagree in {disagree}, not checked in {}",
        heartbeats.unchecked
    ));
    let Sums { refused, not_understood, ignored, lost, forward_dropped, .. } = heartbeats.sums;
    for (count, what) in [
        (refused, "items refused"),
        (not_understood, "attributes in no mapping table"),
        (ignored, "items about no interaction"),
        (lost, "items lost"),
        (forward_dropped, "bodies not forwarded"),
    ] {
        if count > 0 {
            lines.push(format!("    they count {count} {what}"));
        }
    }
}

fn lost(loss: &Loss) -> String {
    let time = |time: &Option<jiff::Timestamp>| {
        time.map_or_else(|| "an unknown time".to_owned(), |time| format!("{time:.0}"))
    };
    let count = loss.count.map_or_else(|| "an unknown number".to_owned(), |count| count.to_string());
    let cause = loss.cause.as_deref().unwrap_or("no cause given");
    format!("  declared lost: {count}, from {} to {}, {cause}", time(&loss.from), time(&loss.to))
}

/// `1 record`, `2 records`.
fn records(count: u64) -> String {
    output::count(count, "record", "records")
}

/// `1 intent`, `2 intents`.
fn intents(count: u64) -> String {
    output::count(count, "intent", "intents")
}

/// A share in per cent. Only all is 100 %, and only none is 0 %.
fn share(count: u64, of: u64) -> String {
    let per_cent = match (count, of) {
        (0, _) | (_, 0) => 0,
        (count, of) if count >= of => 100,
        (count, of) => (count.saturating_mul(200) + of).div_euclid(of.saturating_mul(2)).clamp(1, 99),
    };
    format!("{per_cent} %")
}

fn names(counts: &Counts) -> String {
    let all = counts.by_frequency();
    let mut some: Vec<String> =
        all.iter().take(MAX_NAMES).map(|(name, count)| format!("{name} ({count})")).collect();
    if all.len() > some.len() {
        some.push(format!("and {} more", all.len() - some.len()));
    }
    some.join(", ")
}
