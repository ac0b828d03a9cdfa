//! Sessions of users, from logind over D-Bus (org.freedesktop.login1(5)).

use crate::host::Host;
use crate::kernel::dbus::{Bus, Call, Value, get};
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Error, Scrape};
use exporter_core::exposition::{Arena, Family};
use std::collections::HashMap;

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

static SESSIONS: Family = Family::gauge(
    "node_logind_sessions",
    &["class", "remote", "seat", "type"],
    "Sessions of logind.",
);
const TYPES: [&str; 7] = [
    "other",
    "unspecified",
    "tty",
    "x11",
    "wayland",
    "mir",
    "web",
];
const CLASSES: [&str; 5] = ["other", "user", "greeter", "lock-screen", "background"];
const SERVICE: &str = "org.freedesktop.login1";
const SESSION: &str = "org.freedesktop.login1.Session";

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&SESSIONS]
}

/// Makes the collector.
pub fn new(_: &Host) -> Result<Box<dyn Collector>, String> {
    Ok(Box::new(|out: &mut Arena, scrape: &Scrape| {
        let mut bus = Bus::system(scrape.deadline)?;
        collect(&mut bus, out)
    }))
}

/// Seat, whether it is remote, type and class of a session.
type Session = (String, bool, &'static str, &'static str);

fn collect(bus: &mut Bus, out: &mut Arena) -> Result<(), Error> {
    let mut seats = vec![String::new()];
    seats.extend(first_texts(&list(bus, "ListSeats")?, 0));
    let reply = list(bus, "ListSessions")?;
    let rows = reply.list();
    let objects: Vec<(String, String)> = rows
        .iter()
        .filter_map(|r| {
            Some((
                r.list().get(3)?.text()?.to_owned(),
                r.list().get(4)?.text()?.to_owned(),
            ))
        })
        .collect();
    let names = [[SESSION, "Remote"], [SESSION, "Type"], [SESSION, "Class"]];
    let calls: Vec<Call<'_>> = objects
        .iter()
        .flat_map(|(_, path)| names.iter().map(|name| get(SERVICE, path, name)))
        .collect();
    let replies = bus.call_all(&calls)?;
    let mut counts: HashMap<Session, u32> = HashMap::new();
    for ((seat, _), properties) in objects.iter().zip(replies.chunks(3)) {
        if let Some(session) = session(seat, properties) {
            *counts.entry(session).or_default() += 1;
        }
    }
    for seat in seats {
        for remote in [true, false] {
            for kind in TYPES {
                for class in CLASSES {
                    let key = (seat.clone(), remote, kind, class);
                    let count = counts.get(&key).copied().unwrap_or(0);
                    let labels = [class, if remote { "true" } else { "false" }, &seat, kind];
                    out.put(&SESSIONS, &labels, f64::from(count));
                }
            }
        }
    }
    Ok(())
}

fn list(bus: &mut Bus, member: &str) -> Result<Value, Error> {
    let call = Call {
        destination: SERVICE,
        path: "/org/freedesktop/login1",
        interface: "org.freedesktop.login1.Manager",
        member,
        arguments: &[],
    };
    let reply = bus.call(&call).map_err(|e| format!("{member}: {e}"))?;
    let first = reply.into_iter().next();
    first.ok_or_else(|| Error::failed(format!("{member}: expected a list")))
}

fn first_texts(list: &Value, at: usize) -> Vec<String> {
    let texts = list
        .list()
        .iter()
        .filter_map(|row| row.list().get(at)?.text());
    texts.map(str::to_owned).collect()
}

/// A session with a property that cannot be read is not counted.
fn session(seat: &str, properties: &[std::io::Result<Vec<Value>>]) -> Option<Session> {
    let value = |at: usize| properties.get(at)?.as_ref().ok()?.first().cloned();
    let Value::Bool(remote) = value(0)? else {
        return None;
    };
    let known = |words: &[&'static str], value: Value| {
        let text = value.text()?.to_owned();
        Some(
            words
                .iter()
                .copied()
                .find(|w| *w == text)
                .unwrap_or("other"),
        )
    };
    Some((
        seat.to_owned(),
        remote,
        known(&TYPES, value(1)?)?,
        known(&CLASSES, value(2)?)?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::dbus::tests::{FakeBus, structures, text_variant};
    use std::time::{Duration, Instant};

    #[test]
    fn sessions_by_seat() {
        let bus = FakeBus::start(|_, member, arguments| {
            match (member, arguments.get(1).map(String::as_str)) {
                ("ListSeats", _) => Some(("a(so)", structures(&[&["seat0", "/seat0"]], "so"))),
                ("ListSessions", _) => Some((
                    "a(susso)",
                    structures(
                        &[&["1", "me", "seat0", "/s1"], &["2", "you", "", "/s2"]],
                        "susso",
                    ),
                )),
                ("Get", Some("Remote")) => Some(("v", vec![1, b'b', 0, 0, 0, 0, 0, 0])),
                ("Get", Some("Type")) => Some(("v", text_variant("tty"))),
                ("Get", Some("Class")) => Some(("v", text_variant("strange"))),
                _ => None,
            }
        });
        let mut bus =
            Bus::private(&bus.socket(), Instant::now() + Duration::from_secs(10)).unwrap();
        let mut arena = Arena::new();
        collect(&mut bus, &mut arena).unwrap();
        arena.seal();
        let family = arena.families().next().unwrap();
        assert_eq!(family.samples().len(), 2 * 2 * 7 * 5);
        let sum: f64 = family.samples().map(|s| s.value()).sum();
        assert_eq!(sum, 2.0);
    }
}
