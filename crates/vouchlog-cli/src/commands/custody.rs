//! What the commands around a vault share: which vault, as whom, and the way to the log that everything goes on record in.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use vouchlog::custody::{Custodian, CustodyConfig, CustodyError};
use vouchlog::keys::KeySource;
use vouchlog::{SigningKey, VerifyingKey};
use vouchlog_client::{Options, Patience};
use vouchlog_desk::LogAddress;
use vouchlog_vault::limits::SILENCE;
use vouchlog_vault::{
    Access, KeyError, ObjectMetrics, RecordingError, Token, Vault, VaultError, VaultKeySource,
};

use zeroize::Zeroizing;

use super::contents::ContentArgs;
use super::reserve::ReserveArgs;
use super::{make_folder, read_file, spooling};
use crate::advice::Advice;
use crate::connections;
use crate::output;

/// More than any token has.
const MAX_TOKEN_BYTES: usize = 16 * 1_024;
/// The longest pause between attempts to reach the log: a person waits.
const MAX_BACKOFF: Duration = Duration::from_secs(2);

/// The vault, and the caller's token.
#[derive(Clone, clap::Args)]
pub(super) struct VaultArgs {
    /// The vault: a directory, the URL of a PostgreSQL database, or the URL of `vouchlog vault serve`, such as https://vault.example.com
    #[arg(long, value_name = "DIR|URL", env = "VOUCHLOG_VAULT")]
    pub(super) vault: String,
    /// The vault's key: file:PATH, env:NAME, credential:NAME, command:COMMAND, or the key that wraps it: pkcs11:URI, aws-kms:KEY or gcp-kms:NAME, and perhaps the FILE it is in (see `vouchlog vault --help`) [default: file:<vault>/vault.key]
    #[arg(long, value_name = "SOURCE", env = "VOUCHLOG_VAULT_KEY")]
    pub(super) vault_key: Option<VaultKeySource>,
    #[command(flatten)]
    objects: ContentArgs,
    /// A file with the token of one of the vault's principals, or at `vouchlog vault serve` of an identity provider; not needed if the vault has no principals
    #[arg(long, value_name = "FILE", env = "VOUCHLOG_VAULT_TOKEN")]
    vault_token: Option<PathBuf>,
    /// The tenant, if the vault keeps records of several
    #[arg(long, value_name = "NAME", default_value = "default", env = "VOUCHLOG_TENANT")]
    pub(super) tenant: String,
}

impl VaultArgs {
    /// A vault that was not named on the command line as others are.
    pub(super) fn new(
        vault: String,
        vault_key: Option<VaultKeySource>,
        vault_token: Option<PathBuf>,
        tenant: String,
    ) -> Self {
        Self { vault, vault_key, objects: ContentArgs::default(), vault_token, tenant }
    }

    /// The same with the place of its content.
    pub(super) fn objects(self, objects: ContentArgs) -> Self {
        Self { objects, ..self }
    }

    /// What is counted of the place of its content.
    pub(super) fn object_metrics(&self) -> &ObjectMetrics {
        self.objects.metrics()
    }

    /// Whether a daemon has it open.
    pub(super) fn is_served(&self) -> bool {
        self.vault.starts_with("http://") || self.vault.starts_with("https://")
    }

    /// The caller's token.
    pub(super) fn token(&self) -> anyhow::Result<Option<Zeroizing<String>>> {
        let Some(file) = &self.vault_token else { return Ok(None) };
        let token = Zeroizing::new(read_file(file, MAX_TOKEN_BYTES)?);
        let token = std::str::from_utf8(&token).context("the token is not text")?;
        Ok(Some(Zeroizing::new(token.trim().to_owned())))
    }

    /// Opens a vault that is there.
    pub(super) async fn open(&self) -> anyhow::Result<(Vault, Access)> {
        let key = self.key()?.load().map_err(|error| advise_vault(error.into()))?;
        let vault = Vault::open(&self.vault, key).await.map_err(advise_vault)?;
        self.enter(vault).await
    }

    /// Opens a vault that is there, also one with damaged records, to find out what it lost.
    pub(super) async fn open_damaged(&self) -> anyhow::Result<(Vault, Access)> {
        let key = self.key()?.load().map_err(|error| advise_vault(error.into()))?;
        let vault = Vault::open_damaged(&self.vault, key).await.map_err(advise_vault)?;
        self.enter(vault).await
    }

    /// Opens a vault, made if it is not there.
    pub(super) async fn open_or_create(&self) -> anyhow::Result<(Vault, Access)> {
        let key = self.key()?;
        Vault::check_location(&self.vault).map_err(advise_vault)?;
        if let Some(dir) = self.directory() {
            make_folder(dir)?;
        }
        // An existing vault has a key: if it is lost, that is an error, and no other is made.
        let is_there = Vault::exists(&self.vault).await.map_err(advise_vault)?;
        let key = if is_there { key.load().map_err(VaultError::from) } else { key.load_or_create() };
        let key = key.map_err(advise_vault)?;
        let vault = Vault::open_or_create(&self.vault, key).await.map_err(advise_vault)?;
        self.enter(vault).await
    }

