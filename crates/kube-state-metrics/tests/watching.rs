//! Lists and watches against an API server that fails in every way.

#[path = "support/apiserver.rs"]
#[allow(dead_code)]
mod apiserver;

use apiserver::{ApiServer, Fault};
use kube_state_metrics::exposition::{Form, Scrape};
use kube_state_metrics::input::api::Api;
use kube_state_metrics::resources::Resource;
use kube_state_metrics::selection::Selection;
use kube_state_metrics::sharding::Shard;
use kube_state_metrics::telemetry::Telemetry;
use kube_state_metrics::watching::{Watchers, Watching};
use kube_state_metrics::world::{Exposed, Feed, Scope, World};
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};

const CONFIG_MAPS: &str = "/api/v1/configmaps";
const PODS: &str = "/api/v1/pods";
/// Nothing here takes longer unless it is broken.
const PATIENCE: Duration = Duration::from_secs(30);

fn config_map(namespace: &str, name: &str) -> Value {
    let uid = format!("uid-{namespace}-{name}");
    json!({"kind": "ConfigMap", "metadata": {"namespace": namespace, "name": name, "uid": uid}})
}

fn pod(name: &str, node: &str) -> Value {
    let metadata = json!({"namespace": "a", "name": name, "uid": format!("uid-{name}")});
    json!({"kind": "Pod", "metadata": metadata, "spec": {"nodeName": node}})
}

/// An exporter of some resources in front of a server.
struct Exporter {
    exposed: Exposed,
    watchers: Watchers,
    telemetry: Telemetry,
}

impl Exporter {
    async fn start(server: &ApiServer, resources: &[&str]) -> Self {
        Self::start_with(server, resources, &[], &Scope::default(), |_| ()).await
    }

    async fn start_with(
        server: &ApiServer,
        resources: &[&str],
        namespaces: &[&str],
        scope: &Scope,
        change: impl FnOnce(&mut Watching),
    ) -> Self {
        let api = Api::connect(&server.url, Path::new("")).await.unwrap();
        let telemetry = Telemetry::default();
        let version = api.version().await.unwrap();
        let mut watching = Watching {
            api,
            telemetry: telemetry.clone(),
            limit: 0,
            cached: false,
            streaming: version.streams_lists(),
        };
        change(&mut watching);
        let namespaces: Vec<String> = namespaces.iter().map(|n| (*n).to_owned()).collect();
        let feed = |name: &&str| {
            let resource = Resource::find(name).unwrap();
            Feed::new(resource, &Selection::default(), &namespaces)
        };
        let feeds: Vec<Feed> = resources.iter().map(feed).collect();
        let exposed = Exposed::default();
        exposed.set(World::new(feeds.iter()));
        let watchers = watching.start(&feeds, scope);
        Exporter {
            exposed,
            watchers,
            telemetry,
        }
    }

    /// All that is exposed.
    fn text(&self) -> String {
        let world = self.exposed.now();
        let form = Form {
            open_metrics: false,
            gzip: false,
        };
        let mut scrape = Scrape::new(world.groups().iter(), form);
        let mut text = Vec::new();
        while let Some(part) = scrape.part() {
            text.extend_from_slice(&part);
        }
        String::from_utf8(text).unwrap()
    }

    /// Names of objects of one `_info` family, in order.
    fn names(&self, family: &str, label: &str) -> Vec<String> {
        let text = self.text();
        let lines = text
            .lines()
            .filter(|line| line.starts_with(&format!("{family}{{")));
        let label = format!("{label}=\"");
        let name = |line: &str| {
            let rest = line.split_once(&label).unwrap().1;
            rest.split('"').next().unwrap().to_owned()
        };
        let mut names: Vec<String> = lines.map(name).collect();
        names.sort();
        names
    }

    fn config_maps(&self) -> Vec<String> {
        self.names("kube_configmap_info", "configmap")
    }

    async fn synced(&mut self) {
        assert!(
            self.watchers.synced(PATIENCE).await,
            "the lists did not come"
        );
    }

    /// Waits until the config maps are these.
    async fn shows(&self, expected: &[&str]) {
        until(
            || self.config_maps() == expected,
            || format!("{:?}", self.config_maps()),
        )
        .await;
    }

    fn count(&self, family: &str, result: &str) -> f64 {
        self.telemetry.count(family, result, "*v1.ConfigMap")
    }
}

