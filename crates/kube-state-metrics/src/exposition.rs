//! The answer to a scrape, rendered while it is sent.

use crate::packing::{Member, Packer};
use crate::series::Heads;
use crate::store::{Block, Store};
use bytes::Bytes;
use http_body::Frame;
use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// About this much is rendered at a time.
const CHUNK: usize = 64 * 1024;
/// The same of compressed bytes, which stand for ten times as many and may yet have to be made.
const PACKED_CHUNK: usize = 16 * 1024;

/// A resource and the stores of its objects: one, or one a namespace.
#[derive(Clone)]
pub struct Group {
    /// What it is selected and sorted by: the plural name of a built-in resource.
    pub name: String,
    /// Its families.
    pub heads: Arc<Heads>,
    /// Where its objects are.
    pub stores: Vec<Arc<Store>>,
}

/// What is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// OpenMetrics instead of text format 0.0.4.
    pub open_metrics: bool,
    /// Compressed.
    pub gzip: bool,
}

/// An answer: a picture of all objects, taken when it was made, and how far it was sent.
pub struct Scrape {
    form: Form,
    pictures: Vec<(Arc<Heads>, Vec<Arc<Block>>)>,
    steps: Vec<Step>,
    step: usize,
    /// Whether the header of the step was sent.
    begun: bool,
    block: usize,
    record: usize,
    member: Member,
    packer: Option<Packer>,
    ended: bool,
}

/// One family of one resource.
struct Step {
    picture: usize,
    family: usize,
    /// Whether HELP and TYPE come first.
    header: bool,
}

impl Scrape {
    /// Of these resources, in this order.
    pub fn new<'a>(groups: impl Iterator<Item = &'a Group>, form: Form) -> Self {
        let mut pictures = Vec::new();
        for group in groups {
            let blocks: Vec<_> = group.stores.iter().flat_map(|s| s.blocks()).collect();
            if !blocks.is_empty() {
                pictures.push((group.heads.clone(), blocks));
            }
        }
        Scrape {
            form,
            steps: steps(&pictures),
            pictures,
            step: 0,
            begun: false,
            block: 0,
            record: 0,
            member: Member::default(),
            packer: None,
            ended: false,
        }
    }

    /// The next part of the answer. `None` when all was given.
    pub fn part(&mut self) -> Option<Vec<u8>> {
        if self.ended {
            return None;
        }
        let chunk = if self.form.gzip { PACKED_CHUNK } else { CHUNK };
        let mut out = Vec::with_capacity(chunk + chunk / 8);
        if self.form.gzip {
            self.compressed(&mut out);
        } else {
            self.plain(&mut out);
        }
        (!out.is_empty()).then_some(out)
    }

    fn plain(&mut self, out: &mut Vec<u8>) {
        while let Some(step) = self.steps.get(self.step) {
            let (heads, blocks) = &self.pictures[step.picture];
            if !self.begun && step.header {
                heads.push_header(step.family, self.form.open_metrics, out);
            }
            self.begun = true;
            let line = heads.line(step.family);
            while let Some(block) = blocks.get(self.block) {
                while let Some(record) = block.records().get(self.record) {
                    if out.len() >= CHUNK {
                        return;
                    }
                    self.record += 1;
                    if let Some(record) = record {
                        record.render(heads.len(), step.family, line, out);
                    }
                }
                self.record = 0;
                self.block += 1;
            }
            self.next_step();
        }
        self.ended = true;
        if self.form.open_metrics {
            out.extend_from_slice(b"# EOF\n");
        }
    }

    fn compressed(&mut self, out: &mut Vec<u8>) {
        let packer = self.packer.get_or_insert_with(|| {
            self.member.begin(out);
            Packer::default()
        });
        while let Some(step) = self.steps.get(self.step) {
            let (heads, blocks) = &self.pictures[step.picture];
            if !self.begun && step.header {
                let header = heads.packed_header(step.family, self.form.open_metrics, packer);
                self.member.push(header, out);
            }
            self.begun = true;
            while let Some(block) = blocks.get(self.block) {
                if out.len() >= PACKED_CHUNK {
                    return;
                }
                self.block += 1;
                if let Some(piece) = block.pack(heads, step.family, packer) {
                    self.member.push(&piece, out);
                }
            }
            self.step += 1;
            (self.begun, self.block) = (false, 0);
        }
        self.ended = true;
        if self.form.open_metrics {
            let end = packer.pack_some(|out| out.extend_from_slice(b"# EOF\n"));
            self.member.push(&end, out);
        }
        self.member.end(out);
    }

    fn next_step(&mut self) {
        self.step += 1;
        (self.begun, self.block, self.record) = (false, 0, 0);
    }
}

