//! AMD graphics cards, from `class/drm` of sysfs (`gpu/amdgpu/driver-misc`).

use super::hwmon;
use crate::host::Host;
use crate::kernel::{glob, short_once, text};
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Scrape};
use exporter_core::exposition::{Arena, Family};
use rustix::io::Errno;

exporter_core::flags! {
    /// Flags of this collector.
    pub struct Flags {
        /// Expose what the hwmon collector calls the sensors of a card.
        "collector.drm.hwmon-chip" hwmon_chip: bool = ["false"];
    }
}

/// Flags of this collector.
pub const FLAGS: &[Flag] = Flags::TABLE;

const CARD: &[&str] = &["card"];
static NUMBERS: [(&str, Family); 7] = [
    (
        "gpu_busy_percent",
        Family::gauge(
            "node_drm_gpu_busy_percent",
            CARD,
            "How busy a card is in percent.",
        ),
    ),
    (
        "mem_info_gtt_total",
        Family::gauge(
            "node_drm_memory_gtt_size_bytes",
            CARD,
            "System memory that a card may use in bytes.",
        ),
    ),
    (
        "mem_info_gtt_used",
        Family::gauge(
            "node_drm_memory_gtt_used_bytes",
            CARD,
            "System memory that a card uses in bytes.",
        ),
    ),
    (
        "mem_info_vis_vram_total",
        Family::gauge(
            "node_drm_memory_vis_vram_size_bytes",
            CARD,
            "Memory of a card that the processor sees in bytes.",
        ),
    ),
    (
        "mem_info_vis_vram_used",
        Family::gauge(
            "node_drm_memory_vis_vram_used_bytes",
            CARD,
            "Used part of the former in bytes.",
        ),
    ),
    (
        "mem_info_vram_total",
        Family::gauge(
            "node_drm_memory_vram_size_bytes",
            CARD,
            "Memory of a card in bytes.",
        ),
    ),
    (
        "mem_info_vram_used",
        Family::gauge(
            "node_drm_memory_vram_used_bytes",
            CARD,
            "Used memory of a card in bytes.",
        ),
    ),
];
static INFO: Family = Family::gauge(
    "node_drm_card_info",
    &[
        "card",
        "memory_vendor",
        "power_performance_level",
        "unique_id",
        "vendor",
    ],
    "What a card is, constant 1.",
);

static HWMON: Family = Family::gauge(
    "node_drm_card_hwmon_info",
    &["card", "chip"],
    "Sensors of a card by the chip label of node_hwmon_*, constant 1.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    let numbers = NUMBERS.iter().map(|n| &n.1);
    numbers.chain([&INFO, &HWMON]).collect()
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    host.require_sys()?;
    let Flags { hwmon_chip } = Flags::read(&host.matches)?;
    let root = host.sys("class/drm");
    let hwmon = host.sys("class/hwmon");
    Ok(Box::new(move |out: &mut Arena, _: &Scrape| {
        let chips = match hwmon_chip {
            true => hwmon::labels_of_devices(&hwmon),
            false => Vec::new(),
        };
        for card in glob(&root, "card[0-9]") {
            let dir = root.join(&card).join("device");
            let uevent = match short_once(dir.join("uevent")) {
                Ok(uevent) => uevent,
                Err(unread) if unread.errno == Errno::NODATA => continue,
                Err(unread) => return Err(unread.into()),
            };
            if !uevent.contains("DRIVER=amdgpu") {
                continue;
            }
            let read = |file: &str| short_once(dir.join(file)).unwrap_or_default();
            let labels = [
                &card,
                &read("mem_info_vram_vendor"),
                &read("power_dpm_force_performance_level"),
                &read("unique_id"),
                "amd",
            ];
            out.put(&INFO, &labels, 1.0);
            for (file, family) in &NUMBERS {
                let value = text::prefixed_uint(read(file).as_bytes()).unwrap_or(0);
                out.put(family, &[&card], value as f64);
            }
            let device = dir.canonicalize().ok();
            for (_, chip) in chips.iter().filter(|c| Some(&c.0) == device.as_ref()) {
                out.put(&HWMON, &[&card, chip], 1.0);
            }
        }
        Ok(())
    }))
}

#[cfg(test)]
mod tests {
    use crate::testing::Tree;

    #[test]
    fn sensors_of_a_card() {
        let gpu = "sys/devices/pci0000:00/0000:03:00.0";
        let tree = Tree::new()
            .file(&format!("{gpu}/uevent"), "DRIVER=amdgpu\n")
            .link(
                "sys/class/drm/card0/device",
                "../../../devices/pci0000:00/0000:03:00.0",
            )
            .file("sys/class/hwmon/hwmon4/name", "amdgpu\n")
            .link(
                "sys/class/hwmon/hwmon4/device",
                "../../../devices/pci0000:00/0000:03:00.0",
            )
            .file("sys/class/hwmon/hwmon5/temp1_input", "1000\n");
        let family = super::HWMON.name;
        assert!(!tree.collect("drm", &[]).text.contains(family));
        let chip = "pci0000:00_0000:03:00_0";
        tree.collect("drm", &[("collector.drm.hwmon-chip", "true")])
            .expect_some(&[&format!("{family}{{card=\"card0\",chip=\"{chip}\"}} 1")]);
        let sensors = tree.collect("hwmon", &[]).text;
        assert!(sensors.contains(&format!("{{chip=\"{chip}\"")), "{sensors}");
    }

    #[test]
    fn cards_of_one_driver() {
        let tree = Tree::new()
            .file("sys/class/drm/card0/device/uevent", "DRIVER=amdgpu\n")
            .file("sys/class/drm/card0/device/gpu_busy_percent", "4\n")
            .file("sys/class/drm/card0/device/unique_id", "0123456789abcdef\n")
            .file("sys/class/drm/card1/device/uevent", "DRIVER=i915\n");
        tree.collect("drm", &[]).expect_some(&[
            "node_drm_card_info{card=\"card0\",memory_vendor=\"\",power_performance_level=\"\",unique_id=\"0123456789abcdef\",vendor=\"amd\"} 1",
            "node_drm_gpu_busy_percent{card=\"card0\"} 4",
        ]);
        let tree = tree.dir("sys/class/drm/card2");
        tree.collect("drm", &[]).expect_failure("uevent");
    }
}
