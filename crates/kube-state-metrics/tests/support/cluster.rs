//! Objects of a cluster of any size, shaped as an API server sends them, managed fields included.

use crate::apiserver::ApiServer;
use serde_json::{Value, json};

/// When all of it was made.
const THEN: &str = "2026-01-02T03:04:05Z";

/// Fills a server: pods of two containers, twenty to a deployment, with what belongs to them.
pub fn fill(server: &ApiServer, pods: usize, nodes: usize) {
    for number in 0..nodes {
        server.put("/api/v1/nodes", node(number));
    }
    for number in 0..44 {
        let name = format!("ns-{number:04}");
        let object =
            json!({"metadata": metadata("", &name, 1, number), "status": {"phase": "Active"}});
        server.put("/api/v1/namespaces", object);
    }
    for number in 0..pods.div_ceil(20) {
        let (namespace, name) = (namespace(number), format!("app-{number:05}"));
        let set = format!("{name}-0001abcd");
        let meta = |name: &str, kind| metadata(&namespace, name, kind, number);
        server.put("/apis/apps/v1/deployments", deployment(meta(&name, 2)));
        server.put(
            "/apis/apps/v1/replicasets",
            replica_set(meta(&set, 3), &name),
        );
        server.put("/api/v1/services", service(meta(&name, 4), number));
        server.put(
            "/api/v1/configmaps",
            json!({"metadata": meta(&name, 5), "data": {"a": "b"}}),
        );
    }
    for number in 0..pods {
        server.put("/api/v1/pods", pod(number, nodes, 0));
    }
}

fn namespace(deployment: usize) -> String {
    format!("ns-{:04}", deployment % 44)
}

