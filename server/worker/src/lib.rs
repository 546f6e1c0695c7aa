//! The worker process: sandbox, probe and run loop.
