//! Search indexes, from FT._LIST and FT.INFO of the search module.

use crate::client::{Connection, Error, Pipeline, Value, reply};
use crate::samples::Samples;
use exporter_core::dialect::strconv::parse_float;
use exporter_core::exposition::Family;
use regex::Regex;
use std::time::Instant;

const LABELS: &[&str] = &["index_name"];

/// How a field is read.
#[derive(Clone, Copy)]
enum Read {
    Integer,
    Float,
    /// Exported as bytes.
    Mebibytes,
}

static FIELDS: [(&str, Read, Family); 24] = [
    (
        "num_docs",
        Read::Integer,
        Family::gauge(
            "redis_search_index_num_docs",
            LABELS,
            "Documents in an index.",
        ),
    ),
    (
        "max_doc_id",
        Read::Integer,
        Family::gauge(
            "redis_search_index_max_doc_id",
            LABELS,
            "Largest number of a document in an index.",
        ),
    ),
    (
        "num_terms",
        Read::Integer,
        Family::gauge(
            "redis_search_index_num_terms",
            LABELS,
            "Distinct terms in an index.",
        ),
    ),
    (
        "num_records",
        Read::Integer,
        Family::gauge(
            "redis_search_index_num_records",
            LABELS,
            "Records in an index.",
        ),
    ),
    (
        "inverted_sz_mb",
        Read::Mebibytes,
        Family::gauge(
            "redis_search_index_inverted_size_bytes",
            LABELS,
            "Memory of the inverted index in bytes.",
        ),
    ),
    (
        "total_inverted_index_blocks",
        Read::Integer,
        Family::gauge(
            "redis_search_index_total_inverted_index_blocks",
            LABELS,
            "Blocks of the inverted index.",
        ),
    ),
    (
        "vector_index_sz_mb",
        Read::Mebibytes,
        Family::gauge(
            "redis_search_index_vector_index_size_bytes",
            LABELS,
            "Memory of vector indexes in bytes.",
        ),
    ),
    (
        "offset_vectors_sz_mb",
        Read::Mebibytes,
        Family::gauge(
            "redis_search_index_offset_vectors_size_bytes",
            LABELS,
            "Memory of the offsets of terms in bytes.",
        ),
    ),
    (
        "doc_table_size_mb",
        Read::Mebibytes,
        Family::gauge(
            "redis_search_index_doc_table_size_bytes",
            LABELS,
            "Memory of the table of documents in bytes.",
        ),
    ),
    (
        "sortable_values_size_mb",
        Read::Mebibytes,
        Family::gauge(
            "redis_search_index_sortable_values_size_bytes",
            LABELS,
            "Memory of sortable values in bytes.",
        ),
    ),
    (
        "key_table_size_mb",
        Read::Mebibytes,
        Family::gauge(
            "redis_search_index_key_table_size_bytes",
            LABELS,
            "Memory of the table of keys in bytes.",
        ),
    ),
    (
        "tag_overhead_sz_mb",
        Read::Mebibytes,
        Family::gauge(
            "redis_search_index_tag_overhead_size_bytes",
            LABELS,
            "Memory of tag indexes beside their records in bytes.",
        ),
    ),
    (
        "text_overhead_sz_mb",
        Read::Mebibytes,
        Family::gauge(
            "redis_search_index_text_overhead_size_bytes",
            LABELS,
            "Memory of text indexes beside their records in bytes.",
        ),
    ),
    (
        "total_index_memory_sz_mb",
        Read::Mebibytes,
        Family::gauge(
            "redis_search_index_total_index_memory_size_bytes",
            LABELS,
            "Memory of an index in bytes.",
        ),
    ),
    (
        "geoshapes_sz_mb",
        Read::Mebibytes,
        Family::gauge(
            "redis_search_index_geoshapes_size_bytes",
            LABELS,
            "Memory of shapes in bytes.",
        ),
    ),
    (
        "records_per_doc_avg",
        Read::Float,
        Family::gauge(
            "redis_search_index_avg_per_doc_records",
            LABELS,
            "Records a document on average.",
        ),
    ),
    (
        "bytes_per_record_avg",
        Read::Float,
        Family::gauge(
            "redis_search_index_avg_per_record_bytes",
            LABELS,
            "Bytes a record on average.",
        ),
    ),
    (
        "offsets_per_term_avg",
        Read::Float,
        Family::gauge(
            "redis_search_index_avg_per_term_offsets",
            LABELS,
            "Offsets a term on average.",
        ),
    ),
    (
        "offset_bits_per_record_avg",
        Read::Float,
        Family::gauge(
            "redis_search_index_avg_per_record_offset_bits",
            LABELS,
            "Bits of offsets a record on average.",
        ),
    ),
    (
        "indexing",
        Read::Integer,
        Family::gauge(
            "redis_search_index_indexing",
            LABELS,
            "Whether documents are being indexed.",
        ),
    ),
    (
        "percent_indexed",
        Read::Float,
        Family::gauge(
            "redis_search_index_percent_indexed",
            LABELS,
            "Share of documents that are indexed, from 0 to 1.",
        ),
    ),
    (
        "hash_indexing_failures",
        Read::Integer,
        Family::gauge(
            "redis_search_index_hash_indexing_failures",
            LABELS,
            "Documents that could not be indexed.",
        ),
    ),
    (
        "number_of_uses",
        Read::Integer,
        Family::counter(
            "redis_search_index_number_of_uses_total",
            LABELS,
            "Uses of an index.",
        ),
    ),
    (
        "cleaning",
        Read::Integer,
        Family::gauge(
            "redis_search_index_cleaning",
            LABELS,
            "Whether the index is being cleaned of deleted documents.",
        ),
    ),
];

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    FIELDS.iter().map(|f| &f.2).collect()
}

