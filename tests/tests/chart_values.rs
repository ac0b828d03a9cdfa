//! Each file of a chart's `tests/values` is one way to use it, with what has to come of it in its
//! comments; and what the exporter's container would run starts.
//!
//! `#= KIND PATH VALUE`: an object of the kind has this value there; `~TEXT` as the value asks for text
//! with this in it. `#- KIND [PATH [VALUE]]`: none has. A path's parts are keys or numbers, `*` stands
//! for any of a list, `~1` for a slash in a key; it may start at `pod`, the pod's specification, or
//! `main`, the exporter's container.

use e2e::charts;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// All values at a path.
fn at<'a>(value: &'a Value, path: &str) -> Vec<&'a Value> {
    let pod = &value["spec"]["template"]["spec"];
    let (value, path) = match path.split_once('/') {
        Some(("pod", rest)) => (pod, rest),
        Some(("main", rest)) => (exporter(pod), rest),
        _ => (value, path),
    };
    let mut found = vec![value];
    for part in path.split('/') {
        let part = part.replace("~1", "/");
        found = found.iter().flat_map(|v| children(v, &part)).collect();
    }
    found
}

/// The container of a pod that runs the exporter; others may come first.
fn exporter(pod: &Value) -> &Value {
    let is_ours = |container: &&Value| {
        let image = text(&container["image"]);
        image.contains("exporter") || image.contains("exporters-rs/")
    };
    let containers = pod["containers"].as_array().map_or(&[][..], Vec::as_slice);
    containers.iter().find(is_ours).unwrap_or(&Value::Null)
}

fn children<'a>(value: &'a Value, part: &str) -> Vec<&'a Value> {
    match value {
        Value::Array(list) if part == "*" => list.iter().collect(),
        Value::Array(list) => {
            let item = part.parse().ok().and_then(|n: usize| list.get(n));
            item.into_iter().collect()
        }
        other => other.get(part).into_iter().collect(),
    }
}

fn is(value: &Value, wanted: &str) -> bool {
    match wanted.strip_prefix('~') {
        Some(text) => value.as_str().is_some_and(|v| v.contains(text)),
        None => {
            let wanted: Value = serde_saphyr::from_str(wanted).unwrap();
            *value == wanted
        }
    }
}

/// A chart as rendered from its defaults or from a file of values.
struct Release {
    chart: String,
    values: Option<PathBuf>,
    objects: Vec<Value>,
}

impl Release {
    /// All there are; none without helm.
    fn all() -> Vec<Release> {
        if !charts::can_render() {
            return Vec::new();
        }
        let scratch = tempfile::tempdir().unwrap();
        let mut releases = Vec::new();
        for chart in charts::vendored(scratch.path()) {
            let folder = scratch.path().join(&chart);
            let files = charts::values(&folder).into_iter().map(Some);
            releases.extend(std::iter::once(None).chain(files).map(|values| Release {
                objects: charts::rendered(&folder, values.as_deref()),
                values: values.map(|file| file.strip_prefix(scratch.path()).unwrap().to_owned()),
                chart: chart.clone(),
            }));
        }
        assert!(releases.len() > 70, "{}", releases.len());
        releases
    }

    /// Name for messages.
    fn name(&self) -> String {
        match &self.values {
            Some(file) => file.display().to_string(),
            None => format!("{} with its defaults", self.chart),
        }
    }
}

/// Whether an expectation holds.
fn holds(objects: &[Value], line: &str) -> bool {
    let mut words = line.splitn(4, ' ');
    let sign = words.next();
    let kind = words.next().unwrap();
    let (path, wanted) = (words.next(), words.next());
    let fits = |object: &&Value| match (path, wanted) {
        (None, _) => true,
        (Some(path), None) => !at(object, path).is_empty(),
        (Some(path), Some(wanted)) => at(object, path).iter().any(|v| is(v, wanted)),
    };
    let mut of_kind = objects.iter().filter(|o| o["kind"] == kind);
    of_kind.any(|o| fits(&o)) == (sign == Some("#="))
}

