//! Follows the objects of one path of the API server: a list, then a watch of what changes, again
//! and again, for ever.

use super::api::{Api, Failure, Form, Status};
use super::splitter::{Part, Splitter};
use crate::object::{Lax, Map, Text, parse};
use crate::telemetry::Telemetry;
use http::StatusCode;
use http_body_util::BodyExt;
use kube::client::Body;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::hash::{BuildHasher, RandomState};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Objects of a page.
const PAGE: usize = 500;
/// The server says something in this time while it sends a list.
const STALL: Duration = Duration::from_secs(30);
/// A watch in which nothing happens, not even a bookmark, is opened anew.
const QUIET: Duration = Duration::from_secs(150);
const FIRST_PAUSE: Duration = Duration::from_millis(800);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// After this time without failure the next pause is short again.
const HEALTHY: Duration = Duration::from_secs(120);
/// A failure that stays the same is told again after this time.
const AGAIN: Duration = Duration::from_secs(300);
/// A line of a watch is not longer: one object, of which storage takes a megabyte and a half.
const LINE_BYTES: usize = 64 << 20;

/// What becomes of objects. An error is about one object, which is left out.
pub trait Sink: Send {
    /// A list begins, the first one or one that replaces what is known.
    fn listing(&mut self);
    /// An object of the list.
    fn item(&mut self, json: &[u8]) -> Result<(), String>;
    /// The list was complete. Gives how many objects there are.
    fn listed(&mut self) -> usize;
    /// An object is new or has changed.
    fn put(&mut self, json: &[u8]) -> Result<(), String>;
    /// An object is gone.
    fn remove(&mut self, json: &[u8]) -> Result<(), String>;
}

/// What is followed.
#[derive(Clone)]
pub struct Target {
    /// Path of the collection.
    pub path: String,
    /// Field selector, empty for none.
    pub selector: String,
    /// Label selector, empty for none.
    pub labels: String,
    /// How the missing permission is named: API group and plural name.
    pub permission: (String, String),
    /// What telemetry calls the resource. Not counted where it is `None`.
    pub label: Option<String>,
    /// Whether nothing but metadata is asked for.
    pub metadata_only: bool,
    /// Most objects of a list, 0 for all.
    pub limit: usize,
    /// Whether lists may always come from the server's cache.
    pub cached: bool,
    /// Whether to ask for lists as watches.
    pub streaming: bool,
}

/// Follows one target.
pub struct Reflector<S> {
    api: Api,
    target: Target,
    sink: S,
    telemetry: Telemetry,
    /// Lists under way in the whole process are few, so that memory is bounded.
    turns: Arc<Semaphore>,
    pause: Pause,
    /// The last version seen, empty before the first list and when it is too old.
    version: String,
    relist: bool,
    /// Whether a list was complete.
    synced: bool,
    /// The failure told last, and when.
    told: Option<(String, Instant)>,
}

/// The end of a watch.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// The server ended it in good order.
    Over,
    /// The version is too old.
    Gone,
}

#[derive(Deserialize)]
struct Event<'a> {
    r#type: &'a str,
    #[serde(borrow)]
    object: &'a RawValue,
}

/// What a list says of itself, and a bookmark.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Envelope {
    metadata: Lax<ListMetadata>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ListMetadata {
    resource_version: Text,
    r#continue: Text,
    annotations: Map<String>,
}

impl<S: Sink> Reflector<S> {
    /// Follows `target` through `api` into `sink`.
    pub fn new(
        api: Api,
        target: Target,
        sink: S,
        telemetry: Telemetry,
        turns: Arc<Semaphore>,
    ) -> Self {
        Reflector {
            api,
            target,
            sink,
            telemetry,
            turns,
            pause: Pause::default(),
            version: String::new(),
            relist: false,
            synced: false,
            told: None,
        }
    }

    /// Follows for ever.
    pub async fn run(mut self) {
        loop {
            let result = self.list_and_watch().await;
            if let Err(failure) = result {
                self.report(&failure);
                tokio::time::sleep(self.pause.next(failure.retry_after)).await;
            }
        }
    }

    /// One list and watches behind it, until a version is too old.
    async fn list_and_watch(&mut self) -> Result<(), Failure> {
        let stream = match self.list_by_any_means().await {
            Ok(stream) => stream,
            Err(failure) => {
                if failure.is(StatusCode::GONE) || failure.why.contains("Too large resource") {
                    self.version.clear();
                    self.relist = true;
                }
                return Err(failure);
            }
        };
        let mut next = stream;
        loop {
            let opened = Instant::now();
            let result = self.watch(next.take()).await;
            match result {
                Ok(End::Gone) => {
                    self.version.clear();
                    self.relist = true;
                    return Ok(());
                }
                // A server that ends watches at once is not asked again at once.
                Ok(End::Over) if opened.elapsed() > Duration::from_secs(1) => {}
                Ok(End::Over) => tokio::time::sleep(self.pause.next(None)).await,
                Err(failure) if failure.is(StatusCode::GONE) => {
                    self.version.clear();
                    self.relist = true;
                    return Ok(());
                }
                Err(failure) => {
                    self.report(&failure);
                    tokio::time::sleep(self.pause.next(failure.retry_after)).await;
                }
            }
        }
    }

