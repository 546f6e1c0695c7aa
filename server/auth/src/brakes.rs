//! The brake on logins from one address, and the keys under which the store counts logins. The
//! rules of those counts are in [`vultus_core::logins`].

use super::keys::Keys;
use hmac::{Hmac, KeyInit, Mac};
use parking_lot::Mutex;
use secrecy::{ExposeSecret, SecretSlice};
use sha2::Sha256;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};
use vultus_core::logins::LoginKeys;

/// Failures that one address has free.
const BURST: u32 = 30;
/// Time after which an address has one more failure free.
const INTERVAL: Duration = Duration::from_secs(10);
/// Maximum number of remembered addresses. If full, those that have all failures free again are
/// removed, or else all.
const MOST_ADDRESSES: usize = 50_000;

/// Limits the failed logins of each address of clients on this node, whatever names they try.
#[derive(Debug, Default)]
pub struct AddressBrake(Mutex<HashMap<IpAddr, Instant>>);

impl AddressBrake {
    /// Charges an attempt to the address, or returns the time to wait. The value for an address is
    /// the time at which it has all failures free again.
    pub fn charge(&self, address: IpAddr, now: Instant) -> Result<(), Duration> {
        let mut addresses = self.0.lock();
        if addresses.len() >= MOST_ADDRESSES {
            addresses.retain(|_, free_at| *free_at > now);
        }
        if addresses.len() >= MOST_ADDRESSES {
            addresses.clear();
        }
        let free_at = addresses.entry(address).or_insert(now);
        let charged = (*free_at).max(now) + INTERVAL;
        let excess = charged.saturating_duration_since(now + INTERVAL * BURST);
        if !excess.is_zero() {
            return Err(excess);
        }
        *free_at = charged;
        Ok(())
    }

    /// Takes back the charge of an attempt that succeeded.
    pub fn refund(&self, address: IpAddr) {
        if let Some(free_at) = self.0.lock().get_mut(&address) {
            *free_at = free_at.checked_sub(INTERVAL).unwrap_or(*free_at);
        }
    }
}

/// Makes the keys under which logins are counted. They are the same on all nodes, and do not tell
/// the names.
pub struct LoginKeyring(SecretSlice<u8>);

impl LoginKeyring {
    /// Keys that depend on the secrets of the installation.
    pub fn new(keys: &Keys) -> Self {
        Self(SecretSlice::from(keys.tokens.expose_secret().to_vec()))
    }

    /// The keys of a normalized name, and of the name with the address of a client.
    pub fn keys(&self, name: &str, address: IpAddr) -> LoginKeys {
        let origin = self.hash("vultus login origin", &[name, &address.to_string()]);
        LoginKeys { name: self.name(name), origin }
    }

    /// The key of a normalized name.
    pub fn name(&self, name: &str) -> String {
        self.hash("vultus login name", &[name])
    }

    fn hash(&self, purpose: &str, parts: &[&str]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.expose_secret())
            .expect("HMAC takes a key of any length");
        for part in std::iter::once(&purpose).chain(parts) {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        hex::encode(mac.finalize().into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1));
    const OTHER: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 2));

    #[test]
    fn an_address_has_30_failures_free_and_one_more_each_10_s() {
        let (brake, now) = (AddressBrake::default(), Instant::now());
        for _ in 0..BURST {
            assert!(brake.charge(STRANGER, now).is_ok());
        }
        assert_eq!(brake.charge(STRANGER, now), Err(INTERVAL));
        assert!(brake.charge(OTHER, now).is_ok());
        assert!(brake.charge(STRANGER, now + INTERVAL).is_ok());
        assert!(brake.charge(STRANGER, now + INTERVAL).is_err());
    }

    #[test]
    fn successes_are_not_charged() {
        let (brake, now) = (AddressBrake::default(), Instant::now());
        for _ in 0..10 * BURST {
            assert!(brake.charge(STRANGER, now).is_ok());
            brake.refund(STRANGER);
        }
    }

    #[test]
    fn keys_differ_by_name_address_and_installation() {
        let ring = LoginKeyring::new(&Keys::ephemeral());
        let keys = ring.keys("a@b", STRANGER);
        assert_eq!(keys.name, ring.name("a@b"));
        assert_ne!(keys.origin, ring.keys("a@b", OTHER).origin);
        assert_ne!(keys.origin, ring.keys("a@c", STRANGER).origin);
        assert_ne!(keys.name, LoginKeyring::new(&Keys::ephemeral()).name("a@b"));
    }
}
