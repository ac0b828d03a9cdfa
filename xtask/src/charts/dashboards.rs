//! Grafana dashboards, one table a chart.

use serde_json::{Value, json};

/// One panel of lines.
struct Panel {
    title: &'static str,
    /// Grafana's name of the unit.
    unit: &'static str,
    /// Expression and legend.
    lines: &'static [(&'static str, &'static str)],
}

/// One dashboard.
pub struct Dashboard {
    /// The chart that ships it.
    pub chart: &'static str,
    /// File name without ending, and the dashboard's identity.
    pub name: &'static str,
    title: &'static str,
    /// A series that every instance has, to choose instances by.
    instances: &'static str,
    panels: &'static [Panel],
}

const fn panel(
    title: &'static str,
    unit: &'static str,
    lines: &'static [(&'static str, &'static str)],
) -> Panel {
    Panel { title, unit, lines }
}

/// All dashboards.
pub const ALL: &[Dashboard] = &[
    Dashboard {
        chart: "prometheus-node-exporter",
        name: "node",
        title: "Node",
        instances: "node_exporter_build_info",
        panels: &[
            panel(
                "Processors",
                "percentunit",
                &[(
                    "sum by (mode) (rate(node_cpu_seconds_total{$of, mode!=\"idle\"}[$__rate_interval])) / scalar(count(count by (cpu) (node_cpu_seconds_total{$of})))",
                    "{{mode}}",
                )],
            ),
            panel(
                "Load",
                "short",
                &[
                    ("node_load1{$of}", "1 minute"),
                    ("node_load5{$of}", "5 minutes"),
                    ("node_load15{$of}", "15 minutes"),
                ],
            ),
            panel(
                "Memory",
                "bytes",
                &[
                    (
                        "node_memory_MemTotal_bytes{$of} - node_memory_MemAvailable_bytes{$of}",
                        "used",
                    ),
                    ("node_memory_MemAvailable_bytes{$of}", "available"),
                ],
            ),
            panel(
                "Pressure",
                "percentunit",
                &[
                    (
                        "rate(node_pressure_cpu_waiting_seconds_total{$of}[$__rate_interval])",
                        "processor",
                    ),
                    (
                        "rate(node_pressure_memory_waiting_seconds_total{$of}[$__rate_interval])",
                        "memory",
                    ),
                    (
                        "rate(node_pressure_io_waiting_seconds_total{$of}[$__rate_interval])",
                        "disk",
                    ),
                ],
            ),
            panel(
                "Disks: busy",
                "percentunit",
                &[(
                    "rate(node_disk_io_time_seconds_total{$of}[$__rate_interval])",
                    "{{device}}",
                )],
            ),
            panel(
                "Disks: time of a request",
                "s",
                &[
                    (
                        "rate(node_disk_read_time_seconds_total{$of}[$__rate_interval]) / rate(node_disk_reads_completed_total{$of}[$__rate_interval])",
                        "{{device}} read",
                    ),
                    (
                        "rate(node_disk_write_time_seconds_total{$of}[$__rate_interval]) / rate(node_disk_writes_completed_total{$of}[$__rate_interval])",
                        "{{device}} write",
                    ),
                ],
            ),
            panel(
                "File systems: space used",
                "percentunit",
                &[(
                    "1 - node_filesystem_avail_bytes{$of} / node_filesystem_size_bytes{$of}",
                    "{{mountpoint}}",
                )],
            ),
            panel(
                "Network",
                "Bps",
                &[
                    (
                        "rate(node_network_receive_bytes_total{$of, device!=\"lo\"}[$__rate_interval])",
                        "{{device}} in",
                    ),
                    (
                        "-rate(node_network_transmit_bytes_total{$of, device!=\"lo\"}[$__rate_interval])",
                        "{{device}} out",
                    ),
                ],
            ),
            panel(
                "Network: errors and drops",
                "pps",
                &[
                    (
                        "rate(node_network_receive_errs_total{$of}[$__rate_interval]) + rate(node_network_transmit_errs_total{$of}[$__rate_interval])",
                        "{{device}} errors",
                    ),
                    (
                        "rate(node_network_receive_drop_total{$of}[$__rate_interval]) + rate(node_network_transmit_drop_total{$of}[$__rate_interval])",
                        "{{device}} drops",
                    ),
                ],
            ),
            panel(
                "Collectors: time",
                "s",
                &[(
                    "topk(10, node_scrape_collector_duration_seconds{$of})",
                    "{{collector}}",
                )],
            ),
        ],
    },
    Dashboard {
        chart: "prometheus-process-exporter",
        name: "processes",
        title: "Groups of processes",
        instances: "process_exporter_build_info",
        panels: &[
            panel(
                "Processes",
                "short",
                &[("namedprocess_namegroup_num_procs{$of}", "{{groupname}}")],
            ),
            panel(
                "Threads",
                "short",
                &[("namedprocess_namegroup_num_threads{$of}", "{{groupname}}")],
            ),
            panel(
                "Processors",
                "percentunit",
                &[(
                    "sum by (groupname) (rate(namedprocess_namegroup_cpu_seconds_total{$of}[$__rate_interval]))",
                    "{{groupname}}",
                )],
            ),
            panel(
                "Resident memory",
                "bytes",
                &[(
                    "namedprocess_namegroup_memory_bytes{$of, memtype=\"resident\"}",
                    "{{groupname}}",
                )],
            ),
            panel(
                "Read",
                "Bps",
                &[(
                    "rate(namedprocess_namegroup_read_bytes_total{$of}[$__rate_interval])",
                    "{{groupname}}",
                )],
            ),
            panel(
                "Written",
                "Bps",
                &[(
                    "rate(namedprocess_namegroup_write_bytes_total{$of}[$__rate_interval])",
                    "{{groupname}}",
                )],
            ),
            panel(
                "Open files",
                "short",
                &[("namedprocess_namegroup_open_filedesc{$of}", "{{groupname}}")],
            ),
            panel(
                "Worst use of the limit of open files",
                "percentunit",
                &[(
                    "namedprocess_namegroup_worst_fd_ratio{$of}",
                    "{{groupname}}",
                )],
            ),
        ],
    },
    Dashboard {
        chart: "kube-state-metrics",
        name: "kubernetes-state",
        title: "State of the cluster",
        instances: "kube_state_metrics_build_info",
        panels: &[
            panel(
                "Pods by phase",
                "short",
                &[("sum by (phase) (kube_pod_status_phase == 1)", "{{phase}}")],
            ),
            panel(
                "Containers waiting",
                "short",
                &[(
                    "sum by (reason) (kube_pod_container_status_waiting_reason)",
                    "{{reason}}",
                )],
            ),
            panel(
                "Restarts",
                "short",
                &[(
                    "topk(10, increase(kube_pod_container_status_restarts_total[1h]) > 0)",
                    "{{namespace}}/{{pod}} {{container}}",
                )],
            ),
            panel(
                "Nodes not ready",
                "short",
                &[(
                    "kube_node_status_condition{condition=\"Ready\", status=\"true\"} == 0",
                    "{{node}}",
                )],
            ),
            panel(
                "Processors: requested of what there is",
                "percentunit",
                &[
                    (
                        "sum(kube_pod_container_resource_requests{resource=\"cpu\"}) / sum(kube_node_status_allocatable{resource=\"cpu\"})",
                        "requested",
                    ),
                    (
                        "sum(kube_pod_container_resource_limits{resource=\"cpu\"}) / sum(kube_node_status_allocatable{resource=\"cpu\"})",
                        "limit",
                    ),
                ],
            ),
            panel(
                "Memory: requested of what there is",
                "percentunit",
                &[
                    (
                        "sum(kube_pod_container_resource_requests{resource=\"memory\"}) / sum(kube_node_status_allocatable{resource=\"memory\"})",
                        "requested",
                    ),
                    (
                        "sum(kube_pod_container_resource_limits{resource=\"memory\"}) / sum(kube_node_status_allocatable{resource=\"memory\"})",
                        "limit",
                    ),
                ],
            ),
            panel(
                "Deployments that lack replicas",
                "short",
                &[(
                    "kube_deployment_spec_replicas - kube_deployment_status_replicas_available > 0",
                    "{{namespace}}/{{deployment}}",
                )],
            ),
            panel(
                "Jobs that failed",
                "short",
                &[("kube_job_failed > 0", "{{namespace}}/{{job_name}}")],
            ),
            panel(
                "Requests to the API server",
                "reqps",
                &[(
                    "sum by (resource, result) (rate(kube_state_metrics_list_total[$__rate_interval]) + rate(kube_state_metrics_watch_total[$__rate_interval]))",
                    "{{resource}} {{result}}",
                )],
            ),
        ],
    },
    Dashboard {
        chart: "prometheus-blackbox-exporter",
        name: "probes",
        title: "Probes",
        instances: "probe_success",
        panels: &[
            panel(
                "Success",
                "bool_yes_no",
                &[("probe_success{$of}", "{{instance}}")],
            ),
            panel(
                "Duration",
                "s",
                &[("probe_duration_seconds{$of}", "{{instance}}")],
            ),
            panel(
                "HTTP: phases",
                "s",
                &[("probe_http_duration_seconds{$of}", "{{instance}} {{phase}}")],
            ),
            panel(
                "HTTP: status",
                "short",
                &[("probe_http_status_code{$of}", "{{instance}}")],
            ),
            panel(
                "Days until a certificate expires",
                "d",
                &[(
                    "(probe_ssl_earliest_cert_expiry{$of} - time()) / 86400",
                    "{{instance}}",
                )],
            ),
            panel(
                "DNS: look-up",
                "s",
                &[("probe_dns_lookup_time_seconds{$of}", "{{instance}}")],
            ),
            panel(
                "ICMP: phases",
                "s",
                &[("probe_icmp_duration_seconds{$of}", "{{instance}} {{phase}}")],
            ),
        ],
    },
    Dashboard {
        chart: "prometheus-mysql-exporter",
        name: "mysql",
        title: "MySQL",
        instances: "mysql_up",
        panels: &[
            panel(
                "Queries",
                "reqps",
                &[
                    (
                        "rate(mysql_global_status_queries{$of}[$__rate_interval])",
                        "queries",
                    ),
                    (
                        "rate(mysql_global_status_slow_queries{$of}[$__rate_interval])",
                        "slow",
                    ),
                ],
            ),
            panel(
                "Commands",
                "reqps",
                &[(
                    "topk(10, rate(mysql_global_status_commands_total{$of}[$__rate_interval]) > 0)",
                    "{{command}}",
                )],
            ),
            panel(
                "Connections",
                "short",
                &[
                    ("mysql_global_status_threads_connected{$of}", "connected"),
                    ("mysql_global_status_threads_running{$of}", "running"),
                    ("mysql_global_variables_max_connections{$of}", "limit"),
                ],
            ),
            panel(
                "Network",
                "Bps",
                &[
                    (
                        "rate(mysql_global_status_bytes_received{$of}[$__rate_interval])",
                        "in",
                    ),
                    (
                        "-rate(mysql_global_status_bytes_sent{$of}[$__rate_interval])",
                        "out",
                    ),
                ],
            ),
            panel(
                "Buffer pool",
                "short",
                &[("mysql_global_status_buffer_pool_pages{$of}", "{{state}}")],
            ),
            panel(
                "Temporary tables",
                "short",
                &[
                    (
                        "rate(mysql_global_status_created_tmp_tables{$of}[$__rate_interval])",
                        "in memory",
                    ),
                    (
                        "rate(mysql_global_status_created_tmp_disk_tables{$of}[$__rate_interval])",
                        "on disk",
                    ),
                ],
            ),
            panel(
                "Replication lag",
                "s",
                &[(
                    "mysql_slave_status_seconds_behind_master{$of}",
                    "{{channel_name}}{{connection_name}}",
                )],
            ),
            panel(
                "Collectors: time",
                "s",
                &[(
                    "topk(10, mysql_exporter_collector_duration_seconds{$of})",
                    "{{collector}}",
                )],
            ),
        ],
    },
    Dashboard {
        chart: "prometheus-postgres-exporter",
        name: "postgres",
        title: "PostgreSQL",
        instances: "pg_up",
        panels: &[
            panel(
                "Transactions",
                "ops",
                &[
                    (
                        "sum by (datname) (rate(pg_stat_database_xact_commit{$of}[$__rate_interval]))",
                        "{{datname}} committed",
                    ),
                    (
                        "sum by (datname) (rate(pg_stat_database_xact_rollback{$of}[$__rate_interval]))",
                        "{{datname}} rolled back",
                    ),
                ],
            ),
            panel(
                "Connections",
                "short",
                &[
                    ("sum by (state) (pg_stat_activity_count{$of})", "{{state}}"),
                    ("pg_settings_max_connections{$of}", "limit"),
                ],
            ),
            panel(
                "Blocks found in memory",
                "percentunit",
                &[(
                    "sum by (datname) (rate(pg_stat_database_blks_hit{$of}[$__rate_interval])) / (sum by (datname) (rate(pg_stat_database_blks_hit{$of}[$__rate_interval])) + sum by (datname) (rate(pg_stat_database_blks_read{$of}[$__rate_interval])))",
                    "{{datname}}",
                )],
            ),
            panel(
                "Rows",
                "ops",
                &[
                    (
                        "sum(rate(pg_stat_database_tup_fetched{$of}[$__rate_interval]))",
                        "fetched",
                    ),
                    (
                        "sum(rate(pg_stat_database_tup_inserted{$of}[$__rate_interval]))",
                        "inserted",
                    ),
                    (
                        "sum(rate(pg_stat_database_tup_updated{$of}[$__rate_interval]))",
                        "updated",
                    ),
                    (
                        "sum(rate(pg_stat_database_tup_deleted{$of}[$__rate_interval]))",
                        "deleted",
                    ),
                ],
            ),
            panel(
                "Locks",
                "short",
                &[("sum by (mode) (pg_locks_count{$of})", "{{mode}}")],
            ),
            panel(
                "Longest transaction",
                "s",
                &[(
                    "max by (datname) (pg_stat_activity_max_tx_duration{$of})",
                    "{{datname}}",
                )],
            ),
            panel(
                "Size",
                "bytes",
                &[("pg_database_size_bytes{$of}", "{{datname}}")],
            ),
            panel(
                "Replication lag",
                "s",
                &[("pg_replication_lag_seconds{$of}", "lag")],
            ),
            panel(
                "Dead rows",
                "short",
                &[(
                    "topk(10, pg_stat_user_tables_n_dead_tup{$of})",
                    "{{datname}}.{{schemaname}}.{{relname}}",
                )],
            ),
        ],
    },
    Dashboard {
        chart: "prometheus-redis-exporter",
        name: "redis",
        title: "Redis",
        instances: "redis_up",
        panels: &[
            panel(
                "Commands",
                "ops",
                &[(
                    "topk(10, rate(redis_commands_total{$of}[$__rate_interval]) > 0)",
                    "{{cmd}}",
                )],
            ),
            panel(
                "Time of a command",
                "s",
                &[(
                    "topk(10, rate(redis_commands_duration_seconds_total{$of}[$__rate_interval]) / rate(redis_commands_total{$of}[$__rate_interval]))",
                    "{{cmd}}",
                )],
            ),
            panel(
                "Memory",
                "bytes",
                &[
                    ("redis_memory_used_bytes{$of}", "used"),
                    ("redis_memory_used_rss_bytes{$of}", "resident"),
                    ("redis_memory_max_bytes{$of} > 0", "limit"),
                ],
            ),
            panel(
                "Keys found",
                "percentunit",
                &[(
                    "rate(redis_keyspace_hits_total{$of}[$__rate_interval]) / (rate(redis_keyspace_hits_total{$of}[$__rate_interval]) + rate(redis_keyspace_misses_total{$of}[$__rate_interval]))",
                    "hits",
                )],
            ),
            panel(
                "Keys",
                "short",
                &[
                    ("redis_db_keys{$of} > 0", "{{db}}"),
                    ("redis_db_keys_expiring{$of} > 0", "{{db}} expiring"),
                ],
            ),
            panel(
                "Keys expired and evicted",
                "ops",
                &[
                    (
                        "rate(redis_expired_keys_total{$of}[$__rate_interval])",
                        "expired",
                    ),
                    (
                        "rate(redis_evicted_keys_total{$of}[$__rate_interval])",
                        "evicted",
                    ),
                ],
            ),
            panel(
                "Clients",
                "short",
                &[
                    ("redis_connected_clients{$of}", "connected"),
                    ("redis_blocked_clients{$of}", "blocked"),
                ],
            ),
            panel(
                "Network",
                "Bps",
                &[
                    (
                        "rate(redis_net_input_bytes_total{$of}[$__rate_interval])",
                        "in",
                    ),
                    (
                        "-rate(redis_net_output_bytes_total{$of}[$__rate_interval])",
                        "out",
                    ),
                ],
            ),
        ],
    },
];

