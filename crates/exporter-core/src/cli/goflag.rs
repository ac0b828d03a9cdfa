//! The dialect of Go's `flag` package: redis, process and nginx-vts.

use super::{App, Exit, Flag, FlagKind, Matches, Source};
use std::collections::HashMap;

/// Parses arguments (without the program's name). Parsing stops silently at the first argument
/// that is no flag. A variable stands in as the default, where it can be read.
pub fn parse(
    app: &App,
    arguments: &[String],
    env: impl Fn(&str) -> Option<String>,
) -> Result<Matches, Exit> {
    let mut given: HashMap<&'static str, Vec<String>> = HashMap::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let Some(text) = argument.strip_prefix('-').filter(|t| !t.is_empty()) else {
            break;
        };
        let text = match text.strip_prefix('-') {
            Some("") => break,
            Some(long) => long,
            None => text,
        };
        if text.starts_with(['-', '=']) {
            return Err(error(app, &format!("bad flag syntax: {argument}")));
        }
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (text, None),
        };
        if matches!(name, "h" | "help") && app.find(name).is_none() {
            return Err(Exit {
                code: 0,
                stdout: String::new(),
                stderr: usage(app),
            });
        }
        let flag = app
            .find(name)
            .ok_or_else(|| error(app, &format!("flag provided but not defined: -{name}")))?;
        let value = match value {
            Some(value) => value,
            None if flag.kind == FlagKind::Bool => "true".to_owned(),
            None => rest
                .next()
                .cloned()
                .ok_or_else(|| error(app, &format!("flag needs an argument: -{name}")))?,
        };
        let value = flag.go_value(&value).ok_or_else(|| {
            let kind = if flag.kind == FlagKind::Bool {
                "boolean value"
            } else {
                "value"
            };
            let preposition = if flag.kind == FlagKind::Bool {
                "for"
            } else {
                "for flag"
            };
            error(
                app,
                &format!("invalid {kind} {value:?} {preposition} -{name}: parse error"),
            )
        })?;
        let values = given.entry(flag.name).or_default();
        if !flag.repeatable {
            values.clear();
        }
        values.push(value);
    }
    let mut matches = Matches::default();
    for flag in &app.flags {
        let variable = flag.env.and_then(&env).filter(|v| !v.is_empty());
        let variable = variable.and_then(|v| flag.go_value(&v));
        let default = || flag.default.iter().map(|v| (*v).to_owned()).collect();
        let (source, values) = match (given.remove(flag.name), variable) {
            (Some(values), _) => (Source::CommandLine, values),
            (None, Some(value)) => (Source::Environment, vec![value]),
            (None, None) => (Source::Default, default()),
        };
        matches.set(flag.name, source, values);
    }
    Ok(matches)
}

/// An error with the usage behind it: exit status 2.
pub(super) fn error(app: &App, message: &str) -> Exit {
    Exit {
        code: 2,
        stdout: String::new(),
        stderr: format!("{message}\n{}", usage(app)),
    }
}

fn usage(app: &App) -> String {
    let mut text = format!("Usage of {}:\n", app.name);
    let mut flags: Vec<&Flag> = app.visible().collect();
    flags.sort_by_key(|flag| flag.name);
    for flag in flags {
        let kind = match flag.kind {
            FlagKind::Bool => "",
            FlagKind::Int => " int",
            FlagKind::Float => " float",
            FlagKind::Duration => " duration",
            _ => " string",
        };
        let default = match flag.default {
            [] | ["" | "false" | "0"] => String::new(),
            _ if flag.secret => String::new(),
            values => format!(" (default {})", values.join(",")),
        };
        text += &format!(
            "  -{}{kind}\n    \t{}{default}\n",
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
            /// Address.
            "web.listen-address" address: String = [":9121"];
            /// Number.
            "count" [env("COUNT")] count: i64 = ["1"];
            /// Switch.
            "debug" debug: bool = ["false"];
            /// Time.
            "timeout" timeout: std::time::Duration = ["15s"];
        }
    }

    fn app() -> App {
        App {
            name: "redis_exporter".to_owned(),
            about: "",
            version: String::new(),
            flags: Flags::TABLE.to_vec(),
        }
    }

    fn run(arguments: &[&str], count: Option<&str>) -> Result<Flags, Exit> {
        let arguments: Vec<String> = arguments.iter().map(|a| (*a).to_owned()).collect();
        parse(&app(), &arguments, |_| count.map(str::to_owned)).map(|m| Flags::read(&m).unwrap())
    }

    #[test]
    fn values() {
        let flags = run(
            &[
                "-web.listen-address",
                "-x",
                "--count=0x10",
                "-debug",
                "-timeout=1m",
                "-count",
                "010",
            ],
            None,
        )
        .unwrap();
        assert_eq!(
            (flags.address.as_str(), flags.count, flags.debug),
            ("-x", 8, true)
        );
        assert_eq!(flags.timeout.as_secs(), 60);
        // A switch takes no separate value: everything behind `false` is ignored.
        let flags = run(&["-debug", "false", "-count=5"], None).unwrap();
        assert_eq!((flags.debug, flags.count), (true, 1));
        assert_eq!(run(&["--", "-count=5"], None).unwrap().count, 1);
        assert_eq!(run(&[], Some("7")).unwrap().count, 7);
        assert_eq!(run(&[], Some("x")).unwrap().count, 1);
        assert_eq!(run(&["-count=2"], Some("7")).unwrap().count, 2);
    }

    #[test]
    fn errors() {
        for (arguments, message) in [
            (&["-nope"][..], "flag provided but not defined: -nope"),
            (
                &["-count=1e3"],
                "invalid value \"1e3\" for flag -count: parse error",
            ),
            (
                &["-debug=maybe"],
                "invalid boolean value \"maybe\" for -debug: parse error",
            ),
            (&["-count"], "flag needs an argument: -count"),
            (&["---count"], "bad flag syntax: ---count"),
        ] {
            let exit = run(arguments, None).unwrap_err();
            assert_eq!(exit.code, 2);
            let first = exit.stderr.lines().next().unwrap();
            assert_eq!(first, message);
            assert!(exit.stderr.contains("Usage of redis_exporter:"));
        }
        let help = run(&["--help"], None).unwrap_err();
        assert_eq!((help.code, help.stdout.as_str()), (0, ""));
    }

    proptest! {
        #[test]
        fn no_arguments_make_it_panic(arguments: Vec<String>) {
            let _ = parse(&app(), &arguments, |_| None);
        }
    }
}
