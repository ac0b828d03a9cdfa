//! The flag dialect of kingpin 2.4: node, mysqld, postgres, blackbox, elasticsearch, apache.

use super::app::Style;
use super::{App, Exit, Flag, FlagKind, Matches, Source, completion, help, printed};
use crate::dialect::{duration, strconv};
use std::collections::{HashMap, VecDeque};

/// A flag as found on the command line.
struct Found {
    index: usize,
    value: String,
}

/// Either a value or the end of the process.
type Parsed<T> = Result<T, Exit>;

/// Parses arguments (without the program's name). `env` looks variables up. Help and version are
/// told on standard output.
pub fn parse(
    app: &App,
    arguments: &[String],
    env: impl Fn(&str) -> Option<String>,
) -> Parsed<Matches> {
    parse_telling(app, arguments, env, Exit::print)
}

/// The same with help and version on standard error, where most exporters of this dialect have
/// them. Scripts and the manual page are for standard output everywhere.
pub fn parse_with_help_on_stderr(
    app: &App,
    arguments: &[String],
    env: impl Fn(&str) -> Option<String>,
) -> Parsed<Matches> {
    parse_telling(app, arguments, env, Exit::print_on_stderr)
}

/// How help and version end the process.
type Tell = fn(String) -> Exit;

fn parse_telling(
    app: &App,
    arguments: &[String],
    env: impl Fn(&str) -> Option<String>,
    tell: Tell,
) -> Parsed<Matches> {
    if let Some(at) = arguments.iter().position(|a| a == "--completion-bash") {
        return Err(Exit::print(completion::words(app, &arguments[at + 1..])));
    }
    let found = scan(app, Arguments::new(app, arguments), tell)?;
    let mut given: HashMap<usize, Vec<String>> = HashMap::new();
    for Found { index, value } in found {
        let flag = &app.flags[index];
        let values = given.entry(index).or_default();
        if !values.is_empty() && !flag.repeatable {
            return Err(app.error(&format!("flag '{}' cannot be repeated", flag.name)));
        }
        values.push(normalise(flag, &value).map_err(|why| app.error(&why))?);
    }
    let mut matches = Matches::default();
    for (index, flag) in app.flags.iter().enumerate() {
        let (source, values) = match given.remove(&index) {
            Some(values) => (Source::CommandLine, values),
            None => from_environment(app, flag, &env)?,
        };
        matches.set(flag.name, source, values);
    }
    Ok(matches)
}

fn from_environment(
    app: &App,
    flag: &Flag,
    env: impl Fn(&str) -> Option<String>,
) -> Parsed<(Source, Vec<String>)> {
    let Some((variable, text)) = flag.env_value(env) else {
        let default = flag.default.iter().map(|v| (*v).to_owned()).collect();
        return Ok((Source::Default, default));
    };
    let parts: Vec<&str> = match flag.repeatable {
        true => text.lines().collect(),
        false => vec![text.as_str()],
    };
    let values: Result<Vec<_>, _> = parts.iter().map(|part| normalise(flag, part)).collect();
    let values =
        values.map_err(|why| app.error(&format!("--{} (from {variable}): {why}", flag.name)))?;
    Ok((Source::Environment, values))
}

/// Files that arguments are read from, one within the other; more of them are a file that names
/// itself.
const MOST_FILES: u32 = 100;

/// The arguments that are left. `@file` is replaced by the lines of the file when it is reached.
struct Arguments<'a> {
    app: &'a App,
    left: VecDeque<String>,
    files: u32,
}

impl<'a> Arguments<'a> {
    fn new(app: &'a App, arguments: &[String]) -> Self {
        Arguments {
            app,
            left: arguments.iter().cloned().collect(),
            files: 0,
        }
    }

    fn next(&mut self) -> Parsed<Option<String>> {
        loop {
            let Some(argument) = self.left.pop_front() else {
                return Ok(None);
            };
            match argument.strip_prefix('@') {
                Some(path) => self.expand(path)?,
                None => return Ok(Some(argument)),
            }
        }
    }

    /// What stands behind `--` is nothing but itself.
    fn next_as_it_is(&mut self) -> Option<String> {
        self.left.pop_front()
    }