    /// Fills the sink. Gives the stream that goes on with what changes, if there is one.
    async fn list_by_any_means(&mut self) -> Result<Option<Lines>, Failure> {
        let turns = self.turns.clone();
        let _turn = turns.acquire().await;
        if self.target.streaming && self.target.limit == 0 {
            match self.stream_list().await {
                Ok(lines) => return Ok(Some(lines)),
                Err(failure) if refuses_streams(&failure) => {
                    tracing::debug!(path = self.target.path, why = failure.why, "plain lists");
                    self.target.streaming = false;
                }
                Err(failure) => return Err(failure),
            }
        }
        self.list().await.map(|()| None)
    }

    /// A list in the form of a watch: first all objects as if they were new, then a bookmark.
    async fn stream_list(&mut self) -> Result<Lines, Failure> {
        let path = self.watch_path("&sendInitialEvents=true&resourceVersionMatch=NotOlderThan");
        let opened = self.api.open(&path, self.watch_form()).await;
        self.count_watch(opened.is_ok());
        let mut lines = Lines::new(opened?.into_body());
        self.sink.listing();
        let mut complete = false;
        while !complete {
            let line = lines.next(STALL).await?;
            let line = line.ok_or_else(|| Failure::broken("the stream of a list was cut off"))?;
            let event = event(line)?;
            let json = event.object.get().as_bytes();
            match event.r#type {
                "ADDED" | "MODIFIED" => {
                    let result = self.sink.item(json);
                    complain(&self.target.path, result);
                }
                "BOOKMARK" => {
                    let bookmark: Envelope = parse(json).map_err(Failure::broken)?;
                    let metadata = bookmark.metadata.0;
                    let end = metadata.annotations.get("k8s.io/initial-events-end");
                    complete = end.is_some_and(|end| end == "true");
                    self.version = metadata.resource_version.0;
                }
                "ERROR" => return Err(refusal(json)),
                _ => {}
            }
        }
        self.complete();
        Ok(lines)
    }

    /// The list is complete. Gives how many objects there are.
    fn complete(&mut self) -> usize {
        self.relist = false;
        self.told = None;
        if let Some(label) = &self.target.label {
            let first = !std::mem::replace(&mut self.synced, true);
            self.telemetry.heard(label, first);
        }
        self.sink.listed()
    }

    /// A list, page by page.
    async fn list(&mut self) -> Result<(), Failure> {
        self.sink.listing();
        let mut token = String::new();
        loop {
            let metadata = self.page(&token).await?;
            self.version = metadata.resource_version.0;
            token = metadata.r#continue.0;
            if token.is_empty() || self.target.limit > 0 {
                break;
            }
        }
        let kept = self.complete();
        if let (Some(label), true) = (&self.target.label, self.target.limit > 0) {
            let limit = i64::try_from(self.target.limit).unwrap_or(i64::MAX);
            self.telemetry.limited(label, kept, limit);
        }
        Ok(())
    }

    async fn page(&mut self, token: &str) -> Result<ListMetadata, Failure> {
        let opened = self
            .api
            .open(&self.page_path(token), self.list_form())
            .await;
        if let Some(label) = &self.target.label {
            self.telemetry.listed(label, opened.is_ok());
        }
        let mut body = opened?.into_body();
        let (sink, target) = (&mut self.sink, &self.target);
        let most = if target.limit > 0 {
            target.limit
        } else {
            usize::MAX
        };
        let mut splitter = Splitter::default();
        let (mut count, mut envelope) = (0, Envelope::default());
        while let Some(bytes) = frame(&mut body, STALL).await? {
            let result = splitter.push(&bytes, &mut |part| {
                match part {
                    Part::Item { json, .. } if count < most => {
                        count += 1;
                        complain(&target.path, sink.item(json));
                    }
                    Part::Item { .. } => {}
                    Part::Document(json) => envelope = parse(json)?,
                }
                Ok(())
            });
            result.map_err(Failure::broken)?;
        }
        splitter.finish().map_err(Failure::broken)?;
        Ok(envelope.metadata.0)
    }

    fn page_path(&self, token: &str) -> String {
        let limit = if self.target.limit > 0 {
            self.target.limit
        } else {
            PAGE
        };
        let mut path = format!("{}?", self.target.path);
        match (token, self.version.as_str()) {
            ("", _) if self.target.cached => path += &format!("limit={limit}&resourceVersion=0"),
            ("", "") if self.relist => path += &format!("limit={limit}"),
            ("", "") => path += &format!("limit={limit}&resourceVersion=0"),
            ("", version) if self.target.limit == 0 => {
                path += &format!("resourceVersion={}", escape(version));
            }
            ("", version) => {
                path += &format!("limit={limit}&resourceVersion={}", escape(version));
            }
            (token, _) => path += &format!("limit={limit}&continue={}", escape(token)),
        }
        path + &self.selector()
    }

    fn watch_path(&self, more: &str) -> String {
        let seconds = 300 + random() % 300;
        let path = &self.target.path;
        format!(
            "{path}?watch=true&allowWatchBookmarks=true&timeoutSeconds={seconds}{more}{}",
            self.selector()
        )
    }

    fn selector(&self) -> String {
        let mut query = String::new();
        let target = &self.target;
        for (name, selector) in [
            ("fieldSelector", &target.selector),
            ("labelSelector", &target.labels),
        ] {
            if !selector.is_empty() {
                query += &format!("&{name}={}", escape(selector));
            }
        }
        query
    }

    /// Follows changes, on a stream that is open already or a new one.
    async fn watch(&mut self, open: Option<Lines>) -> Result<End, Failure> {
        let mut lines = match open {
            Some(lines) => lines,
            None => {
                let version = format!("&resourceVersion={}", escape(&self.version));
                let opened = self
                    .api
                    .open(&self.watch_path(&version), self.watch_form())
                    .await;
                self.count_watch(opened.is_ok());
                Lines::new(opened?.into_body())
            }
        };
        while let Some(line) = lines.next(QUIET).await? {
            if let Some(label) = &self.target.label {
                self.telemetry.heard(label, false);
            }
            if let ControlFlow::Break(end) = self.change(line)? {
                return Ok(end);
            }
        }
        Ok(End::Over)
    }

    fn change(&mut self, line: &[u8]) -> Result<ControlFlow<End>, Failure> {
        let event = event(line)?;
        let json = event.object.get().as_bytes();
        let result = match event.r#type {
            "ADDED" | "MODIFIED" => self.sink.put(json),
            "DELETED" => self.sink.remove(json),
            "ERROR" => {
                let failure = refusal(json);
                if failure.is(StatusCode::GONE) {
                    return Ok(ControlFlow::Break(End::Gone));
                }
                return Err(failure);
            }
            _ => Ok(()),
        };
        complain(&self.target.path, result);
        let envelope: Envelope = parse(json).map_err(Failure::broken)?;
        let version = envelope.metadata.0.resource_version.0;
        if !version.is_empty() {
            self.version = version;
        }
        Ok(ControlFlow::Continue(()))
    }

    fn list_form(&self) -> Form {
        if self.target.metadata_only {
            Form::MetadataList
        } else {
            Form::Whole
        }
    }

    fn watch_form(&self) -> Form {
        if self.target.metadata_only {
            Form::Metadata
        } else {
            Form::Whole
        }
    }

    fn count_watch(&self, success: bool) {
        if let Some(label) = &self.target.label {
            self.telemetry.watched(label, success);
        }
    }

    fn report(&mut self, failure: &Failure) {
        let (path, why) = (&self.target.path, &failure.why);
        let told = self.told.as_ref();
        if told.is_some_and(|(told, when)| told == why && when.elapsed() < AGAIN) {
            tracing::debug!(path, err = why, "Failed again");
            return;
        }
        if failure.is(StatusCode::FORBIDDEN) {
            let (group, plural) = &self.target.permission;
            tracing::error!(
                path,
                err = why,
                "Missing permission: a role of this service account needs the rule apiGroups: \
                 [\"{group}\"], resources: [\"{plural}\"], verbs: [\"list\", \"watch\"]"
            );
        } else if failure.is(StatusCode::NOT_FOUND) {
            let plural = &self.target.permission.1;
            tracing::error!(
                path,
                err = why,
                "The API server does not serve this version of {plural}: they are exposed once it \
                 does; all else is exposed meanwhile. To end this message leave them out of \
                 --resources"
            );
        } else {
            tracing::error!(path, err = why, "Failed to list or watch");
        }
        self.told = Some((failure.why.clone(), Instant::now()));
    }
}

