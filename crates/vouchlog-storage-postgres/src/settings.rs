//! Settings of a server that a log depends on, and what is wrong with them in words.

use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Row as _};
use vouchlog_storage::StoreError;

use crate::database::{Database, QUERY_PATIENCE, Use};
use crate::outcome::store_error;
use crate::schema;

/// What a server's settings are, as far as a log depends on them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// Version, such as `15.20`.
    pub version: String,
    /// Whether it is a standby, which takes no writes.
    pub is_standby: bool,
    /// `synchronous_commit` of a new session.
    pub synchronous_commit: String,
    /// `synchronous_standby_names`; empty without synchronous standbys.
    pub synchronous_standby_names: String,
    /// Standbys that are connected and synchronous; `None` if the role may not see them.
    pub synchronous_standbys: Option<u64>,
    /// `fsync`.
    pub fsync: bool,
    /// `full_page_writes`.
    pub full_page_writes: bool,
    /// Whether the connection goes through a pooler that gives each transaction another session.
    pub pooled: bool,
    /// Version of the store's tables; 0 when there are none.
    pub tables: u64,
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// A log must not run like this.
    Refused,
    /// It may, with less protection.
    Warning,
}

/// Something wrong with a server's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// A word for machines.
    pub code: &'static str,
    /// What is wrong, and what to do.
    pub message: String,
}

impl Settings {
    /// Reads the settings. Opens three connections.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the server cannot be reached or refuses the role.
    pub fn read(database: &Database) -> Result<Self, StoreError> {
        let shared = database.clone();
        let reading = async move {
            let mut first = shared.connect(Use::Query).await?;
            let pooled = is_pooled(&shared, &mut first).await?;
            let mut settings = read(&mut first).await?;
            settings.pooled = pooled;
            first.close().await.ok();
            Ok::<_, sqlx::Error>(settings)
        };
        database.run(2 * QUERY_PATIENCE, reading)?.map_err(|error| store_error(&error))
    }

    /// What is wrong with them.
    pub fn findings(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        let mut add = |severity, code, message: &str| {
            found.push(Finding { severity, code, message: message.to_owned() });
        };
        if self.is_standby {
            add(
                Severity::Refused,
                "standby",
                "the server is a standby and takes no writes: connect to the primary, with `target_session_attrs` in the load balancer or a name that follows it",
            );
        }
        if self.synchronous_commit == "off" {
            add(
                Severity::Refused,
                "synchronous-commit",
                "synchronous_commit is off, so a crash of the server would lose acknowledged entries: set it to on, or to remote_apply",
            );
        }
        if self.pooled {
            add(
                Severity::Refused,
                "pooler",
                "the connection goes through a pooler in transaction or statement mode, which breaks the fence of commits: connect to the server itself, or set the pooler to session mode",
            );
        }
        if !self.fsync {
            add(
                Severity::Warning,
                "fsync",
                "fsync is off, so a power cut would lose acknowledged entries or the whole database: set it to on",
            );
        }
        if !self.full_page_writes {
            add(
                Severity::Warning,
                "full-page-writes",
                "full_page_writes is off, so a power cut can damage pages: set it to on unless the file system prevents torn writes",
            );
        }
        let waits_for_standby = !matches!(&*self.synchronous_commit, "local" | "off");
        if self.synchronous_standby_names.is_empty() {
            add(
                Severity::Warning,
                "no-synchronous-standby",
                "there is no synchronous standby: if the primary's disk is lost, so are acknowledged entries. Set synchronous_standby_names",
            );
        } else if !waits_for_standby {
            add(
                Severity::Warning,
                "synchronous-commit-local",
                "synchronous_commit is local, so commits do not wait for the synchronous standby: set it to on",
            );
        } else if self.synchronous_standbys == Some(0) {
            add(
                Severity::Warning,
                "standby-away",
                "no synchronous standby is connected: every commit waits until one is",
            );
        }
        found
    }

