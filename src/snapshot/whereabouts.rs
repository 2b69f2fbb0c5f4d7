//! Where backends are: numbers and addresses that outlive the documents in which they stand.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use super::Target;
use crate::{
    net::{Addresses, Directory, Terms},
    units::Address,
    upstream::settings::{DnsSettings, Family},
};

/// What a cluster asks of its backends' addresses.
pub(super) fn terms(dns: &DnsSettings) -> Terms {
    let usual = Terms::default();
    Terms {
        at_least: dns.at_least.map_or(usual.at_least, Into::into),
        ipv4: dns.family != Some(Family::Ipv6),
        ipv6: dns.family != Some(Family::Ipv4),
    }
}

/// The number and the addresses of a backend, carried over by what was written.
pub(super) fn whereabouts(
    directory: &Directory,
    next_id: &AtomicU64,
    (address, terms): (&Address, Terms),
    before: Option<&Arc<Target>>,
) -> (u64, Addresses) {
    let known = before.and_then(|target| {
        let mut known = target.addresses.iter();
        let place = known.position(|known| known.address() == address)?;
        Some((
            target.ids[place],
            directory.on_terms(&target.addresses[place], terms),
        ))
    });
    known.unwrap_or_else(|| {
        let id = next_id.fetch_add(1, Ordering::Relaxed);
        (id, directory.follow(address, terms))
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_asked_of_addresses_is_what_is_written() {
        let check = |written: serde_json::Value, at_least: u64, ipv4: bool, ipv6: bool| {
            let expected = Terms {
                at_least: Duration::from_secs(at_least),
                ipv4,
                ipv6,
            };
            assert_eq!(terms(&serde_json::from_value(written).unwrap()), expected);
        };
        check(serde_json::json!({}), 1, true, true);
        check(
            serde_json::json!({"at_least": "1m", "family": "any"}),
            60,
            true,
            true,
        );
        check(serde_json::json!({"family": "ipv4"}), 1, true, false);
        check(serde_json::json!({"family": "ipv6"}), 1, false, true);
    }
}
