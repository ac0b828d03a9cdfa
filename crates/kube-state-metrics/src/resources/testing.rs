//! For tests: the series of one object.

use super::{Encoder, Object, Typed};
use crate::selection::Selection;
use crate::series::{Heads, Record, Writer};

/// All lines of a record.
pub fn lines(record: &Record, heads: &Heads) -> Vec<String> {
    let mut text = Vec::new();
    for number in 0..heads.len() {
        record.render(heads.len(), number, heads.line(number), &mut text);
    }
    String::from_utf8(text)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect()
}

/// Checks the lines that an object gives in these families, in all where none is named.
#[track_caller]
pub fn expect<T: Object>(json: &str, families: &[&str], expected: &[&str]) {
    expect_with::<T>(&Selection::default(), json, families, expected);
}

/// The same with labels, annotations and opt-in families chosen.
#[track_caller]
pub fn expect_with<T: Object>(
    selection: &Selection,
    json: &str,
    families: &[&str],
    expected: &[&str],
) {
    let typed = Typed::<T>::new(selection);
    let kept = typed
        .record(json.as_bytes(), &|_| true, &mut Writer::default())
        .unwrap();
    let mut actual = lines(&kept.unwrap().1, typed.heads());
    let family = |line: &String| line.split(['{', ' ']).next().unwrap_or("").to_owned();
    actual.retain(|line| families.is_empty() || families.contains(&family(line).as_str()));
    assert_eq!(actual, expected);
}
