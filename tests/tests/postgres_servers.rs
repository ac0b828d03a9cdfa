//! The PostgreSQL exporter against real servers.

use e2e::pki::Authority;
use e2e::port::free_port;
use e2e::postgres::{Postgres, installations, newest};
use e2e::{Daemon, Reply, daemon, run};
use rustix::process::Signal;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::{Duration, Instant};

const EXPORTER: &str = "postgres_exporter";

/// Every collector that is not on by itself.
const ALL: &[&str] = &[
    "--collector.buffercache_summary",
    "--collector.database_wraparound",
    "--collector.long_running_transactions",
    "--collector.process_idle",
    "--collector.stat_activity_autovacuum",
    "--collector.stat_checkpointer",
    "--collector.stat_io",
    "--collector.stat_replication_lag",
    "--collector.stat_slru",
    "--collector.stat_user_indexes",
    "--collector.stat_wal",
    "--collector.stat_statements",
    "--collector.stat_statements.include_query",
    "--collector.stat_wal_receiver",
    "--collector.statio_user_indexes",
    "--collector.xlog_location",
];

/// Starts the exporter with these variables only.
fn exporter(variables: &[(&str, &str)], arguments: &[&str]) -> Daemon {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(daemon::binary(EXPORTER));
    command
        .env_clear()
        .current_dir(folder.path())
        .arg("--web.listen-address=127.0.0.1:0")
        .args(arguments)
        .envs(variables.iter().copied());
    Daemon::spawn(&mut command)
}

/// Starts the exporter for one server, as its superuser.
fn exporter_for(server: &Postgres, arguments: &[&str]) -> Daemon {
    exporter(&[("DATA_SOURCE_NAME", &name(server))], arguments)
}

fn name(server: &Postgres) -> String {
    let port = server.port;
    format!("postgres://postgres@127.0.0.1:{port}/postgres?sslmode=disable")
}

/// Scrapes as a Prometheus does that waits so long.
fn scrape(exporter: &Daemon, seconds: f64) -> Reply {
    let header = format!("X-Prometheus-Scrape-Timeout-Seconds: {seconds}\r\n");
    let reply = exporter.get_with("/metrics", &header);
    assert_eq!(reply.status, 200);
    reply
}

fn success(reply: &Reply, collector: &str) -> Option<f64> {
    reply.value(&format!(
        "pg_scrape_collector_success{{collector=\"{collector}\"}}"
    ))
}

fn expect(reply: &Reply, series: &str, value: f64) {
    let found = reply.value(series);
    assert_eq!(found, Some(value), "{series}\n{}", reply.text());
}

/// Collectors that did not succeed.
fn failed(reply: &Reply) -> Vec<String> {
    let text = reply.text();
    let lines = text
        .lines()
        .filter_map(|l| l.strip_prefix("pg_scrape_collector_success{"));
    let zero = lines.filter(|l| l.ends_with(" 0"));
    zero.map(|l| l.split('"').nth(1).unwrap().to_owned())
        .collect()
}

/// Sessions of exporters that the server has now.
fn sessions(server: &Postgres) -> usize {
    let count = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND \
                 application_name <> 'test'";
    server.sql("postgres", count).parse().unwrap()
}

#[test]
fn primaries_and_standbys_of_every_version() {
    for bin in installations() {
        let settings = [
            "wal_level = logical",
            "shared_preload_libraries = 'pg_stat_statements'",
        ];
        let primary = Postgres::start(&bin, &settings);
        primary.sql(
            "postgres",
            "CREATE EXTENSION pg_stat_statements; CREATE EXTENSION pg_buffercache; CREATE TABLE \
             kept (id int PRIMARY KEY, text text); INSERT INTO kept SELECT g, 'x' FROM \
             generate_series(1, 1000) g; DELETE FROM kept WHERE id <= 10; SELECT \
             pg_create_logical_replication_slot('logical', 'test_decoding'); SELECT \
             pg_sleep(0.05)",
        );
        let standby = primary.standby("physical");
        primary.wait_until(
            "postgres",
            "SELECT count(*) = 1 FROM pg_stat_replication WHERE state = 'streaming'",
        );
        checks_a_primary(&primary);
        checks_a_standby(&standby);
    }
}

