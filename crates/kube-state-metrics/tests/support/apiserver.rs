//! An API server for tests and measurements: lists with pages, watches with bookmarks and initial
//! events, selectors, and every fault that a test asks for.

use bytes::Bytes;
use exporter_core::web::{Answer, Body, Handler, Listener, Query, Request, Response, Server, full};
use http::{HeaderValue, StatusCode, header};
use http_body::Frame;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// A fault of answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Status and what it says, with seconds to wait.
    Refuse(u16, &'static str, u64),
    /// The answer ends in the middle.
    Truncate,
    /// Nothing comes for that long, then the answer.
    Slow(Duration),
}

/// A cluster and the server in front of it. Cloning shares it.
#[derive(Clone)]
pub struct ApiServer {
    state: Arc<Mutex<State>>,
    changed: watch::Sender<u64>,
    /// Raised to cut all watches.
    cuts: watch::Sender<u64>,
    /// `http://HOST:PORT`.
    pub url: String,
}

#[derive(Default)]
struct State {
    version: u64,
    /// By path of the collection, then by namespace and name.
    objects: BTreeMap<String, BTreeMap<(String, String), Arc<Object>>>,
    log: Vec<Change>,
    /// Changes up to this version are forgotten.
    forgotten: u64,
    requests: Vec<String>,
    /// Faults by a part of the request, each for some requests.
    faults: Vec<(String, VecDeque<Fault>)>,
    /// Whether lists as watches are known.
    streams: bool,
    minor: String,
    /// Tokens, users and whether they may read metrics.
    users: Vec<(&'static str, &'static str, bool)>,
}

/// An object as it is sent.
struct Object {
    namespace: String,
    name: String,
    node: String,
    json: String,
}

#[derive(Clone)]
struct Change {
    version: u64,
    collection: String,
    kind: &'static str,
    object: Arc<Object>,
}