    /// Refuses settings that a log must not run with, and logs the others.
    ///
    /// # Errors
    /// [`StoreError::Foreign`], in words.
    pub fn check(&self) -> Result<(), StoreError> {
        for finding in self.findings() {
            match finding.severity {
                Severity::Refused => return Err(StoreError::Foreign(finding.message)),
                Severity::Warning => tracing::warn!(code = finding.code, "{}", finding.message),
            }
        }
        Ok(())
    }
}

async fn read(connection: &mut PgConnection) -> sqlx::Result<Settings> {
    let row = sqlx::query(
        "SELECT current_setting('server_version'), pg_is_in_recovery(), current_setting('synchronous_commit'),
                current_setting('synchronous_standby_names'), current_setting('fsync') = 'on',
                current_setting('full_page_writes') = 'on'",
    );
    let row = row.fetch_one(&mut *connection).await?;
    let standbys = sqlx::query(
        "SELECT count(*) FILTER (WHERE sync_state IN ('sync', 'quorum')), count(*) FILTER (WHERE sync_state IS NULL)
         FROM pg_stat_replication",
    );
    let standbys = standbys.fetch_one(&mut *connection).await?;
    let (seen, hidden): (i64, i64) = (standbys.try_get(0)?, standbys.try_get(1)?);
    Ok(Settings {
        version: row.try_get(0)?,
        is_standby: row.try_get(1)?,
        synchronous_commit: row.try_get(2)?,
        synchronous_standby_names: row.try_get(3)?,
        fsync: row.try_get(4)?,
        full_page_writes: row.try_get(5)?,
        synchronous_standbys: (hidden == 0 || seen > 0).then_some(seen.unsigned_abs()),
        pooled: false,
        tables: schema::version(connection).await?.unsigned_abs(),
    })
}

async fn backend(connection: &mut PgConnection) -> sqlx::Result<i32> {
    sqlx::query("SELECT pg_backend_pid()").fetch_one(connection).await?.try_get(0)
}

/// A pooler that works by transactions gives the session of an idle client to the next: a second client begins a transaction and keeps
/// it, and the first finds itself in another session, or the second in the first one's.
async fn is_pooled(database: &Database, first: &mut PgConnection) -> sqlx::Result<bool> {
    let before = backend(first).await?;
    let mut second = database.connect(Use::Query).await?;
    let mut transaction = second.begin().await?;
    let other = backend(&mut transaction).await?;
    let after = backend(first).await?;
    transaction.rollback().await?;
    second.close().await.ok();
    Ok(before != after || before == other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound() -> Settings {
        Settings {
            version: "15.20".into(),
            is_standby: false,
            synchronous_commit: "on".into(),
            synchronous_standby_names: "ANY 1 (b)".into(),
            synchronous_standbys: Some(1),
            fsync: true,
            full_page_writes: true,
            pooled: false,
            tables: 1,
        }
    }

    #[test]
    fn each_weakness_is_found_and_refused_or_warned_of() {
        assert_eq!(sound().findings(), []);
        type Change = fn(&mut Settings);
        let cases: [(&str, bool, Change); 8] = [
            ("standby", true, |s| s.is_standby = true),
            ("synchronous-commit", true, |s| s.synchronous_commit = "off".into()),
            ("pooler", true, |s| s.pooled = true),
            ("fsync", false, |s| s.fsync = false),
            ("full-page-writes", false, |s| s.full_page_writes = false),
            ("no-synchronous-standby", false, |s| s.synchronous_standby_names.clear()),
            ("synchronous-commit-local", false, |s| s.synchronous_commit = "local".into()),
            ("standby-away", false, |s| s.synchronous_standbys = Some(0)),
        ];
        for (code, refused, spoil) in cases {
            let mut settings = sound();
            spoil(&mut settings);
            let codes: Vec<_> = settings.findings().iter().map(|finding| finding.code).collect();
            assert!(codes.contains(&code), "{code} is not among {codes:?}");
            assert_eq!(settings.check().is_err(), refused, "{code}");
        }
    }
}
