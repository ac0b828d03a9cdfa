//! The binary as users and probes meet it.

#[path = "support/apiserver.rs"]
#[allow(dead_code)]
mod apiserver;

use apiserver::ApiServer;
use serde_json::json;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Output, Stdio};

const BINARY: &str = env!("CARGO_BIN_EXE_kube-state-metrics");

/// A command line that is in the wild.
const WILD: &[&str] = &[
    "--resources=certificatesigningrequests,configmaps,cronjobs,daemonsets,deployments,endpoints,\
     horizontalpodautoscalers,ingresses,jobs,leases,limitranges,mutatingwebhookconfigurations,\
     namespaces,networkpolicies,nodes,persistentvolumeclaims,persistentvolumes,\
     poddisruptionbudgets,pods,replicasets,replicationcontrollers,resourcequotas,secrets,services,\
     statefulsets,storageclasses,validatingwebhookconfigurations,volumeattachments",
    "--metric-labels-allowlist=nodes=[*]",
    "--metric-annotations-allowlist=nodes=[*]",
];

const OBJECTS: &str = r#"{"kind":"List","apiVersion":"v1","items":[
    {"kind":"Node","apiVersion":"v1","metadata":{"name":"n1","uid":"1","labels":{"app.io/zoneName":"z"}}},
    {"kind":"Deployment","apiVersion":"apps/v1","metadata":{"namespace":"a","name":"d","uid":"2"}},
    {"kind":"Endpoints","apiVersion":"v1","metadata":{"namespace":"a","name":"e","uid":"3"}}]}"#;

/// A running exporter, killed when dropped.
struct Exporter {
    child: Child,
    main: String,
    own: String,
}

impl Exporter {
    fn start(arguments: &[&str]) -> Self {
        Self::start_in(arguments, &[])
    }

    /// With these environment variables.
    fn start_in(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut child = Command::new(BINARY)
            .envs(environment.iter().copied())
            .args(["--host=127.0.0.1", "--port=0", "--telemetry-host=127.0.0.1"])
            .arg("--telemetry-port=0")
            .args(arguments)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut addresses = Vec::new();
        let mut line = String::new();
        while addresses.len() < 2 {
            line.clear();
            assert!(
                log.read_line(&mut line).unwrap() > 0,
                "ended before it listened"
            );
            if let Some((_, address)) = line.split_once("\"Listening on\" address=\"") {
                addresses.push(address.split('"').next().unwrap().to_owned());
            }
        }
        // What comes later is read, so that the exporter never waits for it.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        let own = addresses.pop().unwrap();
        Exporter {
            child,
            main: addresses.pop().unwrap(),
            own,
        }
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One request; gives head and body.
fn get(address: &str, path: &str, headers: &str) -> (String, Vec<u8>) {
    try_get(address, path, headers).unwrap()
}

/// The same where perhaps nobody listens.
fn try_get(address: &str, path: &str, headers: &str) -> Option<(String, Vec<u8>)> {
    let mut stream = TcpStream::connect(address).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\n{headers}\r\n").ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n")?;
    let body = answer.split_off(end + 4);
    Some((String::from_utf8(answer).ok()?.to_lowercase(), body))
}

fn text(address: &str, path: &str) -> String {
    String::from_utf8(get(address, path, "").1).unwrap()
}

fn run(arguments: &[&str]) -> Output {
    Command::new(BINARY).args(arguments).output().unwrap()
}

fn objects() -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(OBJECTS.as_bytes()).unwrap();
    file
}

#[test]
fn a_command_line_that_is_in_the_wild() {
    let file = objects();
    let from = format!("--objects-from={}", file.path().display());
    let arguments: Vec<&str> = WILD.iter().copied().chain([from.as_str()]).collect();
    let exporter = Exporter::start(&arguments);
    for (path, status, body) in [
        ("/healthz", "200", Some("OK")),
        ("/livez", "200", Some("OK")),
        ("/", "200", None),
        ("/readyz", "404", None),
        ("/metrics/", "404", None),
        ("/debug/pprof/", "404", None),
    ] {
        let (head, answer) = get(&exporter.main, path, "");
        assert!(head.contains(&format!(" {status} ")), "{path}: {head}");
        assert!(body.is_none_or(|body| body.as_bytes() == answer), "{path}");
    }
    let metrics = text(&exporter.main, "/metrics");
    for line in [
        "kube_node_labels{node=\"n1\",label_app_io_zone_name=\"z\"} 1",
        "kube_node_annotations{node=\"n1\"} 1",
        "kube_endpoint_info{namespace=\"a\",endpoint=\"e\"} 1",
        "# TYPE kube_deployment_labels gauge",
    ] {
        assert!(metrics.contains(line), "{line}");
    }
    assert!(!metrics.contains("kube_pod_"), "there are no pods");
    for (query, node, deployment) in [
        ("?resources=nodes", true, false),
        ("?exclude_resources=nodes", false, true),
        ("?resources=", false, false),
    ] {
        let metrics = text(&exporter.main, &format!("/metrics{query}"));
        let has = |name: &str| metrics.contains(name);
        assert_eq!(
            (has("kube_node_"), has("kube_deployment_")),
            (node, deployment),
            "{query}"
        );
    }
}

