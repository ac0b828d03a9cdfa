//! The MySQL exporter against MariaDB servers: metrics, accounts, privileges, TLS, replication, and
//! servers that hang, end and come back.

use e2e::pki::Authority;
use e2e::{Daemon, MariaDb, Reply, run};
use rustix::process::Signal;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const MYSQLD: &str = "mysqld_exporter";

/// Every byte that configuration files and connection strings trip over.
const PASSWORD: &str = "p?a&b;c#d$$e%f'g\"h\\i:j@k/ü";

const ACCOUNTS: &str = r#"
    CREATE USER 'exporter'@'%' IDENTIFIED BY 'p?a&b;c#d$$e%f\'g"h\\i:j@k/ü';
    GRANT ALL ON *.* TO 'exporter'@'%';
    CREATE USER 'nobody'@'%' IDENTIFIED BY 'nothing';
"#;

const LOAD: &str = "
    CREATE DATABASE app; CREATE DATABASE heartbeat;
    CREATE TABLE app.t (id SMALLINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, v INT, KEY (v));
    CREATE TABLE app.f (id DOUBLE AUTO_INCREMENT PRIMARY KEY);
    CREATE VIEW app.w AS SELECT id FROM app.t;
    INSERT INTO app.t (v) VALUES (1), (2), (3); DELETE FROM app.t WHERE v = 2;
    USE app; SELECT COUNT(*) FROM t WHERE v > 1; INSERT INTO f VALUES ();
    CREATE TABLE heartbeat.heartbeat (ts VARCHAR(26), server_id INT UNSIGNED PRIMARY KEY);
    INSERT INTO heartbeat.heartbeat VALUES ('2024-01-02T03:04:05.500000', 7);
";

/// All collectors.
fn all_collectors() -> Vec<String> {
    let help = run(MYSQLD, &["--help"]);
    let text = String::from_utf8([help.stdout, help.stderr].concat()).unwrap();
    let options = ["heartbeat.utc", "processes_by", "legacy-names", "log-files"];
    let switches = text
        .split_whitespace()
        .filter_map(|w| w.strip_prefix("--[no-]collect."));
    let switches = switches.filter(|w| !options.iter().any(|o| w.contains(o)));
    switches.map(|w| format!("--collect.{w}")).collect()
}

/// A credentials file.
fn my_cnf(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("my.cnf");
    std::fs::write(&path, text).unwrap();
    path
}

fn client_section(server: &MariaDb) -> String {
    format!(
        "[client]\nuser = exporter\npassword = `{PASSWORD}`\nhost = 127.0.0.1\nport = {}\n",
        server.port()
    )
}

fn start(file: &Path, more: &[&str]) -> Daemon {
    let file = format!("--config.my-cnf={}", file.display());
    let arguments = [&[file.as_str(), "--log.level=debug"], more].concat();
    Daemon::start(MYSQLD, &arguments)
}

fn success(reply: &Reply, collector: &str) -> Option<f64> {
    let series = "mysql_exporter_collector_success";
    reply.value(&format!("{series}{{collector=\"collect.{collector}\"}}"))
}

/// Threads of an account on the server.
fn threads(server: &MariaDb, user: &str) -> usize {
    let count = "SELECT COUNT(*) FROM information_schema.processlist WHERE user =";
    server.sql(&format!("{count} '{user}'")).parse().unwrap()
}

/// Asks again until the server answers; it is given a while.
fn until_up(daemon: &Daemon, headers: &str) -> Reply {
    let patience = Instant::now() + Duration::from_secs(60);
    loop {
        let reply = daemon.get_with("/metrics", headers);
        assert_eq!(reply.status, 200);
        if reply.value("mysql_up") == Some(1.0) {
            return reply;
        }
        assert!(Instant::now() < patience, "stays down:\n{}", daemon.log());
    }
}

