//! The flags of `vouchlog serve` about an object store.

use std::time::Duration;

use vouchlog::objects::Objects;

use crate::advice::Advice;
use crate::connections;

/// What an object store is named by.
const FORMS: &str = "--objects is s3://bucket/prefix, gs://bucket/prefix, az://container/prefix or file:///folder; credentials are taken from the environment";

/// Where the sealed part of a log is.
#[derive(clap::Args)]
pub(super) struct ObjectsArgs {
    /// Keep the sealed part in this object store, from which anyone can read and audit the log: s3://bucket/prefix, gs://, az:// or file:///folder; credentials from AWS_*, GOOGLE_* or AZURE_*. Only for a log that began with it
    #[arg(long, value_name = "URL", env = "VOUCHLOG_OBJECTS")]
    objects: Option<String>,
    /// How often a checkpoint is published in the object store, with its partial tiles
    #[arg(long, value_name = "DURATION", default_value = "10s", requires = "objects",
          value_parser = crate::values::duration, env = "VOUCHLOG_OBJECTS_INTERVAL")]
    objects_interval: Duration,
}

impl ObjectsArgs {
    pub(super) fn open(&self) -> anyhow::Result<Option<Objects>> {
        let opened = self.objects.as_deref().map(open).transpose()?;
        Ok(opened.map(|objects| objects.publish_every(self.objects_interval)))
    }

    pub(super) fn url(&self) -> Option<&str> {
        self.objects.as_deref()
    }

    /// A line of the server's first words.
    pub(super) fn line(&self) -> String {
        self.objects.as_ref().map_or_else(String::new, |url| format!("  sealed part    {url}\n"))
    }
}

/// The object store at this URL. Nothing is sent yet.
pub(super) fn open(url: &str) -> anyhow::Result<Objects> {
    Objects::open(url, &connections::security()).map_err(|error| refused(&error.to_string()))
}

/// An object store that cannot be used.
pub(super) fn refused(reason: &str) -> anyhow::Error {
    Advice::error(format!("the object store cannot be used: {reason}"), FORMS)
}
