//! Where a scrape puts its samples: an arena, with the prefix of `--namespace` and perhaps the
//! label `instance_role` on everything that is told of a server.

use exporter_core::exposition::{Arena, Distribution, Dynamic, Family, Kind};
use std::collections::HashMap;

/// The prefix that families are declared with.
const PREFIX: &str = "redis_";
/// The label of `--append-instance-role-label`.
const ROLE: &str = "instance_role";

/// The names of all families under one namespace.
pub struct Names {
    /// Address of a declared family → the same under this namespace. Empty for the default one.
    renamed: HashMap<usize, &'static Family>,
    prefix: String,
}

impl Names {
    /// Names under a namespace; an empty one is no prefix at all. Made once in a process: the
    /// renamed families live as long as it.
    pub fn new(namespace: &str, families: impl IntoIterator<Item = &'static Family>) -> Self {
        let prefix = match namespace {
            "" => String::new(),
            namespace => format!("{namespace}_"),
        };
        let rename = |family: &'static Family| {
            let name = format!("{prefix}{}", bare(family.name));
            let renamed = Family::new(family.kind, name.leak(), family.labels, family.help);
            (address(family), &*Box::leak(Box::new(renamed)))
        };
        let renamed = match prefix == PREFIX {
            true => HashMap::new(),
            false => families.into_iter().map(rename).collect(),
        };
        Names { renamed, prefix }
    }

    fn of(&self, family: &'static Family) -> &'static Family {
        match self.renamed.is_empty() {
            true => family,
            false => self.renamed.get(&address(family)).unwrap_or(&family),
        }
    }
}

fn address(family: &'static Family) -> usize {
    std::ptr::from_ref(family) as usize
}

fn bare(name: &str) -> &str {
    name.strip_prefix(PREFIX).unwrap_or(name)
}

/// The samples of one scrape.
pub struct Samples<'a> {
    arena: Arena,
    names: &'a Names,
    /// Value of the label `instance_role`, where that is wanted.
    role: Option<String>,
}

impl<'a> Samples<'a> {
    /// Into an empty arena.
    pub fn new(arena: Arena, names: &'a Names) -> Self {
        Samples {
            arena,
            names,
            role: None,
        }
    }

    /// Labels everything from here on with a role.
    pub fn set_role(&mut self, role: &str) {
        self.role = Some(role.to_owned());
    }

    /// All that was put.
    pub fn into_arena(self) -> Arena {
        self.arena
    }

    /// Puts one sample; `values` belong to the labels of the family.
    pub fn put(&mut self, family: &'static Family, values: &[&str], value: f64) {
        if self.role.is_none() {
            return self.arena.put(self.names.of(family), values, value);
        }
        let pairs: Vec<(&str, &str)> = family
            .labels
            .iter()
            .copied()
            .zip(values.iter().copied())
            .collect();
        self.put_pairs(family, &pairs, value);
    }

    /// Puts one sample whose label set is its own.
    pub fn put_pairs(&mut self, family: &'static Family, pairs: &[(&str, &str)], value: f64) {
        let all;
        let pairs = match &self.role {
            None => pairs,
            Some(role) => {
                all = [pairs, &[(ROLE, role.as_str())]].concat();
                &all
            }
        };
        self.arena.put_pairs(self.names.of(family), pairs, value);
    }

    /// Puts one sample of the exporter itself, which has no role.
    pub fn put_own(&mut self, family: &'static Family, values: &[&str], value: f64) {
        self.arena.put(self.names.of(family), values, value);
    }

    /// Puts one histogram or summary.
    pub fn put_distribution(
        &mut self,
        family: &'static Family,
        labels: &[(&str, &str)],
        distribution: Distribution<'_>,
    ) {
        let all;
        let labels = match &self.role {
            None => labels,
            Some(role) => {
                all = [labels, &[(ROLE, role.as_str())]].concat();
                &all
            }
        };
        self.arena
            .put_distribution(self.names.of(family), labels, distribution);
    }

    /// Puts one histogram or summary of the exporter itself.
    pub fn put_own_distribution(
        &mut self,
        family: &'static Family,
        distribution: Distribution<'_>,
    ) {
        self.arena
            .put_distribution(self.names.of(family), &[], distribution);
    }

    /// Puts a gauge named by the server.
    pub fn put_named(&mut self, name: &str, help: &str, value: f64) {
        let name = format!("{}{name}", self.names.prefix);
        let family = Dynamic {
            name: &name,
            help,
            kind: Kind::Gauge,
        };
        match &self.role {
            None => self.arena.put_dynamic(family, &[], value),
            Some(role) => self.arena.put_dynamic(family, &[(ROLE, role)], value),
        }
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// What `put` puts, as text without HELP and TYPE lines.
    pub fn exposed(put: impl FnOnce(&mut Samples<'_>)) -> String {
        exposed_as("redis", None, put)
    }

    /// The same under a namespace and with a role.
    pub fn exposed_as(
        namespace: &str,
        role: Option<&str>,
        put: impl FnOnce(&mut Samples<'_>),
    ) -> String {
        let names = Names::new(namespace, crate::collectors::families());
        let mut samples = Samples::new(Arena::new(), &names);
        if let Some(role) = role {
            samples.set_role(role);
        }
        put(&mut samples);
        let mut arena = samples.into_arena();
        arena.seal();
        let mut bytes = Vec::new();
        let format = exporter_core::exposition::format::negotiate(None, Default::default());
        format.encode(&arena, &mut bytes);
        let text = String::from_utf8(bytes).unwrap();
        let lines = text.lines().filter(|l| !l.starts_with('#'));
        lines.map(|l| format!("{l}\n")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::testing::exposed_as;
    use crate::collectors::slowlog;

    #[test]
    fn prefixes_and_roles() {
        let put = |out: &mut super::Samples<'_>| {
            out.put(&slowlog::LENGTH, &[], 3.0);
            out.put_named("cluster_new", "New.", 1.0);
        };
        for (namespace, role, text) in [
            (
                "redis",
                None,
                "redis_cluster_new 1\nredis_slowlog_length 3\n",
            ),
            ("", None, "cluster_new 1\nslowlog_length 3\n"),
            (
                "x",
                Some("master"),
                "x_cluster_new{instance_role=\"master\"} 1\nx_slowlog_length{instance_role=\"master\"} 3\n",
            ),
        ] {
            assert_eq!(exposed_as(namespace, role, put), text);
        }
    }
}
