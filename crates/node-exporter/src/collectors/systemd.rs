//! Units of systemd, over D-Bus (org.freedesktop.systemd1(5)).

use crate::host::Host;
use crate::kernel::dbus::{Bus, Call, Value, get};
use exporter_core::cli::{Flag, Given};
use exporter_core::collector::{Collector, Error, Scrape};
use exporter_core::dialect::regexp;
use exporter_core::exposition::{Arena, Family};
use regex::Regex;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;

exporter_core::flags! {
    /// Flags of this collector.
    pub struct Flags {
        /// Regular expression of units to keep, matched from end to end.
        "collector.systemd.unit-include" include: Given<String> = [".+"];
        /// Regular expression of units to leave out, matched from end to end.
        "collector.systemd.unit-exclude" exclude: Given<String> = [r".+\.(automount|device|mount|scope|slice)"];
        /// Older name of --collector.systemd.unit-include.
        "collector.systemd.unit-whitelist" [hidden()] whitelist: String = [""];
        /// Older name of --collector.systemd.unit-exclude.
        "collector.systemd.unit-blacklist" [hidden()] blacklist: String = [""];
        /// Use the private socket of systemd instead of D-Bus.
        "collector.systemd.private" [hidden()] private: bool = ["false"];
        /// Expose tasks of services.
        "collector.systemd.enable-task-metrics" tasks: bool = ["false"];
        /// Expose restarts of services.
        "collector.systemd.enable-restarts-metrics" restarts: bool = ["false"];
        /// Expose start times of units.
        "collector.systemd.enable-start-time-metrics" start_times: bool = ["false"];
        /// Expose the state of the system by name.
        "collector.systemd.enable-system-state-metrics" system_state: bool = ["false"];
    }
}

/// Flags of this collector.
pub const FLAGS: &[Flag] = Flags::TABLE;

const NAME: &[&str] = &["name"];
static VERSION: Family = Family::gauge("node_systemd_version", &["version"], "Version of systemd.");
static VIRTUALIZATION: Family = Family::gauge(
    "node_systemd_virtualization_info",
    &["virtualization_type"],
    "Kind of virtualisation that systemd found, constant 1.",
);
static UNITS: Family = Family::gauge("node_systemd_units", &["state"], "Units in a state.");
static UNIT_STATE: Family = Family::gauge(
    "node_systemd_unit_state",
    &["name", "state", "type"],
    "Whether a unit is in a state.",
);
static RESTARTS: Family = Family::counter(
    "node_systemd_service_restart_total",
    NAME,
    "Restarts of a service.",
);
static START_TIME: Family = Family::gauge(
    "node_systemd_unit_start_time_seconds",
    NAME,
    "Time that a unit became active in seconds since the epoch.",
);
static TASKS: Family = Family::gauge(
    "node_systemd_unit_tasks_current",
    NAME,
    "Tasks of a service.",
);
static TASKS_MAX: Family = Family::gauge(
    "node_systemd_unit_tasks_max",
    NAME,
    "Limit of tasks of a service.",
);
static TIMER: Family = Family::gauge(
    "node_systemd_timer_last_trigger_seconds",
    NAME,
    "Time that a timer elapsed last in seconds since the epoch.",
);
static ACCEPTED: Family = Family::counter(
    "node_systemd_socket_accepted_connections_total",
    NAME,
    "Connections that a socket accepted.",
);
static CONNECTIONS: Family = Family::gauge(
    "node_systemd_socket_current_connections",
    NAME,
    "Connections of a socket.",
);
static REFUSED: Family = Family::gauge(
    "node_systemd_socket_refused_connections_total",
    NAME,
    "Connections that a socket refused.",
);
static RUNNING: Family = Family::gauge(
    "node_systemd_system_running",
    &[],
    "Whether the system is running without failed units.",
);
static SYSTEM_STATE: Family = Family::gauge(
    "node_systemd_system_state_info",
    &["state"],
    "State of the system, such as running or degraded, constant 1.",
);
const STATES: [&str; 5] = ["active", "activating", "deactivating", "inactive", "failed"];

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![
        &VERSION,
        &VIRTUALIZATION,
        &UNITS,
        &UNIT_STATE,
        &RESTARTS,
        &START_TIME,
        &TASKS,
        &TASKS_MAX,
        &TIMER,
        &ACCEPTED,
        &CONNECTIONS,
        &REFUSED,
        &RUNNING,
        &SYSTEM_STATE,
    ]
}

