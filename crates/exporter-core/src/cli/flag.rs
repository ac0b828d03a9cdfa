//! The definition of a flag and the typed view of what was given.

use crate::dialect::{duration, strconv};
use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

/// The variable whose value, such as `NODE_EXPORTER_`, makes a variable for every flag:
/// `NODE_EXPORTER_WEB_LISTEN_ADDRESS` for `--web.listen-address`. Unset, only declared ones count.
pub const PREFIX_VARIABLE: &str = "EXPORTER_ENV_PREFIX";

/// What a flag's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagKind {
    /// Present or not; takes no value on the command line of the kingpin dialect.
    Bool,
    /// A whole number in the dialect's own syntax.
    Int,
    /// A whole number that is not negative, decimal or with a prefix that tells its base.
    Unsigned,
    /// A number.
    Float,
    /// Any text.
    Text,
    /// A Go duration.
    Duration,
    /// One of a few words, matched as the flag says.
    Word {
        /// The words.
        of: &'static [&'static str],
        /// Whether letter case is ignored.
        fold_case: bool,
    },
    /// `KEY=VALUE` or `KEY:VALUE`.
    Pair,
}

/// One flag. Made by [`flags!`](crate::flags).
#[derive(Clone, Debug)]
pub struct Flag {
    /// Name without dashes.
    pub name: &'static str,
    /// One sentence or more for `--help`.
    pub help: &'static str,
    /// Kind of value.
    pub kind: FlagKind,
    /// Values when nothing is given. A flag that takes one value has exactly one.
    pub default: &'static [&'static str],
    /// May be given several times; giving one replaces the defaults.
    pub repeatable: bool,
    /// Left out of `--help`.
    pub hidden: bool,
    /// Variable read when the flag is absent.
    pub env: Option<&'static str>,
    /// One-letter form.
    pub short: Option<char>,
    /// Its value is a password or holds one: help never shows the default nor a variable's value.
    pub secret: bool,
}

impl Flag {
    /// A visible flag without variable.
    pub const fn new(
        name: &'static str,
        kind: FlagKind,
        repeatable: bool,
        default: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Flag {
            name,
            help,
            kind,
            default,
            repeatable,
            hidden: false,
            env: None,
            short: None,
            secret: false,
        }
    }

    /// Leaves the flag out of `--help`.
    pub const fn hidden(mut self) -> Self {
        self.hidden = true;
        self
    }

    /// Reads `variable` when the flag is absent.
    pub const fn env(mut self, variable: &'static str) -> Self {
        self.env = Some(variable);
        self
    }

    /// Adds a one-letter form.
    pub const fn short(mut self, letter: char) -> Self {
        self.short = Some(letter);
        self
    }

    /// Marks the value as secret.
    pub const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    /// Accepts only these words.
    pub const fn word(mut self, of: &'static [&'static str], fold_case: bool) -> Self {
        self.kind = FlagKind::Word { of, fold_case };
        self
    }

    /// What is in the variable that stands for the flag: the one it declares or, where the user set
    /// [`PREFIX_VARIABLE`], the one made of that prefix and the flag's name. Empty counts as unset.
    pub(super) fn env_value(
        &self,
        env: impl Fn(&str) -> Option<String>,
    ) -> Option<(String, String)> {
        let set = |variable: String| {
            let value = env(&variable).filter(|v| !v.is_empty())?;
            Some((variable, value))
        };
        let prefixed = || {
            let (_, prefix) = set(PREFIX_VARIABLE.to_owned())?;
            let name = self.name.to_ascii_uppercase().replace(['.', '-'], "_");
            set(prefix + &name)
        };
        self.env
            .and_then(|variable| set(variable.to_owned()))
            .or_else(prefixed)
    }

    /// What a variable says of a flag of Go's `flag` package, checked: those programs take the
    /// variables they declare as defaults, so an empty text counts, and whole numbers are decimal.
    pub(super) fn go_env(&self, env: impl Fn(&str) -> Option<String>) -> Option<String> {
        let declared = self.env.and_then(&env);
        match (self.kind, declared) {
            (FlagKind::Text, Some(text)) => Some(text),
            (FlagKind::Int, Some(text)) => strconv::parse_int(&text, 10).map(|v| v.to_string()),
            (FlagKind::Unsigned, Some(text)) => {
                strconv::parse_uint(&text, 10).map(|v| v.to_string())
            }
            (_, Some(text)) if !text.is_empty() => self.go_value(&text),
            _ => self
                .env_value(env)
                .and_then(|(_, text)| self.go_value(&text)),
        }
    }

    /// A value as Go's own packages read it, in the form that [`Matches`] holds.
    pub(super) fn go_value(&self, text: &str) -> Option<String> {
        match self.kind {
            FlagKind::Text | FlagKind::Pair => Some(text.to_owned()),
            FlagKind::Bool => strconv::parse_bool(text).map(|v| v.to_string()),
            FlagKind::Int => strconv::parse_int(text, 0).map(|v| v.to_string()),
            FlagKind::Unsigned => strconv::parse_uint(text, 0).map(|v| v.to_string()),
            FlagKind::Float => strconv::parse_float(text).map(|v| v.to_string()),
            FlagKind::Duration => duration::parse(text).ok().map(duration::format),
            FlagKind::Word { of, .. } => of.contains(&text).then(|| text.to_owned()),
        }
    }

    /// Takes `KEY=VALUE`.
    pub const fn pair(mut self) -> Self {
        self.kind = FlagKind::Pair;
        self
    }
}