#[test]
fn formats_and_telemetry() {
    let file = objects();
    let from = format!("--objects-from={}", file.path().display());
    let exporter = Exporter::start(&[&from, "--enable-gzip-encoding", "--total-shards=1"]);
    let (head, plain) = get(&exporter.main, "/metrics", "");
    assert!(
        head.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"),
        "{head}"
    );
    let (head, packed) = get(&exporter.main, "/metrics", "Accept-Encoding: gzip\r\n");
    assert!(head.contains("content-encoding: gzip\r\n"), "{head}");
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&packed[..])
        .read_to_end(&mut unpacked)
        .unwrap();
    assert_eq!(unpacked, plain);
    let open = "Accept: application/openmetrics-text;version=1.0.0\r\n";
    let (head, body) = get(&exporter.main, "/metrics", open);
    assert!(
        head.contains("application/openmetrics-text; version=1.0.0"),
        "{head}"
    );
    assert!(body.ends_with(b"\n# EOF\n"));
    let own = text(&exporter.own, "/metrics");
    for part in [
        "kube_state_metrics_build_info{",
        "http_request_duration_seconds_count{handler=\"metrics\",method=\"get\"} 3\n",
        "kube_state_metrics_shard_ordinal{shard_ordinal=\"0\"} 0\n",
        "kube_state_metrics_total_shards 1\n",
        "process_cpu_seconds_total",
    ] {
        assert!(own.contains(part), "{part}\n{own}");
    }
    assert_eq!(text(&exporter.own, "/readyz"), "OK");
    for path in ["/livez", "/healthz"] {
        assert!(get(&exporter.own, path, "").0.contains(" 404 "));
    }
}

#[test]
fn ends() {
    for (arguments, code, stdout, stderr) in [
        (&["version"][..], 0, "kube-state-metrics, version ", ""),
        (&["--help"], 0, "kube-state-metrics", ""),
        (&["--version"], 1, "", "Error: unknown flag: --version"),
        (
            &["-port"],
            1,
            "",
            "Error: unknown shorthand flag: 'p' in -port",
        ),
        (
            &["--port", "x"],
            1,
            "",
            "Error: invalid argument \"x\" for \"--port\" flag",
        ),
        (
            &["--resources=pod"],
            1,
            "",
            "resource pod does not exist. Available resources: ",
        ),
        (
            &["--metric-allowlist=a", "--metric-denylist=b"],
            1,
            "",
            "mutually exclusive",
        ),
        (&["--metric-allowlist=("], 1, "", "bad regular expression"),
        (
            &["--metric-labels-allowlist=pods=a"],
            1,
            "",
            "invalid format, metric=[label1",
        ),
        (
            &["--objects-from=/nonexistent"],
            1,
            "",
            "/nonexistent: No such file",
        ),
        (&["--kubeconfig=/nonexistent"], 1, "", "/nonexistent: "),
        (&["--apiserver=http://127.0.0.1:1"], 1, "", "API server: "),
        (&[], 1, "", "there is no API server"),
        (
            &["--custom-resource-state-config=spec: 1"],
            1,
            "",
            "--custom-resource-state-config:1:",
        ),
        (
            &["--custom-resource-state-config-file=/nonexistent"],
            1,
            "",
            "/nonexistent: ",
        ),
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        for (actual, expected) in [(&output.stdout, stdout), (&output.stderr, stderr)] {
            let actual = String::from_utf8_lossy(actual);
            assert!(actual.contains(expected), "{arguments:?}: {actual}");
        }
    }
}

/// A server with a runtime on a thread of its own.
fn api_server() -> ApiServer {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().build().unwrap();
        runtime.block_on(async {
            sender.send(ApiServer::start()).unwrap();
            std::future::pending::<()>().await;
        });
    });
    receiver.recv().unwrap()
}