const SERVICE: &str = "org.freedesktop.systemd1";
const ROOT: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const PRIVATE: &str = "/run/systemd/private";
/// Timers and the system's state are told from this version on.
const COMPLETE: f64 = 212.0;

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    let flags = Flags::read(&host.matches)?;
    let include = pattern(
        "unit-include",
        &flags.include,
        "unit-whitelist",
        &flags.whitelist,
    )?;
    let exclude = pattern(
        "unit-exclude",
        &flags.exclude,
        "unit-blacklist",
        &flags.blacklist,
    )?;
    Ok(Box::new(move |out: &mut Arena, scrape: &Scrape| {
        let mut bus = connect(flags.private, scrape)?;
        let wanted = |name: &str| include.is_match(name) && !exclude.is_match(name);
        collect(&mut bus, out, &flags, wanted)
    }))
}

fn pattern(flag: &str, given: &Given<String>, old_flag: &str, old: &str) -> Result<Regex, String> {
    let text = if old.is_empty() {
        &given.value
    } else if given.given {
        return Err(format!(
            "--collector.systemd.{old_flag} and --collector.systemd.{flag} are mutually exclusive"
        ));
    } else {
        tracing::warn!(
            "--collector.systemd.{old_flag} is deprecated, use --collector.systemd.{flag}"
        );
        old
    };
    tracing::info!(
        value = %text,
        "parsed flag --collector.systemd.{flag}"
    );
    regexp::compile_anchored(text).map_err(|e| format!("--collector.systemd.{flag}: {e}"))
}

fn connect(private: bool, scrape: &Scrape) -> io::Result<Bus> {
    if private {
        return Bus::private(PRIVATE, scrape.deadline);
    }
    Bus::system(scrape.deadline).or_else(|error| match rustix::process::geteuid().is_root() {
        true => Bus::private(PRIVATE, scrape.deadline),
        false => Err(error),
    })
}

struct Unit {
    name: String,
    state: String,
    path: String,
}

fn collect(
    bus: &mut Bus,
    out: &mut Arena,
    flags: &Flags,
    wanted: impl Fn(&str) -> bool,
) -> Result<(), Error> {
    let version = put_version(bus, out);
    let call = Call {
        destination: SERVICE,
        path: ROOT,
        interface: MANAGER,
        member: "ListUnits",
        arguments: &[],
    };
    let reply = bus.call(&call).map_err(|e| format!("ListUnits: {e}"))?;
    let mut counts: BTreeMap<String, u32> = STATES.iter().map(|s| ((*s).to_owned(), 0)).collect();
    let mut units = Vec::new();
    for row in reply.first().map_or(&[][..], Value::list) {
        let text = |at: usize| {
            row.list()
                .get(at)
                .and_then(Value::text)
                .unwrap_or("")
                .to_owned()
        };
        let (name, load, state) = (text(0), text(2), text(3));
        *counts.entry(state.clone()).or_default() += 1;
        if load == "loaded" && wanted(&name) {
            let path = format!("{ROOT}/unit/{}", escape(&name));
            units.push(Unit { name, state, path });
        }
    }
    for (state, count) in &counts {
        out.put(&UNITS, &[state], f64::from(*count));
    }
    put_units(bus, out, flags, &units, version)?;
    if version >= COMPLETE {
        let state = bus.property(SERVICE, ROOT, [MANAGER, "SystemState"]);
        let state = state.map_err(|e| format!("SystemState: {e}"))?;
        let state = state.text().unwrap_or("");
        out.put(&RUNNING, &[], f64::from(u8::from(state == "running")));
        if flags.system_state {
            out.put(&SYSTEM_STATE, &[state], 1.0);
        }
    }
    Ok(())
}

/// Puts version and virtualisation; gives the version, 0 where it cannot be read.
fn put_version(bus: &mut Bus, out: &mut Arena) -> f64 {
    let mut property = |name: &str| {
        let value = bus.property(SERVICE, ROOT, [MANAGER, name]);
        value.ok().and_then(|v| v.text().map(str::to_owned))
    };
    let text = property("Version").unwrap_or_default();
    let number = version_number(&text);
    let label = if number.is_some() { text.as_str() } else { "" };
    out.put(&VERSION, &[label], number.unwrap_or(0.0));
    let kind = match property("Virtualization") {
        None => "unknown".to_owned(),
        Some(kind) if kind.is_empty() => "none".to_owned(),
        Some(kind) => kind,
    };
    out.put(&VIRTUALIZATION, &[&kind], 1.0);
    number.unwrap_or(0.0)
}

