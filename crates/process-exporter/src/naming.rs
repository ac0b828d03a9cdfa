//! Which group a process belongs to, by its names and arguments.

use crate::users::Users;
use exporter_core::dialect::regexp;
use exporter_core::dialect::template::{Template, Value};
use jiff::Timestamp;
use regex::Regex;
use std::collections::{BTreeMap, HashMap, HashSet};

/// What is known of a process when it is named.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// Process number.
    pub pid: u32,
    /// Name of the task.
    pub comm: String,
    /// Arguments; none for kernel threads and zombies.
    pub arguments: Vec<String>,
    /// Effective user.
    pub uid: u64,
    /// Start in hundredths of a second since the epoch.
    pub started: u64,
}

impl Identity {
    /// The arguments joined by blanks.
    pub fn command_line(&self) -> String {
        self.arguments.join(" ")
    }

    fn exe_base(&self) -> &str {
        self.arguments.first().map_or(&self.comm, |exe| base(exe))
    }

    fn exe_full(&self) -> &str {
        self.arguments.first().unwrap_or(&self.comm)
    }
}

/// The last element of a path.
fn base(path: &str) -> &str {
    let trimmed = path.trim_end_matches('/');
    match trimmed.rsplit('/').next() {
        Some("") if path.is_empty() => ".",
        Some("") | None => "/",
        Some(last) => last,
    }
}

/// One item of the configuration file. All selectors that are there must match.
#[derive(Clone, Debug)]
pub struct Item {
    /// Name of the group.
    pub name: Title,
    /// Any of these is the task's name.
    pub comm: Option<Vec<String>>,
    /// Any of these is the first argument, or its last path element where there is no slash.
    pub exe: Option<Vec<String>>,
    /// All of these are found in the command line.
    pub cmdline: Option<Vec<Regex>>,
}

/// What a group is called.
#[derive(Clone, Debug)]
pub struct Title {
    template: Template,
    /// It may tell control groups, which have to be read then.
    cgroups: bool,
}

impl Title {
    /// Parses a template.
    ///
    /// # Errors
    /// What is wrong, with the template.
    pub fn parse(text: &str) -> Result<Self, String> {
        let template = Template::parse(text).map_err(|e| format!("bad template {text:?}: {e}"))?;
        Ok(Title {
            template,
            cgroups: may_tell_cgroups(text),
        })
    }
}

/// Whether a template holds anything behind a dot or dollar but fields that are no control groups.
/// Text outside of actions is looked at too, which errs on the safe side.
fn may_tell_cgroups(text: &str) -> bool {
    const OTHERS: [&str; 7] = [
        "Comm",
        "ExeBase",
        "ExeFull",
        "Username",
        "PID",
        "StartTime",
        "Matches",
    ];
    let word = |text: &str| {
        let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
        end.unwrap_or(text.len())
    };
    let mut rest = text;
    while let Some(at) = rest.find(['.', '$']) {
        let after = &rest[at + 1..];
        let name = &after[..word(after)];
        if rest[at..].starts_with('$') || !OTHERS.contains(&name) {
            return true;
        }
        rest = &after[name.len()..];
        // Fields of a field.
        while let Some(inner) = rest.strip_prefix('.').filter(|inner| word(inner) > 0) {
            rest = &inner[word(inner)..];
        }
    }
    false
}

impl Item {
    /// What the patterns captured, where all selectors match.
    fn captures(&self, process: &Identity, line: &str) -> Option<BTreeMap<String, String>> {
        if let Some(names) = &self.comm
            && !names.contains(&process.comm)
        {
            return None;
        }
        if let Some(paths) = &self.exe {
            let exe = process.arguments.first()?;
            let matches = |path: &String| match path.contains('/') {
                true => path == exe,
                false => path == base(exe),
            };
            if !paths.iter().any(matches) {
                return None;
            }
        }
        let mut captured = BTreeMap::new();
        if let Some(patterns) = &self.cmdline {
            if patterns.is_empty() {
                return None;
            }
            for pattern in patterns {
                let groups = pattern.captures(line)?;
                for (name, group) in pattern.capture_names().zip(groups.iter()) {
                    let text = group.map_or("", |g| g.as_str());
                    captured.insert(name.unwrap_or("").to_owned(), text.to_owned());
                }
            }
        }
        Some(captured)
    }
}

/// Names processes.
#[derive(Clone, Debug)]
pub enum Naming {
    /// By the items of a file; the first that matches counts.
    Items(Vec<Item>),
    /// By the flags `procnames` and `namemapping`.
    Lists {
        /// Names of tasks that are groups.
        names: HashSet<String>,
        /// Names of tasks, and the pattern that finds the group in the command line.
        patterns: HashMap<String, Regex>,
    },
}

