//! Reading the configuration again: at SIGHUP, at a request, and what is said of the last time.

use crate::exposition::{Arena, Family};
use crate::web::{Answer, Handler, Request, full, text};
use http::{HeaderValue, Method, StatusCode, header};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::signal::unix::{SignalKind, signal};

/// Reads and checks the configuration; on success the new one is in force, else the old one stays.
type Load = Box<dyn Fn() -> Result<(), String> + Send + Sync>;

/// `<ns>_config_last_reload_*`, made by [`reload_families!`](crate::reload_families).
#[derive(Clone, Copy, Debug)]
pub struct ReloadFamilies {
    /// `<ns>_config_last_reload_successful`.
    pub successful: &'static Family,
    /// `<ns>_config_last_reload_success_timestamp_seconds`.
    pub timestamp: &'static Family,
}

/// The two families that tell of the last reload, as a constant.
#[macro_export]
macro_rules! reload_families {
    ($namespace:literal) => {{
        static SUCCESSFUL: $crate::exposition::Family = $crate::exposition::Family::gauge(
            concat!($namespace, "_config_last_reload_successful"),
            &[],
            "Whether the configuration could be read the last time.",
        );
        static TIMESTAMP: $crate::exposition::Family = $crate::exposition::Family::gauge(
            concat!($namespace, "_config_last_reload_success_timestamp_seconds"),
            &[],
            "Unix time at which the configuration was last read without error.",
        );
        $crate::reload::ReloadFamilies {
            successful: &SUCCESSFUL,
            timestamp: &TIMESTAMP,
        }
    }};
}

/// Reads the configuration again, one reload at a time. Cloning is cheap and shares it.
#[derive(Clone)]
pub struct Reloader {
    inner: Arc<Inner>,
}

struct Inner {
    load: Load,
    turn: Mutex<()>,
    successful: AtomicBool,
    /// Bits of an `f64`.
    succeeded_at: AtomicU64,
}

/// What a reload path demands and answers; exporters differ.
#[derive(Clone, Copy, Debug)]
pub struct ReloadPath {
    /// Whether methods other than POST and PUT get status 405.
    pub post_only: bool,
    /// Body of a success.
    pub done: &'static str,
}

impl Reloader {
    /// `load` reads, checks and puts in force. It is not called yet.
    pub fn new(load: impl Fn() -> Result<(), String> + Send + Sync + 'static) -> Self {
        Reloader {
            inner: Arc::new(Inner {
                load: Box::new(load),
                turn: Mutex::new(()),
                successful: AtomicBool::new(false),
                succeeded_at: AtomicU64::new(0),
            }),
        }
    }

    /// Reads the configuration now.
    pub fn reload(&self) -> Result<(), String> {
        let inner = &self.inner;
        let _turn = inner.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let result = (inner.load)();
        inner.successful.store(result.is_ok(), Ordering::Release);
        match &result {
            Ok(()) => {
                self.succeeded();
                tracing::info!("Loaded config file");
            }
            Err(err) => tracing::error!(err, "Error reloading config"),
        }
        result
    }

    /// Says that the configuration in force has been read now, for a start that reads it itself.
    pub fn succeeded(&self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0.0, |t| t.as_secs_f64());
        self.inner.successful.store(true, Ordering::Release);
        let at = &self.inner.succeeded_at;
        at.store(now.to_bits(), Ordering::Release);
    }

    /// Puts both families.
    pub fn put(&self, families: ReloadFamilies, out: &mut Arena) {
        let successful = self.inner.successful.load(Ordering::Acquire);
        let at = f64::from_bits(self.inner.succeeded_at.load(Ordering::Acquire));
        out.put(families.successful, &[], f64::from(u8::from(successful)));
        out.put(families.timestamp, &[], at);
    }

    /// Reloads at every SIGHUP from now on. Call it within the runtime.
    ///
    /// # Errors
    /// Where the signal cannot be waited for.
    pub fn on_hangup(&self) -> Result<(), String> {
        let mut hangups = signal(SignalKind::hangup()).map_err(|e| format!("SIGHUP: {e}"))?;
        let reloader = self.clone();
        tokio::spawn(async move {
            while hangups.recv().await.is_some() {
                // Told by the log and the metrics.
                let _ = reloader.reload_aside().await;
            }
        });
        Ok(())
    }

    /// Reading may block, so it does not happen on the thread that serves.
    async fn reload_aside(&self) -> Result<(), String> {
        let reloader = self.clone();
        let task = tokio::task::spawn_blocking(move || reloader.reload());
        task.await.unwrap_or_else(|e| Err(e.to_string()))
    }

    /// Answers the reload path; a failure is status 500 with the reason.
    pub fn handler(&self, path: ReloadPath) -> impl Handler {
        ReloadHandler {
            reloader: self.clone(),
            path,
        }
    }
}

struct ReloadHandler {
    reloader: Reloader,
    path: ReloadPath,
}

impl Handler for ReloadHandler {
    fn handle(&self, request: Request) -> Answer<'_> {
        Box::pin(async move {
            if self.path.post_only && request.method() != Method::POST {
                let mut refusal = text(
                    StatusCode::METHOD_NOT_ALLOWED,
                    "This endpoint requires a POST request.",
                );
                let allowed = HeaderValue::from_static("POST");
                refusal.headers_mut().insert(header::ALLOW, allowed);
                return refusal;
            }
            match self.reloader.reload_aside().await {
                Ok(()) => {
                    let mut done = text(StatusCode::OK, "");
                    *done.body_mut() = full(self.path.done);
                    done
                }
                Err(why) => text(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    format!("failed to reload config: {why}"),
                ),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: ReloadPath = ReloadPath {
        post_only: true,
        done: "ok",
    };

    fn request(method: Method) -> Request {
        let mut request = Request::new(full(""));
        *request.method_mut() = method;
        request
    }

    #[tokio::test]
    async fn the_last_attempt_counts() {
        let good = Arc::new(AtomicBool::new(true));
        let wanted = good.clone();
        let reloader = Reloader::new(move || match wanted.load(Ordering::Acquire) {
            true => Ok(()),
            false => Err("x.yml:1:1: no".to_owned()),
        });
        let families = crate::reload_families!("test");
        let values = |reloader: &Reloader| {
            let mut arena = Arena::new();
            reloader.put(families, &mut arena);
            arena.seal();
            let value = |name: &str| {
                let family = arena.families().find(|f| f.name() == name).unwrap();
                family.samples().next().unwrap().value()
            };
            (
                value("test_config_last_reload_successful"),
                value("test_config_last_reload_success_timestamp_seconds") > 0.0,
            )
        };
        assert_eq!(values(&reloader), (0.0, false));
        let handler = reloader.handler(PATH);
        let status = async |method| handler.handle(request(method)).await.status();
        assert_eq!(status(Method::GET).await, 405);
        assert_eq!(status(Method::PUT).await, 405);
        assert_eq!(values(&reloader), (0.0, false));
        assert_eq!(status(Method::POST).await, 200);
        assert_eq!(values(&reloader), (1.0, true));
        good.store(false, Ordering::Release);
        assert_eq!(status(Method::POST).await, 500);
        assert_eq!(values(&reloader), (0.0, true));
    }
}