/// Asks for the indexes of a list that the expression finds and puts them. An index that cannot be
/// asked for ends it.
pub async fn collect(
    connection: &mut Connection,
    list: &Value,
    names: &Regex,
    deadline: Instant,
    out: &mut Samples<'_>,
) -> Result<(), Error> {
    let indexes = reply::list(reply::ok(list)?).unwrap_or_default().iter();
    let mut pipeline = Pipeline::new();
    for name in indexes
        .filter_map(reply::text)
        .filter(|n| names.is_match(n))
    {
        pipeline.command(&["FT.INFO", name]);
    }
    for reply in &connection.ask(&pipeline, deadline).await? {
        put(reply::ok(reply)?, out);
    }
    Ok(())
}

/// Puts one index; nothing where a field is not what it should be.
fn put(index: &Value, out: &mut Samples<'_>) {
    let fields = reply::pairs(index);
    let name = reply::field(&fields, "index_name")
        .and_then(reply::text)
        .unwrap_or("");
    let numbers: Option<Vec<f64>> = FIELDS
        .iter()
        .map(|(field, read, _)| read_field(reply::field(&fields, field), *read))
        .collect();
    let Some(numbers) = numbers else {
        tracing::error!(index = name, "a field of the search index is no number");
        return;
    };
    for ((_, _, family), number) in FIELDS.iter().zip(numbers) {
        out.put(family, &[name], number);
    }
}

/// 0 where there is no such field.
fn read_field(value: Option<&Value>, read: Read) -> Option<f64> {
    let Some(value) = value.filter(|v| **v != Value::Nil) else {
        return Some(0.0);
    };
    let float = || match value {
        Value::Int(number) => Some(*number as f64),
        Value::Double(number) => Some(*number),
        other => parse_float(reply::text(other)?),
    };
    match read {
        Read::Integer => reply::integer(value).map(|n| n as f64),
        Read::Float => float(),
        Read::Mebibytes => float().map(|mebibytes| mebibytes * 1_048_576.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::testing::exposed;

    fn index(pairs: &[(&str, &str)]) -> Value {
        let bulk = |text: &str| Value::BulkString(text.into());
        Value::Array(pairs.iter().flat_map(|p| [bulk(p.0), bulk(p.1)]).collect())
    }

    #[test]
    fn missing_fields_are_zero() {
        let reply = index(&[
            ("index_name", "i"),
            ("num_docs", "7"),
            ("inverted_sz_mb", "0.5"),
            ("records_per_doc_avg", "nan"),
        ]);
        let text = exposed(|out| put(&reply, out));
        assert_eq!(text.lines().count(), FIELDS.len());
        for line in [
            "redis_search_index_num_docs{index_name=\"i\"} 7\n",
            "redis_search_index_inverted_size_bytes{index_name=\"i\"} 524288\n",
            "redis_search_index_avg_per_doc_records{index_name=\"i\"} NaN\n",
            "redis_search_index_cleaning{index_name=\"i\"} 0\n",
        ] {
            assert!(text.contains(line), "{line}{text}");
        }
    }

    #[test]
    fn a_wrong_field_skips_the_index() {
        let reply = index(&[("index_name", "i"), ("num_docs", "many")]);
        assert_eq!(exposed(|out| put(&reply, out)), "");
    }
}
