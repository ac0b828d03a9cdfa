//! What a collector asks and what it makes of the rows.

use crate::connection::{Failure, Limits};
use crate::rows::Rows;
use crate::target::Target;
use crate::version::Version;
use exporter_core::collector::asynchronous::Collecting;
use exporter_core::collector::{AsyncCollector, Error, Scrape};
use exporter_core::exposition::Arena;
use std::borrow::Cow;
use std::time::{Duration, Instant};

/// Longest time that a statement which takes locks waits for one.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);

/// What is asked of a server of some version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// This statement.
    Ask(Cow<'static, str>),
    /// Nothing; servers of this version have nothing to tell.
    Nothing,
    /// Nothing, which is said once.
    Skip(&'static str),
    /// Nothing, and the collector fails.
    Fail(&'static str),
}

impl From<&'static str> for Question {
    fn from(sql: &'static str) -> Self {
        Question::Ask(Cow::Borrowed(sql))
    }
}

impl From<String> for Question {
    fn from(sql: String) -> Self {
        Question::Ask(Cow::Owned(sql))
    }
}

type Choose = Box<dyn Fn(Version) -> Question + Send + Sync>;
type Put = Box<dyn Fn(&Rows, Version, &mut Arena) -> Result<(), Error> + Send + Sync>;

/// One statement and what is made of its rows.
pub struct Statement {
    choose: Choose,
    /// Asked instead where a lock was not to be had.
    without_locks: Option<Choose>,
    /// Whether it may take all the time that is left, not half of it.
    patient: bool,
    put: Put,
}

/// A collector: statements that are asked in turn.
pub struct Statements {
    name: &'static str,
    /// Role that lets a user ask them.
    role: &'static str,
    list: Vec<Statement>,
}

impl Statements {
    /// A collector of one statement.
    pub fn one(
        choose: impl Fn(Version) -> Question + Send + Sync + 'static,
        put: impl Fn(&Rows, Version, &mut Arena) -> Result<(), Error> + Send + Sync + 'static,
    ) -> Self {
        Statements {
            name: "",
            role: "pg_monitor",
            list: Vec::new(),
        }
        .and(choose, put)
    }

    /// One more statement.
    pub fn and(
        mut self,
        choose: impl Fn(Version) -> Question + Send + Sync + 'static,
        put: impl Fn(&Rows, Version, &mut Arena) -> Result<(), Error> + Send + Sync + 'static,
    ) -> Self {
        self.list.push(Statement {
            choose: Box::new(choose),
            without_locks: None,
            patient: false,
            put: Box::new(put),
        });
        self
    }

    /// The last statement takes locks on user tables: it does not wait long for them, and where
    /// one is not to be had, this one is asked instead.
    pub fn or_without_locks(
        mut self,
        choose: impl Fn(Version) -> Question + Send + Sync + 'static,
    ) -> Self {
        if let Some(last) = self.list.last_mut() {
            last.without_locks = Some(Box::new(choose));
        }
        self
    }

    /// The last statement may take all the time that is left. Others get half of it, so that one
    /// which waits for a lock on a catalogue does not cost those behind it.
    pub fn patient(mut self) -> Self {
        if let Some(last) = self.list.last_mut() {
            last.patient = true;
        }
        self
    }

    /// Gives it its name.
    pub fn named(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    async fn run(&self, target: &Target, out: &mut Arena, deadline: Instant) -> Result<(), Error> {
        for statement in &self.list {
            let limits = Limits {
                fair: !statement.patient,
                ..Limits::until(deadline)
            };
            match statement.ask(self.name, target, out, limits).await {
                Ok(Ok(())) => {}
                Ok(Err(Error::NoData(err))) => {
                    self.tell(target, &err, None);
                    return Err(Error::NoData(err));
                }
                Ok(Err(error)) => return Err(error),
                Err(failure) => return Err(self.explain(target, &failure)),
            }
        }
        target.forget(self.name);
        Ok(())
    }

    /// What a user can mend is told once, with the statement that mends it.
    fn explain(&self, target: &Target, failure: &Failure) -> Error {
        let remedy = match failure.code() {
            "42501" => {
                let user = target.dsn().ok();
                let user = user.as_ref().and_then(|dsn| dsn.get("user"));
                let user = user.unwrap_or("the user of the exporter");
                format!("GRANT {} TO \"{}\"", self.role, user.replace('"', "\"\""))
            }
            "42P01" | "42883" if self.name == "stat_statements" => {
                "CREATE EXTENSION pg_stat_statements".to_owned()
            }
            "42P01" | "42883" if self.name == "buffercache_summary" => {
                "CREATE EXTENSION pg_buffercache".to_owned()
            }
            _ => return Error::failed(failure),
        };
        self.tell(target, &failure.to_string(), Some(&remedy));
        Error::no_data(failure)
    }

    /// Says once what is wrong until it is right.
    fn tell(&self, target: &Target, err: &str, remedy: Option<&str>) {
        if target.first_time(self.name) {
            let (collector, server) = (self.name, target.server());
            tracing::warn!(collector, server, err, remedy, "collector may not ask");
        }
    }
}

impl Statement {
    /// Asks and puts. The outer error is that of asking.
    async fn ask(
        &self,
        name: &str,
        target: &Target,
        out: &mut Arena,
        mut limits: Limits,
    ) -> Result<Result<(), Error>, Failure> {
        if self.without_locks.is_some() {
            let left = limits.deadline.saturating_duration_since(Instant::now());
            limits.lock = Some(LOCK_PATIENCE.min(left / 3));
        }
        let mut choose = &self.choose;
        let mut answer = target
            .ask(limits, |server| sql(choose(server.version())))
            .await;
        // 55P03 is lock_not_available.
        if let (Some(other), Err(failure)) = (&self.without_locks, &answer)
            && failure.code() == "55P03"
        {
            choose = other;
            limits.lock = None;
            answer = target
                .ask(limits, |server| sql(choose(server.version())))
                .await;
        }
        let answer = answer?;
        let version = answer.version();
        Ok(match (answer.rows, choose(version)) {
            (Some(rows), _) => (self.put)(&rows, version, out),
            (None, Question::Fail(why)) => Err(Error::failed(why)),
            (None, Question::Skip(why)) => {
                if target.first_time(why) {
                    let (collector, server) = (name, target.server());
                    tracing::warn!(collector, server, "{why}");
                }
                Ok(())
            }
            (None, _) => Ok(()),
        })
    }

    /// The statement's own part, for tests.
    #[cfg(test)]
    pub fn put(&self, rows: &Rows, version: Version, out: &mut Arena) -> Result<(), Error> {
        (self.put)(rows, version, out)
    }
}

fn sql(question: Question) -> Option<Cow<'static, str>> {
    match question {
        Question::Ask(sql) => Some(sql),
        _ => None,
    }
}

impl AsyncCollector<Target> for Statements {
    fn collect<'a>(
        &'a self,
        target: &'a Target,
        out: &'a mut Arena,
        scrape: Scrape,
    ) -> Collecting<'a> {
        Box::pin(self.run(target, out, scrape.deadline))
    }
}

#[cfg(test)]
impl Statements {
    /// The statements, in order.
    pub fn list(&self) -> &[Statement] {
        &self.list
    }

    /// What is asked of a server, statement by statement.
    pub fn questions(&self, version: Version) -> Vec<Question> {
        self.list.iter().map(|s| (s.choose)(version)).collect()
    }
}
