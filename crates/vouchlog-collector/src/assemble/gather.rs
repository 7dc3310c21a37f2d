//! Which parts are one interaction.

use std::collections::BTreeMap;

use vouchlog_record::RecordId;

use super::memory::Memory;
use super::part::{Part, Parts};
use super::times::overlap;
use super::unit::{Tree, Unit, is_server};
use super::{a2a, attach, claude};
use crate::dialect::{Dialect, Role, text_of};
use crate::intake::Item;

/// Trace and span that a part is about.
type About<'a> = Option<(&'a str, &'a str)>;

/// The interactions of a group of traces, in order of their begin.
pub(super) fn units<'a>(parts: &'a Parts, memory: &Memory) -> Vec<Unit<'a>> {
    let tree = Tree::new(parts);
    let mut events: Vec<&Part> = parts.events.values().collect();
    events.sort_by_cached_key(|part| part.order());
    let (claude, events): (Vec<_>, Vec<_>) =
        events.into_iter().partition(|part| part.role() == Role::ClaudeCode);
    let mut units = inferences(&tree);
    add_details(&mut units, &events, &tree);
    add_fetches(&mut units, &tree);
    add_messages(&mut units, &events, &tree);
    for unit in &mut units {
        unit.above = unit.main().map(|part| tree.ancestors(part)).unwrap_or_default();
    }
    attach::tools(&mut units, &tree, &events);
    attach::neighbours(&mut units, &tree, &events);
    attach::agents(&mut units, &tree);
    add_notes(&mut units, &events);
    units.extend(claude::units(&claude));
    units.sort_by_cached_key(|unit| (unit.start(), unit.main().map(Part::order)));
    for unit in &mut units {
        unit.amends = amended(unit, memory);
    }
    units
}

/// Calls of models: spans, put together where several tell of one call.
fn inferences<'a>(tree: &Tree<'a>) -> Vec<Unit<'a>> {
    let is_inference = |part: &&Part| matches!(part.role(), Role::Inference | Role::RawInference);
    // LiteLLM writes a "raw request" below what it does over MCP, too: no model was called there.
    let is_mcp = |above: &&Part| matches!(above.role(), Role::McpCall | Role::McpTalk | Role::Tool);
    let is_call =
        |part: &&Part| part.role() != Role::RawInference || !tree.ancestors(part).iter().any(is_mcp);
    let mut all: Vec<&Part> = tree.parts().filter(is_inference).filter(is_call).collect();
    all.sort_by_cached_key(|part| part.order());
    let place: BTreeMap<_, usize> = all.iter().enumerate().map(|(at, part)| (part.span_key(), at)).collect();
    let mut above = vec![None; all.len()];
    let mut below = vec![0_usize; all.len()];
    for (at, part) in all.iter().enumerate() {
        let nearest = tree
            .ancestors(part)
            .into_iter()
            .take_while(|above| !is_server(above) && !matches!(above.role(), Role::Tool | Role::Agent))
            .find(is_inference);
        above[at] = nearest.and_then(|part| place.get(&part.span_key()).copied());
        if let Some(above) = above[at] {
            below[above] += 1;
        }
    }
    let mut leader: Vec<usize> = (0..all.len()).collect();
    for at in 0..all.len() {
        if let Some(outer) = above[at].filter(|outer| is_same_call(all[*outer], all[at], below[*outer])) {
            join(&mut leader, outer, at);
        }
    }
    for (begun, ended) in streams(&all) {
        join(&mut leader, begun, ended);
    }
    let mut by_answer: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, part) in all.iter().enumerate() {
        if let Some(answer) = part.reading.text("correlation.response_id") {
            by_answer.entry(answer).or_default().push(at);
        }
    }
    for same in by_answer.values() {
        for (place, one) in same.iter().enumerate() {
            for other in &same[place + 1..] {
                if are_two_accounts(all[*one], all[*other]) {
                    join(&mut leader, *one, *other);
                }
            }
        }
    }
    let mut groups: BTreeMap<usize, Vec<&Part>> = BTreeMap::new();
    for (at, part) in all.iter().enumerate() {
        groups.entry(find(&leader, at)).or_default().push(part);
    }
    groups.into_values().map(Unit::of).collect()
}

fn find(leader: &[usize], mut at: usize) -> usize {
    while leader[at] != at {
        at = leader[at];
    }
    at
}

fn join(leader: &mut [usize], one: usize, other: usize) {
    let (one, other) = (find(leader, one), find(leader, other));
    leader[one.max(other)] = one.min(other);
}