impl Naming {
    /// Reads the flags `procnames` and `namemapping`.
    ///
    /// # Errors
    /// What is wrong with the mapping.
    pub fn from_lists(names: &str, mapping: &str) -> Result<Self, String> {
        let names = names.split(',').filter(|n| !n.is_empty());
        let mut patterns = HashMap::new();
        if !mapping.is_empty() {
            let parts: Vec<&str> = mapping.split(',').collect();
            if !parts.len().is_multiple_of(2) {
                return Err("-namemapping: expected pairs of a name and a pattern".to_owned());
            }
            if parts.contains(&"") {
                return Err(
                    "-namemapping: expected neither name nor pattern to be empty".to_owned(),
                );
            }
            for pair in parts.chunks_exact(2) {
                let pattern = regexp::compile(pair[1]).map_err(|e| format!("-namemapping: {e}"))?;
                patterns.insert(pair[0].to_owned(), pattern);
            }
        }
        Ok(Naming::Lists {
            names: names.map(str::to_owned).collect(),
            patterns,
        })
    }

    /// The group of a process. Paths of control groups are asked for where a template is rendered.
    pub fn name(
        &self,
        process: &Identity,
        users: &mut Users,
        cgroups: impl FnOnce() -> Vec<String>,
    ) -> Option<String> {
        match self {
            Naming::Items(items) => {
                let line = process.command_line();
                let mut matching = items.iter();
                let (item, captured) =
                    matching.find_map(|item| Some((item, item.captures(process, &line)?)))?;
                let cgroups = match item.name.cgroups {
                    true => cgroups(),
                    false => Vec::new(),
                };
                let data = data(process, captured, users, cgroups);
                let mut name = String::new();
                if let Err(error) = item.name.template.render(&data, &mut name) {
                    tracing::debug!(pid = process.pid, name, error, "a template stopped");
                }
                Some(name)
            }
            Naming::Lists { names, patterns } => match patterns.get(&process.comm) {
                Some(pattern) => {
                    let line = process.command_line();
                    let groups = pattern.captures(&line)?;
                    let mut found = groups.iter().skip(1).flatten();
                    let found = found.find(|group| !group.is_empty())?;
                    Some(format!("{}:{}", process.comm, found.as_str()))
                }
                None => names.get(&process.comm).cloned(),
            },
        }
    }
}

