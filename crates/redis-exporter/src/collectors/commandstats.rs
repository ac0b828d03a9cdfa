//! Calls and time of commands, from the section Commandstats of INFO.

use super::info::{Info, Line};
use crate::samples::Samples;
use exporter_core::dialect::strconv::parse_float;
use exporter_core::exposition::Family;

static CALLS: Family = Family::counter("redis_commands_total", &["cmd"], "Calls of a command.");
static DURATION: Family = Family::counter(
    "redis_commands_duration_seconds_total",
    &["cmd"],
    "Time that the calls of a command took in seconds.",
);
static REJECTED: Family = Family::counter(
    "redis_commands_rejected_calls_total",
    &["cmd"],
    "Calls of a command that were refused before it ran.",
);
static FAILED: Family = Family::counter(
    "redis_commands_failed_calls_total",
    &["cmd"],
    "Calls of a command that failed while it ran.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&CALLS, &DURATION, &REJECTED, &FAILED]
}

/// One command.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Command<'a> {
    /// Name, with its subcommand behind a bar.
    pub name: &'a str,
    /// Calls.
    pub calls: f64,
    /// Time of all calls in microseconds.
    pub microseconds: f64,
    /// Rejected and failed calls, from Redis 6.2 on.
    pub errors: Option<(f64, f64)>,
}

/// Reads all commands of a report; lines that are not well-formed are left out.
pub fn parse<'a>(info: &Info<'a>) -> Vec<Command<'a>> {
    info.section("Commandstats")
        .filter_map(parse_line)
        .collect()
}

/// Items count by their place: calls, time, time a call, rejected, failed.
fn parse_line(line: Line<'_>) -> Option<Command<'_>> {
    let name = line.field.strip_prefix("cmdstat_")?;
    let mut numbers = [None; 5];
    let mut count = 0;
    for item in line.value.split(',') {
        if let Some(number) = numbers.get_mut(count) {
            *number = super::item(item).and_then(|(_, value)| parse_float(value));
        }
        count += 1;
    }
    if count < 3 {
        return None;
    }
    let errors = match count {
        5.. => Some((numbers[3]?, numbers[4]?)),
        _ => None,
    };
    Some(Command {
        name,
        calls: numbers[0]?,
        microseconds: numbers[1]?,
        errors,
    })
}

/// Puts all commands.
pub fn put(commands: &[Command<'_>], out: &mut Samples<'_>) {
    for command in commands {
        let labels = [command.name];
        out.put(&CALLS, &labels, command.calls);
        out.put(&DURATION, &labels, command.microseconds / 1e6);
        if let Some((rejected, failed)) = command.errors {
            out.put(&REJECTED, &labels, rejected);
            out.put(&FAILED, &labels, failed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::testing::exposed;

    fn run(text: &str) -> String {
        let info = Info::parse(text.as_bytes());
        exposed(|out| put(&parse(&info), out))
    }

    #[test]
    fn old_and_new_servers() {
        let text = "# Commandstats\r\n\
            cmdstat_config|get:calls=3,usec=1500000,usec_per_call=2.00,rejected_calls=1,failed_calls=2\r\n\
            cmdstat_ft.search:calls=7,usec=9,usec_per_call=1\r\n";
        let expected = "redis_commands_duration_seconds_total{cmd=\"config|get\"} 1.5\n\
            redis_commands_duration_seconds_total{cmd=\"ft.search\"} 9e-06\n\
            redis_commands_failed_calls_total{cmd=\"config|get\"} 2\n\
            redis_commands_rejected_calls_total{cmd=\"config|get\"} 1\n\
            redis_commands_total{cmd=\"config|get\"} 3\n\
            redis_commands_total{cmd=\"ft.search\"} 7\n";
        assert_eq!(run(text), expected);
    }

    #[test]
    fn what_is_not_well_formed() {
        for line in [
            "cmdstat_a:calls=1,usec=2",
            "cmdstat_a:calls=x,usec=2,c=3",
            "cmdstat_a:calls,usec=2,c=3",
            "cmdstat_a:calls=1,usec=2,c=3,d=4,e=x",
            "other_a:calls=1,usec=2,c=3",
        ] {
            assert_eq!(run(&format!("# Commandstats\n{line}\n")), "", "{line}");
        }
    }
}
