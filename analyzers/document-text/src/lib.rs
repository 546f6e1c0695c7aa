//! Interprets the text of an identity document. The crate `vultus-document` finds the document in
//! the picture and reads its lines, machine-readable zone and barcodes ([`reading`]); this crate
//! derives fields, checks and a verdict from them ([`judge()`]).
//!
//! Pure: no pixels, no models, no clock and no I/O, so that every rule can be tested with text.

mod aamva;
mod barcode;
mod checks;
mod compare;
mod date;
mod fields;
mod judge;
mod months;
mod mrz;
mod names;
mod page;
mod params;
mod policy;
mod printed_date;
pub mod reading;
pub mod report;
mod schema;
mod states;
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
pub use visual::is_understood;