    async fn enter(&self, vault: Vault) -> anyhow::Result<(Vault, Access)> {
        if let Some(objects) = self.objects.open()? {
            let metrics = self.objects.metrics().clone();
            objects.keep_content_of(&vault, metrics).await.map_err(advise_vault)?;
            if let Some(trouble) = vault.objects_trouble() {
                output::warn(&format!("{trouble}. What needs no content in it works"));
            }
        }
        let access = match self.token()? {
            None => vault.owner().await,
            Some(token) => vault.authenticate(&Token::parse(&token).map_err(advise_vault)?).await,
        };
        Ok((vault, access.map_err(advise_vault)?))
    }

    /// Where it is, for people: of a URL without the part that may hold a password.
    pub(super) fn place(&self) -> String {
        let Some((scheme, rest)) = self.vault.split_once("://") else { return self.vault.clone() };
        let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
        format!("{scheme}://{}", host.split(['?', '#']).next().unwrap_or_default())
    }

    /// The directory, of a vault in one.
    pub(super) fn directory(&self) -> Option<&Path> {
        (!self.vault.contains("://")).then(|| Path::new(&self.vault))
    }

    fn key(&self) -> anyhow::Result<VaultKeySource> {
        if self.is_served() {
            return Err(Advice::error(
                format!("this command needs the vault itself, and {} is a server of one", self.vault),
                "run it where the vault and its key are, with --vault DIR",
            ));
        }
        match (&self.vault_key, self.directory()) {
            (Some(key), Some(dir)) => Ok(key.clone().beside(dir)),
            (Some(key), None) => Ok(key.clone()),
            (None, Some(dir)) => Ok(VaultKeySource::File(dir.join("vault.key"))),
            (None, None) => Err(Advice::error(
                "a vault in a database does not keep its key beside it",
                "give it with --vault-key file:PATH, env:NAME, credential:NAME or command:COMMAND, or wrapped, as in 'aws-kms:KEY FILE'",
            )),
        }
    }
}

/// The log, which records every reading, disclosure and erasure of evidence.
#[derive(Clone, clap::Args)]
pub(super) struct CustodyArgs {
    /// URL of the log, such as http://127.0.0.1:6962
    #[arg(long = "log", value_name = "URL", env = "VOUCHLOG_URL")]
    pub(super) url: Option<String>,
    /// The log's public key
    #[arg(long, value_name = "VKEY", env = "VOUCHLOG_LOG_VKEY")]
    pub(super) log_vkey: Option<VerifyingKey>,
    /// The key of the gateway whose streams take the records: a key file, or another place and the vkey (see `vouchlog keygen --help`)
    #[arg(long, value_name = "KEY", env = "VOUCHLOG_GATEWAY_KEY")]
    gateway_key: Option<KeySource>,
    /// Directory of the gateway's spool; each process needs its own [default: <vault>/custodian]
    #[arg(long, value_name = "DIR", env = "VOUCHLOG_STATE")]
    state: Option<PathBuf>,
    /// How long to retry if the log cannot be reached; records stay in the vault and are sent next time
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = crate::values::duration)]
    pub(super) wait: Duration,
    #[command(flatten)]
    reserve: ReserveArgs,
}

impl CustodyArgs {
    /// The same for a daemon beside a vault, whose commands have a spool of their own.
    pub(super) fn served(&self, of: &VaultArgs) -> Self {
        let state = self.state.clone().or_else(|| of.directory().map(|dir| dir.join("server")));
        Self { state, ..self.clone() }
    }

    /// The log, if it was named.
    pub(super) fn log_address(&self) -> Option<LogAddress> {
        let (url, key) = self.url.clone().zip(self.log_vkey.clone())?;
        Some(LogAddress { url, key, security: connections::security() })
    }

    /// Opens the way to the log, and takes up what an earlier run left.
    pub(super) async fn open(
        &self,
        of: &VaultArgs,
        vault: Vault,
        access: Access,
    ) -> anyhow::Result<Custodian> {
        let (Some(url), Some(log), Some(key)) = (&self.url, &self.log_vkey, &self.gateway_key) else {
            return Err(Advice::error(
                "this command writes an entry to the log, and no log was given",
                "give --log URL, --log-vkey VKEY and --gateway-key FILE",
            ));
        };
        let gateway = key.open()?;
        let state = self.state(of, &gateway)?;
        let patience = Patience { max_backoff: MAX_BACKOFF, ..Patience::default() };
        let config = CustodyConfig {
            url: url.clone(),
            security: connections::security(),
            log: log.clone(),
            gateway,
            state,
            tenant: of.tenant.clone(),
            options: Options { patience, min_free: self.reserve.min_free, ..Options::default() },
        };
        vault.keep_free(self.reserve.min_free);
        Custodian::open(vault, access, config).await.map_err(advise)
    }

