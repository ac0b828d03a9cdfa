//! The version text, and the series that carries it.
