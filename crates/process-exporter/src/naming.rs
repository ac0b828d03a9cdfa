//! Which group a process belongs to, by its names and arguments.

use crate::users::Users;
use exporter_core::dialect::regexp;
use exporter_core::dialect::template::{Template, Value};
use exporter_core::exposition::names::lossy;
use jiff::Timestamp;
use regex::{Captures, Regex};
use std::cell::LazyCell;
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

/// One item of the configuration file.
#[derive(Clone, Debug)]
pub struct Item {
    /// Name of the group.
    pub name: Title,
    /// All of these match.
    pub with: Selectors,
    /// None of these match.
    pub without: Selectors,
}

/// What tells processes apart. A selector that is there without entries matches none, but for
/// `cmdline`, which then matches all, as in the original.
#[derive(Clone, Debug, Default)]
pub struct Selectors {
    /// Any of these is the task's name.
    pub comm: Option<Vec<String>>,
    /// Any of these is the first argument, or its last path element where there is no slash.
    pub exe: Option<Vec<String>>,
    /// All of these are found in the command line; any of them where they exclude.
    pub cmdline: Option<Vec<Regex>>,
    /// Any of these is the name of the effective user.
    pub username: Option<Vec<String>>,
    /// Any of these is the effective user.
    pub uid: Option<Vec<u64>>,
    /// Any of these is found in the path of a control group.
    pub cgroup: Option<Vec<Regex>>,
}

/// What a group is called.
#[derive(Clone, Debug)]
pub struct Title {
    template: Template,
    /// It may tell control groups, which have to be read then.
    cgroups: bool,
    /// The text, where it is the same for every process.
    fixed: Option<String>,
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
            fixed: Some(text).filter(|t| !t.contains("{{")).map(str::to_owned),
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

/// A process while it is named. What costs something is found out when it is first asked for.
struct Facts<'a, Read: FnOnce() -> Vec<String>> {
    process: &'a Identity,
    line: String,
    users: &'a mut Users,
    cgroups: LazyCell<Vec<String>, Read>,
}

impl<Read: FnOnce() -> Vec<String>> Facts<'_, Read> {
    fn has_exe(&self, paths: &[String]) -> bool {
        let matches = |exe: &String, path: &String| match path.contains('/') {
            true => path == exe,
            false => path == base(exe),
        };
        let exe = self.process.arguments.first();
        exe.is_some_and(|exe| paths.iter().any(|path| matches(exe, path)))
    }

    fn has_user(&mut self, names: &[String]) -> bool {
        let name = self.users.name(self.process.uid);
        names.iter().any(|n| n == name)
    }

    /// The first pattern that is found in a path, and what it captured there.
    fn in_cgroups<'b>(&'b self, patterns: &'b [Regex]) -> Option<(&'b Regex, Captures<'b>)> {
        patterns.iter().find_map(|pattern| {
            let captured = self.cgroups.iter().find_map(|path| pattern.captures(path));
            captured.map(|captured| (pattern, captured))
        })
    }
}

type Matches = BTreeMap<String, String>;

fn keep(matches: &mut Matches, pattern: &Regex, captures: &Captures<'_>) {
    for (name, group) in regexp::names(pattern).zip(captures.iter()) {
        let text = group.map_or("", |g| g.as_str());
        matches.insert(name.to_owned(), text.to_owned());
    }
}

impl Selectors {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.comm.is_none()
            && self.exe.is_none()
            && self.cmdline.is_none()
            && self.username.is_none()
            && self.uid.is_none()
            && self.cgroup.is_none()
    }

    /// What the patterns captured, where all selectors match.
    fn captures<Read>(&self, facts: &mut Facts<'_, Read>) -> Option<Matches>
    where
        Read: FnOnce() -> Vec<String>,
    {
        fn holds<T>(selector: &Option<T>, matches: impl FnOnce(&T) -> bool) -> Option<()> {
            selector.as_ref().is_none_or(matches).then_some(())
        }
        holds(&self.comm, |names| names.contains(&facts.process.comm))?;
        holds(&self.exe, |paths| facts.has_exe(paths))?;
        holds(&self.uid, |users| users.contains(&facts.process.uid))?;
        holds(&self.username, |names| facts.has_user(names))?;
        let mut captured = Matches::new();
        // Of names that occur twice those of the command line count.
        if let Some(patterns) = &self.cgroup {
            let (pattern, found) = facts.in_cgroups(patterns)?;
            keep(&mut captured, pattern, &found);
        }
        for pattern in self.cmdline.iter().flatten() {
            keep(&mut captured, pattern, &pattern.captures(&facts.line)?);
        }
        Some(captured)
    }

    /// Whether any selector matches.
    fn any<Read: FnOnce() -> Vec<String>>(&self, facts: &mut Facts<'_, Read>) -> bool {
        fn holds<T>(selector: &Option<T>, matches: impl FnOnce(&T) -> bool) -> bool {
            selector.as_ref().is_some_and(matches)
        }
        holds(&self.comm, |names| names.contains(&facts.process.comm))
            || holds(&self.exe, |paths| facts.has_exe(paths))
            || holds(&self.uid, |users| users.contains(&facts.process.uid))
            || holds(&self.username, |names| facts.has_user(names))
            || holds(&self.cmdline, |patterns| {
                patterns.iter().any(|p| p.is_match(&facts.line))
            })
            || holds(&self.cgroup, |patterns| {
                facts.in_cgroups(patterns).is_some()
            })
    }
}

