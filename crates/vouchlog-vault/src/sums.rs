//! Sums over what is stored in clear, checked whenever it is read: SQLite notices a damaged page only where its structure breaks.
//! Sealed parts need none, as they open only whole.

use sqlx::Row as _;
use sqlx::any::AnyRow;
use vouchlog_merkle::sha256;

use crate::database::Database;
use crate::sql::{Value, over_values};
use crate::{Result, VaultError};

const SUM_BYTES: usize = 16;
/// Records of one transaction in which sums are added to a vault of an earlier version.
const FILLED_AT_ONCE: i64 = 500;

/// The columns that the sum of a record `r` covers, and the sum. They never change.
pub(crate) const SUMMED: &str = "r.id, r.kind, r.tenant, r.stream, r.evidence, r.digest, r.started_at, r.kept_at, \
    r.retention_class, r.amends, r.sum";
/// How many columns that is.
pub(crate) const SUMMED_COLUMNS: usize = 11;

/// The sum of these values: the first half of SHA-256 over their types, lengths and bytes.
pub(crate) fn of(values: &[Value]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut add = |kind: u8, value: &[u8]| {
        bytes.push(kind);
        bytes.extend_from_slice(&(value.len() as u64).to_be_bytes());
        bytes.extend_from_slice(value);
    };
    for value in values {
        match value {
            Value::Int(Some(number)) => add(b'i', &number.to_be_bytes()),
            Value::Text(Some(text)) => add(b't', text.as_bytes()),
            Value::Bytes(Some(value)) => add(b'b', value),
            Value::Int(None) | Value::Text(None) | Value::Bytes(None) => add(b'n', &[]),
        }
    }
    sha256(&bytes).as_bytes()[..SUM_BYTES].to_vec()
}

/// The sum of a statement or a proof, which belongs to the record with this number.
pub(crate) fn of_text(record: i64, text: &str) -> Vec<u8> {
    of(&[record.into(), text.into()])
}

/// The sum of where the log has a record.
pub(crate) fn of_place(digest: &[u8], place: [i64; 4]) -> Vec<u8> {
    let place = place.map(Value::from);
    of(&[&[digest.into()][..], &place].concat())
}

/// Checks the columns [`SUMMED`] of a row, which begin at `first`.
pub(crate) fn check(row: &AnyRow, first: usize) -> Result<()> {
    let expected = of(&summed(row, first)?);
    let sum: Option<Vec<u8>> = row.try_get(first + SUMMED_COLUMNS - 1)?;
    if sum == Some(expected) {
        return Ok(());
    }
    let id: String = row.try_get(first)?;
    Err(VaultError::damaged(format!(
        "the row of record `{}` does not match its checksum",
        id.escape_default()
    )))
}

/// The values of [`SUMMED`] without the sum.
fn summed(row: &AnyRow, first: usize) -> Result<Vec<Value>> {
    let number = |at: usize| -> Result<Value> { Ok(row.try_get::<i64, _>(first + at)?.into()) };
    let text = |at: usize| -> Result<Value> { Ok(row.try_get::<Option<String>, _>(first + at)?.into()) };
    let digest: Vec<u8> = row.try_get(first + 5)?;
    Ok(vec![
        text(0)?,
        number(1)?,
        number(2)?,
        number(3)?,
        number(4)?,
        digest.into(),
        number(6)?,
        number(7)?,
        text(8)?,
        text(9)?,
    ])
}

/// Checks the sum of a text that was read with it.
pub(crate) fn check_text(record: i64, what: &str, text: &str, sum: Option<&[u8]>) -> Result<()> {
    if sum == Some(&of_text(record, text)) {
        return Ok(());
    }
    Err(VaultError::damaged(format!(
        "the {what} of the record with number {record} does not match its checksum"
    )))
}

/// Adds sums to the rows of a vault that an earlier version made, once.
pub(crate) async fn fill(db: &Database) -> Result<()> {
    let summed_all = "SELECT summed FROM vault";
    let row = sqlx::query(summed_all).fetch_one(&db.readers).await?;
    if row.try_get::<i64, _>(0)? == 1 {
        return Ok(());
    }
    loop {
        let mut tx = db.begin().await?;
        let sql = format!(
            "SELECT r.n, r.leaf_index, r.logged_stream, r.sequence, r.logged_at, s.jwt, p.proof, {SUMMED} FROM record r \
             LEFT JOIN statement s ON s.record = r.n LEFT JOIN proof p ON p.record = r.n \
             WHERE r.sum IS NULL ORDER BY r.n LIMIT $1"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(FILLED_AT_ONCE).fetch_all(&mut *tx).await?;
        if rows.is_empty() {
            sqlx::query("UPDATE vault SET summed = 1").execute(&mut *tx).await?;
            return db.commit(tx).await;
        }
        let (mut records, mut places, mut statements, mut proofs) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for row in &rows {
            let n: i64 = row.try_get(0)?;
            let values = summed(row, 7)?;
            records.push(vec![n.into(), of(&values).into()]);
            if let Some(leaf_index) = row.try_get::<Option<i64>, _>(1)? {
                let place = [leaf_index, row.try_get(2)?, row.try_get(3)?, row.try_get(4)?];
                let digest: Vec<u8> = row.try_get(7 + 5)?;
                places.push(vec![n.into(), of_place(&digest, place).into()]);
            }
            for (column, sums) in [(5, &mut statements), (6, &mut proofs)] {
                let text: Option<String> = row.try_get(column)?;
                sums.extend(text.map(|text| vec![Value::from(n), of_text(n, &text).into()]));
            }
        }
        for (sums, after) in [
            (records, ") UPDATE record SET sum = given.sum FROM given WHERE record.n = given.n"),
            (places, ") UPDATE record SET place_sum = given.sum FROM given WHERE record.n = given.n"),
            (
                statements,
                ") UPDATE statement SET sum = given.sum FROM given WHERE statement.record = given.n",
            ),
            (proofs, ") UPDATE proof SET sum = given.sum FROM given WHERE proof.record = given.n"),
        ] {
            over_values(&mut tx, "WITH given (n, sum) AS (", sums, after).await?;
        }
        db.commit(tx).await?;
    }
}
