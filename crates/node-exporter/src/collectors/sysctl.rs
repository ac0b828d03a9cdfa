//! Kernel parameters chosen by the user, from `sys` of procfs (`admin-guide/sysctl`).

use crate::host::Host;
use crate::kernel::names::metric_name;
use crate::kernel::{KernelFile, text};
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Error, Scrape};
use exporter_core::exposition::{Arena, Dynamic, Family, Kind};

exporter_core::flags! {
    /// Flags of this collector.
    pub struct Flags {
        /// Numeric parameter NAME, or NAME:KEY1,KEY2. May be repeated.
        "collector.sysctl.include" include: Vec<String> = [];
        /// Parameter whose text is exposed. May be repeated.
        "collector.sysctl.include-info" include_info: Vec<String> = [];
    }
}

/// Flags of this collector.
pub const FLAGS: &[Flag] = Flags::TABLE;

static VALUE: Family = Family::untyped(
    "node_sysctl_<name>",
    &["index"],
    "Value of a kernel parameter.",
);
static INFO: Family = Family::gauge(
    "node_sysctl_info",
    &["index", "name", "value"],
    "Word of a kernel parameter, constant 1.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&VALUE, &INFO]
}

struct Parameter {
    name: String,
    keys: Vec<String>,
    numeric: bool,
    file: KernelFile,
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    host.require_proc()?;
    let flags = Flags::read(&host.matches)?;
    let numeric = flags
        .include
        .iter()
        .map(|text| Parameter::new(host, text, true));
    let info = flags
        .include_info
        .iter()
        .map(|text| Parameter::new(host, text, false));
    let mut parameters: Vec<Parameter> = numeric.chain(info).collect();
    Ok(Box::new(move |out: &mut Arena, _: &Scrape| {
        for parameter in &mut parameters {
            parameter.put(out)?;
        }
        Ok(())
    }))
}

impl Parameter {
    fn new(host: &Host, text: &str, numeric: bool) -> Self {
        let (name, keys) = text.split_once(':').unwrap_or((text, ""));
        Parameter {
            name: name.to_owned(),
            keys: keys
                .split(',')
                .filter(|k| !k.is_empty())
                .map(str::to_owned)
                .collect(),
            numeric,
            file: KernelFile::new(host.proc("sys").join(name.replace('.', "/"))),
        }
    }

    fn put(&mut self, out: &mut Arena) -> Result<(), Error> {
        let contents = self.file.short_text()?;
        let words: Vec<&str> = contents.split_whitespace().collect();
        let name = &self.name;
        let wrong = |why: &str| Error::failed(format!("sysctl {name}: {why}"));
        if !self.numeric {
            if !self.keys.is_empty() && words.len() > 1 {
                return Err(wrong("keys are for numeric values only"));
            }
            for (at, word) in words.iter().enumerate() {
                out.put(&INFO, &[itoa::Buffer::new().format(at), name, word], 1.0);
            }
            return if words.is_empty() {
                Err(wrong("it has no value"))
            } else {
                Ok(())
            };
        }
        let values: Option<Vec<f64>> = words
            .iter()
            .map(|w| text::prefixed_int(w.as_bytes()).map(|v| v as f64))
            .collect();
        let values = values.ok_or_else(|| wrong("expected whole numbers"))?;
        let base = format!("node_sysctl_{}", metric_name(name));
        let mut put = |name: &str, labels: &[(&str, &str)], value| {
            out.put_dynamic(
                Dynamic {
                    name,
                    help: VALUE.help,
                    kind: Kind::Untyped,
                },
                labels,
                value,
            );
        };
        match (values.as_slice(), self.keys.len()) {
            ([], _) => return Err(wrong("it has no value")),
            ([value], 0) => put(&base, &[], *value),
            (values, 0) => {
                for (at, value) in values.iter().enumerate() {
                    put(&base, &[("index", itoa::Buffer::new().format(at))], *value);
                }
            }
            (values, keys) if values.len() == keys && keys > 1 => {
                for (key, value) in self.keys.iter().zip(values) {
                    put(&format!("{base}_{key}"), &[], *value);
                }
            }
            _ => {
                return Err(wrong(
                    "it has another number of values than keys were given",
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Tree, run};
    use exporter_core::cli::Source;

    #[test]
    fn values_keys_and_words() {
        let tree = Tree::new()
            .file("proc/sys/fs/file-nr", "1024\t0\t1631329\n")
            .file("proc/sys/kernel/threads-max", "7801\n")
            .file("proc/sys/kernel/seccomp/actions_avail", "kill allow\n");
        let mut host = tree.host(&[]);
        let list = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
        host.matches.set(
            "collector.sysctl.include",
            Source::CommandLine,
            list(&[
                "kernel.threads-max",
                "fs.file-nr",
                "fs.file-nr:total,current,max",
            ]),
        );
        host.matches.set(
            "collector.sysctl.include-info",
            Source::CommandLine,
            list(&["kernel.seccomp.actions_avail"]),
        );
        run(&mut *new(&host).unwrap()).expect(
            "node_sysctl_fs_file_nr{index=\"0\"} 1024\nnode_sysctl_fs_file_nr{index=\"1\"} 0\nnode_sysctl_fs_file_nr{index=\"2\"} 1631329\n\
             node_sysctl_fs_file_nr_current 0\nnode_sysctl_fs_file_nr_max 1631329\nnode_sysctl_fs_file_nr_total 1024\n\
             node_sysctl_info{index=\"0\",name=\"kernel.seccomp.actions_avail\",value=\"kill\"} 1\n\
             node_sysctl_info{index=\"1\",name=\"kernel.seccomp.actions_avail\",value=\"allow\"} 1\n\
             node_sysctl_kernel_threads_max 7801\n",
        );
        host.matches.set(
            "collector.sysctl.include",
            Source::CommandLine,
            list(&["fs.file-nr:a,b"]),
        );
        run(&mut *new(&host).unwrap()).expect_failure("another number");
    }
}
