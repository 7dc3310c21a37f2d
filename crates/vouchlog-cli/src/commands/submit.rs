//! `vouchlog submit`: logs digests, or salted commitments to records, and keeps the receipts.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use vouchlog::{Digest, Evidence, Statement, StatementKind, VerifyingKey};
use vouchlog_session::verifier_digest;

use super::input::{Item, digests, record};
use super::make_folder;
use super::remote::LogUrl;
use super::spooling::GatewayArgs;
use super::submission::{Placed, Submission};
use crate::advice::Advice;
use crate::output::{self, Outcome, Output};

/// Statements told one by one to people; programs hear of all.
const SHOWN_STATEMENTS: usize = 20;

/// Log digests, or salted commitments to records, and keep the receipts
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  vouchlog submit --log http://127.0.0.1:6962 --receipts receipts call.json\n  \
                        vouchlog submit --log http://127.0.0.1:6962 --log-vkey \"$LOG_VKEY\" --gateway-key gateway.key \\\n    \
                        --receipts receipts --digests digests.txt\n\n\
                        Neither a record nor its bare hash is sent: the log gets SHA-256 of a random salt and the record.\nThe salt is kept beside the receipt, as <record>.opening.json; keep it as secret as the record.\n\
                        Without --gateway-key, the log's own house stream takes the statements, as opaque ones of an unknown sender: they get\n\
                        receipts, but no proof that none of yours is missing.\n\
                        With --gateway-key, the stream is closed once everything is logged, and the next submission continues it in a new one."
)]
pub(crate) struct Args {
    #[command(flatten)]
    log: LogUrl,
    /// The log's public key, to verify the receipts
    #[arg(long, value_name = "VKEY", env = "VOUCHLOG_LOG_VKEY")]
    log_vkey: Option<VerifyingKey>,
    #[command(flatten)]
    gateway: GatewayArgs,
    /// Wait for a quorum of the log's witnesses to cosign a head that covers the statements: the receipts then carry the cosignatures
    #[arg(long)]
    witnessed: bool,
    /// As --witnessed, and verify that the receipts satisfy this policy (C2SP tlog-policy)
    #[arg(long, value_name = "FILE", requires = "log_vkey", env = "VOUCHLOG_POLICY")]
    policy: Option<PathBuf>,
    /// Leave the gateway's stream open for the next submission. An audit reports an open stream as `silent-stream` after 90 seconds
    #[arg(long, requires = "gateway_key")]
    keep_open: bool,
    /// Directory for receipts and openings, created if missing
    #[arg(long, value_name = "DIR", env = "VOUCHLOG_RECEIPTS")]
    receipts: Option<PathBuf>,
    /// The kind of the statements [default: interaction with --gateway-key, or configuration for --verifier; without it they are opaque]
    #[arg(long, value_name = "KIND", value_parser = super::kind())]
    kind: Option<StatementKind>,
    #[command(flatten)]
    what: What,
}

/// What to log.
#[derive(clap::Args)]
#[group(required = true, multiple = false, args = ["digest", "digests", "records", "flush", "verifier"])]
struct What {
    /// Salted digests, 64 hex digits each; never a bare hash, because its content can be guessed
    #[arg(long, value_name = "HEX", num_args = 1..)]
    digest: Vec<Digest>,
    /// A file of digests, one per line; - is standard input
    #[arg(long, value_name = "FILE")]
    digests: Option<PathBuf>,
    /// Send only what an earlier run left in the gateway's spool
    #[arg(long, requires = "gateway_key")]
    flush: bool,
    /// Log the digest of the program in court files (`vouchlog session --court`), so that their recipients can compare it
    #[arg(long, requires = "receipts")]
    verifier: bool,
    /// Records to commit to
    #[arg(value_name = "RECORD", requires = "receipts")]
    records: Vec<PathBuf>,
}

impl Args {
    pub(crate) async fn run(self, output: Output) -> anyhow::Result<Outcome> {
        if let Some(dir) = &self.receipts {
            // Openings go there before anything is sent.
            make_folder(dir)?;
        }
        let items = self.what.items(self.receipts.as_deref())?;
        if items.is_empty() && !self.what.flush {
            return Err(Advice::error("there is nothing to log", "see `vouchlog submit --help`"));
        }
        let kind = self.kind()?;
        let statements: Vec<Statement> = items
            .iter()
            .map(|item| Statement { kind, evidence: Evidence::NONE, digest: item.digest })
            .collect();
        let policy = self.policy.as_deref().map(super::policy).transpose()?;
        match self.submission().send(&statements, policy.as_ref()).await {
            Ok(placed) => self.answer(output, &items, &placed)?,
            Err(failed) => return failed.end(output),
        }
        Ok(Outcome::Fine)
    }

    /// The house stream takes opaque statements alone: its sender is unknown, so nothing in it may read as a gateway's word.
    fn kind(&self) -> anyhow::Result<StatementKind> {
        match (self.kind, &self.gateway.gateway_key) {
            (Some(kind), Some(_)) => Ok(kind),
            (None, Some(_)) if self.what.verifier => Ok(StatementKind::Configuration),
            (None, Some(_)) => Ok(StatementKind::Interaction),
            (None | Some(StatementKind::Opaque), None) => Ok(StatementKind::Opaque),
            (Some(kind), None) => Err(Advice::error(
                format!(
                    "the log's house stream takes opaque statements of unknown senders, none of kind {kind}"
                ),
                "give the gateway's key with --gateway-key, or leave out --kind",
            )),
        }
    }

