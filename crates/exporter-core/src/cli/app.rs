//! A program's flags as a whole, and what parsing them may end in.

use super::{Flag, FlagKind};
use std::io::Write;

/// What an exporter tells the command line of itself.
#[derive(Clone, Debug)]
pub struct App {
    /// Base name of `argv[0]`, for the usage line and errors.
    pub name: String,
    /// One sentence.
    pub about: &'static str,
    /// What `--version` prints, without a final newline.
    pub version: String,
    /// All flags, in the order of `--help`.
    pub flags: Vec<Flag>,
}

/// A parse that ends the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    /// Exit status.
    pub code: i32,
    /// For standard output.
    pub stdout: String,
    /// For standard error.
    pub stderr: String,
}

impl Exit {
    /// Prints and ends the process.
    pub fn exit(self) -> ! {
        // A closed stream takes nothing away from the exit status.
        let _ = std::io::stdout().write_all(self.stdout.as_bytes());
        let _ = std::io::stdout().flush();
        let _ = std::io::stderr().write_all(self.stderr.as_bytes());
        std::process::exit(self.code)
    }

    /// Success with this on standard output.
    pub fn print(stdout: String) -> Self {
        Exit {
            code: 0,
            stdout,
            stderr: String::new(),
        }
    }

    /// Success with this on standard error.
    pub fn print_on_stderr(stderr: String) -> Self {
        Exit {
            code: 0,
            stdout: String::new(),
            stderr,
        }
    }
}

impl App {
    /// The base name of `argv[0]`, or `fallback` where there is none.
    pub fn base_name(argv0: Option<&str>, fallback: &str) -> String {
        let base = argv0.and_then(|path| path.rsplit('/').next());
        base.filter(|name| !name.is_empty())
            .unwrap_or(fallback)
            .to_owned()
    }

    /// A flag by its long name.
    pub fn find(&self, name: &str) -> Option<&Flag> {
        self.flags.iter().find(|flag| flag.name == name)
    }

    /// An error in the form of the kingpin dialect: exit status 1.
    pub fn error(&self, message: &str) -> Exit {
        Exit {
            code: 1,
            stdout: String::new(),
            stderr: format!("{}: error: {message}, try --help\n", self.name),
        }
    }

    /// Flags that listings show.
    pub fn visible(&self) -> impl Iterator<Item = &Flag> {
        self.flags.iter().filter(|flag| !flag.hidden)
    }
}

/// How flags are written in listings, by dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// `--[no-]switch`, `--flag=value`.
    Kingpin,
    /// `-switch`, `-flag=value`.
    GoFlag,
    /// `--switch`, `--flag=value`.
    Pflag,
}

impl Style {
    /// What stands before a name.
    pub fn dash(self) -> &'static str {
        match self {
            Style::GoFlag => "-",
            Style::Kingpin | Style::Pflag => "--",
        }
    }

    /// Whether a switch has a `no-` form.
    pub fn negates(self, flag: &Flag) -> bool {
        self == Style::Kingpin && flag.kind == FlagKind::Bool
    }
}

/// How a flag is written in listings: `--[no-]web.systemd-socket`, `--path.procfs="/proc"`.
pub fn spelling(flag: &Flag, style: Style) -> String {
    let dash = style.dash();
    if flag.kind == FlagKind::Bool {
        let no = if style.negates(flag) { "[no-]" } else { "" };
        return format!("{dash}{no}{}", flag.name);
    }
    let default = match flag.default {
        _ if flag.secret => flag.name.rsplit('.').next().unwrap_or("").to_uppercase(),
        [] | [""] => flag.name.rsplit('.').next().unwrap_or("").to_uppercase(),
        [one] => quoted_if_needed(one),
        several => several.join(","),
    };
    let more = if flag.repeatable { " ..." } else { "" };
    format!("{dash}{}={default}{more}", flag.name)
}

fn quoted_if_needed(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || ":./-_%".contains(c);
    if text.chars().all(plain) {
        return text.to_owned();
    }
    let mut quoted = String::new();
    crate::dialect::strconv::push_quoted(&mut quoted, text);
    quoted
}
