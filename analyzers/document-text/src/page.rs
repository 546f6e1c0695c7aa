//! One side of a document together with its medium.

use crate::reading::PageReading;
use crate::report::Side;

/// One side of a document and the index of its medium.
#[derive(Clone, Copy)]
pub(crate) struct Page<'r> {
    pub(crate) medium: u32,
    pub(crate) side: Side,
    pub(crate) reading: &'r PageReading,
}
