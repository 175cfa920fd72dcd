//! Addresses that are never asked. Whoever may declare an ArangoCluster, or answers for the name in one, could point the
//! operator's network position at them; servers of ArangoDB are at none of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why an address is never asked, as the end of a sentence.
type Problem = &'static str;

const LINK_LOCAL: Problem = "is a link-local address, where clouds keep their metadata; it is never asked";
const METADATA: Problem = "is where a cloud keeps its metadata; it is never asked";
const NOBODY: Problem = "is no single server's address; write a DNS name or the server's own address";

/// Where clouds answer about their machines outside of the link-local range: Alibaba, Azure, Oracle.
const METADATA_V4: [Ipv4Addr; 3] =
    [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(192, 0, 0, 192)];
/// The same with IPv6: Amazon, Google.
const METADATA_V6: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254),
    Ipv6Addr::new(0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x0254),
];

/// Why an address is never asked, if so. An IPv4 address inside an IPv6 one is judged as what it leads to.
pub(super) fn refused(address: IpAddr) -> Option<Problem> {
    let v6 = match address {
        IpAddr::V4(address) => return refused_v4(address),
        IpAddr::V6(address) => address,
    };
    if v6.is_unicast_link_local() {
        return Some(LINK_LOCAL);
    }
    if v6.is_unspecified() || v6.is_multicast() {
        return Some(NOBODY);
    }
    if METADATA_V6.contains(&v6) {
        return Some(METADATA);
    }
    inside(v6).and_then(refused_v4)
}

fn refused_v4(address: Ipv4Addr) -> Option<Problem> {
    if address.is_link_local() {
        Some(LINK_LOCAL)
    } else if address.is_unspecified() || address.is_multicast() || address.is_broadcast() {
        Some(NOBODY)
    } else {
        METADATA_V4.contains(&address).then_some(METADATA)
    }
}

/// The IPv4 address that an IPv6 one stands for, whoever translates it on the way.
fn inside(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match address.segments() {
        // Itself.
        [0, 0, 0, 0, 0, 0, 0, 1] => None,
        // Mapped and compatible; NAT64, the well-known prefix and the local ones; 6to4.
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x64, 0xff9b, 1, _, _, _, high, low]
        | [0x2002, high, low, ..] => Some(v4(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_local_and_metadata_addresses_are_refused_in_every_spelling() {
        for text in [
            "169.254.169.254",
            "169.254.0.1",
            "fe80::1",
            "febf::1",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "::ffff:0:169.254.169.254",
            "64:ff9b::169.254.169.254",
            "64:ff9b:1::169.254.169.254",
            "2002:a9fe:a9fe::1",
            "100.100.100.200",
            "::ffff:100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "fd00:ec2::254",
            "fd20:ce::254",
            "0.0.0.0",
            "::",
            "::ffff:0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "ff02::1",
        ] {
            assert!(refused(text.parse().unwrap()).is_some(), "{text}");
        }
    }

    #[test]
    fn loopback_private_and_public_addresses_are_asked() {
        for text in [
            "127.0.0.1",
            "127.1.2.3",
            "::1",
            "::ffff:127.0.0.1",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "::ffff:10.0.0.1",
            "100.64.0.1",
            "fd12:3456::1",
            "64:ff9b::10.0.0.1",
            "198.18.0.1",
            "93.184.216.34",
            "2a00:1450::1",
        ] {
            assert_eq!(refused(text.parse().unwrap()), None, "{text}");
        }
    }
}
