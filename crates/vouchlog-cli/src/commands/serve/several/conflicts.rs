//! What no two logs of a process may have in common: a name, a key, a directory, an address, objects.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};

use vouchlog::keys::KeySource;
use vouchlog::{VerifyingKey, connect_witnesses, keys};
use vouchlog_storage_sled::SledStore;

use super::file::{LogTable, Problem};
use crate::commands::policy;
use crate::commands::serve::Args;
use crate::connections;

/// What a log has to itself.
pub(super) struct Claims {
    name: String,
    line: usize,
    /// Its directory, without links as far as it is there.
    data: PathBuf,
    /// Its origin; none if it is a new log without a name.
    origin: Option<String>,
    key: Option<VerifyingKey>,
    objects: Option<String>,
    store: Option<String>,
    addresses: Vec<Address>,
}

/// Where something listens.
pub(super) struct Address {
    setting: &'static str,
    text: String,
    at: Vec<SocketAddr>,
}

/// The port that shows operators all logs.
pub(super) fn operators(text: &str) -> Address {
    Address::of("--admin-listen", text)
}

impl Address {
    fn of(setting: &'static str, text: &str) -> Self {
        // One that cannot be resolved is reported when it is listened on.
        let at = text.to_socket_addrs().map(Iterator::collect).unwrap_or_default();
        Self { setting, text: text.to_owned(), at }
    }

    /// Whether programs on this machine alone can reach it. One that cannot be resolved is not reached at all.
    pub(super) fn is_local(&self) -> bool {
        self.at.iter().all(|at| at.ip().to_canonical().is_loopback())
    }

    /// Whether only one of the two can listen. Port 0 is any free one.
    fn is_taken_by(&self, other: &Self) -> bool {
        let meet = |a: &SocketAddr, b: &SocketAddr| {
            let (ip, other) = (a.ip().to_canonical(), b.ip().to_canonical());
            // `[::]` is every address of both kinds.
            let covers = |a: IpAddr, b: IpAddr| a.is_unspecified() && (a.is_ipv6() || b.is_ipv4());
            a.port() != 0 && a.port() == b.port() && (ip == other || covers(ip, other) || covers(other, ip))
        };
        self.at.iter().any(|a| other.at.iter().any(|b| meet(a, b)))
    }
}

impl Claims {
    /// Reads what it takes: the key, and the origin of a log that is there. Nothing is written.
    pub(super) fn of(table: &LogTable) -> anyhow::Result<Self> {
        let args = &table.args;
        // A directory that cannot be read is no mistake in the file: its log alone fails to open.
        let key = if args.key.is_some() { args.known_key()? } else { args.known_key().ok().flatten() };
        let origin = args.origin.clone().or_else(|| key.as_ref().map(|key| key.name().to_string()));
        let origin = match origin {
            None => SledStore::origin(&args.data).ok().flatten(),
            known => known,
        };
        args.check_files()?;
        let mut addresses = vec![Address::of("listen", &args.listen)];
        addresses.extend(args.strangers.admin_listen().map(|address| Address::of("admin-listen", address)));
        Ok(Self {
            name: table.name.clone(),
            line: table.line,
            data: resolved(&args.data),
            origin,
            key,
            objects: args.objects.url().map(|url| url.trim_end_matches('/').to_owned()),
            store: args.store.url().map(str::to_owned),
            addresses,
        })
    }

    /// What it has in common with a log that is above it in the file.
    fn conflicts(&self, above: &Self) -> Vec<String> {
        let mut found = Vec::new();
        let name = &above.name;
        let same = |a: &Option<String>, b: &Option<String>| a.is_some() && a == b;
        if same(&self.origin, &above.origin) {
            let origin = self.origin.as_deref().unwrap_or_default();
            found.push(format!(
                "it is the log {origin}, and so is [log.{name}]: a log is served once in a process"
            ));
        }
        let key = self.key.as_ref().zip(above.key.as_ref());
        if key.is_some_and(|(key, other)| key.public_key() == other.public_key()) {
            found.push(format!("it has the same key as [log.{name}]: give each log a key of its own"));
        }
        if self.data == above.data {
            found.push(format!(
                "it has the same `data` as [log.{name}]: give each log a directory of its own"
            ));
        } else if self.data.starts_with(&above.data) || above.data.starts_with(&self.data) {
            found.push(format!(
                "its `data` and that of [log.{name}] are one inside the other: put them beside each other"
            ));
        }
        if same(&self.objects, &above.objects) {
            found.push(format!(
                "it has the same `objects` as [log.{name}]: give each log a prefix of its own"
            ));
        }
        if same(&self.store, &above.store) && (self.origin.is_none() || above.origin.is_none()) {
            found.push(format!("it shares a database with [log.{name}], and one of them has no `origin`: without it, both would serve the same log"));
        }
        for address in &self.addresses {
            let taken = above.addresses.iter().find(|other| address.is_taken_by(other));
            found.extend(taken.map(|other| {
                format!(
                    "`{}` {} is taken by `{}` of [log.{name}]: give each log an address of its own",
                    address.setting, address.text, other.setting
                )
            }));
        }
        found
    }

    /// Addresses that it takes twice, or that the process has.
    fn own_conflicts(&self, process: &[Address]) -> Vec<String> {
        let mut found = Vec::new();
        for (place, address) in self.addresses.iter().enumerate() {
            let mut others = process.iter().chain(&self.addresses[..place]);
            let taken = others.find(|other| address.is_taken_by(other));
            found.extend(taken.map(|other| {
                format!("`{}` {} is taken by `{}`", address.setting, address.text, other.setting)
            }));
        }
        found
    }
}

/// Every pair of logs that have something in common.
pub(super) fn find(logs: &[Claims], process: &[Address]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (place, log) in logs.iter().enumerate() {
        let above = logs[..place].iter().flat_map(|above| log.conflicts(above));
        for what in above.chain(log.own_conflicts(process)) {
            problems.push(Problem { line: log.line, what: format!("[log.{}]: {what}", log.name) });
        }
    }
    problems
}

/// The path without links and dots, as far as it is there.
fn resolved(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    for ancestor in absolute.ancestors() {
        if let (Ok(known), Ok(rest)) = (ancestor.canonicalize(), absolute.strip_prefix(ancestor)) {
            return if rest.as_os_str().is_empty() { known } else { known.join(rest) };
        }
    }
    absolute
}

impl Args {
    /// Reads the files that are read again when the log is opened, so that what is wrong with them is reported at the start.
    fn check_files(&self) -> anyhow::Result<()> {
        let access = self.access.open(&[], None)?;
        self.house.check(access.access.is_on())?;
        if let Some(file) = &self.policy {
            let mut witnesses = connect_witnesses(policy(file)?, &connections::to_witnesses())?;
            self.guard.apply(&mut witnesses)?;
        }
        if let Some(file) = &self.ml_dsa_key {
            keys::load(file)?;
        }
        if let Some(KeySource::File(file)) = self.operator.key() {
            keys::load(file)?;
        }
        self.scrub.options(self.objects.url().is_some()).map(drop)
    }
}

#[cfg(test)]
mod tests;
