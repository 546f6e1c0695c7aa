//! Movement between the frames of a track: corners, their flow, and the plane that explains it.
//!
//! Grey pictures only. Deterministic: sampling uses a fixed sequence.

mod corners;
mod flow;
mod grey;
mod plane;

pub use corners::{Region, corners};
pub use flow::{Pyramid, follow};
pub use grey::Grey;
pub use plane::{Homography, fit_plane, quantile};