impl ApiServer {
    /// Starts a server on a free loopback port of the running runtime.
    pub fn start() -> Self {
        let listener = Listener::bind("127.0.0.1:0").unwrap();
        let server = ApiServer {
            state: Arc::new(Mutex::new(State {
                streams: true,
                minor: "36".to_owned(),
                ..State::default()
            })),
            changed: watch::channel(0).0,
            cuts: watch::channel(0).0,
            url: format!("http://{}", listener.address()),
        };
        let running = Server::new()
            .listeners(vec![listener])
            .fallback(server.clone());
        tokio::spawn(running.run_until(std::future::pending()));
        server
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Adds or changes an object of a collection such as `/api/v1/pods`.
    pub fn put(&self, collection: &str, object: Value) {
        self.change(collection, object, false);
    }

    /// Removes an object.
    pub fn delete(&self, collection: &str, namespace: &str, name: &str) {
        let key = (namespace.to_owned(), name.to_owned());
        let known = self
            .state()
            .objects
            .get(collection)
            .and_then(|all| all.get(&key).cloned());
        let object: Value = serde_json::from_str(&known.unwrap().json).unwrap();
        self.change(collection, object, true);
    }

    fn change(&self, collection: &str, mut object: Value, deletes: bool) {
        let mut state = self.state();
        state.version += 1;
        let version = state.version;
        object["metadata"]["resourceVersion"] = json!(version.to_string());
        let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
        let metadata = &object["metadata"];
        let key = (text(&metadata["namespace"]), text(&metadata["name"]));
        let object = Arc::new(Object {
            namespace: key.0.clone(),
            name: key.1.clone(),
            node: text(&object["spec"]["nodeName"]),
            json: object.to_string(),
        });
        let all = state.objects.entry(collection.to_owned()).or_default();
        let kind = match (deletes, all.contains_key(&key)) {
            (true, _) => "DELETED",
            (false, true) => "MODIFIED",
            (false, false) => "ADDED",
        };
        if deletes {
            all.remove(&key);
        } else {
            all.insert(key, object.clone());
        }
        state.log.push(Change {
            version,
            collection: collection.to_owned(),
            kind,
            object,
        });
        drop(state);
        self.changed.send_replace(version);
    }

    /// Forgets all changes, so that watches from before now are told 410.
    pub fn forget(&self) {
        let mut state = self.state();
        state.forgotten = state.version;
        state.log.clear();
    }

    /// Cuts all watches in the middle of a line.
    pub fn cut_watches(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Does not know lists as watches, as before 1.32.
    pub fn without_streams(&self) {
        self.state().streams = false;
    }

    /// Answers requests that contain `part` with these faults, one each.
    pub fn fail(&self, part: &str, faults: impl IntoIterator<Item = Fault>) {
        let faults = faults.into_iter().collect();
        self.state().faults.push((part.to_owned(), faults));
    }

    /// Requests so far that contain a part.
    pub fn requests(&self, part: &str) -> Vec<String> {
        let state = self.state();
        state
            .requests
            .iter()
            .filter(|r| r.contains(part))
            .cloned()
            .collect()
    }

    fn fault(&self, request: &str) -> Option<Fault> {
        let mut state = self.state();
        let faults = state.faults.iter_mut();
        let mut hits = faults.filter(|(part, faults)| request.contains(part) && !faults.is_empty());
        hits.next()?.1.pop_front()
    }

    /// Knows a token of a user, who may read metrics or not.
    pub fn know(&self, token: &'static str, user: &'static str, may: bool) {
        self.state().users.push((token, user, may));
    }

    /// Answers a review of a token or of what a user may.
    fn review(&self, question: &Value) -> Response {
        let state = self.state();
        let status = match question["spec"]["token"].as_str() {
            Some(token) => match state.users.iter().find(|user| user.0 == token) {
                Some((_, name, _)) => json!({"authenticated": true, "user": {"username": name}}),
                None => json!({"authenticated": false}),
            },
            None => {
                let name = question["spec"]["user"].as_str();
                let asks = &question["spec"]["nonResourceAttributes"];
                let metrics = *asks == json!({"path": "/metrics", "verb": "get"});
                let may = |user: &&(&str, &str, bool)| Some(user.1) == name && user.2;
                json!({"allowed": metrics && state.users.iter().any(|user| may(&user))})
            }
        };
        answer(json!({"status": status}).to_string())
    }

    /// One object by its whole path, if it is one.
    fn single(&self, path: &str) -> Option<Response> {
        let (root, rest) = path.split_once("/namespaces/")?;
        let [namespace, plural, name] = rest.split('/').collect::<Vec<_>>()[..] else {
            return None;
        };
        let state = self.state();
        let all = state.objects.get(&format!("{root}/{plural}"));
        let object = all.and_then(|all| all.get(&(namespace.to_owned(), name.to_owned())));
        Some(match object {
            Some(object) => answer(object.json.clone()),
            None => refuse(404, "not found", 0),
        })
    }

    async fn answer(&self, mut request: Request) -> Response {
        let target = request.uri().to_string();
        self.state().requests.push(target.clone());
        let fault = self.fault(&target);
        match fault {
            Some(Fault::Refuse(code, why, seconds)) => return refuse(code, why, seconds),
            Some(Fault::Slow(time)) => tokio::time::sleep(time).await,
            _ => {}
        }
        if request.method() == http::Method::POST {
            let body = request.body_mut().collect().await.unwrap().to_bytes();
            return self.review(&serde_json::from_slice(&body).unwrap());
        }
        if let Some(answer) = self.single(request.uri().path()) {
            return answer;
        }
        let query = Query::parse(request.uri().query().unwrap_or(""));
        let truncate = fault == Some(Fault::Truncate);
        match request.uri().path() {
            "/version" => {
                let minor = self.state().minor.clone();
                let version = json!({"major": "1", "minor": minor, "gitVersion": "v1.36.0-test"});
                answer(version.to_string())
            }
            "/livez" => answer("ok"),
            path => {
                let (collection, namespace) = collection(path);
                let scope = Scope::new(namespace, &query);
                match query.first("watch") {
                    Some("true") => self.watch(collection, scope, &query, truncate),
                    _ => self.list(&collection, &scope, &query, truncate),
                }
            }
        }
    }

    fn list(&self, collection: &str, scope: &Scope, query: &Query, truncate: bool) -> Response {
        let state = self.state();
        let (version, skip) = match query.first("continue").and_then(|t| t.split_once('-')) {
            Some((version, skip)) => (version.parse().unwrap(), skip.parse().unwrap()),
            None => (state.version, 0),
        };
        if version < state.forgotten {
            return refuse(410, "The provided continue parameter is too old", 0);
        }
        let limit = query
            .first("limit")
            .and_then(|l| l.parse().ok())
            .unwrap_or(usize::MAX);
        let empty = BTreeMap::new();
        let all = state.objects.get(collection).unwrap_or(&empty).values();
        let mut rest = all.filter(|object| scope.takes(object)).skip(skip);
        let page: Vec<_> = rest.by_ref().take(limit).map(|o| o.json.as_str()).collect();
        let more = match rest.next() {
            Some(_) => format!("{version}-{}", skip + page.len()),
            None => String::new(),
        };
        let metadata = json!({"resourceVersion": version.to_string(), "continue": more});
        let items = page.join(",");
        let mut text = format!(
            "{{\"kind\":\"List\",\"apiVersion\":\"v1\",\"metadata\":{metadata},\"items\":[{items}]}}\n"
        );
        if truncate {
            text.truncate(text.len() / 2);
        }
        answer(text)
    }

    fn watch(&self, collection: String, scope: Scope, query: &Query, truncate: bool) -> Response {
        let initial = query.first("sendInitialEvents") == Some("true");
        if initial && !self.state().streams {
            return refuse(422, "sendInitialEvents is forbidden", 0);
        }
        let (sender, receiver) = mpsc::channel(64);
        let from = query
            .first("resourceVersion")
            .and_then(|v| v.parse().ok())
            .unwrap_or(0);
        let watch = Watch {
            server: self.clone(),
            collection,
            scope,
            sender,
            from,
        };
        tokio::spawn(async move {
            // Nobody listens any more.
            let _ = watch.run(initial, truncate).await;
        });
        let body = Stream(receiver).boxed_unsync();
        Response::new(body)
    }
}

impl Handler for ApiServer {
    fn handle(&self, request: Request) -> Answer<'_> {
        Box::pin(self.answer(request))
    }
}

/// A watch under way.
struct Watch {
    server: ApiServer,
    collection: String,
    scope: Scope,
    sender: mpsc::Sender<Result<Bytes, ()>>,
    from: u64,
}

/// The other side has gone.
struct Gone;

impl Watch {
    async fn run(mut self, initial: bool, truncate: bool) -> Result<(), Gone> {
        let mut changed = self.server.changed.subscribe();
        let mut cuts = self.server.cuts.subscribe();
        if initial {
            self.initial(truncate).await?;
        }
        let tick = Duration::from_millis(200);
        loop {
            let Some((changes, version)) = self.changes() else {
                let status = json!({"kind": "Status", "code": 410, "message": "too old"});
                return self.send("ERROR", &status.to_string()).await;
            };
            for change in changes {
                if self.scope.takes(&change.object) {
                    self.send(change.kind, &change.object.json).await?;
                }
            }
            self.from = version;
            tokio::select! {
                _ = changed.changed() => {}
                _ = cuts.changed() => {
                    return self.bytes("{\"type\":\"ADDED\",\"object\":{\"kind\":".to_owned()).await;
                }
                () = tokio::time::sleep(tick) => self.bookmark(false).await?,
            }
        }
    }

