//! `vouchlog enrol` and `vouchlog revoke`: the operator says which gateways may open streams.

use std::path::PathBuf;

use serde_json::json;
use vouchlog::{Appender, LoggedAt, Origin, SigningKey, VerifyingKey, keys, unix_millis};
use vouchlog_note::SignatureType;
use vouchlog_stream::{Enrolment, Revocation};

use super::remote::{self, Head, LogUrl};
use crate::advice::Advice;
use crate::output::{Outcome, Output};

/// How the operator's keys are named by `vouchlog serve`.
const OPERATOR_SUFFIX: &str = "/operator";

/// Enrol a gateway's key, so that it can open streams
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  vouchlog enrol --log http://127.0.0.1:6962 --operator-key log/operator.key \"$GATEWAY_VKEY\""
)]
pub(crate) struct EnrolArgs {
    #[command(flatten)]
    operator: OperatorArgs,
    /// The gateway's public key
    #[arg(value_name = "VKEY")]
    gateway: VerifyingKey,
}

/// Revoke a gateway's key permanently
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  vouchlog revoke --log http://127.0.0.1:6962 --operator-key log/operator.key \\\n    \
                        --reason \"key was in a leaked backup\" --effective 2026-11-20T08:00:00Z \"$GATEWAY_VKEY\""
)]
pub(crate) struct RevokeArgs {
    #[command(flatten)]
    operator: OperatorArgs,
    /// The reason, in one line; it is public
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// The time from which the key must not be trusted, such as 2026-11-20T08:00:00Z; may be in the past [default: now]
    #[arg(long, value_name = "TIME", value_parser = crate::values::moment)]
    effective: Option<jiff::Timestamp>,
    /// The gateway's public key
    #[arg(value_name = "VKEY")]
    gateway: VerifyingKey,
}

/// The log, and the operator's key.
#[derive(clap::Args)]
struct OperatorArgs {
    #[command(flatten)]
    log: LogUrl,
    /// The operator's key file
    #[arg(long, value_name = "FILE", env = "VOUCHLOG_OPERATOR_KEY")]
    operator_key: PathBuf,
    /// The log's name [default: taken from the operator key's name, <origin>/operator]
    #[arg(long, env = "VOUCHLOG_ORIGIN")]
    origin: Option<String>,
}

impl EnrolArgs {
    pub(crate) async fn run(self, output: Output) -> anyhow::Result<Outcome> {
        check_gateway(&self.gateway)?;
        let (operator, log) = self.operator.load()?;
        let remote = remote::connect(&self.operator.log.url)?;
        check_origin(&remote, &self.operator.log.url, &log).await?;
        let note = Enrolment { log: log.clone(), gateway: self.gateway.clone() }.sign(&operator)?;
        let index =
            remote.enrol(note).await.map_err(|error| remote::failed(&self.operator.log.url, &error))?;
        let words =
            format!("enrolled {} at the log {log}, by the entry at index {index}", self.gateway.name());
        output.answer(
            &words,
            &json!({ "origin": log.as_str(), "gateway": self.gateway.to_string(), "index": index.get() }),
        )?;
        Ok(Outcome::Fine)
    }
}

impl RevokeArgs {
    pub(crate) async fn run(self, output: Output) -> anyhow::Result<Outcome> {
        check_gateway(&self.gateway)?;
        let effective = effective(self.effective)?;
        let (operator, log) = self.operator.load()?;
        let remote = remote::connect(&self.operator.log.url)?;
        check_origin(&remote, &self.operator.log.url, &log).await?;
        let revocation =
            Revocation { log: log.clone(), gateway: self.gateway.clone(), effective, reason: self.reason };
        let note = revocation.sign(&operator)?;
        let index =
            remote.revoke(note).await.map_err(|error| remote::failed(&self.operator.log.url, &error))?;
        let words = format!(
            "revoked {} at the log {log} from {}, by the entry at index {index}",
            self.gateway.name(),
            crate::output::time(effective),
        );
        output.answer(
            &words,
            &json!({ "origin": log.as_str(), "gateway": self.gateway.to_string(), "index": index.get() }),
        )?;
        Ok(Outcome::Fine)
    }
}

impl OperatorArgs {
    /// The operator's key, and the log it is to sign for. The log's name comes from the user's own files and flags: a name a
    /// server gave could make the operator sign for another log.
    fn load(&self) -> anyhow::Result<(SigningKey, Origin)> {
        let key = keys::load(&self.operator_key)?;
        let name = key.verifying_key().name().as_str();
        let origin =
            self.origin.as_deref().or_else(|| name.strip_suffix(OPERATOR_SUFFIX)).ok_or_else(|| {
                Advice::error(
                    format!("the operator key's name, {name}, does not identify its log"),
                    "give the log's name with --origin",
                )
            })?;
        let origin = Origin::new(origin)?;
        Ok((key, origin))
    }
}

async fn check_origin(log: &impl vouchlog::LogReader, url: &str, origin: &Origin) -> anyhow::Result<()> {
    let head = Head::read(&remote::checkpoint(log, url).await?)?;
    if head.origin == *origin {
        return Ok(());
    }
    Err(Advice::error(
        format!("the log at {url} is {}, but the operator's key is for {origin}", head.origin),
        "check --log and --operator-key; --origin overrides the log name in the key",
    ))
}

fn check_gateway(gateway: &VerifyingKey) -> anyhow::Result<()> {
    if gateway.signature_type() == SignatureType::Ed25519 {
        return Ok(());
    }
    Err(Advice::error(
        format!("{} is a key of type {}, not a gateway's", gateway.name(), gateway.signature_type()),
        "make the gateway's key with `vouchlog keygen --kind gateway`",
    ))
}

fn effective(time: Option<jiff::Timestamp>) -> anyhow::Result<LoggedAt> {
    let millis = time.map_or_else(|| Ok(unix_millis().get()), |time| u64::try_from(time.as_millisecond()));
    let time = millis.ok().and_then(LoggedAt::from_millis);
    time.ok_or_else(|| Advice::error("--effective is before 1970", "give a later time"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revocation_is_effective_when_the_operator_says() {
        let at = |text: &str| effective(Some(text.parse().unwrap()));
        assert_eq!(at("2026-01-01T00:00:00.007Z").unwrap().millis(), 1_767_225_600_007);
        assert!(at("1969-12-31T23:59:59Z").is_err());
        assert!(effective(None).unwrap().millis() > 1_767_225_600_000);
    }
}
