//! What a log holds in memory, for readers without JavaScript: gateways, their streams, and witnesses.

use vouchlog_api::{
    Error, GatewayOverview, ListPlace, Overview, QuotaOverview, StreamOverview, WitnessOverview,
};
use vouchlog_merkle::LeafIndex;
use vouchlog_stream::{StreamId, StreamStatus};

use super::facts::{escaped, panel, refusal, stack, table, time};

/// For the page of streams: gateways from this place on, each with its newest streams.
pub(super) fn streams(log: &dyn Overview, from: Option<&str>, older: Option<&str>) -> String {
    let place = match place(from, older) {
        Ok(place) => place,
        Err(error) => return refusal("The server has no streams to show", &error),
    };
    let list = log.gateways(place);
    let mut facts = vec![(
        "Verified",
        "No. This is the log's own account, not what its entries prove. Whether a gateway signed these statements, whether any is missing, whether other readers \
         are shown the same, and whether this list is whole takes JavaScript, <code>vouchlog audit</code> or <code>vouchlog prove-complete</code>."
            .to_owned(),
    )];
    if list.has_evicted {
        let words =
            "Streams that ended long ago. The log has their entries, but no longer holds them in memory.";
        facts.push(("Not in the list", words.to_owned()));
    }
    if place != ListPlace::default() {
        facts.push(("This is a part", "<a href=\"streams.html\">From the first gateway on</a>".to_owned()));
    }
    if list.gateways.is_empty() {
        facts.push(("Gateways", "None from here on.".to_owned()));
    }
    let parts: Vec<String> = list.gateways.iter().map(gateway).collect();
    let next = list.next.map(|next| format!("<p>{}</p>", link(next, "More gateways")));
    let listed = parts.into_iter().chain(next).collect::<Vec<_>>();
    panel(&facts) + &if listed.is_empty() { String::new() } else { stack(&listed) }
}

/// For the page that compares: what each witness cosigned last.
pub(super) fn witnesses(log: &dyn Overview) -> String {
    let witnesses = log.witnesses();
    if witnesses.is_empty() {
        return panel(&[("Witnesses", "The log asks none for cosignatures.".to_owned())]);
    }
    let row = |witness: &WitnessOverview| {
        let size = witness.size.map_or_else(
            || "Nothing since the log was started".to_owned(),
            |size| format!("The head of {size} entries"),
        );
        let at = witness.timestamp.and_then(|at| time(at.saturating_mul(1_000)));
        vec![escaped(&witness.name), size, at.unwrap_or_else(|| "\u{2013}".to_owned())]
    };
    let rows: Vec<_> = witnesses.iter().map(row).collect();
    let columns = ["Witness", "Cosigned last", "When, by its own clock"];
    stack(&[table("<h2>Witnesses, as the server reports them</h2>", &columns, &rows)])
}

/// Which part of the list is asked for.
fn place(from: Option<&str>, older: Option<&str>) -> Result<ListPlace, Error> {
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let unknown =
        || Error::invalid("`from` is the index of an enrolment, and `older` the number of a stream");
    let enrolled = from.map_or(Some(0), number).ok_or_else(unknown)?;
    let older = older.map(|text| number(text).and_then(StreamId::new).ok_or_else(unknown));
    Ok(ListPlace { enrolled: LeafIndex::new(enrolled), older_than: older.transpose()? })
}

/// A link to a part of the list.
fn link(place: ListPlace, words: &str) -> String {
    let older = place.older_than.map_or_else(String::new, |older| format!("&amp;older={}", older.get()));
    format!("<a href=\"streams.html?from={}{older}\">{words}</a>", place.enrolled.get())
}

/// A gateway with its streams.
fn gateway(gateway: &GatewayOverview) -> String {
    let entry = |index: LeafIndex, words: &str| format!("<a href=\"entry.html?q={index}\">{words}</a>");
    let mut states = vec![
        format!("Key <code>{}</code>", escaped(&gateway.key_id)),
        entry(gateway.enrolled, &format!("enrolled by entry {}", gateway.enrolled)),
    ];
    if let Some(index) = gateway.replaced {
        states.push(entry(index, &format!("key replaced by entry {index}")));
    }
    if let Some(index) = gateway.revoked {
        states.push(entry(index, &format!("key revoked by entry {index}")));
    }
    let quota = |quota: &QuotaOverview| {
        format!("{} of at most {} {} used today", quota.used, quota.most, quota.counted.name())
    };
    states.extend(gateway.quotas.iter().map(quota));
    let heading = format!("<h2>{}</h2><p>{}</p>", escaped(&gateway.name), states.join(" \u{b7} "));
    if gateway.streams.is_empty() {
        return format!(
            "<div class=\"panel\"><header>{heading}</header><p class=\"pad\">The log holds no stream of it in memory.</p></div>"
        );
    }
    let rows: Vec<_> = gateway.streams.iter().map(stream).collect();
    let older = gateway.older.map(|older| {
        format!("<p>{}</p>", link(older, &format!("Older streams of {}", escaped(&gateway.name))))
    });
    table(&heading, &["Stream", "Statements", "Next sequence number", "State"], &rows)
        + &older.unwrap_or_default()
}

/// A stream in a row.
fn stream(stream: &StreamOverview) -> Vec<String> {
    let id = stream.stream.get();
    let mut state = match stream.status {
        StreamStatus::Open => "Open".to_owned(),
        StreamStatus::Closed => "Closed by its gateway".to_owned(),
        StreamStatus::Superseded(by) => format!("Ended, stream {} continues it", by.get()),
    };
    if stream.has_fork {
        state.push_str(". Its gateway signed two histories");
    }
    let next =
        if stream.status == StreamStatus::Open { stream.size.to_string() } else { "\u{2013}".to_owned() };
    vec![format!("<a href=\"entry.html?q={id}\">{id}</a>"), stream.size.to_string(), next, state]
}
