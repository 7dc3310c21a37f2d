//! Where tool runs, decisions, retrievals and agents belong.

use std::collections::BTreeMap;

use super::part::Part;
use super::unit::{ToolRun, Tree, Unit, is_server};
use super::{a2a, mcp};
use crate::dialect::Role;
use crate::intake::Item;

fn is_tool(part: &Part) -> bool {
    matches!(part.role(), Role::Tool | Role::McpCall | Role::A2a)
}

/// Tool runs go to the call of the model that asked for them: by call id, by a link to its span, or because they are below it.
pub(super) fn tools<'a>(units: &mut Vec<Unit<'a>>, tree: &Tree<'a>, events: &[&'a Part]) {
    for run in a2a::join_polls(mcp::join_siblings(runs(tree, events))) {
        let Some(first) = run.parts.first().copied() else { continue };
        let home = asked_by(units, &run, first)
            .or_else(|| linked(units, first))
            .or_else(|| below(units, tree, first));
        match home {
            Some(at) => units[at].tools.push(run),
            None => {
                let above = tree.ancestors(first);
                units.push(Unit { tools: vec![run], above, ..Unit::default() });
            }
        }
    }
    for unit in units {
        unit.tools.sort_by_cached_key(|run| run.parts.first().map(|part| part.order()));
    }
}

/// Runs of tools, each with the MCP spans of client and server below it, and what it called.
fn runs<'a>(tree: &Tree<'a>, events: &[&'a Part]) -> Vec<ToolRun<'a>> {
    let mut spans: Vec<&Part> =
        tree.parts().filter(|part| is_tool(part) || part.role() == Role::Downstream).collect();
    spans.sort_by_cached_key(|part| (tree.ancestors(part).len(), part.order()));
    let mut runs: Vec<ToolRun<'a>> = Vec::new();
    let mut of_span: BTreeMap<Option<(&str, &str)>, usize> = BTreeMap::new();
    let ways = spans.into_iter().chain(events.iter().copied().filter(|part| is_tool(part)));
    for part in ways {
        let outer = outer(tree, part).and_then(|outer| of_span.get(&outer.span_key()).copied());
        let at = match outer {
            Some(at) if part.role() == Role::Downstream => {
                let run: &mut ToolRun<'_> = &mut runs[at];
                run.downstream.push(part);
                continue;
            }
            Some(at) if continues(&runs[at], part) => {
                runs[at].parts.push(part);
                at
            }
            None if part.role() == Role::Downstream => continue,
            _ => {
                runs.push(ToolRun { parts: vec![part], downstream: Vec::new() });
                runs.len() - 1
            }
        };
        if part.span_key().is_some() {
            of_span.insert(part.span_key(), at);
        }
    }
    runs
}

/// The nearest tool span above, with neither a model nor an agent between.
fn outer<'a>(tree: &Tree<'a>, part: &Part) -> Option<&'a Part> {
    let mut ways = tree
        .ancestors(part)
        .into_iter()
        .take_while(|above| !matches!(above.role(), Role::Inference | Role::RawInference | Role::Agent));
    ways.find(|above| is_tool(above))
}

/// Whether a tool span below another one tells of the same run.
fn continues(run: &ToolRun<'_>, part: &Part) -> bool {
    let agree = |field| match (run.text(field), part.reading.text(field)) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    };
    let is_event = part.span_key().is_none();
    let is_known = part.role() == Role::McpCall || part.role() == Role::A2a || is_event;
    (is_known || is_repeated(run, part)) && agree("tool.name") && agree("tool.call_id")
}

/// Whether a span right below that of a tool, by the same instrumentation, repeats it: the same tool with the same arguments would
/// otherwise have called itself.
fn is_repeated(run: &ToolRun<'_>, part: &Part) -> bool {
    let Some(outer) = run.parts.last() else { return false };
    let (Item::Span(above), Item::Span(below)) = (&outer.item, &part.item) else { return false };
    let is_same = |name: &str| {
        let told = part.reading.fields.get(name);
        told.is_some() && told == outer.reading.fields.get(name)
    };
    let is_below = below.parent.as_deref() == Some(above.span.as_str());
    is_below && outer.scope() == part.scope() && is_same("tool.name") && is_same("tool.arguments")
}

