//! The demo folder, and the servers that run from it.

use std::path::{Path, PathBuf};

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use vouchlog::{Digest, Server, random_bytes};
use vouchlog_runtime::durable;

use crate::commands::named;

/// A temporary folder, removed when dropped unless it is to be kept.
pub(super) struct DemoFolder {
    dir: PathBuf,
    keep: bool,
}

impl DemoFolder {
    pub(super) fn make(keep: bool) -> anyhow::Result<Self> {
        let random = Digest::from_bytes(random_bytes()).to_string();
        let dir = std::env::temp_dir().join(format!("vouchlog-demo-{}", &random[..8]));
        durable::private_dir(&dir).map_err(|failed| named(&dir, failed))?;
        Ok(Self { dir, keep })
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub(super) fn is_kept(&self) -> bool {
        self.keep
    }

    pub(super) fn make_dir(&self, name: &str) -> anyhow::Result<PathBuf> {
        let dir = self.path(name);
        std::fs::create_dir(&dir).with_context(|| dir.display().to_string())?;
        Ok(dir)
    }
}

impl Drop for DemoFolder {
    fn drop(&mut self) {
        if !self.keep {
            // What is left of it is in the system's folder for such things.
            let _ = std::fs::remove_dir_all(&self.dir);
        }
    }
}

/// A log or a witness that is served.
pub(super) struct Running<T> {
    pub(super) what: T,
    pub(super) url: String,
    shutdown: oneshot::Sender<()>,
    served: JoinHandle<()>,
}

impl<T> Running<T> {
    /// Serves it on a free port of this machine.
    pub(super) async fn start(what: T, server: Server) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("cannot listen on 127.0.0.1")?;
        let url = format!("http://{}", listener.local_addr()?);
        let (shutdown, stopped) = oneshot::channel();
        let stopped = async move {
            // An error means that the demo ended early, which stops the server too.
            let _ = stopped.await;
        };
        let served = tokio::spawn(server.run(listener, stopped));
        Ok(Self { what, url, shutdown, served })
    }

    /// Stops serving it, and hands it back.
    pub(super) async fn stop(self) -> anyhow::Result<T> {
        // An error means that it had stopped before.
        let _ = self.shutdown.send(());
        self.served.await.context("the server panicked")?;
        Ok(self.what)
    }
}
