//! Events of the YAML parser as a tree.

use serde_saphyr::granit_parser::{Event, Options, Parser, ScalarStyle, Tag};
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

/// Nodes that a document may have once its aliases are replaced.
const MOST_NODES: usize = 1_000_000;
/// Levels of values within values.
const DEEPEST: usize = 500;

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
        /// The tag that it carries, such as `int` or `!mine`.
        tag: Option<String>,
    },
    /// A sequence.
    Sequence(Vec<Node>),
    /// A mapping in the order of the file.
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

    /// Whether it is the key of entries that are to be merged into the mapping.
    pub(super) fn is_merge_key(&self) -> bool {
        match &self.value {
            Value::Scalar { text, plain, tag } => {
                text == "<<" && (*plain && tag.is_none() || tag.as_deref() == Some("merge"))
            }
            _ => false,
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

/// The first document of a text as it is written, aliases replaced; `None` where there is none. What
/// follows it is not looked at. The error begins with line and column.
pub(super) fn read(text: &str) -> Result<Option<Node>, String> {
    let mut reader = Reader {
        parser: Parser::new_from_str_with_options(text, Options::default()),
        anchors: HashMap::new(),
        nodes: 0,
        depth: 0,
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
    depth: usize,
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
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(format!(
                "{place}: values are nested more than {DEEPEST} deep"
            ));
        }
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                (scalar(text, style, tag.as_deref()), anchor)
            }
            Event::SequenceStart(_, anchor, _) => (self.sequence()?, anchor),
            Event::MappingStart(_, anchor, _) => (self.mapping()?, anchor),
            Event::Alias(anchor) => {
                self.depth -= 1;
                return self.alias(anchor, place);
            }
            _ => return Err(format!("{place}: expected a value")),
        };
        self.depth -= 1;
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
        let mut entries = Vec::new();
        loop {
            let (event, place) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(Value::Mapping(entries));
            }
            let key = self.node(event, place)?;
            let (event, place) = self.next()?;
            let value = self.node(event, place)?;
            entries.push((key, value));
        }
    }
}

const CORE: &str = "tag:yaml.org,2002:";

fn scalar(text: Cow<'_, str>, style: ScalarStyle, tag: Option<&Tag>) -> Value {
    let tag = tag.map(|t| format!("{}{}", t.handle(), t.suffix()));
    // An exclamation mark alone says that a plain scalar is one.
    let tag = tag.filter(|tag| tag != "!");
    Value::Scalar {
        text: text.into_owned(),
        plain: style == ScalarStyle::Plain,
        tag: tag.map(|tag| {
            tag.strip_prefix(CORE)
                .map_or_else(|| tag.clone(), str::to_owned)
        }),
    }
}