fn asked_by(units: &[Unit<'_>], run: &ToolRun<'_>, first: &Part) -> Option<usize> {
    let call = run.text("tool.call_id")?;
    let trace = first.trace();
    let asked = units.iter().enumerate().filter(|(_, unit)| {
        let is_here = unit.main().is_some_and(|main| main.trace() == trace);
        is_here && unit.calls.contains(call)
    });
    // The last one that had begun by then; ids may be used again in a later turn.
    let start = first.times().0;
    asked.max_by_key(|(_, unit)| (unit.start() <= start, unit.start())).map(|(at, _)| at)
}

fn linked(units: &[Unit<'_>], first: &Part) -> Option<usize> {
    let Item::Span(span) = &first.item else { return None };
    let ids = span.links.iter().map(|link| (link.trace.as_str(), link.span.as_str()));
    let mut homes = ids.filter_map(|id| {
        units.iter().position(|unit| unit.accounts.iter().any(|part| part.span_key() == Some(id)))
    });
    homes.next()
}

fn below(units: &[Unit<'_>], tree: &Tree<'_>, first: &Part) -> Option<usize> {
    let ways = tree.ancestors(first);
    let mut ways = ways.into_iter().take_while(|above| above.role() != Role::Agent);
    ways.find_map(|above| {
        units.iter().position(|unit| {
            unit.is_inference() && unit.accounts.iter().any(|part| part.span_key() == above.span_key())
        })
    })
}

/// Decisions and retrievals go to the call they stand by: below it, or the nearest one below the nearest span above them, and never
/// beyond the request they are part of.
pub(super) fn neighbours<'a>(units: &mut Vec<Unit<'a>>, tree: &Tree<'a>, events: &[&'a Part]) {
    let is_one = |part: &&Part| matches!(part.role(), Role::Guardrail | Role::Retrieval);
    let mut all: Vec<&Part> =
        tree.parts().filter(is_one).chain(events.iter().copied().filter(is_one)).collect();
    all.sort_by_cached_key(|part| part.order());
    let mut alone: BTreeMap<Alone<'a>, Unit<'a>> = BTreeMap::new();
    for part in all {
        if repeats_retrieval(tree, part) {
            continue;
        }
        let is_decision = part.role() == Role::Guardrail;
        let home = by_target(units, part)
            .or_else(|| by_answer(units, part))
            .or_else(|| near(units, tree, part))
            .or_else(|| by_trace(units, part));
        match home.map(|at| &mut units[at]) {
            Some(unit) if is_decision => unit.decisions.push(part),
            Some(unit) => unit.sources.push(part),
            None => {
                // Decisions on one request are one record; each retrieval is its own.
                let top = request_of(tree, part).and_then(Part::span_key);
                let key = match (is_decision, top) {
                    (true, Some((trace, span))) => Alone::OfRequest { trace, span },
                    _ => Alone::ByItself(part.digest),
                };
                let unit = alone.entry(key).or_default();
                if unit.above.is_empty() {
                    unit.above = tree.ancestors(part);
                }
                if is_decision { unit.decisions.push(part) } else { unit.sources.push(part) }
            }
        }
    }
    units.extend(alone.into_values());
}

/// Whether the span right above a retrieval, from the same instrumentation, describes the same retrieval and has its documents.
fn repeats_retrieval(tree: &Tree<'_>, part: &Part) -> bool {
    let documents = |part: &Part| part.reading.fields.get("source.documents").cloned();
    let above =
        tree.above(part).filter(|above| part.role() == Role::Retrieval && above.role() == Role::Retrieval);
    above.is_some_and(|above| {
        let has_no_other = documents(part).is_none() || documents(part) == documents(above);
        above.scope() == part.scope() && documents(above).is_some() && has_no_other
    })
}

/// What makes a record of its own out of decisions and retrievals that belong to no call.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Alone<'a> {
    OfRequest { trace: &'a str, span: &'a str },
    ByItself([u8; 16]),
}

