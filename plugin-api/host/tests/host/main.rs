//! The host against real shared libraries, compiled here from C with warnings as errors.

mod example_c;
mod faulty;
mod features;
mod opening;
mod rules;
mod support;