    fn submission(&self) -> Submission<'_> {
        Submission {
            url: &self.log.url,
            log_vkey: self.log_vkey.as_ref(),
            gateway: &self.gateway,
            witnessed: self.witnessed,
            close: !self.keep_open,
            receipts: self.receipts.as_deref(),
        }
    }

    fn answer(&self, output: Output, items: &[Item], placed: &[Placed]) -> anyhow::Result<()> {
        if placed.is_empty() {
            let json = json!({ "verified": true, "statements": [] });
            return output.answer("the spool is empty", &json);
        }
        let number = output::count(placed.len() as u64, "statement", "statements");
        let verified = if self.log_vkey.is_some() { ", its receipt verified" } else { "" };
        let mut lines = vec![format!("logged {number}{verified}")];
        for (item, placed) in items.iter().zip(placed).take(SHOWN_STATEMENTS) {
            let what = item.record.as_ref().map_or_else(
                || item.digest.to_string(),
                |(record, opening)| format!("{} (opening: {})", record.display(), opening.display()),
            );
            let file =
                placed.file.as_ref().map_or(String::new(), |file| format!("  receipt: {}", file.display()));
            lines.push(format!("  index {}  {what}{file}", placed.index));
        }
        if placed.len() > SHOWN_STATEMENTS {
            lines.push(format!("  … and {} more", placed.len() - SHOWN_STATEMENTS));
        }
        let json: Vec<Value> = items.iter().zip(placed).map(statement_json).collect();
        output.answer(&lines.join("\n"), &json!({ "verified": self.log_vkey.is_some(), "statements": json }))
    }
}

fn statement_json((item, placed): (&Item, &Placed)) -> Value {
    json!({
        "index": placed.index.get(),
        "stream": placed.entry.stream.get(),
        "sequence": placed.entry.sequence.get(),
        "logged_at": placed.entry.logged_at.millis(),
        "digest": item.digest.to_string(),
        "receipt": placed.file,
        "record": item.record.as_ref().map(|(record, _)| record),
        "opening": item.record.as_ref().map(|(_, opening)| opening),
    })
}

impl What {
    fn items(&self, receipts: Option<&Path>) -> anyhow::Result<Vec<Item>> {
        if self.flush {
            return Ok(Vec::new());
        }
        if self.verifier {
            // The program is public: nothing is gained by a salt.
            return Ok(vec![Item::bare(verifier_digest())]);
        }
        if let Some(path) = &self.digests {
            return digests(path);
        }
        if !self.digest.is_empty() {
            return Ok(self.digest.iter().copied().map(Item::bare).collect());
        }
        let receipts = receipts.ok_or_else(|| {
            Advice::error("the salt of a record must be kept", "give a directory with --receipts DIR")
        })?;
        self.records.iter().map(|path| record(path, receipts)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::parsed;

    fn parse(flags: &str) -> Option<Args> {
        let flags = ["submit", "--log", "http://127.0.0.1:1"].into_iter().chain(flags.split_whitespace());
        parsed(flags).ok()
    }

    #[test]
    fn what_is_logged_is_said_in_exactly_one_way() {
        let hex = "07".repeat(32);
        assert_eq!(parse(&format!("--digest {hex} {hex}")).unwrap().what.digest.len(), 2);
        assert!(parse("--digests -").is_some());
        assert!(parse("--verifier --receipts r").is_some());
        assert_eq!(parse("--receipts r a.json b.json").unwrap().what.records.len(), 2);
        for wrong in [
            "",
            "a.json",
            "--verifier",
            "--verifier --receipts r a.json",
            "--digest 07",
            "--digests - --receipts r a.json",
            "--state s --digests -",
        ] {
            assert!(parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_kind_is_given_by_its_name() {
        let kind = |flags: &str| parse(&format!("{flags} --digests -")).unwrap().kind();
        let name = vouchlog_note::KeyName::new("log.example.com/a").unwrap();
        let log =
            vouchlog::SigningKey::generate(name, vouchlog_note::SignatureType::Ed25519, [1; 32]).unwrap();
        let gateway = format!("--gateway-key k --log-vkey {}", log.verifying_key());
        assert_eq!(kind(&gateway).unwrap(), StatementKind::Interaction);
        assert_eq!(kind(&format!("{gateway} --kind declared-loss")).unwrap(), StatementKind::DeclaredLoss);
        // Without a gateway's key they go into the house stream.
        assert_eq!(kind("").unwrap(), StatementKind::Opaque);
        assert_eq!(kind("--kind opaque").unwrap(), StatementKind::Opaque);
        assert!(kind("--kind interaction").unwrap_err().to_string().contains("house stream"));
        assert!(parse("--kind genesis --digests -").is_none());
    }

    #[test]
    fn only_a_gateway_has_a_spool_to_flush() {
        assert!(parse("--flush").is_none());
        let name = vouchlog_note::KeyName::new("log.example.com/a").unwrap();
        let key =
            vouchlog::SigningKey::generate(name, vouchlog_note::SignatureType::Ed25519, [1; 32]).unwrap();
        let gateway = format!("--gateway-key k --log-vkey {}", key.verifying_key());
        assert!(parse(&format!("--flush {gateway}")).unwrap().what.flush);
        assert!(parse(&format!("--flush --digests - {gateway}")).is_none());
    }

    #[test]
    fn a_gateway_needs_the_key_its_receipts_are_verified_with() {
        assert!(parse("--gateway-key k --digests -").is_none());
    }
}
