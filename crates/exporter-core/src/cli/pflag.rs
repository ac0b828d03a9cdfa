//! The dialect of pflag and cobra: kube-state-metrics.

use super::app::Style;
use super::{App, Exit, Flag, FlagKind, Matches, Source, completion, printed};
use std::collections::HashMap;

/// Parses arguments (without the program's name). Lists are separated by commas; the last value of
/// other flags counts. `version` and `completion SHELL` are subcommands.
pub fn parse(app: &App, arguments: &[String]) -> Result<Matches, Exit> {
    let mut given: HashMap<&'static str, Vec<String>> = HashMap::new();
    let mut words = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if argument == "--" {
            words.extend(rest.by_ref().map(String::as_str));
        } else if let Some(long) = argument.strip_prefix("--") {
            let (name, value) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (long, None),
            };
            if name == "help" {
                return Err(Exit::print(usage(app)));
            }
            if let Some(text) = printed(app, name, Style::Pflag) {
                return Err(Exit::print(text));
            }
            let unknown = || error(app, &format!("unknown flag: --{name}"));
            let flag = app.find(name).ok_or_else(unknown)?;
            let missing = format!("flag needs an argument: --{name}");
            let value = value_of(app, flag, value, &mut rest, &missing)?;
            take(app, flag, &value, given.entry(flag.name).or_default())?;
        } else if let Some(shorts) = argument.strip_prefix('-').filter(|s| !s.is_empty()) {
            short_flags(app, shorts, &mut rest, &mut given)?;
        } else {
            words.push(argument);
        }
    }
    match words.as_slice() {
        [] => {}
        ["version", ..] => return Err(Exit::print(format!("{}\n", app.version))),
        ["help", ..] => return Err(Exit::print(usage(app))),
        ["completion", "bash"] => return Err(Exit::print(completion::bash(app, Style::Pflag))),
        ["completion", "zsh"] => return Err(Exit::print(completion::zsh(app, Style::Pflag))),
        ["completion", "fish"] => return Err(Exit::print(completion::fish(app, Style::Pflag))),
        [word, ..] => {
            let what = format!("unknown command {word:?} for {:?}", app.name);
            return Err(error(app, &what));
        }
    }
    let mut matches = Matches::default();
    for flag in &app.flags {
        match given.remove(flag.name) {
            Some(values) => matches.set(flag.name, Source::CommandLine, values),
            None => {
                let default = flag.default.iter().map(|v| (*v).to_owned()).collect();
                matches.set(flag.name, Source::Default, default);
            }
        }
    }
    Ok(matches)
}

/// Letters of switches behind one dash, the last perhaps of a flag with a value.
fn short_flags<'a>(
    app: &App,
    shorts: &str,
    rest: &mut impl Iterator<Item = &'a String>,
    given: &mut HashMap<&'static str, Vec<String>>,
) -> Result<(), Exit> {
    for (at, letter) in shorts.char_indices() {
        let Some(flag) = app.flags.iter().find(|f| f.short == Some(letter)) else {
            if letter == 'h' {
                return Err(Exit::print(usage(app)));
            }
            let tail = &shorts[at..];
            let what = format!("unknown shorthand flag: '{letter}' in -{tail}");
            return Err(error(app, &what));
        };
        let tail = &shorts[at + letter.len_utf8()..];
        let attached = match tail.strip_prefix('=') {
            Some(value) => Some(value),
            None if flag.kind == FlagKind::Bool => None,
            None => Some(tail).filter(|t| !t.is_empty()),
        };
        let missing = format!("flag needs an argument: '{letter}' in -{}", &shorts[at..]);
        let value = value_of(app, flag, attached, rest, &missing)?;
        take(app, flag, &value, given.entry(flag.name).or_default())?;
        if attached.is_some() || flag.kind != FlagKind::Bool {
            break;
        }
    }
    Ok(())
}

/// The value attached or following; a switch has none.
fn value_of<'a>(
    app: &App,
    flag: &Flag,
    attached: Option<&str>,
    rest: &mut impl Iterator<Item = &'a String>,
    missing: &str,
) -> Result<String, Exit> {
    match attached {
        Some(value) => Ok(value.to_owned()),
        None if flag.kind == FlagKind::Bool => Ok("true".to_owned()),
        None => rest.next().cloned().ok_or_else(|| error(app, missing)),
    }
}

fn take(app: &App, flag: &Flag, value: &str, values: &mut Vec<String>) -> Result<(), Exit> {
    if !flag.repeatable {
        values.clear();
    }
    let parts: Vec<&str> = match flag.repeatable {
        true => value.split(',').collect(),
        false => vec![value],
    };
    for part in parts {
        let normal = flag.go_value(part).ok_or_else(|| {
            let what = format!("invalid argument {value:?} for \"--{}\" flag", flag.name);
            error(app, &format!("{what}: expected {}", expected(flag)))
        })?;
        values.push(normal);
    }
    Ok(())
}