fn checks_a_primary(server: &Postgres) {
    let exporter = exporter_for(server, ALL);
    scrape(&exporter, 10.0);
    let reply = scrape(&exporter, 10.0);
    assert_eq!(failed(&reply), [""; 0], "{}", exporter.log());
    for (series, value) in [
        ("pg_up", 1.0),
        ("pg_exporter_last_scrape_error", 0.0),
        ("pg_exporter_scrapes_total", 2.0),
        ("pg_replication_lag", 0.0),
        ("pg_replication_lag_seconds", 0.0),
        ("pg_replication_is_replica", 0.0),
        ("pg_settings_statement_timeout_seconds", 0.0),
        ("pg_settings_lock_timeout_seconds", 0.0),
        ("pg_settings_shared_buffers_bytes", 16777216.0),
        ("pg_settings_fsync", 0.0),
        ("pg_database_connection_limit{datname=\"template0\"}", -1.0),
        ("pg_roles_connection_limit{rolname=\"postgres\"}", -1.0),
        (
            "pg_locks_count{datname=\"template1\",mode=\"sireadlock\"}",
            0.0,
        ),
        (
            "pg_stat_user_tables_n_dead_tup{datname=\"postgres\",relname=\"kept\",schemaname=\"public\"}",
            10.0,
        ),
        (
            "pg_stat_user_tables_n_live_tup{datname=\"postgres\",relname=\"kept\",schemaname=\"public\"}",
            990.0,
        ),
        (
            "pg_stat_user_tables_last_vacuum{datname=\"postgres\",relname=\"kept\",schemaname=\"public\"}",
            0.0,
        ),
        (
            "pg_replication_slots_active{database=\"postgres\",slot_name=\"logical\"}",
            0.0,
        ),
        (
            "pg_replication_slots_active{database=\"\",slot_name=\"physical\"}",
            1.0,
        ),
        (
            "pg_replication_slots_slot_confirmed_flush_lsn{slot_name=\"physical\",slot_type=\"physical\"}",
            0.0,
        ),
        (
            "pg_replication_slots_wal_status{slot_name=\"logical\",slot_type=\"logical\",wal_status=\"reserved\"}",
            1.0,
        ),
        ("postgres_exporter_config_last_reload_successful", 0.0),
    ] {
        expect(&reply, series, value);
    }
    let text = reply.text();
    let started = reply.value("pg_postmaster_start_time_seconds").unwrap();
    assert!(started > 1.7e9 && started.fract() != 0.0, "{started}");
    for start in [
        "postgres_exporter_build_info{branch=\"",
        "process_resident_memory_bytes ",
        "pg_database_size_bytes{datname=\"template0\"} ",
        "pg_stat_database_xact_commit{datid=\"",
        "pg_stat_archiver_archived_count ",
        "pg_stat_bgwriter_buffers_alloc_total ",
        "pg_wal_segments ",
        "pg_statio_user_tables_heap_blocks_hit{datname=\"postgres\",relname=\"kept\"",
        "pg_statio_user_indexes_idx_blks_hit_total{indexrelname=\"kept_pkey\"",
        "pg_stat_statements_calls_total{datname=\"postgres\",queryid=\"",
        "pg_stat_statements_query_id{query=\"",
        "pg_database_wraparound_age_datfrozenxid_seconds{datname=\"postgres\"} ",
        "pg_long_running_transactions ",
        "pg_stat_user_indexes_size_bytes{datname=\"postgres\",indexrelname=\"kept_pkey\"",
    ] {
        assert!(
            text.lines().any(|l| l.starts_with(start)),
            "{start}\n{text}"
        );
    }
    let port = server.port;
    let conflicts = format!("server=\"127.0.0.1:{port}\"}} 0\n");
    assert!(text.contains(&conflicts), "{text}");
    let banner = format!(
        "pg_static{{server=\"127.0.0.1:{port}\",short_version=\"{}.",
        server.major
    );
    assert!(text.contains(&banner), "{text}");
    // The slot is the standby's, and the address is cast with its mask.
    let standby = "client_addr=\"127.0.0.1/32\",pid=\"";
    let line = text
        .lines()
        .find(|l| l.starts_with("pg_stat_replication_pg_wal_lsn_diff{"));
    let line = line.unwrap();
    assert!(
        line.contains(standby) && line.contains("slot_name=\"physical\""),
        "{line}"
    );
    assert_eq!(
        text.contains("pg_buffercache_summary_buffers_used "),
        server.major >= 16
    );
    assert_eq!(
        text.contains("pg_stat_checkpointer_num_timed_total "),
        server.major >= 17
    );
    assert_eq!(
        text.contains("pg_stat_bgwriter_checkpoints_req_total "),
        server.major < 17
    );
    assert_eq!(
        text.contains("pg_stat_wal_records_total "),
        server.major >= 14
    );
    assert_eq!(text.contains("pg_stat_io_hits_total{"), server.major >= 16);
    assert!(sessions(server) <= 2);
    // The exporter's own preface is one entry, whatever the numbers in it.
    let own = "SELECT count(*) <= 3 FROM pg_stat_statements WHERE query LIKE '%set_config%'";
    assert_eq!(server.sql("postgres", own), "t");
}

fn checks_a_standby(server: &Postgres) {
    let exporter = exporter_for(server, ALL);
    let reply = scrape(&exporter, 10.0);
    assert_eq!(failed(&reply), [""; 0], "{}", exporter.log());
    expect(&reply, "pg_up", 1.0);
    expect(&reply, "pg_replication_is_replica", 1.0);
    assert!(reply.value("pg_replication_lag").unwrap() >= 0.0);
    let text = reply.text();
    let receiver = "pg_stat_wal_receiver_flushed_lsn{slot_name=\"physical\",status=\"streaming\",\
                    upstream_host=\"127.0.0.1\"}";
    assert!(text.contains(receiver), "{text}");
}

#[test]
fn a_lock_costs_the_sizes_of_its_table_only() {
    let server = Postgres::start(&newest(), &[]);
    server.sql(
        "postgres",
        "CREATE TABLE locked (id int PRIMARY KEY); CREATE TABLE free (id int)",
    );
    let exporter = exporter_for(&server, &["--collection-timeout=5s"]);
    let session = server.session(
        "postgres",
        "BEGIN; LOCK TABLE locked IN ACCESS EXCLUSIVE MODE;",
    );
    let held = "SELECT EXISTS (SELECT FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted \
                AND relation = 'locked'::regclass)";
    server.wait_until("postgres", held);
    let began = Instant::now();
    let reply = scrape(&exporter, 10.0);
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(failed(&reply), [""; 0], "{}", exporter.log());
    let size = |table: &str| {
        reply.value(&format!(
            "pg_stat_user_tables_table_size_bytes{{datname=\"postgres\",relname=\"{table}\",\
             schemaname=\"public\"}}"
        ))
    };
    assert_eq!((size("free"), size("locked")), (Some(0.0), None));
    let scans = "pg_stat_user_tables_seq_scan{datname=\"postgres\",relname=\"locked\",schemaname=\"public\"}";
    assert!(reply.value(scans).is_some());
    session.end();

    // A catalogue that is locked costs what reads it, and the server gives up by itself.
    let session = server.session(
        "postgres",
        "BEGIN; LOCK TABLE pg_roles, pg_authid IN ACCESS EXCLUSIVE MODE;",
    );
    let held = "SELECT EXISTS (SELECT FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted \
                AND relation = 'pg_authid'::regclass)";
    // Logging in needs that table as well, so somebody inside has to look.
    let patience = Instant::now() + Duration::from_secs(20);
    let reply = loop {
        let reply = scrape(&exporter, 2.0);
        if success(&reply, "roles") == Some(0.0) {
            break reply;
        }
        assert!(Instant::now() < patience, "{held}\n{}", reply.text());
    };
    expect(&reply, "pg_up", 1.0);
    assert_eq!(success(&reply, "stat_bgwriter"), Some(1.0));
    assert_eq!(success(&reply, "settings"), Some(1.0));
    session.end();
    let reply = scrape(&exporter, 10.0);
    assert_eq!(failed(&reply), [""; 0], "{}", exporter.log());
    assert!(sessions(&server) <= 2);
}