    /// Sends what other gateways of the same name left in the vault and did not send, and says what is still not in the log.
    pub(super) async fn take_over(&self, custodian: &Custodian) -> anyhow::Result<()> {
        let taking = async {
            let recorder = custodian.recorder();
            let backlog = recorder.kept_not_logged().await?;
            if backlog.records == 0 {
                return Ok(backlog);
            }
            let silence = SILENCE.as_secs();
            output::note(&format!(
                "{}, signed by other gateways; they are sent if those gateways are silent for {silence} s",
                backlog.describe(now_millis())
            ));
            recorder.take_over(SILENCE).await?;
            recorder.flush().await?;
            Ok(recorder.kept_not_logged().await?)
        };
        let left = self.patiently(custodian, taking).await?;
        if left.records > 0 {
            let left = left.describe(now_millis());
            output::warn(&format!("{left}: the gateways that signed them must send them"));
        }
        Ok(())
    }

    fn state(&self, of: &VaultArgs, gateway: &SigningKey) -> anyhow::Result<PathBuf> {
        match (&self.state, of.directory()) {
            (Some(state), _) => Ok(state.clone()),
            (None, Some(dir)) => Ok(dir.join("custodian")),
            (None, None) => spooling::default_state(gateway.verifying_key()),
        }
    }

    /// Does work that needs the log; gives up, and says what waits, when the log has been out of reach for too long.
    pub(super) async fn patiently<T>(
        &self,
        custodian: &Custodian,
        work: impl Future<Output = Result<T, CustodyError>>,
    ) -> anyhow::Result<T> {
        tokio::select! {
            done = work => done.map_err(advise),
            failed = spooling::lose_patience(custodian.gateway(), self.wait, AGAIN) => Err(failed),
        }
    }

    /// Waits until the log has everything that was recorded.
    pub(super) async fn settle(&self, custodian: &Custodian) -> anyhow::Result<()> {
        let settled = async {
            custodian.recorder().resume().await?;
            custodian.recorder().flush().await?;
            Ok(())
        };
        self.patiently(custodian, settled).await?;
        if let Err(error) = custodian.keep_stream_proofs().await {
            // Only presentations need them, and those fetch what is missing.
            output::note(&format!("note: the stream's proofs will be fetched when needed ({error})"));
        }
        Ok(())
    }
}

pub(super) const AGAIN: &str = "nothing is lost: `vouchlog record --flush` with the same --vault and --gateway-key sends pending records";

/// What to do about a custodian's error.
pub(super) fn advise(error: CustodyError) -> anyhow::Error {
    match error {
        CustodyError::Gateway(error) => spooling::advise(&error),
        CustodyError::Vault(error) | CustodyError::Recording(RecordingError::Vault(error)) => {
            advise_vault(error)
        }
        CustodyError::Recording(RecordingError::NotSubmitted(error)) => {
            Advice::error(format!("kept in the vault, but not sent to the log: {error}"), AGAIN)
        }
        error => anyhow::Error::new(error),
    }
}

/// What to do about a vault's refusal.
pub(super) fn advise_vault(error: VaultError) -> anyhow::Error {
    let hint = match &error {
        VaultError::Forbidden { .. } => {
            "ask an administrator of the vault for the role, or use another --vault-token"
        }
        VaultError::Key(KeyError::NotUnwrapped { .. }) => {
            "no other key was made. Check the token and its PIN, or the key of the key service and the right to decrypt with it. Only the key that wrapped the vault's key can unwrap it"
        }
        VaultError::LostContent(_) => {
            "restore the object from a backup of the object store. Everything else of the record can be read"
        }
        VaultError::ForeignObjects(_) => {
            "give --objects the URL that the vault began with, or its copy; `vouchlog vault check` reads every object"
        }
        VaultError::Objects(_) => {
            "nothing is lost: the same command can be repeated. Check the URL of --objects, the network and the credentials in the environment; `vouchlog doctor` with --objects checks the object store"
        }
        VaultError::Damaged(_) => {
            "nothing was changed. Keep a copy of the vault's folder, then restore vault.db, vault.db-wal and vault.db.mark from one backup. To continue with an older vault.db, delete vault.db.mark"
        }
        _ => return anyhow::Error::new(error),
    };
    Advice::error(error.to_string(), hint)
}

/// The time as vaults have it.
pub(super) fn now_millis() -> i64 {
    vouchlog::unix_millis().signed()
}