fn by_target(units: &[Unit<'_>], part: &Part) -> Option<usize> {
    let target = part.reading.text("decision.target")?;
    let start = part.times().0;
    let named = units.iter().enumerate().filter(|(_, unit)| {
        let is_here = unit.main().is_some_and(|main| main.trace() == part.trace());
        is_here && (unit.calls.contains(target) || unit.answer() == Some(target))
    });
    named.max_by_key(|(_, unit)| (unit.start() <= start, unit.start())).map(|(at, _)| at)
}

fn by_answer(units: &[Unit<'_>], part: &Part) -> Option<usize> {
    let answer = match &part.item {
        Item::Decision(decision) => decision.response.as_deref(),
        _ => part.reading.text("correlation.response_id"),
    }?;
    units.iter().position(|unit| unit.answer() == Some(answer))
}

/// The call in the trace of a decision that names no span: the next one, or the last one before it where it is about what came of that. In
/// a trace without a call of a model it is whatever else was done.
fn by_trace(units: &[Unit<'_>], part: &Part) -> Option<usize> {
    let Item::Decision(decision) = &part.item else { return None };
    let trace = decision.trace.as_deref().filter(|_| decision.span.is_none())?;
    let is_here = |at: &usize| units[*at].main().is_some_and(|main| main.trace() == Some(trace));
    let all: Vec<usize> = (0..units.len()).filter(is_here).collect();
    let calls: Vec<usize> = all.iter().copied().filter(|at| units[*at].is_inference()).collect();
    let here = if calls.is_empty() { all } else { calls };
    let is_after =
        part.reading.text("decision.phase").is_some_and(|phase| is_output(phase) || phase == "pre_tool");
    let time = decision.time;
    let nearest = if is_after {
        here.iter().filter(|at| units[**at].start() <= time).max_by_key(|at| units[**at].start())
    } else {
        here.iter().filter(|at| units[**at].end() >= time).min_by_key(|at| units[**at].start())
    };
    nearest.or(if is_after { here.first() } else { here.last() }).copied()
}

/// The spans above up to the request's own, and the part itself if it is about a span.
fn within_request<'a>(tree: &Tree<'a>, part: &Part) -> Vec<&'a Part> {
    let mut ways = Vec::new();
    for above in tree.ancestors(part) {
        ways.push(above);
        if is_server(above) {
            break;
        }
    }
    ways
}

fn request_of<'a>(tree: &Tree<'a>, part: &Part) -> Option<&'a Part> {
    within_request(tree, part).last().copied()
}

fn near(units: &[Unit<'_>], tree: &Tree<'_>, part: &Part) -> Option<usize> {
    let (start, end) = part.times();
    // What the model is given is looked at before it is called; what it answered, after.
    let is_after = part.reading.text("decision.phase").is_some_and(is_output);
    for above in within_request(tree, part) {
        let is_below = |unit: &Unit<'_>| {
            let is_it = |other: &&Part| other.span_key() == above.span_key();
            unit.is_inference() && (unit.accounts.iter().any(is_it) || unit.above.iter().any(is_it))
        };
        let below: Vec<usize> = (0..units.len()).filter(|at| is_below(&units[*at])).collect();
        let found = match below.as_slice() {
            [] => continue,
            [only] => Some(*only),
            many if is_after => {
                let before = many.iter().copied().filter(|at| units[*at].start() <= start);
                before.max_by_key(|at| units[*at].start()).or_else(|| many.first().copied())
            }
            many => {
                let after = many.iter().copied().filter(|at| units[*at].end() >= end);
                after.min_by_key(|at| units[*at].start()).or_else(|| many.last().copied())
            }
        };
        return found;
    }
    None
}

pub(super) fn is_output(phase: &str) -> bool {
    matches!(phase, "output" | "post_call" | "response" | "output_guardrail" | "post")
}

/// An agent below which no call was seen is a record of its own: it ran elsewhere, or its calls leave no trace. So is one that was
/// set up.
pub(super) fn agents<'a>(units: &mut Vec<Unit<'a>>, tree: &Tree<'a>) {
    let is_agent = |part: &&Part| matches!(part.role(), Role::Agent | Role::AgentCreation);
    let mut agents: Vec<&Part> = tree.parts().filter(is_agent).collect();
    // The innermost first: what has an agent below it has a record below it.
    agents.sort_by_cached_key(|part| (std::cmp::Reverse(tree.ancestors(part).len()), part.order()));
    for agent in agents {
        let is_it = |other: &&Part| other.span_key() == agent.span_key();
        let is_told =
            units.iter().any(|unit| unit.above.iter().any(is_it) || unit.accounts.iter().any(is_it));
        if !is_told {
            let above = tree.ancestors(agent);
            units.push(Unit { above, ..Unit::of(vec![agent]) });
        }
    }
}