#[test]
fn a_missing_privilege_is_said_once_and_costs_its_own_series() {
    let server = Postgres::start(&newest(), &[]);
    server.sql(
        "postgres",
        "CREATE ROLE \"pl\"\"ain\" LOGIN; CREATE DATABASE closed",
    );
    server.sql("postgres", "REVOKE CONNECT ON DATABASE closed FROM PUBLIC");
    let name = format!(
        "host=127.0.0.1 port={} user=pl\"ain dbname=postgres sslmode=disable",
        server.port
    );
    let mut exporter = exporter(
        &[("DATA_SOURCE_NAME", &name)],
        &["--collector.stat_statements"],
    );
    for _ in 0..3 {
        let reply = scrape(&exporter, 10.0);
        expect(&reply, "pg_up", 1.0);
        assert_eq!(failed(&reply), ["database", "stat_statements", "wal"]);
        let text = reply.text();
        assert!(
            text.contains("pg_database_size_bytes{datname=\"postgres\"} "),
            "{text}"
        );
        assert!(
            !text.contains("pg_database_size_bytes{datname=\"closed\"} "),
            "{text}"
        );
        expect(
            &reply,
            "pg_database_connection_limit{datname=\"closed\"}",
            -1.0,
        );
    }
    exporter.wait_for_log("GRANT pg_monitor TO ");
    exporter.wait_for_log("CREATE EXTENSION pg_stat_statements");
    exporter.wait_for_log("GRANT pg_read_all_stats");
    let log = exporter.log();
    assert_eq!(log.matches("GRANT pg_monitor TO ").count(), 1, "{log}");
    assert!(
        log.contains(r#"GRANT pg_monitor TO \"pl\"\"ain\""#),
        "{log}"
    );
    assert_eq!(
        log.matches("CREATE EXTENSION pg_stat_statements").count(),
        1,
        "{log}"
    );
    assert_eq!(log.matches("GRANT pg_read_all_stats").count(), 1, "{log}");
    server.sql("postgres", "GRANT pg_monitor TO \"pl\"\"ain\"");
    let reply = scrape(&exporter, 10.0);
    assert_eq!(failed(&reply), ["stat_statements"]);
}

#[test]
fn restarts_hangs_and_refusals_are_survived() {
    let mut server = Postgres::start(&newest(), &[]);
    let exporter = exporter_for(&server, &[]);
    let up = |seconds: f64| {
        let began = Instant::now();
        let reply = scrape(&exporter, seconds);
        // What a loaded machine adds is not the exporter's.
        assert!(began.elapsed() < Duration::from_secs_f64(seconds + 3.0));
        reply.value("pg_up").unwrap()
    };
    assert_eq!(up(10.0), 1.0);

    // The server ended and came back between two scrapes: nothing is noticed.
    server.stop();
    server.launch();
    assert_eq!(up(10.0), 1.0);
    server.sql(
        "postgres",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND \
         backend_type = 'client backend'",
    );
    assert_eq!(up(10.0), 1.0);

    // It is gone: told at once, without collectors.
    server.stop();
    let reply = scrape(&exporter, 10.0);
    expect(&reply, "pg_up", 0.0);
    expect(&reply, "pg_exporter_last_scrape_error", 1.0);
    assert!(!reply.text().contains("pg_scrape_collector_success"));
    server.launch();
    assert_eq!(up(10.0), 1.0);

    // It hangs: every answer comes in time, and connections do not pile up.
    server.signal_all(Signal::STOP);
    for _ in 0..6 {
        assert_eq!(up(0.5), 0.0);
    }
    server.signal_all(Signal::CONT);
    let patience = Instant::now() + Duration::from_secs(30);
    while up(5.0) != 1.0 {
        assert!(Instant::now() < patience, "{}", exporter.log());
    }
    let enough = "SELECT count(*) <= 2 FROM pg_stat_activity WHERE backend_type = 'client backend' \
                  AND application_name <> 'test'";
    server.wait_until("postgres", enough);

    // It ends in the middle of scrapes.
    for _ in 0..3 {
        let address = exporter.address.clone();
        let scraping = std::thread::spawn(move || {
            for _ in 0..10 {
                let mut client = e2e::Client::connect(&address).unwrap();
                assert_eq!(client.get("/metrics", "").unwrap().status, 200);
            }
        });
        server.stop();
        server.launch();
        scraping.join().unwrap();
    }
    assert_eq!(up(10.0), 1.0);
    server.wait_until("postgres", enough);
}

#[test]
fn a_server_that_accepts_and_says_nothing_is_down_in_time() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let name = format!("postgres://u:s3cret@127.0.0.1:{port}/d");
    let exporter = exporter(
        &[("DATA_SOURCE_NAME", &name)],
        &["--collection-timeout=400ms"],
    );
    for _ in 0..4 {
        let began = Instant::now();
        let reply = exporter.get("/metrics");
        expect(&reply, "pg_up", 0.0);
        assert!(began.elapsed() < Duration::from_secs(5));
    }
    // Never more than the two connections, however many scrapes there were.
    silent.set_nonblocking(true).unwrap();
    let accepted = std::iter::from_fn(|| silent.accept().ok()).count();
    assert!(accepted <= 2, "{accepted}");
    assert!(!exporter.log().contains("s3cret"));
}

