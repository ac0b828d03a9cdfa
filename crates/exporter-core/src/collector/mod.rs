//! The contract of a collector, the table that names collectors, and the set that runs them.

pub mod asynchronous;
mod set;

pub use asynchronous::{AsyncCollector, AsyncSet};
pub use set::{Set, SetOptions, Unselectable};

use crate::cli::{Flag, Matches, Source};
use crate::exposition::{Arena, Family};
use std::fmt;
use std::time::Instant;

/// Something that reads one source at each scrape and puts its samples.
///
/// A collector is called by one thread at a time and keeps what it needs from scrape to scrape
/// (open files, buffers) in itself. Samples put before an error stay; parse before you put, so that
/// no family is cut in the middle.
pub trait Collector: Send {
    /// Reads the source and puts its samples.
    fn collect(&mut self, out: &mut Arena, scrape: &Scrape) -> Result<(), Error>;
}

impl<F> Collector for F
where
    F: FnMut(&mut Arena, &Scrape) -> Result<(), Error> + Send,
{
    fn collect(&mut self, out: &mut Arena, scrape: &Scrape) -> Result<(), Error> {
        self(out, scrape)
    }
}

/// What a collector may want to know of the scrape it runs in.
#[derive(Clone, Copy, Debug)]
pub struct Scrape {
    /// The answer is sent at this time, with or without this collector.
    pub deadline: Instant,
}

/// Why a collector did not finish.
#[derive(Debug)]
pub enum Error {
    /// The source does not exist here: success 0, told at debug level only.
    NoData(String),
    /// Something went wrong: success 0 and one line at error level.
    Failed(String),
}

impl Error {
    /// The source is not there.
    pub fn no_data(why: impl fmt::Display) -> Self {
        Error::NoData(why.to_string())
    }

    /// Something went wrong.
    pub fn failed(why: impl fmt::Display) -> Self {
        Error::Failed(why.to_string())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Error::NoData(why) | Error::Failed(why)) = self;
        f.write_str(why)
    }
}

impl std::error::Error for Error {}

impl From<String> for Error {
    fn from(why: String) -> Self {
        Error::Failed(why)
    }
}

impl From<&str> for Error {
    fn from(why: &str) -> Self {
        Error::Failed(why.to_owned())
    }
}

impl From<std::io::Error> for Error {
    fn from(why: std::io::Error) -> Self {
        Error::Failed(why.to_string())
    }
}

impl<Cx, Made> Definition<Cx, Made> {
    /// Whether it runs without being asked for.
    pub fn default_on(&self) -> bool {
        self.switch.default == ["true"]
    }

    /// Whether it runs. `--collector.disable-defaults` leaves only what was asked for.
    pub fn is_enabled(&self, matches: &Matches, disable_defaults: bool) -> bool {
        if disable_defaults && matches.source(self.switch.name) == Source::Default {
            return false;
        }
        matches
            .values(self.switch.name)
            .last()
            .is_some_and(|v| v == "true")
    }
}

/// The flags of a table's collectors, then the switches of all of them.
pub fn flags<Cx, Made>(table: &[Definition<Cx, Made>]) -> Vec<Flag> {
    let own = table.iter().flat_map(|d| d.flags);
    let switches = table.iter().map(|d| &d.switch);
    own.chain(switches).cloned().collect()
}

/// The switch of a collector: `collector_switch!("collector.", arp, on)` is
/// `--[no-]collector.arp`, which runs without being asked for.
#[macro_export]
macro_rules! collector_switch {
    ($prefix:literal, $name:expr, on) => {
        $crate::collector_switch!(@ $prefix, $name, "on", "true")
    };
    ($prefix:literal, $name:expr, off) => {
        $crate::collector_switch!(@ $prefix, $name, "off", "false")
    };
    (@ $prefix:literal, $name:expr, $state:literal, $default:literal) => {
        $crate::cli::Flag::new(
            concat!($prefix, $name),
            $crate::cli::FlagKind::Bool,
            false,
            &[$default],
            concat!("Run the ", $name, " collector (default: ", $state, ")."),
        )
    };
}

/// A table of collectors, each by the name of its module, which has `FLAGS`, `families` and `new`,
/// and whether it runs without being asked for.
///
/// ```
/// use exporter_core::collector::Definition;
///
/// mod load {
///     use exporter_core::{cli::Flag, collector::{Collector, Error, Scrape}};
///     use exporter_core::exposition::{Arena, Family};
///
///     static LOAD: Family = Family::gauge("app_load", &[], "Load of the application.");
///     pub const FLAGS: &[Flag] = &[];
///
///     pub fn families() -> Vec<&'static Family> {
///         vec![&LOAD]
///     }
///
///     pub fn new(_: &()) -> Result<Box<dyn Collector>, String> {
///         Ok(Box::new(|out: &mut Arena, _: &Scrape| -> Result<(), Error> {
///             out.put(&LOAD, &[], 0.5);
///             Ok(())
///         }))
///     }
/// }
///
/// exporter_core::collectors! {
///     /// The table of collectors.
///     pub static TABLE: Definition<()> =
///     load: on,
/// }
///
/// assert_eq!(TABLE[0].switch.name, "collector.load");
/// ```
#[macro_export]
macro_rules! collectors {
    (
        $(#[$doc:meta])*
        $vis:vis static $table:ident: $definition:ty = $( $name:ident: $state:ident, )*
    ) => {
        $(#[$doc])*
        $vis static $table: &[$definition] = &[
            $( $crate::collector::Definition {
                name: stringify!($name),
                switch: $crate::collector_switch!("collector.", stringify!($name), $state),
                flags: $name::FLAGS,
                families: $name::families,
                new: $name::new,
            }, )*
        ];
    };
}

/// One line of an exporter's table of collectors. `Cx` is what the exporter's constructors need,
/// `Made` what they make; those that ask a server make an `Arc<dyn AsyncCollector<Target>>`.
pub struct Definition<Cx: 'static, Made: 'static = Box<dyn Collector>> {
    /// Name, as in `--collector.NAME` and the label `collector`.
    pub name: &'static str,
    /// `--[no-]collector.NAME`; its default says whether it runs without being asked for.
    pub switch: Flag,
    /// Flags that belong to it alone.
    pub flags: &'static [Flag],
    /// Families it can put, run-time names as patterns.
    pub families: fn() -> Vec<&'static Family>,
    /// Makes it. Called only where it is enabled; the error ends the process at start.
    pub new: fn(&Cx) -> Result<Made, String>,
}
