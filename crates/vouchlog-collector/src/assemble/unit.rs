//! The parts of one interaction, and the tree of spans they come from.

use std::collections::{BTreeMap, BTreeSet};

use vouchlog_record::RecordId;

use super::part::{Part, Parts};
use super::times::Times;
use crate::dialect::{Role, tool_calls};
use crate::intake::{Item, SpanKind};

/// Longest way from a span to the top that is followed.
const MAX_ANCESTORS: usize = 64;

/// One run of a tool: the spans that tell of it, from the outside in, and what it called.
#[derive(Clone, Debug, Default)]
pub(crate) struct ToolRun<'a> {
    pub(super) parts: Vec<&'a Part>,
    pub(super) downstream: Vec<&'a Part>,
}

impl ToolRun<'_> {
    pub(super) fn text(&self, field: &str) -> Option<&str> {
        self.parts.iter().find_map(|part| part.reading.text(field))
    }

    /// Whether a note is about one of its spans.
    pub(super) fn has_note(&self, note: &Part) -> bool {
        note.about().is_some_and(|about| self.parts.iter().any(|part| part.span_key() == Some(about)))
    }
}

/// The parts of one record.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unit<'a> {
    /// Accounts of one and the same call, the fullest first.
    pub(super) accounts: Vec<&'a Part>,
    /// Its messages one by one, in order of time.
    pub(super) messages: Vec<&'a Part>,
    /// What else was said about it: exceptions, evaluations.
    pub(super) notes: Vec<&'a Part>,
    pub(super) tools: Vec<ToolRun<'a>>,
    pub(super) decisions: Vec<&'a Part>,
    pub(super) sources: Vec<&'a Part>,
    /// Spans above it, nearest first.
    pub(super) above: Vec<&'a Part>,
    /// Ids of calls that the model proposed.
    pub(super) calls: BTreeSet<String>,
    /// The record it completes, if that is made already.
    pub(super) amends: Option<RecordId>,
}

impl<'a> Unit<'a> {
    pub(super) fn of(accounts: Vec<&'a Part>) -> Self {
        let mut unit = Self { accounts, ..Self::default() };
        unit.accounts.sort_by_cached_key(|part| {
            let is_raw = part.role() == Role::RawInference;
            let is_event = !matches!(part.item, Item::Span(_)) || part.is_log_span();
            (is_event, is_raw, std::cmp::Reverse(part.reading.fields.len()), part.order())
        });
        unit.learn_calls();
        unit
    }

    pub(super) fn learn_calls(&mut self) {
        let outputs = self.accounts.iter().filter_map(|part| part.reading.fields.get("content.output"));
        let ids = outputs.flat_map(tool_calls).filter_map(|call| call.get("id")?.as_str());
        let ids: Vec<String> = ids.map(str::to_owned).collect();
        self.calls.extend(ids);
        for part in &self.messages {
            if let Item::Event(event) = &part.item {
                let found = serde_json::Value::Array(crate::dialect::messages(&event.body, "assistant"));
                let ids = tool_calls(&found);
                self.calls
                    .extend(ids.into_iter().filter_map(|call| Some(call.get("id")?.as_str()?.to_owned())));
            }
        }
    }

    pub(super) fn parts(&self) -> impl Iterator<Item = &'a Part> + '_ {
        let tools = self.tools.iter().flat_map(|run| run.parts.iter().chain(&run.downstream));
        let lists = [&self.accounts, &self.messages, &self.notes, &self.decisions, &self.sources];
        lists.into_iter().flatten().chain(tools).copied()
    }

    /// The part that gives the record its place and time.
    pub(super) fn main(&self) -> Option<&'a Part> {
        self.accounts.first().copied().or_else(|| self.parts().min_by_key(|part| part.order()))
    }

    pub(super) fn start(&self) -> u64 {
        self.main().map(|part| part.times().0).unwrap_or_default()
    }

    pub(super) fn end(&self) -> u64 {
        self.main().map(|part| part.times().1).unwrap_or_default()
    }

    /// When the call was made, if a span says so. An event has but its own time, which may be after the call.
    pub(super) fn span_times(&self) -> Option<Times> {
        let is_call = |part: &&&Part| matches!(part.item, Item::Span(_)) && part.role() != Role::Fetch;
        let main = self.accounts.first().filter(is_call)?;
        Some(main.times())
    }

    pub(super) fn answer(&self) -> Option<&'a str> {
        // An answer that a failed request asked for may belong to another caller.
        let is_known = |part: &&&Part| part.role() != Role::Fetch || !part.is_failed_span();
        let accounts = self.accounts.iter().filter(is_known);
        accounts.into_iter().find_map(|part| part.reading.text("correlation.response_id"))
    }

    pub(super) fn is_inference(&self) -> bool {
        self.accounts
            .iter()
            .any(|part| matches!(part.role(), Role::Inference | Role::RawInference | Role::Details))
    }

    /// Whether it set up an agent, and nothing ran.
    pub(super) fn creates_agent(&self) -> bool {
        self.accounts.iter().any(|part| {
            let is_done = matches!(&part.item, Item::Span(span) if !span.failed) && !part.is_unfinished();
            part.role() == Role::AgentCreation && is_done
        })
    }

    pub(super) fn traces(&self) -> BTreeSet<String> {
        self.parts().filter_map(|part| part.trace().map(str::to_owned)).collect()
    }

    pub(super) fn has_span(&self, trace: &str, span: &str) -> bool {
        self.accounts.iter().any(|part| part.about() == Some((trace, span)))
    }
}

/// Spans by their ids, and the ways up from them.
pub(super) struct Tree<'a> {
    spans: BTreeMap<(&'a str, &'a str), &'a Part>,
}

impl<'a> Tree<'a> {
    pub(super) fn new(parts: &'a Parts) -> Self {
        let spans = parts.spans.values().filter_map(|part| Some((part.span_key()?, part)));
        Self { spans: spans.collect() }
    }

    pub(super) fn parts(&self) -> impl Iterator<Item = &'a Part> + '_ {
        self.spans.values().copied()
    }

    pub(super) fn get(&self, trace: &str, span: &str) -> Option<&'a Part> {
        self.spans.get(&(trace, span)).copied()
    }

    /// The span above a span; of an event, the span it is about.
    pub(super) fn above(&self, part: &Part) -> Option<&'a Part> {
        match &part.item {
            Item::Span(span) => self.get(&span.trace, span.parent.as_deref()?),
            _ => part.about().and_then(|(trace, span)| self.get(trace, span)),
        }
    }

    /// All spans above, nearest first.
    pub(super) fn ancestors(&self, part: &Part) -> Vec<&'a Part> {
        let first = self.above(part);
        std::iter::successors(first, |part| self.above(part)).take(MAX_ANCESTORS).collect()
    }
}

pub(super) fn is_server(part: &Part) -> bool {
    matches!(&part.item, Item::Span(span) if matches!(span.kind, SpanKind::Server | SpanKind::Consumer))
}
