//! What the flags of a log come to before its store is opened: first the files that they name, then the ports.

use std::net::SocketAddr;

use tokio::net::TcpListener;
use vouchlog::objects::Objects;
use vouchlog::postgres::Postgres;
use vouchlog::tls::Tls;
use vouchlog_server::ServerConfig;

use super::Args;
use super::member::Member;
use crate::commands::access::OpenAccess;
use crate::commands::exposure::{Transport, duplicate, listen};
use crate::commands::policy_text;
use crate::commands::strangers::AdminPort;

/// What was read, while nothing is listened on yet.
pub(super) struct Files {
    objects: Option<Objects>,
    tls: Option<Tls>,
    place: Option<Postgres>,
    policy: Option<String>,
    config: ServerConfig,
    transport: Transport,
}

/// Everything that the flags of a log come to, but its keys.
pub(super) struct Settings {
    pub(super) objects: Option<Objects>,
    pub(super) tls: Option<Tls>,
    pub(super) place: Option<Postgres>,
    /// The policy as it was at the start.
    pub(super) policy: Option<String>,
    pub(super) config: ServerConfig,
    pub(super) transport: Transport,
    pub(super) access: OpenAccess,
    /// Where other nodes of the log reach this one.
    pub(super) advertised: String,
}

/// Where a log is served.
pub(super) struct Ports {
    pub(super) listener: TcpListener,
    pub(super) address: SocketAddr,
    pub(super) admin: AdminPort,
}

impl Ports {
    /// The same ports once more.
    pub(super) fn duplicate(&self) -> anyhow::Result<Self> {
        let (listener, admin) = (duplicate(&self.listener)?, self.admin.duplicate()?);
        Ok(Self { listener, address: self.address, admin })
    }
}

impl Settings {
    /// Reads the files that the flags name. Raises the limit of open files.
    pub(super) fn read(args: &Args) -> anyhow::Result<Files> {
        Ok(Files {
            objects: args.objects.open()?,
            config: args.strangers.config(&args.end.drain),
            tls: args.tls.open()?,
            place: args.store.open()?,
            policy: args.policy.as_deref().map(policy_text).transpose()?,
            transport: args.tls.transport(),
        })
    }
}

impl Files {
    /// Takes the ports.
    pub(super) async fn bind(self, args: &Args, member: &Member) -> anyhow::Result<(Settings, Ports)> {
        let Self { objects, tls, place, policy, mut config, transport } = self;
        member.share(&mut config);
        let (listener, address) = listen(&args.listen, transport).await?;
        let access = args.access.open(&[address], None)?;
        args.house.check(access.access.is_on())?;
        access.warn(if args.house.is_on(address) {
            "anyone may append to the house stream"
        } else {
            "anyone may read the log"
        });
        let admin = args.strangers.admin_port(transport).await?;
        let advertised = args.store.advertised(transport, address)?;
        let place = place.map(|place| args.store.at(place, &advertised));
        let settings = Settings { objects, tls, place, policy, config, transport, access, advertised };
        Ok((settings, Ports { listener, address, admin }))
    }
}
