//! Addresses of clients: the peer of the connection, or what a trusted proxy says.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::http::HeaderMap;
use axum::http::header::FORWARDED;

/// Proxies add the address of their client to this header, or to `Forwarded`.
const X_FORWARDED_FOR: &str = "x-forwarded-for";
/// Maximum number of addresses that are read from the headers, from the right.
const MAX_HOPS: usize = 32;

/// The address of a client for fair shares and brakes. Of IPv6 the network of 64 bits, since one
/// customer has at least that many addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ClientAddress(pub(crate) IpAddr);

impl From<IpAddr> for ClientAddress {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => {
                IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)))
            }
        })
    }
}

/// The peer of the connection that a request came on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// A range of addresses: `192.0.2.0/24`, `2001:db8::/32`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    first: IpAddr,
    prefix: u8,
}

/// A text that is not a [`Network`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an address or a network such as 10.0.0.0/8")]
pub struct NotANetwork;

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let first: IpAddr = address.parse().map_err(|_| NotANetwork)?;
        let bits = if first.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(bits), str::parse).map_err(|_| NotANetwork)?;
        let network = Self { first, prefix };
        // Bits beyond the prefix are probably a mistake.
        let is_first = network.masked(first) == Some(first);
        if prefix <= bits && is_first { Ok(network) } else { Err(NotANetwork) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix)
    }
}

impl Network {
    /// Whether the address is in this network.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.masked(address.to_canonical()) == Some(self.first)
    }

    /// The address without the bits beyond the prefix; `None` if it is of the other version.
    fn masked(&self, address: IpAddr) -> Option<IpAddr> {
        let prefix = u32::from(self.prefix);
        match (self.first, address) {
            (IpAddr::V4(_), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32_u32.checked_sub(prefix)?).unwrap_or(0);
                Some(IpAddr::V4((address.to_bits() & mask).into()))
            }
            (IpAddr::V6(_), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128_u32.checked_sub(prefix)?).unwrap_or(0);
                Some(IpAddr::V6((address.to_bits() & mask).into()))
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => None,
        }
    }
}

/// The proxies whose word about their client counts.
#[derive(Debug)]
pub(crate) struct Proxies {
    trusted: Vec<Network>,
    warned: AtomicBool,
}

impl Proxies {
    pub(crate) fn new(trusted: Vec<Network>) -> Self {
        Self { trusted, warned: AtomicBool::new(false) }
    }

    /// Whether the peer of a connection is a proxy whose connections are those of many clients.
    pub(crate) fn trust(&self, peer: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(peer))
    }

    /// The client of a request: the rightmost address that is not a trusted proxy's, each named by
    /// the trusted proxy to its right.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> ClientAddress {
        if !self.trust(peer) {
            self.warn_of_unknown_proxy(peer, headers);
            return peer.into();
        }
        let mut client = peer;
        for named in forwarded(headers).iter().rev().take(MAX_HOPS) {
            // What stands left of a malformed or hidden address cannot be attributed.
            let Some(address) = address_of(named) else { break };
            client = address;
            if !self.trust(address) {
                break;
            }
        }
        client.into()
    }

    /// Without `trusted_proxies` all users behind a proxy share the brakes and limits of one
    /// address.
    fn warn_of_unknown_proxy(&self, peer: IpAddr, headers: &HeaderMap) {
        let is_near = match peer.to_canonical() {
            IpAddr::V4(peer) => peer.is_loopback() || peer.is_private(),
            IpAddr::V6(peer) => peer.is_loopback() || peer.is_unique_local(),
        };
        if is_near
            && (headers.contains_key(X_FORWARDED_FOR) || headers.contains_key(FORWARDED))
            && !self.warned.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(
                "requests come through a proxy that trusted_proxies does not name: all its clients \
                 count as one address"
            );
        }
    }
}