/// A span of one instrumentation right above a span of another one tells of the same call, unless it made several.
fn is_same_call(outer: &Part, inner: &Part, siblings: usize) -> bool {
    if outer.service() != inner.service() {
        return false;
    }
    if inner.role() == Role::RawInference {
        return siblings == 1 || outer.scope() == inner.scope();
    }
    if outer.scope() == inner.scope() {
        return siblings == 1 && states_the_same(outer, inner);
    }
    let answer = |part: &Part| part.reading.text("correlation.response_id").map(str::to_owned);
    match (answer(outer), answer(inner)) {
        (Some(outer), Some(inner)) if outer == inner => true,
        // LiteLLM puts an id of its own in the place of Anthropic's.
        (Some(_), Some(_)) => {
            siblings == 1 && matches!(outer.reading.dialect, Dialect::LiteLlm | Dialect::LiteLlmV2)
        }
        _ => siblings == 1,
    }
}

/// Whether two spans of one instrumentation, one right above the other, tell of one call: of the same model, and nothing that one
/// states of it differs from what the other does.
fn states_the_same(outer: &Part, inner: &Part) -> bool {
    const FACTS: [&str; 3] = ["correlation.response_id", "usage.input_tokens", "usage.output_tokens"];
    let field = |part: &Part, name: &str| part.reading.fields.get(name).cloned();
    let model = field(outer, "model.requested");
    let is_same = |name: &str| match (field(outer, name), field(inner, name)) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    };
    let said =
        |part: &Part| part.reading.fields.get("content.output").map(text_of).filter(|text| !text.is_empty());
    let is_said = match (said(outer), said(inner)) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    };
    model.is_some() && model == field(inner, "model.requested") && is_said && FACTS.into_iter().all(is_same)
}

/// Logfire has two spans for a call whose answer is streamed: one when it is made, without the answer, and a log of no duration when the
/// stream ends. They share neither id nor answer: of the same parent, they ask the same model the same.
fn streams(all: &[&Part]) -> Vec<(usize, usize)> {
    let mut pairs: Vec<(usize, usize)> = Vec::new();
    for (ended, log) in all.iter().enumerate().filter(|(_, part)| part.is_log_span()) {
        let begun = all.iter().enumerate().filter(|(begun, call)| {
            let is_free = !pairs.iter().any(|(taken, _)| taken == begun);
            is_free && !call.is_log_span() && is_call_of(call, log)
        });
        let first = begun.min_by_key(|(_, call)| call.order());
        pairs.extend(first.map(|(begun, _)| (begun, ended)));
    }
    pairs
}

fn is_call_of(call: &Part, log: &Part) -> bool {
    let (Item::Span(one), Item::Span(other)) = (&call.item, &log.item) else { return false };
    let is_same = |name: &str| call.reading.fields.get(name) == log.reading.fields.get(name);
    let is_open = !one.failed && !call.reading.fields.contains_key("content.output");
    let has_input = call.reading.fields.contains_key("content.input");
    is_open
        && has_input
        && call.scope() == log.scope()
        && (&one.trace, &one.parent) == (&other.trace, &other.parent)
        && one.start <= other.start
        && is_same("content.input")
        && is_same("model.requested")
}

/// The same answer at the same time from two instrumentations of one program. The same answer later is a cache's.
fn are_two_accounts(one: &Part, other: &Part) -> bool {
    one.scope() != other.scope() && one.service() == other.service() && overlap(one.times(), other.times())
}

fn add_details<'a>(units: &mut Vec<Unit<'a>>, events: &[&'a Part], tree: &Tree<'a>) {
    let mut alone: BTreeMap<(About<'_>, Option<&str>), Vec<&Part>> = BTreeMap::new();
    for part in events.iter().filter(|part| part.role() == Role::Details) {
        let answer = part.reading.text("correlation.response_id");
        let agrees = |unit: &Unit<'_>| unit.answer().is_none() || answer.is_none() || unit.answer() == answer;
        let about = part.about();
        let by_span = units
            .iter()
            .position(|unit| about.is_some_and(|(trace, span)| unit.has_span(trace, span)) && agrees(unit));
        let by_answer = || {
            let service = part.service();
            let is_it = |unit: &Unit<'_>| unit.main().is_some_and(|main| main.service() == service);
            units.iter().position(|unit| answer.is_some() && unit.answer() == answer && is_it(unit))
        };
        match by_span.or_else(|| about.is_none().then(by_answer).flatten()) {
            Some(at) => units[at].accounts.push(part),
            None => match of_agent(units, part, tree) {
                Some(at) => units[at].notes.push(part),
                None => alone.entry((about, answer)).or_default().push(part),
            },
        }
    }
    units.iter_mut().for_each(Unit::learn_calls);
    units.extend(alone.into_values().map(Unit::of));
}

/// Requests for an answer that was given before, or is under way, tell of the call that it is the answer of. One that failed tells
/// nothing of it.
fn add_fetches<'a>(units: &mut Vec<Unit<'a>>, tree: &Tree<'a>) {
    let mut fetches: Vec<&Part> = tree.parts().filter(|part| part.role() == Role::Fetch).collect();
    fetches.sort_by_cached_key(|part| part.order());
    for part in fetches {
        let answer = part.reading.text("correlation.response_id");
        let home = units.iter().position(|unit| {
            let is_call = unit.is_inference() || unit.accounts.iter().all(|part| part.role() == Role::Fetch);
            !part.is_failed_span() && is_call && answer.is_some() && unit.answer() == answer
        });
        match home {
            Some(at) => units[at].accounts.push(part),
            None => units.push(Unit::of(vec![part])),
        }
    }
}

