//! What `vouchlog store check` finds out about an object store.

use serde_json::json;
use vouchlog::objects::{AddressError, ObjectUrl};
use vouchlog_storage::StoreError;
use vouchlog_storage_object::{Bucket, Probe, RACERS, probe, pruned, published};

use super::{Checked, pruned_json, pruned_words};
use crate::advice::Advice;
use crate::commands::objects::refused;
use crate::connections;
use crate::output;

/// Probes the object store at a URL.
pub(super) async fn check(url: &str) -> anyhow::Result<Checked> {
    let url: ObjectUrl = url.parse().map_err(|error: AddressError| refused(&error.to_string()))?;
    let bucket = Bucket::open(&url, &connections::security()).map_err(|error| refused(&error.to_string()))?;
    let found = probe(&bucket).await.map_err(|error| unchecked(&error))?;
    let log = published(&bucket).await.map_err(|error| unchecked(&error))?;
    let pruned = pruned(&bucket).await.map_err(|error| unchecked(&error))?;
    let json = json!({
        "pruned": pruned_json(pruned.as_deref()),
        "url": bucket.url(), "usable": found.holds(), "racers": RACERS, "creates_won": found.creates_won,
        "swaps_won": found.swaps_won, "findings": found.findings, "left_behind": found.left_behind,
        "log": log.as_ref().map(|(origin, size)| json!({ "origin": origin, "size": size })),
    });
    let mut words = words(bucket.url(), &found, log.as_ref());
    if let Some(pruned) = pruned {
        words.push_str(&format!("\n  pruned          {}", pruned_words(&pruned)));
    }
    Ok(Checked { name: "objects", usable: found.holds(), words, json })
}

fn unchecked(error: &StoreError) -> anyhow::Error {
    Advice::error(
        format!("the object store could not be checked: {error}"),
        "check the URL and the credentials in the environment: they must allow reading, writing and deleting objects",
    )
}

fn words(url: &str, probe: &Probe, log: Option<&(String, u64)>) -> String {
    let Probe { creates_won, swaps_won, findings, left_behind } = probe;
    let verdict = if probe.holds() { "can" } else { "MUST NOT" };
    let mut lines = vec![
        format!("{url} {verdict} hold the sealed part of a log"),
        format!("  racing creates  {creates_won} of {RACERS} succeeded; 1 may"),
        format!("  racing swaps    {swaps_won} of {RACERS} succeeded; 1 may"),
    ];
    lines.extend(findings.iter().map(|finding| format!("  finding         {finding}")));
    if let Some(reason) = left_behind {
        lines.push(format!("  note            the object of the probe could not be deleted: {reason}"));
    }
    lines.push(match log {
        Some((origin, size)) => {
            let entries = output::count(*size, "entry", "entries");
            format!("  holds           {origin}, {entries} by its checkpoint, which was not verified")
        }
        None => "  holds           no checkpoint".to_owned(),
    });
    lines.join("\n")
}
