//! A conversation: texts and bytes to wait for, texts to send.

mod stream;

pub use stream::Script;

use crate::config::{Pattern, Step};
use crate::log::ProbeLog;
use crate::tls::{self, Session, Shown};
use crate::{debug, error};
use exporter_core::dialect::regexp::expand;
use exporter_core::exposition::{Arena, Family};
use regex::Captures;
use std::collections::BTreeMap;
use std::io;

static REGEX: Family = Family::gauge(
    "probe_failed_due_to_regex",
    &[],
    "Whether a line that was waited for did not come: the peer ended the conversation before, or, over \
     UDP, sent other datagrams only.",
);
static BYTES: Family = Family::gauge(
    "probe_failed_due_to_bytes",
    &[],
    "Whether the peer sent other bytes than those that were waited for.",
);
static EXPECT_INFO: Family = Family::gauge(
    "probe_expect_info",
    &[],
    "Constant 1, labelled with what the module takes out of the text that matched; the labels are \
     those of the step.",
);

/// Families of conversations.
pub static FAMILIES: &[&Family] = &[&REGEX, &BYTES, &EXPECT_INFO];

/// What a conversation is had over.
pub trait Medium: Send {
    /// Whether a text other than the one that is waited for is told: a stream ends where nothing else
    /// will come, datagrams do not.
    const TELLS_MISMATCH: bool;

    /// The next line or datagram; `None` at the end.
    fn text(&mut self) -> impl Future<Output = io::Result<Option<String>>> + Send;

    /// The next bytes, so many of them.
    fn bytes(&mut self, count: usize) -> impl Future<Output = io::Result<Vec<u8>>> + Send;

    /// Sends a line or a datagram.
    fn send(&mut self, bytes: &[u8]) -> impl Future<Output = io::Result<()>> + Send;
}

/// What is left of a conversation, for the series.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Whether there is somebody to talk to, over TLS where it comes first.
    pub connected: bool,
    failed_due_to_regex: bool,
    failed_due_to_bytes: bool,
    infos: Vec<BTreeMap<String, String>>,
    session: Option<Session>,
    rejected: Vec<rustls_pki_types::CertificateDer<'static>>,
}

impl Outcome {
    /// Keeps the labels that a step takes out of what matched.
    fn note(&mut self, step: &Step, captures: &Captures<'_>) {
        let value = |text: &[u8]| expand(&String::from_utf8_lossy(text), captures);
        if let Some(labels) = &step.labels {
            let info = labels
                .iter()
                .map(|(name, text)| (name.clone(), value(text)));
            self.infos.push(info.collect());
        }
    }

    /// Puts the series.
    pub fn put(&self, out: &mut Arena) {
        if self.connected {
            out.put(&REGEX, &[], f64::from(u8::from(self.failed_due_to_regex)));
            out.put(&BYTES, &[], f64::from(u8::from(self.failed_due_to_bytes)));
        }
        for (at, info) in self.infos.iter().enumerate() {
            if self.infos[..at].contains(info) {
                continue;
            }
            let pairs: Vec<_> = info.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            out.put_pairs(&EXPECT_INFO, &pairs, 1.0);
        }
        let shown = Shown {
            last_chain: true,
            cipher: false,
        };
        match &self.session {
            Some(session) => session.put(out, shown),
            None => tls::put_rejected(&self.rejected, out),
        }
    }
}

/// Takes a step, but for TLS. The value is whether it went as it should.
pub async fn take(
    at: usize,
    step: &Step,
    medium: &mut impl Medium,
    log: &mut ProbeLog,
    outcome: &mut Outcome,
) -> bool {
    debug!(log, "Processing query response entry", "entry_number" => at);
    let mut send = step.send.clone();
    if let Some(pattern) = &step.expect {
        let Some(text) = expect(pattern, medium, log, outcome).await else {
            return false;
        };
        if let Some(captures) = pattern.regex.captures(&text) {
            outcome.note(step, &captures);
            if let Ok(template) = std::str::from_utf8(&step.send) {
                send = expand(template, &captures).into_bytes();
            }
        }
    }
    if !step.expect_bytes.is_empty() && !expect_bytes(step, medium, log, outcome).await {
        return false;
    }
    if !send.is_empty() {
        debug!(log, "Sending line");
        if let Err(why) = medium.send(&send).await {
            error!(log, "Failed to send", "err" => why);
            return false;
        }
    }
    true
}

/// Waits for a text that matches.
async fn expect<M: Medium>(
    pattern: &Pattern,
    medium: &mut M,
    log: &mut ProbeLog,
    outcome: &mut Outcome,
) -> Option<String> {
    loop {
        match medium.text().await {
            Ok(Some(text)) => {
                debug!(log, "Read line", "line" => text);
                let matches = pattern.regex.is_match(&text);
                outcome.failed_due_to_regex = !matches && M::TELLS_MISMATCH;
                if matches {
                    return Some(text);
                }
            }
            Ok(None) => {
                outcome.failed_due_to_regex = true;
                error!(log, "Regexp did not match", "regexp" => pattern.text);
                return None;
            }
            Err(why) => {
                error!(log, "Error reading lines", "err" => why);
                return None;
            }
        }
    }
}

async fn expect_bytes(
    step: &Step,
    medium: &mut impl Medium,
    log: &mut ProbeLog,
    outcome: &mut Outcome,
) -> bool {
    match medium.bytes(step.expect_bytes.len()).await {
        Ok(bytes) if bytes == step.expect_bytes => true,
        Ok(_) => {
            outcome.failed_due_to_bytes = true;
            error!(log, "Bytes did not match");
            false
        }
        Err(why) => {
            error!(log, "Error reading bytes", "err" => why);
            false
        }
    }
}
