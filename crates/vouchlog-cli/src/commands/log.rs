//! `vouchlog log`: the end of a log, and the log that continues it.

use clap::Subcommand;

use crate::output::{Outcome, Output};

mod announce;
mod retire;
mod successor;

/// Retire a log and name the log that continues it; tell witnesses; prove to a verifier which vkey is next
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  vouchlog log retire --log http://127.0.0.1:6962 --key log/log.key \\\n    \
                        --successor-key next/log.key --reason planned --out end.tlog-proof\n  \
                        vouchlog log announce end.tlog-proof --policy policy.txt\n  \
                        vouchlog log successor end.tlog-proof --log-vkey \"$LOG_VKEY\" --policy policy.txt\n\n\
                        A log's key cannot be exchanged, because verifiers pin it together with the log's origin. A log is retired instead, and a\n\
                        new log continues it: `vouchlog serve --continues`. docs/keys.md describes the steps."
)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    Retire(Box<retire::Args>),
    Announce(announce::Args),
    Successor(successor::Args),
}

impl Args {
    pub(crate) async fn run(self, output: Output) -> anyhow::Result<Outcome> {
        match self.what {
            What::Retire(args) => args.run(output).await,
            What::Announce(args) => args.run(output).await,
            What::Successor(args) => args.run(output),
        }
    }
}
