//! What the text of an identity document says. The analyzer's other half finds the document in the
//! picture and reads its lines, its machine-readable zone and its barcodes ([`reading`]); this half
//! makes fields, checks and a verdict of them ([`judge`]).
//!
//! Pure: no pixels, no models, no clock and no I/O, so that every rule here can be tested with text
//! alone.

mod aamva;
mod barcode;
mod checks;
mod compare;
mod date;
mod fields;
mod judge;
mod mrz;
mod params;
mod policy;
mod printed_date;
pub mod reading;
pub mod report;
mod schema;
mod visual;
mod zone;

pub use judge::{DocumentResult, judge};
pub use mrz::confirmed;
pub use params::Params;
pub use policy::Policy;
pub use reading::{
    BarcodeFormat, MrzLine, MrzReading, PageQuality, PageReading, Portrait, Quad, RawBarcode,
    TextLine,
};
pub use schema::result_schema;
