//! The one thing that no library offers safely.

/// Keeps the TLS library from trusting the system's certificates beside those that it is given:
/// with `sslmode=verify-ca` any of their holders could then stand between. Where the system's are
/// wanted, the file that they stand in is given like any other.
pub fn trust_no_system_roots() {
    // SAFETY: called first in `main`, while this thread is the only one.
    #[allow(unsafe_code)]
    unsafe {
        std::env::set_var("SSL_CERT_FILE", "/dev/null");
        std::env::remove_var("SSL_CERT_DIR");
    }
}
