//! What the last answer must be: status, headers, body, version, TLS, in this order.

use super::Measured;
use super::body::{self, Reader, Sink};
use super::date;
use super::hops::Final;
use crate::client::Answer;
use crate::config::{HeaderRule, Http};
use crate::expression::Expression;
use crate::log::ProbeLog;
use crate::{debug, error};
use http::{HeaderMap, header};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Judges an answer; later checks run only while all is well, the body is read in any case.
pub async fn judge(
    settings: &Http,
    last: Final,
    measured: &mut Measured,
    log: &mut ProbeLog,
) -> bool {
    let Final { mut answer, closed } = last;
    describe(&answer, measured);
    debug!(log, "Received HTTP response", "status_code" => measured.status);
    let mut success = is_valid_status(settings, measured.status, log);
    if success && !headers_fit(settings, &answer.head.headers, log) {
        measured.failed_due_to_regex = true;
        success = false;
    }
    match closed {
        true => success &= judge_closed(settings, measured, success, log),
        false => success &= judge_body(settings, &mut answer, measured, success, log).await,
    }
    let (major, minor) = answer.head.version;
    let version = format!("HTTP/{major}.{minor}");
    let versions = &settings.valid_http_versions;
    if !versions.is_empty() && !versions.contains(&version) {
        error!(log, "Invalid HTTP version number", "version" => version);
        success = false;
    }
    if settings.fail_if_ssl && measured.over_tls {
        error!(log, "Final request was over SSL");
        success = false;
    }
    if settings.fail_if_not_ssl && !measured.over_tls {
        error!(log, "Final request was not over SSL");
        success = false;
    }
    success
}

fn describe(answer: &Answer, measured: &mut Measured) {
    let head = &answer.head;
    measured.first_byte = Some(answer.first_byte);
    measured.status = head.status;
    let (major, minor) = head.version;
    measured.version = f64::from(major) + f64::from(minor) / 10.0;
    measured.session.clone_from(&answer.session);
    measured.over_tls = answer.session.is_some();
    measured.content_length = head.content_length;
    let modified = head.headers.get(header::LAST_MODIFIED);
    measured.last_modified = modified.and_then(|v| date::parse(v.to_str().ok()?));
}

fn is_valid_status(settings: &Http, status: u16, log: &mut ProbeLog) -> bool {
    let status = i64::from(status);
    let anything =
        settings.valid_status_codes.is_empty() && settings.valid_status_classes.is_empty();
    let valid = match anything {
        true => (200..300).contains(&status),
        false => {
            settings.valid_status_codes.contains(&status)
                || settings.valid_status_classes.contains(&(status / 100))
        }
    };
    if !valid {
        error!(log, "Invalid HTTP response status code", "status_code" => status);
    }
    valid
}

fn headers_fit(settings: &Http, headers: &HeaderMap, log: &mut ProbeLog) -> bool {
    let fit = |rule: &HeaderRule, wanted: bool, log: &mut ProbeLog| {
        let values: Vec<String> = headers
            .get_all(&rule.header)
            .iter()
            .map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned())
            .collect();
        if values.is_empty() {
            if !rule.allow_missing {
                error!(log, "Missing required header", "header" => rule.header);
            }
            return rule.allow_missing;
        }
        let matched = values.iter().any(|v| rule.pattern.regex.is_match(v));
        if matched != wanted {
            let (header, regexp) = (&rule.header, &rule.pattern.text);
            error!(log, "Header does not fit", "header" => header, "regexp" => regexp);
        }
        matched == wanted
    };
    settings
        .fail_if_header_matches
        .iter()
        .all(|rule| fit(rule, false, log))
        && settings
            .fail_if_header_not_matches
            .iter()
            .all(|rule| fit(rule, true, log))
}

fn looks_at_body(settings: &Http) -> bool {
    !settings.fail_if_body_matches.is_empty() || !settings.fail_if_body_not_matches.is_empty()
}

/// The body of a redirect that was not followed is closed before anybody can read it.
fn judge_closed(
    settings: &Http,
    measured: &mut Measured,
    success: bool,
    log: &mut ProbeLog,
) -> bool {
    let decompresses = settings
        .compression()
        .is_some_and(|c| c != crate::config::Compression::Identity);
    if decompresses {
        error!(log, "Failed to get decompressor for HTTP response body");
        return false;
    }
    if success && looks_at_body(settings) {
        error!(log, "Error reading HTTP body", "err" => "the body is closed");
        measured.failed_due_to_regex = true;
        return false;
    }
    let expressions = [
        &settings.fail_if_json_matches,
        &settings.fail_if_json_not_matches,
    ];
    if success && expressions.iter().any(|e| e.is_some()) {
        error!(log, "Error reading HTTP body", "err" => "the body is closed");
        measured.failed_due_to_cel = true;
        return false;
    }
    true
}

