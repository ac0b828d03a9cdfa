//! What an exporter says of itself: `process_*` and `promhttp_*`.