#[test]
fn every_collector_answers_over_kept_connections() {
    let server = MariaDb::start(&[
        "--performance-schema=ON",
        "--userstat=ON",
        "--log-bin=bin",
        "--server-id=1",
        "--plugin-load-add=query_response_time",
        "--query-response-time-stats=ON",
    ]);
    server.sql(ACCOUNTS);
    server.sql(LOAD);
    let _other = server.hold("SELECT 1");
    let file = my_cnf(server.folder(), &client_section(&server));
    let collectors = all_collectors();
    let flags: Vec<&str> = collectors.iter().map(String::as_str).collect();
    let daemon = start(&file, &flags);
    let first = daemon.get("/metrics");
    assert_eq!(first.value("mysql_up"), Some(1.0), "{}", daemon.log());
    let missing_here = [
        "engine_tokudb_status",
        "info_schema.rocksdb_perf_context",
        "perf_schema.replication_group_member_stats",
        "perf_schema.replication_group_members",
    ];
    let names = collectors
        .iter()
        .filter_map(|c| c.strip_prefix("--collect."));
    for name in names.filter(|n| *n != "mysql.user.privileges") {
        let expected = f64::from(u8::from(!missing_here.contains(&name)));
        assert_eq!(
            success(&first, name),
            Some(expected),
            "{name}:\n{}",
            daemon.log()
        );
    }
    for (series, value) in [
        ("mysql_binlog_files", 1.0),
        (
            "mysql_heartbeat_stored_timestamp_seconds{server_id=\"7\"}",
            0.0,
        ),
        (
            "mysql_info_schema_auto_increment_column{column=\"id\",schema=\"app\",table=\"t\"}",
            4.0,
        ),
        (
            "mysql_info_schema_auto_increment_column_max{column=\"id\",schema=\"app\",table=\"t\"}",
            65535.0,
        ),
        (
            "mysql_info_schema_auto_increment_column{column=\"id\",schema=\"app\",table=\"f\"}",
            2.0,
        ),
        (
            "mysql_info_schema_table_rows{schema=\"app\",table=\"t\"}",
            2.0,
        ),
        (
            "mysql_info_schema_user_statistics_concurrent_connections{user=\"exporter\"}",
            2.0,
        ),
        (
            "mysql_mysql_super_priv{hostmask=\"%\",mysql_user=\"nobody\"}",
            0.0,
        ),
        (
            "mysql_transaction_isolation{level=\"REPEATABLE-READ\"}",
            1.0,
        ),
        (
            "mysql_perf_schema_table_io_waits_total{name=\"t\",operation=\"insert\",schema=\"app\"}",
            3.0,
        ),
    ] {
        let got = first.value(series);
        let fits = match value {
            // Depends on the machine's time zone, or on how many asked at a time.
            v if v == 0.0 || series.contains("concurrent") => got.is_some(),
            v => got == Some(v),
        };
        assert!(fits, "{series}: {got:?}");
    }
    let text = first.text();
    for family in [
        "mysql_global_status_commands_total",
        "mysql_global_variables_max_connections",
        "mysql_version_info",
        "mysql_info_schema_innodb_cmp_compress_ops_total",
        "mysql_info_schema_query_response_time_seconds",
        "mysql_info_schema_processlist_threads",
        "mysql_perf_schema_events_statements_latency",
        "mysql_perf_schema_events_statements_sum_total",
        "mysql_perf_schema_file_instances_bytes",
        "mysql_sys_statement_latency",
        "mysqld_exporter_build_info",
        "mysqld_exporter_config_last_reload_successful",
        "promhttp_metric_handler_requests_total",
        "process_resident_memory_bytes",
    ] {
        assert!(text.contains(&format!("# TYPE {family} ")), "{family}");
    }
    // A later scrape logs in no more, and there are never more connections than the flag says.
    let connections = |reply: &Reply| reply.value("mysql_global_status_connections").unwrap();
    let only = "/metrics?collect[]=global_status";
    let before = daemon.get(only);
    let after = daemon.get(only);
    assert_eq!(connections(&before), connections(&after));
    assert!(threads(&server, "exporter") <= 2);
}

