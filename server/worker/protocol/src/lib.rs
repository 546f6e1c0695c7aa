//! The messages between the node and its worker processes, and their framing over a socketpair.
