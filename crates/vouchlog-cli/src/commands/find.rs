//! `vouchlog find`: records by what they are about.

use jiff::Timestamp;
use serde_json::{Value, json};
use vouchlog::StatementKind;
use vouchlog_desk::{DeskError, FacetValue, FindRecords, FoundRecords, RecordRow};
use vouchlog_record::Facet;
use vouchlog_vault::Cursor;

use super::custody::VaultArgs;
use super::desk::{self, OpenDesk};
use crate::output::{self, Outcome, Output};
use crate::values;

/// Find records in a vault by the values of their fields
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  vouchlog find --vault vault --by session=sess-01 \n  \
                        vouchlog find --vault vault --by verdict=deny --since 2026-11-01\n  \
                        vouchlog find --vault vault --by verdict=attributable:no --by tool=issue_refund --json\n\n\
                        The output shows what is known without opening a record, never its content. A vault stores searchable values as\n\
                        keyed hashes, so a value must be given in full.")]
pub(crate) struct Args {
    #[command(flatten)]
    vault: VaultArgs,
    /// The facet and its value: session, conversation, trace, initiator, agent, workload, device, credential, tool, model, verdict, finding, gateway, response, refers, service, data-class, scope, issuer or case
    #[arg(long = "by", value_name = "FACET=VALUE", value_parser = facet)]
    facets: Vec<(Facet, String)>,
    /// Only records of this kind
    #[arg(long, value_name = "KIND", value_parser = super::kind())]
    kind: Vec<StatementKind>,
    /// Started at this time or later, such as 2026-11-18, yesterday, or 7d for seven days ago
    #[arg(long, value_name = "TIME", value_parser = values::moment)]
    since: Option<Timestamp>,
    /// Started before this time
    #[arg(long, value_name = "TIME", value_parser = values::moment)]
    until: Option<Timestamp>,
    /// Newest first
    #[arg(long)]
    newest: bool,
    /// At most this many records
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
    /// Continue after an earlier page
    #[arg(long, value_name = "CURSOR")]
    after: Option<Cursor>,
}

/// Reads `session=sess-01`.
pub(super) fn facet(text: &str) -> Result<(Facet, String), String> {
    let (name, value) = text.split_once('=').ok_or("write FACET=VALUE")?;
    let facet = Facet::from_name(name).ok_or_else(|| {
        let names: Vec<_> = Facet::ALL.iter().map(|facet| facet.name()).collect();
        format!("`{name}` is not one of {}", names.join(", "))
    })?;
    Ok((facet, value.to_owned()))
}

impl Args {
    pub(crate) async fn run(self, output: Output) -> anyhow::Result<Outcome> {
        let desk = OpenDesk::reading(&self.vault).await?;
        let found = desk.ask(FindRecords {
            tenant: Some(self.vault.tenant.clone()),
            facets: self.facets.into_iter().map(named).collect(),
            kinds: self.kind.iter().map(|kind| kind.name().to_owned()).collect(),
            from: self.since.map(Timestamp::as_millisecond),
            to: self.until.map(Timestamp::as_millisecond),
            newest: self.newest,
            after: self.after.map(|after| after.to_string()),
            limit: Some(self.limit),
        });
        let FoundRecords { records: rows, next } = found.await?;
        desk.close().await;
        let mut lines: Vec<String> =
            rows.iter().map(in_words).collect::<Result<_, _>>().map_err(desk::advise)?;
        if rows.is_empty() {
            lines.push("no records".to_owned());
        }
        lines.extend(next.iter().map(|next| format!("more: --after {next}")));
        let rows: Vec<Value> = rows.iter().map(as_json).collect();
        output.answer(&lines.join("\n"), &json!({ "records": rows, "next": next }))?;
        Ok(Outcome::Fine)
    }
}

/// A facet as it is asked for.
pub(super) fn named((facet, value): (Facet, String)) -> FacetValue {
    FacetValue { facet: facet.name().to_owned(), value }
}

fn in_words(row: &RecordRow) -> Result<String, DeskError> {
    let at = output::moment(row.started_at);
    let place =
        row.place.map_or_else(|| "not logged yet".to_owned(), |place| format!("index {}", place.index));
    let state = match (&row.erased, &row.hold) {
        (Some(erasure), _) => match erasure.index {
            Some(index) => format!("erased lawfully, entry {index}"),
            None => "erased lawfully".to_owned(),
        },
        (None, Some(hold)) => format!("held: {hold}"),
        (None, None) => row.statement()?.evidence.names().join(", "),
    };
    Ok(format!("{at}  {}  {}  {place}  {state}", row.id, row.kind))
}

/// What is known of a record without decrypting it, as JSON.
pub(super) fn as_json(row: &RecordRow) -> Value {
    let erased = row.erased.as_ref().map(|erased| {
        json!({
            "entry": erased.index, "record": erased.record, "basis": erased.basis,
            "scope": erased.scope, "at": output::moment(erased.at),
        })
    });
    json!({
        "id": row.id,
        "kind": row.kind,
        "started_at": output::moment(row.started_at),
        "kept_at": output::moment(row.kept_at),
        "digest": row.digest,
        "evidence": row.evidence,
        "index": row.place.map(|place| place.index),
        "stream": row.place.map(|place| place.stream),
        "sequence": row.place.map(|place| place.sequence),
        "erased": erased,
        "hold": row.hold,
        "retention": row.retention,
        "keep_until": row.keep_until.map(output::moment),
        "amends": row.amends,
    })
}
