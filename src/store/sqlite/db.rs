//! Connections and schema: one writer, some readers, steps by `user_version`.
//!
//! Every call runs on the blocking pool. The writer is a mutex, so writes queue in order and SQLite never answers
//! `SQLITE_BUSY` to ourselves; readers see the last commit and never wait for it (WAL).

use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::domain::server::Revision;
use crate::store::Error;

/// The steps of the schema, in order. A merged one is never edited.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_register.sql"),
    include_str!("migrations/0002_tokens.sql"),
    include_str!("migrations/0003_mcp_sessions.sql"),
    include_str!("migrations/0004_sealed.sql"),
    include_str!("migrations/0005_identity.sql"),
    include_str!("migrations/0006_scopes.sql"),
    include_str!("migrations/0007_health.sql"),
    include_str!("migrations/0008_calls.sql"),
    include_str!("migrations/0009_vectors.sql"),
    include_str!("migrations/0010_agents.sql"),
];

const READERS: usize = 4;
/// How long a write waits for another process (a command line beside the daemon, a backup).
const BUSY: Duration = Duration::from_secs(5);

#[derive(Debug, Clone)]
pub(super) struct Db {
    writer: Arc<Mutex<Connection>>,
    readers: Arc<Vec<Mutex<Connection>>>,
}

/// Any error of the driver is the opaque rest of ours.
pub(super) fn backend(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Backend(error.into())
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        backend(error)
    }
}

impl Db {
    pub(super) fn open(file: &Path) -> Result<Self, Error> {
        make_private(file).map_err(backend)?;
        let mut writer = Connection::open(file)?;
        writer.busy_timeout(BUSY)?;
        migrate(&mut writer)?;
        configure(&writer)?;
        let reader = || -> Result<_, Error> {
            let connection = Connection::open(file)?;
            connection.busy_timeout(BUSY)?;
            configure(&connection)?;
            connection.pragma_update(None, "query_only", true)?;
            Ok(Mutex::new(connection))
        };
        let readers = (0..READERS).map(|_| reader()).collect::<Result<_, _>>()?;
        Ok(Self {
            writer: Arc::new(Mutex::new(writer)),
            readers: Arc::new(readers),
        })
    }

    /// The register's revision as it is at the start; every later one goes through [`Self::write`].
    pub(super) fn newest_revision(&self) -> Result<Revision, Error> {
        let connection = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Revision(connection.query_row(
            "SELECT value FROM revision",
            (),
            |row| row.get(0),
        )?))
    }

    /// Run one immediate transaction on the writer; commit if `work` says Ok.
    pub(super) async fn write<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T, Error> + Send + 'static,
    {
        self.write_then(work, |_| ()).await
    }

    /// The same, and tell somebody after the commit. This happens even when the caller has gone away meanwhile and
    /// nobody waits for the answer any more: a committed change must never stay unheard.
    pub(super) async fn write_then<T, F, A>(&self, work: F, after: A) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T, Error> + Send + 'static,
        A: FnOnce(&T) + Send + 'static,
    {
        let writer = Arc::clone(&self.writer);
        blocking(move || {
            let mut connection = writer.lock().unwrap_or_else(PoisonError::into_inner);
            let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = work(&tx)?;
            tx.commit()?;
            after(&value);
            Ok(value)
        })
        .await
    }

    /// Run one read transaction on a reader.
    pub(super) async fn read<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T, Error> + Send + 'static,
    {
        let readers = Arc::clone(&self.readers);
        blocking(move || {
            let free = readers.iter().find_map(|reader| reader.try_lock().ok());
            let mut connection = match (free, readers.first()) {
                (Some(connection), _) => connection,
                (None, Some(first)) => first.lock().unwrap_or_else(PoisonError::into_inner),
                (None, None) => return Err(backend("no reader")),
            };
            let tx = connection.transaction()?;
            work(&tx)
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(backend)?
}

/// The file is for us alone from its first byte; SQLite gives its companions the same mode.
fn make_private(file: &Path) -> std::io::Result<()> {
    std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(file)
        .map(drop)
}

fn configure(connection: &Connection) -> Result<(), Error> {
    connection.pragma_update(None, "foreign_keys", true)?;
    // FULL: a change that was acknowledged survives a power cut, not only a crash of ours.
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(())
}

fn migrate(connection: &mut Connection) -> Result<(), Error> {
    let known = i64::try_from(MIGRATIONS.len()).map_err(backend)?;
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found > known {
        return Err(Error::Newer { found, known });
    }
    // Only now: switching to WAL writes to the file, and a newer one must stay as it is.
    connection.pragma_update(None, "journal_mode", "WAL")?;
    let done = usize::try_from(found).map_err(backend)?;
    for (step, sql) in MIGRATIONS.iter().enumerate().skip(done) {
        let tx = connection.transaction_with_behavior(TransactionBehavior::Exclusive)?;
        tx.execute_batch(sql)?;
        tx.pragma_update(None, "user_version", i64::try_from(step + 1).map_err(backend)?)?;
        tx.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each step must find what the steps before it left, with rows in it.
    #[test]
    fn a_file_of_each_earlier_version_is_brought_up_to_date_with_its_rows() {
        for version in 1..MIGRATIONS.len() {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("x.db");
            {
                let connection = Connection::open(&file).unwrap();
                for sql in MIGRATIONS.iter().take(version) {
                    connection.execute_batch(sql).unwrap();
                }
                connection
                    .pragma_update(None, "user_version", i64::try_from(version).unwrap())
                    .unwrap();
                connection
                    .execute("INSERT INTO facts (key, value) VALUES ('kept', 'yes')", ())
                    .unwrap();
            }
            let db = Db::open(&file).unwrap();
            let connection = db.writer.lock().unwrap();
            let now: i64 = connection
                .pragma_query_value(None, "user_version", |row| row.get(0))
                .unwrap();
            assert_eq!(usize::try_from(now).unwrap(), MIGRATIONS.len());
            let kept: String = connection
                .query_row("SELECT value FROM facts", (), |row| row.get(0))
                .unwrap();
            assert_eq!(kept, "yes");
        }
    }
}