async fn judge_body(
    settings: &Http,
    answer: &mut Answer,
    measured: &mut Measured,
    mut success: bool,
    log: &mut ProbeLog,
) -> bool {
    let regexps = success && looks_at_body(settings);
    let expressions = [
        (&settings.fail_if_json_matches, true),
        (&settings.fail_if_json_not_matches, false),
    ];
    let cel = success && expressions.iter().any(|e| e.0.is_some());
    let sink = Sink::new(regexps || cel, settings.body_size_limit);
    let mut reader = match Reader::new(settings.compression(), sink, answer).await {
        Ok(reader) => reader,
        Err((why, used)) => {
            error!(log, "Failed to get decompressor for HTTP response body", "err" => why);
            let limit = settings.body_size_limit.unwrap_or(u64::MAX);
            body::count_rest(answer, used, limit, &mut measured.body_length).await;
            return false;
        }
    };
    // What looks at the body has failed until it is there, also where the deadline ends the reading.
    measured.failed_due_to_regex |= regexps;
    measured.failed_due_to_cel |= cel && !regexps;
    let read = {
        let length = &mut measured.body_length;
        let reader = &mut reader;
        let counting = Counting { reader, length };
        counting.reader.read(answer).await
    };
    if let Err(why) = read {
        error!(log, "Failed to read HTTP response body", "err" => why);
        return false;
    }
    measured.failed_due_to_regex &= !regexps;
    measured.failed_due_to_cel &= !cel;
    let whole = reader.sink().kept.as_deref().unwrap_or_default();
    if regexps && !body_fits(settings, whole, log) {
        measured.failed_due_to_regex = true;
        success = false;
    }
    if cel && success && !json_fits(&expressions, whole, log).await {
        measured.failed_due_to_cel = true;
        success = false;
    }
    success
}

/// Keeps count where the deadline ends the reading.
struct Counting<'a> {
    reader: &'a mut Reader,
    length: &'a mut u64,
}

impl Drop for Counting<'_> {
    fn drop(&mut self) {
        *self.length = self.reader.sink().count;
    }
}

fn body_fits(settings: &Http, body: &[u8], log: &mut ProbeLog) -> bool {
    let text = String::from_utf8_lossy(body);
    let found = settings
        .fail_if_body_matches
        .iter()
        .find(|p| p.regex.is_match(&text));
    if let Some(pattern) = found {
        error!(log, "Body matched regular expression", "regexp" => pattern.text);
        return false;
    }
    let missed = settings
        .fail_if_body_not_matches
        .iter()
        .find(|p| !p.regex.is_match(&text));
    if let Some(pattern) = missed {
        error!(log, "Body did not match regular expression", "regexp" => pattern.text);
        return false;
    }
    true
}

/// Tells an evaluation, by being dropped, that nobody waits for it.
#[derive(Default)]
struct Abandon(Arc<AtomicBool>);

impl Drop for Abandon {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Reads JSON. Text that is not Unicode becomes the replacement character, as in Go.
fn parse_json(body: &[u8]) -> serde_json::Result<serde_json::Value> {
    let text = String::from_utf8_lossy(body);
    serde_json::from_str(&text).or_else(|error| match text.contains("\\u") {
        true => serde_json::from_str(&without_lone_surrogates(&text)),
        false => Err(error),
    })
}

/// Replaces escapes of surrogates (`\uD800` to `\uDFFF`) that are not one of a pair.
fn without_lone_surrogates(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        out.push_str(before);
        let length = match (surrogate(escape), escape.get(6..).and_then(surrogate)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(_), _) => {
                out.push('\u{fffd}');
                rest = &escape[6..];
                continue;
            }
            // The character behind the backslash is not the beginning of another escape.
            _ => 1 + escape[1..].chars().next().map_or(0, char::len_utf8),
        };
        out.push_str(&escape[..length]);
        rest = &escape[length..];
    }
    out + rest
}

/// The surrogate that a text begins with.
fn surrogate(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    let unit = u16::from_str_radix(digits, 16).ok()?;
    (0xd800..=0xdfff).contains(&unit).then_some(unit)
}

/// Evaluates on a thread of its own, which the deadline does not wait for.
async fn json_fits(
    expressions: &[(&Option<Expression>, bool); 2],
    body: &[u8],
    log: &mut ProbeLog,
) -> bool {
    let json = match parse_json(body) {
        Ok(json) => json,
        Err(error) => {
            error!(log, "Error unmarshalling HTTP body to JSON", "err" => error);
            return false;
        }
    };
    let given = expressions
        .iter()
        .filter_map(|(e, fails)| Some(((*e).clone()?, *fails)));
    let given: Vec<_> = given.collect();
    let abandon = Abandon::default();
    let abandoned = Arc::clone(&abandon.0);
    let evaluation = tokio::task::spawn_blocking(move || {
        given.iter().try_for_each(|(expression, fails)| {
            match expression.evaluate(&json, &abandoned) {
                Ok(truth) if truth == *fails => Err(format!("{:?} is {truth}", expression.text())),
                Ok(_) => Ok(()),
                Err(why) => Err(format!("{:?}: {why}", expression.text())),
            }
        })
    });
    match evaluation
        .await
        .unwrap_or_else(|_| Err("the evaluation broke down".to_owned()))
    {
        Ok(()) => true,
        Err(why) => {
            error!(log, "Body does not fit the CEL expression", "err" => why);
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_that_is_not_unicode() {
        for (body, text) in [
            (&br#""a\ud800b""#[..], Some("a\u{fffd}b")),
            (
                br#""\udc00\ud83d\ude00\\ud800""#,
                Some("\u{fffd}\u{1f600}\\ud800"),
            ),
            (b"\"\xff\"", Some("\u{fffd}")),
            (br#""\ud800" x"#, None),
            (br#""\u12"#, None),
            (br#""\"#, None),
        ] {
            let json = parse_json(body).ok();
            assert_eq!(json.as_ref().and_then(|v| v.as_str()), text, "{body:?}");
        }
    }
}