#[test]
fn requests_choose_collectors_targets_and_accounts() {
    let server = MariaDb::start(&["--plugin-load-add=auth_ed25519"]);
    server.sql(ACCOUNTS);
    server.sql("CREATE USER ed@'%' IDENTIFIED VIA ed25519 USING PASSWORD('secr\u{e9}t')");
    let address = server.address();
    let socket = server.socket();
    let text = client_section(&server)
        + "[client.other]\nuser = nobody\npassword = nothing\n[client.wrong]\npassword = no\n\
           [client.ed]\nuser = ed\npassword = secr\u{e9}t\n"
        + "[client.tls]\nssl-ca = /nonexistent/ca.pem\n[useless]\nport = x\n";
    let file = my_cnf(server.folder(), &text);
    let daemon = start(&file, &["--collect.info_schema.processlist"]);

    let some = daemon.get("/metrics?collect[]=global_status&collect[]=heartbeat");
    assert_eq!(success(&some, "global_status"), Some(1.0));
    assert_eq!(success(&some, "global_variables"), None);
    let none = daemon.get("/metrics?collect[]=heartbeat");
    assert_eq!(
        success(&none, "global_variables"),
        Some(1.0),
        "none of them is all of them"
    );

    let probe = daemon.get(&format!(
        "/probe?target={address}&collect[]=info_schema.processlist"
    ));
    assert_eq!(probe.value("mysql_up"), Some(1.0), "{}", daemon.log());
    assert!(!probe.text().contains("build_info"));
    let other = daemon.get(&format!("/probe?target={address}&auth_module=client.other"));
    assert_eq!(other.value("mysql_up"), Some(1.0), "{}", daemon.log());
    let wrong = daemon.get(&format!("/probe?target={address}&auth_module=client.wrong"));
    assert_eq!((wrong.status, wrong.value("mysql_up")), (200, Some(0.0)));
    let plugin = daemon.get(&format!("/probe?target={address}&auth_module=client.ed"));
    assert_eq!(plugin.value("mysql_up"), Some(1.0), "{}", daemon.log());
    let unix = daemon.get(&format!("/metrics?target=unix://{}", socket.display()));
    assert_eq!(unix.value("mysql_up"), Some(1.0), "{}", daemon.log());
    assert_eq!(
        daemon.get("/metrics?target=nowhere").value("mysql_up"),
        Some(0.0)
    );

    for (query, body) in [
        ("", "target is required\n"),
        (
            "?target=a:1&auth_module=x",
            "Could not find config section [x]\n",
        ),
        (
            "?target=a:1&auth_module=useless",
            "Could not find config section [useless]\n",
        ),
        (
            "?target=a",
            "Error forming dsn from config section [client]\n",
        ),
        (
            "?target=a:1&auth_module=client.tls",
            "Error forming dsn from config section [client.tls]\n",
        ),
    ] {
        let refused = daemon.get(&format!("/probe{query}"));
        assert_eq!(
            (refused.status, refused.text().as_str()),
            (400, body),
            "{query}"
        );
    }

    // What cannot be read changes nothing; what can is in force at once.
    std::fs::write(&file, "[client\npassword=secret_line\n").unwrap();
    let failed = daemon.get("/-/reload");
    assert_eq!((failed.status, failed.text().as_str()), (200, ""));
    let kept = daemon.get("/metrics");
    assert_eq!(kept.value("mysql_up"), Some(1.0));
    assert_eq!(
        kept.value("mysqld_exporter_config_last_reload_successful"),
        Some(0.0)
    );
    std::fs::write(&file, client_section(&server).replace("exporter", "absent")).unwrap();
    assert_eq!(daemon.get("/-/reload").text(), "ok");
    assert_eq!(daemon.get("/metrics").value("mysql_up"), Some(0.0));

    assert_eq!(daemon.get("/").status, 200);
    assert_eq!(daemon.get("/health").status, 404);
    for secret in [PASSWORD, "nothing", "secret_line"] {
        assert!(!daemon.log().contains(secret), "{}", daemon.log());
    }
}

