//! What the last answer must be: status, headers, body, version, TLS, in this order.

use super::Measured;
use super::body::{self, Reader, Sink};
use super::hops::Final;
use crate::client::Answer;
use crate::config::{HeaderRule, Http};
use crate::expression::Expression;
use crate::log::ProbeLog;
use crate::{debug, error};
use http::{HeaderMap, Version, header};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, UNIX_EPOCH};

/// Judges an answer; later checks run only while all is well, the body is read in any case.
pub async fn judge(
    settings: &Http,
    last: Final,
    measured: &mut Measured,
    log: &mut ProbeLog,
) -> bool {
    let Final {
        mut answer,
        closed,
        is_head,
    } = last;
    describe(&answer, is_head, measured);
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
    measured.transfer = answer.first_byte.elapsed().as_secs_f64();
    let version = version_text(answer.head.version);
    let versions = &settings.valid_http_versions;
    if !versions.is_empty() && !versions.iter().any(|v| v == version) {
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

fn describe(answer: &Answer, is_head: bool, measured: &mut Measured) {
    let head = &answer.head;
    measured.status = head.status.as_u16();
    measured.version = match head.version {
        Version::HTTP_10 => 1.0,
        Version::HTTP_11 => 1.1,
        Version::HTTP_2 => 2.0,
        _ => 0.0,
    };
    measured.session.clone_from(&answer.session);
    measured.over_tls = answer.session.is_some();
    let told = head.headers.get(header::CONTENT_LENGTH);
    let told = told
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.trim().parse::<i64>().ok());
    let chunked = head.headers.contains_key(header::TRANSFER_ENCODING);
    let bodiless = matches!(measured.status, 100..200 | 204 | 304) && !is_head;
    measured.content_length = match (told, answer.exact_length()) {
        (_, _) if bodiless => 0,
        (_, _) if chunked => -1,
        (Some(length), _) => length,
        (None, Some(0)) if !is_head => 0,
        _ => -1,
    };
    let modified = head.headers.get(header::LAST_MODIFIED);
    let modified = modified.and_then(|v| httpdate::parse_http_date(v.to_str().ok()?).ok());
    measured.last_modified = modified
        .and_then(|t| t.duration_since(UNIX_EPOCH).ok())
        .map(|t| t.as_secs());
}

fn version_text(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_11 => "HTTP/1.1",
        Version::HTTP_2 => "HTTP/2.0",
        _ => "HTTP/0.9",
    }
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
            measured.body_length = body::count_rest(answer, used).await.unwrap_or(0);
            return false;
        }
    };
    let read = {
        let counting = Counting {
            reader: &mut reader,
            measured,
            first_byte: answer.first_byte,
        };
        counting.reader.read(answer).await
    };
    if let Err(why) = read {
        error!(log, "Failed to read HTTP response body", "err" => why);
        measured.failed_due_to_regex |= regexps;
        measured.failed_due_to_cel |= cel && !regexps;
        return false;
    }
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

/// Keeps count and time where the deadline ends the reading.
struct Counting<'a> {
    first_byte: Instant,
    reader: &'a mut Reader,
    measured: &'a mut Measured,
}

impl Drop for Counting<'_> {
    fn drop(&mut self) {
        self.measured.body_length = self.reader.sink().count;
        self.measured.transfer = self.first_byte.elapsed().as_secs_f64();
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

/// Evaluates on a thread of its own, which the deadline does not wait for.
async fn json_fits(
    expressions: &[(&Option<Expression>, bool); 2],
    body: &[u8],
    log: &mut ProbeLog,
) -> bool {
    let json: serde_json::Value = match serde_json::from_slice(body) {
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