    /// What has changed since the last time, and the version now. `None` where it is forgotten.
    fn changes(&self) -> Option<(Vec<Change>, u64)> {
        let state = self.server.state();
        if self.from < state.forgotten {
            return None;
        }
        let start = state
            .log
            .partition_point(|change| change.version <= self.from);
        let ours = state.log[start..]
            .iter()
            .filter(|change| change.collection == self.collection);
        Some((ours.cloned().collect(), state.version))
    }

    async fn initial(&mut self, truncate: bool) -> Result<(), Gone> {
        let (objects, version) = {
            let state = self.server.state();
            let all = state.objects.get(&self.collection);
            let all: Vec<_> = all
                .into_iter()
                .flat_map(|all| all.values().cloned())
                .collect();
            (all, state.version)
        };
        let count = objects.len();
        for (number, object) in objects.into_iter().enumerate() {
            if truncate && number * 2 >= count {
                return Err(Gone);
            }
            if self.scope.takes(&object) {
                self.send("ADDED", &object.json).await?;
            }
        }
        self.from = version;
        self.bookmark(true).await
    }

    async fn bookmark(&self, end: bool) -> Result<(), Gone> {
        let mut metadata = json!({"resourceVersion": self.from.to_string()});
        if end {
            metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        let object = json!({"kind": "Bookmark", "metadata": metadata});
        self.send("BOOKMARK", &object.to_string()).await
    }

    async fn send(&self, kind: &str, object: &str) -> Result<(), Gone> {
        self.bytes(format!("{{\"type\":\"{kind}\",\"object\":{object}}}\n"))
            .await
    }

    async fn bytes(&self, text: String) -> Result<(), Gone> {
        self.sender.send(Ok(text.into())).await.map_err(|_| Gone)
    }
}

/// What a request asks for.
#[derive(Clone)]
struct Scope {
    namespace: Option<String>,
    denied: Vec<String>,
    name: Option<String>,
    node: Option<String>,
}

impl Scope {
    fn new(namespace: Option<String>, query: &Query) -> Self {
        let selector = query.first("fieldSelector").unwrap_or("");
        let terms: Vec<&str> = selector
            .split(',')
            .filter(|term| !term.is_empty())
            .collect();
        let values = |prefix: &str| -> Vec<String> {
            let values = terms.iter().filter_map(|term| term.strip_prefix(prefix));
            values.map(str::to_owned).collect()
        };
        Scope {
            namespace,
            denied: values("metadata.namespace!="),
            name: values("metadata.name=").pop(),
            node: values("spec.nodeName=").pop(),
        }
    }