#[test]
fn a_missing_privilege_is_told_once_with_the_grant_that_mends_it() {
    let server = MariaDb::start(&[]);
    server.sql(ACCOUNTS);
    let text = format!(
        "[client]\nuser=nobody\npassword=nothing\nhost=127.0.0.1\nport={}\n",
        server.port()
    );
    let file = my_cnf(server.folder(), &text);
    let daemon = start(&file, &[]);
    for _ in 0..3 {
        let reply = daemon.get("/metrics");
        assert_eq!(reply.value("mysql_up"), Some(1.0), "{}", daemon.log());
        assert_eq!(success(&reply, "global_status"), Some(1.0));
        assert_eq!(success(&reply, "info_schema.innodb_cmp"), Some(0.0));
        assert_eq!(success(&reply, "slave_status"), Some(0.0));
    }
    let log = daemon.log();
    let told = |grant: &str| {
        let lines = log.lines().filter(|l| l.contains("level=ERROR"));
        lines.filter(|l| l.contains(grant)).count()
    };
    assert_eq!(told("GRANT REPLICA MONITOR ON *.* TO"), 1, "{log}");
    assert_eq!(told("collect.info_schema.innodb_cmp "), 1, "{log}");
    // Connections know the privileges that they began with, so they are made anew.
    server.sql("GRANT PROCESS, SLAVE MONITOR ON *.* TO nobody@'%'");
    let reply = daemon.get("/metrics");
    assert_eq!(
        success(&reply, "info_schema.innodb_cmp"),
        Some(1.0),
        "{}",
        daemon.log()
    );
    assert_eq!(success(&reply, "slave_status"), Some(1.0));
}

#[test]
fn a_replica_and_its_primary() {
    let primary = MariaDb::start(&["--log-bin=bin", "--server-id=1", "--gtid-domain-id=4"]);
    primary.sql(ACCOUNTS);
    primary.sql("CREATE USER replica@'%' IDENTIFIED BY 'r'; GRANT REPLICATION SLAVE ON *.* TO replica@'%'; RESET MASTER");
    let replica = MariaDb::start(&["--server-id=2", "--report-host=reported.example"]);
    replica.sql(ACCOUNTS);
    replica.sql(&format!(
        "CHANGE MASTER 'chan' TO MASTER_HOST='127.0.0.1', MASTER_PORT={}, MASTER_USER='replica', \
         MASTER_PASSWORD='r', MASTER_USE_GTID=slave_pos; START SLAVE 'chan'",
        primary.port()
    ));
    primary.sql("CREATE DATABASE app");
    // Waits on the server until everything is applied.
    let position = primary.sql("SELECT @@gtid_binlog_pos");
    let waited = replica.sql(&format!("SELECT MASTER_GTID_WAIT('{position}', 60)"));
    assert_eq!(waited, "0");
    let file = my_cnf(replica.folder(), &client_section(&replica));
    let daemon = start(&file, &["--collect.slave_hosts", "--collect.binlog_size"]);
    let labels = "channel_name=\"\",connection_name=\"chan\"";
    let host = "master_host=\"127.0.0.1\",master_uuid=\"\"";
    let reply = daemon.get("/metrics");
    for (column, value) in [
        ("slave_io_running", 1.0),
        ("slave_sql_running", 1.0),
        ("seconds_behind_master", 0.0),
        ("master_server_id", 1.0),
    ] {
        let series = format!("mysql_slave_status_{column}{{{labels},{host}}}");
        assert_eq!(
            reply.value(&series),
            Some(value),
            "{series}\n{}",
            reply.text()
        );
    }
    let sequence = position.rsplit('-').next().unwrap().parse().unwrap();
    let series = format!(
        "mysql_slave_status_gtid_slave_pos{{{labels},domain_id=\"4\",{host},server_id=\"1\"}}"
    );
    assert_eq!(reply.value(&series), Some(sequence));
    // It has no binary log.
    assert_eq!(success(&reply, "binlog_size"), Some(1.0));
    assert_eq!(reply.value("mysql_binlog_files"), None);
    let target = format!("/probe?target={}", primary.address());
    let reply = daemon.get(&target);
    let known = format!(
        "mysql_heartbeat_mysql_slave_hosts_info{{master_id=\"1\",port=\"{}\",server_id=\"2\",\
         slave_host=\"reported.example\",slave_uuid=\"\"}}",
        replica.port()
    );
    assert_eq!(reply.value(&known), Some(1.0), "{}", reply.text());
    replica.sql("STOP ALL SLAVES");
    let series = format!("mysql_slave_status_slave_io_running{{{labels},{host}}}");
    assert_eq!(daemon.get("/metrics").value(&series), Some(0.0));
}

