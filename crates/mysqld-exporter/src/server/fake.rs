//! A server that answers as a test says: for what no real one does on demand.
//!
//! It speaks the least of the client/server protocol: greeting, one account that always fits, text
//! results.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What a statement is answered with.
pub enum Reply {
    /// One row of one column.
    Text(&'static [u8]),
    /// Nothing but success.
    Done,
    /// An error instead of rows.
    Refused(u16),
    /// A row, then an error.
    RefusedLate(u16),
    /// A row, then the end of the connection.
    Cut,
    /// A request for a file of the client.
    WantsFile,
    /// Nothing, ever.
    Nothing,
}

/// How clients are greeted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Greeting {
    /// All may come in.
    Welcome,
    /// All but the first at a time are too many.
    One,
    /// The password is wanted as it is.
    Cleartext,
}

type Script = Arc<dyn Fn(&str) -> Reply + Send + Sync>;

/// A server that lives as long as the test.
pub struct Fake {
    /// Where it listens.
    pub address: SocketAddr,
    /// Connections open now.
    pub open: Arc<AtomicUsize>,
    /// The most that were open at a time.
    pub most: Arc<AtomicUsize>,
    /// All that clients sent after the greeting.
    pub received: Arc<Mutex<Vec<u8>>>,
}

impl Fake {
    /// Answers by a script; versions and settings are answered by themselves.
    pub async fn start(
        version: &'static str,
        greeting: Greeting,
        script: impl Fn(&str) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let fake = Fake {
            address: listener.local_addr().unwrap(),
            open: Arc::default(),
            most: Arc::default(),
            received: Arc::default(),
        };
        let script: Script = Arc::new(move |sql| match sql {
            "SELECT @@version" => Reply::Text(version.as_bytes()),
            sql if sql.starts_with("SET ") => Reply::Done,
            sql => script(sql),
        });
        let (open, most) = (fake.open.clone(), fake.most.clone());
        let received = fake.received.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let now = open.fetch_add(1, Ordering::AcqRel) + 1;
                most.fetch_max(now, Ordering::AcqRel);
                let (script, open, received) = (script.clone(), open.clone(), received.clone());
                tokio::spawn(async move {
                    let mut talk = Talk {
                        stream,
                        sequence: 0,
                        received,
                    };
                    let too_many = greeting == Greeting::One && now > 1;
                    // A client that leaves is no matter.
                    let _ = talk.serve(version, greeting, too_many, &script).await;
                    open.fetch_sub(1, Ordering::AcqRel);
                });
            }
        });
        fake
    }
}

struct Talk {
    stream: TcpStream,
    sequence: u8,
    received: Arc<Mutex<Vec<u8>>>,
}

const OK: &[u8] = &[0, 0, 0, 2, 0, 0, 0];
const END: &[u8] = &[0xfe, 0, 0, 2, 0];

impl Talk {
    async fn serve(
        &mut self,
        version: &str,
        greeting: Greeting,
        too_many: bool,
        script: &Script,
    ) -> std::io::Result<()> {
        if too_many {
            return self.send(&error(1040)).await;
        }
        self.send(&hello(version)).await?;
        self.receive().await?;
        if greeting == Greeting::Cleartext {
            self.send(b"\xfemysql_clear_password\0").await?;
            self.receive().await?;
        }
        self.send(OK).await?;
        loop {
            self.sequence = 0;
            let command = self.receive().await?;
            match command.split_first() {
                Some((3, sql)) => {
                    let sql = String::from_utf8_lossy(sql).into_owned();
                    self.answer(script(&sql)).await?;
                }
                Some((14, _)) => self.send(OK).await?,
                _ => return Ok(()),
            }
        }
    }

    async fn answer(&mut self, reply: Reply) -> std::io::Result<()> {
        match reply {
            Reply::Done => self.send(OK).await,
            Reply::Refused(code) => self.send(&error(code)).await,
            Reply::WantsFile => {
                self.send(b"\xfb/etc/passwd").await?;
                self.receive().await?;
                self.send(OK).await
            }
            Reply::Text(text) => {
                self.row(text).await?;
                self.send(END).await
            }
            Reply::RefusedLate(code) => {
                self.row(b"x").await?;
                self.send(&error(code)).await
            }
            Reply::Cut => {
                self.row(b"x").await?;
                Err(std::io::ErrorKind::ConnectionAborted.into())
            }
            Reply::Nothing => std::future::pending().await,
        }
    }

    async fn row(&mut self, text: &[u8]) -> std::io::Result<()> {
        self.send(&[1]).await?;
        let mut column = b"\x03def\0\0\0\x01c\0\x0c".to_vec();
        column.extend([45, 0, 255, 0, 0, 0, 0xfd, 0, 0, 0, 0, 0]);
        self.send(&column).await?;
        self.send(END).await?;
        let length = u8::try_from(text.len()).unwrap();
        self.send(&[&[length], text].concat()).await
    }

    async fn send(&mut self, payload: &[u8]) -> std::io::Result<()> {
        let length = (payload.len() as u32).to_le_bytes();
        let head = [length[0], length[1], length[2], self.sequence];
        self.sequence = self.sequence.wrapping_add(1);
        self.stream.write_all(&[&head, payload].concat()).await
    }

    async fn receive(&mut self) -> std::io::Result<Vec<u8>> {
        let mut head = [0; 4];
        self.stream.read_exact(&mut head).await?;
        self.sequence = head[3].wrapping_add(1);
        let length = u32::from_le_bytes([head[0], head[1], head[2], 0]);
        let mut payload = vec![0; length as usize];
        self.stream.read_exact(&mut payload).await?;
        self.received.lock().unwrap().extend_from_slice(&payload);
        Ok(payload)
    }
}

/// Protocol 10 with neither TLS nor newer ways to end results.
fn hello(version: &str) -> Vec<u8> {
    let mut hello = vec![10];
    hello.extend_from_slice(version.as_bytes());
    hello.extend_from_slice(b"\0\x07\0\0\0saltsalt\0");
    hello.extend([0x01, 0xa2, 45, 2, 0, 0x08, 0, 21]);
    hello.extend([0; 10]);
    hello.extend_from_slice(b"saltsaltsalt\0mysql_native_password\0");
    hello
}

fn error(code: u16) -> Vec<u8> {
    let code = code.to_le_bytes();
    [&[0xff, code[0], code[1]], &b"#HY000no"[..]].concat()
}
