//! The flags of the exporter.
//!
//! The names of the variables are not regular; they are the original's.

exporter_core::flags! {
    /// All flags but those of the listing.
    pub struct Options {
        /// Address of the server that the telemetry path asks; empty for none.
        "redis.addr" [env("REDIS_ADDR")] address: String = ["redis://localhost:6379"];
        /// User name (ACL) to authenticate with; takes a password too.
        "redis.user" [env("REDIS_USER")] user: String = [""];
        /// Password to authenticate with.
        "redis.password" [env("REDIS_PASSWORD"), secret()] password: String = [""];
        /// JSON file of passwords by the addresses of servers.
        "redis.password-file" [env("REDIS_PASSWORD_FILE")] password_file: String = [""];
        /// Prefix of all metrics.
        "namespace" [env("REDIS_EXPORTER_NAMESPACE")] namespace: String = ["redis"];
        /// Comma-separated patterns of keys to export, found with SCAN, such as db3=user_count*.
        "check-keys" [env("REDIS_EXPORTER_CHECK_KEYS")] check_keys: String = [""];
        /// Comma-separated keys to export, looked up as they are.
        "check-single-keys" [env("REDIS_EXPORTER_CHECK_SINGLE_KEYS")]
            check_single_keys: String = [""];
        /// Comma-separated Lua patterns that group keys by what they capture.
        "check-key-groups" [env("REDIS_EXPORTER_CHECK_KEY_GROUPS")] check_key_groups: String = [""];
        /// Comma-separated patterns of streams to export, found with SCAN.
        "check-streams" [env("REDIS_EXPORTER_CHECK_STREAMS")] check_streams: String = [""];
        /// Comma-separated streams to export, looked up as they are.
        "check-single-streams" [env("REDIS_EXPORTER_CHECK_SINGLE_STREAMS")]
            check_single_streams: String = [""];
        /// Leave out the metrics of the consumers of streams.
        "streams-exclude-consumer-metrics" [env("REDIS_EXPORTER_STREAMS_EXCLUDE_CONSUMER_METRICS")]
            streams_exclude_consumers: bool = ["false"];
        /// Comma-separated patterns of keys to count with SCAN.
        "count-keys" [env("REDIS_EXPORTER_COUNT_KEYS")] count_keys: String = [""];
        /// COUNT of every SCAN.
        "check-keys-batch-size" [env("REDIS_EXPORTER_CHECK_KEYS_BATCH_SIZE")]
            batch_size: i64 = ["1000"];
        /// Comma-separated paths of Lua scripts whose results are exported.
        "script" [env("REDIS_EXPORTER_SCRIPT")] script: String = [""];
        /// Run Lua scripts with EVAL_RO.
        "lua-script-read-only" [env("REDIS_EXPORTER_LUA_SCRIPT_READ_ONLY")]
            script_read_only: bool = ["false"];
        /// Address to listen on.
        "web.listen-address" [env("REDIS_EXPORTER_WEB_LISTEN_ADDRESS")]
            listen_address: String = [":9121"];
        /// Path of the metrics.
        "web.telemetry-path" [env("REDIS_EXPORTER_WEB_TELEMETRY_PATH")]
            telemetry_path: String = ["/metrics"];
        /// What CONFIG is called on the server; - asks for no configuration.
        "config-command" [env("REDIS_EXPORTER_CONFIG_COMMAND")] config_command: String = ["CONFIG"];
        /// Limit of connecting, of each write and of each reply, as a Go duration; 0 for none.
        "connection-timeout" [env("REDIS_EXPORTER_CONNECTION_TIMEOUT")]
            connection_timeout: String = ["15s"];
        /// Key of the client certificate for servers.
        "tls-client-key-file" [env("REDIS_EXPORTER_TLS_CLIENT_KEY_FILE")]
            tls_client_key_file: String = [""];
        /// Client certificate for servers.
        "tls-client-cert-file" [env("REDIS_EXPORTER_TLS_CLIENT_CERT_FILE")]
            tls_client_cert_file: String = [""];
        /// Authorities that servers are verified with, in place of the system's.
        "tls-ca-cert-file" [env("REDIS_EXPORTER_TLS_CA_CERT_FILE")] tls_ca_cert_file: String = [""];
        /// Name that servers are verified by; empty for the host of the address.
        "tls-server-name" [env("REDIS_EXPORTER_TLS_SERVER_NAME")] tls_server_name: String = [""];
        /// Key of this exporter's own certificate.
        "tls-server-key-file" [env("REDIS_EXPORTER_TLS_SERVER_KEY_FILE")]
            tls_server_key_file: String = [""];
        /// This exporter's own certificate.
        "tls-server-cert-file" [env("REDIS_EXPORTER_TLS_SERVER_CERT_FILE")]
            tls_server_cert_file: String = [""];
        /// Authorities of client certificates, which are then required.
        "tls-server-ca-cert-file" [env("REDIS_EXPORTER_TLS_SERVER_CA_CERT_FILE")]
            tls_server_ca_cert_file: String = [""];
        /// Least version of TLS to accept: TLS1.0, TLS1.1, TLS1.2 or TLS1.3.
        "tls-server-min-version" [env("REDIS_EXPORTER_TLS_SERVER_MIN_VERSION")]
            tls_server_min_version: String = ["TLS1.2"];
        /// Key groups a database, beyond which the smaller ones are summed up.
        "max-distinct-key-groups" [env("REDIS_EXPORTER_MAX_DISTINCT_KEY_GROUPS")]
            max_key_groups: i64 = ["100"];
        /// Log at debug level.
        "debug" [env("REDIS_EXPORTER_DEBUG")] debug: bool = ["false"];
        /// Least severity that is logged: DEBUG, INFO, WARN or ERROR.
        "log-level" [env("REDIS_EXPORTER_LOG_LEVEL")] log_level: String = ["INFO"];
        /// Shape of log lines: txt or json.
        "log-format" [env("REDIS_EXPORTER_LOG_FORMAT")] log_format: String = ["txt"];
        /// Name the connection redis_exporter.
        "set-client-name" [env("REDIS_EXPORTER_SET_CLIENT_NAME")] set_client_name: bool = ["true"];
        /// The server is a Tile38.
        "is-tile38" [env("REDIS_EXPORTER_IS_TILE38")] is_tile38: bool = ["false"];
        /// The server is a node of a cluster; keys are looked up on all of it.
        "is-cluster" [env("REDIS_EXPORTER_IS_CLUSTER")] is_cluster: bool = ["false"];
        /// Discover cluster nodes by the host names they announce.
        "cluster-discover-hostnames" [env("REDIS_EXPORTER_CLUSTER_DISCOVER_HOSTNAMES")]
            cluster_discover_hostnames: bool = ["false"];
        /// Export the list of clients.
        "export-client-list" [env("REDIS_EXPORTER_EXPORT_CLIENT_LIST")]
            export_client_list: bool = ["false"];
        /// Export the ports of clients too.
        "export-client-port" [env("REDIS_EXPORTER_EXPORT_CLIENT_PORT")]
            export_client_port: bool = ["false"];
        /// Print the version and exit.
        "version" version: bool = ["false"];
        /// Export nothing about this exporter itself.
        "redis-only-metrics" [env("REDIS_EXPORTER_REDIS_ONLY_METRICS")]
            redis_only: bool = ["false"];
        /// Accepted for compatibility; this exporter has no Go runtime.
        "include-go-runtime-metrics" [env("REDIS_EXPORTER_INCLUDE_GO_RUNTIME_METRICS")]
            include_go_runtime: bool = ["false"];
        /// Send a PING after connecting and export how long it took.
        "ping-on-connect" [env("REDIS_EXPORTER_PING_ON_CONNECT")] ping_on_connect: bool = ["false"];
        /// Export all of the configuration.
        "include-config-metrics" [env("REDIS_EXPORTER_INCL_CONFIG_METRICS")]
            include_config: bool = ["false"];
        /// Export loaded modules and what they tell.
        "include-modules-metrics" [env("REDIS_EXPORTER_INCL_MODULES_METRICS")]
            include_modules: bool = ["false"];
        /// Export search indexes.
        "include-search-indexes-metrics" [env("REDIS_EXPORTER_INCL_SEARCH_INDEXES_METRICS")]
            include_search_indexes: bool = ["false"];
        /// Export the other Sentinels that watch a master.
        "include-sentinel-peer-info" [env("REDIS_EXPORTER_INCL_SENTINEL_PEER_INFO")]
            include_sentinel_peers: bool = ["false"];
        /// Regular expression of search indexes to export.
        "check-search-indexes" [env("REDIS_EXPORTER_CHECK_SEARCH_INDEXES")]
            check_search_indexes: String = [".*"];
        /// Export sizes of keys and not their values.
        "disable-exporting-key-values" [env("REDIS_EXPORTER_DISABLE_EXPORTING_KEY_VALUES")]
            disable_key_values: bool = ["false"];
        /// Ask for neither latency events nor latency histograms.
        "exclude-latency-histogram-metrics" [env("REDIS_EXPORTER_EXCLUDE_LATENCY_HISTOGRAM_METRICS")]
            exclude_latency: bool = ["false"];
        /// Leave out passwords from the configuration.
        "redact-config-metrics" [env("REDIS_EXPORTER_REDACT_CONFIG_METRICS")]
            redact_config: bool = ["true"];
        /// Export the memory of the server's host.
        "include-system-metrics" [env("REDIS_EXPORTER_INCL_SYSTEM_METRICS")]
            include_system: bool = ["false"];
        /// Export the size of the dump file, read from this host's file system.
        "include-rdb-file-size-metric" [env("REDIS_EXPORTER_INCL_RDB_FILE_SIZE_METRIC")]
            include_rdb_size: bool = ["false"];
        /// Do not verify the certificates of servers.
        "skip-tls-verification" [env("REDIS_EXPORTER_SKIP_TLS_VERIFICATION")]
            skip_tls_verification: bool = ["false"];
        /// Look up keys and streams on replicas only.
        "skip-checkkeys-for-role-master" [env("REDIS_EXPORTER_SKIP_CHECKKEYS_FOR_ROLE_MASTER")]
            skip_check_keys_on_master: bool = ["false"];
        /// User name that every request has to tell.
        "basic-auth-username" [env("REDIS_EXPORTER_BASIC_AUTH_USERNAME")]
            basic_auth_username: String = [""];
        /// Password that every request has to tell.
        "basic-auth-password" [env("REDIS_EXPORTER_BASIC_AUTH_PASSWORD"), secret()]
            basic_auth_password: String = [""];
        /// bcrypt hash of the password that every request has to tell.
        "basic-auth-hash-password" [env("REDIS_EXPORTER_BASIC_AUTH_HASH_PASSWORD"), secret()]
            basic_auth_hash_password: String = [""];
        /// Serve no /scrape.
        "disable-scrape-endpoint" [env("REDIS_EXPORTER_DISABLE_SCRAPE_ENDPOINT")]
            disable_scrape: bool = ["false"];
        /// Export 0 keys for databases without any.
        "include-metrics-for-empty-databases" [env("REDIS_EXPORTER_INCL_METRICS_FOR_EMPTY_DATABASES")]
            include_empty_databases: bool = ["true"];
        /// Label every metric of a server with its role.
        "append-instance-role-label" [env("REDIS_EXPORTER_APPEND_INSTANCE_ROLE_LABEL")]
            append_role: bool = ["false"];
    }
}

