//! The clock, its zone and its sources (`timers/timekeeping`).

use crate::host::{Host, require};
use crate::kernel::{Devices, KernelFile, Unread};
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Scrape};
use exporter_core::exposition::{Arena, Family};
use jiff::Zoned;

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

static SECONDS: Family = Family::gauge(
    "node_time_seconds",
    &[],
    "Time of the host in seconds since the epoch.",
);
static OFFSET: Family = Family::gauge(
    "node_time_zone_offset_seconds",
    &["time_zone"],
    "Offset of local time east of UTC in seconds.",
);
static AVAILABLE: Family = Family::gauge(
    "node_time_clocksource_available_info",
    &["clocksource", "device"],
    "Clock source that could be used, constant 1.",
);
static CURRENT: Family = Family::gauge(
    "node_time_clocksource_current_info",
    &["clocksource", "device"],
    "Clock source in use, constant 1.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&SECONDS, &OFFSET, &AVAILABLE, &CURRENT]
}

struct Source {
    available: KernelFile,
    current: KernelFile,
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    let sys = host.sys.clone();
    let mut sources = Devices::new(host.sys("devices/system/clocksource"));
    Ok(Box::new(move |out: &mut Arena, _: &Scrape| {
        let now = Zoned::now();
        out.put(&SECONDS, &[], now.timestamp().as_nanosecond() as f64 / 1e9);
        let zone = now.time_zone();
        let info = zone.to_offset_info(now.timestamp());
        let name = if zone.is_unknown() {
            "UTC"
        } else {
            info.abbreviation()
        };
        out.put(&OFFSET, &[name], f64::from(info.offset().seconds()));
        let sources = sources.refresh(|name, path| {
            let number = name.strip_prefix("clocksource")?;
            number
                .starts_with(|c: char| c.is_ascii_digit())
                .then(|| Source {
                    available: KernelFile::new(path.join("available_clocksource")),
                    current: KernelFile::new(path.join("current_clocksource")),
                })
        });
        let sources = match sources {
            Ok(sources) => sources,
            Err(unread) if unread.is_missing() => return Ok(require("sysfs", &sys)?),
            Err(unread) => return Err(unread.into()),
        };
        let texts = sources.iter_mut().map(|source| {
            let available = source.state.available.short_text()?;
            Ok((available, source.state.current.short_text()?))
        });
        let texts: Vec<(String, String)> = texts.collect::<Result<_, Unread>>()?;
        for (position, (available, current)) in texts.iter().enumerate() {
            let mut digits = itoa::Buffer::new();
            let device = digits.format(position);
            for clock in available.split_whitespace() {
                out.put(&AVAILABLE, &[clock, device], 1.0);
            }
            out.put(&CURRENT, &[current, device], 1.0);
        }
        Ok(())
    }))
}

#[cfg(test)]
mod tests {
    use crate::testing::Tree;

    #[test]
    fn sources_are_numbered_by_position() {
        let tree = Tree::new()
            .file(
                "sys/devices/system/clocksource/clocksource3/available_clocksource",
                "tsc hpet acpi_pm \n",
            )
            .file(
                "sys/devices/system/clocksource/clocksource3/current_clocksource",
                "tsc\n",
            );
        let collected = tree.collect("time", &[]);
        assert!(
            collected.text.contains("node_time_seconds 1"),
            "{}",
            collected.text
        );
        assert!(
            collected
                .text
                .contains("node_time_zone_offset_seconds{time_zone=")
        );
        collected.expect_some(&[
            "node_time_clocksource_available_info{clocksource=\"hpet\",device=\"0\"} 1",
            "node_time_clocksource_current_info{clocksource=\"tsc\",device=\"0\"} 1",
        ]);
        tree.write("sys/devices/system/clocksource/clocksource4/x", "");
        let collected = tree.collect("time", &[]);
        assert!(!collected.text.contains("clocksource"));
        collected.expect_failure("available_clocksource");
        Tree::new().collect("time", &[]).result.unwrap();
    }
}
