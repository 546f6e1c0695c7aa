//! Places in a picture.

use async_graphql::SimpleObject;
use serde::Deserialize;

/// A point in pixels of the upright picture.
#[derive(Debug, Clone, Copy, PartialEq, SimpleObject, Deserialize)]
#[serde(from = "[f64; 2]")]
pub struct Point {
    /// From the left edge.
    pub(super) x: f64,
    /// From the upper edge.
    pub(super) y: f64,
}

impl From<[f64; 2]> for Point {
    fn from([x, y]: [f64; 2]) -> Self {
        Self { x, y }
    }
}
