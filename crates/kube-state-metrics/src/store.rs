//! The records of one resource, or of one namespace of it.
//!
//! Records stand in blocks of [`BLOCK`]. A scrape takes the list of blocks and reads from it for as
//! long as it likes; a change copies the one block that it falls into where a scrape still holds it,
//! so neither waits for the other. A block remembers what its families are when compressed. After a
//! change in a block each of its families is rendered again by the next compressed scrape, and
//! compressed again only where the text is another.

use crate::object::Uid;
use crate::packing::{Packer, Piece};
use crate::series::{Heads, Record};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Records in a block. Larger blocks compress better and cost more after a change.
const BLOCK: usize = 128;

/// What is known of the objects of one resource.
pub struct Store {
    heads: Arc<Heads>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    places: HashMap<Uid, usize, foldhash::fast::RandomState>,
    blocks: Vec<Arc<Block>>,
    free: Vec<usize>,
}

/// Some records, and their families as they were compressed last.
#[derive(Default)]
pub struct Block {
    records: Vec<Option<Record>>,
    packed: Mutex<Vec<Packed>>,
}

#[derive(Clone, Default)]
struct Packed {
    piece: Option<Arc<Piece>>,
    /// Whether the records are those that were compressed.
    fresh: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Clone for Block {
    fn clone(&self) -> Self {
        Block {
            records: self.records.clone(),
            packed: Mutex::new(lock(&self.packed).clone()),
        }
    }
}

impl Store {
    /// An empty store of these families.
    pub fn new(heads: Arc<Heads>) -> Self {
        Store {
            heads,
            inner: Mutex::default(),
        }
    }

    /// Its families.
    pub fn heads(&self) -> &Arc<Heads> {
        &self.heads
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        lock(&self.inner).places.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The records as they are now.
    pub fn blocks(&self) -> Vec<Arc<Block>> {
        let inner = lock(&self.inner);
        match inner.places.is_empty() {
            true => Vec::new(),
            false => inner.blocks.clone(),
        }
    }

    /// An object is new or has changed.
    pub fn put(&self, uid: Uid, record: Record) {
        lock(&self.inner).put(uid, record);
    }

    /// The record that is known already where it is the same, so that none is held twice.
    pub fn same(&self, uid: &Uid, record: Record) -> Record {
        let inner = lock(&self.inner);
        let place = inner.places.get(uid).copied();
        let known = place.and_then(|place| inner.blocks.get(place / BLOCK)?.record(place % BLOCK));
        match known {
            Some(known) if *known == record => known.clone(),
            _ => record,
        }
    }

    /// An object is gone.
    pub fn remove(&self, uid: &Uid) {
        lock(&self.inner).remove(uid);
    }

    /// These are all objects that there are. A scrape sees the state before or the one after.
    pub fn replace(&self, all: Vec<(Uid, Record)>) {
        let mut inner = lock(&self.inner);
        let mut seen = vec![false; inner.blocks.len() * BLOCK];
        for (uid, record) in all {
            let place = inner.put(uid, record);
            if place >= seen.len() {
                seen.resize(place + 1, false);
            }
            seen[place] = true;
        }
        let gone = |place: &usize| !seen.get(*place).copied().unwrap_or(false);
        let gone = inner.places.iter().filter(|(_, place)| gone(place));
        let gone: Vec<Uid> = gone.map(|(uid, _)| uid.clone()).collect();
        for uid in gone {
            inner.remove(&uid);
        }
        inner.places.shrink_to_fit();
    }
}

impl Inner {
    fn put(&mut self, uid: Uid, record: Record) -> usize {
        let known = self.places.get(&uid).copied();
        let place = match known.or_else(|| self.free.pop()) {
            Some(place) => place,
            None => {
                let place = self.places.len();
                if place / BLOCK == self.blocks.len() {
                    self.blocks.push(Arc::default());
                }
                place
            }
        };
        if known.is_none() {
            self.places.insert(uid, place);
        }
        let same = |block: &Arc<Block>| block.record(place % BLOCK) == Some(&record);
        if !self.blocks.get(place / BLOCK).is_some_and(same) {
            self.set(place, Some(record));
        }
        place
    }

    fn remove(&mut self, uid: &Uid) {
        if let Some(place) = self.places.remove(uid) {
            self.set(place, None);
            self.free.push(place);
        }
        if self.places.is_empty() {
            *self = Inner::default();
        }
    }

