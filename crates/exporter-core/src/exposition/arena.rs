//! The model of one scrape: families, samples and their labels, in flat buffers.
//!
//! Collectors append, [`Arena::seal`] sorts and removes what may not be exposed, encoders walk the
//! result once. Clearing keeps the buffers, so a scrape that looks like the one before allocates
//! nothing.

use hashbrown::HashTable;
use std::cmp::Ordering;
use std::hash::{BuildHasher, RandomState};

/// The type of a family, as its TYPE line names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A value that only grows.
    Counter,
    /// A value that goes up and down.
    Gauge,
    /// Cumulative buckets of observations.
    Histogram,
    /// Buckets of a value that goes up and down.
    GaugeHistogram,
    /// Quantiles of observations.
    Summary,
    /// Of unknown type.
    Untyped,
}

impl Kind {
    /// The word of text format 0.0.4.
    pub const fn word(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
            Kind::GaugeHistogram => "gaugehistogram",
            Kind::Summary => "summary",
            Kind::Untyped => "untyped",
        }
    }
}

/// A family known at compile time: the one place its name, type, labels and help stand.
///
/// Declare it as a `static`; listings (`--list-metrics`, docs) read the same object that samples
/// are put under. A name with a part in angle brackets (`node_hwmon_<type>_celsius`) stands in
/// listings for families whose names are made at run time; nothing is ever put under it.
#[derive(Debug)]
pub struct Family {
    /// Full name.
    pub name: &'static str,
    /// HELP text.
    pub help: &'static str,
    /// Type.
    pub kind: Kind,
    /// Label names in ascending order. [`Arena::put`] takes the values in this order.
    pub labels: &'static [&'static str],
}

impl Family {
    /// A family of any type.
    pub const fn new(
        kind: Kind,
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Family {
            name,
            help,
            kind,
            labels,
        }
    }

    /// A gauge.
    pub const fn gauge(
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self::new(Kind::Gauge, name, labels, help)
    }

    /// A counter.
    pub const fn counter(
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self::new(Kind::Counter, name, labels, help)
    }

    /// A family without a type.
    pub const fn untyped(
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self::new(Kind::Untyped, name, labels, help)
    }

    /// Whether this stands for run-time names and is only listed.
    pub fn is_pattern(&self) -> bool {
        self.name.contains('<')
    }
}

/// A family whose name or help is made at run time.
#[derive(Clone, Copy, Debug)]
pub struct Dynamic<'a> {
    /// Full name.
    pub name: &'a str,
    /// HELP text.
    pub help: &'a str,
    /// Type.
    pub kind: Kind,
}

/// One histogram or summary.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Distribution<'a> {
    /// Sum of the observations.
    pub sum: f64,
    /// Number of the observations.
    pub count: f64,
    /// Histogram: (upper bound, cumulative count), ascending. Summary: (quantile, value).
    pub points: &'a [(f64, f64)],
}

/// An exemplar of a counter or of one histogram bucket.
#[derive(Clone, Debug, PartialEq)]
pub struct Exemplar {
    /// Label pairs.
    pub labels: Vec<(String, String)>,
    /// Observed value.
    pub value: f64,
    /// Milliseconds since the epoch.
    pub timestamp_ms: Option<i64>,
}

#[derive(Clone, Copy, Debug)]
enum Text {
    Static(&'static str),
    Here { start: u32, len: u32 },
}

#[derive(Clone, Copy, Debug)]
struct FamilyRow {
    name: Text,
    help: Text,
    unit: Text,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
struct LabelRow {
    name: Text,
    value_start: u32,
    value_len: u32,
}

const NO_TIMESTAMP: i64 = i64::MIN;
const NOT_A_DISTRIBUTION: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct SampleRow {
    family: u32,
    labels_start: u32,
    labels_len: u32,
    /// Index into `distributions`, or `NOT_A_DISTRIBUTION`.
    distribution: u32,
    value: f64,
    timestamp_ms: i64,
}

#[derive(Clone, Copy, Debug)]
struct DistributionRow {
    sum: f64,
    count: f64,
    points_start: u32,
    points_len: u32,
}

#[derive(Clone, Copy, Debug)]
struct Group {
    family: u32,
    start: u32,
    len: u32,
}

/// The samples of one scrape. See the module's text.
#[derive(Debug, Default)]
pub struct Arena {
    text: String,
    families: Vec<FamilyRow>,
    labels: Vec<LabelRow>,
    samples: Vec<SampleRow>,
    distributions: Vec<DistributionRow>,
    points: Vec<(f64, f64)>,
    /// (sample, bucket or `u32::MAX` for the sample itself, exemplar)
    exemplars: Vec<(u32, u32, Exemplar)>,
    /// Address of a `static` family → its row.
    by_address: HashTable<(usize, u32)>,
    /// Run-time name → its row.
    by_name: HashTable<u32>,
    hasher: RandomState,
    last: Option<(usize, u32)>,
    problems: Vec<String>,

