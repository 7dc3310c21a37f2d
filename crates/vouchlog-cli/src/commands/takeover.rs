//! `vouchlog enrol --predecessor`: the gateways of a log that has ended, enrolled at the log that continues it.

use anyhow::Context;
use serde_json::json;
use vouchlog::{Appender, Origin, SigningKey, VerifyingKey, unix_millis};
use vouchlog_auditor::{AuditReport, Config, audit};
use vouchlog_session::plain;
use vouchlog_stream::Enrolment;

use super::auditing::identity;
use super::ended;
use super::failed::Failed;
use super::remote::{self, reader};
use crate::advice::Advice;
use crate::output::{self, Outcome, Output};

/// Where the gateways come from.
#[derive(clap::Args)]
pub(super) struct TakeoverArgs {
    /// Enrol every gateway whose key is in force in this log, which has ended and names this one as its successor: its URL, or a directory of its
    /// tiles. It is audited first
    #[arg(long, value_name = "URL|DIR", requires = "log_vkey", conflicts_with_all = ["gateway", "rotation", "replaces"])]
    predecessor: Option<String>,
    /// With --predecessor: the public key of the log at which they are enrolled
    #[arg(long, value_name = "VKEY", requires = "predecessor")]
    log_vkey: Option<VerifyingKey>,
}

/// A log whose gateways go over to another.
pub(super) struct Predecessor<'a> {
    source: &'a str,
    successor: &'a VerifyingKey,
}

impl TakeoverArgs {
    pub(super) fn source(&self) -> Option<Predecessor<'_>> {
        let (source, successor) = (self.predecessor.as_deref()?, self.log_vkey.as_ref()?);
        Some(Predecessor { source, successor })
    }
}

impl Predecessor<'_> {
    /// Enrols its gateways at the log at `url`.
    pub(super) async fn enrol_at(
        &self,
        url: &str,
        (operator, log): (&SigningKey, &Origin),
        output: Output,
    ) -> anyhow::Result<Outcome> {
        if self.successor.name().as_str() != log.as_str() {
            return Err(Advice::error(
                format!(
                    "--log-vkey is that of {}, but the operator's key is for {log}",
                    self.successor.name()
                ),
                "give the vkey of the log at --log",
            ));
        }
        let report = match self.audited().await {
            Ok(report) => report,
            Err(failed) => return failed.end(output),
        };
        let remote = remote::connect(url)?;
        remote::check_origin(&remote, url, log).await?;
        let house = format!("{}/house", report.origin);
        let (mut lines, mut answers) = (Vec::new(), Vec::new());
        for gateway in report.gateways.iter().filter(|gateway| gateway.in_force) {
            let key: VerifyingKey = gateway.vkey.parse().context("a key of the audited log")?;
            // The new log has a house stream of its own, with its own key.
            if key.name().as_str() == house {
                continue;
            }
            let note = Enrolment::first(log.clone(), key.clone()).sign(operator)?;
            let index = remote.enrol(note).await.map_err(|error| remote::failed(url, &error))?;
            lines.push(format!("  entry {index}  {} (key {})", plain(key.name().as_str()), key.id()));
            answers.push(
                json!({ "gateway": gateway.vkey, "key_id": key.id().to_string(), "index": index.get() }),
            );
        }
        let count = output::count(answers.len() as u64, "gateway", "gateways");
        lines.insert(0, format!("enrolled {count} of the log {} at the log {log}", report.origin));
        output.answer(&lines.join("\n"), &json!({ "origin": log.as_str(), "enrolled": answers }))?;
        Ok(Outcome::Fine)
    }

    /// The report of the whole log, up to its end. Anything that is wrong with it keeps its gateways from being taken over.
    async fn audited(&self) -> Result<AuditReport, Failed> {
        let end = ended::fetch(self.source).await?;
        if end.retirement().successor != *self.successor {
            let named = &end.retirement().successor;
            return Err(Failed::Finding(format!(
                "the log names {named} as its successor, not {}",
                self.successor
            )));
        }
        let mut config = Config::new(identity(vec![end.retirement().log.clone()], None, None)?);
        config.end = Some(end);
        config.options.now = Some(unix_millis().seconds());
        let audited = audit(reader(self.source)?.as_served(), &config, None, |_| {}).await;
        let report = audited.context("the log that has ended could not be read")?.report;
        match report.findings.first() {
            None => Ok(report),
            Some(first) => Err(Failed::Finding(format!(
                "the log that has ended is not clean, so its gateways are enrolled one by one: {first}"
            ))),
        }
    }
}
