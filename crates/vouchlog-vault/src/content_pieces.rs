//! Sealed content as it is stored: in an object, or in pieces of which whole ones fill a page of SQLite. It gives a row of 2 to 4 kB, which much content
//! is, a page of its own.

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use crate::limits::MAX_CONTENT_BYTES;
use crate::object_name::ObjectName;
use crate::sql::Value;
use crate::{Result, VaultError};

/// Bytes of a piece: four fit on a page of 4 KiB.
const PIECE_BYTES: usize = 1_000;
/// Content of more than this many bytes is one piece: SQLite fills pages with the rest of a long row, and reads it faster.
const MAX_IN_PIECES: usize = 16 * PIECE_BYTES;

/// The longest sealed content: its cipher adds less than this.
const MAX_SEALED_CONTENT_BYTES: usize = MAX_CONTENT_BYTES + 1_024;

/// The rows of the sealed content of the record with the number `n`.
pub(crate) fn rows(n: i64, sealed: &[u8]) -> impl Iterator<Item = Vec<Value>> {
    let size = if sealed.len() > MAX_IN_PIECES { sealed.len() } else { PIECE_BYTES };
    sealed.chunks(size).map(move |piece| vec![n.into(), piece.into()])
}

/// Where the sealed content of a record is.
pub(crate) enum SealedContent {
    Here(Vec<u8>),
    /// In an object of this many bytes.
    Object(ObjectName, usize),
}

/// The sealed content of the record with the number `n`, from the columns `content`, `object` and `object_bytes` of `sealed`, which begin at
/// `first`: what the first has, its pieces, or the object.
pub(crate) async fn find(
    tx: &mut AnyConnection,
    n: i64,
    row: &AnyRow,
    first: usize,
) -> Result<SealedContent> {
    if let Some(object) = row.try_get::<Option<&[u8]>, _>(first + 1)? {
        let bytes = row.try_get::<Option<i64>, _>(first + 2)?.and_then(|bytes| usize::try_from(bytes).ok());
        let bytes = bytes.filter(|bytes| *bytes <= MAX_SEALED_CONTENT_BYTES);
        let bytes = bytes.ok_or_else(|| VaultError::damaged("the length of an object is malformed"))?;
        return Ok(SealedContent::Object(ObjectName::read(object)?, bytes));
    }
    let column: &[u8] = row.try_get(first)?;
    if !column.is_empty() {
        return Ok(SealedContent::Here(column.to_vec()));
    }
    let select = "SELECT bytes FROM content_piece WHERE record = $1 ORDER BY n";
    let mut sealed = Vec::new();
    for row in sqlx::query(select).bind(n).fetch_all(tx).await? {
        sealed.extend_from_slice(row.try_get(0)?);
    }
    Ok(SealedContent::Here(sealed))
}