    // Filled by `seal`.
    sealed: bool,
    order: Vec<u32>,
    groups: Vec<Group>,
    ranks: Vec<u32>,
    family_order: Vec<u32>,
}

fn address_hash(address: usize) -> u64 {
    (address as u64 >> 4).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

impl Arena {
    /// An empty arena.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets all samples and keeps the buffers.
    pub fn clear(&mut self) {
        self.text.clear();
        self.families.clear();
        self.labels.clear();
        self.samples.clear();
        self.distributions.clear();
        self.points.clear();
        self.exemplars.clear();
        self.by_address.clear();
        self.by_name.clear();
        self.last = None;
        self.problems.clear();
        self.unseal();
    }

    /// Number of samples put so far, before duplicates are removed; a histogram counts as one.
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// Whether nothing was put.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// Bytes held by the buffers, used or not.
    pub fn capacity(&self) -> usize {
        self.text.capacity()
            + self.families.capacity() * size_of::<FamilyRow>()
            + self.labels.capacity() * size_of::<LabelRow>()
            + self.samples.capacity() * size_of::<SampleRow>()
            + self.points.capacity() * size_of::<(f64, f64)>()
    }

    /// Puts one sample of a family known at compile time; `values` belong to `family.labels`.
    pub fn put(&mut self, family: &'static Family, values: &[&str], value: f64) {
        debug_assert_eq!(
            family.labels.len(),
            values.len(),
            "labels of {}",
            family.name
        );
        let row = self.static_family(family);
        let labels_start = self.labels.len() as u32;
        for (name, label_value) in family.labels.iter().zip(values) {
            self.push_label(Text::Static(name), label_value);
        }
        self.push_sample(row, labels_start, value, NOT_A_DISTRIBUTION, NO_TIMESTAMP);
    }

    /// Puts one sample whose label set is its own; the pairs may come in any order.
    pub fn put_pairs(&mut self, family: &'static Family, pairs: &[(&str, &str)], value: f64) {
        let row = self.static_family(family);
        let labels_start = self.push_pairs(pairs);
        self.push_sample(row, labels_start, value, NOT_A_DISTRIBUTION, NO_TIMESTAMP);
    }

    /// Puts one sample of a family named at run time.
    pub fn put_dynamic(&mut self, family: Dynamic<'_>, pairs: &[(&str, &str)], value: f64) {
        self.put_dynamic_at(family, pairs, value, None);
    }

    /// The same, with a time stamp in milliseconds since the epoch.
    pub fn put_dynamic_at(
        &mut self,
        family: Dynamic<'_>,
        pairs: &[(&str, &str)],
        value: f64,
        timestamp_ms: Option<i64>,
    ) {
        let Some(row) = self.dynamic_family(family, pairs) else {
            return;
        };
        let labels_start = self.push_pairs(pairs);
        let timestamp = timestamp_ms.unwrap_or(NO_TIMESTAMP);
        self.push_sample(row, labels_start, value, NOT_A_DISTRIBUTION, timestamp);
    }

    /// Puts one histogram or summary of a family known at compile time.
    pub fn put_distribution(
        &mut self,
        family: &'static Family,
        pairs: &[(&str, &str)],
        distribution: Distribution<'_>,
    ) {
        let row = self.static_family(family);
        let labels_start = self.push_pairs(pairs);
        self.push_distribution(row, labels_start, distribution, None);
    }

    /// Puts one histogram or summary of a family named at run time.
    pub fn put_dynamic_distribution(
        &mut self,
        family: Dynamic<'_>,
        pairs: &[(&str, &str)],
        distribution: Distribution<'_>,
        timestamp_ms: Option<i64>,
    ) {
        let Some(row) = self.dynamic_family(family, pairs) else {
            return;
        };
        let labels_start = self.push_pairs(pairs);
        self.push_distribution(row, labels_start, distribution, timestamp_ms);
    }

    /// Attaches an exemplar to the sample put last, or to one of its buckets.
    pub fn exemplar(&mut self, bucket: Option<usize>, exemplar: Exemplar) {
        if let Some(last) = self.samples.len().checked_sub(1) {
            let bucket = bucket.map_or(u32::MAX, |b| b as u32);
            self.exemplars.push((last as u32, bucket, exemplar));
        }
    }

    /// Says the unit of a run-time family that has been put already (OpenMetrics UNIT line).
    pub fn unit(&mut self, name: &str, unit: &str) {
        if let Some(row) = self.find_name(name) {
            self.families[row as usize].unit = self.store(unit);
        }
    }

    /// Records that something had to be left out of this scrape.
    pub fn problem(&mut self, text: impl Into<String>) {
        self.problems.push(text.into());
    }

    /// Adds all of `other` behind what is here.
    pub fn append(&mut self, other: &Arena) {
        self.unseal();
        self.last = None;
        let text_base = self.text.len() as u32;
        let family_base = self.families.len() as u32;
        let label_base = self.labels.len() as u32;
        let sample_base = self.samples.len() as u32;
        let distribution_base = self.distributions.len() as u32;
        let point_base = self.points.len() as u32;
        let moved = |text: Text| match text {
            Text::Static(s) => Text::Static(s),
            Text::Here { start, len } => Text::Here {
                start: start + text_base,
                len,
            },
        };
        self.text.push_str(&other.text);
        self.families
            .extend(other.families.iter().map(|f| FamilyRow {
                name: moved(f.name),
                help: moved(f.help),
                unit: moved(f.unit),
                kind: f.kind,
            }));
        self.labels.extend(other.labels.iter().map(|l| LabelRow {
            name: moved(l.name),
            value_start: l.value_start + text_base,
            value_len: l.value_len,
        }));
        self.samples.extend(other.samples.iter().map(|s| SampleRow {
            family: s.family + family_base,
            labels_start: s.labels_start + label_base,
            distribution: match s.distribution {
                NOT_A_DISTRIBUTION => NOT_A_DISTRIBUTION,
                d => d + distribution_base,
            },
            ..*s
        }));
        self.distributions
            .extend(other.distributions.iter().map(|d| DistributionRow {
                points_start: d.points_start + point_base,
                ..*d
            }));
        self.points.extend_from_slice(&other.points);
        self.exemplars.extend(
            other
                .exemplars
                .iter()
                .map(|(s, b, e)| (s + sample_base, *b, e.clone())),
        );
        self.problems.extend(other.problems.iter().cloned());
    }

    /// Whether a sample was put under this family. Linear in the number of families.
    pub fn has_family(&self, name: &str) -> bool {
        self.families.iter().any(|f| self.text(f.name) == name)
    }

    /// Drops every sample of `name` that `keep` does not want; it is given the label pairs.
    pub fn retain(&mut self, name: &str, mut keep: impl FnMut(Labels<'_>) -> bool) {
        self.unseal();
        let mut samples = std::mem::take(&mut self.samples);
        debug_assert!(self.exemplars.is_empty(), "exemplars name samples by index");
        samples.retain(|sample| {
            let family = &self.families[sample.family as usize];
            self.text(family.name) != name || keep(self.labels_of(sample))
        });
        self.samples = samples;
    }

    /// Adds a label to every sample that lacks it.
    pub fn label_all(&mut self, name: &'static str, value: &str) {
        self.unseal();
        let added = LabelRow {
            name: Text::Static(name),
            value_start: self.text.len() as u32,
            value_len: value.len() as u32,
        };
        self.text.push_str(value);
        let labels = std::mem::take(&mut self.labels);
        let mut widened = Vec::with_capacity(labels.len() + self.samples.len());
        for sample in &mut self.samples {
            let start = sample.labels_start as usize;
            let own = &labels[start..start + sample.labels_len as usize];
            let place = own.binary_search_by(|l| resolve(&self.text, l.name).cmp(name));
            sample.labels_start = widened.len() as u32;
            widened.extend_from_slice(own);
            if let Err(place) = place {
                widened.insert(sample.labels_start as usize + place, added);
                sample.labels_len += 1;
            }
        }
        self.labels = widened;
    }

    // ---- rows ----

    fn static_family(&mut self, family: &'static Family) -> u32 {
        self.sealed = false;
        let address = std::ptr::from_ref(family) as usize;
        if let Some((last, row)) = self.last
            && last == address
        {
            return row;
        }
        let hash = address_hash(address);
        let row = match self.by_address.find(hash, |(a, _)| *a == address) {
            Some((_, row)) => *row,
            None => {
                let row = self.push_family(FamilyRow {
                    name: Text::Static(family.name),
                    help: Text::Static(family.help),
                    unit: Text::Static(""),
                    kind: family.kind,
                });
                self.by_address
                    .insert_unique(hash, (address, row), |(a, _)| address_hash(*a));
                row
            }
        };
        self.last = Some((address, row));
        row
    }

    fn find_name(&self, name: &str) -> Option<u32> {
        let hash = self.hasher.hash_one(name);
        self.by_name
            .find(hash, |row| {
                self.text(self.families[*row as usize].name) == name
            })
            .copied()
    }

    fn dynamic_family(&mut self, family: Dynamic<'_>, pairs: &[(&str, &str)]) -> Option<u32> {
        self.sealed = false;
        if let Some(row) = self.find_name(family.name) {
            let first = self.families[row as usize];
            if first.kind == family.kind && self.text(first.help) == family.help {
                return Some(row);
            }
            self.problems
                .push(inconsistent(family.name, pairs.iter().copied()));
            return None;
        }
        let name = self.store(family.name);
        let help = self.store(family.help);
        let row = self.push_family(FamilyRow {
            name,
            help,
            unit: Text::Static(""),
            kind: family.kind,
        });
        let hash = self.hasher.hash_one(family.name);
        let (text, families, hasher) = (&self.text, &self.families, &self.hasher);
        self.by_name.insert_unique(hash, row, |row| {
            hasher.hash_one(resolve(text, families[*row as usize].name))
        });
        Some(row)
    }

    fn push_family(&mut self, row: FamilyRow) -> u32 {
        self.families.push(row);
        (self.families.len() - 1) as u32
    }

    fn push_label(&mut self, name: Text, value: &str) {
        let value_start = self.text.len() as u32;
        self.text.push_str(value);
        self.labels.push(LabelRow {
            name,
            value_start,
            value_len: value.len() as u32,
        });
    }

    /// Label sets made at run time are kept in ascending order of their names, as the static ones.
    fn push_pairs(&mut self, pairs: &[(&str, &str)]) -> u32 {
        let start = self.labels.len();
        for (name, value) in pairs {
            let name = self.store(name);
            self.push_label(name, value);
        }
        let text = &self.text;
        self.labels[start..].sort_by(|a, b| resolve(text, a.name).cmp(resolve(text, b.name)));
        start as u32
    }

    fn push_sample(
        &mut self,
        family: u32,
        labels_start: u32,
        value: f64,
        distribution: u32,
        timestamp_ms: i64,
    ) {
        let labels_len = self.labels.len() as u32 - labels_start;
        self.samples.push(SampleRow {
            family,
            labels_start,
            labels_len,
            distribution,
            value,
            timestamp_ms,
        });
    }

    fn push_distribution(
        &mut self,
        family: u32,
        labels_start: u32,
        distribution: Distribution<'_>,
        timestamp_ms: Option<i64>,
    ) {
        let points_start = self.points.len() as u32;
        self.points.extend_from_slice(distribution.points);
        self.distributions.push(DistributionRow {
            sum: distribution.sum,
            count: distribution.count,
            points_start,
            points_len: distribution.points.len() as u32,
        });
        let index = (self.distributions.len() - 1) as u32;
        let timestamp = timestamp_ms.unwrap_or(NO_TIMESTAMP);
        self.push_sample(family, labels_start, distribution.sum, index, timestamp);
    }

    fn store(&mut self, text: &str) -> Text {
        let start = self.text.len() as u32;
        self.text.push_str(text);
        Text::Here {
            start,
            len: text.len() as u32,
        }
    }

    fn text(&self, text: Text) -> &str {
        resolve(&self.text, text)
    }

    fn labels_of(&self, sample: &SampleRow) -> Labels<'_> {
        let start = sample.labels_start as usize;
        Labels {
            text: &self.text,
            rows: &self.labels[start..start + sample.labels_len as usize],
        }
    }

    // ---- sealing ----

    fn unseal(&mut self) {
        self.sealed = false;
        self.order.clear();
        self.groups.clear();
    }

    /// Sorts families by name and series by label values, and drops what may not be exposed: a
    /// series that was put before, a family whose type or help differs from the one put first.
    /// What was dropped is told by [`Arena::problems`].
    pub fn seal(&mut self) {
        if self.sealed {
            return;
        }
        self.unseal();
        self.rank_families();
        self.sort_samples_by_rank();
        let mut kept = 0;
        for index in 0..self.groups.len() {
            kept = self.seal_group(index, kept);
        }
        self.order.truncate(kept);
        self.groups.retain(|g| g.len > 0);
        self.drop_colliding_suffixes();
        self.sealed = true;
    }

    /// Families of one name share a rank and become one group, headed by the one put first.
    fn rank_families(&mut self) {
        let mut order = std::mem::take(&mut self.family_order);
        order.clear();
        order.extend(0..self.families.len() as u32);
        let mut ranks = std::mem::take(&mut self.ranks);
        ranks.clear();
        ranks.resize(self.families.len(), 0);
        let mut groups = std::mem::take(&mut self.groups);
        let name = |row: u32| self.text(self.families[row as usize].name);
        order.sort_unstable_by(|a, b| name(*a).cmp(name(*b)).then(a.cmp(b)));
        for row in &order {
            let same = groups
                .last()
                .is_some_and(|g: &Group| name(g.family) == name(*row));
            if !same {
                groups.push(Group {
                    family: *row,
                    start: 0,
                    len: 0,
                });
            }
            ranks[*row as usize] = (groups.len() - 1) as u32;
        }
        self.family_order = order;
        self.ranks = ranks;
        self.groups = groups;
    }

    /// A counting sort: stable, so that within a group samples keep the order they were put in.
    fn sort_samples_by_rank(&mut self) {
        for sample in &self.samples {
            self.groups[self.ranks[sample.family as usize] as usize].len += 1;
        }
        let mut start = 0;
        for group in &mut self.groups {
            group.start = start;
            start += group.len;
            group.len = 0;
        }
        self.order.clear();
        self.order.resize(self.samples.len(), 0);
        for (index, sample) in self.samples.iter().enumerate() {
            let group = &mut self.groups[self.ranks[sample.family as usize] as usize];
            self.order[(group.start + group.len) as usize] = index as u32;
            group.len += 1;
        }
    }

    /// Sorts one group, drops its inconsistent samples and moves the rest down to `kept`.
    fn seal_group(&mut self, index: usize, kept: usize) -> usize {
        let group = self.groups[index];
        let mut order = std::mem::take(&mut self.order);
        let range = group.start as usize..(group.start + group.len) as usize;
        let compare = |a: &u32, b: &u32| {
            let (a, b) = (&self.samples[*a as usize], &self.samples[*b as usize]);
            self.labels_of(a)
                .compare(&self.labels_of(b))
                .then(a.timestamp_ms.cmp(&b.timestamp_ms))
        };
        let slice = &mut order[range.clone()];
        if !slice.is_sorted_by(|a, b| compare(a, b).is_le()) {
            slice.sort_by(compare);
        }
        let head = self.families[group.family as usize];
        let mut problems = Vec::new();
        let mut end = kept;
        for at in range {
            let sample = self.samples[order[at] as usize];
            let family = self.families[sample.family as usize];
            let labels = self.labels_of(&sample);
            if family.kind != head.kind || self.text(family.help) != self.text(head.help) {
                problems.push(inconsistent(self.text(head.name), labels.iter()));
                continue;
            }
            if end > kept && compare(&order[end - 1], &order[at]) == Ordering::Equal {
                problems.push(duplicate(self.text(head.name), labels.iter()));
                continue;
            }
            order[end] = order[at];
            end += 1;
        }
        self.order = order;
        self.problems.append(&mut problems);
        self.groups[index].start = kept as u32;
        self.groups[index].len = (end - kept) as u32;
        end
    }

    /// `x_count` beside a histogram or summary `x` would expose two series of one name: the family
    /// put later goes.
    fn drop_colliding_suffixes(&mut self) {
        let distributions = |g: &&Group| {
            matches!(
                self.families[g.family as usize].kind,
                Kind::Histogram | Kind::GaugeHistogram | Kind::Summary
            )
        };
        if !self.groups.iter().any(|g| distributions(&g)) {
            return;
        }
        let mut dropped = Vec::new();
        for whole in self.groups.iter().filter(distributions) {
            let family = &self.families[whole.family as usize];
            let suffixes: &[&str] = match family.kind {
                Kind::Summary => &["_sum", "_count"],
                _ => &["_sum", "_count", "_bucket"],
            };
            for suffix in suffixes {
                let name = format!("{}{suffix}", self.text(family.name));
                if let Some(part) = self.group_named(&name) {
                    dropped.push(part.family.max(whole.family));
                }
            }
        }
        for family in &dropped {
            let name = self.text(self.families[*family as usize].name).to_owned();
            self.problems.push(format!(
                "collected metric named \"{name}\" collides with a previously collected histogram or summary"
            ));
        }
        self.groups.retain(|g| !dropped.contains(&g.family));
    }

    /// The group of a name. Groups are in the order of their names.
    fn group_named(&self, name: &str) -> Option<&Group> {
        let name_of = |g: &Group| self.text(self.families[g.family as usize].name);
        let found = self.groups.binary_search_by(|g| name_of(g).cmp(name));
        found.ok().map(|at| &self.groups[at])
    }

    /// Whether a family of this name has samples. Call [`Arena::seal`] first.
    pub fn exposes(&self, name: &str) -> bool {
        self.group_named(name).is_some()
    }

    /// Takes families out of a sealed arena.
    pub fn retain_families(&mut self, keep: impl Fn(&str) -> bool) {
        let mut groups = std::mem::take(&mut self.groups);
        groups.retain(|g| keep(self.text(self.families[g.family as usize].name)));
        self.groups = groups;
    }

    /// What had to be left out; complete once the arena is sealed.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    /// The families that have samples, by name. Call [`Arena::seal`] first.
    pub fn families(&self) -> impl Iterator<Item = FamilyView<'_>> {
        debug_assert!(self.sealed, "Arena::families before Arena::seal");
        self.groups.iter().map(|group| FamilyView {
            arena: self,
            group: *group,
        })
    }
}

fn resolve(buffer: &str, text: Text) -> &str {
    match text {
        Text::Static(s) => s,
        Text::Here { start, len } => &buffer[start as usize..(start + len) as usize],
    }
}

fn describe<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        text.push_str(&format!("label:{{name:{name:?} value:{value:?}}} "));
    }
    text
}