fn uid(kind: usize, number: usize) -> String {
    let mixed = (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let (high, low) = (mixed >> 32, mixed & 0xffff_ffff_ffff);
    format!(
        "{high:08x}-{:04x}-4{kind:03x}-9{:03x}-{low:012x}",
        number & 0xffff,
        mixed & 0xfff
    )
}

fn metadata(namespace: &str, name: &str, kind: usize, number: usize) -> Value {
    let mut metadata = json!({
        "name": name,
        "uid": uid(kind, number),
        "generation": 1,
        "creationTimestamp": THEN,
        "labels": {"app": name, "tier": "t1"},
        "annotations": {"checksum/config": "a".repeat(64)},
        "managedFields": [managed("spec"), managed("status")],
    });
    if !namespace.is_empty() {
        metadata["namespace"] = json!(namespace);
    }
    metadata
}

/// Who wrote which fields: of a pod more text than all the rest.
fn managed(part: &str) -> Value {
    let leaves = [
        "image",
        "imagePullPolicy",
        "name",
        "resources",
        "terminationMessagePath",
    ];
    let fields: serde_json::Map<String, Value> = leaves
        .iter()
        .map(|leaf| (format!("f:{leaf}"), json!({})))
        .collect();
    let container = |name: &str| (format!("k:{{\"name\":\"{name}\"}}"), json!(fields));
    let containers: serde_json::Map<String, Value> = ["main", "sidecar", "proxy", "init"]
        .into_iter()
        .map(container)
        .collect();
    json!({
        "manager": "kube-controller-manager", "operation": "Update", "apiVersion": "v1",
        "time": THEN, "fieldsType": "FieldsV1",
        "fieldsV1": {format!("f:{part}"): {"f:containers": containers, "f:dnsPolicy": {},
            "f:nodeName": {}, "f:schedulerName": {}, "f:tolerations": {}, "f:volumes": {}}}
    })
}

fn deployment(metadata: Value) -> Value {
    json!({
        "metadata": metadata,
        "spec": {"replicas": 20, "strategy": {"type": "RollingUpdate",
            "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}}},
        "status": {"replicas": 20, "readyReplicas": 20, "updatedReplicas": 20,
            "availableReplicas": 20, "observedGeneration": 1, "conditions": [
            {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable"},
            {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}]}
    })
}

fn replica_set(mut metadata: Value, owner: &str) -> Value {
    metadata["ownerReferences"] =
        json!([{"kind": "Deployment", "name": owner, "controller": true}]);
    json!({
        "metadata": metadata,
        "spec": {"replicas": 20},
        "status": {"replicas": 20, "fullyLabeledReplicas": 20, "readyReplicas": 20,
            "availableReplicas": 20, "observedGeneration": 1}
    })
}

fn service(metadata: Value, number: usize) -> Value {
    let ip = format!("10.96.{}.{}", number / 256, number % 256);
    json!({"metadata": metadata, "spec": {"type": "ClusterIP", "clusterIP": ip}, "status": {}})
}

fn node(number: usize) -> Value {
    let amounts = json!({"cpu": "32", "memory": "131072Mi", "pods": "110",
        "ephemeral-storage": "200Gi", "hugepages-2Mi": "0"});
    let condition = |kind: &str, status: &str| json!({"type": kind, "status": status, "lastHeartbeatTime": THEN, "reason": "R"});
    json!({
        "metadata": metadata("", &format!("node-{number:05}"), 6, number),
        "spec": {"podCIDR": format!("10.{}.{}.0/24", number / 256, number % 256),
            "providerID": format!("cloud://zone/{number}")},
        "status": {"capacity": amounts, "allocatable": amounts,
            "conditions": [condition("MemoryPressure", "False"), condition("DiskPressure", "False"),
                condition("PIDPressure", "False"), condition("Ready", "True")],
            "addresses": [{"type": "InternalIP", "address": format!("10.0.{}.{}", number / 256, number % 256)},
                {"type": "Hostname", "address": format!("node-{number:05}")}],
            "nodeInfo": {"kernelVersion": "6.8.0", "osImage": "Linux", "kubeletVersion": "v1.36.0",
                "containerRuntimeVersion": "containerd://2.1.0", "systemUUID": uid(7, number)}}
    })
}

/// A running pod, in the state after that many restarts.
pub fn pod(number: usize, nodes: usize, restarts: usize) -> Value {
    let deployment = number / 20;
    let (app, ip) = (
        format!("app-{deployment:05}"),
        format!("10.1.{}.{}", number / 256, number % 256),
    );
    let name = format!("{app}-0001abcd-{number:05}");
    let mut metadata = metadata(&namespace(deployment), &name, 8, number);
    metadata["ownerReferences"] =
        json!([{"kind": "ReplicaSet", "name": format!("{app}-0001abcd"), "controller": true}]);
    let image = |container: &str| format!("registry.example/{app}/{container}:v1.1");
    let container = |name: &str| {
        json!({"name": name, "image": image(name), "terminationMessagePath": "/dev/termination-log",
            "resources": {"limits": {"cpu": "500m", "memory": "256Mi"},
                "requests": {"cpu": "100m", "memory": "128Mi"}}})
    };
    let status = |name: &str, kind: usize| {
        let id = uid(kind, number).replace('-', "").repeat(2);
        json!({"name": name, "image": image(name), "ready": true, "started": true,
            "restartCount": restarts, "lastState": {}, "state": {"running": {"startedAt": THEN}},
            "imageID": format!("registry.example/{app}/{name}@sha256:{}", "0".repeat(64)),
            "containerID": format!("containerd://{id}")})
    };
    let condition =
        |kind: &str| json!({"type": kind, "status": "True", "lastTransitionTime": THEN});
    json!({
        "metadata": metadata,
        "spec": {"containers": [container("main"), container("sidecar")], "restartPolicy": "Always",
            "nodeName": format!("node-{:05}", number * 7919 % nodes.max(1)),
            "schedulerName": "default-scheduler",
            "volumes": [{"name": "cfg", "configMap": {"name": app, "defaultMode": 420}}],
            "tolerations": [{"key": "dedicated", "operator": "Exists"},
                {"key": "node.kubernetes.io/not-ready", "operator": "Exists",
                    "effect": "NoExecute", "tolerationSeconds": 300},
                {"key": "node.kubernetes.io/unreachable", "operator": "Exists",
                    "effect": "NoExecute", "tolerationSeconds": 300}]},
        "status": {"phase": "Running", "qosClass": "Burstable", "hostIP": "10.0.0.1", "podIP": ip,
            "podIPs": [{"ip": ip}], "startTime": THEN,
            "conditions": [condition("Initialized"), condition("Ready"),
                condition("ContainersReady"), condition("PodScheduled")],
            "containerStatuses": [status("main", 9), status("sidecar", 10)]}
    })
}