/// Where a flag's value came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Nothing was given.
    Default,
    /// The environment variable.
    Environment,
    /// The command line.
    CommandLine,
}

/// The values of all flags after parsing, each already checked against its kind.
#[derive(Clone, Debug, Default)]
pub struct Matches {
    values: HashMap<&'static str, (Source, Vec<String>)>,
}

impl Matches {
    /// All defaults of these flags, as if nothing had been given.
    pub fn defaults<'a>(flags: impl IntoIterator<Item = &'a Flag>) -> Self {
        let mut matches = Matches::default();
        for flag in flags {
            let values = flag.default.iter().map(|v| (*v).to_owned()).collect();
            matches.set(flag.name, Source::Default, values);
        }
        matches
    }

    /// Sets the values of one flag. Durations are Go durations, whole numbers decimal, booleans
    /// `true` or `false`, whatever the dialect they were read in.
    pub fn set(&mut self, name: &'static str, source: Source, values: Vec<String>) {
        self.values.insert(name, (source, values));
    }

    /// Where the values of a flag came from; `Default` for an unknown one.
    pub fn source(&self, name: &str) -> Source {
        self.values.get(name).map_or(Source::Default, |v| v.0)
    }

    /// All values of a flag.
    pub fn values(&self, name: &str) -> &[String] {
        self.values.get(name).map_or(&[], |v| &v.1)
    }

    /// A typed value.
    pub fn get<T: FromFlag>(&self, name: &str) -> Result<T, String> {
        let value = T::from_flag(self.values(name), self.source(name));
        value.map_err(|error| match T::NAMES_ITSELF {
            true => error,
            false => format!("--{name}: {error}"),
        })
    }
}

/// A type that a flag can have.
pub trait FromFlag: Sized {
    /// The kind that the parser checks.
    const KIND: FlagKind;
    /// Whether the flag may be repeated.
    const REPEATABLE: bool = false;
    /// Whether errors tell by themselves which flag is meant.
    const NAMES_ITSELF: bool = false;
    /// Reads the value from what [`Matches`] holds.
    fn from_flag(values: &[String], source: Source) -> Result<Self, String>;
}

fn last(values: &[String]) -> &str {
    values.last().map_or("", String::as_str)
}

impl FromFlag for bool {
    const KIND: FlagKind = FlagKind::Bool;
    fn from_flag(values: &[String], _: Source) -> Result<Self, String> {
        Ok(last(values) == "true")
    }
}

impl FromFlag for i64 {
    const KIND: FlagKind = FlagKind::Int;
    fn from_flag(values: &[String], _: Source) -> Result<Self, String> {
        let text = last(values);
        text.parse()
            .map_err(|_| format!("expected a whole number, got {text:?}"))
    }
}

