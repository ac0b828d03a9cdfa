//! Requests to the API server.

use bytes::Bytes;
use exporter_core::build_info;
use exporter_core::dialect::no_proxy;
use http::{HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Limited};
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde::Deserialize;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// Answers other than lists and watches are not larger.
const ANSWER_BYTES: usize = 16 << 20;
/// An answer begins, or the connection is given up.
const PATIENCE: Duration = Duration::from_secs(30);

/// A client of one API server. Cloning shares its connections.
#[derive(Clone)]
pub struct Api {
    client: Client,
}

/// The API server that is talked to now, if any. Cloning shares it.
#[derive(Clone, Default)]
pub struct Current(Arc<RwLock<Option<Api>>>);

impl Current {
    /// The one of now.
    pub fn get(&self) -> Option<Api> {
        let current = self.0.read().unwrap_or_else(PoisonError::into_inner);
        current.clone()
    }

    /// Another one from now on.
    pub fn set(&self, api: Option<Api>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = api;
    }
}

/// What of objects is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// All of them.
    Whole,
    /// Their metadata, in a list.
    MetadataList,
    /// Their metadata, in a watch.
    Metadata,
}

impl Form {
    const fn accept(self) -> &'static str {
        match self {
            Form::Whole => "application/json",
            Form::MetadataList => {
                "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
            }
            Form::Metadata => {
                "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
            }
        }
    }
}

/// Why a request got no answer, or one that is an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Status of the answer, if there was one.
    pub status: Option<StatusCode>,
    /// What went wrong.
    pub why: String,
    /// How long the server wants to be left alone.
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// Without an answer.
    pub fn broken(why: impl ToString) -> Self {
        Failure {
            status: None,
            why: why.to_string(),
            retry_after: None,
        }
    }

    /// Whether the answer has this status.
    pub fn is(&self, status: StatusCode) -> bool {
        self.status == Some(status)
    }
}

/// The object that errors are told with.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Status {
    /// HTTP status.
    pub code: u16,
    /// What went wrong.
    pub message: String,
}

/// The version of an API server.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Version {
    /// `1`.
    pub major: String,
    /// `36`, perhaps with a `+` behind.
    pub minor: String,
    /// `v1.36.0`.
    pub git_version: String,
}

impl Version {
    /// Whether lists can be had as watches (on by default since 1.32).
    pub fn streams_lists(&self) -> bool {
        let number = |text: &str| text.trim_end_matches('+').parse::<u32>().unwrap_or(0);
        (number(&self.major), number(&self.minor)) >= (1, 32)
    }
}

impl Api {
    /// The API server that flags and environment name: `--kubeconfig`, `--apiserver`, that of the
    /// cluster around, or `KUBERNETES_MASTER`.
    ///
    /// # Errors
    /// What is missing or cannot be read. Credentials are not told.
    pub async fn connect(apiserver: &str, kubeconfig: &Path) -> Result<Self, String> {
        let mut config = config(apiserver, kubeconfig).await?;
        if !names_proxy(kubeconfig) {
            let variable = |name: &str| std::env::var(name).ok();
            config.proxy_url = proxy(&config.cluster_url, variable)?;
        }
        config.default_retry = false;
        config.headers.push((header::USER_AGENT, user_agent()));
        let client = Client::try_from(config).map_err(|e| format!("API client: {e}"))?;
        Ok(Api { client })
    }

    /// Around a client that is there already.
    pub fn new(client: Client) -> Self {
        Api { client }
    }

    /// The version of the server.
    pub async fn version(&self) -> Result<Version, Failure> {
        let body = self.get("/version").await?;
        serde_json::from_slice(&body).map_err(Failure::broken)
    }

    /// The whole answer of a path.
    pub async fn get(&self, path: &str) -> Result<Bytes, Failure> {
        let request = request(http::Method::GET, path, Body::empty())?;
        whole(self.open_request(request).await?).await
    }

    /// Posts a JSON object. Gives the status and the whole answer.
    pub async fn post(&self, path: &str, json: Vec<u8>) -> Result<(StatusCode, Bytes), Failure> {
        let mut request = request(http::Method::POST, path, Body::from(json))?;
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert(header::CONTENT_TYPE, json);
        let response = self.send(request).await?;
        let status = response.status();
        Ok((status, whole(response).await?))
    }

    /// The answer of a path, to be read while it comes.
    pub async fn open(&self, path: &str, form: Form) -> Result<Response<Body>, Failure> {
        let mut request = request(http::Method::GET, path, Body::empty())?;
        let accept = HeaderValue::from_static(form.accept());
        request.headers_mut().insert(header::ACCEPT, accept);
        self.open_request(request).await
    }

