//! Requests to the API server.

use bytes::Bytes;
use exporter_core::build_info;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde::Deserialize;
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