    /// A value that starts with a dash must be attached.
    fn value(&mut self, missing: &str) -> Parsed<String> {
        let value = self.next()?.filter(|v| !v.starts_with('-'));
        value.ok_or_else(|| self.app.error(missing))
    }

    fn expand(&mut self, path: &str) -> Parsed<()> {
        let app = self.app;
        if path.is_empty() {
            return Err(app.error("expected @ file to expand arguments from"));
        }
        self.files += 1;
        if self.files > MOST_FILES {
            return Err(app.error(&format!("arguments file {path:?} is read again and again")));
        }
        let text = std::fs::read_to_string(path).map_err(|error| {
            app.error(&format!("failed to open arguments file {path:?}: {error}"))
        })?;
        let lines = text.lines();
        for line in lines.rev().filter(|l| !l.is_empty() && !l.starts_with('#')) {
            self.left.push_front(line.to_owned());
        }
        Ok(())
    }
}

/// Finds the flags. Help wins over bad values but not over unknown flags; whatever else prints
/// something ends it at once.
fn scan(app: &App, mut rest: Arguments<'_>, tell: Tell) -> Parsed<Vec<Found>> {
    let mut found = Vec::new();
    let mut help_wanted = false;
    while let Some(argument) = rest.next()? {
        if argument == "--" {
            match rest.next_as_it_is() {
                Some(positional) => return Err(unexpected(app, &positional)),
                None => break,
            }
        }
        if let Some(long) = argument.strip_prefix("--") {
            let (name, value) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (long, None),
            };
            match (special(app, name), value) {
                (Some(Special::Version), _) => return Err(tell(format!("{}\n", app.version))),
                (Some(_), Some(value)) => return Err(unexpected(app, value)),
                (Some(Special::Text(text)), None) => return Err(Exit::print(text)),
                (Some(Special::Help), None) => help_wanted = true,
                (None, value) => found.push(long_flag(app, name, value, &mut rest)?),
            }
        } else if argument == "-" {
            return Err(unexpected(app, "-"));
        } else if let Some(shorts) = argument.strip_prefix('-') {
            help_wanted |= short_flags(app, shorts, &mut rest, &mut found)?;
        } else {
            return Err(unexpected(app, &argument));
        }
    }
    match help_wanted {
        true => Err(help(app, tell)),
        false => Ok(found),
    }
}

fn help(app: &App, tell: Tell) -> Exit {
    tell(help::short(app))
}

fn unexpected(app: &App, what: &str) -> Exit {
    app.error(&format!("unexpected {what}"))
}

enum Special {
    Version,
    Help,
    Text(String),
}

/// Flags that print something and end the process.
fn special(app: &App, name: &str) -> Option<Special> {
    Some(Special::Text(match name {
        "version" | "no-version" => return Some(Special::Version),
        "help" | "no-help" => return Some(Special::Help),
        "help-long" => help::long(app),
        other => return printed(app, other, Style::Kingpin).map(Special::Text),
    }))
}

fn long_flag(
    app: &App,
    name: &str,
    value: Option<&str>,
    rest: &mut Arguments<'_>,
) -> Parsed<Found> {
    let unknown = || app.error(&format!("unknown long flag '--{name}'"));
    let by_name = |name: &str| app.flags.iter().position(|flag| flag.name == name);
    let (index, negated) = match (by_name(name), name.strip_prefix("no-").and_then(by_name)) {
        (Some(index), _) => (index, false),
        (None, Some(index)) if app.flags[index].kind == FlagKind::Bool => (index, true),
        _ => return Err(unknown()),
    };
    if app.flags[index].kind == FlagKind::Bool {
        return match value {
            Some(value) => Err(unexpected(app, value)),
            None => Ok(Found {
                index,
                value: (!negated).to_string(),
            }),
        };
    }
    let value = match value {
        Some(value) => value.to_owned(),
        None => rest.value(&format!("expected argument for flag '--{name}'"))?,
    };
    Ok(Found { index, value })
}

