//! Keeps the exporter at what flags and files say, without a gap: what is new is filled before it
//! takes the place of what is old, and where it is wrong the old stays.

use crate::app::servers;
use crate::autoshard::Membership;
use crate::custom::discovery::Known;
use crate::input::api::{Api, Current};
use crate::options::Options;
use crate::plan::Handover;
use crate::reaper;
use crate::reload::{Fault, Files, Loaded};
use crate::telemetry::Telemetry;
use crate::watching::Watching;
use crate::world::Exposed;
use exporter_core::web::{Server, stop_signal};
use std::time::{Duration, Instant};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

/// An address is free again by then.
const REBIND: Duration = Duration::from_secs(5);
/// A configuration that does not work, such as one of an API server that does not answer, is tried
/// again after pauses from the one to the other.
const RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(30);

/// Runs until a signal says to stop.
///
/// # Errors
/// What is wrong at the start.
pub async fn run(flags: Options) -> Result<(), String> {
    let stop = stop_signal().map_err(|e| format!("signals: {e}"))?;
    let mut stop = std::pin::pin!(stop);
    let mut supervisor = tokio::select! {
        () = &mut stop => return Ok(()),
        started = Supervisor::start(flags) => started?,
    };
    loop {
        tokio::select! {
            () = &mut stop => break,
            () = reaper::run() => {}
            result = supervisor.step() => result?,
        }
    }
    supervisor.servers.stop().await;
    Ok(())
}

/// An API server, and whether it sends lists as watches.
#[derive(Clone)]
struct Connection {
    api: Api,
    streaming: bool,
}

/// A configuration that did not work yet.
#[derive(Clone)]
struct Pending {
    loaded: Loaded,
    /// When it is tried again, and how long the pause before is.
    at: tokio::time::Instant,
    pause: Duration,
}

impl Pending {
    fn new(loaded: Loaded, pause: Duration) -> Self {
        Pending {
            loaded,
            at: tokio::time::Instant::now() + pause,
            pause,
        }
    }
}

struct Supervisor {
    files: Files,
    pending: Option<Pending>,
    telemetry: Telemetry,
    exposed: Exposed,
    loaded: Loaded,
    /// The API server, unless objects come from files.
    connection: Option<Connection>,
    /// Definitions of custom resources; they stay known from one plan to the next.
    known: Known,
    /// What follows the plan. Dropping it ends that.
    following: JoinSet<()>,
    /// What the servers ask.
    api: Current,
    servers: Servers,
}

impl Supervisor {
    async fn start(flags: Options) -> Result<Self, String> {
        let telemetry = Telemetry::default();
        if flags.sync_metrics {
            telemetry.tell_freshness();
        }
        let mut files = Files::new(flags, telemetry.clone());
        let loaded = first_load(&mut files).await?;
        let connection = connected(&loaded.options).await?;
        let (exposed, known) = (Exposed::default(), Known::new(telemetry.clone()));
        let start = Start {
            loaded: &loaded,
            connection: connection.as_ref(),
            telemetry: &telemetry,
            exposed: &exposed,
            known: &known,
        };
        let following = start.follow(None).await?;
        let api = Current::default();
        api.set(connection.as_ref().map(|c| c.api.clone()));
        let servers = Servers::start(&loaded.options, &exposed, &telemetry, &api)?;
        Ok(Supervisor {
            files,
            pending: None,
            telemetry,
            exposed,
            loaded,
            connection,
            known,
            following,
            api,
            servers,
        })
    }

    /// Waits for files to change and follows them. An error is one that cannot be survived.
    async fn step(&mut self) -> Result<(), String> {
        let Some((loaded, pause)) = self.next().await else {
            return Ok(());
        };
        let old = self.loaded.clone();
        let result = self.renew(loaded.clone()).await;
        self.files.put_into_force(result.is_ok());
        if let Err(err) = result {
            let seconds = pause.as_secs();
            tracing::error!(
                err,
                seconds,
                "The new configuration does not work; the old one stays in force until it does"
            );
            self.pending = Some(Pending::new(loaded, pause));
            return Ok(());
        }
        tracing::info!("Loaded the configuration anew");
        let same = doors(&old) == doors(&self.loaded);
        match same {
            true => Ok(()),
            false => self.serve_again(&old.options).await,
        }
    }

    /// The next configuration to put into force, and the pause if that fails. `None` where files are
    /// wrong.
    async fn next(&mut self) -> Option<(Loaded, Duration)> {
        let due = async |pending: Option<Pending>| match pending {
            Some(pending) => {
                tokio::time::sleep_until(pending.at).await;
                (pending.loaded, (pending.pause * 2).min(LONGEST_RETRY))
            }
            None => std::future::pending().await,
        };
        let again = tokio::select! {
            () = self.files.changed() => None,
            again = due(self.pending.clone()) => Some(again),
        };
        self.pending = None;
        if again.is_some() {
            return again;
        }
        match self.files.load() {
            Ok(loaded) => Some((loaded, RETRY)),
            Err(fault) => {
                let err = fault.why();
                tracing::error!(
                    err,
                    "The configuration is wrong; the old one stays in force"
                );
                None
            }
        }
    }

    /// Puts what follows from files in the place of what there is, once it is filled.
    async fn renew(&mut self, loaded: Loaded) -> Result<(), String> {
        let connection = match source(&self.loaded) == source(&loaded) {
            true => self.connection.clone(),
            false => connected(&loaded.options).await?,
        };
        let (complete, told) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let start = Start {
            loaded: &loaded,
            connection: connection.as_ref(),
            telemetry: &self.telemetry,
            exposed: &self.exposed,
            known: &self.known,
        };
        let following = start.follow(Some(Handover { complete, ended })).await?;
        // Where nothing is to be waited for, the other side is gone already.
        let _ = told.await;
        self.following = following;
        let _ = end.send(());
        self.api.set(connection.as_ref().map(|c| c.api.clone()));
        self.connection = connection;
        self.loaded = loaded;
        Ok(())
    }