fn expected(flag: &Flag) -> String {
    match flag.kind {
        FlagKind::Bool => "true or false".to_owned(),
        FlagKind::Int | FlagKind::Unsigned => "a whole number".to_owned(),
        FlagKind::Float => "a number".to_owned(),
        FlagKind::Duration => "a duration such as 1m30s".to_owned(),
        FlagKind::Word { of, .. } => of.join(", "),
        FlagKind::Text | FlagKind::Pair => "a text".to_owned(),
    }
}

/// An error with the usage behind it: exit status 1.
pub(super) fn error(app: &App, message: &str) -> Exit {
    Exit {
        code: 1,
        stdout: String::new(),
        stderr: format!("Error: {message}\n{}", usage(app)),
    }
}

fn usage(app: &App) -> String {
    let mut text = format!(
        "{}\n\nUsage:\n  {} [flags]\n\nFlags:\n",
        app.about, app.name
    );
    let mut flags: Vec<&Flag> = app.visible().collect();
    flags.sort_by_key(|flag| flag.name);
    for flag in flags {
        let default = match flag.default {
            [] | ["" | "false" | "0"] => String::new(),
            _ if flag.secret => String::new(),
            values => format!(" (default {})", values.join(",")),
        };
        text += &format!(
            "      --{}\n            {}{default}\n",
            flag.name,
            flag.help.trim()
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    crate::flags! {
        /// Flags to parse.
        pub struct Flags {
            /// Port.
            "port" port: i64 = ["8080"];
            /// Resources.
            "resources" resources: Vec<String> = [];
            /// Switch.
            "verbosity" [short('v')] verbosity: i64 = ["0"];
            /// Switch.
            "use-apiserver-cache" [short('u')] cache: bool = ["false"];
        }
    }

    fn app() -> App {
        App {
            name: "kube-state-metrics".to_owned(),
            about: "About.",
            version: "kube-state-metrics, version 1".to_owned(),
            flags: Flags::TABLE.to_vec(),
        }
    }

    fn run(arguments: &[&str]) -> Result<Flags, Exit> {
        let arguments: Vec<String> = arguments.iter().map(|a| (*a).to_owned()).collect();
        parse(&app(), &arguments).map(|m| Flags::read(&m).unwrap())
    }

    #[test]
    fn values() {
        let flags = run(&[
            "--port",
            "-1",
            "--port=9",
            "--resources=a,b",
            "--resources",
            "c",
            "-uv",
            "3",
        ])
        .unwrap();
        assert_eq!((flags.port, flags.cache, flags.verbosity), (9, true, 3));
        assert_eq!(run(&["-v=4"]).unwrap().verbosity, 4);
        assert_eq!(flags.resources, ["a", "b", "c"]);
        assert!(!run(&["-u=false"]).unwrap().cache);
    }

    #[test]
    fn ends() {
        for (arguments, code, start) in [
            (&["--nope"][..], 1, "Error: unknown flag: --nope"),
            (
                &["--port=abc"],
                1,
                "Error: invalid argument \"abc\" for \"--port\" flag",
            ),
            (&["--port"], 1, "Error: flag needs an argument: --port"),
            (&["-v"], 1, "Error: flag needs an argument: 'v' in -v"),
            (&["-ux"], 1, "Error: unknown shorthand flag: 'x' in -x"),
            (&["--no-port"], 1, "Error: unknown flag: --no-port"),
            (&["--por=1"], 1, "Error: unknown flag: --por"),
            (&["-x"], 1, "Error: unknown shorthand flag: 'x' in -x"),
            (&["-port"], 1, "Error: unknown shorthand flag: 'p' in -port"),
            (
                &["--use-apiserver-cache", "false"],
                1,
                "Error: unknown command \"false\"",
            ),
            (&["--version"], 1, "Error: unknown flag: --version"),
        ] {
            let exit = run(arguments).unwrap_err();
            assert_eq!(exit.code, code);
            assert!(exit.stderr.starts_with(start), "{}", exit.stderr);
        }
        for arguments in [
            &["version"][..],
            &["--port=1", "version"],
            &["help"],
            &["--help"],
            &["-h"],
            &["completion", "bash"],
            &["--help-man"],
        ] {
            let exit = run(arguments).unwrap_err();
            assert_eq!((exit.code, exit.stderr.as_str()), (0, ""));
        }
    }

    proptest! {
        #[test]
        fn no_arguments_make_it_panic(arguments: Vec<String>) {
            let _ = parse(&app(), &arguments);
        }
    }
}