#[test]
fn ways_of_tls() {
    let mut server = Postgres::start(&newest(), &[]);
    server.stop();
    let authority = Authority::new();
    let leaf = authority.issue(&["localhost", "db.example"]);
    server.write("data/server.crt", &leaf.certificate);
    server.write("data/server.key", &leaf.key);
    let root = server.write("root.crt", &authority.pem());
    let root = root.display();
    let other = server.write("other.crt", &Authority::new().pem());
    let other = other.display();
    server.configure(&["ssl = on"]);
    server.launch();
    server.sql("postgres", "CREATE ROLE tls LOGIN PASSWORD 's3cret'");
    let user = authority.issue(&["tls"]);
    user.write(server.socket());
    let (cert, key) = (
        server.socket().join("cert.pem"),
        server.socket().join("key.pem"),
    );
    let (cert, key) = (cert.display(), key.display());
    std::fs::set_permissions(key.to_string(), PermissionsExt::from_mode(0o644)).unwrap();

    let loose = format!("sslcert={cert}&sslkey={key}");
    for (host, parameters, up) in [
        ("127.0.0.1", "sslmode=disable".to_owned(), 1.0),
        ("127.0.0.1", String::new(), 1.0),
        ("127.0.0.1", "sslmode=prefer".to_owned(), 1.0),
        (
            "127.0.0.1",
            "ssl_min_protocol_version=TLSv1.3".to_owned(),
            1.0,
        ),
        (
            "127.0.0.1",
            "ssl_max_protocol_version=TLSv1.2".to_owned(),
            1.0,
        ),
        (
            "127.0.0.1",
            "ssl_max_protocol_version=TLSv1.1".to_owned(),
            0.0,
        ),
        (
            "127.0.0.1",
            format!("sslmode=require&sslrootcert={root}"),
            1.0,
        ),
        (
            "127.0.0.1",
            format!("sslmode=require&sslrootcert={other}"),
            0.0,
        ),
        (
            "127.0.0.1",
            format!("sslmode=verify-ca&sslrootcert={root}"),
            1.0,
        ),
        (
            "127.0.0.1",
            format!("sslmode=verify-ca&sslrootcert={other}"),
            0.0,
        ),
        (
            "127.0.0.1",
            format!("sslmode=verify-full&sslrootcert={root}"),
            0.0,
        ),
        (
            "localhost",
            format!("sslmode=verify-full&sslrootcert={root}"),
            1.0,
        ),
        (
            "localhost",
            "sslmode=verify-full&sslrootcert=/nowhere".to_owned(),
            0.0,
        ),
        ("127.0.0.1", loose, 0.0),
    ] {
        let port = server.port;
        let name = format!("postgres://tls:s3cret@{host}:{port}/postgres?{parameters}");
        let exporter = exporter(&[("DATA_SOURCE_NAME", &name)], &[]);
        let reply = scrape(&exporter, 10.0);
        assert_eq!(
            reply.value("pg_up"),
            Some(up),
            "{host} {parameters}: {}",
            exporter.log()
        );
        assert!(!exporter.log().contains("s3cret"), "{}", exporter.log());
    }

    // A server that wants TLS, by password or by certificate.
    let hba = server.data().join("pg_hba.conf");
    std::fs::write(
        &hba,
        "local all postgres trust\nhostssl all tls 127.0.0.1/32 scram-sha-256\nhostssl all \
         postgres 127.0.0.1/32 trust clientcert=verify-ca\n",
    )
    .unwrap();
    server.configure(&[&format!("ssl_ca_file = '{root}'")]);
    server.stop();
    server.launch();
    std::fs::set_permissions(key.to_string(), PermissionsExt::from_mode(0o600)).unwrap();
    let port = server.port;
    for (name, up) in [
        (
            format!("postgres://tls:s3cret@127.0.0.1:{port}/postgres?sslmode=allow"),
            1.0,
        ),
        (
            format!("postgres://tls:wrong@127.0.0.1:{port}/postgres"),
            0.0,
        ),
        (
            format!("postgres://tls:s3cret@127.0.0.1:{port}/postgres?sslmode=disable"),
            0.0,
        ),
        (
            format!("postgres://postgres@127.0.0.1:{port}/postgres"),
            0.0,
        ),
        (
            format!("postgres://postgres@127.0.0.1:{port}/postgres?sslcert={cert}&sslkey={key}"),
            1.0,
        ),
    ] {
        let exporter = exporter(&[("DATA_SOURCE_NAME", &name)], &[]);
        let reply = scrape(&exporter, 10.0);
        assert_eq!(reply.value("pg_up"), Some(up), "{name}: {}", exporter.log());
        assert!(!exporter.log().contains("s3cret"), "{}", exporter.log());
    }

    // One that has no newer TLS than some name asks for.
    server.configure(&["ssl_max_protocol_version = 'TLSv1.2'"]);
    server.stop();
    server.launch();
    for (least, up) in [("TLSv1.2", 1.0), ("TLSv1.3", 0.0)] {
        let name = format!(
            "postgres://tls:s3cret@127.0.0.1:{port}/postgres?ssl_min_protocol_version={least}"
        );
        let mut exporter = exporter(&[("DATA_SOURCE_NAME", &name)], &[]);
        expect(&scrape(&exporter, 10.0), "pg_up", up);
        if up == 0.0 {
            exporter.wait_for_log("older than TLSv1.3");
        }
    }
}