    fn takes(&self, object: &Object) -> bool {
        self.namespace
            .as_ref()
            .is_none_or(|namespace| *namespace == object.namespace)
            && !self.denied.contains(&object.namespace)
            && self.name.as_ref().is_none_or(|name| *name == object.name)
            && self.node.as_ref().is_none_or(|node| *node == object.node)
    }
}

/// A path without its namespace, and the namespace.
fn collection(path: &str) -> (String, Option<String>) {
    match path.split_once("/namespaces/") {
        Some((root, rest)) => match rest.split_once('/') {
            Some((namespace, plural)) => (format!("{root}/{plural}"), Some(namespace.to_owned())),
            None => (path.to_owned(), None),
        },
        None => (path.to_owned(), None),
    }
}

fn answer(text: impl Into<Bytes>) -> Response {
    Response::new(full(text))
}

fn refuse(code: u16, why: &str, seconds: u64) -> Response {
    let status = json!({"kind": "Status", "status": "Failure", "code": code, "message": why});
    let mut response: http::Response<Body> = answer(status.to_string());
    *response.status_mut() = StatusCode::from_u16(code).unwrap();
    if seconds > 0 {
        let value = HeaderValue::from_str(&seconds.to_string()).unwrap();
        response.headers_mut().insert(header::RETRY_AFTER, value);
    }
    response
}

/// A body whose parts come over a channel.
struct Stream(mpsc::Receiver<Result<Bytes, ()>>);

impl http_body::Body for Stream {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        self.0.poll_recv(cx).map(|part| {
            part.map(|part| {
                part.map(Frame::data)
                    .map_err(|()| std::io::ErrorKind::Other.into())
            })
        })
    }
}