/// Whether a server does not know lists in the form of watches, or will not give one.
fn refuses_streams(failure: &Failure) -> bool {
    let refused = [StatusCode::BAD_REQUEST, StatusCode::UNPROCESSABLE_ENTITY];
    failure
        .status
        .is_some_and(|status| refused.contains(&status))
}

fn event(line: &[u8]) -> Result<Event<'_>, Failure> {
    serde_json::from_slice(line).map_err(|e| Failure::broken(format!("event of a watch: {e}")))
}

/// The error that a stream tells of.
fn refusal(json: &[u8]) -> Failure {
    let status: Status = serde_json::from_slice(json).unwrap_or_default();
    Failure {
        status: StatusCode::from_u16(status.code).ok(),
        why: status.message,
        retry_after: None,
    }
}

/// An object that cannot be read costs its own series only.
fn complain(path: &str, result: Result<(), String>) {
    if let Err(why) = result {
        tracing::error!(path, err = why, "Cannot read an object");
    }
}

/// The next part of a body. `None` at its end.
async fn frame(body: &mut Body, patience: Duration) -> Result<Option<bytes::Bytes>, Failure> {
    loop {
        let frame = tokio::time::timeout(patience, body.frame()).await;
        let frame = frame.map_err(|_| Failure::broken("the API server fell silent"))?;
        match frame {
            None => return Ok(None),
            Some(Err(error)) => return Err(Failure::broken(error)),
            Some(Ok(frame)) => {
                if let Ok(bytes) = frame.into_data() {
                    return Ok(Some(bytes));
                }
            }
        }
    }
}