#[test]
fn tls_as_the_section_says() {
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let ca = write("ca.pem", &authority.pem());
    let served = authority.issue(&["db.example"]);
    let shown = authority.issue(&["client.example"]);
    let server = MariaDb::start(&[
        &format!("--ssl-ca={ca}"),
        &format!("--ssl-cert={}", write("cert.pem", &served.certificate)),
        &format!("--ssl-key={}", write("key.pem", &served.key)),
    ]);
    server.sql(ACCOUNTS);
    server.sql("ALTER USER nobody@'%' REQUIRE SSL; CREATE USER card@'%' REQUIRE X509");
    let trusted = write("trusted.pem", &authority.pem());
    let pair = format!(
        "ssl-cert={}\nssl-key={}\n",
        write("shown.pem", &shown.certificate),
        write("shown.key", &shown.key)
    );
    let account = "user=nobody\npassword=nothing\n";
    let file = my_cnf(
        server.folder(),
        &format!(
            "[plain]\n{account}\n[skip]\n{account}ssl-skip-verfication=true\n\
             [verified]\n{account}ssl-ca={trusted}\ntls-server-name=db.example\n\
             [newest]\n{account}ssl-ca={trusted}\ntls-server-name=db.example\n\
             tls-min-version=TLSv1.3\n\
             [misnamed]\n{account}ssl-ca={trusted}\n[preferred]\n{account}tls=preferred\n\
             [system]\n{account}tls=true\n[odd]\n{account}tls=perhaps\n\
             [card]\nuser=card\nssl-ca={trusted}\ntls-server-name=db.example\n{pair}\
             [nocard]\nuser=card\nssl-ca={trusted}\ntls-server-name=db.example\n"
        ),
    );
    let daemon = start(&file, &[]);
    let probe = |section: &str| {
        let target = server.address();
        daemon.get(&format!("/probe?target={target}&auth_module={section}"))
    };
    for (section, up) in [
        ("plain", 0.0),
        ("skip", 1.0),
        ("verified", 1.0),
        ("newest", 1.0),
        ("misnamed", 0.0),
        ("preferred", 1.0),
        ("system", 0.0),
        ("odd", 0.0),
        ("card", 1.0),
        ("nocard", 0.0),
    ] {
        assert_eq!(
            probe(section).value("mysql_up"),
            Some(up),
            "{section}:\n{}",
            daemon.log()
        );
    }
    // Files are looked at for every request.
    write("trusted.pem", &Authority::new().pem());
    assert_eq!(probe("verified").value("mysql_up"), Some(0.0));
    write("trusted.pem", "nothing");
    assert_eq!(probe("verified").status, 400);
    write("trusted.pem", &authority.pem());
    assert_eq!(
        probe("verified").value("mysql_up"),
        Some(1.0),
        "{}",
        daemon.log()
    );
}

/// An exporter that reads the heartbeat table of a server and waits for whoever has locked it.
fn with_heartbeat(server: &MariaDb) -> Daemon {
    server.sql(ACCOUNTS);
    server.sql(LOAD);
    let file = my_cnf(server.folder(), &client_section(server));
    start(
        &file,
        &["--collect.heartbeat", "--exporter.lock_wait_timeout=600"],
    )
}

