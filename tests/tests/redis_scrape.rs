//! The Redis exporter against real servers.

use e2e::pki::Authority;
use e2e::port::free_port;
use e2e::redis::{Pretender, Server, Value, cmd, join, open};
use e2e::{Daemon, Reply};
use rustix::process::Signal;
use std::time::{Duration, Instant};

const EXPORTER: &str = "redis_exporter";

/// Data of every type in three databases.
const DATA: &str = "
    SET text hello
    SET number 42.5
    SET a_b 1_000
    RPUSH list a b c
    SADD set a b
    ZADD sorted 1 a 2 b
    HSET hash a 1 b 2 c 3
    PFADD distinct a b c d
    XADD stream 1500-1 a b
    XADD stream 2000-5 a b
    XGROUP CREATE stream group 0
    XREADGROUP GROUP group consumer COUNT 1 STREAMS stream >
    SET user:1:name x
    SET user:2:name x
    SET shop_1 x
    SELECT 3
    SET number 7
    SET other:1 x
    SET other:2 x EX 1000
    SLOWLOG RESET
";

fn exporter(server: &Server, arguments: &[&str]) -> Daemon {
    let address = format!("--redis.addr={}", server.url());
    let mut all = vec![address.as_str()];
    all.extend(arguments);
    Daemon::start(EXPORTER, &all)
}

/// Whether each line is in the answer, exactly.
fn expect(reply: &Reply, lines: &str) {
    let text = reply.text();
    for line in lines.lines().map(str::trim).filter(|l| !l.is_empty()) {
        assert!(text.lines().any(|l| l == line), "missing: {line}\n{text}");
    }
}

fn expect_none(reply: &Reply, parts: &[&str]) {
    let text = reply.text();
    for part in parts {
        assert!(!text.contains(part), "unexpected: {part}\n{text}");
    }
}

/// The label of the last error, empty after a success.
fn error(reply: &Reply) -> String {
    let text = reply.text();
    let line = text
        .lines()
        .find_map(|l| l.strip_prefix("redis_exporter_last_scrape_error{err=\""))
        .unwrap_or_else(|| panic!("{text}"));
    line.rsplit_once('"').unwrap().0.to_owned()
}