#[test]
fn every_way_to_name_a_server() {
    let server = Postgres::start(&newest(), &[]);
    server.sql(
        "postgres",
        "CREATE ROLE \"a b\" LOGIN PASSWORD 's3cr et,/@:'; CREATE DATABASE \"o'th er\"",
    );
    let hba = "local all postgres trust\nlocal all all scram-sha-256\nhost all all 127.0.0.1/32 scram-sha-256\n";
    std::fs::write(server.data().join("pg_hba.conf"), hba).unwrap();
    server.reload();
    server.wait_until("postgres", "SELECT count(*) = 3 FROM pg_hba_file_rules");
    let port = server.port.to_string();
    let socket = server.socket().display().to_string();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, contents: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, contents).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        path.display().to_string()
    };
    let user = file("user", "a b\n");
    let pass = file("pass", "s3cr et,/@:\n");
    let uri = file(
        "uri",
        &format!("127.0.0.1:{port}/postgres?sslmode=disable\n"),
    );
    let passfile = file("passfile", &format!("*:{port}:*:a b:s3cr et,/@\\:\n"));
    let service = file(
        "service",
        &format!("[x]\nhost=127.0.0.1\nport={port}\nsslmode=disable\n"),
    );
    let url = format!(
        "postgresql://a%20b:s3cr%20et%2C%2F%40%3A@127.0.0.1:{port}/o%27th%20er?sslmode=disable"
    );
    let pairs = format!("host={socket} port={port} user='a b' dbname='o\\'th er'");
    let assembled = format!("127.0.0.1:{port}/postgres?sslmode=disable");
    let two = format!(
        "postgres://postgres@127.0.0.1:{}/?sslmode=disable,{url}",
        free_port()
    );
    for variables in [
        &[("DATA_SOURCE_NAME", url.as_str())][..],
        &[("DATA_SOURCE_NAME", two.as_str())],
        &[("DATA_SOURCE_NAME", &pairs), ("PGPASSWORD", "s3cr et,/@:")],
        &[("DATA_SOURCE_NAME", &pairs), ("PGPASSFILE", &passfile)],
        &[
            ("DATA_SOURCE_URI", &assembled),
            ("DATA_SOURCE_USER", "a b"),
            ("DATA_SOURCE_PASS", "s3cr et,/@:"),
        ],
        &[
            ("DATA_SOURCE_URI_FILE", &uri),
            ("DATA_SOURCE_USER_FILE", &user),
            ("DATA_SOURCE_PASS_FILE", &pass),
        ],
        &[
            ("DATA_SOURCE_URI", &assembled),
            ("DATA_SOURCE_USER", "a b"),
            ("DATA_SOURCE_PASS", ""),
            ("PGPASSFILE", &passfile),
        ],
        &[
            ("DATA_SOURCE_NAME", "service=x dbname=postgres"),
            ("PGSERVICEFILE", &service),
            ("PGUSER", "a b"),
            ("PGPASSWORD", "s3cr et,/@:"),
        ],
    ] {
        let exporter = exporter(variables, &["--log.level=debug"]);
        let reply = scrape(&exporter, 10.0);
        expect(&reply, "pg_up", 1.0);
        assert!(!exporter.log().contains("s3cr"), "{}", exporter.log());
        assert!(!reply.text().contains("s3cr"));
    }

    // Every server by its name, on demand.
    let labelled = exporter(&[("DATA_SOURCE_NAME", &two)], &["--collector.server-label"]);
    let reply = scrape(&labelled, 10.0);
    expect(
        &reply,
        &format!("pg_up{{server=\"127.0.0.1:{port}\"}}"),
        1.0,
    );
    let up =
        format!("pg_scrape_collector_success{{collector=\"locks\",server=\"127.0.0.1:{port}\"}}");
    expect(&reply, &up, 1.0);
    assert_eq!(reply.text().matches("\npg_up{server=").count(), 2);

    // A password that was changed in its file is used at the next connection.
    server.sql("postgres", "ALTER ROLE \"a b\" PASSWORD 'new'");
    let variables = [
        ("DATA_SOURCE_URI_FILE", uri.as_str()),
        ("DATA_SOURCE_USER_FILE", &user),
        ("DATA_SOURCE_PASS_FILE", &pass),
    ];
    let exporter = exporter(&variables, &[]);
    expect(&scrape(&exporter, 10.0), "pg_up", 0.0);
    std::fs::write(&pass, "new").unwrap();
    expect(&scrape(&exporter, 10.0), "pg_up", 1.0);
}

#[test]
fn probes() {
    let server = Postgres::start(&newest(), &[]);
    server.sql(
        "postgres",
        "CREATE ROLE probed LOGIN PASSWORD 's3cret'; CREATE DATABASE other",
    );
    let hba = "local all postgres trust\nhost all all 127.0.0.1/32 scram-sha-256\n";
    std::fs::write(server.data().join("pg_hba.conf"), hba).unwrap();
    server.reload();
    server.wait_until("postgres", "SELECT count(*) = 2 FROM pg_hba_file_rules");
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.yml");
    let good = "auth_modules:\n  good:\n    type: userpass\n    userpass:\n      username: probed\n      \
                password: s3cret\n    options:\n      sslmode: disable\n  wrong:\n    type: userpass\n    \
                userpass:\n      username: probed\n      password: s3crets\n  empty:\n    type: \
                userpass\n";
    std::fs::write(&config, good).unwrap();
    let config_file = format!("--config.file={}", config.display());
    let exporter = exporter(&[], &[&config_file, "--log.level=debug"]);
    let reply = exporter.get("/metrics");
    expect(&reply, "pg_up", 0.0);
    expect(&reply, "pg_exporter_last_scrape_error", 0.0);
    expect(
        &reply,
        "postgres_exporter_config_last_reload_successful",
        1.0,
    );
    assert!(!reply.text().contains("pg_scrape_collector_success"));

    let port = server.port;
    for (query, up) in [
        (
            format!("target=127.0.0.1:{port}/postgres&auth_module=good"),
            1.0,
        ),
        (
            format!("target=127.0.0.1:{port}/other&auth_module=good"),
            1.0,
        ),
        (
            format!("target=host%3D127.0.0.1+port%3D{port}+dbname%3Dother&auth_module=good"),
            1.0,
        ),
        (
            format!("target=postgresql://127.0.0.1:{port}/postgres&auth_module=good"),
            1.0,
        ),
        (
            format!("target=probed:s3cret@127.0.0.1:{port}/postgres%3Fsslmode%3Ddisable"),
            1.0,
        ),
        (
            format!("target=127.0.0.1:{port}/postgres&auth_module=wrong"),
            0.0,
        ),
        (
            format!("target=127.0.0.1:{}&auth_module=good", free_port()),
            0.0,
        ),
    ] {
        let reply = exporter.get(&format!("/probe?{query}"));
        assert_eq!(reply.status, 200, "{query}");
        assert_eq!(
            reply.value("pg_up"),
            Some(up),
            "{query}\n{}",
            exporter.log()
        );
        expect(&reply, "pg_exporter_scrapes_total", 1.0);
        let text = reply.text();
        assert!(
            !text.contains("build_info") && !text.contains("\nprocess_"),
            "{text}"
        );
        assert_eq!(text.contains("pg_stat_database_xact_commit"), up == 1.0);
        assert!(!text.contains("s3cret"), "{text}");
    }
    server.wait_until(
        "postgres",
        "SELECT count(*) = 0 FROM pg_stat_activity WHERE usename = 'probed'",
    );
    for query in [
        String::new(),
        "?target=".to_owned(),
        format!("?target=127.0.0.1:{port}&auth_module=none"),
        format!("?target=127.0.0.1:{port}&auth_module=empty"),
        "?target=u:s3cret@h:port".to_owned(),
        format!("?target=127.0.0.1:{port}&auth_module=good&collect[]=none"),
    ] {
        let reply = exporter.get(&format!("/probe{query}"));
        assert_eq!(reply.status, 400, "{query}");
        assert!(!reply.text().contains("s3cret"), "{}", reply.text());
    }
    let some = format!(
        "/probe?target=127.0.0.1:{port}/postgres&auth_module=good&collect[]=locks&collect[]=wal"
    );
    let reply = exporter.get(&some);
    assert_eq!(success(&reply, "locks"), Some(1.0));
    assert_eq!(success(&reply, "settings"), None);

    // A file that is wrong leaves the old modules in force.
    std::fs::write(&config, "auth_modules: [1]\n").unwrap();
    exporter.signal(Signal::HUP);
    let patience = Instant::now() + Duration::from_secs(20);
    let reloaded = "postgres_exporter_config_last_reload_successful";
    while exporter.get("/metrics").value(reloaded) != Some(0.0) {
        assert!(Instant::now() < patience, "{}", exporter.log());
    }
    let good = format!("/probe?target=127.0.0.1:{port}/postgres&auth_module=good");
    expect(&exporter.get(&good), "pg_up", 1.0);
    assert!(!exporter.log().contains("s3cret"), "{}", exporter.log());
}

