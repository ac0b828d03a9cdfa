//! The one thing that no library offers safely.

/// Keeps libraries from looking where they should not; what the user has set there is read before.
///
/// * The TLS library trusts the system's certificates beside those that it is given: with
///   `sslmode=verify-ca` any of their holders could then stand between. Where the system's are
///   wanted, the file that they stand in is given like any other.
/// * The protocol's library asks the system for the user's name at each connection, by plug-ins
///   that a static binary cannot load, even where a name is given.
pub fn keep_libraries_in() {
    // SAFETY: called first in `main`, while this thread is the only one.
    #[allow(unsafe_code)]
    unsafe {
        std::env::set_var("SSL_CERT_FILE", "/dev/null");
        std::env::remove_var("SSL_CERT_DIR");
        std::env::set_var("PGUSER", "unknown");
    }
}
