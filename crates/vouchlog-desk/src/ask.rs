//! One ask for each thing that is done with a vault, and the desk that takes them.

use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;
use vouchlog_vault::{Access, Operation};

use crate::error::DeskError;
use crate::local::LocalDesk;
use crate::remote::RemoteDesk;

/// Something that is asked of a vault.
pub trait Ask: Serialize + DeserializeOwned + ToSchema + Send + 'static {
    /// What comes back.
    type Answer: Serialize + DeserializeOwned + ToSchema + Send + 'static;

    /// Its name, which is the end of its path at a daemon.
    const NAME: &'static str;
    /// What it does, in a sentence for the description of the interface.
    const SUMMARY: &'static str;

    /// What of the vault's table decides whether the caller may.
    fn operation(&self) -> Operation;

    /// The tenant that it names; none is every tenant that the caller has access to.
    fn tenant(&self) -> Option<&str>;

    /// Carries it out. `access` is narrowed to the operation and the tenant.
    fn answer(
        self,
        desk: &LocalDesk,
        access: &Access,
    ) -> impl Future<Output = Result<Self::Answer, DeskError>> + Send;
}

/// Carries something out for a caller, if the vault's table lets it.
pub(crate) async fn carry_out<A: Ask>(
    desk: &LocalDesk,
    access: &Access,
    ask: A,
) -> Result<A::Answer, DeskError> {
    let access = access.narrowed(ask.operation(), ask.tenant())?;
    ask.answer(desk, &access).await
}

/// Where asks are taken.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one in a process, or one in a request")]
pub enum Desk {
    /// In this process, which has the vault open.
    Here {
        /// The vault.
        desk: LocalDesk,
        /// Who asks.
        access: Access,
    },
    /// At a daemon.
    There(RemoteDesk),
}

impl Desk {
    /// Has something done.
    pub async fn ask<A: Ask>(&self, ask: A) -> Result<A::Answer, DeskError> {
        match self {
            Self::Here { desk, access } => carry_out(desk, access, ask).await,
            Self::There(daemon) => daemon.post(A::NAME, &ask).await,
        }
    }

    /// Closes the vault and the connection to its log.
    pub async fn close(self) {
        if let Self::Here { desk, .. } = self {
            desk.close().await;
        }
    }
}
