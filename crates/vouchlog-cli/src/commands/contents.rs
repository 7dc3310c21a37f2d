//! The flag of commands that open a vault whose content is in an object store.

use vouchlog::objects::Objects;
use vouchlog_vault::ObjectMetrics;

use super::objects;

/// Where the long content of a vault's records is.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct ContentArgs {
    /// The object store with the vault's content: s3://bucket/prefix, gs://, az:// or file:///folder; credentials from AWS_*, GOOGLE_* or AZURE_*. Content of more than 4 KiB goes there, encrypted; a vault that began with it always needs it. Not needed at a server of the vault
    #[arg(long, value_name = "URL", env = "VOUCHLOG_VAULT_OBJECTS")]
    objects: Option<String>,
    #[arg(skip)]
    metrics: ObjectMetrics,
}

impl ContentArgs {
    /// The object store, if one is named. Nothing is sent yet.
    pub(super) fn open(&self) -> anyhow::Result<Option<Objects>> {
        self.objects.as_deref().map(objects::open).transpose()
    }

    pub(super) fn metrics(&self) -> &ObjectMetrics {
        &self.metrics
    }
}
