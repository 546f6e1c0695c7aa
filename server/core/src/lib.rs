//! Domain types and rules: pure, no async, no input or output, no clock.