#[test]
fn custom_queries_and_discovery() {
    let server = Postgres::start(
        &newest(),
        &["timezone = 'Asia/Tokyo'", "log_timezone = 'Asia/Tokyo'"],
    );
    server.sql("postgres", "CREATE DATABASE one");
    server.sql("postgres", "CREATE DATABASE two");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("queries.yaml");
    std::fs::write(
        &file,
        "each:\n  query: \"SELECT current_database() AS datname, 7 AS seven, now()::timestamp - \
         timestamp '1970-01-01' AS odd, extract(epoch FROM now()::timestamp) - extract(epoch FROM \
         now()) AS east\"\n  metrics:\n    - datname: {usage: LABEL}\n    - seven: {usage: COUNTER}\n    \
         - east: {usage: GAUGE}\nfirst:\n  master: true\n  query: \"SET search_path = public; SELECT \
         true AS yes, NULL::int AS nothing, timestamp '1970-01-02 00:00:00.9' AS at, 'x' AS \
         word, numeric '1.5' AS part, ARRAY[1,2] AS h, ARRAY[3,4] AS h_bucket, 5.5 AS h_sum, 6 AS \
         h_count\"\n  metrics:\n    - yes: {usage: GAUGE}\n    - nothing: {usage: GAUGE}\n    - at: \
         {usage: GAUGE}\n    - word: {usage: LABEL}\n    - h: {usage: HISTOGRAM}\nbad:\n  master: true\n  query: \"SELECT \
         gone FROM nowhere\"\npg_stat_database_conflicts:\n  query: \"\"\ncached:\n  master: true\n  \
         cache_seconds: 600\n  query: \"SELECT clock_timestamp() AS now\"\n  metrics:\n    - now: \
         {usage: GAUGE}\n",
    )
    .unwrap();
    let path = format!("--extend.query-path={}", file.display());
    let arguments = [
        path.as_str(),
        "--auto-discover-databases",
        "--exclude-databases=two, three",
        "--constantLabels=env=test",
        "--metric-prefix=pg",
    ];
    let exporter = exporter_for(&server, &arguments);
    let reply = scrape(&exporter, 10.0);
    let server_label = format!("server=\"127.0.0.1:{}\"", server.port);
    let with = |rest: &str| rest.replace("SERVER", &server_label);
    for (series, value) in [
        ("pg_up{env=\"test\"}", 1.0),
        ("pg_exporter_last_scrape_error{env=\"test\"}", 1.0),
        ("each_seven{datname=\"postgres\",env=\"test\",SERVER}", 7.0),
        ("each_seven{datname=\"one\",env=\"test\",SERVER}", 7.0),
        ("each_east{datname=\"one\",env=\"test\",SERVER}", 32400.0),
        ("first_yes{env=\"test\",SERVER,word=\"x\"}", 1.0),
        ("first_at{env=\"test\",SERVER,word=\"x\"}", 86400.0),
        ("first_part{env=\"test\",SERVER,word=\"x\"}", 1.5),
        (
            "first_h_bucket{env=\"test\",SERVER,word=\"x\",le=\"2\"}",
            4.0,
        ),
        ("first_h_count{env=\"test\",SERVER,word=\"x\"}", 6.0),
    ] {
        expect(&reply, &with(series), value);
    }
    let text = reply.text();
    let nothing = with("first_nothing{env=\"test\",SERVER,word=\"x\"} NaN\n");
    assert!(text.contains(&nothing), "{text}");
    assert!(
        !text.contains("datname=\"two\",env") && !text.contains("each_odd"),
        "{text}"
    );
    assert!(!text.contains("pg_stat_database_conflicts_"), "{text}");
    assert!(text.contains("# TYPE first_part untyped\n"), "{text}");
    assert_eq!(failed(&reply), [""; 0]);
    let now = with("cached_now{env=\"test\",SERVER}");
    let first = reply.value(&now).unwrap();
    assert_eq!(scrape(&exporter, 10.0).value(&now), Some(first));
    // Nothing of ours is in the way of dropping a database.
    server.sql("postgres", "DROP DATABASE one");
    let text = scrape(&exporter, 10.0).text();
    assert!(!text.contains("datname=\"one\""), "{text}");
    let hash = text
        .lines()
        .find(|l| l.starts_with("pg_exporter_user_queries_load_error{"));
    assert!(hash.unwrap().ends_with(" 0"), "{hash:?}");
    // A file that is wrong is told, and costs its own metrics only.
    std::fs::write(&file, "each:\n  query: [\n").unwrap();
    assert_eq!(exporter.connect().get("/-/reload", "").unwrap().status, 405);
    exporter.signal(Signal::HUP);
    let patience = Instant::now() + Duration::from_secs(20);
    loop {
        let text = scrape(&exporter, 10.0).text();
        let state = text
            .lines()
            .find(|l| l.starts_with("pg_exporter_user_queries_load_error{"));
        if state.unwrap().ends_with(" 1") {
            assert!(
                !text.contains("each_seven") && text.contains("pg_up{env=\"test\"} 1"),
                "{text}"
            );
            break;
        }
        assert!(Instant::now() < patience, "{text}");
    }
}