async fn until(condition: impl Fn() -> bool, say: impl Fn() -> String) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < PATIENCE, "still {}", say());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_streamed_list_goes_on_as_a_watch() {
    let server = ApiServer::start();
    server.put(CONFIG_MAPS, config_map("a", "one"));
    server.put(CONFIG_MAPS, config_map("a", "two"));
    let mut exporter = Exporter::start(&server, &["configmaps"]).await;
    exporter.synced().await;
    exporter.shows(&["one", "two"]).await;
    server.put(CONFIG_MAPS, config_map("b", "three"));
    server.delete(CONFIG_MAPS, "a", "one");
    exporter.shows(&["three", "two"]).await;
    assert_eq!(server.requests(CONFIG_MAPS).len(), 1);
    let request = &server.requests(CONFIG_MAPS)[0];
    for part in [
        "sendInitialEvents=true",
        "allowWatchBookmarks=true",
        "timeoutSeconds=",
    ] {
        assert!(request.contains(part), "{request}");
    }
    assert_eq!(
        (
            exporter.count("watch", "success"),
            exporter.count("list", "success")
        ),
        (1.0, 0.0)
    );
}

#[tokio::test]
async fn lists_come_in_pages_where_streams_are_refused() {
    let server = ApiServer::start();
    server.without_streams();
    for number in 0..1200 {
        server.put(CONFIG_MAPS, config_map("a", &format!("map-{number:04}")));
    }
    let mut exporter = Exporter::start(&server, &["configmaps"]).await;
    exporter.synced().await;
    assert_eq!(exporter.config_maps().len(), 1200);
    server.put(CONFIG_MAPS, config_map("a", "map-late"));
    until(
        || exporter.config_maps().len() == 1201,
        || "without the late one".to_owned(),
    )
    .await;
    let pages = server.requests("limit=500");
    assert_eq!(pages.len(), 3, "{pages:?}");
    assert!(pages[0].contains("resourceVersion=0") && pages[2].contains("continue=1200-1000"));
    assert_eq!(
        (
            exporter.count("list", "success"),
            exporter.count("watch", "error")
        ),
        (3.0, 1.0)
    );
}

#[tokio::test]
async fn a_version_that_is_too_old_costs_a_list_and_shows_no_gap() {
    for streams in [true, false] {
        let server = ApiServer::start();
        if !streams {
            server.without_streams();
        }
        for name in ["one", "two", "three"] {
            server.put(CONFIG_MAPS, config_map("a", name));
        }
        let mut exporter = Exporter::start(&server, &["configmaps"]).await;
        exporter.synced().await;
        // While the watch is away objects come and go, and the changes are forgotten.
        server.fail("watch=true", [Fault::Refuse(500, "not now", 0)]);
        server.cut_watches();
        server.delete(CONFIG_MAPS, "a", "one");
        server.put(CONFIG_MAPS, config_map("a", "four"));
        server.forget();
        until(
            || {
                let names = exporter.config_maps();
                assert!(names.len() == 3, "a scrape saw {names:?}");
                names == ["four", "three", "two"]
            },
            || format!("{:?}", exporter.config_maps()),
        )
        .await;
    }
}

#[tokio::test]
async fn a_cut_watch_goes_on_where_it_was() {
    let server = ApiServer::start();
    server.put(CONFIG_MAPS, config_map("a", "one"));
    let mut exporter = Exporter::start(&server, &["configmaps"]).await;
    exporter.synced().await;
    server.cut_watches();
    server.put(CONFIG_MAPS, config_map("a", "two"));
    exporter.shows(&["one", "two"]).await;
    // The change may have come before the cut.
    let again = || server.requests("&resourceVersion=").len();
    until(|| again() > 0, || "not asked again".to_owned()).await;
    server.put(CONFIG_MAPS, config_map("a", "three"));
    exporter.shows(&["one", "three", "two"]).await;
    assert_eq!(server.requests("sendInitialEvents").len(), 1);
}