fn duplicate<'a>(name: &str, pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let labels = describe(pairs);
    format!(
        "collected metric \"{name}\" {{ {labels}}} was collected before with the same name and label values"
    )
}

fn inconsistent<'a>(name: &str, pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let labels = describe(pairs);
    format!(
        "collected metric \"{name}\" {{ {labels}}} has another type or help than the first one of that name"
    )
}

/// The labels of one series, in ascending order of their names.
#[derive(Clone, Copy, Debug)]
pub struct Labels<'a> {
    text: &'a str,
    rows: &'a [LabelRow],
}

impl<'a> Labels<'a> {
    /// (name, value) pairs.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&'a str, &'a str)> + use<'a> {
        let text = self.text;
        self.rows.iter().map(move |row| {
            let start = row.value_start as usize;
            (
                resolve(text, row.name),
                &text[start..start + row.value_len as usize],
            )
        })
    }

    /// Number of labels.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Fewer labels first, then by values in the order of the names, then by the names.
    fn compare(&self, other: &Labels<'_>) -> Ordering {
        let by_values = || {
            let pairs = self.iter().zip(other.iter());
            pairs.map(|((_, a), (_, b))| a.cmp(b)).find(|o| o.is_ne())
        };
        let by_names = || {
            let pairs = self.iter().zip(other.iter());
            pairs.map(|((a, _), (b, _))| a.cmp(b)).find(|o| o.is_ne())
        };
        self.len()
            .cmp(&other.len())
            .then_with(|| by_values().unwrap_or(Ordering::Equal))
            .then_with(|| by_names().unwrap_or(Ordering::Equal))
    }
}

