//! Connections to servers that misbehave.

use super::fake::{Fake, Greeting, Reply};
use super::*;
use crate::config::{Password, Tls, Wanted};

fn server(fake: &Fake, change: impl FnOnce(&mut Section)) -> Server {
    let address = Address::parse(&fake.address.to_string()).unwrap();
    let mut section = Section {
        name: "client".to_owned(),
        user: "u".to_owned(),
        password: Password::new("hunter2"),
        address: address.clone(),
        cleartext: false,
        tls: Tls {
            wanted: Wanted::No,
            server_name: None,
            min: None,
            max: None,
        },
    };
    change(&mut section);
    let options = SessionOptions {
        lock_wait_timeout: Some(2),
        log_slow_filter: false,
        long_query_time: None,
    };
    Server::new(address, &section, options, 2).unwrap()
}

fn later() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

async fn ask(server: &Server, sql: &str) -> Result<String, Error> {
    let mut session = server.session("test", later()).await?;
    let rows = session.query(sql).await?;
    Ok(rows.scalar().unwrap_or("NULL").to_owned())
}

#[tokio::test]
async fn a_statement_that_hangs_is_not_asked_again() {
    let fake = Fake::start("8.4.1", Greeting::Welcome, |sql| match sql {
        "HANG" => Reply::Nothing,
        _ => Reply::Text(b"1"),
    })
    .await;
    let server = server(&fake, |_| {});
    server.check(later()).await.unwrap();
    for _ in 0..5 {
        let deadline = Instant::now() + Duration::from_millis(100);
        let hanging = async {
            let mut session = server.session("hangs", deadline).await?;
            session.query("HANG").await
        };
        let cut_off = tokio::time::timeout_at(deadline.into(), hanging).await;
        assert!(!matches!(cut_off, Ok(Ok(_))));
        assert_eq!(ask(&server, "SELECT 1").await.unwrap(), "1");
    }
    let again = server.session("hangs", later()).await.err().unwrap();
    assert!(again.to_string().contains("still running"), "{again}");
    assert!(fake.most.load(Ordering::Acquire) <= 2);
}

#[tokio::test]
async fn results_that_end_early_are_errors_and_the_next_one_is_not() {
    let fake = Fake::start("8.4.1", Greeting::Welcome, |sql| match sql {
        "REFUSED" => Reply::Refused(1227),
        "LATE" => Reply::RefusedLate(1227),
        "CUT" => Reply::Cut,
        "FILE" => Reply::WantsFile,
        "BYTES" => Reply::Text(b"a\xff\xfeb"),
        _ => Reply::Text(b"1"),
    })
    .await;
    let server = server(&fake, |_| {});
    assert!(ask(&server, "REFUSED").await.unwrap_err().is_denied());
    assert!(ask(&server, "LATE").await.unwrap_err().is_denied());
    let cut = ask(&server, "CUT").await.unwrap_err();
    assert!(matches!(cut, Error::Connection(_)), "{cut}");
    assert!(ask(&server, "FILE").await.is_err());
    assert_eq!(ask(&server, "BYTES").await.unwrap(), "a\u{fffd}b");
    assert_eq!(ask(&server, "SELECT 1").await.unwrap(), "1");
}

#[tokio::test]
async fn versions_that_are_none_are_no_servers() {
    let fake = Fake::start("8.0", Greeting::Welcome, |_| Reply::Text(b"1")).await;
    let error = server(&fake, |_| {}).check(later()).await.unwrap_err();
    assert!(error.to_string().contains("version \"8.0\""), "{error}");
}

#[tokio::test]
async fn a_further_connection_that_is_refused_costs_nothing() {
    let fake = Fake::start("10.11.1-MariaDB", Greeting::One, |sql| match sql {
        "SELECT 2" => Reply::Text(b"2"),
        _ => Reply::Text(b"1"),
    })
    .await;
    let server = server(&fake, |_| {});
    let mut first = server.session("first", later()).await.unwrap();
    let waiting = ask(&server, "SELECT 2");
    tokio::pin!(waiting);
    // Long enough that a second connection is tried.
    let patience = tokio::time::timeout(Duration::from_millis(200), waiting.as_mut());
    assert!(patience.await.is_err());
    assert_eq!(fake.most.load(Ordering::Acquire), 2);
    assert_eq!(first.query("SELECT 1").await.unwrap().scalar(), Some("1"));
    drop(first);
    assert_eq!(waiting.await.unwrap(), "2");
}

#[tokio::test]
async fn a_password_is_not_sent_as_it_is_over_plain_connections() {
    let fake = Fake::start("8.4.1", Greeting::Cleartext, |_| Reply::Text(b"1")).await;
    for cleartext in [false, true] {
        let server = server(&fake, |section| section.cleartext = cleartext);
        assert!(server.check(later()).await.is_err());
    }
    let received = fake.received.lock().unwrap();
    assert!(!received.windows(7).any(|w| w == b"hunter2"));
}

#[tokio::test]
async fn preferred_tls_does_without() {
    let fake = Fake::start("8.4.1", Greeting::Welcome, |_| Reply::Text(b"1")).await;
    let server = |wanted: Wanted| server(&fake, |section| section.tls.wanted = wanted);
    server(Wanted::Preferred).check(later()).await.unwrap();
    let error = server(Wanted::Unverified).check(later()).await.unwrap_err();
    assert!(error.to_string().contains("SSL"), "{error}");
}