    async fn open_request(&self, request: Request<Body>) -> Result<Response<Body>, Failure> {
        let response = self.send(request).await?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let seconds = response.headers().get(header::RETRY_AFTER);
        let seconds = seconds.and_then(|value| value.to_str().ok()?.parse().ok());
        let body = whole(response).await.unwrap_or_default();
        let told: Status = serde_json::from_slice(&body).unwrap_or_default();
        let why = match told.message.is_empty() {
            true => status.to_string(),
            false => format!("{status}: {}", told.message),
        };
        Err(Failure {
            status: Some(status),
            why,
            retry_after: seconds.map(Duration::from_secs),
        })
    }

    async fn send(&self, request: Request<Body>) -> Result<Response<Body>, Failure> {
        let sending = tokio::time::timeout(PATIENCE, self.client.send(request));
        match sending.await {
            Ok(result) => result.map_err(|error| Failure::broken(reasons(&error))),
            Err(_) => Err(Failure::broken("the API server does not answer")),
        }
    }
}

fn request(method: http::Method, path: &str, body: Body) -> Result<Request<Body>, Failure> {
    let request = Request::builder().method(method).uri(path);
    let request = request.header(header::ACCEPT, "application/json");
    request.body(body).map_err(Failure::broken)
}

async fn whole(response: Response<Body>) -> Result<Bytes, Failure> {
    let body = Limited::new(response.into_body(), ANSWER_BYTES).collect();
    match tokio::time::timeout(PATIENCE, body).await {
        Ok(body) => Ok(body.map_err(Failure::broken)?.to_bytes()),
        Err(_) => Err(Failure::broken("the API server does not finish its answer")),
    }
}

/// An error with what it comes from, which alone tells what is wrong.
fn reasons(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let reason = error.to_string();
        if !text.contains(&reason) {
            text = format!("{text}: {reason}");
        }
        source = error.source();
    }
    text
}

/// Whether the cluster that a kubeconfig file chooses has a proxy of its own.
fn names_proxy(kubeconfig: &Path) -> bool {
    // A file that cannot be read was told of already.
    let file = match kubeconfig.as_os_str().is_empty() {
        true => return false,
        false => Kubeconfig::read_from(kubeconfig).unwrap_or_default(),
    };
    let context = file.current_context.as_ref();
    let context = file.contexts.iter().find(|c| Some(&c.name) == context);
    let cluster = context.and_then(|c| c.context.as_ref().map(|c| &c.cluster));
    let cluster = file.clusters.iter().find(|c| Some(&c.name) == cluster);
    let proxy = cluster.and_then(|c| c.cluster.as_ref()?.proxy_url.as_ref());
    proxy.is_some_and(|proxy| !proxy.is_empty())
}

/// The proxy on the way to a server as Go's programs find it: that of `HTTPS_PROXY` or `HTTP_PROXY`
/// unless the server is this host or one of `NO_PROXY`.
fn proxy(server: &Uri, variable: impl Fn(&str) -> Option<String>) -> Result<Option<Uri>, String> {
    let host = server.host().unwrap_or("").trim_matches(['[', ']']);
    let address = host.parse::<IpAddr>();
    if host == "localhost" || address.is_ok_and(|address| address.is_loopback()) {
        return Ok(None);
    }
    let either = |name: &'static str| {
        let lower = name.to_lowercase();
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        set(name).or_else(|| set(&lower)).map(|value| (name, value))
    };
    let secure = server.scheme_str() == Some("https");
    let named = either(if secure { "HTTPS_PROXY" } else { "HTTP_PROXY" });
    let Some((name, mut proxy)) = named else {
        return Ok(None);
    };
    let except = either("NO_PROXY").map_or(String::new(), |(_, value)| value);
    let port = server.port_u16().unwrap_or(if secure { 443 } else { 80 });
    if no_proxy::holds(&except, host, port) {
        return Ok(None);
    }
    if !proxy.contains("://") {
        proxy.insert_str(0, "http://");
    }
    // It may hold a password, so that it is not told.
    let proxy = proxy.parse::<Uri>().map_err(|e| format!("{name}: {e}"))?;
    Ok(Some(proxy))
}

