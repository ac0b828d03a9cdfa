//! Names, addresses and connections.

pub mod address;
pub mod dial;
mod order;
pub mod resolve;