#[test]
fn labels_of_sessions_can_be_dropped() {
    let server = Postgres::start(&newest(), &[]);
    let drop = "--collector.stat_activity.drop-labels=usename, application_name";
    let exporter = exporter_for(&server, &[drop]);
    let _session = server.session("postgres", "BEGIN; SELECT 1;");
    server.wait_until(
        "postgres",
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE state = 'idle in transaction')",
    );
    let reply = scrape(&exporter, 10.0);
    expect(
        &reply,
        "pg_stat_activity_count{application_name=\"\",backend_type=\"client backend\",\
         datname=\"postgres\",state=\"idle in transaction\",usename=\"\",wait_event=\"ClientRead\",\
         wait_event_type=\"Client\"}",
        1.0,
    );
}

/// Statements that an exporter's user was counted for by the server.
fn counted(server: &Postgres) -> usize {
    let count = "SELECT COALESCE(sum(calls), 0) FROM pg_stat_statements WHERE userid = \
                 'exporter'::regrole";
    server.sql("postgres", count).parse().unwrap()
}

/// An exporter as the user `exporter`, whose statements the server counts.
fn counting(server: &Postgres) -> String {
    server.sql(
        "postgres",
        "CREATE EXTENSION pg_stat_statements; CREATE ROLE exporter LOGIN; GRANT pg_monitor TO \
         exporter",
    );
    format!(
        "postgres://exporter@127.0.0.1:{}/postgres?sslmode=disable",
        server.port
    )
}

const COUNTED: &[&str] = &[
    "shared_preload_libraries = 'pg_stat_statements'",
    "pg_stat_statements.track_utility = on",
    "log_statement = all",
];

#[test]
fn limits_are_not_set_for_every_statement() {
    let server = Postgres::start(&newest(), COUNTED);
    // A further connection, which a busy machine brings about, would count as well.
    let one = ["--connections.max=1"];
    let exporter = exporter(&[("DATA_SOURCE_NAME", &counting(&server))], &one);
    for _ in 0..3 {
        assert_eq!(failed(&scrape(&exporter, 10.0)), [""; 0]);
    }
    let before = counted(&server);
    for _ in 0..10 {
        assert_eq!(failed(&scrape(&exporter, 10.0)), [""; 0]);
    }
    // 18 that tell something, and two whose limit is their own.
    assert_eq!(counted(&server) - before, 200, "{}", server.log());
    // Another timeout changes the limit that stands, once.
    let before = counted(&server);
    scrape(&exporter, 40.0);
    assert_eq!(counted(&server) - before, 21);
    scrape(&exporter, 10.0);
    assert_eq!(counted(&server) - before, 42);
    // What the sessions are limited to is not told as the server's setting.
    let reply = scrape(&exporter, 10.0);
    expect(&reply, "pg_settings_statement_timeout_seconds", 0.0);
    expect(&reply, "pg_settings_lock_timeout_seconds", 0.0);
}

/// A stand-in for a pooler that refuses parameters at the start of a session, or leaves them out
/// without a word, and passes all else on to the server.
fn pooler(server: &Postgres, refuses: bool) -> e2e::peers::Scripted {
    use std::io::{Read, Write};
    let port = server.port;
    e2e::peers::Scripted::start(move |mut client| {
        let mut length = [0; 4];
        client.read_exact(&mut length)?;
        let mut start = vec![0; u32::from_be_bytes(length) as usize - 4];
        client.read_exact(&mut start)?;
        let at = start.windows(9).position(|w| w == b"\0options\0");
        if let (Some(_), true) = (at, refuses) {
            let text = b"SFATAL\0VFATAL\0C08P01\0Munsupported startup parameter: options\0\0";
            client.write_all(b"E")?;
            client.write_all(&(text.len() as u32 + 4).to_be_bytes())?;
            return client.write_all(text);
        }
        if let Some(at) = at {
            let value = at + 9;
            let end = value + start[value..].iter().position(|b| *b == 0).unwrap();
            start.drain(at + 1..=end);
        }
        let mut server = std::net::TcpStream::connect(("127.0.0.1", port))?;
        server.write_all(&(start.len() as u32 + 4).to_be_bytes())?;
        server.write_all(&start)?;
        let (mut from, mut to) = (server.try_clone()?, client.try_clone()?);
        std::thread::spawn(move || std::io::copy(&mut from, &mut to));
        std::io::copy(&mut client, &mut server)?;
        server.shutdown(std::net::Shutdown::Both)
    })
}

#[test]
fn nothing_stays_in_the_sessions_of_a_pooler() {
    let server = Postgres::start(&newest(), COUNTED);
    let name = counting(&server);
    for refuses in [true, false] {
        let pooler = pooler(&server, refuses);
        let port = pooler.address.port().to_string();
        let name = name.replace(&server.port.to_string(), &port);
        let exporter = exporter(&[("DATA_SOURCE_NAME", &name)], &["--connections.max=1"]);
        assert_eq!(
            failed(&scrape(&exporter, 10.0)),
            [""; 0],
            "{}",
            exporter.log()
        );
        let log = server.log().len();
        assert_eq!(
            failed(&scrape(&exporter, 10.0)),
            [""; 0],
            "{}",
            exporter.log()
        );
        let log = server.log()[log..].to_owned();
        assert_eq!(
            log.matches("set_config('statement_timeout'").count(),
            18,
            "{log}"
        );
        // Whoever has that session next has the server's own limit.
        assert!(!log.contains(", false)"), "{log}");
    }
}

