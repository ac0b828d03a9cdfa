//! Events of the YAML parser as a tree.

use serde_saphyr::granit_parser::{Event, Options, Parser, ScalarStyle, Tag};
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

/// Nodes that a document may have once its aliases are replaced.
const MOST_NODES: usize = 1_000_000;

/// Line and column, both from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// One value of a document.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where it begins.
    pub place: Place,
    /// What it is.
    pub value: Value,
}

/// The kinds of values.
#[derive(Clone, Debug)]
pub enum Value {
    /// A text, a number, a truth value or nothing.
    Scalar {
        /// The text after unquoting.
        text: String,
        /// Written without quotes, so that it may be something else than a text.
        plain: bool,
        /// The core tag that it carries, such as `int`.
        tag: Option<String>,
    },
    /// A sequence.
    Sequence(Vec<Node>),
    /// A mapping in the order of the file, merge keys resolved. Keys are scalars.
    Mapping(Vec<(Node, Node)>),
}

impl Node {
    /// Whether it stands for nothing: `null`, `~` or an empty place.
    pub fn is_null(&self) -> bool {
        match &self.value {
            Value::Scalar { text, plain, tag } => match tag.as_deref() {
                Some(tag) => tag == "null",
                None => *plain && matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"),
            },
            _ => false,
        }
    }

    /// What it is, for sentences.
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Scalar { .. } => "a scalar",
            Value::Sequence(_) => "a sequence",
            Value::Mapping(_) => "a mapping",
        }
    }

    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    fn count(&self) -> usize {
        1 + match &self.value {
            Value::Scalar { .. } => 0,
            Value::Sequence(items) => items.iter().map(Node::count).sum(),
            Value::Mapping(entries) => entries.iter().map(|e| e.0.count() + e.1.count()).sum(),
        }
    }
}

/// The first document of a text; `None` where there is none. What follows it is not looked at. The
/// error begins with line and column.
pub fn first_document(text: &str) -> Result<Option<Node>, String> {
    let mut reader = Reader {
        parser: Parser::new_from_str_with_options(text, Options::default()),
        anchors: HashMap::new(),
        nodes: 0,
    };
    loop {
        match reader.next()? {
            (Event::StreamStart, _) => {}
            (Event::DocumentStart(..), _) => break,
            _ => return Ok(None),
        }
    }
    let (event, place) = reader.next()?;
    reader.node(event, place).map(Some)
}

struct Reader<'t> {
    parser: Parser<'t, serde_saphyr::granit_parser::StrInput<'t>>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Result<(Event<'t>, Place), String> {
        loop {
            let event = match self.parser.next_event() {
                None => return Ok((Event::StreamEnd, Place::default())),
                Some(Err(error)) => {
                    let mark = error.marker();
                    return Err(format!(
                        "{}:{}: {}",
                        mark.line(),
                        mark.col() + 1,
                        error.info()
                    ));
                }
                Some(Ok(event)) => event,
            };
            let place = Place {
                line: event.1.start.line(),
                column: event.1.start.col() + 1,
            };
            if !matches!(event.0, Event::Comment(..)) {
                return Ok((event.0, place));
            }
        }
    }

    fn node(&mut self, event: Event<'t>, place: Place) -> Result<Node, String> {
        self.grow(1, place)?;
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                (scalar(text, style, tag.as_deref()), anchor)
            }
            Event::SequenceStart(_, anchor, _) => (self.sequence()?, anchor),
            Event::MappingStart(_, anchor, _) => (self.mapping()?, anchor),
            Event::Alias(anchor) => return self.alias(anchor, place),
            _ => return Err(format!("{place}: expected a value")),
        };
        let node = Node { place, value };
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn alias(&mut self, anchor: usize, place: Place) -> Result<Node, String> {
        let node = self.anchors.get(&anchor).cloned();
        let node = node.ok_or_else(|| format!("{place}: this alias contains itself"))?;
        self.grow(node.count(), place)?;
        Ok(node)
    }

    fn grow(&mut self, by: usize, place: Place) -> Result<(), String> {
        self.nodes += by;
        match self.nodes > MOST_NODES {
            true => Err(format!("{place}: the document is too large")),
            false => Ok(()),
        }
    }

    fn sequence(&mut self) -> Result<Value, String> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Value::Sequence(items)),
                (event, place) => items.push(self.node(event, place)?),
            }
        }
    }

    fn mapping(&mut self) -> Result<Value, String> {
        let mut entries: Vec<(Node, Node)> = Vec::new();
        let mut merged = Vec::new();
        loop {
            let (event, place) = self.next()?;
            if event == Event::MappingEnd {
                break;
            }
            let key = self.node(event, place)?;
            let (event, place) = self.next()?;
            let value = self.node(event, place)?;
            let Some(name) = key.text() else {
                return Err(format!("{}: expected a key, got {}", key.place, key.kind()));
            };
            if name == "<<" && matches!(key.value, Value::Scalar { plain: true, .. }) {
                merged.push(value);
                continue;
            }
            if let Some(first) = entries.iter().find(|e| e.0.text() == Some(name)) {
                return Err(format!(
                    "{}: key {name:?} is there already, at line {}",
                    key.place, first.0.place.line
                ));
            }
            entries.push((key, value));
        }
        for node in merged {
            merge(&mut entries, node)?;
        }
        Ok(Value::Mapping(entries))
    }
}

/// Adds what a merge key brings and is not there yet.
fn merge(entries: &mut Vec<(Node, Node)>, node: Node) -> Result<(), String> {
    match node.value {
        Value::Mapping(more) => {
            for (key, value) in more {
                if !entries.iter().any(|e| e.0.text() == key.text()) {
                    entries.push((key, value));
                }
            }
            Ok(())
        }
        Value::Sequence(nodes) => nodes.into_iter().try_for_each(|n| merge(entries, n)),
        Value::Scalar { .. } => Err(format!(
            "{}: a merge key takes a mapping or a list of mappings",
            node.place
        )),
    }
}

fn scalar(text: Cow<'_, str>, style: ScalarStyle, tag: Option<&Tag>) -> Value {
    Value::Scalar {
        text: text.into_owned(),
        plain: style == ScalarStyle::Plain,
        tag: tag
            .filter(|t| t.handle() == "tag:yaml.org,2002:")
            .map(|t| t.suffix().to_owned()),
    }
}