fn data(
    process: &Identity,
    captured: BTreeMap<String, String>,
    users: &mut Users,
    cgroups: Vec<String>,
) -> Value {
    let hundredths = i64::try_from(process.started).unwrap_or(i64::MAX);
    let nanoseconds = i128::from(hundredths) * 10_000_000;
    let started = Timestamp::from_nanosecond(nanoseconds).unwrap_or(Timestamp::MAX);
    // In the order in which the original prints them all.
    Value::Record(vec![
        ("Cgroups", Value::List(cgroups)),
        ("Comm", Value::Text(process.comm.clone())),
        ("ExeBase", Value::Text(process.exe_base().to_owned())),
        ("ExeFull", Value::Text(process.exe_full().to_owned())),
        ("Username", Value::Text(users.name(process.uid).to_owned())),
        ("PID", Value::Int(i64::from(process.pid))),
        ("StartTime", Value::Time(started)),
        ("Matches", Value::Map(captured)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(comm: &str, arguments: &[&str]) -> Identity {
        Identity {
            pid: 42,
            comm: comm.to_owned(),
            arguments: arguments.iter().map(|a| (*a).to_owned()).collect(),
            uid: 4_000_000_000,
            started: 177_260_076_708,
        }
    }

    fn name(naming: &Naming, process: &Identity) -> Option<String> {
        let cgroups = || vec!["/a".to_owned()];
        naming.name(process, &mut Users::default(), cgroups)
    }

    fn items(text: &str) -> Naming {
        Naming::Items(crate::config::parse(text).unwrap())
    }

    #[test]
    fn selectors() {
        let bash = process("bash", &["/bin/bash", "-c", "x"]);
        let login = process("bash", &["-bash"]);
        let kernel = process("kthreadd", &[]);
        for (item, of_bash, of_login, of_kernel) in [
            ("comm: [sh, bash]", Some("bash"), Some("-bash"), None),
            ("comm: [kthreadd]", None, None, Some("kthreadd")),
            ("comm: []", None, None, None),
            ("exe: [bash]", Some("bash"), None, None),
            ("exe: [/usr/bin/bash, /bin/bash]", Some("bash"), None, None),
            ("exe: [/bin/bash, /usr/bin/bash]", Some("bash"), None, None),
            ("exe: [/usr/bin/bash]", None, None, None),
            ("cmdline: ['.+']", Some("bash"), Some("-bash"), None),
            (
                "cmdline: ['']",
                Some("bash"),
                Some("-bash"),
                Some("kthreadd"),
            ),
            ("cmdline: [bash, -c x]", Some("bash"), None, None),
            ("cmdline: []", None, None, None),
            ("{comm: [bash], cmdline: [-c]}", Some("bash"), None, None),
        ] {
            let naming = items(&format!("process_names:\n- {item}\n"));
            let named = [&bash, &login, &kernel].map(|p| name(&naming, p));
            let named = named.each_ref().map(Option::as_deref);
            assert_eq!(named, [of_bash, of_login, of_kernel], "{item}");
        }
    }

    #[test]
    fn templates() {
        let java = process(
            "java",
            &["/opt/jvm/bin/java", "-Dapp=shop", "-jar", "a.jar"],
        );
        for (template, cmdline, expected) in [
            (
                "{{.Comm}} {{.ExeBase}} {{.ExeFull}}",
                ".",
                "java java /opt/jvm/bin/java",
            ),
            ("{{.PID}}/{{.Username}}", ".", "42/4000000000"),
            ("{{.StartTime}}", ".", "2026-03-04 05:06:07.08 +0000 UTC"),
            ("{{.Matches.App}}", "-Dapp=(?P<App>\\w+)", "shop"),
            ("{{index .Matches \"\"}}", "-Dapp=(\\w+) (-jar)", "-jar"),
            (
                "{{.Matches}}",
                "-Dapp=(?P<App>\\w+)(?P<No>!)?",
                "map[:-Dapp=shop App:shop No:]",
            ),
            ("{{.Cgroups}}", ".", "[/a]"),
            ("a{{.Nope}}b", ".", "a"),
        ] {
            let text = format!("process_names:\n- name: '{template}'\n  cmdline: ['{cmdline}']\n");
            assert_eq!(
                name(&items(&text), &java).as_deref(),
                Some(expected),
                "{text}"
            );
        }
    }

    #[test]
    fn control_groups_are_read_only_where_they_can_be_told() {
        for (template, read) in [
            ("{{.Comm}}", false),
            ("{{.ExeBase}}:{{ .Matches.Group }} {{.PID}}", false),
            ("{{.StartTime.Unix}}-{{index .Matches \"a\"}}", false),
            ("{{.Cgroups}}", true),
            ("{{.}}", true),
            ("{{$.Cgroups}}", true),
            ("{{with $x := .}}{{$x.Cgroups}}{{end}}", true),
            ("{{printf \"%v\" . }}", true),
            (
                "{{.Comm}}{{template \"x\" .}}{{define \"x\"}}{{.Cgroups}}{{end}}",
                true,
            ),
        ] {
            assert_eq!(may_tell_cgroups(template), read, "{template}");
        }
    }

    #[test]
    fn the_first_item_counts() {
        let naming = items("process_names:\n- {name: a, comm: [x]}\n- {name: b, comm: [x, y]}\n");
        assert_eq!(name(&naming, &process("x", &[])).as_deref(), Some("a"));
        assert_eq!(name(&naming, &process("y", &[])).as_deref(), Some("b"));
        assert_eq!(name(&naming, &process("z", &[])), None);
    }

    #[test]
    fn lists() {
        let mapping = "java,app=(\\w+)|jar=(\\w+),perl,^perl";
        let naming = Naming::from_lists("bash,,java", mapping).unwrap();
        for (comm, arguments, expected) in [
            ("bash", &[][..], Some("bash")),
            ("java", &["java", "app=shop"], Some("java:shop")),
            ("java", &["java", "jar=x"], Some("java:x")),
            ("java", &["java"], None),
            ("perl", &["perl"], None),
            ("sh", &["sh"], None),
        ] {
            let found = name(&naming, &process(comm, arguments));
            assert_eq!(found.as_deref(), expected, "{comm} {arguments:?}");
        }
        for mapping in ["a", "a,", ",b", "a,(", "a,b,c"] {
            assert!(Naming::from_lists("", mapping).is_err(), "{mapping}");
        }
    }

    #[test]
    fn last_elements() {
        for (path, last) in [
            ("/a/b", "b"),
            ("a", "a"),
            ("/a/b//", "b"),
            ("/", "/"),
            ("", "."),
        ] {
            assert_eq!(base(path), last);
        }
    }
}