#[test]
fn in_front_of_an_api_server() {
    let server = api_server();
    let metadata = json!({"namespace": "a", "name": "m", "uid": "1"});
    server.put(
        "/api/v1/configmaps",
        json!({"kind": "ConfigMap", "metadata": metadata}),
    );
    let apiserver = format!("--apiserver={}", server.url);
    let exporter = Exporter::start(&[
        &apiserver,
        "--resources=configmaps",
        "--sync-metrics",
        "--ready-when-synced",
    ]);
    let started = std::time::Instant::now();
    while !text(&exporter.main, "/metrics").contains("kube_configmap_info{namespace=\"a\"") {
        let patience = std::time::Duration::from_secs(30);
        assert!(started.elapsed() < patience, "the config map did not come");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert_eq!(text(&exporter.main, "/livez"), "OK");
    server.fail("/livez", [apiserver::Fault::Refuse(500, "down", 0)]);
    let (head, body) = get(&exporter.main, "/livez", "");
    assert!(
        head.contains(" 503 ") && body == b"Service Unavailable",
        "{head}"
    );
    while text(&exporter.own, "/readyz") != "OK" {
        assert!(started.elapsed().as_secs() < 30, "never ready");
    }
    let own = text(&exporter.own, "/metrics");
    for line in [
        "kube_state_metrics_watch_total{resource=\"*v1.ConfigMap\",result=\"success\"} 1\n",
        "kube_state_metrics_resource_synced{resource=\"*v1.ConfigMap\"} 1\n",
    ] {
        assert!(own.contains(line), "{line}\n{own}");
    }
}

/// Waits until a path says what is wanted.
fn wait(address: &str, path: &str, wanted: impl Fn(&str) -> bool) -> String {
    let started = std::time::Instant::now();
    loop {
        let answer = text(address, path);
        if wanted(&answer) {
            return answer;
        }
        assert!(
            started.elapsed().as_secs() < 30,
            "{path} still says {answer}"
        );
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

#[test]
fn the_api_server_decides_who_may_ask() {
    let server = api_server();
    server.know("good", "alice", true);
    server.know("poor", "bob", false);
    let apiserver = format!("--apiserver={}", server.url);
    let exporter = Exporter::start(&[&apiserver, "--resources=configmaps", "--auth-filter"]);
    for address in [&exporter.main, &exporter.own] {
        for (header, status, body) in [
            ("", "401", "Unauthorized\n"),
            ("Authorization: Bearer bad\r\n", "401", "Unauthorized\n"),
            (
                "Authorization: Bearer poor\r\n",
                "403",
                "Authorization denied for user bob\n",
            ),
        ] {
            let (head, answer) = get(address, "/metrics", header);
            assert!(head.contains(&format!(" {status} ")), "{header}: {head}");
            assert_eq!(String::from_utf8(answer).unwrap(), body);
        }
        let (head, _) = get(address, "/metrics", "Authorization: Bearer good\r\n");
        assert!(head.contains(" 200 "), "{head}");
    }
    // Both ports have the same filter, which remembers three tokens and two decisions.
    assert_eq!(server.requests("tokenreviews").len(), 3);
    assert_eq!(server.requests("subjectaccessreviews").len(), 2);
    server.fail("tokenreviews", [apiserver::Fault::Refuse(403, "no", 0)]);
    let (head, body) = get(&exporter.main, "/metrics", "Authorization: Bearer new\r\n");
    assert!(
        head.contains(" 500 ") && body == b"Authentication failed\n",
        "{head}"
    );
    assert_eq!(text(&exporter.main, "/healthz"), "OK");
    assert_eq!(text(&exporter.own, "/readyz"), "OK");
}

#[test]
fn the_share_of_a_stateful_set() {
    let server = api_server();
    let set = |replicas| {
        let metadata = json!({"namespace": "m", "name": "ksm", "uid": "s"});
        let object = json!({"metadata": metadata, "spec": {"replicas": replicas}});
        server.put("/apis/apps/v1/statefulsets", object);
    };
    set(2);
    let owner = json!([{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "ksm",
        "controller": true}]);
    let metadata = json!({"namespace": "m", "name": "ksm-1", "uid": "p", "ownerReferences": owner});
    server.put("/api/v1/pods", json!({"metadata": metadata}));
    for number in 0..40 {
        let uid = format!("uid-{number}");
        let metadata = json!({"namespace": "a", "name": format!("m{number}"), "uid": uid});
        server.put("/api/v1/configmaps", json!({"metadata": metadata}));
    }
    let apiserver = format!("--apiserver={}", server.url);
    let exporter = Exporter::start(&[
        &apiserver,
        "--resources=configmaps",
        "--pod=ksm-1",
        "--pod-namespace=m",
    ]);
    let share = |total: i64| {
        let shard = kube_state_metrics::sharding::Shard { ordinal: 1, total };
        (0..40)
            .filter(|number| shard.keeps(&format!("uid-{number}")))
            .count()
    };
    let shows = |count: usize| {
        wait(&exporter.main, "/metrics", |metrics| {
            let lines = metrics.lines();
            lines
                .filter(|line| line.starts_with("kube_configmap_info"))
                .count()
                == count
        });
    };
    shows(share(2));
    assert!(text(&exporter.own, "/metrics").contains("kube_state_metrics_total_shards 2\n"));
    set(4);
    shows(share(4));
    let own = text(&exporter.own, "/metrics");
    for line in ["total_shards 4\n", "shard_ordinal{shard_ordinal=\"1\"} 1\n"] {
        assert!(own.contains(line), "{own}");
    }
    assert!(share(2) != share(4));
}

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const CUSTOM: &str = r#"
spec:
  resources:
  - groupVersionKind: {group: example.com, version: v1, kind: Oven}
    labelsFromPath: {name: [metadata, name]}
    metrics:
    - name: temperature
      help: How hot it is.
      each: {type: Gauge, gauge: {path: [status, temperature]}}
    - name: mode
      help: What it does.
      each: {type: StateSet, stateSet: {path: [status, mode], labelName: mode, list: [Off, Hot]}}
"#;

fn definition() -> serde_json::Value {
    let versions = json!([{"name": "v1", "served": true}]);
    let names = json!({"kind": "Oven", "plural": "ovens"});
    let spec = json!({"group": "example.com", "scope": "Namespaced", "names": names, "versions": versions});
    json!({"kind": "CustomResourceDefinition", "apiVersion": "apiextensions.k8s.io/v1",
        "metadata": {"name": "ovens.example.com", "uid": "d"}, "spec": spec})
}

fn oven() -> serde_json::Value {
    json!({"kind": "Oven", "apiVersion": "example.com/v1",
        "metadata": {"namespace": "a", "name": "big", "uid": "o"},
        "status": {"temperature": "200", "mode": "Hot"}})
}

const OVEN: &[&str] = &[
    "# HELP kube_customresource_temperature How hot it is.",
    "# TYPE kube_customresource_temperature gauge",
    "kube_customresource_temperature{customresource_group=\"example.com\",\
     customresource_kind=\"Oven\",customresource_version=\"v1\",name=\"big\"} 200",
    "# TYPE kube_customresource_mode gauge",
    "kube_customresource_mode{customresource_group=\"example.com\",customresource_kind=\"Oven\",\
     customresource_version=\"v1\",mode=\"Hot\",name=\"big\"} 1",
];

#[test]
fn custom_resources_come_and_go() {
    let server = api_server();
    let apiserver = format!("--apiserver={}", server.url);
    let config = format!("--custom-resource-state-config={CUSTOM}");
    let exporter = Exporter::start(&[&apiserver, &config, "--custom-resource-state-only"]);
    assert_eq!(text(&exporter.main, "/metrics"), "");
    server.put("/apis/example.com/v1/ovens", oven());
    server.put(DEFINITIONS, definition());
    let metrics = wait(&exporter.main, "/metrics", |metrics| !metrics.is_empty());
    for line in OVEN {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
    server.delete(DEFINITIONS, "", "ovens.example.com");
    wait(&exporter.main, "/metrics", str::is_empty);
    let own = text(&exporter.own, "/metrics");
    for line in [
        "add_events_total 1\n",
        "delete_events_total 1\n",
        "cache 0\n",
    ] {
        let line = format!("kube_state_metrics_custom_resource_state_{line}");
        assert!(own.contains(&line), "{line}\n{own}");
    }
}

#[test]
fn custom_resources_of_files() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    // The definition may stand behind its objects.
    write!(file, "{}{}", oven(), definition()).unwrap();
    let mut config = tempfile::NamedTempFile::new().unwrap();
    config.write_all(CUSTOM.as_bytes()).unwrap();
    let from = format!("--objects-from={}", file.path().display());
    let custom = format!(
        "--custom-resource-state-config-file={}",
        config.path().display()
    );
    let exporter = Exporter::start(&[&from, &custom]);
    let metrics = text(&exporter.main, "/metrics");
    for line in OVEN {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
}

/// Metrics as soon as they hold a text.
fn wait_for_line(address: &str, part: &str) -> String {
    wait(address, "/metrics", |metrics| metrics.contains(part))
}

#[test]
fn an_options_file_that_changes() {
    let server = api_server();
    for (plural, kind) in [("configmaps", "ConfigMap"), ("services", "Service")] {
        let metadata = json!({"namespace": "a", "name": "x", "uid": plural});
        server.put(
            &format!("/api/v1/{plural}"),
            json!({"kind": kind, "metadata": metadata}),
        );
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("options.yml");
    let write = |text: &str| {
        let new = directory.path().join("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, &path).unwrap();
    };
    write("resources: {configmaps: }\n");
    let apiserver = format!("--apiserver={}", server.url);
    let config = format!("--config={}", path.display());
    let exporter = Exporter::start(&[&apiserver, &config, "--resources=pods"]);
    let first = wait_for_line(&exporter.main, "kube_configmap_info{");
    assert!(!first.contains("kube_service_info"));
    let labels = format!("{{filename=\"{}\",type=\"config\"}}", path.display());
    let reloaded = format!("kube_state_metrics_last_config_reload_successful{labels}");
    wait_for_line(&exporter.own, &format!("{reloaded} 1"));
    write("resources: [services]\n");
    let own = wait_for_line(&exporter.own, &format!("{reloaded} 0"));
    assert!(
        own.contains(&format!("kube_state_metrics_config_hash{labels}")),
        "{own}"
    );
    assert!(
        text(&exporter.main, "/metrics").contains("kube_configmap_info{"),
        "the old state stays"
    );
    write("resources: {services: }\ntotal_shards: 1\n");
    let last = wait_for_line(&exporter.main, "kube_service_info{");
    assert!(!last.contains("kube_configmap_info{"));
    wait_for_line(&exporter.own, &format!("{reloaded} 1"));
    // Another port, then the same one with other answers.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    for gzip in [true, false] {
        write(&format!(
            "resources: {{services: }}\nport: {port}\nenable_gzip_encoding: {gzip}\n"
        ));
        let address = format!("127.0.0.1:{port}");
        let started = std::time::Instant::now();
        loop {
            assert!(started.elapsed().as_secs() < 30, "gzip is not {gzip}");
            std::thread::sleep(std::time::Duration::from_millis(5));
            let answer = try_get(&address, "/metrics", "Accept-Encoding: gzip\r\n");
            if answer.is_some_and(|(head, _)| head.contains("content-encoding: gzip") == gzip) {
                break;
            }
        }
    }
}

#[test]
fn other_credentials_and_other_custom_resources() {
    let servers = ["old", "new"].map(|name| {
        let server = api_server();
        let metadata = json!({"namespace": "a", "name": name, "uid": name});
        server.put(
            "/api/v1/configmaps",
            json!({"kind": "ConfigMap", "metadata": metadata}),
        );
        server.put(DEFINITIONS, definition());
        server.put("/apis/example.com/v1/ovens", oven());
        server
    });
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    let kubeconfig = |server: &ApiServer| {
        let url = &server.url;
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: c\n\
             clusters: [{{name: c, cluster: {{server: '{url}'}}}}]\n\
             contexts: [{{name: c, context: {{cluster: c, user: u}}}}]\n\
             users: [{{name: u, user: {{token: t}}}}]\n"
        );
        std::fs::write(path("kubeconfig"), text).unwrap();
    };
    kubeconfig(&servers[0]);
    std::fs::write(path("custom"), "spec: {resources: []}\n").unwrap();
    let exporter = Exporter::start(&[
        &format!("--kubeconfig={}", path("kubeconfig")),
        &format!("--custom-resource-state-config-file={}", path("custom")),
        "--resources=configmaps",
    ]);
    let first = wait_for_line(&exporter.main, "configmap=\"old\"");
    assert!(!first.contains("kube_customresource"));
    std::fs::write(path("custom"), CUSTOM).unwrap();
    wait_for_line(&exporter.main, OVEN[2]);
    let file = format!(
        "{{filename=\"{}\",type=\"customresourceconfig\"}} 0",
        path("custom")
    );
    std::fs::write(
        path("custom"),
        "spec: {resources: [{metrics: [{name: n}]}]}",
    )
    .unwrap();
    let bad = format!("kube_state_metrics_last_config_reload_successful{file}");
    wait_for_line(&exporter.own, &bad);
    assert!(
        text(&exporter.main, "/metrics").contains(OVEN[2]),
        "the old state stays"
    );
    std::fs::write(path("custom"), CUSTOM).unwrap();
    kubeconfig(&servers[1]);
    let last = wait_for_line(&exporter.main, "configmap=\"new\"");
    assert!(
        last.contains(OVEN[2]) && !last.contains("configmap=\"old\""),
        "{last}"
    );
}

#[test]
fn a_configuration_that_does_not_work_yet_is_tried_again() {
    let server = api_server();
    let metadata = json!({"namespace": "a", "name": "new", "uid": "1"});
    server.put(
        "/api/v1/configmaps",
        json!({"kind": "ConfigMap", "metadata": metadata}),
    );
    let old = api_server();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("options.yml");
    let write = |server: &ApiServer| {
        std::fs::write(&path, format!("apiserver: {}\n", server.url)).unwrap();
    };
    write(&old);
    let config = format!("--config={}", path.display());
    let exporter = Exporter::start(&[&config, "--resources=configmaps"]);
    server.fail(
        "/version",
        std::iter::repeat_n(apiserver::Fault::Refuse(500, "starting", 0), 2),
    );
    write(&server);
    let reloaded = "kube_state_metrics_last_config_reload_successful{";
    let told = |value: &str| {
        wait(&exporter.own, "/metrics", |metrics| {
            let mut lines = metrics.lines().filter(|line| line.starts_with(reloaded));
            lines.any(|line| line.ends_with(value))
        });
    };
    told(" 0");
    wait_for_line(&exporter.main, "configmap=\"new\"");
    told(" 1");
    assert_eq!(server.requests("/version").len(), 3);
}

#[test]
fn through_a_proxy() {
    let server = api_server();
    let metadata = json!({"namespace": "a", "name": "m", "uid": "1"});
    server.put(
        "/api/v1/configmaps",
        json!({"kind": "ConfigMap", "metadata": metadata}),
    );
    let address = server.url.strip_prefix("http://").unwrap().to_owned();
    let port = address.rsplit(':').next().unwrap().to_owned();
    let proxy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy_address = proxy.local_addr().unwrap().to_string();
    let asked = std::thread::spawn(move || {
        let (mut client, _) = proxy.accept().unwrap();
        let asked = tunnel(&mut client, &address);
        // What comes later is not looked at.
        std::thread::spawn(move || {
            for client in proxy.incoming() {
                tunnel(&mut client.unwrap(), &address);
            }
        });
        asked
    });
    let exporter = Exporter::start_in(
        &[
            &format!("--apiserver=http://cluster.invalid:{port}"),
            "--resources=configmaps",
        ],
        &[
            ("HTTP_PROXY", &proxy_address),
            ("NO_PROXY", "other.invalid"),
        ],
    );
    wait_for_line(&exporter.main, "configmap=\"m\"");
    let asked = asked.join().unwrap();
    assert!(
        asked.starts_with(&format!("CONNECT cluster.invalid:{port} ")),
        "{asked}"
    );
}

/// Answers a request for a tunnel with one to `address`. Gives the request.
fn tunnel(client: &mut TcpStream, address: &str) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
    let server = TcpStream::connect(address).unwrap();
    for (mut from, mut to) in [
        (client.try_clone().unwrap(), server.try_clone().unwrap()),
        (server, client.try_clone().unwrap()),
    ] {
        std::thread::spawn(move || {
            // Ends when either side does.
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(std::net::Shutdown::Write);
        });
    }
    String::from_utf8(head).unwrap()
}

#[test]
fn clients_have_the_time_that_flags_say() {
    let file = objects();
    let exporter = Exporter::start(&[
        &format!("--objects-from={}", file.path().display()),
        "--server-read-header-timeout=200ms",
        "--server-idle-timeout=200ms",
    ]);
    let closed = |address: &str, sent: &str| {
        let mut stream = TcpStream::connect(address).unwrap();
        let patience = std::time::Duration::from_secs(3);
        stream.set_read_timeout(Some(patience)).unwrap();
        stream.write_all(sent.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).is_ok()
    };
    let request = "GET /healthz HTTP/1.1\r\nHost: x\r\n";
    assert!(closed(&exporter.main, request), "half a head");
    let whole = format!("{request}\r\n");
    assert!(closed(&exporter.main, &whole), "a kept connection");
    assert!(
        !closed(&exporter.own, &whole),
        "the port of the exporter's own"
    );
}
