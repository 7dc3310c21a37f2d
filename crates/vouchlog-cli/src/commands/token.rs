//! `vouchlog token`: makes a token, and the entry of the access file that recognises it.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use jiff::Timestamp;
use serde_json::json;
use vouchlog::{random_bytes, unix_millis};
use vouchlog_access::NewToken;
use vouchlog_runtime::durable::{self, Mode};

use super::named;
use crate::output::{Outcome, Output};

/// Make a token for a caller, and its entry for the access file (--access)
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  vouchlog token --out support-app.token\n  vouchlog token --expires 90d --json\n\n\
                        The file gets the token; give it to the caller, which sends it as `authorization: Bearer <token>`.\n\
                        What is printed belongs into the list `tokens` of a principal in the access file. It holds only the\n\
                        token's SHA-256, so the access file is no secret. docs/access.md describes the file."
)]
pub(crate) struct Args {
    /// How long the token is valid [default: until it is removed from the access file]
    #[arg(long, value_name = "PERIOD", value_parser = crate::values::duration)]
    expires: Option<Duration>,
    /// The file for the token, readable by its owner only; never overwritten [default: the token is printed]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Args {
    pub(crate) fn run(self, output: Output) -> anyhow::Result<Outcome> {
        let token = NewToken::from_random(random_bytes());
        let mut entry = json!({ "sha256": token.sha256() });
        if let Some(period) = self.expires {
            let now = unix_millis().plus(period).seconds().get();
            let expires = i64::try_from(now).ok().and_then(|now| Timestamp::from_second(now).ok());
            entry["expires"] =
                json!(expires.context("the token would expire after the last date there is")?.to_string());
        }
        let Some(file) = self.out else {
            let words = format!("token  {}\nentry  {entry}", token.text());
            output.answer(&words, &json!({ "token": token.text(), "entry": entry }))?;
            return Ok(Outcome::Fine);
        };
        durable::create(&file, format!("{}\n", token.text()).as_bytes(), Mode::Private)
            .map_err(|failed| named(&file, failed))?;
        output.answer(&entry.to_string(), &json!({ "file": file, "entry": entry }))?;
        Ok(Outcome::Fine)
    }
}