#[test]
fn data_of_every_type() {
    let server = Server::start(&["--latency-tracking", "yes"]);
    server.say(DATA);
    std::fs::write(server.path("a.lua"), "return {'a', '1.5'}").unwrap();
    let script = format!("--script={}", server.path("a.lua"));
    let exporter = exporter(
        &server,
        &[
            "--check-single-keys=text,number,a_b,list,set,sorted,hash,distinct,missing,db3=number",
            "--check-keys=db3=other:*",
            "--count-keys=user:*,db3=other:*",
            "--check-single-streams=stream",
            "--check-key-groups=^(user):,^shop_(%d)",
            "--export-client-list",
            "--ping-on-connect",
            "--include-config-metrics",
            "--include-system-metrics",
            "--export-key-ttl",
            &script,
        ],
    );
    let reply = exporter.get("/metrics");
    assert_eq!(error(&reply), "");
    expect(
        &reply,
        "
        redis_up 1
        redis_db_keys{db=\"db0\"} 12
        redis_db_keys{db=\"db1\"} 0
        redis_db_keys{db=\"db3\"} 3
        redis_db_keys_expiring{db=\"db3\"} 1
        redis_key_size{db=\"db0\",key=\"text\"} 5
        redis_key_value_as_string{db=\"db0\",key=\"text\",val=\"hello\"} 1
        redis_key_value{db=\"db0\",key=\"number\"} 42.5
        redis_key_value{db=\"db0\",key=\"a_b\"} 1000
        redis_key_value{db=\"db3\",key=\"number\"} 7
        redis_key_size{db=\"db0\",key=\"list\"} 3
        redis_key_size{db=\"db0\",key=\"set\"} 2
        redis_key_size{db=\"db0\",key=\"sorted\"} 2
        redis_key_size{db=\"db0\",key=\"hash\"} 3
        redis_key_size{db=\"db0\",key=\"distinct\"} 4
        redis_key_size{db=\"db0\",key=\"missing\"} 0
        redis_key_size{db=\"db3\",key=\"other:2\"} 1
        redis_key_ttl_seconds{db=\"db0\",key=\"text\"} -1
        redis_keys_count{db=\"db0\",key=\"user:*\"} 2
        redis_keys_count{db=\"db3\",key=\"other:*\"} 2
        redis_stream_length{db=\"db0\",stream=\"stream\"} 2
        redis_stream_last_generated_id{db=\"db0\",stream=\"stream\"} 2000
        redis_stream_group_messages_pending{db=\"db0\",group=\"group\",stream=\"stream\"} 1
        redis_stream_group_lag{db=\"db0\",group=\"group\",stream=\"stream\"} 1
        redis_stream_group_consumer_messages_pending{consumer=\"consumer\",db=\"db0\",group=\"group\",stream=\"stream\"} 1
        redis_key_group_count{db=\"db0\",key_group=\"user\"} 2
        redis_key_group_count{db=\"db0\",key_group=\"1\"} 1
        redis_key_group_count{db=\"db0\",key_group=\"unclassified\"} 9
        redis_number_of_distinct_key_groups{db=\"db0\"} 3
        redis_number_of_distinct_key_groups{db=\"db1\"} 0
        redis_slowlog_length 0
        redis_script_result{filename=\"DIR/a.lua\"} 1
        redis_script_values{filename=\"DIR/a.lua\",key=\"a\"} 1.5
        redis_config_value{key=\"databases\"} 16
        redis_config_client_output_buffer_limit_bytes{class=\"pubsub\",limit=\"hard\"} 3.3554432e+07
        redis_exporter_scrapes_total 1
        redis_exporter_scrape_duration_seconds_count 1
        "
        .replace("DIR/a.lua", &server.path("a.lua"))
        .as_str(),
    );
    let text = reply.text();
    for part in [
        "redis_total_system_memory_bytes ",
        "redis_exporter_last_scrape_ping_time_seconds ",
        "redis_connected_client_info{db=\"0\",flags=\"N\",host=\"127.0.0.1\",",
        "redis_latency_percentiles_usec{cmd=\"set\",quantile=\"50\"} ",
        "redis_commands_latencies_usec_bucket{cmd=\"set\",le=\"+Inf\"} ",
        "redis_exporter_build_info{build_date=",
    ] {
        assert!(text.contains(part), "missing: {part}\n{text}");
    }
    // HyperLogLogs are told from other strings without an error on the server.
    assert!(!text.contains("err=\"WRONGTYPE\""), "{text}");
}

#[test]
fn a_connection_is_kept_and_replaced() {
    let mut server = Server::start(&[]);
    server.say("SET other 1");
    let exporter = exporter(&server, &["--check-single-keys=db5=x"]);
    let scrapes = |count: usize| {
        for _ in 0..count {
            expect(&exporter.get("/metrics"), "redis_up 1");
        }
    };
    scrapes(10);
    let own = |server: &Server| {
        let clients = server.ask(&["CLIENT", "LIST"]);
        clients
            .lines()
            .filter(|l| l.contains("name=redis_exporter"))
            .count()
    };
    assert_eq!(own(&server), 1);
    // A restarted server, or one that hangs up, costs no scrape.
    server.start_again();
    scrapes(2);
    server.say("CLIENT KILL TYPE normal SKIPME yes");
    scrapes(2);
    assert_eq!(own(&server), 1);
}

/// Id of the exporter's connection.
fn own_connection(server: &Server) -> String {
    let clients = server.ask(&["CLIENT", "LIST"]);
    let own = clients.lines().find(|l| l.contains("name=redis_exporter"));
    own.and_then(|l| l.split(' ').next()).unwrap().to_owned()
}

#[test]
fn replica_and_sentinel() {
    let master = Server::start(&[]);
    let port = master.port.to_string();
    let replica = Server::start(&["--replicaof", &format!("127.0.0.1 {port}")]);
    replica.wait_for(&["INFO", "replication"], "master_link_status:up");
    master.wait_for(&["INFO", "replication"], "state=online");
    let exporter = exporter(
        &replica,
        &[
            "--append-instance-role-label",
            "--skip-checkkeys-for-role-master",
            "--check-single-keys=x",
        ],
    );
    let reply = exporter.get("/metrics");
    expect(
        &reply,
        &format!(
            "redis_up{{instance_role=\"slave\"}} 1
             redis_master_link_up{{instance_role=\"slave\",master_host=\"127.0.0.1\",master_port=\"{port}\"}} 1
             redis_slave_info{{instance_role=\"slave\",master_host=\"127.0.0.1\",master_port=\"{port}\",read_only=\"1\"}} 1
             redis_key_size{{db=\"db0\",instance_role=\"slave\",key=\"x\"}} 0"
        ),
    );
    let of_master = exporter.get(&format!("/scrape?target={}", master.address()));
    expect(
        &of_master,
        "redis_connected_slaves{instance_role=\"master\"} 1",
    );
    expect_none(&of_master, &["redis_key_size"]);
    assert!(of_master.text().contains(
        "redis_connected_slave_lag_seconds{instance_role=\"master\",slave_ip=\"127.0.0.1\""
    ));

    // A server that changed its role may no longer be the one that the address leads to.
    let before = own_connection(&replica);
    replica.say("REPLICAOF NO ONE");
    for _ in 0..2 {
        expect(
            &exporter.get("/metrics"),
            "redis_up{instance_role=\"master\"} 1",
        );
    }
    assert_ne!(own_connection(&replica), before);
    replica.say(&format!("REPLICAOF 127.0.0.1 {port}"));

    let sentinel = Server::sentinel(&master);
    let exporter = self::exporter(
        &sentinel,
        &["--include-config-metrics", "--check-single-keys=x"],
    );
    let patience = Instant::now() + Duration::from_secs(20);
    let sees = format!(
        "redis_sentinel_master_ok_slaves{{master_address=\"127.0.0.1:{port}\",master_name=\"mymaster\"}} 1"
    );
    let reply = loop {
        let reply = exporter.get("/metrics");
        if reply.text().contains(&sees) {
            break reply;
        }
        assert!(Instant::now() < patience, "{}", reply.text());
        std::thread::sleep(Duration::from_millis(50));
    };
    expect(
        &reply,
        &format!(
            "redis_up 1
             redis_sentinel_masters 1
             redis_sentinel_master_status{{master_address=\"127.0.0.1:{port}\",master_name=\"mymaster\",master_status=\"ok\"}} 1
             redis_sentinel_master_ok_sentinels{{master_address=\"127.0.0.1:{port}\",master_name=\"mymaster\"}} 1
             redis_sentinel_master_setting_ckquorum{{master_address=\"127.0.0.1:{port}\",master_name=\"mymaster\"}} 1
             redis_db_keys{{db=\"db15\"}} 0"
        ),
    );
    expect_none(&reply, &["marker-sentinel-password", "redis_key_size"]);
}

#[test]
fn a_cluster_of_three() {
    let options = ["--cluster-enabled", "yes", "--cluster-config-file", "nodes"];
    let servers: Vec<Server> = (0..3).map(|_| Server::start(&options)).collect();
    join(&servers);
    // Ten keys go to where their slots are.
    let mut keys = Vec::new();
    for at in 0..10 {
        let key = format!("key:{at}");
        let placed = servers.iter().any(|server| try_set(server, &key, at));
        assert!(placed, "{key}");
        keys.push(key);
    }
    let check = format!("--check-single-keys={}", keys.join(","));
    let exporter = exporter(
        &servers[1],
        &[
            "--is-cluster",
            &check,
            "--check-keys=key:[0-3]",
            "--count-keys=key:*",
            "--check-key-groups=^(key):",
        ],
    );
    let reply = exporter.get("/metrics");
    expect(
        &reply,
        "redis_up 1
         redis_cluster_state 1
         redis_cluster_size 3
         redis_keys_count{db=\"db0\",key=\"key:*\"} 10
         redis_key_group_count{db=\"db0\",key_group=\"key\"} 10",
    );
    for (at, key) in keys.iter().enumerate() {
        expect(
            &reply,
            &format!("redis_key_value{{db=\"db0\",key=\"{key}\"}} {at}"),
        );
    }
    expect_none(&reply, &["db=\"db1\""]);
    // Connections that all nodes have closed meanwhile cost nothing.
    for server in &servers {
        server.say("CLIENT KILL TYPE normal SKIPME yes");
    }
    let reply = exporter.get("/metrics");
    for (at, key) in keys.iter().enumerate() {
        let line = format!("redis_key_value{{db=\"db0\",key=\"{key}\"}} {at}");
        expect(&reply, &line);
    }
    let nodes = exporter.get("/discover-cluster-nodes");
    assert_eq!(nodes.header("content-type"), Some("application/json"));
    for server in &servers {
        assert!(
            nodes.text().contains(&format!("\"{}\"", server.url())),
            "{}",
            nodes.text()
        );
    }
    // Without knowing of the cluster, keys of other nodes are absent.
    let alone = self::exporter(&servers[1], &[&check]);
    let found = alone
        .get("/metrics")
        .text()
        .matches("redis_key_value{")
        .count();
    assert!((1..10).contains(&found), "{found}");
}

/// Whether the key belongs to this server.
fn try_set(server: &Server, key: &str, value: usize) -> bool {
    let mut connection = open(&server.url());
    let reply: Result<Value, _> = cmd("SET").arg(key).arg(value).query(&mut connection);
    reply.is_ok()
}

#[test]
fn tls_with_client_certificates() {
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_owned();
    std::fs::write(dir.join("ca.pem"), authority.pem()).unwrap();
    authority.issue(&["redis.example"]).write(&dir);
    let client = dir.join("client");
    std::fs::create_dir(&client).unwrap();
    authority.issue(&["exporter"]).write(&client);
    let port = free_port().to_string();
    let _server = Server::start_in(
        folder,
        &[
            "--tls-port",
            &port,
            "--tls-cert-file",
            "{dir}/cert.pem",
            "--tls-key-file",
            "{dir}/key.pem",
            "--tls-ca-cert-file",
            "{dir}/ca.pem",
        ],
    );
    let path = |name: &str| dir.join(name).to_str().unwrap().to_owned();
    let address = format!("--redis.addr=valkeys://127.0.0.1:{port}/2");
    let authorities = format!("--tls-ca-cert-file={}", path("ca.pem"));
    let certificate = format!("--tls-client-cert-file={}", path("client/cert.pem"));
    let key = format!("--tls-client-key-file={}", path("client/key.pem"));
    let scrape = |arguments: &[&str], query: &str| {
        let exporter = Daemon::start(EXPORTER, arguments);
        match query {
            "" => exporter.get("/metrics"),
            query => exporter.get(&format!("/scrape?target=rediss://127.0.0.1:{port}&{query}")),
        }
    };
    let named = [
        "--tls-server-name=redis.example",
        &authorities,
        &certificate,
        &key,
        &address,
    ];
    expect(&scrape(&named, ""), "redis_up 1");
    expect(
        &scrape(&named[1..], "tls_server_name=redis.example"),
        "redis_up 1",
    );
    expect(
        &scrape(&named[1..], "tls-server-name=redis.example"),
        "redis_up 1",
    );
    let unnamed = scrape(&named[1..], "");
    assert!(
        error(&unnamed).contains("certificate"),
        "{}",
        error(&unnamed)
    );
    let without_certificate = scrape(&[named[0], &authorities, &address], "");
    expect(&without_certificate, "redis_up 0");
    let unverified = scrape(
        &["--skip-tls-verification", &certificate, &key, &address],
        "",
    );
    expect(&unverified, "redis_up 1");
}

#[test]
fn users_and_passwords() {
    let server = Server::start(&[]);
    // The least that upstream documents, without COMMAND and with everything else.
    server.say(
        "ACL SETUSER exporter on >marker-user-password -@all +@connection +memory -readonly +strlen +config|get +xinfo +pfcount +zcard +type +xlen +client -client|kill +scard +llen +hlen +get +eval +slowlog +cluster|info +info +latency +scan ~*
         ACL SETUSER default >marker-default-password",
    );
    let passwords = server.path("passwords.json");
    let entry = |key: &str, password: &str| format!("{{\"{key}\": \"{password}\"}}");
    let url = server.url();
    let of_user = url.replace("://", "://exporter@");
    std::fs::write(&passwords, entry(&of_user, "marker-user-password")).unwrap();
    let address = format!("--redis.addr={url}");
    let file = format!("--redis.password-file={passwords}");
    let mut log = String::new();
    let mut bodies = String::new();
    let mut scrape = |arguments: &[&str], path: &str| {
        let arguments = [&["--debug"], arguments].concat();
        let exporter = Daemon::start(EXPORTER, &arguments);
        let reply = exporter.get(path);
        log += &exporter.log();
        bodies += &reply.text();
        reply
    };
    let user = "--redis.user=exporter";
    expect(
        &scrape(
            &[&address, "--redis.password=marker-default-password"],
            "/metrics",
        ),
        "redis_up 1",
    );
    let full = [
        &address,
        user,
        "--redis.password=marker-user-password",
        "--check-single-keys=a",
        "--check-key-groups=a",
        "--export-client-list",
        "--check-keys=*",
    ];
    let reply = scrape(&full, "/metrics");
    expect(
        &reply,
        "redis_up 1\nredis_key_size{db=\"db0\",key=\"a\"} 0\nredis_slowlog_last_id 0",
    );
    expect(&scrape(&[&address, user, &file], "/metrics"), "redis_up 1");
    let target = format!(
        "/scrape?target={}",
        of_user.replace("exporter@", "exporter:ignored@")
    );
    expect(&scrape(&[&file], &target), "redis_up 1");
    let other = format!("/scrape?target={url}");
    let refused = scrape(&[&file], &other);
    expect(&refused, "redis_up 0");
    assert!(
        error(&refused).starts_with("NOAUTH "),
        "{}",
        error(&refused)
    );
    let wrong = format!(
        "--redis.addr={}",
        url.replace("://", "://exporter:marker-wrong@")
    );
    let refused = scrape(&[&wrong], "/metrics");
    assert!(
        error(&refused).starts_with("WRONGPASS "),
        "{}",
        error(&refused)
    );
    let lone = format!(
        "--redis.addr={}",
        url.replace("://", "://marker-default-password@")
    );
    expect(&scrape(&[&lone, "--debug"], "/metrics"), "redis_up 1");
    let closed = "--redis.addr=redis://u:marker-closed@127.0.0.1:1";
    expect(&scrape(&[closed], "/metrics"), "redis_up 0");
    let lone = "--redis.addr=redis://marker-lone@127.0.0.1:1";
    expect(&scrape(&[lone], "/metrics"), "redis_up 0");
    let malformed = "--redis.addr=redis://u:marker-malformed@h:x";
    expect(&scrape(&[malformed], "/metrics"), "redis_up 0");
    let bad = scrape(&[], "/scrape?target=redis://u:marker-target@h:x");
    assert_eq!(bad.status, 400);
    std::fs::write(server.path("text"), "marker-default-password\n").unwrap();
    let text_file = format!("--redis.password-text-file={}", server.path("text"));
    expect(&scrape(&[&address, &text_file], "/metrics"), "redis_up 1");
    assert!(!log.contains("marker-"), "{log}");
    assert!(!bodies.contains("marker-"), "{bodies}");
}

#[test]
fn the_password_file_is_read_again() {
    let server = Server::start(&["--requirepass", "second"]);
    let passwords = server.path("passwords.json");
    let write = |password: &str| {
        std::fs::write(
            &passwords,
            format!("{{\"{}\": \"{password}\"}}", server.url()),
        )
        .unwrap();
    };
    write("first");
    let mut exporter = exporter(&server, &[&format!("--redis.password-file={passwords}")]);
    expect(&exporter.get("/metrics"), "redis_up 0");
    std::fs::write(&passwords, "[]").unwrap();
    assert_eq!(exporter.get("/-/reload").status, 500);
    write("second");
    let reply = exporter.get("/-/reload");
    assert_eq!((reply.status, reply.text().as_str()), (200, "ok"));
    expect(&exporter.get("/metrics"), "redis_up 1");
    write("third");
    exporter.signal(Signal::HUP);
    exporter.wait_for_log("Loaded config file");
    let patience = Instant::now() + Duration::from_secs(10);
    while !exporter.get("/metrics").text().contains("redis_up 0") {
        assert!(
            Instant::now() < patience,
            "the third password is not in force"
        );
    }
}

#[test]
fn a_server_in_trouble() {
    let mut server = Server::start(&[]);
    let mut exporter = exporter(&server, &["--connection-timeout=20s"]);
    expect(&exporter.get("/metrics"), "redis_up 1");

    // It hangs: the answer comes before the scraper gives up.
    server.signal(Signal::STOP);
    let asked = Instant::now();
    let reply = exporter.get_with("/metrics", "X-Prometheus-Scrape-Timeout-Seconds: 1\r\n");
    assert!(
        asked.elapsed() < Duration::from_secs(10),
        "{:?}",
        asked.elapsed()
    );
    expect(&reply, "redis_up 0");
    assert!(error(&reply).contains("i/o timeout"), "{}", error(&reply));
    server.signal(Signal::CONT);
    expect(&exporter.get("/metrics"), "redis_up 1");

    // It is gone, then there again.
    server.kill();
    let reply = exporter.get("/metrics");
    expect(&reply, "redis_up 0");
    assert!(error(&reply).contains("refused"), "{}", error(&reply));
    exporter.wait_for_log("Couldn't scrape redis://127.0.0.1:");
    server.start_again();
    expect(&exporter.get("/metrics"), "redis_up 1");

    for (answer, closes, part) in [
        (
            &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
            false,
            "Redis protocol",
        ),
        (b"$100\r\nhalf", true, "EOF"),
        (b"", true, "EOF"),
        (
            b"-LOADING Redis is loading the dataset in memory\r\n",
            false,
            "LOADING",
        ),
        (b"-NOAUTH Authentication required.\r\n", false, "NOAUTH"),
        (b"*2147483647\r\n", true, "EOF"),
    ] {
        let pretender = Pretender::start(answer, closes);
        let path = format!("/scrape?target={}", pretender.address);
        let reply = exporter.get_with(&path, "X-Prometheus-Scrape-Timeout-Seconds: 2\r\n");
        expect(&reply, "redis_up 0");
        let error = error(&reply);
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[test]
fn a_server_that_is_loading() {
    let mut server = Server::start(&[
        "--key-load-delay",
        "3000",
        "--loading-process-events-interval-bytes",
        "1024",
    ]);
    let mut lines = String::new();
    for at in 0..3000 {
        lines += &format!("SET key:{at} {}\n", "x".repeat(50));
    }
    server.say(&lines);
    server.say("SAVE");
    server.start_again();
    let exporter = exporter(&server, &["--check-single-keys=key:1"]);
    let reply = exporter.get("/metrics");
    expect(&reply, "redis_up 1\nredis_loading_dump_file 1");
    expect_none(&reply, &["redis_key_size"]);
}

#[test]
fn sockets_and_other_addresses() {
    let server = Server::start(&["--unixsocket", "{dir}/redis.sock"]);
    server.say("SELECT 2\nSET a 1");
    let unix = format!("--redis.addr=unix://{}", server.path("redis.sock"));
    std::fs::write(
        server.path("n.lua"),
        "return {'n', tostring(redis.call('DBSIZE'))}",
    )
    .unwrap();
    let script = format!("--script={}", server.path("n.lua"));
    let value = |reply: &Reply| {
        reply.value(&format!(
            "redis_script_values{{filename=\"{}\",key=\"n\"}}",
            server.path("n.lua")
        ))
    };
    let exporter = Daemon::start(
        EXPORTER,
        &[&unix, &script, "--namespace=", "--redis-only-metrics"],
    );
    let reply = exporter.get("/metrics");
    expect(&reply, "up 1");
    expect_none(&reply, &["\nredis_", "process_cpu", "build_info"]);
    let exporter = Daemon::start(EXPORTER, &["--redis.addr=", &script]);
    expect_none(
        &exporter.get("/metrics"),
        &["redis_up", "last_scrape_error"],
    );
    for (target, database) in [
        (server.address(), 0.0),
        (format!("tcp://{}", server.address()), 0.0),
        (format!("valkey://{}/2", server.address()), 1.0),
        (format!("redis://{}/2", server.address()), 1.0),
    ] {
        let path = format!("/scrape?target={target}&check-single-keys=db5%3Dx");
        // Twice: a kept connection must not stay in the database of the keys.
        for _ in 0..2 {
            let reply = exporter.get(&path);
            expect(&reply, "redis_up 1\nredis_key_size{db=\"db5\",key=\"x\"} 0");
            // The script runs where the keys were looked up last.
            assert_eq!(value(&reply), Some(0.0), "{target}");
            let plain = exporter.get(&format!("/scrape?target={target}"));
            assert_eq!(value(&plain), Some(database), "{target}");
        }
    }
}

#[test]
fn refused_commands_shift_no_value() {
    let server = Server::start(&[]);
    server.say(
        "SET a 1
         SET b 22
         SET c 333
         ACL SETUSER some on nopass ~a ~c +@all",
    );
    let exporter = exporter(
        &server,
        &[
            "--redis.user=some",
            "--redis.password=x",
            "--check-single-keys=a,b,c,db99=a,db1=a",
        ],
    );
    let reply = exporter.get("/metrics");
    expect(
        &reply,
        "redis_up 1
         redis_key_value{db=\"db0\",key=\"a\"} 1
         redis_key_value{db=\"db0\",key=\"c\"} 333
         redis_key_size{db=\"db1\",key=\"a\"} 0",
    );
    expect_none(&reply, &["key=\"b\"", "db=\"db99\""]);
}

#[test]
fn options_beyond_the_original() {
    let server = Server::start(&[]);
    server.say(DATA);
    let cut = exporter(
        &server,
        &[
            "--check-keys-batch-size=1",
            "--check-keys-timeout=1ns",
            "--count-keys=*",
            "--check-keys=user:*",
            "--check-single-keys=text,missing",
            "--check-key-groups=x",
            "--omit-missing-keys",
            "--export-client-groups",
            "--max-idle-connections=0",
        ],
    );
    for _ in 0..2 {
        let reply = cut.get("/metrics");
        expect(
            &reply,
            "redis_up 1
             redis_key_size{db=\"db0\",key=\"text\"} 5
             redis_client_group_connections{lib_name=\"\",name=\"redis_exporter\",user=\"default\"} 1",
        );
        // A scan that is cut off exports nothing rather than a part.
        let absent = [
            "keys_count{",
            "\"user:1:name\"",
            "\"missing\"",
            "db=\"db0\",key_group",
        ];
        expect_none(&reply, &absent);
    }
    assert!(cut.log().contains("took too long"), "{}", cut.log());
    // Nothing stays open.
    server.wait_for(&["INFO", "clients"], "connected_clients:1\r\n");
}
