//! Memory errors, from `devices/system/edac/mc` of sysfs (`admin-guide/RAS`).

use crate::host::Host;
use crate::kernel::{KernelFile, glob, read_once, uint_once};
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Error, Scrape};
use exporter_core::exposition::{Arena, Family};
use std::path::Path;

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

const CSROW: &[&str] = &["controller", "csrow"];
const CHANNEL: &[&str] = &["channel", "controller", "csrow", "dimm_label"];
static CORRECTABLE: Family = Family::counter(
    "node_edac_correctable_errors_total",
    &["controller"],
    "Correctable memory errors.",
);
static UNCORRECTABLE: Family = Family::counter(
    "node_edac_uncorrectable_errors_total",
    &["controller"],
    "Uncorrectable memory errors.",
);
static CSROW_CORRECTABLE: Family = Family::counter(
    "node_edac_csrow_correctable_errors_total",
    CSROW,
    "Correctable memory errors of a row.",
);
static CSROW_UNCORRECTABLE: Family = Family::counter(
    "node_edac_csrow_uncorrectable_errors_total",
    CSROW,
    "Uncorrectable memory errors of a row.",
);
static CHANNEL_CORRECTABLE: Family = Family::counter(
    "node_edac_channel_correctable_errors_total",
    CHANNEL,
    "Correctable memory errors of a channel.",
);
static CHANNEL_UNCORRECTABLE: Family = Family::counter(
    "node_edac_channel_uncorrectable_errors_total",
    CHANNEL,
    "Uncorrectable memory errors of a channel.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![
        &CORRECTABLE,
        &UNCORRECTABLE,
        &CSROW_CORRECTABLE,
        &CSROW_UNCORRECTABLE,
        &CHANNEL_CORRECTABLE,
        &CHANNEL_UNCORRECTABLE,
    ]
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    let root = host.sys("devices/system/edac/mc");
    Ok(Box::new(move |out: &mut Arena, _: &Scrape| {
        for name in glob(&root, "mc[0-9]*") {
            put_controller(out, &root.join(&name), &name["mc".len()..])?;
        }
        Ok(())
    }))
}

fn put_controller(out: &mut Arena, dir: &Path, controller: &str) -> Result<(), Error> {
    let count = |file: &str| uint_once(dir.join(file)).map(|v| v as f64);
    out.put(&CORRECTABLE, &[controller], count("ce_count")?);
    out.put(
        &CSROW_CORRECTABLE,
        &[controller, "unknown"],
        count("ce_noinfo_count")?,
    );
    out.put(&UNCORRECTABLE, &[controller], count("ue_count")?);
    out.put(
        &CSROW_UNCORRECTABLE,
        &[controller, "unknown"],
        count("ue_noinfo_count")?,
    );
    for row in glob(dir, "csrow[0-9]*") {
        let number = &row["csrow".len()..];
        let dir = dir.join(&row);
        let labels = [controller, number];
        out.put(
            &CSROW_CORRECTABLE,
            &labels,
            uint_once(dir.join("ce_count"))? as f64,
        );
        out.put(
            &CSROW_UNCORRECTABLE,
            &labels,
            uint_once(dir.join("ue_count"))? as f64,
        );
        for file in glob(&dir, "ch*_ce_count") {
            put_channel(out, &dir, &file, controller, number)?;
        }
    }
    Ok(())
}

fn put_channel(
    out: &mut Arena,
    dir: &Path,
    file: &str,
    controller: &str,
    row: &str,
) -> Result<(), Error> {
    let Some(channel) = file
        .strip_prefix("ch")
        .and_then(|f| f.strip_suffix("_ce_count"))
    else {
        return Ok(());
    };
    let label = match read_once(dir.join(format!("ch{channel}_dimm_label"))) {
        Ok(text) => {
            let text = String::from_utf8_lossy(text.trim_ascii()).replace('#', "");
            text.replace("csrow", "_csrow")
                .replace("channel", "_channel")
        }
        Err(_) => "unknown".to_owned(),
    };
    let labels = [channel, controller, row, &label];
    out.put(
        &CHANNEL_CORRECTABLE,
        &labels,
        uint_once(dir.join(file))? as f64,
    );
    if let Ok(count) = KernelFile::new(dir.join(format!("ch{channel}_ue_count"))).uint() {
        out.put(&CHANNEL_UNCORRECTABLE, &labels, count as f64);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Tree;

    #[test]
    fn rows_and_channels() {
        let mut tree = Tree::new();
        for (file, value) in [
            ("ce_count", "1"),
            ("ce_noinfo_count", "2"),
            ("ue_count", "5"),
            ("ue_noinfo_count", "6"),
            ("csrow0/ce_count", "3"),
            ("csrow0/ue_count", "4"),
            ("csrow0/ch0_ce_count", "7"),
            ("csrow0/ch0_dimm_label", "CPU_SrcID#0_csrow0#channel1"),
        ] {
            tree = tree.file(
                &format!("sys/devices/system/edac/mc/mc0/{file}"),
                format!("{value}\n"),
            );
        }
        tree.collect("edac", &[]).expect_some(&[
            "node_edac_correctable_errors_total{controller=\"0\"} 1",
            "node_edac_csrow_uncorrectable_errors_total{controller=\"0\",csrow=\"unknown\"} 6",
            "node_edac_channel_correctable_errors_total{channel=\"0\",controller=\"0\",csrow=\"0\",dimm_label=\"CPU_SrcID0__csrow0_channel1\"} 7",
        ]);
        Tree::new().collect("edac", &[]).expect("");
    }
}
