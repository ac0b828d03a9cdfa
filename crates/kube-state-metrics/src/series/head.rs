//! What stands above the series of a family.

use crate::packing::{Packer, Piece};
use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

/// The type of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A value that goes up and down.
    Gauge,
    /// A value that only grows.
    Counter,
    /// Facts as labels; a gauge in the text format.
    Info,
    /// One series a state; a gauge in the text format.
    StateSet,
}

impl Kind {
    /// The word of the TYPE line.
    pub const fn word(self, open_metrics: bool) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Info if open_metrics => "info",
            Kind::StateSet if open_metrics => "stateset",
            _ => "gauge",
        }
    }
}

/// A family as it is exposed, known at compile time or from a configuration.
#[derive(Clone, Debug)]
pub struct Head {
    /// Full name.
    pub name: Cow<'static, str>,
    /// Type.
    pub kind: Kind,
    /// Text of the HELP line.
    pub help: Cow<'static, str>,
    /// Names of the labels behind those that begin each series of the object.
    pub labels: &'static [&'static str],
}

/// The constant parts of a series line.
#[derive(Debug)]
pub struct Line {
    /// The name and the opening brace.
    pub start: Box<[u8]>,
    /// `,name="` of each label.
    pub labels: Box<[Box<[u8]>]>,
}

/// The families of one resource, in the order in which they are exposed.
#[derive(Debug)]
pub struct Heads {
    heads: Vec<Head>,
    lines: Vec<Line>,
    /// HELP and TYPE, compressed, of the text format and of OpenMetrics.
    packed: Vec<[OnceLock<Arc<Piece>>; 2]>,
}

impl Heads {
    /// From families in order.
    pub fn new(heads: Vec<Head>) -> Self {
        let lines = heads.iter().map(line).collect();
        let packed = heads.iter().map(|_| Default::default()).collect();
        Heads {
            heads,
            lines,
            packed,
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.heads.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// The families.
    pub fn heads(&self) -> &[Head] {
        &self.heads
    }

    /// The constant parts of a family's lines.
    pub fn line(&self, number: usize) -> &Line {
        &self.lines[number]
    }

    /// Appends HELP and TYPE of a family.
    pub fn push_header(&self, number: usize, open_metrics: bool, out: &mut Vec<u8>) {
        let head = &self.heads[number];
        let help = head.help.replace('\\', "\\\\").replace('\n', "\\n");
        let (name, word) = (&head.name, head.kind.word(open_metrics));
        for part in [
            "# HELP ",
            name,
            " ",
            &help,
            "\n# TYPE ",
            name,
            " ",
            word,
            "\n",
        ] {
            out.extend_from_slice(part.as_bytes());
        }
    }

    /// The same, compressed. Made once.
    pub fn packed_header(&self, number: usize, open_metrics: bool, packer: &mut Packer) -> &Piece {
        self.packed[number][usize::from(open_metrics)]
            .get_or_init(|| packer.pack_some(|out| self.push_header(number, open_metrics, out)))
    }
}

fn line(head: &Head) -> Line {
    let label = |name: &&str| format!(",{name}=\"").into_bytes().into_boxed_slice();
    Line {
        start: format!("{}{{", head.name).into_bytes().into_boxed_slice(),
        labels: head.labels.iter().map(label).collect(),
    }
}