/// The lines of a body.
struct Lines {
    body: Body,
    /// What has come, and where the lines not yet given begin.
    buffer: Vec<u8>,
    start: usize,
    /// No line ends before this place.
    searched: usize,
}

impl Lines {
    fn new(body: Body) -> Self {
        Lines {
            body,
            buffer: Vec::new(),
            start: 0,
            searched: 0,
        }
    }

    /// The next line. `None` at the end; a last line without an end is dropped.
    async fn next(&mut self, patience: Duration) -> Result<Option<&[u8]>, Failure> {
        let (start, end) = loop {
            let rest = &self.buffer[self.searched..];
            if let Some(found) = memchr::memchr(b'\n', rest) {
                let (start, end) = (self.start, self.searched + found);
                (self.start, self.searched) = (end + 1, end + 1);
                if end > start {
                    break (start, end);
                }
                continue;
            }
            self.buffer.drain(..self.start);
            (self.start, self.searched) = (0, self.buffer.len());
            if self.buffer.is_empty() && self.buffer.capacity() > 256 * 1024 {
                self.buffer = Vec::new();
            }
            if self.buffer.len() > LINE_BYTES {
                return Err(Failure::broken("an event of a watch is too long"));
            }
            match frame(&mut self.body, patience).await? {
                Some(bytes) => self.buffer.extend_from_slice(&bytes),
                None => return Ok(None),
            }
        };
        Ok(Some(&self.buffer[start..end]))
    }
}

/// Pauses that double, each cut short at random.
struct Pause {
    next: Duration,
    last: Instant,
}

impl Default for Pause {
    fn default() -> Self {
        Pause {
            next: FIRST_PAUSE,
            last: Instant::now(),
        }
    }
}

impl Pause {
    fn next(&mut self, asked: Option<Duration>) -> Duration {
        if self.last.elapsed() > HEALTHY {
            self.next = FIRST_PAUSE;
        }
        self.last = Instant::now();
        let pause = self.next;
        self.next = (self.next * 2).min(LONGEST_PAUSE);
        let jittered = pause.mul_f64((random() % 1000) as f64 / 1000.0);
        jittered.max(asked.unwrap_or_default())
    }
}

fn random() -> u64 {
    RandomState::new().hash_one(0)
}

/// Percent-encodes a value of a query.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                escaped.push(char::from(byte));
            }
            byte => escaped += &format!("%{byte:02X}"),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries() {
        assert_eq!(
            escape("metadata.namespace!=a,b"),
            "metadata.namespace%21%3Da%2Cb"
        );
    }

    #[test]
    fn pauses_grow_and_end() {
        let mut pause = Pause::default();
        for most in [0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0] {
            assert!(pause.next(None) <= Duration::from_secs_f64(most));
        }
        assert!(pause.next(Some(Duration::from_secs(60))) >= Duration::from_secs(60));
    }

    #[tokio::test]
    async fn lines_may_come_in_any_pieces() {
        let body = Body::from(b"one\n\ntwo\nthree".to_vec());
        let mut lines = Lines::new(body);
        let second = Duration::from_secs(1);
        assert_eq!(lines.next(second).await, Ok(Some(&b"one"[..])));
        assert_eq!(lines.next(second).await, Ok(Some(&b"two"[..])));
        assert_eq!(lines.next(second).await, Ok(None));
    }
}
