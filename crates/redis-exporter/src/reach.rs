//! Keys wherever they are: on the one server that is scraped, or on all masters of a cluster.

use crate::client::{Cluster, Connection, Dialer, Error, Pipeline, Value, reply, slot};
use std::time::Instant;

/// How keys are reached, and until when.
pub struct Reach<'a> {
    /// Where.
    pub servers: Servers<'a>,
    /// What is not there by then is given up.
    pub deadline: Instant,
    /// Scans of all keys stop then.
    pub scan_deadline: Instant,
    /// COUNT of every SCAN.
    pub batch: i64,
}

/// One server or many.
pub enum Servers<'a> {
    /// The server that is scraped.
    One(&'a mut Connection),
    /// The masters of its cluster.
    Many(&'a mut Cluster, &'a Dialer),
}

impl Reach<'_> {
    /// Whether this is a cluster.
    pub fn is_cluster(&self) -> bool {
        matches!(self.servers, Servers::Many(..))
    }

    /// Selects a database, on all servers.
    pub async fn select(&mut self, database: &str) -> Result<(), Error> {
        match &mut self.servers {
            Servers::One(connection) => connection.select(database, self.deadline).await,
            Servers::Many(cluster, dialer) => {
                for master in cluster.masters() {
                    let connection = cluster.on(&master, dialer, self.deadline).await?;
                    connection.select(database, self.deadline).await?;
                }
                Ok(())
            }
        }
    }

    /// Sends commands, one a pipeline, each to where its key is. There is a reply to each, or the
    /// reason why there is none.
    pub async fn ask(&mut self, commands: &[(&[u8], Pipeline)]) -> Vec<Result<Value, Error>> {
        match &mut self.servers {
            Servers::One(connection) => {
                let mut together = Pipeline::new();
                commands
                    .iter()
                    .for_each(|(_, command)| together.append(command));
                match connection.ask(&together, self.deadline).await {
                    Ok(replies) => replies.into_iter().map(Ok).collect(),
                    Err(error) => commands.iter().map(|_| Err(error.clone())).collect(),
                }
            }
            Servers::Many(cluster, dialer) => {
                let commands: Vec<(u16, Pipeline)> = commands
                    .iter()
                    .map(|(key, command)| (slot(key), command.clone()))
                    .collect();
                cluster.ask(&commands, dialer, self.deadline).await
            }
        }
    }

    /// Repeats a command with the cursor that it replied, on each server, until that is 0. `command`
    /// makes it from a cursor, `take` is given what stands behind the cursor in each reply.
    pub async fn walk(
        &mut self,
        command: impl Fn(&str) -> Pipeline,
        mut take: impl FnMut(&[Value]),
    ) -> Result<(), Error> {
        let (deadline, stop) = (self.deadline, self.scan_deadline);
        match &mut self.servers {
            Servers::One(connection) => walk(connection, deadline, stop, &command, &mut take).await,
            Servers::Many(cluster, dialer) => {
                for master in cluster.masters() {
                    let connection = cluster.on(&master, dialer, deadline).await?;
                    walk(connection, deadline, stop, &command, &mut take).await?;
                }
                Ok(())
            }
        }
    }

    /// All names that match a pattern, a batch at a time; a name may come twice.
    pub async fn scan(
        &mut self,
        pattern: &[u8],
        mut take: impl FnMut(&[Value]),
    ) -> Result<(), Error> {
        let batch = self.batch.to_string();
        let command = |cursor: &str| {
            let mut pipeline = Pipeline::new();
            let arguments: [&[u8]; 5] = [
                cursor.as_bytes(),
                b"MATCH",
                pattern,
                b"COUNT",
                batch.as_bytes(),
            ];
            pipeline.with_bytes(&["SCAN"], &arguments);
            pipeline
        };
        let names = |rest: &[Value]| take(rest.first().and_then(reply::list).unwrap_or_default());
        self.walk(command, names).await
    }
}

async fn walk(
    connection: &mut Connection,
    deadline: Instant,
    stop: Instant,
    command: &impl Fn(&str) -> Pipeline,
    take: &mut impl FnMut(&[Value]),
) -> Result<(), Error> {
    let mut cursor = "0".to_owned();
    loop {
        let replies = connection.ask(&command(&cursor), deadline).await?;
        let reply = replies.first().unwrap_or(&Value::Nil);
        let unexpected =
            || Error::Server("expected a cursor and keys, got another reply".to_owned());
        let items = reply::list(reply::ok(reply)?).ok_or_else(unexpected)?;
        let (next, rest) = items.split_first().ok_or_else(unexpected)?;
        take(rest);
        cursor = reply::text(next).ok_or_else(unexpected)?.to_owned();
        if cursor == "0" {
            return Ok(());
        }
        if Instant::now() >= stop {
            return Err(Error::Server(
                "the scan of all keys took too long".to_owned(),
            ));
        }
    }
}
