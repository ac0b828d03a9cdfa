//! `--auth-filter`: who asks for metrics is told by the API server (TokenReview), and whether they
//! may, too (SubjectAccessReview).

use crate::input::api::{Api, Current};
use exporter_core::web::{Answer, Handler, Request, Response, text};
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

const TOKEN_REVIEWS: &str = "/apis/authentication.k8s.io/v1/tokenreviews";
const ACCESS_REVIEWS: &str = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
/// How long a token is known, and how long an answer stands.
const TOKEN: Duration = Duration::from_secs(60);
const ALLOWED: Duration = Duration::from_secs(300);
const DENIED: Duration = Duration::from_secs(30);
/// One review takes no longer, all tries together.
const PATIENCE: Duration = Duration::from_secs(10);
const TRIES: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// Answers remembered; more than a few Prometheus servers and people never ask.
const REMEMBERED: usize = 1000;

/// Who asks.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Hash)]
#[serde(default)]
struct User {
    username: String,
    uid: String,
    groups: Vec<String>,
}

/// Asks the API server, and remembers its answers. Cloning shares them.
#[derive(Clone)]
pub struct Filter {
    /// The API server to ask.
    api: Current,
    tokens: Arc<Memory<Option<User>>>,
    decisions: Arc<Memory<bool>>,
}

/// Answers for as long as they stand, by keyed digests, so that no token is kept.
struct Memory<T> {
    keys: [RandomState; 2],
    answers: Mutex<HashMap<[u64; 2], (Instant, T)>>,
}

impl<T> Default for Memory<T> {
    fn default() -> Self {
        Memory {
            keys: [RandomState::new(), RandomState::new()],
            answers: Mutex::default(),
        }
    }
}

impl<T: Clone> Memory<T> {
    fn answers(&self) -> MutexGuard<'_, HashMap<[u64; 2], (Instant, T)>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn key(&self, question: &impl Hash) -> [u64; 2] {
        [0, 1].map(|half: usize| self.keys[half].hash_one(question))
    }

    fn recall(&self, question: &impl Hash) -> Option<T> {
        let answers = self.answers();
        let (until, answer) = answers.get(&self.key(question))?;
        (*until > Instant::now()).then(|| answer.clone())
    }

    fn keep(&self, question: &impl Hash, answer: T, time: Duration) {
        let now = Instant::now();
        let key = self.key(question);
        let mut answers = self.answers();
        if answers.len() >= REMEMBERED {
            answers.retain(|_, (until, _)| *until > now);
        }
        if answers.len() < REMEMBERED {
            answers.insert(key, (now + time, answer));
        }
    }
}

impl Filter {
    /// Asks this server; without one every request is refused.
    pub fn new(api: Current) -> Self {
        Filter {
            api,
            tokens: Arc::default(),
            decisions: Arc::default(),
        }
    }

    /// `None` where the request may pass.
    async fn refusal(&self, asked: &Asked) -> Option<Response> {
        let Some(api) = &self.api.get() else {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            return Some(text(status, "auth filter unavailable"));
        };
        let unauthorized = || text(StatusCode::UNAUTHORIZED, "Unauthorized");
        let Some(token) = &asked.token else {
            return Some(unauthorized());
        };
        let user = match self.user(api, token).await {
            Ok(Some(user)) => user,
            Ok(None) => return Some(unauthorized()),
            Err(why) => {
                tracing::error!(err = why, "Authentication failed");
                let status = StatusCode::INTERNAL_SERVER_ERROR;
                return Some(text(status, "Authentication failed"));
            }
        };
        let name = &user.username;
        match self.allows(api, &user, &asked.path, &asked.verb).await {
            Ok(true) => None,
            Ok(false) => Some(text(
                StatusCode::FORBIDDEN,
                format_args!("Authorization denied for user {name}"),
            )),
            Err(why) => {
                tracing::error!(err = why, user = name, "Authorization failed");
                let status = StatusCode::INTERNAL_SERVER_ERROR;
                Some(text(
                    status,
                    format_args!("Authorization for user {name} failed"),
                ))
            }
        }
    }

