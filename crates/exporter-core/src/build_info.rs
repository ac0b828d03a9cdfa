//! The version text, and the series that carries it.

use crate::exposition::{Arena, Family};

/// What a binary is and where it came from.
#[derive(Clone, Copy, Debug)]
pub struct BuildInfo {
    /// Name of the binary, such as `node_exporter`.
    pub name: &'static str,
    /// Version of the exporter, `env!("CARGO_PKG_VERSION")` of its crate.
    pub version: &'static str,
    /// `<name>_build_info`, made by [`build_info_family!`](crate::build_info_family).
    pub family: &'static Family,
}

const BRANCH: &str = or_unknown(option_env!("EXPORTERS_BRANCH"));
/// The commit that was built, or `unknown`.
pub const REVISION: &str = or_unknown(option_env!("EXPORTERS_REVISION"));
/// When it was built, or `unknown`.
pub const BUILD_DATE: &str = or_unknown(option_env!("EXPORTERS_BUILD_DATE"));
/// The compiler and its version.
pub const RUSTC: &str = env!("EXPORTERS_RUSTC");
const TAGS: &str = "unknown";

const fn or_unknown(value: Option<&'static str>) -> &'static str {
    match value {
        Some(value) if !value.is_empty() => value,
        _ => "unknown",
    }
}

/// Labels of every `<name>_build_info`, in ascending order.
pub const LABELS: &[&str] = &[
    "branch",
    "goarch",
    "goos",
    "goversion",
    "revision",
    "tags",
    "version",
];

/// The family `<name>_build_info` as a constant.
#[macro_export]
macro_rules! build_info_family {
    ($name:literal) => {
        $crate::exposition::Family::gauge(
            concat!($name, "_build_info"),
            $crate::build_info::LABELS,
            concat!(
                "Constant 1, labelled with version, origin, compiler and platform of this ",
                $name,
                "."
            ),
        )
    };
}

/// The architecture in the words of the originals.
pub fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
        "loongarch64" => "loong64",
        other => other,
    }
}

impl BuildInfo {
    /// What `--version` prints, without a final newline.
    pub fn text(&self) -> String {
        format!(
            "{}, version {} (branch: {BRANCH}, revision: {REVISION})\n\
             \x20 build user:       unknown\n\
             \x20 build date:       {BUILD_DATE}\n\
             \x20 go version:       {RUSTC}\n\
             \x20 platform:         linux/{}\n\
             \x20 tags:             {TAGS}",
            self.name,
            self.version,
            architecture(),
        )
    }

    /// The first line of [`BuildInfo::text`] from the version on, for the start line of the log.
    pub fn version_line(&self) -> String {
        format!(
            "(version={}, branch={BRANCH}, revision={REVISION})",
            self.version
        )
    }

    /// The build context for the second line of the log.
    pub fn context_line(&self) -> String {
        format!(
            "(go={RUSTC}, platform=linux/{}, user=unknown, date={BUILD_DATE}, tags={TAGS})",
            architecture()
        )
    }

    /// Version, branch and revision for the landing page.
    pub fn landing_line(&self) -> String {
        format!(
            "version={}, branch={BRANCH}, revision={REVISION}",
            self.version
        )
    }

    /// The values of [`LABELS`].
    pub fn values(&self) -> [&'static str; 7] {
        [
            BRANCH,
            architecture(),
            "linux",
            RUSTC,
            REVISION,
            TAGS,
            self.version,
        ]
    }

    /// Puts `<name>_build_info`.
    pub fn put(&self, out: &mut Arena) {
        out.put(self.family, &self.values(), 1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static FAMILY: Family = build_info_family!("x_exporter");
    const INFO: BuildInfo = BuildInfo {
        name: "x_exporter",
        version: "1.2.3",
        family: &FAMILY,
    };

    #[test]
    fn tools_read_the_first_line_and_the_platform() {
        let text = INFO.text();
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].starts_with("x_exporter, version 1.2.3 (branch: "));
        assert!(lines[4].starts_with("  platform:         linux/"));
        assert_eq!(lines.len(), 6);
        assert!(RUSTC.starts_with("rustc"));
        assert_eq!(FAMILY.name, "x_exporter_build_info");
    }
}
