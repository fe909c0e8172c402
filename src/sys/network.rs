//! Whether this machine has a network: getifaddrs(3).

use nix::net::if_::InterfaceFlags;
use std::net::Ipv6Addr;

/// Whether an interface beside the loopback is up, has a carrier, and has an address that reaches
/// beyond its link. What systemd's `network-online.target` waits for, without asking who set it up.
pub fn is_up() -> bool {
    let Ok(all) = nix::ifaddrs::getifaddrs() else { return false };
    all.filter(|one| {
        one.flags.contains(InterfaceFlags::IFF_UP | InterfaceFlags::IFF_RUNNING)
            && !one.flags.contains(InterfaceFlags::IFF_LOOPBACK)
    })
    .filter_map(|one| one.address)
    .any(|address| {
        let v4 = address.as_sockaddr_in().is_some_and(|v4| !v4.ip().is_link_local());
        v4 || address.as_sockaddr_in6().is_some_and(|v6| reaches_out(v6.ip()))
    })
}

fn reaches_out(address: Ipv6Addr) -> bool {
    !address.is_unicast_link_local() && !address.is_loopback()
}

#[cfg(test)]
mod tests {
    #[test]
    fn addresses_of_the_link_do_not_count() {
        assert!(super::reaches_out("2001:db8::1".parse().expect("an address")));
        assert!(!super::reaches_out("fe80::1".parse().expect("an address")));
        assert!(!super::reaches_out("::1".parse().expect("an address")));
    }

    /// The same as what the kernel's own table of routes says, where there is one.
    #[test]
    fn a_machine_with_a_default_route_is_up() {
        let routes = std::fs::read_to_string("/proc/net/route").unwrap_or_default();
        let has_default = routes.lines().skip(1).any(|line| line.split_whitespace().nth(1) == Some("00000000"));
        assert!(super::is_up() || !has_default);
    }
}
