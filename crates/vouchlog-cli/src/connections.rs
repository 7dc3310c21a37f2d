//! How the program connects to servers: flags of every command, since almost every command takes a URL.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::Context;
use vouchlog::{ConnectionSecurity, Identity, PlainText, WitnessOptions};
use vouchlog_outbound::Reach;
use vouchlog_runtime::durable;
use zeroize::Zeroizing;

use crate::advice::Advice;

/// The longest file of certificates or of a key: what an operating system's list of authorities has, twice.
const MAX_PEM_BYTES: usize = 1024 * 1024;

/// How the program connects to servers. Read once, at the start.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Connections")]
pub(crate) struct ConnectionArgs {
    /// Trust the certificate authorities in this file too (PEM)
    #[arg(long = "ca", value_name = "FILE", global = true, env = "VOUCHLOG_CA")]
    ca: Option<PathBuf>,
    /// The certificate to present to servers that ask for one (PEM, with its chain)
    #[arg(long, value_name = "FILE", global = true, env = "VOUCHLOG_CLIENT_CERT")]
    client_cert: Option<PathBuf>,
    /// Its private key (PEM)
    #[arg(long, value_name = "FILE", global = true, env = "VOUCHLOG_CLIENT_KEY")]
    client_key: Option<PathBuf>,
    /// Connect to http:// and grpc:// URLs beyond this machine, without TLS: anyone on the way can read and change what is sent
    #[arg(long, global = true, env = "VOUCHLOG_INSECURE_HTTP", value_parser = clap::builder::FalseyValueParser::new())]
    insecure_http: bool,
}

/// How far a URL of others may lead.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct ReachArgs {
    /// Send to private addresses too, such as 10.0.0.1; otherwise only to public ones, and to this machine if the URL names it
    #[arg(long, env = "VOUCHLOG_ALLOW_PRIVATE_ADDRESSES", value_parser = clap::builder::FalseyValueParser::new())]
    allow_private_addresses: bool,
}

impl ReachArgs {
    pub(crate) fn reach(self) -> Reach {
        if self.allow_private_addresses { Reach::Anywhere } else { Reach::Public }
    }
}

static SECURITY: OnceLock<ConnectionSecurity> = OnceLock::new();

impl ConnectionArgs {
    /// Reads the files. Every connection that the process makes from now on follows these rules.
    pub(crate) fn install(&self) -> anyhow::Result<()> {
        let security = self.security()?;
        // It is called once; a second call would change nothing.
        SECURITY.get_or_init(|| security);
        Ok(())
    }

    fn security(&self) -> anyhow::Result<ConnectionSecurity> {
        let identity = match (&self.client_cert, &self.client_key) {
            (Some(chain), Some(key)) => {
                Some(Identity { chain: text(chain)?, key: Zeroizing::new(text(key)?) })
            }
            (None, None) => None,
            _ => {
                return Err(Advice::error(
                    "a client's certificate and its key belong together",
                    "give both --client-cert and --client-key, or neither",
                ));
            }
        };
        let security = ConnectionSecurity {
            authorities: self.ca.as_deref().map(text).transpose()?,
            identity,
            plain_text: if self.insecure_http { PlainText::Anywhere } else { PlainText::LoopbackOnly },
        };
        // Tried before anything is connected to, but only what was given: a client reads every authority of the system.
        if security.authorities.is_some() || security.identity.is_some() {
            let client = security.apply(reqwest::Client::builder()).map_err(anyhow::Error::from);
            let client = client.and_then(|client| Ok(client.build()?));
            client.map(drop).context("--ca, --client-cert or --client-key")?;
        }
        Ok(security)
    }
}

/// How this process connects to servers.
pub(crate) fn security() -> ConnectionSecurity {
    SECURITY.get().cloned().unwrap_or_default()
}

/// The same for witnesses.
pub(crate) fn to_witnesses() -> WitnessOptions {
    WitnessOptions { security: security(), ..WitnessOptions::default() }
}

fn text(file: &Path) -> anyhow::Result<String> {
    let bytes = durable::read(file, MAX_PEM_BYTES);
    let bytes = bytes.map_err(|failed| failed.error).with_context(|| file.display().to_string())?;
    String::from_utf8(bytes).ok().with_context(|| format!("{}: it is not text", file.display()))
}
