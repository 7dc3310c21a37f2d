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
}

impl Reach {
    /// Has `builder` make a client that connects to `url`, and to no address that is out of reach. The client follows proxies of the
    /// environment only with [`Reach::Anywhere`]: a proxy resolves names by itself.
    ///
    /// # Errors
    /// The URL's host is an address that is out of reach.
    pub fn limit(self, builder: ClientBuilder, url: &Url) -> Result<ClientBuilder, ReachError> {
        if self == Self::Anywhere {
            return Ok(builder);
        }
        let host = url.host_str().unwrap_or_default();
        let here = is_loopback(host);
        // An address is not resolved, so it is checked here.
        if let Some(address) = address(host)
            && !here
            && !is_public(address)
        {
            return Err(ReachError::Private(address));
        }
        let admitted = if here { Admitted::Loopback } else { Admitted::Public };
        Ok(builder.no_proxy().dns_resolver(admitted))
    }
}

/// Resolves names, and drops the addresses that are out of reach. The client connects to what is left and resolves nothing itself.
#[derive(Clone, Copy, Debug)]
enum Admitted {
    Loopback,
    Public,
}

impl Admitted {
    fn admits(self, address: IpAddr) -> bool {
        match self {
            Self::Loopback => address.to_canonical().is_loopback(),
            Self::Public => is_public(address),
        }
    }
}

impl Resolve for Admitted {
    fn resolve(&self, name: Name) -> Resolving {
        let admitted = *self;
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let (within, beyond): (Vec<_>, Vec<_>) =
                found.into_iter().partition(|found| admitted.admits(found.ip()));
            match (within.is_empty(), beyond.first()) {
                (true, Some(address)) => Err(ReachError::Private(address.ip()).into()),
                _ => Ok(Box::new(within.into_iter()) as Addrs),
            }
        })
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

    /// As after a rebinding: the name is a stranger's, and its address is ours.
    #[tokio::test]
    async fn names_are_checked_by_what_they_resolve_to() {
        let name: Name = "localhost".parse().unwrap();
        let error = Admitted::Public.resolve(name).await.err().unwrap();
        assert!(
            matches!(error.downcast_ref(), Some(ReachError::Private(address)) if address.is_loopback()),
            "{error}"
        );
        let name: Name = "localhost".parse().unwrap();
        let addresses: Vec<_> = Admitted::Loopback.resolve(name).await.unwrap().collect();
        assert!(!addresses.is_empty() && addresses.iter().all(|found| found.ip().is_loopback()));
    }
}
