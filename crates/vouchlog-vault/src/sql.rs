//! Statements over many rows. They are cut into few fixed sizes, so that each is prepared once and a round trip is shared.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::hash::Hash;

use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AnyConnection, AssertSqlSafe};

use crate::Result;

/// Rows of one statement that inserts, the largest that fits first: each statement is a round trip to the thread that has SQLite, or to a
/// server. SQLite takes 32,766 values, PostgreSQL 65,535; no table has more than 20 columns.
const SIZES: [usize; 4] = [128, 32, 8, 1];

/// Values of one set. Its placeholders are numbered, and sqlx asks SQLite for the name of each, which takes longer the more there are.
const SET: usize = 32;

/// How sqlx names SQLite.
const SQLITE: &str = "SQLite";

/// A value that is bound to a placeholder. Values never become part of a statement.
#[derive(Clone)]
pub(crate) enum Value {
    Int(Option<i64>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(Some(value))
    }
}

impl From<Option<i64>> for Value {
    fn from(value: Option<i64>) -> Self {
        Self::Int(value)
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(Some(value))
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(Some(value.to_owned()))
    }
}

impl From<Option<String>> for Value {
    fn from(value: Option<String>) -> Self {
        Self::Text(value)
    }
}

impl From<Vec<u8>> for Value {
    fn from(value: Vec<u8>) -> Self {
        Self::Bytes(Some(value))
    }
}

impl From<Option<Vec<u8>>> for Value {
    fn from(value: Option<Vec<u8>>) -> Self {
        Self::Bytes(value)
    }
}

impl From<&[u8]> for Value {
    fn from(value: &[u8]) -> Self {
        Self::Bytes(Some(value.to_vec()))
    }
}

/// Binds the next value.
pub(crate) fn bind(query: Query<'_, Any, AnyArguments>, value: Value) -> Query<'_, Any, AnyArguments> {
    match value {
        Value::Int(value) => query.bind(value),
        Value::Text(value) => query.bind(value),
        Value::Bytes(value) => query.bind(value),
    }
}

/// A query of ours with these values.
pub(crate) fn query(sql: String, values: Vec<Value>) -> Query<'static, Any, AnyArguments> {
    values.into_iter().fold(sqlx::query(AssertSqlSafe(sql)), bind)
}

/// Runs `before VALUES (…), (…) after` over all rows; the rows it returns, if any.
pub(crate) async fn over_values(
    tx: &mut AnyConnection,
    before: &str,
    rows: Vec<Vec<Value>>,
    after: &str,
) -> Result<Vec<AnyRow>> {
    let is_numbered = tx.backend_name() != SQLITE;
    let mut returned = Vec::new();
    let mut rows = rows.into_iter();
    for size in SIZES {
        while rows.len() >= size {
            let chunk: Vec<Vec<Value>> = rows.by_ref().take(size).collect();
            let placeholders = match is_numbered {
                true => numbered(size, chunk[0].len()),
                false => unnamed(size, chunk[0].len()),
            };
            let sql = format!("{before} VALUES {placeholders} {after}");
            returned.extend(query(sql, chunk.into_iter().flatten().collect()).fetch_all(&mut *tx).await?);
        }
    }
    Ok(returned)
}

/// `(?,?),(?,?)`, as SQLite takes them: without names it need not be asked for.
fn unnamed(rows: usize, columns: usize) -> String {
    let row = format!("({})", vec!["?"; columns].join(","));
    vec![row.as_str(); rows].join(",")
}

/// `($1, $2), ($3, $4)`.
fn numbered(rows: usize, columns: usize) -> String {
    let mut text = String::with_capacity(rows * columns * 6);
    for row in 0..rows {
        text.push_str(if row == 0 { "(" } else { ", (" });
        text.push_str(&list(1 + row * columns, columns));
        text.push(')');
    }
    text
}

/// `$3, $4, $5`.
pub(crate) fn list(first: usize, count: usize) -> String {
    let mut text = String::new();
    for number in first..first + count {
        let comma = if number == first { "" } else { ", " };
        write!(text, "{comma}${number}").expect("a string takes everything");
    }
    text
}

/// Runs `before (…) after` over all values, each time with as many of them: the last is repeated, which a set does not mind.
pub(crate) async fn over_set(
    tx: &mut AnyConnection,
    before: &str,
    values: Vec<Value>,
    after: &str,
) -> Result<Vec<AnyRow>> {
    over_set_beside(tx, before, &[], values, after).await
}

/// The same with other values beside the set, which have the first placeholders: `$1` is the first of `beside`.
pub(crate) async fn over_set_beside(
    tx: &mut AnyConnection,
    before: &str,
    beside: &[Value],
    values: Vec<Value>,
    after: &str,
) -> Result<Vec<AnyRow>> {
    let mut returned = Vec::new();
    for chunk in values.chunks(SET) {
        let mut given = beside.to_vec();
        given.extend_from_slice(chunk);
        given.resize(beside.len() + SET, chunk[chunk.len() - 1].clone());
        let sql = format!("{before} ({}) {after}", list(beside.len() + 1, SET));
        returned.extend(query(sql, given).fetch_all(&mut *tx).await?);
    }
    Ok(returned)
}

/// The rows of [`over_set`] as a map.
pub(crate) fn map<K: Eq + Hash, V>(
    rows: &[AnyRow],
    read: impl Fn(&AnyRow) -> Result<(K, V)>,
) -> Result<HashMap<K, V>> {
    rows.iter().map(read).collect()
}
