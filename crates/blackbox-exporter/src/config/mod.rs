//! The module file: its grammar, defaults and checks, and how it is printed again.
//!
//! One file a section. Each section has `read`, which takes it out of a document and tells every
//! mistake with its place, and `tree`, which prints it with secrets hidden and zero values left out.

mod client;
mod dns;
mod encoding;
mod environment;
mod grpc;
mod http;
mod icmp;
mod script;
mod size;
mod tls;
mod udp;
mod values;
mod websocket;

pub use self::client::{
    Authorization, BasicAuth, Client, HeaderSources, OAuth2, ProxyOptions, Source, read_secret,
};
pub use self::dns::{Dns, RecordRules};
pub use self::environment::Variables;
pub use self::grpc::Grpc;
pub use self::http::{Compression, HeaderRule, Http};
pub use self::icmp::Icmp;
pub use self::script::{Step, Tcp, Unix};
pub use self::tls::{TlsOptions, TlsVersion};
pub use self::udp::Udp;
pub use self::values::{IpChoice, Pattern, Secret};
pub use self::websocket::WebSocket;

use exporter_core::dialect::duration;
use exporter_core::dialect::yaml::{
    Fields, Node, Problems, Tree, Value, first_document, nearest, scalar,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use values::Section;

/// A loaded module file.
#[derive(Debug, Default)]
pub struct Config {
    /// Modules by name.
    pub modules: BTreeMap<String, Arc<Module>>,
    /// What works otherwise than the file may mean it, one sentence each.
    pub warnings: Vec<String>,
}

/// One module: a prober and its settings. The settings of other probers are kept for `/config`.
#[derive(Clone, Debug, Default)]
pub struct Module {
    /// Its name.
    pub name: String,
    /// The prober's name; empty in a module that holds nothing.
    pub prober: String,
    /// Nanoseconds, 0 for none.
    pub timeout: i64,
    /// Settings of the HTTP prober.
    pub http: Http,
    /// Settings of the TCP prober.
    pub tcp: Tcp,
    /// Settings of the UDP prober, `None` where the module has neither prober nor section. Modules
    /// of the original, which knows none, show as they do there.
    pub udp: Option<Udp>,
    /// Settings of the ICMP prober.
    pub icmp: Icmp,
    /// Settings of the DNS prober.
    pub dns: Dns,
    /// Settings of the gRPC prober.
    pub grpc: Grpc,
    /// Settings of the unix socket prober.
    pub unix: Unix,
    /// Settings of the web socket prober.
    pub websocket: WebSocket,
}

/// What a section may add while it is read.
pub(crate) struct Notes<'a> {
    problems: &'a mut Problems,
    warnings: &'a mut Vec<String>,
    module: &'a str,
}

impl Notes<'_> {
    fn warn(&mut self, what: &str) {
        self.warnings
            .push(format!("module {}: {what}", self.module));
    }
}

impl Config {
    /// Reads the first document of a file. `name` of the file begins each line of the error. Values
    /// name variables of the environment where there are any.
    pub fn parse(name: &str, bytes: &[u8], variables: Variables<'_>) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|e| {
            let line = bytes[..e.valid_up_to()]
                .iter()
                .filter(|b| **b == b'\n')
                .count()
                + 1;
            format!("{name}:{line}:1: expected UTF-8 text")
        })?;
        let node = first_document(text).map_err(|e| format!("{name}:{e}"))?;
        let mut node =
            node.ok_or_else(|| format!("{name}: expected a key modules, the file ends before"))?;
        let mut config = Config::default();
        if node.is_null() {
            return Ok(config);
        }
        let mut problems = Problems::default();
        if let Some(lookup) = variables {
            environment::expand(&mut node, lookup, &mut problems);
        }
        let mut fields = Fields::of(&node, "the file", &mut problems);
        let modules = fields.node("modules");
        fields.finish(&mut problems);
        if let Some(modules) = modules {
            config.read_modules(modules, &mut problems);
        }
        problems.into_result(config, &format!("{name}:"))
    }

    fn read_modules(&mut self, node: &Node, problems: &mut Problems) {
        let Value::Mapping(entries) = &node.value else {
            problems.expected::<()>(None, node, "a mapping of modules");
            return;
        };
        for (key, value) in entries.iter().filter(|e| !e.0.is_null()) {
            let name = key.text().unwrap_or_default().to_owned();
            let module = match value.is_null() {
                true => Module {
                    name: name.clone(),
                    ..Module::default()
                },
                false => {
                    let mut notes = Notes {
                        problems,
                        warnings: &mut self.warnings,
                        module: &name,
                    };
                    Module::read(&name, value, &mut notes)
                }
            };
            self.modules.insert(name, Arc::new(module));
        }
    }

    /// The running configuration as a document, secrets hidden.
    pub fn print(&self) -> String {
        let modules = self.modules.values();
        let modules = modules.map(|m| (m.name.clone(), m.tree())).collect();
        Tree::Map(vec![("modules".to_owned(), Tree::Map(modules))]).print(4)
    }
}

