//! Where a request comes from.

use std::net::{IpAddr, Ipv6Addr};

/// Where a request comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientInfo {
    /// The address; of IPv6 its network.
    pub address: IpAddr,
    /// The program, as the client names it.
    pub agent: Option<String>,
}

/// Maximum length of the name of a client's program that is kept, in bytes.
const MAX_AGENT_BYTES: usize = 200;

impl ClientInfo {
    /// A client at an address; of `agent` the beginning is kept, without control characters.
    pub fn new(address: IpAddr, agent: Option<&str>) -> Self {
        let mut kept = String::new();
        for character in agent.unwrap_or_default().chars().filter(|c| !c.is_control()) {
            if kept.len() + character.len_utf8() > MAX_AGENT_BYTES {
                break;
            }
            kept.push(character);
        }
        Self { address, agent: (!kept.is_empty()).then_some(kept) }
    }

    /// The network of the address: 24 bits of IPv4, 48 bits of IPv6.
    pub fn network(&self) -> String {
        match self.address {
            IpAddr::V4(address) => {
                let [a, b, c, _] = address.octets();
                format!("{a}.{b}.{c}.0/24")
            }
            IpAddr::V6(address) => {
                let first = address.to_bits() & (u128::MAX << 80);
                format!("{}/48", Ipv6Addr::from_bits(first))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_hides_the_host() {
        for (address, network) in
            [("203.0.113.77", "203.0.113.0/24"), ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48")]
        {
            assert_eq!(ClientInfo::new(address.parse().unwrap(), None).network(), network);
        }
    }

    #[test]
    fn agent_is_kept_short_and_without_control_characters() {
        let here = IpAddr::V6(Ipv6Addr::LOCALHOST);
        let agent = |text: &str| ClientInfo::new(here, Some(text)).agent;
        assert_eq!(agent("Fire\u{1b}[2Jfox\n").as_deref(), Some("Fire[2Jfox"));
        assert_eq!(agent(&"ä".repeat(300)).map(|kept| kept.len()), Some(200));
        assert_eq!(agent("\u{0}"), None);
    }
}
