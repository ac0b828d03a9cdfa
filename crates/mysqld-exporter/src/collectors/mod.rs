//! All collectors, one file each, and the table that registers them.

use crate::server::{Error, Server, Session};
use exporter_core::cli::Matches;
use exporter_core::collector::asynchronous::Collecting;
use exporter_core::collector::{self, AsyncCollector, Definition, Scrape};
use exporter_core::exposition::Arena;
use std::future::Future;
use std::pin::Pin;

mod grid;
mod names;
pub(crate) mod sql;
pub mod status_value;
mod user_statistics;

/// Samples to come.
pub type Asking<'a> = Pin<Box<dyn Future<Output = Result<(), Error>> + Send + 'a>>;

/// Asks one server by the connection it is given: statements, then `parse`, which is pure, then
/// samples.
pub trait Collector: Send + Sync + 'static {
    /// Asks and puts.
    fn collect<'a>(&'a self, session: &'a mut Session, out: &'a mut Arena) -> Asking<'a>;
}

/// What an account must be granted for a collector.
#[derive(Clone, Copy, Debug)]
pub struct Grant {
    /// On MySQL and its relatives.
    pub mysql: &'static str,
    /// On MariaDB from 10.5 on.
    pub mariadb: &'static str,
}

impl Grant {
    /// The same on both.
    const fn both(privilege: &'static str) -> Self {
        Grant {
            mysql: privilege,
            mariadb: privilege,
        }
    }
}

const PROCESS: Grant = Grant::both("PROCESS ON *.*");
const SELECT: Grant = Grant::both("SELECT ON *.*");
const PERFORMANCE_SCHEMA: Grant = Grant::both("SELECT ON performance_schema.*");

/// A collector with what is known of it beforehand.
pub struct Registered {
    /// Its name.
    pub name: &'static str,
    /// The oldest version of MySQL that has what it reads.
    pub minimum: (u32, u32),
    grant: Grant,
    collector: Box<dyn Collector>,
}

impl AsyncCollector<Server> for Registered {
    fn collect<'a>(
        &'a self,
        server: &'a Server,
        out: &'a mut Arena,
        scrape: Scrape,
    ) -> Collecting<'a> {
        Box::pin(async move {
            let result = match server.session(self.name, scrape.deadline).await {
                Ok(mut session) => {
                    let mariadb = session.version().is_mariadb((10, 5, 0));
                    let result = self.collector.collect(&mut session, out).await;
                    result.map_err(|error| (error, mariadb))
                }
                Err(error) => Err((error, false)),
            };
            match result {
                Ok(()) => {
                    server.is_allowed(self.name);
                    Ok(())
                }
                Err((error, mariadb)) => Err(self.told(server, &error, mariadb)),
            }
        })
    }
}

impl Registered {
    /// A missing privilege is an error once, with what mends it; then it is known.
    fn told(&self, server: &Server, error: &Error, mariadb: bool) -> collector::Error {
        let address = &server.address;
        if !error.is_denied() {
            return collector::Error::failed(format!("{address}: {error}"));
        }
        let privilege = match mariadb {
            true => self.grant.mariadb,
            false => self.grant.mysql,
        };
        let why = format!("{address}: {error}; to mend it: GRANT {privilege} TO the account");
        match server.is_news(self.name) {
            true => collector::Error::Failed(why),
            false => collector::Error::NoData(why),
        }
    }
}

macro_rules! collectors {
    ($( $name:literal $module:ident: $state:ident, $major:literal $minor:literal; )*) => {
        $( pub mod $module; )*

        /// The table of collectors: name, whether it runs without being asked for, and the oldest
        /// MySQL that has what it reads.
        pub static TABLE: &[Definition<Matches, Registered>] = &[
            $( Definition {
                name: $name,
                switch: exporter_core::collector_switch!("collect.", $name, $state),
                flags: $module::FLAGS,
                families: $module::families,
                new: |matches| Ok(Registered {
                    name: concat!("collect.", $name),
                    minimum: ($major, $minor),
                    grant: $module::GRANT,
                    collector: $module::new(matches)?,
                }),
            }, )*
        ];
    };
}

collectors! {
    "auto_increment.columns" auto_increment_columns: off, 5 1;
    "binlog_size" binlog_size: off, 5 1;
    "engine_innodb_status" engine_innodb_status: off, 5 1;
    "engine_tokudb_status" engine_tokudb_status: off, 5 6;
    "global_status" global_status: on, 5 1;
    "global_variables" global_variables: on, 5 1;
    "heartbeat" heartbeat: off, 5 1;
    "info_schema.clientstats" info_schema_clientstats: off, 5 5;
    "info_schema.innodb_cmp" info_schema_innodb_cmp: on, 5 5;
    "info_schema.innodb_cmpmem" info_schema_innodb_cmpmem: on, 5 5;
    "info_schema.innodb_metrics" info_schema_innodb_metrics: off, 5 6;
    "info_schema.innodb_tablespaces" info_schema_innodb_tablespaces: off, 5 7;
    "info_schema.innodb_trx" info_schema_innodb_trx: off, 5 5;
    "info_schema.processlist" info_schema_processlist: off, 5 1;
    "info_schema.query_response_time" info_schema_query_response_time: on, 5 5;
    "info_schema.replica_host" info_schema_replica_host: off, 5 6;
    "info_schema.rocksdb_perf_context" info_schema_rocksdb_perf_context: off, 5 6;
    "info_schema.schemastats" info_schema_schemastats: off, 5 1;
    "info_schema.tables" info_schema_tables: off, 5 1;
    "info_schema.tablestats" info_schema_tablestats: off, 5 1;
    "info_schema.userstats" info_schema_userstats: off, 5 1;
    "mysql.user" mysql_user: off, 5 1;
    "perf_schema.eventsstatements" perf_schema_eventsstatements: off, 5 6;
    "perf_schema.eventsstatementssum" perf_schema_eventsstatementssum: off, 5 7;
    "perf_schema.eventswaits" perf_schema_eventswaits: off, 5 5;
    "perf_schema.file_events" perf_schema_file_events: off, 5 6;
    "perf_schema.file_instances" perf_schema_file_instances: off, 5 5;
    "perf_schema.indexiowaits" perf_schema_indexiowaits: off, 5 6;
    "perf_schema.memory_events" perf_schema_memory_events: off, 5 7;
    "perf_schema.replication_applier_status_by_worker" perf_schema_replication_applier_status_by_worker: off, 8 0;
    "perf_schema.replication_group_member_stats" perf_schema_replication_group_member_stats: off, 5 7;
    "perf_schema.replication_group_members" perf_schema_replication_group_members: off, 5 7;
    "perf_schema.tableiowaits" perf_schema_tableiowaits: off, 5 6;
    "perf_schema.tablelocks" perf_schema_tablelocks: off, 5 6;
    "slave_hosts" slave_hosts: off, 5 1;
    "slave_status" slave_status: on, 5 1;
    "sys.user_summary" sys_user_summary: off, 5 7;
}