/// The first call below the agent that an event tells of: what went into the agent and came out of it is in its calls.
fn of_agent(units: &[Unit<'_>], part: &Part, tree: &Tree<'_>) -> Option<usize> {
    let agent = tree.above(part).filter(|above| above.role() != Role::Inference)?;
    let is_below = |unit: &Unit<'_>| {
        let above = unit.main().map(|main| tree.ancestors(main)).unwrap_or_default();
        above.iter().any(|above| above.span_key() == agent.span_key())
    };
    units.iter().position(is_below)
}

/// Messages go to their call. Those that name none stay together: what belongs to what cannot be known any more.
fn add_messages<'a>(units: &mut Vec<Unit<'a>>, events: &[&'a Part], tree: &Tree<'a>) {
    let mut alone: BTreeMap<About<'_>, Unit<'a>> = BTreeMap::new();
    for part in events.iter().filter(|part| part.role() == Role::Message) {
        let about = part.about();
        let home =
            units.iter_mut().find(|unit| about.is_some_and(|(trace, span)| unit.has_span(trace, span)));
        match home {
            Some(unit) => unit.messages.push(part),
            None => alone.entry(about).or_default().messages.push(part),
        }
    }
    for (about, mut unit) in alone {
        // A span that nothing else shows to be a call: somebody's own, with messages in it.
        unit.accounts.extend(about.and_then(|(trace, span)| tree.get(trace, span)));
        units.push(unit);
    }
    units.iter_mut().for_each(Unit::learn_calls);
}

fn add_notes<'a>(units: &mut Vec<Unit<'a>>, events: &[&'a Part]) {
    for part in events.iter().filter(|part| matches!(part.role(), Role::Evaluation | Role::Exception)) {
        let answer = part.reading.text("correlation.response_id");
        let about = part.about();
        let by_span = |unit: &&mut Unit<'a>| {
            about.is_some() && unit.parts().any(|other| other.span_key().is_some() && other.about() == about)
        };
        let by_answer = |unit: &&mut Unit<'a>| answer.is_some() && unit.answer() == answer;
        let by_event =
            |unit: &&mut Unit<'a>| about.is_some() && unit.parts().any(|other| other.about() == about);
        let home = match units.iter_mut().find(by_span) {
            Some(unit) => Some(unit),
            None => match units.iter_mut().find(by_answer) {
                Some(unit) => Some(unit),
                None => units.iter_mut().find(by_event),
            },
        };
        match home {
            Some(unit) => unit.notes.push(part),
            None => units.push(Unit { notes: vec![part], ..Unit::default() }),
        }
    }
}

/// The record that a late unit completes.
fn amended(unit: &Unit<'_>, memory: &Memory) -> Option<RecordId> {
    let by_span =
        unit.parts().filter_map(|part| part.about()).find_map(|(trace, span)| memory.of_span(trace, span));
    let answer = unit
        .answer()
        .or_else(|| unit.notes.iter().find_map(|part| part.reading.text("correlation.response_id")));
    let traces = unit.traces();
    let call = || {
        let calls = unit.tools.iter().filter_map(|run| run.text("tool.call_id"));
        calls
            .flat_map(|call| traces.iter().map(move |trace| (trace, call)))
            .find_map(|(trace, call)| memory.of_call(trace, call))
    };
    let is_note = !unit.is_inference();
    let parent = || {
        let spans = unit.parts().filter_map(|part| match &part.item {
            Item::Span(span) if !unit.is_inference() => Some((&span.trace, span.parent.as_ref()?)),
            _ => None,
        });
        spans.into_iter().find_map(|(trace, parent)| memory.of_span(trace, parent))
    };
    let late_account = || {
        let answer = answer.filter(|_| is_note || !unit.accounts.is_empty());
        answer.and_then(|answer| memory.of_answer(answer, unit.span_times()))
    };
    let task = || {
        let keys: Vec<String> = a2a::keys(unit).filter(|_| a2a::asks_only(unit)).collect();
        keys.iter().find_map(|key| memory.of_answer(key, None))
    };
    by_span.or_else(call).or_else(parent).or_else(late_account).or_else(task).cloned()
}
