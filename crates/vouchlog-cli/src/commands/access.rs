//! Who may call a server: the flags that all servers share, and the files behind them, which are read again when they change.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::Context;
use jiff::Timestamp;
use tokio::task::JoinHandle;
use tracing::Instrument;
use vouchlog::unix_millis;
use vouchlog_access::limits::MAX_FILE_BYTES;
use vouchlog_access::{Access, AccessFile, BearerToken, Reach, Setup};

use super::read_file;
use crate::advice::Advice;
use crate::{connections, output};

/// How often the files are looked at. A token that is taken out of the file is worth nothing after this.
const LOOK: Duration = Duration::from_secs(5);

/// More than any token has.
const MAX_TOKEN_BYTES: usize = 4_096;

/// Who may call.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct AccessArgs {
    /// The access file: who may call, and what each caller may do (see `vouchlog token`). Reloaded on SIGHUP, and within 5 s of a change [default: callers are not authenticated]
    #[arg(long = "access", value_name = "FILE", env = "VOUCHLOG_ACCESS")]
    file: Option<PathBuf>,
    /// A host name by which web pages may write to this server, besides addresses and localhost; may be repeated
    #[arg(long = "host", value_name = "NAME", env = "VOUCHLOG_HOSTS", value_delimiter = ' ')]
    hosts: Vec<String>,
}

/// The layer, and the files it was made of.
#[derive(Clone)]
pub(super) struct OpenAccess {
    pub(super) access: Access,
    files: Files,
}

#[derive(Clone, Debug)]
struct Files {
    access: Option<PathBuf>,
    bearer: Option<PathBuf>,
    reach: Reach,
}

impl AccessArgs {
    /// Reads the files for a server that listens at these addresses. `bearer` is the file of a bearer token.
    pub(super) fn open(&self, addresses: &[SocketAddr], bearer: Option<&Path>) -> anyhow::Result<OpenAccess> {
        let is_loopback = addresses.iter().all(|address| address.ip().to_canonical().is_loopback());
        let reach = if is_loopback { Reach::Loopback } else { Reach::Network };
        let files = Files { access: self.file.clone(), bearer: bearer.map(Path::to_owned), reach };
        let access = Access::new(&files.read()?, now)?;
        Ok(OpenAccess { access, files })
    }

    pub(super) fn hosts(&self) -> Vec<String> {
        self.hosts.clone()
    }
}

impl OpenAccess {
    /// Warns of a server that others reach and that authenticates nobody. `open` is what everyone may do there.
    pub(super) fn warn(&self, open: &str) {
        if self.files.reach == Reach::Network && !self.access.is_on() {
            output::warn(&format!(
                "callers are not authenticated, and other machines can reach this server: {open}. Give --access FILE, or listen on 127.0.0.1"
            ));
        }
    }

    /// As it is announced at start.
    pub(super) fn words(&self) -> &'static str {
        if self.access.is_on() { "on" } else { "off: callers are not authenticated (--access)" }
    }

    /// Reads the files again. Returns what was reloaded, if there is anything to reload.
    pub(super) fn reload(&self) -> anyhow::Result<Option<&'static str>> {
        let Files { access, bearer, .. } = &self.files;
        let reloaded = match (access, bearer) {
            (None, None) => return Ok(None),
            (Some(_), None) => "the access file",
            (None, Some(_)) => "the bearer token",
            (Some(_), Some(_)) => "the access file and the bearer token",
        };
        self.access.replace(&self.files.read()?)?;
        Ok(Some(reloaded))
    }

    /// Reads the files again whenever one of them changes.
    pub(super) fn watch(&self) -> JoinHandle<()> {
        let watched = self.clone();
        let watching = async move {
            if watched.files.access.is_none() && watched.files.bearer.is_none() {
                return;
            }
            let mut known = watched.files.changed();
            loop {
                tokio::time::sleep(LOOK).await;
                let changed = watched.files.changed();
                if changed == known {
                    continue;
                }
                known = changed;
                match watched.reload() {
                    Ok(Some(reloaded)) => tracing::info!("{reloaded} changed and was reloaded"),
                    Ok(None) => {}
                    Err(error) => {
                        tracing::error!("a file changed, and the old one stays in force: {error:#}");
                    }
                }
            }
        };
        tokio::spawn(watching.in_current_span())
    }
}

impl Files {
    fn read(&self) -> anyhow::Result<Setup> {
        let file = self.access.as_deref().map(access_file).transpose()?;
        let bearer = self.bearer.as_deref().map(bearer_token).transpose()?;
        Ok(Setup { file, bearer, reach: self.reach, security: connections::security() })
    }

    /// When each file last changed, and its length.
    fn changed(&self) -> [Option<(SystemTime, u64)>; 2] {
        let of = |file: &Option<PathBuf>| {
            let data = std::fs::metadata(file.as_ref()?).ok()?;
            Some((data.modified().ok()?, data.len()))
        };
        [of(&self.access), of(&self.bearer)]
    }
}

fn access_file(file: &Path) -> anyhow::Result<AccessFile> {
    let read = AccessFile::parse(&read_file(file, MAX_FILE_BYTES)?);
    read.with_context(|| {
        Advice::new(format!("{} is not an access file", file.display()), "docs/access.md describes it")
    })
}

/// The bearer token of a file, which no error shows.
fn bearer_token(file: &Path) -> anyhow::Result<BearerToken> {
    let text = String::from_utf8(read_file(file, MAX_TOKEN_BYTES)?).ok();
    let token = text.as_deref().map(BearerToken::new);
    token
        .with_context(|| format!("{}: the token is not text", file.display()))?
        .with_context(|| file.display().to_string())
}

fn now() -> Timestamp {
    Timestamp::from_millisecond(unix_millis().signed()).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_again_and_a_bad_one_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("access.json");
        std::fs::write(&file, r#"{"principals":[]}"#).unwrap();
        let args = AccessArgs { file: Some(file.clone()), hosts: Vec::new() };
        let open = args.open(&["127.0.0.1:0".parse().unwrap()], None).unwrap();
        assert!(open.access.is_on());
        let before = open.files.changed();
        std::fs::write(&file, r#"{"principals":[],"oops":1}"#).unwrap();
        assert_ne!(open.files.changed(), before);
        let error = format!("{:#}", open.reload().unwrap_err());
        assert!(error.contains("oops") && open.access.is_on(), "{error}");
        let off = AccessArgs::default().open(&["0.0.0.0:0".parse().unwrap()], None).unwrap();
        assert!(!off.access.is_on() && off.files.reach == Reach::Network);
        assert_eq!(off.reload().unwrap(), None);
    }

    #[test]
    fn no_error_shows_a_token() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "secret one").unwrap();
        let error = format!("{:#}", bearer_token(&file).unwrap_err());
        assert!(error.contains("visible ASCII") && !error.contains("secret"), "{error}");
    }
}