/// The addresses in the headers, from the client to the last proxy. `X-Forwarded-For` wins: proxies
/// that set it often pass a client's `Forwarded` through.
fn forwarded(headers: &HeaderMap) -> Vec<&str> {
    let parts = |name: &str| {
        let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).map(str::trim).collect::<Vec<_>>()
    };
    let plain = parts(X_FORWARDED_FOR);
    if !plain.is_empty() {
        return plain;
    }
    let elements = parts(FORWARDED.as_str());
    elements.into_iter().map(|element| parameter_for(element).unwrap_or_default()).collect()
}

/// The parameter `for` of an element of `Forwarded`.
fn parameter_for(element: &str) -> Option<&str> {
    element.split(';').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then(|| value.trim().trim_matches('"'))
    })
}

/// The address in `192.0.2.1`, `192.0.2.1:80`, `[2001:db8::1]`, `[2001:db8::1]:80` or
/// `2001:db8::1`.
fn address_of(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(address.ip().to_canonical());
    }
    let inner = text.strip_prefix('[')?.strip_suffix(']')?;
    inner.parse::<Ipv6Addr>().ok().map(|address| IpAddr::V6(address).to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue};

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            let name = HeaderName::from_static(name);
            headers.append(name, HeaderValue::from_static(value));
        }
        headers
    }

    fn client(peer: &str, pairs: &[(&'static str, &'static str)]) -> String {
        let trusted = ["10.0.0.0/8", "fd00::/8", "127.0.0.1"];
        let proxies = Proxies::new(trusted.iter().map(|text| text.parse().unwrap()).collect());
        proxies.client(peer.parse().unwrap(), &headers(pairs)).0.to_string()
    }

    #[test]
    fn only_trusted_proxies_name_their_client() {
        let named = &[("x-forwarded-for", "203.0.113.9")];
        assert_eq!(client("198.51.100.1", named), "198.51.100.1");
        assert_eq!(client("127.0.0.1", named), "203.0.113.9");
        assert_eq!(client("::ffff:10.1.2.3", named), "203.0.113.9");
        assert_eq!(client("127.0.0.1", &[]), "127.0.0.1");
    }

    #[test]
    fn rightmost_untrusted_address_counts() {
        for (pairs, expected) in [
            (&[("x-forwarded-for", "1.1.1.1, 203.0.113.9, 10.0.0.2")][..], "203.0.113.9"),
            (&[("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "203.0.113.9")], "203.0.113.9"),
            (&[("x-forwarded-for", "203.0.113.9, unknown, 10.0.0.2")], "10.0.0.2"),
            (&[("x-forwarded-for", "203.0.113.9:4711")], "203.0.113.9"),
            (&[("x-forwarded-for", "2001:db8:1:2:3:4:5:6")], "2001:db8:1:2::"),
            (&[("forwarded", "for=1.1.1.1, For=\"[2001:db8::7]:80\";proto=https")], "2001:db8::"),
            (&[("forwarded", "for=1.1.1.1, by=10.0.0.2")], "10.0.0.1"),
            (&[("forwarded", "for=1.1.1.1"), ("x-forwarded-for", "203.0.113.9")], "203.0.113.9"),
            (&[("x-forwarded-for", "10.0.0.3, 10.0.0.2")], "10.0.0.3"),
        ] {
            assert_eq!(client("10.0.0.1", pairs), expected, "{pairs:?}");
        }
    }

    #[test]
    fn networks_are_read_strictly() {
        for good in ["0.0.0.0/0", "192.0.2.7", "192.0.2.0/24", "::/0", "2001:db8::/32"] {
            assert!(good.parse::<Network>().is_ok(), "{good}");
        }
        for wrong in ["", "x", "192.0.2.1/24", "192.0.2.0/33", "::1/64", "10.0.0.0/", "10/8"] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
        let all: Network = "0.0.0.0/0".parse().unwrap();
        assert!(all.contains("8.8.8.8".parse().unwrap()));
        assert!(!all.contains("::1".parse().unwrap()));
    }
}
