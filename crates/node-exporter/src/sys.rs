//! System calls for which no safe wrapper exists. The only unsafe code of this crate.