#[tokio::test]
async fn answers_that_end_too_early_or_are_refused_are_asked_for_again() {
    let server = ApiServer::start();
    server.without_streams();
    for number in 0..10 {
        server.put(CONFIG_MAPS, config_map("a", &number.to_string()));
    }
    let throttled = Fault::Refuse(429, "too many requests", 1);
    server.fail(
        "limit=",
        [
            Fault::Truncate,
            throttled,
            Fault::Refuse(401, "Unauthorized", 0),
        ],
    );
    let started = Instant::now();
    let mut exporter = Exporter::start(&server, &["configmaps"]).await;
    exporter.synced().await;
    assert_eq!(exporter.config_maps().len(), 10);
    assert!(
        started.elapsed() >= Duration::from_secs(1),
        "the server asked for a second"
    );
    assert_eq!(
        (
            exporter.count("list", "error"),
            exporter.count("list", "success")
        ),
        (2.0, 2.0)
    );
}

#[tokio::test]
async fn a_missing_permission_costs_its_resource_only() {
    let server = ApiServer::start();
    server.put(CONFIG_MAPS, config_map("a", "one"));
    let forbidden = Fault::Refuse(403, "pods is forbidden", 0);
    server.fail(PODS, std::iter::repeat_n(forbidden, 1000));
    let exporter = Exporter::start(&server, &["configmaps", "pods"]).await;
    exporter.shows(&["one"]).await;
    assert_eq!(exporter.watchers.missing(), 1);
    let errors = || exporter.telemetry.count("watch", "error", "*v1.Pod");
    until(|| errors() >= 2.0, || "not asked again".to_owned()).await;
}

#[tokio::test]
async fn a_slow_list_holds_up_no_other() {
    let server = ApiServer::start();
    server.put(CONFIG_MAPS, config_map("a", "one"));
    server.fail(PODS, [Fault::Slow(PATIENCE * 2)]);
    let exporter = Exporter::start(&server, &["pods", "configmaps"]).await;
    exporter.shows(&["one"]).await;
    assert_eq!(exporter.watchers.missing(), 1);
    assert!(!exporter.telemetry.synced());
}

#[tokio::test]
async fn namespaces_nodes_and_limits() {
    let server = ApiServer::start();
    for (namespace, name) in [("a", "one"), ("b", "two"), ("c", "three")] {
        server.put(CONFIG_MAPS, config_map(namespace, name));
    }
    for (name, node) in [("p", "n1"), ("q", "n2"), ("r", "")] {
        server.put(PODS, pod(name, node));
    }
    let all = Scope::default();
    let mut some = Exporter::start_with(&server, &["configmaps"], &["a", "c"], &all, |_| ()).await;
    some.synced().await;
    some.shows(&["one", "three"]).await;
    assert_eq!(server.requests("/api/v1/namespaces/c/configmaps?").len(), 1);
    let selected = Scope {
        labels: [("configmaps".to_owned(), "app=x".to_owned())].into(),
        ..Scope::default()
    };
    let mut chosen = Exporter::start_with(&server, &["configmaps"], &[], &selected, |_| ()).await;
    chosen.synced().await;
    assert!(chosen.telemetry.synced());
    assert_eq!(server.requests("&labelSelector=app%3Dx").len(), 1);
    let denied = Scope {
        denied: vec!["a".to_owned()],
        ..Scope::default()
    };
    let mut others = Exporter::start_with(&server, &["configmaps"], &[], &denied, |_| ()).await;
    others.synced().await;
    others.shows(&["three", "two"]).await;
    for (node, expected) in [("n2", ["q"]), ("", ["r"])] {
        let scope = Scope {
            node: Some(node.to_owned()),
            ..Scope::default()
        };
        let mut exporter = Exporter::start_with(&server, &["pods"], &[], &scope, |_| ()).await;
        exporter.synced().await;
        assert_eq!(exporter.names("kube_pod_info", "pod"), expected);
    }
    let mut few = Exporter::start_with(&server, &["configmaps"], &[], &all, |watching| {
        watching.limit = 2;
    })
    .await;
    few.synced().await;
    assert_eq!(few.config_maps().len(), 2);
    server.put(CONFIG_MAPS, config_map("d", "late"));
    until(
        || few.config_maps().len() == 3,
        || "without the late one".to_owned(),
    )
    .await;
}

