//! Lines of text: where they are, which way up, and what they say.

pub(crate) mod detect;
pub(crate) mod direction;
pub(crate) mod recognise;