    /// Whose token it is.
    async fn user(&self, api: &Api, token: &str) -> Result<Option<User>, String> {
        if let Some(known) = self.tokens.recall(&token) {
            return Ok(known);
        }
        let question = json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": token},
        });
        let status = review(api, TOKEN_REVIEWS, &question).await?;
        let user = match status["authenticated"].as_bool() {
            Some(true) => Some(serde_json::from_value(status["user"].clone()).unwrap_or_default()),
            _ => None,
        };
        self.tokens.keep(&token, user.clone(), TOKEN);
        Ok(user)
    }

    async fn allows(&self, api: &Api, user: &User, path: &str, verb: &str) -> Result<bool, String> {
        let question = (user, path, verb);
        if let Some(known) = self.decisions.recall(&question) {
            return Ok(known);
        }
        let asked = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": user.username,
                "uid": user.uid,
                "groups": user.groups,
                "nonResourceAttributes": {"path": path, "verb": verb},
            },
        });
        let status = review(api, ACCESS_REVIEWS, &asked).await?;
        let allowed = status["allowed"].as_bool() == Some(true);
        let time = if allowed { ALLOWED } else { DENIED };
        self.decisions.keep(&question, allowed, time);
        Ok(allowed)
    }
}

/// The token of a request.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.trim().split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// The status of a review. The question is in no error.
async fn review(api: &Api, path: &str, question: &Value) -> Result<Value, String> {
    let asking = async {
        let mut pause = FIRST_PAUSE;
        let mut last = String::new();
        for _ in 0..TRIES {
            match api.post(path, question.to_string().into_bytes()).await {
                Ok((status, body)) if status.is_success() => {
                    let answer: Value = serde_json::from_slice(&body).map_err(|e| e.to_string())?;
                    return Ok(answer["status"].clone());
                }
                // Asking again helps only where the server is in trouble.
                Ok((status, _)) if status.is_client_error() && status.as_u16() != 429 => {
                    return Err(format!("{path}: {status}"));
                }
                Ok((status, _)) => last = format!("{path}: {status}"),
                Err(failure) => last = format!("{path}: {}", failure.why),
            }
            tokio::time::sleep(pause).await;
            pause = pause.mul_f64(1.5);
        }
        Err(last)
    };
    match tokio::time::timeout(PATIENCE, asking).await {
        Ok(result) => result,
        Err(_) => Err(format!("{path}: no answer in time")),
    }
}

/// What the filter wants to know of a request.
struct Asked {
    token: Option<String>,
    path: String,
    verb: String,
}

impl Asked {
    fn new(request: &Request) -> Self {
        Asked {
            token: bearer(request.headers()).map(str::to_owned),
            path: request.uri().path().to_owned(),
            verb: request.method().as_str().to_ascii_lowercase(),
        }
    }
}

/// A handler behind the filter, if there is one.
pub struct Guarded<H> {
    /// The filter.
    pub filter: Option<Filter>,
    /// What answers whom the filter lets pass.
    pub handler: H,
}

impl<H: Handler> Handler for Guarded<H> {
    fn handle(&self, request: Request) -> Answer<'_> {
        let Some(filter) = &self.filter else {
            return self.handler.handle(request);
        };
        let asked = Asked::new(&request);
        Box::pin(async move {
            match filter.refusal(&asked).await {
                Some(refusal) => refusal,
                None => self.handler.handle(request).await,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens() {
        for (value, token) in [
            ("Bearer abc", Some("abc")),
            ("bearer  abc ", Some("abc")),
            ("Basic abc", None),
            ("Bearer ", None),
            ("abc", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
            assert_eq!(bearer(&headers), token, "{value}");
        }
        assert_eq!(bearer(&HeaderMap::new()), None);
    }

    #[test]
    fn answers_are_remembered_for_a_while() {
        let memory = Memory::default();
        memory.keep(&"a", 1, Duration::from_secs(60));
        memory.keep(&"b", 2, Duration::ZERO);
        assert_eq!((memory.recall(&"a"), memory.recall(&"b")), (Some(1), None));
        for question in 0..2 * REMEMBERED {
            memory.keep(&question, 3, Duration::from_secs(60));
        }
        assert!(memory.answers().len() <= REMEMBERED);
    }

    #[tokio::test]
    async fn nobody_passes_where_nobody_can_be_asked() {
        let guarded = Guarded {
            filter: Some(Filter::new(Current::default())),
            handler: crate::server::ok(),
        };
        let answer = guarded
            .handle(Request::new(exporter_core::web::full("")))
            .await;
        assert_eq!(answer.status(), 503);
    }
}
