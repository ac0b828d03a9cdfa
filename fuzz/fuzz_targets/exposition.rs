//! Users' text files never make the parser panic, and numbers are read back as they were printed.

#![no_main]

use exporter_core::exposition::number;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = node_exporter::collectors::textfile::parse::parse(data);
    if let Some(bits) = data.first_chunk() {
        let value = f64::from_bits(u64::from_le_bytes(*bits));
        let mut text = Vec::new();
        number::push(&mut text, value);
        let text = String::from_utf8_lossy(&text);
        if value.is_finite() {
            assert_eq!(text.parse::<f64>().ok(), Some(value));
        }
    }
});