    /// Opens the ports anew; where that is not possible, the old ones.
    async fn serve_again(&mut self, old: &Options) -> Result<(), String> {
        self.servers.stop_listening();
        let mut options = &self.loaded.options;
        let mut end = Instant::now() + REBIND;
        loop {
            match Servers::start(options, &self.exposed, &self.telemetry, &self.api) {
                Ok(servers) => {
                    let old = std::mem::replace(&mut self.servers, servers);
                    tokio::spawn(old.stop());
                    return Ok(());
                }
                // The old servers have not let go yet.
                Err(_) if Instant::now() < end => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(why) if std::ptr::eq(options, old) => return Err(why),
                Err(err) => {
                    tracing::error!(err, "The new ports cannot be opened; trying the old ones");
                    options = old;
                    end = Instant::now() + REBIND;
                }
            }
        }
    }
}

/// What it takes to follow a plan.
struct Start<'a> {
    loaded: &'a Loaded,
    connection: Option<&'a Connection>,
    telemetry: &'a Telemetry,
    exposed: &'a Exposed,
    known: &'a Known,
}

impl Start<'_> {
    /// Begins. Where objects come from files, they are read here.
    async fn follow(self, handover: Option<Handover>) -> Result<JoinSet<()>, String> {
        let mut tasks = JoinSet::new();
        let (plan, options) = (&self.loaded.plan, &self.loaded.options);
        let Some(Connection { api, streaming }) = self.connection else {
            plan.read(&options.object_files(), self.telemetry, self.exposed)?;
            return Ok(tasks);
        };
        let watching = Watching {
            api: api.clone(),
            telemetry: self.telemetry.clone(),
            limit: usize::try_from(options.object_limit).unwrap_or(0),
            cached: options.use_apiserver_cache,
            streaming: *streaming,
        };
        let (pod, namespace) = (&options.pod, &options.pod_namespace);
        let shares = if pod.is_empty() || namespace.is_empty() {
            watch::channel(plan.scope.shard).1
        } else {
            let membership = Membership::find(api, namespace, pod).await?;
            let (sender, receiver) = watch::channel(membership.shard(api).await?);
            tasks.spawn(membership.follow(api.clone(), *streaming, sender));
            receiver
        };
        let (exposed, known) = (self.exposed.clone(), self.known.clone());
        let following = plan
            .clone()
            .follow(watching, exposed, shares, known, handover);
        tasks.spawn(following);
        Ok(tasks)
    }
}

/// What to start with.
async fn first_load(files: &mut Files) -> Result<Loaded, String> {
    loop {
        match files.load() {
            Ok(loaded) => return Ok(loaded),
            Err(Fault::Fatal(why)) => return Err(why),
            Err(Fault::Waiting(why)) => {
                tracing::error!(
                    err = why,
                    "The options file is wrong; waiting for a good one"
                );
                files.changed().await;
            }
        }
    }
}

/// What the connection to the API server depends on.
fn source(loaded: &Loaded) -> impl PartialEq {
    let options = &loaded.options;
    let from = (options.apiserver.clone(), options.kubeconfig.clone());
    (from, loaded.credentials, options.objects_from.clone())
}

/// What the servers depend on.
fn doors(loaded: &Loaded) -> impl PartialEq {
    let options = &loaded.options;
    let main = (options.host.clone(), options.port);
    let own = (options.telemetry_host.clone(), options.telemetry_port);
    let times = [
        options.server_idle_timeout,
        options.server_read_header_timeout,
        options.server_read_timeout,
        options.server_write_timeout,
    ];
    let gzip = options.enable_gzip_encoding;
    let rest = (options.auth_filter, gzip, options.tls_config.clone());
    (main, own, times, rest)
}

/// The API server, unless objects come from files.
async fn connected(options: &Options) -> Result<Option<Connection>, String> {
    if !options.object_files().is_empty() {
        return Ok(None);
    }
    let api = Api::connect(&options.apiserver, &options.kubeconfig).await?;
    let version = api.version().await;
    let version = version.map_err(|failure| format!("API server: {}", failure.why))?;
    tracing::info!(version = version.git_version, "Talking to the API server");
    // Lists in the form of watches can be switched off.
    let may = std::env::var("KUBE_FEATURE_WatchListClient").as_deref() != Ok("false");
    let streaming = version.streams_lists() && may;
    Ok(Some(Connection { api, streaming }))
}

/// Both servers under way.
struct Servers {
    stopping: watch::Sender<bool>,
    tasks: JoinSet<Result<(), String>>,
}

impl Servers {
    fn start(
        options: &Options,
        exposed: &Exposed,
        telemetry: &Telemetry,
        api: &Current,
    ) -> Result<Self, String> {
        let (main, own) = servers(options, exposed, telemetry, api)?;
        let (stopping, told) = watch::channel(false);
        let mut tasks = JoinSet::new();
        for server in [main, own] {
            tasks.spawn(until_told(server, told.clone()));
        }
        Ok(Servers { stopping, tasks })
    }

    /// Takes no more connections.
    fn stop_listening(&self) {
        self.stopping.send_replace(true);
    }

    /// Lets requests under way finish.
    async fn stop(mut self) {
        self.stop_listening();
        while self.tasks.join_next().await.is_some() {}
    }
}

async fn until_told(server: Server, mut told: watch::Receiver<bool>) -> Result<(), String> {
    let stop = async move {
        // The other side is gone where this fails.
        let _ = told.wait_for(|stopping| *stopping).await;
    };
    server.run_until(stop).await
}
