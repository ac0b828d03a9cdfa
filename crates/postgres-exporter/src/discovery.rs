//! The databases of a server beside the connected one, and collectors that look into all of them.

use crate::collectors::Statements;
use crate::connection::Limits;
use crate::target::Target;
use exporter_core::collector::asynchronous::Collecting;
use exporter_core::collector::{AsyncCollector, Error, Scrape};
use exporter_core::exposition::Arena;
use std::sync::Arc;
use std::time::Instant;

/// Which databases are looked into.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Databases that are left out.
    pub exclude: Vec<String>,
    /// Databases that it is restricted to; none is all.
    pub include: Vec<String>,
}

impl Filter {
    fn wants(&self, name: &str) -> bool {
        let is = |other: &String| other == name;
        !self.exclude.iter().any(is) && (self.include.is_empty() || self.include.iter().any(is))
    }

    /// The databases of a server that are wanted, without the connected one and templates.
    ///
    /// # Errors
    /// Why there is no list.
    pub async fn databases(
        &self,
        target: &Target,
        deadline: Instant,
    ) -> Result<Vec<String>, String> {
        const SQL: &str = "SELECT datname FROM pg_database WHERE datallowconn AND NOT \
                           datistemplate AND datname <> current_database() ORDER BY datname";
        let answer = target
            .ask(Limits::until(deadline), |_| Some(SQL.into()))
            .await;
        let answer = answer.map_err(|failure| failure.to_string())?;
        let rows = answer.rows.unwrap_or_default();
        let names = rows.iter().filter_map(|row| row.text(0));
        let wanted = names.filter(|name| self.wants(name));
        Ok(wanted.map(str::to_owned).collect())
    }
}

/// A collector of the connected database that asks the other databases, too, one after the other.
pub struct Everywhere {
    /// The collector.
    pub statements: Arc<Statements>,
    /// Which databases it asks.
    pub filter: Filter,
}

impl Everywhere {
    async fn run(&self, target: &Target, out: &mut Arena, deadline: Instant) -> Result<(), Error> {
        let scrape = Scrape { deadline };
        let mut result = self.statements.collect(target, out, scrape).await;
        let names = self.filter.databases(target, deadline).await?;
        for database in target.databases(&names) {
            // Together with the connections to the first database never more than allowed.
            let slot = target.pool().reserve(deadline).await;
            let _slot = slot.map_err(Error::failed)?;
            let other = self.statements.collect(&database, out, scrape).await;
            database.pool().drain().await;
            result = result.and(other);
        }
        result
    }
}

impl AsyncCollector<Target> for Everywhere {
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
mod tests {
    use super::*;

    #[test]
    fn filters() {
        let names = |list: &[&str]| list.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let all = Filter::default();
        let some = Filter {
            exclude: names(&["a"]),
            include: names(&["a", "b"]),
        };
        for (name, by_all, by_some) in [("a", true, false), ("b", true, true), ("c", true, false)] {
            assert_eq!(
                (all.wants(name), some.wants(name)),
                (by_all, by_some),
                "{name}"
            );
        }
    }
}