/// One family of a sealed arena.
#[derive(Clone, Copy, Debug)]
pub struct FamilyView<'a> {
    arena: &'a Arena,
    group: Group,
}

impl<'a> FamilyView<'a> {
    fn row(&self) -> &'a FamilyRow {
        &self.arena.families[self.group.family as usize]
    }

    /// Full name.
    pub fn name(&self) -> &'a str {
        self.arena.text(self.row().name)
    }

    /// HELP text, unescaped.
    pub fn help(&self) -> &'a str {
        self.arena.text(self.row().help)
    }

    /// Unit, empty where none is known.
    pub fn unit(&self) -> &'a str {
        self.arena.text(self.row().unit)
    }

    /// Type.
    pub fn kind(&self) -> Kind {
        self.row().kind
    }

    /// Its series in the order of exposition.
    pub fn samples(&self) -> impl ExactSizeIterator<Item = SampleView<'a>> + use<'a> {
        let arena = self.arena;
        let start = self.group.start as usize;
        let indices = &arena.order[start..start + self.group.len as usize];
        indices.iter().map(move |index| SampleView {
            arena,
            index: *index,
        })
    }
}

/// One series of a sealed arena.
#[derive(Clone, Copy, Debug)]
pub struct SampleView<'a> {
    arena: &'a Arena,
    index: u32,
}