impl Dashboard {
    /// Every expression.
    pub fn expressions(&self) -> impl Iterator<Item = &'static str> {
        let lines = self.panels.iter().flat_map(|panel| panel.lines);
        lines
            .map(|(expression, _)| *expression)
            .chain([self.instances])
    }

    /// The file that Grafana reads.
    pub fn json(&self) -> String {
        let panels: Vec<Value> = (0..)
            .zip(self.panels)
            .map(|(index, panel)| panel.json(index))
            .collect();
        let dashboard = json!({
            "uid": format!("exporters-rs-{}", self.name),
            "title": self.title,
            "tags": ["exporters-rs"],
            "schemaVersion": 39,
            "timezone": "",
            "editable": true,
            "time": {"from": "now-1h", "to": "now"},
            "templating": {"list": [
                {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"},
                variable("job", "Job", &format!("label_values({}, job)", self.instances)),
                variable("instance", "Instance", &format!("label_values({}{{job=~\"$job\"}}, instance)", self.instances)),
            ]},
            "panels": panels,
        });
        // A map always has a text.
        let mut text = serde_json::to_string_pretty(&dashboard).unwrap_or_default();
        text.push('\n');
        text
    }
}

fn variable(name: &str, label: &str, query: &str) -> Value {
    json!({
        "name": name,
        "label": label,
        "type": "query",
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "query": query,
        "refresh": 2,
        "multi": true,
        "includeAll": true,
        "current": {"text": "All", "value": "$__all"},
    })
}

impl Panel {
    fn json(&self, index: usize) -> Value {
        let targets: Vec<Value> = ('A'..='Z')
            .zip(self.lines)
            .map(|(letter, (expression, legend))| {
                let of = "job=~\"$job\", instance=~\"$instance\"";
                json!({
                    "refId": letter.to_string(),
                    "expr": expression.replace("$of", of),
                    "legendFormat": legend,
                })
            })
            .collect();
        json!({
            "id": index + 1,
            "type": "timeseries",
            "title": self.title,
            "datasource": {"type": "prometheus", "uid": "${datasource}"},
            "gridPos": {"h": 8, "w": 12, "x": index % 2 * 12, "y": index / 2 * 8},
            "fieldConfig": {"defaults": {"unit": self.unit}, "overrides": []},
            "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
            "targets": targets,
        })
    }
}