impl FromFlag for u64 {
    const KIND: FlagKind = FlagKind::Unsigned;
    fn from_flag(values: &[String], _: Source) -> Result<Self, String> {
        let text = last(values);
        text.parse()
            .map_err(|_| format!("expected a whole number, got {text:?}"))
    }
}

impl FromFlag for f64 {
    const KIND: FlagKind = FlagKind::Float;
    fn from_flag(values: &[String], _: Source) -> Result<Self, String> {
        let text = last(values);
        text.parse()
            .map_err(|_| format!("expected a number, got {text:?}"))
    }
}

impl FromFlag for String {
    const KIND: FlagKind = FlagKind::Text;
    fn from_flag(values: &[String], _: Source) -> Result<Self, String> {
        Ok(last(values).to_owned())
    }
}

impl FromFlag for PathBuf {
    const KIND: FlagKind = FlagKind::Text;
    fn from_flag(values: &[String], _: Source) -> Result<Self, String> {
        Ok(PathBuf::from(last(values)))
    }
}

impl FromFlag for Vec<String> {
    const KIND: FlagKind = FlagKind::Text;
    const REPEATABLE: bool = true;
    fn from_flag(values: &[String], _: Source) -> Result<Self, String> {
        Ok(values.to_vec())
    }
}

impl FromFlag for Duration {
    const KIND: FlagKind = FlagKind::Duration;
    fn from_flag(values: &[String], _: Source) -> Result<Self, String> {
        crate::dialect::duration::parse_non_negative(last(values))
    }
}

/// A value together with whether the user gave it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given<T> {
    /// The value, the default where nothing was given.
    pub value: T,
    /// Whether the flag or its variable was given.
    pub given: bool,
}

impl<T: FromFlag> FromFlag for Given<T> {
    const KIND: FlagKind = T::KIND;
    const REPEATABLE: bool = T::REPEATABLE;
    const NAMES_ITSELF: bool = T::NAMES_ITSELF;
    fn from_flag(values: &[String], source: Source) -> Result<Self, String> {
        Ok(Given {
            value: T::from_flag(values, source)?,
            given: source != Source::Default,
        })
    }
}

/// Declares a struct of flags: each field with its flag name, type, defaults and, as doc comment,
/// the help text. In brackets after the name may stand methods of [`Flag`](crate::cli::Flag).
///
/// ```
/// exporter_core::flags! {
///     /// Flags of the diskstats collector.
///     pub struct Flags {
///         /// Regular expression of devices to leave out.
///         "collector.diskstats.device-exclude" device_exclude: String = ["^ram"];
///         /// Older spelling of the former.
///         "collector.diskstats.ignored-devices" [hidden()] ignored_devices: String = [""];
///     }
/// }
/// let matches = exporter_core::cli::Matches::defaults(Flags::TABLE);
/// assert_eq!(Flags::read(&matches).unwrap().device_exclude, "^ram");
/// ```
#[macro_export]
macro_rules! flags {
    (
        $(#[$outer:meta])*
        $vis:vis struct $struct:ident {
            $(
                $(#[doc = $doc:literal])+
                $name:literal $([ $($option:ident ( $($argument:expr),* )),* ])?
                $field:ident : $type:ty = [ $($default:expr),* ];
            )*
        }
    ) => {
        $(#[$outer])*
        #[derive(Clone, Debug)]
        $vis struct $struct {
            $( $(#[doc = $doc])+ pub $field: $type, )*
        }

        impl $struct {
            /// The definitions, in the order of the fields.
            pub const TABLE: &'static [$crate::cli::Flag] = &[
                $(
                    $crate::cli::Flag::new(
                        $name,
                        <$type as $crate::cli::FromFlag>::KIND,
                        <$type as $crate::cli::FromFlag>::REPEATABLE,
                        &[ $($default),* ],
                        concat!($($doc),+),
                    )$($(.$option($($argument),*))*)?,
                )*
            ];

            /// Takes the values of these flags out of all that was parsed.
            pub fn read(matches: &$crate::cli::Matches) -> Result<Self, String> {
                Ok($struct { $( $field: matches.get($name)?, )* })
            }
        }
    };
}
