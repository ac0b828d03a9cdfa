//! DNS on the wire (RFC 1035 and what came after), as far as a prober and a resolver need it.

pub mod message;
pub mod names;
pub mod rdata;
pub mod record;