    fn set(&mut self, place: usize, record: Option<Record>) {
        let Some(block) = self.blocks.get_mut(place / BLOCK) else {
            return;
        };
        let block = Arc::make_mut(block);
        let within = place % BLOCK;
        if block.records.len() <= within {
            block.records.reserve_exact(BLOCK - block.records.len());
            block.records.resize(within + 1, None);
        }
        block.records[within] = record;
        let packed = block.packed.get_mut();
        for family in packed.unwrap_or_else(PoisonError::into_inner) {
            family.fresh = false;
        }
    }
}

impl Block {
    fn record(&self, within: usize) -> Option<&Record> {
        self.records.get(within)?.as_ref()
    }

    /// Its records.
    pub fn records(&self) -> &[Option<Record>] {
        &self.records
    }

    /// Appends the lines of a family.
    fn render(&self, heads: &Heads, number: usize, out: &mut Vec<u8>) {
        for record in self.records.iter().flatten() {
            record.render(heads.len(), number, heads.line(number), out);
        }
    }

    /// A family's lines, compressed. `None` where there are none.
    pub fn pack(&self, heads: &Heads, number: usize, packer: &mut Packer) -> Option<Arc<Piece>> {
        let last = {
            let mut packed = lock(&self.packed);
            packed.resize(heads.len(), Packed::default());
            packed[number].clone()
        };
        if last.fresh {
            return last.piece;
        }
        let piece = packer.pack(last.piece, |out| self.render(heads, number, out));
        if let Some(packed) = lock(&self.packed).get_mut(number) {
            *packed = Packed {
                piece: piece.clone(),
                fresh: true,
            };
        }
        piece
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::{Head, Kind, Writer};

    fn store() -> Store {
        let head = Head {
            name: "up".into(),
            kind: Kind::Gauge,
            help: "Up.".into(),
            labels: &[],
        };
        Store::new(Arc::new(Heads::new(vec![head])))
    }

    fn record(name: &str, value: f64) -> Record {
        let mut writer = Writer::default();
        writer.begin([("name", name)].into_iter());
        writer.family(0, |writer| writer.put(&[], value));
        writer.finish(1)
    }

    fn uid(number: usize) -> Uid {
        Uid::new(&number.to_string())
    }

    fn text(store: &Store, blocks: &[Arc<Block>]) -> String {
        let mut out = Vec::new();
        for block in blocks {
            block.render(store.heads(), 0, &mut out);
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_scrape_keeps_its_picture() {
        let store = store();
        for number in 0..3 {
            store.put(uid(number), record(&format!("o{number}"), 1.0));
        }
        let before = store.blocks();
        store.put(uid(1), record("o1", 2.0));
        store.remove(&uid(0));
        let picture = "up{name=\"o0\"} 1\nup{name=\"o1\"} 1\nup{name=\"o2\"} 1\n";
        assert_eq!(text(&store, &before), picture);
        let after = "up{name=\"o1\"} 2\nup{name=\"o2\"} 1\n";
        assert_eq!(text(&store, &store.blocks()), after);
    }

    #[test]
    fn places_are_used_again() {
        let store = store();
        for number in 0..1000 {
            store.put(uid(number), record(&format!("o{number}"), 1.0));
        }
        for number in 0..1000 {
            store.put(uid(number + 1000), record(&format!("p{number}"), 1.0));
            store.remove(&uid(number));
        }
        assert_eq!(
            (store.len(), store.blocks().len()),
            (1000, 1001_usize.div_ceil(BLOCK))
        );
        assert_eq!(text(&store, &store.blocks()).lines().count(), 1000);
        for number in 1000..2000 {
            store.remove(&uid(number));
        }
        assert!(store.is_empty() && store.blocks().is_empty());
    }

    #[test]
    fn replacing_keeps_what_is_the_same() {
        let store = store();
        for number in 0..300 {
            store.put(uid(number), record(&format!("o{number}"), 1.0));
        }
        let before = store.blocks();
        let all = (100..310).map(|n| (uid(n), record(&format!("o{n}"), 1.0)));
        store.replace(all.collect());
        let after = store.blocks();
        assert_eq!(store.len(), 210);
        assert_eq!(text(&store, &after).lines().count(), 210);
        assert!(
            Arc::ptr_eq(&before[1], &after[1]),
            "an untouched block is not copied"
        );
    }
}
