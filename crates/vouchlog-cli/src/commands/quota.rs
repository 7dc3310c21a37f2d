//! `vouchlog quota`: the operator bounds what gateways may log in a day.

use serde_json::json;
use vouchlog::{Appender, LoggedAt, VerifyingKey, unix_millis};
use vouchlog_note::KeyName;
use vouchlog_stream::{DailyLimits, Limit, Quota, QuotaScope};

use super::enrol::OperatorArgs;
use super::remote;
use crate::advice::Advice;
use crate::output::{Outcome, Output};

/// Set how much gateways may log in a day (UTC)
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  vouchlog quota --log http://127.0.0.1:6962 --operator-key log.operator.key \\\n    \
                        --all --statements 1000000 --streams 100\n  \
                        vouchlog quota --log http://127.0.0.1:6962 --operator-key log.operator.key \\\n    \
                        --gateway gateway.example.com --statements unlimited\n\n\
                        A quota is an entry of the log and holds from then on. A day begins at midnight UTC. If a gateway has used up its\n\
                        quota, the log rejects its requests until the time that the error states. The gateway's spool keeps what is not logged.\n\
                        A limit of 0 rejects everything."
)]
pub(crate) struct Args {
    #[command(flatten)]
    operator: OperatorArgs,
    /// For each gateway without a quota of its own
    #[arg(long, required_unless_present = "gateway", conflicts_with = "gateway")]
    all: bool,
    /// For the gateway of this name, or with this public key; the house stream is <origin>/house
    #[arg(long, value_name = "NAME|VKEY", value_parser = gateway)]
    gateway: Option<KeyName>,
    /// Statements a day: a number, `unlimited`, or with --gateway `default` for the quota of --all
    #[arg(long, value_name = "N", value_parser = limit)]
    statements: Option<Limit>,
    /// Bytes of entries a day; a statement has 56
    #[arg(long, value_name = "N", value_parser = limit)]
    bytes: Option<Limit>,
    /// Streams opened a day; a gateway opens one at each start
    #[arg(long, value_name = "N", value_parser = limit)]
    streams: Option<Limit>,
}

impl Args {
    pub(crate) async fn run(self, output: Output) -> anyhow::Result<Outcome> {
        let (scope, omitted) = match &self.gateway {
            Some(name) if !self.all => (QuotaScope::Gateway(name.clone()), Limit::Default),
            _ => (QuotaScope::All, Limit::Unlimited),
        };
        let limits = DailyLimits {
            statements: self.statements.unwrap_or(omitted),
            bytes: self.bytes.unwrap_or(omitted),
            streams: self.streams.unwrap_or(omitted),
        };
        let all = [limits.statements, limits.bytes, limits.streams];
        if scope == QuotaScope::All && all.contains(&Limit::Default) {
            return Err(Advice::error("--all is the default itself", "give a number or `unlimited`"));
        }
        let (operator, log) = self.operator.load()?;
        let url = &self.operator.log.url;
        let remote = remote::connect(url)?;
        remote::check_origin(&remote, url, &log).await?;
        let now = LoggedAt::from_millis(unix_millis().get());
        let issued = now.ok_or_else(|| Advice::error("the clock is past the year 10889", "set the clock"))?;
        let note = Quota { log: log.clone(), scope, issued, limits }.sign(&operator)?;
        let index = remote.set_quota(note).await.map_err(|error| remote::failed(url, &error))?;
        let whose = self.gateway.as_ref().map_or("every gateway without its own", KeyName::as_str);
        let [statements, bytes, streams] = all.map(Limit::to_word);
        let words = format!(
            "set the quota of {whose} at the log {log}, by the entry at index {index}\n  \
             statements a day  {statements}\n  bytes a day       {bytes}\n  streams a day     {streams}"
        );
        let answer = json!({
            "origin": log.as_str(), "gateway": self.gateway.as_ref().map(KeyName::as_str), "index": index.get(),
            "statements": statements, "bytes": bytes, "streams": streams,
        });
        output.answer(&words, &answer)?;
        Ok(Outcome::Fine)
    }
}

fn gateway(text: &str) -> Result<KeyName, String> {
    let name = match text.parse::<VerifyingKey>() {
        Ok(key) => Ok(key.name().clone()),
        Err(_) => KeyName::new(text),
    };
    name.map_err(|error| error.to_string())
}

fn limit(text: &str) -> Result<Limit, String> {
    Limit::from_word(text).ok_or_else(|| "write a whole number, `unlimited` or `default`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::parsed;

    #[test]
    fn a_quota_is_for_all_or_for_one() {
        let parse = |flags: &str| {
            let fixed = ["quota", "--log", "http://127.0.0.1:1", "--operator-key", "k"];
            parsed::<Args>(fixed.into_iter().chain(flags.split_whitespace()))
        };
        let args = parse("--all --statements 1000 --streams unlimited").unwrap();
        assert_eq!((args.statements, args.bytes), (Some(Limit::AtMost(1_000)), None));
        assert_eq!(args.streams, Some(Limit::Unlimited));
        assert!(parse("--gateway gateway.example.com --bytes default").is_ok());
        for wrong in ["", "--all --gateway g", "--all --statements 1e3", "--all --bytes -1", "--gateway"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