exporter_core::flags! {
    /// Flags that the original does not have.
    pub struct Extra {
        /// Plain text file with the password of redis.addr and of targets, read at each connection.
        "redis.password-text-file" [env("REDIS_PASSWORD_TEXT_FILE")]
            password_text_file: String = [""];
        /// Limit of the time that SCANs and key groups may take in one scrape, as a Go duration; 0
        /// for none.
        "check-keys-timeout" [env("REDIS_EXPORTER_CHECK_KEYS_TIMEOUT")]
            check_keys_timeout: String = ["0"];
        /// Export nothing for keys that do not exist, in place of size 0.
        "omit-missing-keys" [env("REDIS_EXPORTER_OMIT_MISSING_KEYS")]
            omit_missing_keys: bool = ["false"];
        /// Export the time to live of checked keys.
        "export-key-ttl" [env("REDIS_EXPORTER_EXPORT_KEY_TTL")] export_key_ttl: bool = ["false"];
        /// Export numbers and memory of clients by their name, user and library.
        "export-client-groups" [env("REDIS_EXPORTER_EXPORT_CLIENT_GROUPS")]
            export_client_groups: bool = ["false"];
        /// Servers whose connections stay open between scrapes, 0 for none.
        "max-idle-connections" [env("REDIS_EXPORTER_MAX_IDLE_CONNECTIONS")]
            max_idle_connections: i64 = ["256"];
        /// Regular expression of the targets that /scrape may be asked for, such as
        /// redis://db-[0-9]+:6379; empty for any.
        "scrape-allowed-targets" [env("REDIS_EXPORTER_SCRAPE_ALLOWED_TARGETS")]
            allowed_targets: String = [""];
        /// Web configuration file with TLS, users, headers and rate limit, in place of the flags
        /// tls-server-* and basic-auth-*.
        "web.config.file" [env("REDIS_EXPORTER_WEB_CONFIG_FILE")] web_config_file: String = [""];
        /// Print all metrics as a Markdown table and exit.
        "list-metrics" list_metrics: bool = ["false"];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_but_one_has_a_variable() {
        assert_eq!(Options::TABLE.len(), 59);
        let bare: Vec<_> = Options::TABLE.iter().filter(|f| f.env.is_none()).collect();
        assert_eq!(bare.len(), 1);
        assert_eq!(bare[0].name, "version");
        for flag in Options::TABLE.iter().chain(Extra::TABLE) {
            assert!(flag.help.trim().ends_with('.'), "{}", flag.name);
        }
    }
}
