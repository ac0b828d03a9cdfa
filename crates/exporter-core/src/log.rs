//! Log lines in the shape of promslog.
