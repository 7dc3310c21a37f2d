//! Client and server spans of one call over MCP that are siblings. The client's context reaches the server only if both carry it in
//! the call's metadata: without, a gateway that takes a call in and passes it on tells of it twice, side by side.

use super::part::Part;
use super::times::is_within;
use super::unit::ToolRun;
use crate::dialect::Role;
use crate::intake::{Item, Span, SpanKind};

/// Joins each client's run to the server's run of the same call beside it, one to one and in order of their begin.
pub(super) fn join_siblings(runs: Vec<ToolRun<'_>>) -> Vec<ToolRun<'_>> {
    let mut clients: Vec<Option<ToolRun<'_>>> = Vec::new();
    let mut joined: Vec<ToolRun<'_>> = Vec::new();
    for run in runs {
        if is_of_kind(&run, SpanKind::Client) { clients.push(Some(run)) } else { joined.push(run) }
    }
    clients.sort_by_cached_key(|run| run.as_ref().and_then(|run| run.parts.first()).map(|part| part.order()));
    joined.sort_by_cached_key(|run| run.parts.first().map(|part| part.order()));
    for run in joined.iter_mut().filter(|run| is_of_kind(run, SpanKind::Server)) {
        let client =
            clients.iter_mut().find(|client| client.as_ref().is_some_and(|client| is_same_call(client, run)));
        if let Some(client) = client.and_then(Option::take) {
            join(run, client);
        }
    }
    joined.extend(clients.into_iter().flatten());
    joined
}

fn join<'a>(run: &mut ToolRun<'a>, mut client: ToolRun<'a>) {
    let is_inside = times(run).zip(times(&client)).is_some_and(|(server, client)| is_within(server, client));
    // From the outside in.
    if is_inside {
        std::mem::swap(run, &mut client);
    }
    run.parts.append(&mut client.parts);
    run.downstream.append(&mut client.downstream);
}

fn times(run: &ToolRun<'_>) -> Option<super::Times> {
    run.parts.first().map(|part| part.times())
}

fn span<'a>(run: &ToolRun<'a>) -> Option<(&'a Part, &'a Span)> {
    let part = *run.parts.first()?;
    match &part.item {
        Item::Span(span) if part.role() == Role::McpCall => Some((part, span)),
        _ => None,
    }
}

fn is_of_kind(run: &ToolRun<'_>, kind: SpanKind) -> bool {
    span(run).is_some_and(|(_, span)| span.kind == kind)
}

/// Whether both tell of one call: the same method below the same span, one within the other, and nothing that both state differs. A
/// gateway puts the server's name before the tool's.
fn is_same_call(client: &ToolRun<'_>, server: &ToolRun<'_>) -> bool {
    let (Some((one, client_span)), Some((other, server_span))) = (span(client), span(server)) else {
        return false;
    };
    let is_beside = client_span.trace == server_span.trace && client_span.parent == server_span.parent;
    let times = (one.times(), other.times());
    let is_nested = is_within(times.0, times.1) || is_within(times.1, times.0);
    let agree = |field: &str| {
        let value =
            |run: &ToolRun<'_>| run.parts.iter().find_map(|part| part.reading.fields.get(field)).cloned();
        value(client).zip(value(server)).is_none_or(|(one, other)| one == other)
    };
    let method = |run: &ToolRun<'_>| run.text("mcp.method").map(str::to_owned);
    is_beside
        && is_nested
        && method(client).is_some()
        && method(client) == method(server)
        && ["tool.call_id", "tool.arguments", "data.resources"].into_iter().all(agree)
        && is_same_tool(client, server)
}

fn is_same_tool(client: &ToolRun<'_>, server: &ToolRun<'_>) -> bool {
    let (Some(one), Some(other)) = (name(client), name(server)) else { return false };
    let (short, long) = if one.len() <= other.len() { (&one, &other) } else { (&other, &one) };
    let Some(before) = long.strip_suffix(short.as_str()) else { return false };
    let servers = [client.text("tool.server"), server.text("tool.server")];
    let is_server = |name: &str| servers.into_iter().flatten().any(|server| server == name);
    before.is_empty()
        || ["-", "/", ":", ".", "__"].iter().any(|separator| before.ends_with(separator))
        || is_server(before.trim_end_matches('_'))
}

/// The tool, else what stands after the method in the span's name.
fn name(run: &ToolRun<'_>) -> Option<String> {
    let (part, span) = span(run)?;
    let named = run.text("tool.name").map(str::to_owned);
    let after = || {
        let rest = span.name.split_once(part.reading.text("mcp.method")?)?.1.trim();
        (!rest.is_empty()).then(|| rest.to_owned())
    };
    named.or_else(after)
}