impl Module {
    fn read(name: &str, node: &Node, notes: &mut Notes<'_>) -> Self {
        let mut fields = Fields::of(node, "the module", notes.problems);
        let mut module = Module {
            name: name.to_owned(),
            prober: fields
                .get("prober", notes.problems, scalar::string)
                .unwrap_or_default(),
            timeout: fields
                .get("timeout", notes.problems, scalar::go_duration)
                .unwrap_or(0),
            ..Module::default()
        };
        check_prober(&module.prober, fields.place_of("prober"), notes.problems);
        if let Some(node) = fields.node("http") {
            module.http = Http::read(node, notes);
        }
        if let Some(node) = fields.node("tcp") {
            module.tcp = Tcp::read(node, notes);
        }
        module.udp = match fields.node("udp") {
            Some(node) => Some(Udp::read(node, notes)),
            None => (module.prober == "udp").then(Udp::default),
        };
        if let Some(node) = fields.node("unix") {
            module.unix = Unix::read(node, notes);
        }
        if let Some(node) = fields.node("icmp") {
            module.icmp = Icmp::read(node, notes);
        }
        if let Some(node) = fields.node("dns") {
            module.dns = Dns::read(node, notes);
            // Blocks beside another prober's are often pasted without.
            if module.prober == "dns" && module.dns.query_name.is_empty() {
                notes
                    .problems
                    .push(node.place, "query_name must be set for the dns prober");
            }
        }
        if let Some(node) = fields.node("grpc") {
            module.grpc = Grpc::read(node, notes);
        }
        if let Some(node) = fields.node("websocket") {
            module.websocket = WebSocket::read(node, notes);
        }
        fields.finish(notes.problems);
        module
    }

    /// The module as a document, secrets hidden.
    pub fn tree(&self) -> Tree {
        if self.prober.is_empty() {
            return Tree::Map(Vec::new());
        }
        let mut section = Section::default();
        section.text("prober", &self.prober);
        if self.timeout != 0 {
            section.bare("timeout", duration::format(self.timeout));
        }
        section.section("http", self.http.tree());
        section.section("tcp", self.tcp.tree());
        if let Some(udp) = &self.udp {
            section.section("udp", udp.tree());
        }
        section.section("icmp", self.icmp.tree());
        section.section("dns", self.dns.tree());
        section.section("grpc", self.grpc.tree());
        section.section("unix", self.unix.tree());
        section.section("websocket", self.websocket.tree());
        section.into_tree()
    }
}

fn check_prober(prober: &str, place: exporter_core::dialect::yaml::Place, problems: &mut Problems) {
    let known: Vec<&str> = crate::probers::TABLE.iter().map(|p| p.name).collect();
    if known.contains(&prober) {
        return;
    }
    let hint = match nearest(prober, &known) {
        Some(near) => format!("did you mean {near:?}?"),
        None => format!("expected one of {}", known.join(", ")),
    };
    let what = match prober {
        "" => "the module has no prober".to_owned(),
        prober => format!("unknown prober {prober:?}"),
    };
    problems.push(place, format!("{what}; {hint}"));
}
