//! How far a connection to a stranger's URL may lead: a webhook or a forward must not become a request to what only we can reach.

use std::net::{IpAddr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{ClientBuilder, Url};
use thiserror::Error;

use crate::address::{address, is_loopback, is_public};

/// How far a connection may lead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// To public addresses, and to this machine if the URL names it (`127.0.0.1`, `localhost`). A name that resolves to a private
    /// address is refused.
    #[default]
    Public,
    /// To any address.
    Anywhere,
}

/// Why a URL is out of reach.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReachError {
    /// Its host is an address of a private network, a link, or reserved.
    #[error("{0} is a private address")]
    Private(IpAddr),
    /// Another machine named it, and it is on this one.
    #[error("it leads to this machine")]
    ThisMachine,
}

impl Reach {
    /// Whether the host of a URL is an address that is out of reach. A name is not: the client of [`Reach::limit`] checks what it
    /// resolves to.
    pub fn check(self, url: &Url) -> Result<(), ReachError> {
        let host = url.host_str().unwrap_or_default();
        match address(host) {
            Some(address) if self == Self::Public && !is_loopback(host) && !is_public(address) => {
                Err(ReachError::Private(address))
            }
            _ => Ok(()),
        }
    }

    /// The same for a URL that the server at `from` named: it may name this machine only if it is on this machine itself.
    pub fn check_link(self, from: &Url, to: &Url) -> Result<(), ReachError> {
        let is_here = |url: &Url| is_loopback(url.host_str().unwrap_or_default());
        if self == Self::Public && is_here(to) && !is_here(from) {
            return Err(ReachError::ThisMachine);
        }
        self.check(to)
    }

    /// Has `builder` make a client that connects to `url`, and to no address that is out of reach. The client follows proxies of the
    /// environment only with [`Reach::Anywhere`]: a proxy resolves names by itself. Another URL may be requested with the same client
    /// after [`Reach::check`].
    ///
    /// # Errors
    /// The URL's host is an address that is out of reach.
    pub fn limit(self, builder: ClientBuilder, url: &Url) -> Result<ClientBuilder, ReachError> {
        self.check(url)?;
        match self {
            Self::Anywhere => Ok(builder),
            Self::Public => Ok(builder.no_proxy().dns_resolver(WithinReach)),
        }
    }
}

/// Resolves names, and drops the addresses that are out of reach: `localhost` may be this machine alone, any other name a public
/// address. The client connects to what is left and resolves nothing itself.
#[derive(Clone, Copy, Debug)]
struct WithinReach;

impl Resolve for WithinReach {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let admits = if is_loopback(name.as_str()) { is_of_this_machine } else { is_public };
            within(name.as_str(), admits).await
        })
    }
}

fn is_of_this_machine(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// The addresses of a name that are admitted; if there are others only, an error that names one.
async fn within(
    name: &str,
    admits: fn(IpAddr) -> bool,
) -> Result<Addrs, Box<dyn std::error::Error + Send + Sync>> {
    let found: Vec<SocketAddr> = tokio::net::lookup_host((name, 0)).await?.collect();
    let (within, beyond): (Vec<_>, Vec<_>) = found.into_iter().partition(|found| admits(found.ip()));
    match (within.is_empty(), beyond.first()) {
        (true, Some(address)) => Err(ReachError::Private(address.ip()).into()),
        _ => Ok(Box::new(within.into_iter())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(url: &str) -> Result<(), ReachError> {
        Reach::Public.limit(reqwest::Client::builder(), &Url::parse(url).unwrap()).map(drop)
    }

    #[tokio::test]
    async fn urls_with_addresses_are_checked_at_once() {
        for url in [
            "http://127.0.0.1:1/x",
            "http://localhost/x",
            "https://1.1.1.1/",
            "https://[::1]/",
            "https://hooks.example.com/",
        ] {
            assert_eq!(limit(url), Ok(()), "{url}");
        }
        for url in [
            "http://10.0.0.1/",
            "https://169.254.169.254/latest",
            "http://0.0.0.0/",
            "http://[::]/",
            "http://[fd00::1]/",
            // Other spellings of the same: a URL has one.
            "http://0xa9fea9fe/",
            "http://2852039166/",
            "http://[::ffff:169.254.169.254]/",
        ] {
            assert!(limit(url).is_err(), "{url}");
            let url = Url::parse(url).unwrap();
            assert!(Reach::Anywhere.limit(reqwest::Client::builder(), &url).is_ok(), "{url}");
        }
    }

    #[test]
    fn another_machine_does_not_name_this_one() {
        let check = |reach: Reach, from: &str, to: &str| {
            reach.check_link(&Url::parse(from).unwrap(), &Url::parse(to).unwrap())
        };
        for here in ["http://127.0.0.1:1/x", "https://localhost/", "https://LOCALHOST./", "https://[::1]/"] {
            assert_eq!(
                check(Reach::Public, "https://idp.example", here),
                Err(ReachError::ThisMachine),
                "{here}"
            );
            assert_eq!(check(Reach::Public, "http://127.0.0.1:2", here), Ok(()), "{here}");
            assert_eq!(check(Reach::Anywhere, "https://idp.example", here), Ok(()), "{here}");
        }
        assert_eq!(check(Reach::Public, "https://idp.example", "https://keys.example/"), Ok(()));
        assert!(check(Reach::Public, "https://idp.example", "https://10.0.0.1/").is_err());
    }

    /// As after a rebinding: the name is a stranger's, and its address is ours.
    #[tokio::test]
    async fn names_are_checked_by_what_they_resolve_to() {
        let error = within("localhost", is_public).await.err().unwrap();
        assert!(
            matches!(error.downcast_ref(), Some(ReachError::Private(address)) if address.is_loopback()),
            "{error}"
        );
        let name: Name = "localhost".parse().unwrap();
        let addresses: Vec<_> = WithinReach.resolve(name).await.unwrap().collect();
        assert!(!addresses.is_empty() && addresses.iter().all(|found| found.ip().is_loopback()));
    }
}
