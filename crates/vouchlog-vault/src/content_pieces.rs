//! Sealed content as it is stored: in pieces of which whole ones fill a page of SQLite. It gives a row of 2 to 4 kB, which much content
//! is, a page of its own.

use sqlx::{AnyConnection, Row as _};

use crate::Result;
use crate::sql::Value;

/// Bytes of a piece: four fit on a page of 4 KiB.
const PIECE_BYTES: usize = 1_000;
/// Content of more than this many bytes is one piece: SQLite fills pages with the rest of a long row, and reads it faster.
const MAX_IN_PIECES: usize = 16 * PIECE_BYTES;

/// The rows of the sealed content of the record with the number `n`.
pub(crate) fn rows(n: i64, sealed: &[u8]) -> impl Iterator<Item = Vec<Value>> {
    let size = if sealed.len() > MAX_IN_PIECES { sealed.len() } else { PIECE_BYTES };
    sealed.chunks(size).map(move |piece| vec![n.into(), piece.into()])
}

/// The sealed content of the record with the number `n`: what the column of `sealed` has, or its pieces.
pub(crate) async fn whole(tx: &mut AnyConnection, n: i64, column: &[u8]) -> Result<Vec<u8>> {
    if !column.is_empty() {
        return Ok(column.to_vec());
    }
    let select = "SELECT bytes FROM content_piece WHERE record = $1 ORDER BY n";
    let mut sealed = Vec::new();
    for row in sqlx::query(select).bind(n).fetch_all(tx).await? {
        sealed.extend_from_slice(row.try_get(0)?);
    }
    Ok(sealed)
}
