//! `vouchlog vault serve`: a daemon that alone has the vault's key.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use prometheus_client::registry::Registry;
use serde_json::json;
use vouchlog_console::ConsoleConfig;
use vouchlog_desk::LocalDesk;
use vouchlog_desk::serve::Service;
use vouchlog_vault::{Access, Operation, Vault};

use crate::advice::Advice;
use crate::commands;
use crate::commands::access::AccessArgs;
use crate::commands::custody::{self, CustodyArgs, VaultArgs};
use crate::commands::exposure::{TlsArgs, Transport, listen};
use crate::commands::running::{EndArgs, Hangup, reload_on};
use crate::commands::strangers::{AdminPort, StrangersArgs};
use crate::output::{Outcome, Output};
use crate::telemetry::{self, TelemetryArgs};

/// Serve the vault to other machines: the one process that has its key
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  vouchlog vault --vault vault --vault-token service.token serve --log http://127.0.0.1:6962 \\\n    \
                        --log-vkey \"$LOG_VKEY\" --gateway-key gateway.key\n  \
                        vouchlog find --vault http://127.0.0.1:6964 --vault-token ann.token --by verdict=deny\n\n\
                        --vault-token is the server's own principal: it needs the roles submit, read-metadata and erase, for all tenants. Callers\n\
                        send a token of the vault (`vouchlog vault grant`). With --access they may also be recognised by a token of an identity\n\
                        provider or a client certificate: the vault's principal of the same name then decides what they may do.\n\
                        /openapi.json describes the HTTP interface; the same address serves the gRPC service vouchlog.vault.v1.Vault with the same\n\
                        operations. /console is for people: open it in a browser and sign in with a token or, with\n\
                        --access, at an identity provider or with a client certificate."
)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    custody: CustodyArgs,
    /// The witnesses whose cosignatures count in the console (C2SP tlog-policy)
    #[arg(long, value_name = "FILE", env = "VOUCHLOG_POLICY")]
    policy: Option<PathBuf>,
    /// Listening address; port 0 picks a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:6964", env = "VOUCHLOG_VAULT_LISTEN")]
    listen: String,
    #[command(flatten)]
    access: AccessArgs,
    #[command(flatten)]
    pub(in crate::commands) end: EndArgs,
    #[command(flatten)]
    strangers: StrangersArgs,
    #[command(flatten)]
    tls: TlsArgs,
    #[command(flatten)]
    pub(in crate::commands) telemetry: TelemetryArgs,
}

impl ServeArgs {
    /// Runs until `shutdown` completes, or writing has stopped for good.
    pub(super) async fn run_until(
        self,
        vault: VaultArgs,
        shutdown: impl Future<Output = ()> + Send,
        output: Output,
    ) -> anyhow::Result<Outcome> {
        let hangup = Hangup::new()?;
        let config = self.strangers.config(&self.end.drain);
        let transport = self.tls.transport();
        let (listener, address) = listen(&self.listen, transport).await?;
        let tls = self.tls.open()?;
        let access = self.access.open(&[address], None)?;
        let admin = self.strangers.admin_port(transport).await?;
        let (service, own) = self.service(&vault, access.access.clone()).await?;
        let pages = self.console(Arc::clone(&service), transport)?;
        let mut registry = Registry::default();
        vault.object_metrics().register(&mut registry);
        let server =
            service.server(config, pages).registry(registry).hosts(self.access.hosts()).tls(tls.clone());
        self.announce(output, &vault, &transport.url(address), (access.access.is_on(), &admin));
        let watching = access.watch();
        let reloading = reload_on(hangup, tls, move || {
            let reloaded = access.reload()?;
            Ok(reloaded.map_or_else(
                || "nothing was reloaded: --access was not given".to_owned(),
                |file| format!("{file} reloaded"),
            ))
        });
        let resuming = tokio::spawn(resume(Arc::clone(&service), own));
        let poisoned = service.desk().gateway().map(vouchlog::gateway::Gateway::poisoned);
        let (ending, end) = self.end.watch(shutdown, async move {
            match poisoned {
                Some(poisoned) => poisoned.await,
                None => std::future::pending().await,
            }
        });
        admin.of(server.share_metrics(telemetry::share)).run(listener, ending).await;
        for task in [watching, reloading, resuming] {
            task.abort();
            let _ = task.await;
        }
        service.close().await;
        output.farewell("The vault's server stopped; everything it recorded is on disk.");
        Ok(end.outcome())
    }

    /// The pages for browsers.
    fn console(&self, service: Arc<Service>, transport: Transport) -> anyhow::Result<Router> {
        let log = self.custody.log_vkey.clone().context("--log-vkey")?;
        let policy = self.policy.as_deref().map(commands::policy).transpose()?;
        let config = ConsoleConfig { is_tls: transport == Transport::Tls, log, policy };
        Ok(vouchlog_console::router(service, config))
    }

    fn announce(&self, output: Output, vault: &VaultArgs, url: &str, (is_on, admin): (bool, &AdminPort)) {
        let callers = if is_on { "tokens of the vault, and --access" } else { "tokens of the vault" };
        let place = vault.place();
        let words = format!(
            "The vault {place} is served at {url}\n  \
               authentication {callers}\n  \
               console        {url}/console\n\
             {}Give --vault {url} and a token to each caller. Stop with Ctrl-C.",
            admin.line()
        );
        let log_vkey = self.custody.log_vkey.as_ref().map(ToString::to_string);
        let answer = json!({ "url": url, "admin_url": admin.url(), "vault": place, "log_vkey": log_vkey });
        output.announce(&words, &answer);
    }

    /// Opens the vault and the way to its log.
    async fn service(
        &self,
        vault: &VaultArgs,
        callers: vouchlog_access::Access,
    ) -> anyhow::Result<(Arc<Service>, Access)> {
        let (opened, own) = vault.open().await?;
        check_principals(&opened, &own).await?;
        let log = self.custody.log_address();
        let custodian = self.custody.served(vault).open(vault, opened.clone(), own.clone()).await?;
        let log = log.ok_or_else(|| anyhow::anyhow!("--log and --log-vkey"))?;
        Ok((Service::new(LocalDesk::serving(opened, log, custodian), callers), own))
    }
}

/// A vault without principals would be everyone's; and the server's own needs what recording takes.
async fn check_principals(vault: &Vault, own: &Access) -> anyhow::Result<()> {
    if !vault.has_principals().await.map_err(custody::advise_vault)? {
        return Err(Advice::error(
            "the vault has no principals, so it cannot tell its callers apart",
            "name an administrator with `vouchlog vault grant root --roles admin --all-tenants`, and the server's own principal with \
             `--roles submit,read-metadata,erase --all-tenants`; give the token of that one with --vault-token",
        ));
    }
    for operation in [Operation::Submit, Operation::Read, Operation::Erase] {
        own.allow(operation).map_err(custody::advise_vault)?;
    }
    anyhow::ensure!(
        own.tenant().is_none(),
        Advice::new(
            "the server's own principal has access to one tenant, and the vault is served to all",
            "grant it the roles submit,read-metadata,erase with --all-tenants",
        )
    );
    Ok(())
}

/// Finishes what an earlier process left undone, and renews receipts as witnesses cosign.
async fn resume(service: Arc<Service>, own: Access) {
    if let Err(error) = service.desk().resume_all(&own).await {
        tracing::error!(%error, "what an earlier process left undone is not finished: the next request of the tenant tries again");
    }
    if let Some(renewer) = service.desk().own_renewer() {
        // Its task closes the vault when it ends.
        drop(service);
        renewer.run().await;
    }
}