/// One argument with a single dash: letters of switches, the last perhaps of a flag whose value is
/// attached or follows. The value is whether help is asked for.
fn short_flags(
    app: &App,
    shorts: &str,
    rest: &mut Arguments<'_>,
    found: &mut Vec<Found>,
) -> Parsed<bool> {
    let mut help_wanted = false;
    for (at, letter) in shorts.char_indices() {
        let index = app.flags.iter().position(|f| f.short == Some(letter));
        let index = match index {
            Some(index) => index,
            None if letter == 'h' => {
                help_wanted = true;
                continue;
            }
            None => return Err(app.error(&format!("unknown short flag '-{letter}'"))),
        };
        if app.flags[index].kind == FlagKind::Bool {
            let value = "true".to_owned();
            found.push(Found { index, value });
            continue;
        }
        let attached = &shorts[at + letter.len_utf8()..];
        let value = match attached.is_empty() {
            true => rest.value(&format!("expected argument for flag '-{letter}'"))?,
            false => attached.to_owned(),
        };
        found.push(Found { index, value });
        break;
    }
    Ok(help_wanted)
}

/// Checks a value against the flag's kind and brings it into the form that [`Matches`] holds.
fn normalise(flag: &Flag, text: &str) -> Result<String, String> {
    match flag.kind {
        FlagKind::Text => Ok(text.to_owned()),
        FlagKind::Bool => strconv::parse_bool(text)
            .map(|value| value.to_string())
            .ok_or_else(|| format!("expected true or false, got '{text}'")),
        // Whole numbers are read as floats and cut off.
        FlagKind::Int => strconv::parse_float(text)
            .filter(|value| value.is_finite())
            .map(|value| format!("{}", value.trunc() as i64))
            .ok_or_else(|| format!("expected a number for --{}, got '{text}'", flag.name)),
        FlagKind::Unsigned => strconv::parse_uint(text, 0)
            .map(|value| value.to_string())
            .ok_or_else(|| format!("expected a whole number for --{}, got '{text}'", flag.name)),
        FlagKind::Float => strconv::parse_float(text)
            .map(|value| value.to_string())
            .ok_or_else(|| format!("expected a number for --{}, got '{text}'", flag.name)),
        FlagKind::Duration => duration::parse_flag(text)
            .map(duration::format)
            .map_err(|why| format!("--{}: {why}", flag.name)),
        FlagKind::Word { of, fold_case } => of
            .iter()
            .find(|word| **word == text || (fold_case && word.eq_ignore_ascii_case(text)))
            .map(|word| (*word).to_owned())
            .ok_or_else(|| format!("enum value must be one of {}, got '{text}'", of.join(","))),
        FlagKind::Pair if text.contains(['=', ':']) => Ok(text.to_owned()),
        FlagKind::Pair => Err(format!("expected KEY=VALUE got '{text}'")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    crate::flags! {
        /// Flags to parse.
        pub struct Flags {
            /// Address.
            "web.listen-address" addresses: Vec<String> = [":9100"];
            /// Path.
            "web.telemetry-path" path: String = ["/metrics"];
            /// Switch that is on.
            "on" on: bool = ["true"];
            /// Switch that is off.
            "off" [env("OFF"), short('o')] off: bool = ["false"];
            /// Number.
            "count" [env("COUNT")] count: i64 = ["1"];
            /// Number without a sign.
            "limit" limit: u64 = ["2"];
            /// Time.
            "time" time: std::time::Duration = ["5s"];
            /// Colour.
            "colour" [short('c'), word(&["red", "blue"], false)] colour: String = ["red"];
            /// Old name.
            "old" [hidden()] old: String = ["gone"];
            /// Password.
            "password" [secret()] password: String = ["hunter2"];
        }
    }

    fn app() -> App {
        App {
            name: "x_exporter".to_owned(),
            about: "An exporter of x.",
            version: "x_exporter, version 1".to_owned(),
            flags: Flags::TABLE.to_vec(),
        }
    }

    fn run(arguments: &[&str], env: &[(&str, &str)]) -> Parsed<Flags> {
        let arguments: Vec<String> = arguments.iter().map(|a| (*a).to_owned()).collect();
        let lookup = |name: &str| {
            let found = env.iter().find(|v| v.0 == name);
            found.map(|v| v.1.to_owned())
        };
        parse(&app(), &arguments, lookup).map(|matches| Flags::read(&matches).unwrap())
    }

    #[test]
    fn numbers_without_a_sign() {
        for (text, value) in [
            ("10", 10),
            ("0x10", 16),
            ("010", 8),
            ("0b11", 3),
            ("1_000", 1000),
            ("18446744073709551615", u64::MAX),
        ] {
            let flags = run(&[&format!("--limit={text}")], &[]).unwrap();
            assert_eq!(flags.limit, value, "{text}");
        }
        for bad in ["-1", "+1", "1.5", "1e3", "30s", "", "18446744073709551616"] {
            assert!(run(&[&format!("--limit={bad}")], &[]).is_err(), "{bad}");
        }
    }

    #[test]
    fn values() {
        let flags = run(&[], &[]).unwrap();
        assert_eq!((flags.count, flags.on, flags.off), (1, true, false));
        assert_eq!(
            (flags.old.as_str(), flags.password.as_str()),
            ("gone", "hunter2")
        );
        let arguments = [
            "--web.listen-address=a",
            "--web.listen-address",
            "b",
            "--no-on",
            "--off",
            "--count=1e1",
            "--time",
            "1d",
            "--colour=blue",
            "--web.telemetry-path=-x",
        ];
        let flags = run(&arguments, &[("COUNT", "7")]).unwrap();
        assert_eq!(flags.addresses, ["a", "b"]);
        assert_eq!((flags.on, flags.off, flags.count), (false, true, 10));
        assert_eq!(flags.time.as_secs(), 86_400);
        assert_eq!((flags.colour.as_str(), flags.path.as_str()), ("blue", "-x"));
        let flags = run(&[], &[("COUNT", "2.9"), ("OFF", "T")]).unwrap();
        assert_eq!((flags.count, flags.off), (2, true));
        assert_eq!(run(&[], &[("COUNT", "")]).unwrap().count, 1);
        for arguments in [&["-ocblue"][..], &["-o", "-c", "blue"]] {
            let flags = run(arguments, &[]).unwrap();
            assert_eq!((flags.off, flags.colour.as_str()), (true, "blue"));
        }
    }

    #[test]
    fn a_prefix_makes_variables_of_all_flags() {
        let env = [
            ("EXPORTER_ENV_PREFIX", "X_"),
            ("X_COUNT", "3"),
            ("X_WEB_LISTEN_ADDRESS", "a\nb"),
            ("X_TIME", "1s"),
            ("TIME", "2s"),
        ];
        let flags = run(&["--time=3s"], &env).unwrap();
        assert_eq!((flags.count, flags.time.as_secs()), (3, 3));
        assert_eq!(flags.addresses, ["a", "b"]);
        assert_eq!(run(&[], &env[1..]).unwrap().count, 1);
        let declared = [env[0], env[1], ("COUNT", "4")];
        assert_eq!(run(&[], &declared).unwrap().count, 4);
        let exit = run(&[], &[env[0], ("X_ON", "maybe")]).unwrap_err();
        assert!(exit.stderr.contains("--on (from X_ON)"), "{}", exit.stderr);
    }

    #[test]
    fn errors() {
        for (arguments, message) in [
            (&["--nope"][..], "unknown long flag '--nope'"),
            (&["--no-count"], "unknown long flag '--no-count'"),
            (&["--on=true"], "unexpected true"),
            (&["--on", "false"], "unexpected false"),
            (&["--on", "--no-on"], "flag 'on' cannot be repeated"),
            (
                &["--count=1", "--count=2"],
                "flag 'count' cannot be repeated",
            ),
            (&["--count"], "expected argument for flag '--count'"),
            (&["--count", "-1"], "expected argument for flag '--count'"),
            (&["--count=x"], "expected a number for --count, got 'x'"),
            (
                &["--colour=green"],
                "enum value must be one of red,blue, got 'green'",
            ),
            (&["-version"], "unknown short flag '-v'"),
            (&["-x"], "unknown short flag '-x'"),
            (&["-hx"], "unknown short flag '-x'"),
            (&["-c"], "expected argument for flag '-c'"),
            (&["--help=true"], "unexpected true"),
            (&["@"], "expected @ file to expand arguments from"),
            (&["-"], "unexpected -"),
            (&["foo"], "unexpected foo"),
            (&["--", "foo"], "unexpected foo"),
            (&["-h", "--nope"], "unknown long flag '--nope'"),
            (&["--nope", "--version"], "unknown long flag '--nope'"),
            (&["--web.listen"], "unknown long flag '--web.listen'"),
        ] {
            let exit = run(arguments, &[]).unwrap_err();
            let stderr = format!("x_exporter: error: {message}, try --help\n");
            assert_eq!((exit.code, exit.stderr), (1, stderr), "{arguments:?}");
        }
        let exit = run(&[], &[("COUNT", "x")]).unwrap_err();
        assert!(
            exit.stderr.contains("--count (from COUNT)"),
            "{}",
            exit.stderr
        );
    }

    #[test]
    fn what_ends_well() {
        let version = run(&["--version", "--nope"], &[]).unwrap_err();
        assert_eq!(
            (version.code, version.stdout.as_str()),
            (0, "x_exporter, version 1\n")
        );
        for arguments in [&["--no-version"][..], &["--version=true"]] {
            assert_eq!(run(arguments, &[]).unwrap_err(), version);
        }
        for (flag, on_stderr) in [("--version", true), ("-h", true), ("--help-man", false)] {
            let exit = parse_with_help_on_stderr(&app(), &[flag.to_owned()], |_| None);
            let exit = exit.unwrap_err();
            let empty = (exit.stdout.is_empty(), exit.stderr.is_empty());
            assert_eq!((exit.code, empty), (0, (on_stderr, !on_stderr)), "{flag}");
        }
        let help = run(&["--help", "--count=x"], &[]).unwrap_err();
        assert_eq!(help.code, 0);
        assert!(help.stdout.starts_with("usage: x_exporter [<flags>]\n"));
        assert!(help.stdout.contains("--[no-]off"));
        assert!(!help.stdout.contains("--old") && !help.stdout.contains("hunter2"));
        for flag in [
            "-h",
            "--help-long",
            "--help-man",
            "--completion-script-bash",
            "--completion-script-zsh",
            "--completion-script-fish",
            "--completion-bash",
        ] {
            let exit = run(&[flag], &[]).unwrap_err();
            assert_eq!((exit.code, exit.stderr.as_str()), (0, ""), "{flag}");
            assert!(exit.stdout.contains("count"), "{flag}");
            assert!(!exit.stdout.contains("hunter2"), "{flag}");
        }
        let words = run(&["--completion-bash", "--co"], &[]).unwrap_err();
        assert_eq!(words.stdout, "--count\n--colour\n");
    }

    #[test]
    fn argument_files() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("args");
        std::fs::write(&path, "# comment\n--count=5\n\n--no-on\n").unwrap();
        let flags = run(&[&format!("@{}", path.display())], &[]).unwrap();
        assert_eq!((flags.count, flags.on), (5, false));
        let exit = run(&["@/nonexistent"], &[]).unwrap_err();
        assert!(exit.stderr.contains("failed to open arguments file"));
        // Files may name files, and a value may stand in one.
        let outer = dir.path().join("outer");
        std::fs::write(&outer, format!("@{}\n", path.display())).unwrap();
        let outer = format!("@{}", outer.display());
        assert_eq!(run(&[&outer], &[]).unwrap().count, 5);
        std::fs::write(&path, "7\n").unwrap();
        assert_eq!(run(&["--count", &outer], &[]).unwrap().count, 7);
        std::fs::write(&path, format!("{outer}\n")).unwrap();
        let exit = run(&[&outer], &[]).unwrap_err();
        assert!(exit.stderr.contains("again and again"), "{}", exit.stderr);
        let exit = run(&["--", "@/nonexistent"], &[]).unwrap_err();
        assert!(exit.stderr.contains("unexpected @/nonexistent"));
    }

    #[test]
    fn what_prints_something_ends_it_at_once() {
        for flag in ["--help-man", "--help-long", "--completion-script-zsh"] {
            let exit = run(&[flag, "--nope", "@/nonexistent"], &[]).unwrap_err();
            assert_eq!((exit.code, exit.stderr.as_str()), (0, ""), "{flag}");
            let exit = run(&["--nope", flag], &[]).unwrap_err();
            assert_eq!(exit.code, 1, "{flag}");
        }
    }

    proptest! {
        #[test]
        fn no_arguments_make_it_panic(arguments: Vec<String>) {
            // An argument file that exists is not what is tested here.
            let arguments: Vec<_> = arguments.into_iter().filter(|a| !a.starts_with('@')).collect();
            let _ = parse(&app(), &arguments, |_| None);
        }
    }
}