impl Item {
    fn captures<Read>(&self, facts: &mut Facts<'_, Read>) -> Option<Matches>
    where
        Read: FnOnce() -> Vec<String>,
    {
        let captured = self.with.captures(facts)?;
        (!self.without.any(facts)).then_some(captured)
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

    /// Names that are the same for every process that they are given to.
    pub fn fixed_names(&self) -> Vec<&str> {
        match self {
            Naming::Items(items) => {
                let fixed = items.iter().map(|item| item.name.fixed.as_deref());
                fixed.flatten().collect()
            }
            Naming::Lists { names, patterns } => {
                let names = names.iter().filter(|n| !patterns.contains_key(*n));
                names.map(String::as_str).collect()
            }
        }
    }

    /// The group of a process. Paths of control groups are read where they are asked for.
    pub fn name(
        &self,
        process: &Identity,
        users: &mut Users,
        cgroups: impl FnOnce() -> Vec<String>,
    ) -> Option<String> {
        match self {
            Naming::Items(items) => {
                let mut facts = Facts {
                    process,
                    line: process.command_line(),
                    users,
                    cgroups: LazyCell::new(cgroups),
                };
                let mut matching = items.iter();
                let (item, captured) =
                    matching.find_map(|item| Some((item, item.captures(&mut facts)?)))?;
                let cgroups = match item.name.cgroups {
                    true => facts.cgroups.clone(),
                    false => Vec::new(),
                };
                let data = data(process, captured, facts.users, cgroups);
                let mut name = Vec::new();
                let result = item.name.template.render(&data, &mut name);
                let name = lossy(&name).into_owned();
                if let Err(error) = result {
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

fn data(process: &Identity, captured: Matches, users: &mut Users, cgroups: Vec<String>) -> Value {
    let hundredths = i64::try_from(process.started).unwrap_or(i64::MAX);
    let nanoseconds = i128::from(hundredths) * 10_000_000;
    let started = Timestamp::from_nanosecond(nanoseconds).unwrap_or(Timestamp::MAX);
    // Type and order are the original's, which prints them where a template asks for the whole.
    let fields = vec![
        ("Cgroups", Value::list(cgroups)),
        ("Comm", Value::text(process.comm.as_str())),
        ("ExeBase", Value::text(process.exe_base())),
        ("ExeFull", Value::text(process.exe_full())),
        ("Username", Value::text(users.name(process.uid))),
        ("PID", Value::int(i64::from(process.pid))),
        ("StartTime", Value::time(started)),
        ("Matches", Value::map(captured)),
    ];
    Value::record("config.templateParams", fields)
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
            ("cmdline: []", Some("bash"), Some("-bash"), Some("kthreadd")),
            (
                "{comm: [bash], cmdline: []}",
                Some("bash"),
                Some("-bash"),
                None,
            ),
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
            (
                "{{.Matches}}",
                "(?<1x>v)(?P<n>m)|(?P<n>!)",
                "map[:vm 1x:v n:]",
            ),
            ("{{.Cgroups}}", ".", "[/a]"),
            ("a{{.Nope}}b", ".", "a"),
            (
                "{{.StartTime.Truncate 3600000000000}}",
                ".",
                "2026-03-04 05:00:00 +0000 UTC",
            ),
            (
                "{{printf \"%T%v\" . .}}",
                ".",
                "*config.templateParams&{[/a] java java /opt/jvm/bin/java 4000000000 42 \
                 2026-03-04 05:06:07.08 +0000 UTC map[:/]}",
            ),
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
    fn selectors_beyond_the_original() {
        let worker = Identity {
            uid: 0,
            ..process("worker", &["/bin/worker", "--queue=mail"])
        };
        for (item, expected) in [
            ("{name: x, uid: [4000000000]}", None),
            ("{name: x, uid: [1, 0]}", Some("x")),
            ("{name: x, uid: []}", None),
            ("{name: x, username: [root]}", Some("x")),
            ("{name: x, username: ['0', nobody]}", None),
            ("{name: x, cgroup: [nope, '^/a$']}", Some("x")),
            ("{name: x, cgroup: [nope]}", None),
            (
                "{name: '{{.Matches.P}}', cgroup: ['/(?P<P>\\w+)']}",
                Some("a"),
            ),
            (
                "{name: '{{.Matches.P}}', cgroup: ['/(?P<P>\\w+)'], cmdline: ['=(?P<P>\\w+)']}",
                Some("mail"),
            ),
            (
                "{name: x, comm: [worker], not: {cmdline: [queue=sms]}}",
                Some("x"),
            ),
            (
                "{name: x, comm: [worker], not: {cmdline: [x, queue]}}",
                None,
            ),
            (
                "{name: x, comm: [worker], not: {comm: [worker], uid: [7]}}",
                None,
            ),
            ("{name: x, comm: [worker], not: {exe: [/bin/worker]}}", None),
            ("{name: x, comm: [worker], not: {username: [root]}}", None),
            ("{name: x, comm: [worker], not: {cgroup: [/a]}}", None),
            (
                "{name: x, comm: [worker], not: {comm: [], cgroup: []}}",
                Some("x"),
            ),
            ("{name: x, not: {comm: [other]}}", Some("x")),
            ("{name: x, not: {uid: [0]}}", None),
        ] {
            let found = name(&items(&format!("process_names:\n- {item}\n")), &worker);
            assert_eq!(found.as_deref(), expected, "{item}");
        }
    }

    #[test]
    fn names_that_are_known_before_any_process() {
        let naming = items(
            "process_names:\n- {name: a, comm: [x]}\n- {name: 'b{{.PID}}', comm: [y]}\n- comm: [z]\n",
        );
        assert_eq!(naming.fixed_names(), ["a"]);
        let naming = Naming::from_lists("bash,java", "java,jar=(\\w+)").unwrap();
        assert_eq!(naming.fixed_names(), ["bash"]);
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