#[test]
fn a_locked_table_costs_its_own_series() {
    let server = MariaDb::start(&[]);
    let daemon = with_heartbeat(&server);
    assert_eq!(
        success(&daemon.get("/metrics"), "heartbeat"),
        Some(1.0),
        "{}",
        daemon.log()
    );
    let lock = server.hold("LOCK TABLES heartbeat.heartbeat WRITE");
    let header = "X-Prometheus-Scrape-Timeout-Seconds: 1\r\n";
    for _ in 0..4 {
        let reply = daemon.get_with("/metrics", header);
        assert_eq!(reply.value("mysql_up"), Some(1.0), "{}", daemon.log());
        assert_eq!(success(&reply, "heartbeat"), Some(0.0));
        assert_eq!(
            success(&reply, "global_status"),
            Some(1.0),
            "{}",
            daemon.log()
        );
        assert!(threads(&server, "exporter") <= 2);
    }
    drop(lock);
    let patience = Instant::now() + Duration::from_secs(60);
    while success(&daemon.get("/metrics"), "heartbeat") != Some(1.0) {
        assert!(Instant::now() < patience, "{}", daemon.log());
    }
    assert!(threads(&server, "exporter") <= 2);
}

#[test]
fn open_transactions_and_chosen_tables() {
    // Times of transactions are those of the host, whatever the zone of sessions is.
    let server = MariaDb::start(&["--default-time-zone=+05:00"]);
    server.sql(ACCOUNTS);
    server.sql(
        "CREATE DATABASE shop; CREATE TABLE shop.goods (id INT PRIMARY KEY) ENGINE=InnoDB; CREATE \
         TABLE shop.goods_old (id INT) ENGINE=InnoDB; CREATE TABLE shop.other (id INT) \
         ENGINE=InnoDB; INSERT INTO shop.goods VALUES (1)",
    );
    let file = my_cnf(server.folder(), &client_section(&server));
    let daemon = start(
        &file,
        &[
            "--collect.info_schema.innodb_trx",
            "--collect.info_schema.tables",
            "--collect.info_schema.tables.include=^shop[.]goods",
            "--collect.info_schema.tables.exclude=_old$",
        ],
    );
    let value = |what: &str| {
        let reply = daemon.get("/metrics");
        let series = format!("mysql_info_schema_innodb_trx_{what}");
        reply
            .value(&series)
            .unwrap_or_else(|| panic!("{series}: {}", daemon.log()))
    };
    let until = |holds: &dyn Fn() -> bool| {
        let patience = Instant::now() + Duration::from_secs(30);
        while !holds() {
            assert!(Instant::now() < patience, "{}", daemon.log());
            // The server renders that table anew only when nobody has read it for a tenth of a
            // second.
            std::thread::sleep(Duration::from_millis(200));
        }
    };
    assert_eq!((value("open"), value("oldest_seconds")), (0.0, 0.0));
    let _writer = server.hold("START TRANSACTION; DELETE FROM shop.goods WHERE id = 1");
    until(&|| value("open") == 1.0 && value("rows_modified") == 1.0);
    assert_eq!(value("lock_waits"), 0.0);
    // Ends by itself after a few seconds, with an error.
    let waiting =
        "SET innodb_lock_wait_timeout = 8; SELECT id FROM shop.goods WHERE id = 1 FOR UPDATE";
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| server.try_sql(waiting));
        until(&|| value("lock_waits") == 1.0);
        // Within the hour that a wrong zone would add five times.
        let (oldest, longest) = (value("oldest_seconds"), value("longest_lock_wait_seconds"));
        assert!((0.0..600.0).contains(&oldest), "{oldest}");
        assert!((0.0..600.0).contains(&longest), "{longest}");
        assert!(!waiter.join().unwrap());
    });
    let text = daemon.get("/metrics").text();
    let tables = text
        .lines()
        .filter(|l| l.starts_with("mysql_info_schema_table_rows{"));
    let tables: Vec<_> = tables.collect();
    assert_eq!(tables.len(), 1, "{tables:?}");
    assert!(
        tables[0].contains("schema=\"shop\",table=\"goods\""),
        "{tables:?}"
    );
}