#[test]
fn files_of_values_have_their_effect() {
    let mut wrong = Vec::new();
    for release in Release::all() {
        let Some(values) = &release.values else {
            continue;
        };
        let file = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../charts")
            .join(values);
        let text = fs::read_to_string(file).unwrap();
        let expectations = text
            .lines()
            .filter(|l| l.starts_with("#= ") || l.starts_with("#- "));
        for line in expectations.filter(|line| !holds(&release.objects, line)) {
            wrong.push(format!("{}: {line}", release.name()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Objects that have pods, with the pod's specification.
fn workloads(objects: &[Value]) -> impl Iterator<Item = (&Value, &Value)> {
    let workloads = objects
        .iter()
        .filter(|o| o["spec"]["template"]["spec"].is_object());
    workloads.map(|o| (o, &o["spec"]["template"]["spec"]))
}

/// What does not fit within a pod.
fn pod_faults(object: &Value, pod: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    let selector = object["spec"]["selector"]["matchLabels"].as_object();
    let labels = &object["spec"]["template"]["metadata"]["labels"];
    for (key, value) in selector.unwrap() {
        if labels[key.as_str()] != *value {
            faults.push(format!("selects pods by {key}, which they do not have"));
        }
    }
    let volumes: Vec<&str> = at(pod, "volumes/*/name").into_iter().map(text).collect();
    let containers = at(pod, "containers/*");
    let names: Vec<&str> = containers.iter().map(|c| text(&c["name"])).collect();
    for (what, list) in [("volumes", &volumes), ("containers", &names)] {
        if list.iter().collect::<BTreeSet<_>>().len() < list.len() {
            faults.push(format!("two {what} of one name: {list:?}"));
        }
    }
    for container in containers.iter().chain(&at(pod, "initContainers/*")) {
        let name = text(&container["name"]);
        for mount in at(container, "volumeMounts/*/name") {
            if !volumes.contains(&text(mount)) {
                faults.push(format!("{name} mounts {mount}, which is no volume"));
            }
        }
        let paths = at(container, "volumeMounts/*/mountPath");
        if paths.iter().map(|p| text(p)).collect::<BTreeSet<_>>().len() < paths.len() {
            faults.push(format!("{name} mounts twice at one place: {paths:?}"));
        }
        let ports: Vec<&Value> = at(container, "ports/*/name");
        for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
            let port = &container[probe]["httpGet"]["port"];
            if port.is_string() && !ports.contains(&port) {
                faults.push(format!("{name}: {probe} asks port {port} of {ports:?}"));
            }
        }
    }
    faults
}

/// Objects of a kind.
fn of_kind<'a>(objects: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    objects.iter().filter(move |o| o["kind"] == kind)
}

/// Services that no pod or port answers.
fn service_faults(objects: &[Value]) -> Vec<String> {
    let mut faults = Vec::new();
    for service in of_kind(objects, "Service") {
        let selector = service["spec"]["selector"].as_object().unwrap();
        // Values may send it to pods of others.
        if !selector.contains_key("app.kubernetes.io/instance") {
            continue;
        }
        let selected = workloads(objects).filter(|(object, _)| {
            let labels = &object["spec"]["template"]["metadata"]["labels"];
            selector.iter().all(|(k, v)| labels[k.as_str()] == *v)
        });
        let selected: Vec<&Value> = selected.map(|(_, pod)| pod).collect();
        if selected.is_empty() {
            faults.push(format!("{} selects nothing", service["metadata"]["name"]));
        }
        let names: Vec<&Value> = selected
            .iter()
            .flat_map(|pod| at(pod, "containers/*/ports/*/name"))
            .collect();
        for port in at(service, "spec/ports/*/targetPort") {
            if port.is_string() && !names.contains(&port) {
                faults.push(format!("no container has the Service's port {port}"));
            }
        }
    }
    faults
}

/// Monitors of ports that Services or pods do not have.
fn monitor_faults(objects: &[Value]) -> Vec<String> {
    let of_services: Vec<&Value> = of_kind(objects, "Service")
        .flat_map(|service| at(service, "spec/ports/*/name"))
        .collect();
    let of_pods: Vec<&Value> = workloads(objects)
        .flat_map(|(_, pod)| at(pod, "containers/*/ports/*/name"))
        .collect();
    let mut faults = Vec::new();
    for (kind, path, known) in [
        ("ServiceMonitor", "spec/endpoints/*/port", of_services),
        (
            "PodMonitor",
            "spec/podMetricsEndpoints/*/port",
            of_pods.clone(),
        ),
        ("PodMonitoring", "spec/endpoints/*/port", of_pods),
    ] {
        for port in of_kind(objects, kind).flat_map(|monitor| at(monitor, path)) {
            if !known.contains(&port) {
                faults.push(format!("{kind} asks port {port} of {known:?}"));
            }
        }
    }
    faults
}

#[test]
fn objects_fit_together() {
    let mut wrong = Vec::new();
    for release in Release::all() {
        let name = release.name();
        assert!(workloads(&release.objects).count() > 0, "{name}");
        let mut faults: Vec<String> = workloads(&release.objects)
            .flat_map(|(object, pod)| pod_faults(object, pod))
            .collect();
        faults.extend(service_faults(&release.objects));
        faults.extend(monitor_faults(&release.objects));
        wrong.extend(faults.iter().map(|f| format!("{name}: {f}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// One exporter's container, laid out in a folder.
struct Container<'a> {
    chart: &'a str,
    container: &'a Value,
    pod: &'a Value,
    objects: &'a [Value],
    folder: &'a Path,
}

impl Container<'_> {
    fn binary(&self) -> &'static str {
        match self.chart {
            "prometheus-node-exporter" => "node_exporter",
            "prometheus-process-exporter" => "process-exporter",
            "prometheus-blackbox-exporter" => "blackbox_exporter",
            "prometheus-mysql-exporter" => "mysqld_exporter",
            "prometheus-postgres-exporter" => "postgres_exporter",
            "prometheus-redis-exporter" => "redis_exporter",
            other => {
                assert_eq!(other, "kube-state-metrics");
                "kube-state-metrics"
            }
        }
    }

    /// What stands in files that are not of the release.
    fn stub(&self) -> &'static str {
        match self.chart {
            "prometheus-blackbox-exporter" => "modules: {http_2xx: {prober: http}}\n",
            "prometheus-mysql-exporter" => "[client]\nuser=a\npassword=b\n",
            "prometheus-process-exporter" => "process_names: [{comm: [bash]}]\n",
            "prometheus-postgres-exporter" => "auth_modules: {}\n",
            _ => "{}\n",
        }
    }

    /// Puts the files of mounts into the folder; gives where each mount is now.
    fn mounts(&self) -> BTreeMap<String, PathBuf> {
        let mut places = BTreeMap::new();
        if self.chart == "prometheus-blackbox-exporter" {
            let image = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docker/blackbox.yml");
            places.insert("/etc/blackbox_exporter/config.yml".to_owned(), image);
        }
        for mount in at(self.container, "volumeMounts/*") {
            let target = text(&mount["mountPath"]).trim_end_matches('/').to_owned();
            let mut volumes = at(self.pod, "volumes/*").into_iter();
            let volume = volumes.find(|v| v["name"] == mount["name"]).unwrap();
            let place = match volume["hostPath"]["path"].as_str() {
                Some(path) => PathBuf::from(path),
                None => self.folder.join(target.trim_start_matches('/')),
            };
            if volume["hostPath"].is_null() {
                self.fill(volume, mount["subPath"].as_str(), &place);
            }
            places.insert(target, place);
        }
        places
    }

    /// Writes the content of a volume that the release has.
    fn fill(&self, volume: &Value, sub: Option<&str>, place: &Path) {
        let name = [
            &volume["configMap"]["name"],
            &volume["secret"]["secretName"],
        ]
        .into_iter()
        .find(|n| n.is_string());
        let source = self.objects.iter().find(|o| {
            let is_data = o["kind"] == "ConfigMap" || o["kind"] == "Secret";
            is_data && name == Some(&o["metadata"]["name"])
        });
        let folder = if sub.is_some() {
            place.parent().unwrap()
        } else {
            place
        };
        fs::create_dir_all(folder).unwrap();
        let Some(source) = source else { return };
        let plain = ["data", "stringData"].map(|field| source[field].as_object());
        for (file, content) in plain.into_iter().flatten().flatten() {
            let to = match sub {
                Some(sub) if sub == file => place.to_owned(),
                Some(_) => continue,
                None => place.join(file),
            };
            fs::write(to, text(content)).unwrap();
        }
    }

    /// A variable's value; of what is not of the release, something that fits.
    fn variable(&self, entry: &Value) -> String {
        let path = text(&entry["valueFrom"]["fieldRef"]["fieldPath"]);
        match (text(&entry["name"]), path) {
            (_, "status.hostIP") => "127.0.0.1".to_owned(),
            (_, "metadata.name") => "release-0".to_owned(),
            ("DATA_SOURCE_NAME", _) => "postgresql://u:p@127.0.0.1:1/d".to_owned(),
            ("REDIS_ADDR", _) if entry["value"].is_null() => "redis://127.0.0.1:1".to_owned(),
            ("GOMAXPROCS", _) => "1".to_owned(),
            _ => entry["value"].as_str().unwrap_or("x").to_owned(),
        }
    }

    /// The command as the kubelet makes it, with files where they are and a free port of loopback.
    fn command(&self) -> Command {
        let mounts = self.mounts();
        let mut variables: Vec<(String, String)> = at(self.container, "env/*")
            .into_iter()
            .map(|entry| (text(&entry["name"]).to_owned(), self.variable(entry)))
            .collect();
        let mut arguments: Vec<String> = at(self.container, "args/*")
            .into_iter()
            .map(|a| text(a).to_owned())
            .collect();
        for argument in &mut arguments {
            for (name, value) in &variables {
                *argument = argument.replace(&format!("$({name})"), value);
            }
            if let Some((flag, value)) = argument.clone().split_once('=') {
                *argument = format!("{flag}={}", self.placed(&mounts, value));
            }
        }
        for (_, value) in &mut variables {
            *value = self.placed(&mounts, value);
        }
        let mut command = Command::new(e2e::daemon::binary(self.binary()));
        command.env_clear().envs(variables).stdin(Stdio::null());
        command.args(self.on_loopback(arguments));
        command
    }

    /// A path of the container as it is here. What no volume of the release holds gets a stub.
    fn placed(&self, mounts: &BTreeMap<String, PathBuf>, value: &str) -> String {
        // The longest mount that the path is under.
        let mount = mounts.iter().rev().find(|(target, _)| {
            let rest = value.strip_prefix(target.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        });
        let Some((target, place)) = mount else {
            return value.to_owned();
        };
        let rest = value[target.len()..].trim_start_matches('/');
        let path = match rest {
            "" => place.clone(),
            rest => place.join(rest),
        };
        if path.starts_with(self.folder) && !path.exists() {
            fs::write(&path, self.stub()).unwrap();
        }
        path.display().to_string()
    }

    fn on_loopback(&self, mut arguments: Vec<String>) -> Vec<String> {
        if self.chart == "kube-state-metrics" {
            arguments.retain(|a| !a.contains("host=") && !a.contains("kubeconfig="));
            let objects = self.folder.join("objects.yaml");
            fs::write(&objects, "apiVersion: v1\nkind: List\nitems: []\n").unwrap();
            let listen = ["--host=127.0.0.1", "--telemetry-host=127.0.0.1"];
            arguments.extend(listen.map(str::to_owned));
            arguments.extend(["--port=0", "--telemetry-port=0"].map(str::to_owned));
            arguments.push(format!("--objects-from={}", objects.display()));
            return arguments;
        }
        arguments.retain(|a| !a.contains("web.listen-address="));
        arguments.push("--web.listen-address=127.0.0.1:0".to_owned());
        arguments
    }
}

/// Starts the exporter of a release as its container would, and asks what its probe asks.
fn start(release: &Release) {
    let (_, pod) = workloads(&release.objects).next().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let container = Container {
        chart: &release.chart,
        container: exporter(pod),
        pod,
        objects: &release.objects,
        folder: folder.path(),
    };
    let mut command = container.command();
    println!("{}: {command:?}", release.name());
    let daemon = e2e::Daemon::spawn(&mut command);
    // Behind a proxy, it is the proxy that is probed.
    let probe = &container.container["livenessProbe"]["httpGet"]["path"];
    let reply = daemon.get(probe.as_str().unwrap_or("/"));
    assert_eq!(reply.status, 200, "{}", release.name());
}

#[test]
fn containers_start() {
    let releases = Release::all();
    let alone = releases.iter().filter(|release| {
        // The umbrella's exporters are those of the others; all options cannot be had at once; and
        // certificates for TLS are in no release.
        let file = release.values.as_deref().unwrap_or(Path::new(""));
        release.chart != "exporters" && !file.ends_with("tests/all.yaml") && !is_tls(release)
    });
    let started = alone.map(start).count();
    assert!(releases.is_empty() || started > 60, "{started}");
}

/// Whether the exporter itself is probed by TLS.
fn is_tls(release: &Release) -> bool {
    let (_, pod) = workloads(&release.objects).next().unwrap();
    text(&exporter(pod)["livenessProbe"]["httpGet"]["scheme"]) == "HTTPS"
}
