//! Lines of text: detection, direction and recognition.

pub(crate) mod detect;
pub(crate) mod direction;
pub(crate) mod recognise;