#[test]
fn a_statement_ends_with_the_scrape_that_wants_it() {
    let server = Postgres::start(&newest(), &[]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("queries.yaml");
    let text = "slow:\n  query: \"SELECT 1 AS one, pg_sleep(600)\"\n  metrics:\n    - one: {usage: GAUGE}\n";
    std::fs::write(&file, text).unwrap();
    let path = format!("--extend.query-path={}", file.display());
    let exporter = exporter_for(&server, &[&path, "--collection-timeout=10m"]);
    let sleeping = |is: bool| {
        let there = format!(
            "SELECT {is} = EXISTS (SELECT FROM pg_stat_activity WHERE state = 'active' AND query \
             LIKE '%pg_sleep(600)' AND pid <> pg_backend_pid())"
        );
        server.wait_until("postgres", &there);
    };
    for _ in 0..3 {
        let mut client = exporter.connect();
        client
            .send("GET /metrics HTTP/1.1\r\nHost: test\r\n\r\n")
            .unwrap();
        sleeping(true);
        drop(client);
        sleeping(false);
    }
    // The session is still there and of use.
    server.wait_until(
        "postgres",
        "SELECT count(*) BETWEEN 1 AND 2 FROM pg_stat_activity WHERE backend_type = 'client \
         backend' AND application_name <> 'test'",
    );
    let reply = exporter.get_with("/metrics", "X-Prometheus-Scrape-Timeout-Seconds: 2\r\n");
    expect(&reply, "pg_up", 1.0);
    sleeping(false);
}

#[test]
fn tables_of_all_databases() {
    let server = Postgres::start(&newest(), &[]);
    server.sql("postgres", "CREATE DATABASE one; CREATE DATABASE two");
    server.sql("postgres", "CREATE TABLE here (id int)");
    server.sql("one", "CREATE TABLE there (id int PRIMARY KEY)");
    let arguments = [
        "--collector.all-databases",
        "--exclude-databases=two",
        "--collector.stat_user_indexes",
    ];
    for connections in ["--connections.max=1", "--connections.max=2"] {
        let exporter = exporter_for(&server, &[&arguments[..], &[connections]].concat());
        for _ in 0..2 {
            let reply = scrape(&exporter, 10.0);
            assert_eq!(failed(&reply), [""; 0], "{}", exporter.log());
            let text = reply.text();
            for start in [
                "pg_stat_user_tables_n_dead_tup{datname=\"postgres\",relname=\"here\"",
                "pg_stat_user_tables_table_size_bytes{datname=\"one\",relname=\"there\"",
                "pg_statio_user_tables_heap_blocks_hit{datname=\"one\",relname=\"there\"",
                "pg_stat_user_indexes_size_bytes{datname=\"one\",indexrelname=\"there_pkey\"",
            ] {
                assert!(text.contains(start), "{start}\n{text}");
            }
            assert!(!text.contains("datname=\"two\",relname"), "{text}");
        }
        server.wait_until(
            "postgres",
            "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = 'one'",
        );
    }
}

#[test]
fn misuse_ends_with_a_sentence() {
    for (arguments, part) in [
        (&["--no-such-flag"][..], "unknown long flag"),
        (&["--collector.replication_slot"], "unknown long flag"),
        (&["--collection-timeout=0s"], "--collection-timeout"),
        (&["--collection-timeout=x"], "--collection-timeout"),
        (&["--metric-prefix="], "--metric-prefix"),
        (&["--web.telemetry-path=metrics"], "--web.telemetry-path"),
        (&["--log.level=loud"], "loud"),
        (&["extra"], "unexpected"),
        (
            &[
                "--collector.stat_statements",
                "--collector.stat_statements.limit=0",
            ],
            "limit",
        ),
        (&["--constantLabels=datname=x"], "datname"),
        (&["--web.listen-address=nonsense"], "nonsense"),
    ] {
        let output = run(EXPORTER, arguments);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {error}");
        assert!(error.contains(part), "{arguments:?}: {error}");
        assert!(output.stdout.is_empty());
    }
    let name = "DATA_SOURCE_NAME";
    for (variable, value, part) in [
        (name, "postgres://u:s3cret@h/d,", "element 2"),
        (
            "DATA_SOURCE_URI_FILE",
            "/nowhere/s3",
            "DATA_SOURCE_URI_FILE",
        ),
        (
            "DATA_SOURCE_PASS_FILE",
            "/nowhere/s3",
            "DATA_SOURCE_PASS_FILE",
        ),
    ] {
        let mut command = Command::new(daemon::binary(EXPORTER));
        command
            .env_clear()
            .env(variable, value)
            .arg("--web.listen-address=127.0.0.1:0");
        let output = command.output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{value}: {error}");
        assert!(error.contains(part) && !error.contains("s3cret"), "{error}");
    }
    for (argument, part) in [
        ("--version", "postgres_exporter, version"),
        ("--help", "--[no-]collector.wal"),
    ] {
        let output = run(EXPORTER, &[argument]);
        assert_eq!(output.status.code(), Some(0));
        assert!(output.stdout.is_empty());
        assert!(String::from_utf8_lossy(&output.stderr).contains(part));
    }
    // A name that makes no sense is a server that is down.
    for (value, part) in [
        ("postgres://u:s3cret@h:x/d", "port"),
        ("s3cret", "key=value"),
    ] {
        let mut exporter = exporter(&[(name, value)], &[]);
        let reply = scrape(&exporter, 5.0);
        expect(&reply, "pg_up", 0.0);
        expect(&reply, "pg_exporter_last_scrape_error", 1.0);
        exporter.wait_for_log(part);
        assert!(!exporter.log().contains("s3cret"), "{}", exporter.log());
    }
    let output = run(EXPORTER, &["--dumpmaps"]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("confl_deadlock"));
}

#[test]
fn the_list_of_metrics_is_kept() {
    let output = run(EXPORTER, &["--list-metrics"]);
    let listed = String::from_utf8(output.stdout).unwrap();
    let kept = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics/postgres.md");
    let kept = std::fs::read_to_string(kept).unwrap();
    assert_eq!(
        listed, kept,
        "run `postgres_exporter --list-metrics > docs/metrics/postgres.md`"
    );
}

#[test]
fn pages() {
    let exporter = exporter(&[], &["--web.telemetry-path=/m"]);
    let page = exporter.get("/");
    assert_eq!(page.status, 200);
    assert!(page.text().contains("Postgres Exporter") && page.text().contains("href=\"m\""));
    for (path, status) in [
        ("/m", 200),
        ("/metrics", 404),
        ("/m/", 404),
        ("/probe", 400),
        ("/-/healthy", 200),
    ] {
        assert_eq!(exporter.get(path).status, status, "{path}");
    }
    let everywhere = self::exporter(&[("PG_EXPORTER_WEB_TELEMETRY_PATH", "/")], &[]);
    assert!(everywhere.get("/whatever").text().contains("pg_up 0\n"));
}
