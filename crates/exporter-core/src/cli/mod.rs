//! Flags as data: one definition serves the parser of each dialect, `--help`, the man page and
//! shell completions.
//!
//! Users' scripts are written for three dialects of Go programs, which differ in what is an error
//! and how it ends; no parser for the shape of GNU options can tell them apart, so they are our
//! own.

mod app;
mod completion;
mod flag;
pub mod goflag;
mod help;
pub mod kingpin;
mod man;
pub mod pflag;

pub use app::{App, Exit};
pub use flag::{Flag, FlagKind, FromFlag, Given, Matches, PREFIX_VARIABLE, Source};

/// What a hidden flag prints that packages are made with, the same in every dialect.
fn printed(app: &App, flag: &str, style: app::Style) -> Option<String> {
    match flag {
        "help-man" => Some(man::page(app, style)),
        "completion-script-bash" => Some(completion::bash(app, style)),
        "completion-script-zsh" => Some(completion::zsh(app, style)),
        "completion-script-fish" => Some(completion::fish(app, style)),
        _ => None,
    }
}

/// How the flags of a binary are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// kingpin 2.4.
    Kingpin,
    /// The same with help and version on standard error.
    KingpinOnStderr,
    /// Go's `flag` package.
    GoFlag,
    /// pflag and cobra; knows no variables.
    Pflag,
}

impl Dialect {
    /// Parses arguments (without the program's name). `env` looks variables up.
    pub fn parse(
        self,
        app: &App,
        arguments: &[String],
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<Matches, Exit> {
        match self {
            Dialect::Kingpin => kingpin::parse(app, arguments, env),
            Dialect::KingpinOnStderr => kingpin::parse_with_help_on_stderr(app, arguments, env),
            Dialect::GoFlag => goflag::parse(app, arguments, env),
            Dialect::Pflag => pflag::parse(app, arguments),
        }
    }

    /// The end of a process whose flags hold a value that cannot be. Usages show variables.
    pub fn error(self, app: &App, message: &str, env: impl Fn(&str) -> Option<String>) -> Exit {
        match self {
            Dialect::Kingpin | Dialect::KingpinOnStderr => app.error(message),
            Dialect::GoFlag => goflag::usage_error(app, message, &env),
            Dialect::Pflag => pflag::error(app, message),
        }
    }
}
