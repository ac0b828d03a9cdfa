//! The dialect of Go's `flag` package: redis, process and nginx-vts.

use super::app::Style;
use super::{App, Exit, Flag, FlagKind, Matches, Source, printed};
use crate::dialect::strconv::push_quoted;
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
            return Err(usage_error(
                app,
                &format!("bad flag syntax: {argument}"),
                &env,
            ));
        }
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (text, None),
        };
        if matches!(name, "h" | "help") && app.find(name).is_none() {
            return Err(Exit {
                code: 0,
                stdout: String::new(),
                stderr: usage(app, &env),
            });
        }
        if let Some(text) = printed(app, name, Style::GoFlag) {
            return Err(Exit::print(text));
        }
        let flag = app.find(name).ok_or_else(|| {
            usage_error(
                app,
                &format!("flag provided but not defined: -{name}"),
                &env,
            )
        })?;
        let value = match value {
            Some(value) => value,
            None if flag.kind == FlagKind::Bool => "true".to_owned(),
            None => rest.next().cloned().ok_or_else(|| {
                usage_error(app, &format!("flag needs an argument: -{name}"), &env)
            })?,
        };
        let value = flag
            .go_value(&value)
            .ok_or_else(|| usage_error(app, &invalid(flag, &value), &env))?;
        let values = given.entry(flag.name).or_default();
        if !flag.repeatable {
            values.clear();
        }
        values.push(value);
    }
    let mut matches = Matches::default();
    for flag in &app.flags {
        let variable = flag.go_env(&env);
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

/// What is wrong with a value.
fn invalid(flag: &Flag, value: &str) -> String {
    let what = match flag.kind {
        FlagKind::Bool => ("boolean value", "for"),
        _ => ("value", "for flag"),
    };
    let mut quoted = String::new();
    push_quoted(&mut quoted, value);
    // Digits alone are only refused where they are too many.
    let digits = value.strip_prefix(['+', '-']).unwrap_or(value);
    let too_large = flag.kind == FlagKind::Int
        && !digits.is_empty()
        && digits.bytes().all(|b| b.is_ascii_digit())
        && !digits.starts_with('0');
    let why = if too_large {
        "value out of range"
    } else {
        "parse error"
    };
    format!(
        "invalid {} {quoted} {} -{}: {why}",
        what.0, what.1, flag.name
    )
}

/// Looks a variable up.
type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// An error with the usage behind it: exit status 2.
pub(super) fn usage_error(app: &App, message: &str, env: Env<'_>) -> Exit {
    Exit {
        code: 2,
        stdout: String::new(),
        stderr: format!("{message}\n{}", usage(app, env)),
    }
}

fn usage(app: &App, env: Env<'_>) -> String {
    let mut text = format!("Usage of {}:\n", app.name);
    let mut flags: Vec<&Flag> = app.visible().collect();
    flags.sort_by_key(|flag| flag.name);
    for flag in flags {
        let kind = match flag.kind {
            FlagKind::Bool => "",
            FlagKind::Int => " int",
            FlagKind::Unsigned => " uint",
            FlagKind::Float => " float",
            FlagKind::Duration => " duration",
            _ => " string",
        };
        let variable = flag.go_env(env);
        let default = match flag.default {
            _ if variable.is_some() && !flag.secret => {
                default_text(flag, &variable.unwrap_or_default())
            }
            [] | ["" | "false" | "0" | "0s"] => String::new(),
            _ if flag.secret => String::new(),
            values => default_text(flag, &values.join(",")),
        };
        text += &format!(
            "  -{}{kind}\n    \t{}{default}\n",
            flag.name,
            flag.help.trim()
        );
    }
    text
}

/// A text stands in quotes.
fn default_text(flag: &Flag, value: &str) -> String {
    let mut shown = String::new();
    match flag.kind {
        FlagKind::Text | FlagKind::Pair | FlagKind::Word { .. } => push_quoted(&mut shown, value),
        _ => shown.push_str(value),
    }
    format!(" (default {shown})")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    crate::flags! {
        /// Flags to parse.
        pub struct Flags {
            /// Address.
            "web.listen-address" [env("ADDRESS")] address: String = [":9121"];
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
        let env = |name: &str| count.filter(|_| name == "COUNT").map(str::to_owned);
        parse(&app(), &arguments, env).map(|m| Flags::read(&m).unwrap())
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
        // Declared variables are defaults: a text may be empty, a number is plain.
        let env = |name: &str| (name == "ADDRESS").then(String::new);
        let matches = parse(&app(), &[], env).unwrap();
        assert_eq!(Flags::read(&matches).unwrap().address, "");
        for bad in ["", "0x10", "1_0"] {
            assert_eq!(run(&[], Some(bad)).unwrap().count, 1, "{bad}");
        }
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
            (
                &["-count=99999999999999999999"],
                "invalid value \"99999999999999999999\" for flag -count: value out of range",
            ),
            (
                &["-count="],
                "invalid value \"\" for flag -count: parse error",
            ),
            (
                &["-debug=2"],
                "invalid boolean value \"2\" for -debug: parse error",
            ),
            (
                &["-timeout=1d"],
                "invalid value \"1d\" for flag -timeout: parse error",
            ),
            (&["-=x"], "bad flag syntax: -=x"),
            (&["--=x"], "bad flag syntax: --=x"),
            (&["--nope=1"], "flag provided but not defined: -nope"),
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
        for flag in ["-h", "-help", "-h=1"] {
            assert_eq!(run(&[flag], None).unwrap_err(), help);
        }
        let entry = "  -web.listen-address string\n    \tAddress. (default \":9121\")\n";
        assert!(help.stderr.contains(entry), "{}", help.stderr);
        for (flag, part) in [
            ("--help-man", "\\fB\\-count=1\\fR"),
            ("--completion-script-bash", " -debug "),
            ("--completion-script-fish", " -o count -r"),
        ] {
            let exit = run(&[flag], None).unwrap_err();
            assert!(exit.code == 0 && exit.stdout.contains(part), "{exit:?}");
            assert!(!exit.stdout.contains("no-debug"), "{exit:?}");
        }
        let help = run(&["-h"], Some("7")).unwrap_err();
        let entry = "  -count int\n    \tNumber. (default 7)\n";
        assert!(help.stderr.contains(entry), "{}", help.stderr);
    }

    proptest! {
        #[test]
        fn no_arguments_make_it_panic(arguments: Vec<String>) {
            let _ = parse(&app(), &arguments, |_| None);
        }
    }
}