async fn config(apiserver: &str, kubeconfig: &Path) -> Result<Config, String> {
    let url = |url: &str| {
        url.parse::<http::Uri>()
            .map_err(|e| format!("--apiserver: {e}"))
    };
    if !kubeconfig.as_os_str().is_empty() {
        let name = kubeconfig.display();
        let file = Kubeconfig::read_from(kubeconfig).map_err(|e| format!("{name}: {e}"))?;
        let options = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(file, &options).await;
        let mut config = config.map_err(|e| format!("{name}: {e}"))?;
        if !apiserver.is_empty() {
            config.cluster_url = url(apiserver)?;
        }
        return Ok(config);
    }
    if !apiserver.is_empty() {
        return Ok(Config::new(url(apiserver)?));
    }
    if std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() {
        return Config::incluster_env().map_err(|e| reasons(&e));
    }
    match std::env::var("KUBERNETES_MASTER") {
        Ok(master) if !master.is_empty() => Ok(Config::new(url(&master)?)),
        _ => Err(
            "there is no API server: give --kubeconfig, --apiserver or --objects-from, or run \
                  in a cluster"
                .to_owned(),
        ),
    }
}

fn user_agent() -> HeaderValue {
    let info = crate::telemetry::INFO;
    let revision = info.values()[4];
    let version = info.version;
    let text = format!(
        "kube-state-metrics/{version} (linux/{}) kubernetes/{revision}",
        build_info::architecture()
    );
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("kube-state-metrics"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies() {
        let through = |server: &str, variables: &[(&str, &str)]| {
            let variable = |name: &str| {
                let found = variables.iter().find(|(other, _)| *other == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            let found = proxy(&server.parse().unwrap(), variable).unwrap();
            found.map_or(String::new(), |uri| uri.to_string())
        };
        let https = ("HTTPS_PROXY", "http://user:word@p:3128");
        let (p, q) = ("http://user:word@p:3128/", "http://q:1/");
        for (server, variables, expected) in [
            ("https://10.0.0.1:443", &[https][..], p),
            ("http://10.0.0.1", &[https], ""),
            ("http://k8s.example", &[("http_proxy", "q:1")], q),
            (
                "https://k8s.example",
                &[("HTTPS_PROXY", ""), ("https_proxy", "q:1")],
                q,
            ),
            ("https://localhost:6443", &[https], ""),
            ("https://127.0.0.1:6443", &[https], ""),
            ("https://[::1]:6443", &[https], ""),
            (
                "https://10.0.0.1",
                &[https, ("NO_PROXY", "10.0.0.0/8,.svc")],
                "",
            ),
            (
                "https://11.0.0.1",
                &[https, ("NO_PROXY", "10.0.0.0/8,.svc")],
                p,
            ),
            (
                "https://kubernetes.default.svc",
                &[https, ("no_proxy", ".svc")],
                "",
            ),
            ("https://api.example", &[https, ("NO_PROXY", "*")], ""),
            ("https://api.example", &[https, ("NO_PROXY", "example")], ""),
            ("https://example", &[https, ("NO_PROXY", ".example")], p),
            ("https://example", &[https, ("NO_PROXY", "example:443")], ""),
            (
                "https://example:6443",
                &[https, ("NO_PROXY", "example:443")],
                p,
            ),
            (
                "https://[fd00::1]:6443",
                &[https, ("NO_PROXY", "[fd00::1]:6443")],
                "",
            ),
            ("https://api.example", &[], ""),
        ] {
            assert_eq!(
                through(server, variables),
                expected,
                "{server} {variables:?}"
            );
        }
        let wrong = proxy(&"https://a.example".parse().unwrap(), |name| {
            (name == "HTTPS_PROXY").then(|| "http://se cret@x".to_owned())
        });
        let why = wrong.unwrap_err();
        assert!(
            why.starts_with("HTTPS_PROXY: ") && !why.contains("cret"),
            "{why}"
        );
    }

    #[test]
    fn a_proxy_of_a_kubeconfig() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config");
        for (cluster, expected) in [("a", true), ("b", false), ("c", false)] {
            let text = format!(
                "current-context: x\ncontexts: [{{name: x, context: {{cluster: {cluster}, user: u}}}}]\n\
                 clusters: [{{name: a, cluster: {{server: 'http://a', proxy-url: 'http://p'}}}},\
                 {{name: b, cluster: {{server: 'http://b'}}}}]\n"
            );
            std::fs::write(&path, text).unwrap();
            assert_eq!(names_proxy(&path), expected, "{cluster}");
        }
        assert!(!names_proxy(Path::new("")));
    }

    #[test]
    fn versions() {
        for (major, minor, streams) in [
            ("1", "36", true),
            ("1", "32+", true),
            ("1", "31", false),
            ("", "", false),
        ] {
            let version = Version {
                major: major.to_owned(),
                minor: minor.to_owned(),
                ..Version::default()
            };
            assert_eq!(version.streams_lists(), streams, "{major}.{minor}");
        }
    }
}
