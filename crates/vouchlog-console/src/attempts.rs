//! Failed sign-ins, counted by address. A token cannot be guessed; this keeps guessing from costing the vault much.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Instant;

use parking_lot::Mutex;

use crate::limits::{FAILURES_WINDOW, MAX_ADDRESSES, MAX_FAILURES};

/// Failed sign-ins of the last minute.
#[derive(Default)]
pub(crate) struct Attempts(Mutex<BTreeMap<Option<IpAddr>, (Instant, u32)>>);

impl Attempts {
    /// Whether an address may try.
    pub(crate) fn may_try(&self, from: Option<IpAddr>, now: Instant) -> bool {
        let mut failures = self.0.lock();
        failures.retain(|_, (since, _)| now.saturating_duration_since(*since) < FAILURES_WINDOW);
        let from = place(&failures, from);
        failures.get(&from).is_none_or(|(_, count)| *count < MAX_FAILURES)
    }

    /// Counts a failure.
    pub(crate) fn failed(&self, from: Option<IpAddr>, now: Instant) {
        let mut failures = self.0.lock();
        let from = place(&failures, from);
        failures.entry(from).or_insert((now, 0)).1 += 1;
    }
}

/// Where an address is counted: an IPv6 network of 64 bits as one, and addresses beyond the bound together.
fn place(failures: &BTreeMap<Option<IpAddr>, (Instant, u32)>, from: Option<IpAddr>) -> Option<IpAddr> {
    let from = from.map(|address| match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = u128::from(address) & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from(network))
        }
        address => address,
    });
    from.filter(|_| failures.contains_key(&from) || failures.len() < MAX_ADDRESSES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_waits_after_too_many_failures_and_no_other_does() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        let address = |text: &str| Some(text.parse::<IpAddr>().unwrap());
        for _ in 0..MAX_FAILURES {
            assert!(attempts.may_try(address("2001:db8::1"), now));
            attempts.failed(address("2001:db8::1"), now);
        }
        assert!(!attempts.may_try(address("2001:db8::2"), now), "the same network");
        assert!(attempts.may_try(address("2001:db8:0:1::1"), now));
        assert!(attempts.may_try(address("192.0.2.1"), now));
        assert!(attempts.may_try(address("2001:db8::1"), now + FAILURES_WINDOW));
    }

    #[test]
    fn addresses_beyond_the_bound_share_a_count() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        let address = |number: usize| Some(IpAddr::from(u32::try_from(number).unwrap().to_be_bytes()));
        for number in 0..MAX_ADDRESSES + MAX_FAILURES as usize {
            assert!(attempts.may_try(address(number), now), "{number}");
            attempts.failed(address(number), now);
        }
        assert!(!attempts.may_try(address(usize::try_from(u32::MAX).unwrap()), now));
        assert!(attempts.may_try(address(0), now), "that address has a count of its own");
        assert!(attempts.0.lock().len() <= MAX_ADDRESSES + 1);
    }
}