impl<'a> SampleView<'a> {
    fn row(&self) -> &'a SampleRow {
        &self.arena.samples[self.index as usize]
    }

    /// Its labels.
    pub fn labels(&self) -> Labels<'a> {
        self.arena.labels_of(self.row())
    }

    /// Its value; the sum of a histogram or summary.
    pub fn value(&self) -> f64 {
        self.row().value
    }

    /// Milliseconds since the epoch, where the sample carries a time stamp.
    pub fn timestamp_ms(&self) -> Option<i64> {
        Some(self.row().timestamp_ms).filter(|t| *t != NO_TIMESTAMP)
    }

    /// The histogram or summary.
    pub fn distribution(&self) -> Option<Distribution<'a>> {
        let row = self
            .arena
            .distributions
            .get(self.row().distribution as usize)?;
        let start = row.points_start as usize;
        Some(Distribution {
            sum: row.sum,
            count: row.count,
            points: &self.arena.points[start..start + row.points_len as usize],
        })
    }

    /// The exemplar of the sample (`None`) or of a bucket.
    pub fn exemplar(&self, bucket: Option<usize>) -> Option<&'a Exemplar> {
        let bucket = bucket.map_or(u32::MAX, |b| b as u32);
        let mut all = self.arena.exemplars.iter();
        all.find(|(s, b, _)| *s == self.index && *b == bucket)
            .map(|(_, _, e)| e)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static UP: Family = Family::gauge("up", &["device"], "Up.");
    static LOAD: Family = Family::gauge("load", &[], "Load.");

    fn listing(arena: &Arena) -> Vec<String> {
        let mut lines = Vec::new();
        for family in arena.families() {
            for sample in family.samples() {
                let labels: Vec<String> = sample
                    .labels()
                    .iter()
                    .map(|(n, v)| format!("{n}={v}"))
                    .collect();
                lines.push(format!(
                    "{} {} {}",
                    family.name(),
                    labels.join(","),
                    sample.value()
                ));
            }
        }
        lines
    }

    #[test]
    fn a_label_for_all() {
        let mut arena = Arena::new();
        arena.put(&LOAD, &[], 1.0);
        arena.put(&UP, &["sda"], 2.0);
        arena.put_pairs(
            &UP,
            &[("device", "sdb"), ("host", "own"), ("zone", "z")],
            3.0,
        );
        arena.put_pairs(&UP, &[("zone", "z")], 4.0);
        arena.label_all("host", "h");
        arena.seal();
        let expected = [
            "load host=h 1",
            "up host=h,zone=z 4",
            "up device=sda,host=h 2",
            "up device=sdb,host=own,zone=z 3",
        ];
        let mut listed = listing(&arena);
        let mut expected = expected.map(str::to_owned).to_vec();
        listed.sort();
        expected.sort();
        assert_eq!(listed, expected);
    }

    #[test]
    fn families_and_series_are_sorted_and_the_first_duplicate_wins() {
        let mut arena = Arena::new();
        arena.put(&UP, &["b"], 1.0);
        arena.put(&UP, &["a"], 2.0);
        arena.put(&LOAD, &[], 3.0);
        arena.put(&UP, &["b"], 4.0);
        arena.seal();
        assert_eq!(
            listing(&arena),
            ["load  3", "up device=a 2", "up device=b 1"]
        );
        assert_eq!(arena.problems().len(), 1);
        assert!(arena.problems()[0].contains("was collected before"));
    }

    #[test]
    fn a_family_with_another_type_is_left_out() {
        let mut arena = Arena::new();
        arena.put(&LOAD, &[], 1.0);
        let other = Dynamic {
            name: "load",
            help: "Load.",
            kind: Kind::Counter,
        };
        arena.put_dynamic(other, &[("a", "b")], 2.0);
        arena.seal();
        assert_eq!(listing(&arena), ["load  1"]);
        assert_eq!(arena.problems().len(), 1);
    }

    #[test]
    fn fewer_labels_come_first_and_names_break_ties() {
        let mut arena = Arena::new();
        let family = Dynamic {
            name: "x",
            help: "",
            kind: Kind::Untyped,
        };
        arena.put_dynamic(family, &[("b", "1"), ("a", "1")], 1.0);
        arena.put_dynamic(family, &[("z", "0")], 2.0);
        arena.put_dynamic(family, &[], 3.0);
        arena.put_dynamic(family, &[("y", "0")], 4.0);
        arena.seal();
        assert_eq!(
            listing(&arena),
            ["x  3", "x y=0 4", "x z=0 2", "x a=1,b=1 1"]
        );
        assert!(arena.problems().is_empty());
    }

    #[test]
    fn appending_moves_everything() {
        let mut part = Arena::new();
        let histogram = Dynamic {
            name: "h",
            help: "H.",
            kind: Kind::Histogram,
        };
        let distribution = Distribution {
            sum: 3.0,
            count: 2.0,
            points: &[(1.0, 1.0), (f64::INFINITY, 2.0)],
        };
        part.put_dynamic_distribution(histogram, &[("l", "v")], distribution, None);
        part.put(&UP, &["x"], 7.0);
        let mut whole = Arena::new();
        whole.put(&UP, &["w"], 6.0);
        whole.append(&part);
        whole.append(&part);
        whole.seal();
        assert_eq!(
            listing(&whole),
            ["h l=v 3", "up device=w 6", "up device=x 7"]
        );
        assert_eq!(whole.problems().len(), 2);
        let h = whole.families().next().unwrap();
        assert_eq!(
            h.samples().next().unwrap().distribution(),
            Some(distribution)
        );
    }

    #[test]
    fn of_two_families_that_share_a_sample_name_the_first_stays() {
        let points = [(1.0, 1.0)];
        let put = |arena: &mut Arena, name: &str, kind: Kind| {
            let family = Dynamic {
                name,
                help: "",
                kind,
            };
            match kind {
                Kind::Summary | Kind::Histogram => {
                    let distribution = Distribution {
                        sum: 0.0,
                        count: 1.0,
                        points: &points,
                    };
                    arena.put_dynamic_distribution(family, &[], distribution, None);
                }
                _ => arena.put_dynamic(family, &[], 1.0),
            }
        };
        let x = |kind| ("x", kind);
        for (whole, part, collides) in [
            (x(Kind::Summary), "x_count", true),
            (x(Kind::Summary), "x_sum", true),
            (x(Kind::Summary), "x_bucket", false),
            (x(Kind::Histogram), "x_count", true),
            (x(Kind::Histogram), "x_sum", true),
            (x(Kind::Histogram), "x_bucket", true),
            (x(Kind::Histogram), "x_counts", false),
            (x(Kind::Histogram), "x_total", false),
            (x(Kind::Counter), "x_count", false),
            (x(Kind::Gauge), "x_total", false),
        ] {
            let (name, kind) = whole;
            for first_is_whole in [true, false] {
                let mut both = [(name, kind), (part, Kind::Counter)];
                if !first_is_whole {
                    both.reverse();
                }
                let mut arena = Arena::new();
                for (name, kind) in both {
                    put(&mut arena, name, kind);
                }
                arena.seal();
                let first = both[0].0;
                let names: Vec<_> = arena.families().map(|f| f.name().to_owned()).collect();
                match collides {
                    true => assert_eq!(names, [first], "{whole:?} {part}"),
                    false => assert_eq!(names, [name, part], "{whole:?} {part}"),
                }
                let problems = arena.problems().len();
                assert_eq!(problems, usize::from(collides), "{whole:?} {part}");
            }
        }
    }

    #[test]
    fn clearing_keeps_the_buffers_and_forgets_the_rest() {
        let mut arena = Arena::new();
        for _ in 0..3 {
            arena.clear();
            arena.put(&UP, &["a"], 1.0);
            arena.seal();
            assert_eq!(listing(&arena), ["up device=a 1"]);
            assert!(arena.problems().is_empty());
        }
    }
}