#[tokio::test]
async fn many_changes_end_in_the_same_state() {
    let server = ApiServer::start();
    for number in 0..100 {
        server.put(PODS, pod(&format!("p{number}"), "first"));
    }
    let mut exporter = Exporter::start(&server, &["pods"]).await;
    exporter.synced().await;
    for round in 0..50 {
        for number in 0..100 {
            server.put(
                PODS,
                pod(&format!("p{number}"), &format!("n{round}-{number}")),
            );
        }
        if round % 20 == 10 {
            server.cut_watches();
        }
        tokio::task::yield_now().await;
    }
    let mut expected: Vec<String> = (0..100).map(|number| format!("n49-{number}")).collect();
    expected.sort();
    let nodes = || exporter.names("kube_pod_info", "node");
    until(|| nodes() == expected, || format!("{:?}", nodes())).await;
}

/// Series, sorted.
fn series(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let mut series: Vec<String> = lines.map(str::to_owned).collect();
    series.sort();
    series
}

#[tokio::test]
async fn shards_together_are_the_whole_while_objects_come_change_and_go() {
    for streams in [true, false] {
        let server = ApiServer::start();
        if !streams {
            server.without_streams();
        }
        for number in 0..600 {
            server.put(PODS, pod(&format!("p{number}"), "first"));
        }
        let mut shards = Vec::new();
        for ordinal in 0..4 {
            let scope = Scope {
                shard: Shard { ordinal, total: 4 },
                ..Scope::default()
            };
            let shard = Exporter::start_with(&server, &["pods"], &[], &scope, |_| ()).await;
            shards.push(shard);
        }
        for shard in &mut shards {
            shard.synced().await;
        }
        for number in 0..600 {
            let name = format!("p{number}");
            match number % 3 {
                0 => server.put(PODS, pod(&name, &format!("n{number}"))),
                1 => server.delete(PODS, "a", &name),
                _ => server.put(PODS, pod(&format!("q{number}"), "late")),
            }
            if number % 200 == 100 {
                server.cut_watches();
            }
        }
        let mut whole = Exporter::start(&server, &["pods"]).await;
        whole.synced().await;
        let whole = series(&whole.text());
        assert_eq!(
            whole
                .iter()
                .filter(|line| line.starts_with("kube_pod_info{"))
                .count(),
            600
        );
        let parts = || -> Vec<Vec<String>> {
            let texts = shards.iter().map(Exporter::text);
            texts.map(|text| series(&text)).collect()
        };
        let together = || {
            let mut all = parts().concat();
            all.sort();
            all
        };
        until(
            || together() == whole,
            || {
                let counts: Vec<_> = parts().iter().map(Vec::len).collect();
                format!("{counts:?} of {}", whole.len())
            },
        )
        .await;
        assert!(parts().iter().all(|part| part.len() > whole.len() / 8));
    }
}

#[tokio::test]
async fn ten_thousand_changes_leave_what_a_new_list_gives() {
    let server = ApiServer::start();
    for number in 0..200 {
        server.put(PODS, pod(&format!("p{number}"), "first"));
    }
    let mut exporter = Exporter::start(&server, &["pods"]).await;
    exporter.synced().await;
    for change in 0..10_000 {
        let name = format!("p{}", change * 7 % 200);
        server.put(PODS, pod(&name, &format!("node-{change}")));
        if change % 100 == 0 {
            tokio::task::yield_now().await;
        }
    }
    let mut fresh = Exporter::start(&server, &["pods"]).await;
    fresh.synced().await;
    let expected = series(&fresh.text());
    until(
        || series(&exporter.text()) == expected,
        || "other than a new list".to_owned(),
    )
    .await;
    assert_eq!(exporter.names("kube_pod_info", "node").len(), 200);
    assert_eq!(server.requests("sendInitialEvents").len(), 2);
    assert_eq!(exporter.telemetry.count("watch", "error", "*v1.Pod"), 0.0);
}

#[tokio::test]
async fn a_version_that_the_server_does_not_have_costs_its_resource_only() {
    let server = ApiServer::start();
    server.put(CONFIG_MAPS, config_map("a", "one"));
    let absent = Fault::Refuse(404, "the server could not find the requested resource", 0);
    server.fail(PODS, std::iter::repeat_n(absent, 2));
    server.put(PODS, pod("p", "n"));
    let mut exporter = Exporter::start(&server, &["configmaps", "pods"]).await;
    exporter.shows(&["one"]).await;
    exporter.synced().await;
    assert_eq!(exporter.names("kube_pod_info", "pod"), ["p"]);
    assert_eq!(exporter.telemetry.count("watch", "error", "*v1.Pod"), 2.0);
}
