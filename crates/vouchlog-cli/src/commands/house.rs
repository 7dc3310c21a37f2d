//! Whether a log takes statements of callers without a key.

use std::net::SocketAddr;

use clap::ValueEnum;

use crate::advice::Advice;

/// The house stream of a log.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct HouseArgs {
    /// Whether callers without a key can log opaque digests through the log's house stream [default: on if the log listens on loopback, off otherwise]
    #[arg(long, value_enum, value_name = "SETTING", env = "VOUCHLOG_HOUSE")]
    house: Option<House>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum House {
    /// Any caller can; where callers are authenticated (--access), those with the role `submit`
    On,
    /// Callers with the role `submit` in the access file can
    Token,
    /// Only gateways can write
    Off,
}

impl HouseArgs {
    /// Whether the log has a house stream if it listens on this address. Beyond loopback its callers are strangers, and what they append
    /// stays for good.
    pub(super) fn is_on(self, address: SocketAddr) -> bool {
        self.house.map_or(address.ip().to_canonical().is_loopback(), |house| house != House::Off)
    }

    /// Refuses a setting that no caller could meet.
    pub(super) fn check(self, is_authenticated: bool) -> anyhow::Result<()> {
        if self.house == Some(House::Token) && !is_authenticated {
            return Err(Advice::error(
                "--house token takes callers that are authenticated",
                "give the access file with --access, and a caller in it the role `submit`",
            ));
        }
        Ok(())
    }

    /// The same for people.
    pub(super) fn words(self, address: SocketAddr) -> &'static str {
        if self.is_on(address) {
            "on: callers without a key can log opaque digests"
        } else {
            "off: only enrolled gateways can write; --house on opens it"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::parsed;

    #[test]
    fn the_house_stream_is_off_for_strangers_unless_it_is_asked_for() {
        let is_on = |flags: &str, address: &str| {
            let house: HouseArgs = parsed(std::iter::once("serve").chain(flags.split_whitespace())).unwrap();
            house.is_on(address.parse().unwrap())
        };
        for loopback in ["127.0.0.1:6962", "127.8.8.8:1", "[::1]:6962", "[::ffff:127.0.0.1]:1"] {
            assert!(is_on("", loopback) && !is_on("--house off", loopback), "{loopback}");
        }
        for open in ["0.0.0.0:6962", "[::]:6962", "192.0.2.1:1", "[2001:db8::1]:1", "[::ffff:192.0.2.1]:1"] {
            assert!(!is_on("", open) && is_on("--house on", open) && is_on("--house token", open), "{open}");
        }
        let house = |house| HouseArgs { house };
        assert!(
            house(Some(House::Token)).check(false).is_err() && house(Some(House::Token)).check(true).is_ok()
        );
        assert!(house(None).check(false).is_ok() && house(Some(House::On)).check(false).is_ok());
    }
}