#[test]
fn a_statement_ends_with_the_scrape_that_wants_it() {
    let server = MariaDb::start(&[]);
    let daemon = with_heartbeat(&server);
    let _lock = server.hold("LOCK TABLES heartbeat.heartbeat WRITE");
    let waiting = |wanted: &str| {
        let count = "SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'exporter' \
                     AND state LIKE 'Waiting for table metadata lock%'";
        let patience = Instant::now() + Duration::from_secs(30);
        while server.sql(count).trim() != wanted {
            assert!(Instant::now() < patience, "{}", daemon.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    // By itself it would wait for much longer than the test does.
    let request =
        "GET /metrics HTTP/1.1\r\nHost: t\r\nX-Prometheus-Scrape-Timeout-Seconds: 500\r\n\r\n";
    for _ in 0..3 {
        let mut client = daemon.connect();
        client.send(request).unwrap();
        waiting("1");
        drop(client);
        waiting("0");
    }
    assert!(threads(&server, "exporter") <= 2);
}

#[test]
fn servers_hang_end_and_come_back() {
    let mut server = MariaDb::start(&[]);
    server.sql(ACCOUNTS);
    let file = my_cnf(server.folder(), &client_section(&server));
    let daemon = start(&file, &[]);
    let header = "X-Prometheus-Scrape-Timeout-Seconds: 1\r\n";
    assert_eq!(
        daemon.get("/metrics").value("mysql_up"),
        Some(1.0),
        "{}",
        daemon.log()
    );

    server.signal(Signal::STOP);
    for _ in 0..3 {
        let reply = daemon.get_with("/metrics", header);
        assert_eq!((reply.status, reply.value("mysql_up")), (200, Some(0.0)));
    }
    server.signal(Signal::CONT);
    until_up(&daemon, header);

    server.kill();
    let down = daemon.get("/metrics");
    assert_eq!((down.status, down.value("mysql_up")), (200, Some(0.0)));
    server.resume();
    assert_eq!(
        daemon.get("/metrics").value("mysql_up"),
        Some(1.0),
        "{}",
        daemon.log()
    );

    // Many at a time, while it ends in the middle.
    let scrapes = || {
        let ask = |_| {
            let mut client = daemon.connect();
            std::thread::spawn(move || client.get("/metrics", "").unwrap())
        };
        (0..50).map(ask).collect::<Vec<_>>()
    };
    let running = scrapes();
    server.kill();
    for scrape in running {
        assert_eq!(scrape.join().unwrap().status, 200);
    }
    server.resume();
    for scrape in scrapes() {
        let reply = scrape.join().unwrap();
        assert_eq!(reply.value("mysql_up"), Some(1.0), "{}", daemon.log());
        for collector in ["global_status", "global_variables", "slave_status"] {
            assert_eq!(success(&reply, collector), Some(1.0), "{}", daemon.log());
        }
    }
    assert!(threads(&server, "exporter") <= 2);
}

#[test]
fn arguments_that_end_it() {
    for (arguments, code, part) in [
        (&["--collect.global_status=true"][..], 1, "unexpected true"),
        (
            &["--collect.heartbeat", "--no-collect.heartbeat"],
            1,
            "cannot be repeated",
        ),
        (&["--exporter.lock_wait_timeout=x"], 1, "lock_wait_timeout"),
        (&["-collect.heartbeat"], 1, "unknown short flag"),
        (&["--web.telemetry-path=/probe"], 1, "another meaning"),
        (&["--web.telemetry-path="], 1, "slash"),
        (
            &["--exporter.max_open_connections=0", "--mysqld.username=u"],
            1,
            "expected 1 or more",
        ),
        (
            &["--exporter.query_timeout=-1", "--mysqld.username=u"],
            1,
            "expected 0 or more",
        ),
        (
            &["--mysqld.address=nowhere", "--mysqld.username=u"],
            1,
            "expected host:port",
        ),
        (
            &["--config.my-cnf=/nonexistent"],
            1,
            "no configuration found",
        ),
        (&["--version"], 0, "mysqld_exporter, version "),
        (
            &[
                "--mysqld.username=u",
                "--config.check",
                "--exporter.lock_wait_timeout=2.9",
            ],
            0,
            "valid",
        ),
    ] {
        let output = run(MYSQLD, arguments);
        let told = [output.stdout, output.stderr].concat();
        let told = String::from_utf8_lossy(&told);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {told}");
        assert!(told.contains(part), "{arguments:?}: {told}");
    }
}
