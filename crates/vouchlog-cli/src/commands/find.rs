//! `vouchlog find`: records by what they are about.

use jiff::Timestamp;
use serde_json::{Value, json};
use vouchlog::StatementKind;
use vouchlog_record::Facet;
use vouchlog_vault::{Cursor, Order, Query, Row};

use super::custody::{self, VaultArgs};
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
    /// The facet and its value: session, conversation, trace, initiator, agent, workload, device, credential, tool, model, verdict, finding, gateway, response, refers or service
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
        let (vault, access) = self.vault.open().await?;
        let key = vault.redaction_key(&access, &self.vault.tenant).await.map_err(custody::advise_vault)?;
        // What looks like a secret is in the records under its stand-in.
        let stored = |(facet, value): (Facet, String)| {
            let value = key.as_ref().map_or_else(|| value.clone(), |key| key.redacted(&value));
            (facet, value)
        };
        let query = Query {
            facets: self.facets.into_iter().map(stored).collect(),
            tenant: Some(self.vault.tenant.clone()),
            kinds: self.kind,
            from: self.since.map(Timestamp::as_millisecond),
            to: self.until.map(Timestamp::as_millisecond),
            order: if self.newest { Order::NewestFirst } else { Order::OldestFirst },
            after: self.after,
            limit: self.limit,
        };
        let rows = vault.find(&access, &query).await.map_err(custody::advise_vault)?;
        let next = rows.last().filter(|_| rows.len() == self.limit).map(|row| row.cursor().to_string());
        let mut lines: Vec<String> = rows.iter().map(in_words).collect();
        if rows.is_empty() {
            lines.push("no records".to_owned());
        }
        lines.extend(next.iter().map(|next| format!("more: --after {next}")));
        let rows: Vec<Value> = rows.iter().map(as_json).collect();
        output.answer(&lines.join("\n"), &json!({ "records": rows, "next": next }))?;
        Ok(Outcome::Fine)
    }
}

fn in_words(row: &Row) -> String {
    let at = output::moment(row.started_at);
    let place =
        row.place.map_or_else(|| "not logged yet".to_owned(), |place| format!("index {}", place.index));
    let state = match (&row.erased, &row.hold) {
        (Some(erasure), _) => match erasure.index {
            Some(index) => format!("erased lawfully, entry {index}"),
            None => "erased lawfully".to_owned(),
        },
        (None, Some(hold)) => format!("held: {hold}"),
        (None, None) => row.evidence.names().join(", "),
    };
    format!("{at}  {}  {}  {place}  {state}", row.id, row.kind)
}

/// What is known of a record without decrypting it, as JSON.
pub(super) fn as_json(row: &Row) -> Value {
    let erased = row.erased.as_ref().map(|erased| {
        json!({
            "entry": erased.index.map(vouchlog::LeafIndex::get), "record": erased.record, "basis": erased.basis,
            "scope": erased.scope, "at": output::moment(erased.at),
        })
    });
    json!({
        "id": row.id,
        "kind": row.kind.name(),
        "started_at": output::moment(row.started_at),
        "kept_at": output::moment(row.kept_at),
        "digest": row.digest.to_string(),
        "evidence": row.evidence.bits(),
        "index": row.place.map(|place| place.index.get()),
        "stream": row.place.map(|place| place.stream.get()),
        "sequence": row.place.map(|place| place.sequence.get()),
        "erased": erased,
        "hold": row.hold,
        "retention": row.retention.class,
        "keep_until": row.retention.until.map(output::moment),
        "amends": row.amends,
    })
}
