//! The records that say something about others, as the vault has them.

use sqlx::Row as _;
use vouchlog_stream::StatementKind;

use crate::access::Access;
use crate::learned::Taught;
use crate::limits::MAX_ROWS;
use crate::operation::Operation;
use crate::read::{ROW, ROW_JOINS, read_row};
use crate::{Result, Row, Vault};

/// Kinds of records that say something about others.
const TEACHING: [StatementKind; 2] = [StatementKind::CredentialEvent, StatementKind::Configuration];

impl Vault {
    /// Which records teach a caller.
    pub(crate) async fn taught(&self, access: &Access) -> Result<Taught> {
        self.shared
            .named(async {
                access.allow(Operation::Read)?;
                let sql = "SELECT count(*), count(r.erasure), coalesce(max(r.n), 0) FROM record r \
                           JOIN tenant t ON t.id = r.tenant WHERE r.kind IN ($1, $2) AND ($3 = '' OR t.name = $3)";
                let [one, other] = TEACHING.map(|kind| i64::from(kind.byte()));
                let query = sqlx::query(sql).bind(one).bind(other);
                let query = query.bind(access.tenant().unwrap_or_default().to_owned());
                let row = query.fetch_one(&self.shared.db.readers).await?;
                Ok(Taught { records: row.try_get(0)?, erased: row.try_get(1)?, last: row.try_get(2)? })
            })
            .await
    }

    /// The next records that teach, after a row, in the order of their keeping.
    pub(crate) async fn teaching(&self, access: &Access, after: i64) -> Result<Vec<Row>> {
        self.shared
            .named(async {
                access.allow(Operation::Read)?;
                let sql = format!(
                    "SELECT {ROW} FROM record r {ROW_JOINS} WHERE r.kind IN ($1, $2) AND r.n > $3 \
                     AND ($4 = '' OR t.name = $4) ORDER BY r.n LIMIT $5"
                );
                let [one, other] = TEACHING.map(|kind| i64::from(kind.byte()));
                let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(one).bind(other).bind(after);
                let query = query.bind(access.tenant().unwrap_or_default().to_owned());
                let query = query.bind(i64::try_from(MAX_ROWS).expect("a page is small"));
                let rows = query.fetch_all(&self.shared.db.readers).await?;
                rows.iter().map(read_row).collect()
            })
            .await
    }
}