/// The first run of three or more digits, with a fraction if there is one.
fn version_number(text: &str) -> Option<f64> {
    let digits = |t: &str| t.bytes().take_while(u8::is_ascii_digit).count();
    let mut at = 0;
    while at < text.len() {
        let rest = text.get(at..)?;
        let whole = digits(rest);
        if whole >= 3 {
            let fraction = rest[whole..].strip_prefix('.').map_or(0, digits);
            let end = if fraction > 0 {
                whole + 1 + fraction
            } else {
                whole
            };
            return rest[..end].parse().ok();
        }
        at += whole.max(rest.chars().next().map_or(1, char::len_utf8));
    }
    None
}

/// Bytes other than letters and digits, and a leading digit, as `_` and two hexadecimal digits.
fn escape(name: &str) -> String {
    let mut escaped = String::new();
    for (at, byte) in name.bytes().enumerate() {
        if byte.is_ascii_alphabetic() || (byte.is_ascii_digit() && at > 0) {
            escaped.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(escaped, "_{byte:02x}");
        }
    }
    escaped
}

/// Properties of a unit: interface and name.
type Names = Vec<[&'static str; 2]>;

/// Which properties are wanted of a unit.
fn properties(name: &str, flags: &Flags, version: f64) -> Names {
    const OF_SERVICE: &str = "org.freedesktop.systemd1.Service";
    const OF_SOCKET: &str = "org.freedesktop.systemd1.Socket";
    let mut names: Names = Vec::new();
    if name.ends_with(".service") {
        names.push([OF_SERVICE, "Type"]);
        if flags.restarts {
            names.push([OF_SERVICE, "NRestarts"]);
        }
        if flags.tasks {
            names.extend([[OF_SERVICE, "TasksCurrent"], [OF_SERVICE, "TasksMax"]]);
        }
    } else if name.ends_with(".mount") {
        names.push(["org.freedesktop.systemd1.Mount", "Type"]);
    } else if name.ends_with(".timer") && version >= COMPLETE {
        names.push(["org.freedesktop.systemd1.Timer", "LastTriggerUSec"]);
    } else if name.ends_with(".socket") {
        names.extend([
            [OF_SOCKET, "NAccepted"],
            [OF_SOCKET, "NConnections"],
            [OF_SOCKET, "NRefused"],
        ]);
    }
    if flags.start_times {
        names.push(["org.freedesktop.systemd1.Unit", "ActiveEnterTimestamp"]);
    }
    names
}

fn put_units(
    bus: &mut Bus,
    out: &mut Arena,
    flags: &Flags,
    units: &[Unit],
    version: f64,
) -> io::Result<()> {
    let names: Vec<Names> = units
        .iter()
        .map(|u| properties(&u.name, flags, version))
        .collect();
    let calls: Vec<Call<'_>> = units
        .iter()
        .zip(&names)
        .flat_map(|(unit, names)| names.iter().map(|name| get(SERVICE, &unit.path, name)))
        .collect();
    let mut replies = bus.call_all(&calls)?.into_iter();
    for (unit, names) in units.iter().zip(&names) {
        let values: Vec<(&str, Option<Value>)> = names
            .iter()
            .map(|name| {
                (
                    name[1],
                    replies
                        .next()
                        .and_then(Result::ok)
                        .and_then(|v| v.into_iter().next()),
                )
            })
            .collect();
        unit.put(out, &values);
    }
    Ok(())
}

impl Unit {
    fn put(&self, out: &mut Arena, values: &[(&str, Option<Value>)]) {
        let value = |name: &str| {
            values
                .iter()
                .find(|v| v.0 == name)
                .and_then(|v| v.1.as_ref())
        };
        let number = |name: &str| value(name).and_then(Value::unsigned);
        let kind = value("Type").and_then(Value::text).unwrap_or("");
        for state in STATES {
            let current = f64::from(u8::from(state == self.state));
            out.put(&UNIT_STATE, &[&self.name, state, kind], current);
        }
        let labels = [self.name.as_str()];
        if let Some(restarts) = number("NRestarts") {
            out.put(&RESTARTS, &labels, restarts as f64);
        }
        for (name, family) in [("TasksCurrent", &TASKS), ("TasksMax", &TASKS_MAX)] {
            // All bits set: not counted.
            if let Some(tasks) = number(name).filter(|n| *n != u64::MAX) {
                out.put(family, &labels, tasks as f64);
            }
        }
        if let Some(time) = number("LastTriggerUSec") {
            out.put(&TIMER, &labels, time as f64 / 1e6);
        }
        if let Some(accepted) = number("NAccepted") {
            out.put(&ACCEPTED, &labels, accepted as f64);
            if let Some(connections) = number("NConnections") {
                out.put(&CONNECTIONS, &labels, connections as f64);
                if let Some(refused) = number("NRefused") {
                    out.put(&REFUSED, &labels, refused as f64);
                }
            }
        }
        if values.iter().any(|v| v.0 == "ActiveEnterTimestamp") {
            let time = match self.state.as_str() {
                "active" => number("ActiveEnterTimestamp"),
                _ => Some(0),
            };
            if let Some(time) = time {
                out.put(&START_TIME, &labels, time as f64 / 1e6);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::dbus::tests::{FakeBus, number_variant, structures, text_variant};
    use crate::testing::Tree;
    use std::time::{Duration, Instant};

    #[test]
    fn units_and_their_properties() {
        let bus = FakeBus::start(|path, member, arguments| {
            match (member, arguments.get(1).map(String::as_str)) {
                ("ListUnits", _) => Some((
                    "a(ssssssouso)",
                    structures(
                        &[
                            &[
                                "a-b.service",
                                "",
                                "loaded",
                                "active",
                                "running",
                                "",
                                "/x",
                                "",
                                "/",
                            ],
                            &[
                                "t.timer", "", "loaded", "active", "waiting", "", "/x", "", "/",
                            ],
                            &[
                                "home.mount",
                                "",
                                "loaded",
                                "active",
                                "mounted",
                                "",
                                "/x",
                                "",
                                "/",
                            ],
                            &[
                                "gone.service",
                                "",
                                "not-found",
                                "inactive",
                                "dead",
                                "",
                                "/x",
                                "",
                                "/",
                            ],
                        ],
                        "ssssssouso",
                    ),
                )),
                ("Get", Some("Version")) => Some(("v", text_variant("252.5-2 (x)"))),
                ("Get", Some("Virtualization")) => Some(("v", text_variant(""))),
                ("Get", Some("SystemState")) => Some(("v", text_variant("degraded"))),
                ("Get", Some("Type")) if path.ends_with("/a_2db_2eservice") => {
                    Some(("v", text_variant("simple")))
                }
                ("Get", Some("LastTriggerUSec" | "ActiveEnterTimestamp")) => {
                    Some(("v", number_variant(5_000_000)))
                }
                ("Get", Some("TasksMax")) => Some(("v", number_variant(u64::MAX))),
                ("Get", Some("TasksCurrent")) => Some(("v", number_variant(7))),
                _ => None,
            }
        });
        let mut bus =
            Bus::private(&bus.socket(), Instant::now() + Duration::from_secs(10)).unwrap();
        let host = Tree::new().host(&[
            ("collector.systemd.enable-task-metrics", "true"),
            ("collector.systemd.enable-start-time-metrics", "true"),
            ("collector.systemd.enable-system-state-metrics", "true"),
        ]);
        let flags = Flags::read(&host.matches).unwrap();
        let exclude = regexp::compile_anchored(&flags.exclude.value).unwrap();
        let mut arena = Arena::new();
        collect(&mut bus, &mut arena, &flags, |name| !exclude.is_match(name)).unwrap();
        let text = crate::testing::text(&mut arena);
        for line in [
            "node_systemd_version{version=\"252.5-2 (x)\"} 252.5",
            "node_systemd_virtualization_info{virtualization_type=\"none\"} 1",
            "node_systemd_units{state=\"active\"} 3",
            "node_systemd_unit_state{name=\"a-b.service\",state=\"active\",type=\"simple\"} 1",
            "node_systemd_unit_tasks_current{name=\"a-b.service\"} 7",
            "node_systemd_timer_last_trigger_seconds{name=\"t.timer\"} 5",
            "node_systemd_unit_start_time_seconds{name=\"t.timer\"} 5",
            "node_systemd_system_running 0",
            "node_systemd_system_state_info{state=\"degraded\"} 1",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
        }
        assert!(
            !text.contains("home.mount")
                && !text.contains("gone.service")
                && !text.contains("tasks_max{")
        );
    }

    #[test]
    fn versions_and_paths() {
        assert_eq!(version_number("v247.3-1"), Some(247.3));
        assert_eq!(version_number("254~rc1"), Some(254.0));
        assert_eq!(version_number("12"), None);
        assert_eq!(escape("0a.b"), "_30a_2eb");
    }
}
