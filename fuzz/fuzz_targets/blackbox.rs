//! Module files and what peers send.

#![no_main]

use blackbox_exporter::config::Config;
use blackbox_exporter::dns::message::Message;
use blackbox_exporter::url::Url;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(config) = Config::parse("blackbox.yml", bytes, None) {
        let _ = config.print();
    }
    if let Ok(message) = Message::parse(bytes) {
        for record in message.answer.iter().chain(&message.additional) {
            let _ = (record.to_string(), record.serial(), record.address());
        }
    }
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(url) = Url::parse(text)
    {
        let _ = (url.request_target(), url.join(text));
    }
});