/// All families in order. Families of one name stand together where the first of them does, and
/// have one header.
fn steps(pictures: &[(Arc<Heads>, Vec<Arc<Block>>)]) -> Vec<Step> {
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut named: Vec<Vec<Step>> = Vec::new();
    for (picture, (heads, _)) in pictures.iter().enumerate() {
        for (family, head) in heads.heads().iter().enumerate() {
            let place = *places.entry(&head.name).or_insert(named.len());
            if place == named.len() {
                named.push(Vec::new());
            }
            let header = named[place].is_empty();
            named[place].push(Step {
                picture,
                family,
                header,
            });
        }
    }
    named.into_iter().flatten().collect()
}

impl http_body::Body for Scrape {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.part().map(|part| Ok(Frame::data(Bytes::from(part)))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::Uid;
    use crate::series::{Head, Kind, Writer};
    use std::io::Read;

    fn group(name: &str, families: &[(&str, Kind)], objects: usize) -> Group {
        let head = |(name, kind): &(&str, Kind)| Head {
            name: (*name).to_owned().into(),
            kind: *kind,
            help: "Help.".into(),
            labels: &["l"],
        };
        let heads = Arc::new(Heads::new(families.iter().map(head).collect()));
        let store = Store::new(heads.clone());
        let mut writer = Writer::default();
        for number in 0..objects {
            writer.begin([("o", number.to_string().as_str())].into_iter());
            for family in 0..families.len() {
                writer.family(family, |writer| writer.put(&["x"], number as f64));
            }
            store.put(Uid::new(&number.to_string()), writer.finish(families.len()));
        }
        Group {
            name: name.to_owned(),
            heads,
            stores: vec![Arc::new(store)],
        }
    }

    fn answer(groups: &[Group], open_metrics: bool, gzip: bool) -> String {
        let form = Form { open_metrics, gzip };
        let mut scrape = Scrape::new(groups.iter(), form);
        let mut body = Vec::new();
        while let Some(part) = scrape.part() {
            body.extend_from_slice(&part);
        }
        let mut text = String::new();
        if gzip {
            let mut decoder = flate2::read::GzDecoder::new(&body[..]);
            decoder.read_to_string(&mut text).unwrap();
        } else {
            text = String::from_utf8(body).unwrap();
        }
        text
    }

    #[test]
    fn layout() {
        let groups = [
            group("a", &[("a_info", Kind::Info), ("both", Kind::Gauge)], 2),
            group("b", &[("none", Kind::Gauge)], 0),
            group("c", &[("both", Kind::Gauge), ("last", Kind::Counter)], 1),
        ];
        let text = "# HELP a_info Help.\n# TYPE a_info gauge\n\
                    a_info{o=\"0\",l=\"x\"} 0\na_info{o=\"1\",l=\"x\"} 1\n\
                    # HELP both Help.\n# TYPE both gauge\n\
                    both{o=\"0\",l=\"x\"} 0\nboth{o=\"1\",l=\"x\"} 1\nboth{o=\"0\",l=\"x\"} 0\n\
                    # HELP last Help.\n# TYPE last counter\nlast{o=\"0\",l=\"x\"} 0\n";
        assert_eq!(answer(&groups, false, false), text);
        let open = text.replace("a_info gauge", "a_info info") + "# EOF\n";
        assert_eq!(answer(&groups, true, false), open);
        assert_eq!(answer(&groups, true, true), open);
        assert_eq!(answer(&[], false, false), "");
        assert_eq!(answer(&[], false, true), "");
    }

    #[test]
    fn compressed_is_the_same_before_and_after_changes() {
        let groups = [group("a", &[("a", Kind::Gauge), ("b", Kind::Gauge)], 5000)];
        for change in 0..3 {
            let plain = answer(&groups, false, false);
            assert!(plain.len() > CHUNK);
            assert_eq!(answer(&groups, false, true), plain);
            assert_eq!(answer(&groups, false, true), plain);
            let uid = Uid::new(&(change * 1000).to_string());
            groups[0].stores[0].remove(&uid);
        }
    }
}
