//! Keys with limits of connections, and with the parts of shared resources that one may hold.

use super::kinds::{seconds, whole};
use super::source::section;
use std::time::Duration;

section! {
    /// Limits on connections.
    pub struct ConnectionsConfig {
        /// Maximum number of open connections. A node uses fewer if it may not open descriptors for
        /// all of them: half of its descriptors, or all but 1024, are kept for workers, the store
        /// and files. One address (of IPv6: one network of 64 bits) may hold 60 % of them.
        all: usize = 20_000, whole(1..=1_000_000);
        /// Maximum number of websockets.
        websockets: usize = 16_384, whole(1..=1_000_000);
        /// Maximum time from the first byte of a request to the end of its headers, in seconds.
        header_seconds: Duration = 10, seconds(1..=300);
        /// Maximum time that a connection stays open without a request, in seconds.
        idle_seconds: Duration = 60, seconds(1..=3600);
    }
}

section! {
    /// Shares of what is limited for all together: uploads, downloads (companies only), instant
    /// checks, websockets.
    pub struct ShareConfig {
        /// Part that a company may hold while no other company holds any, in percent. Several
        /// companies get equal parts, and some is always left for the next one. 100: no limit.
        company: u8 = 75, whole(1..=100);
        /// The same for a user.
        user: u8 = 65, whole(1..=100);
    }
}
