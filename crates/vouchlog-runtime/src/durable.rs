//! Durable files: each is written completely or not at all, and survives a power cut once the function returns.
//!
//! The order of a write: temporary file beside the target, contents, `fsync`, `rename`, `fsync` of the directory. A crash at
//! any point leaves the old file or the new one. The temporary file is called `<name>.new`; the next write of the same file
//! replaces one that a crash left behind.
//!
//! One path has one writer at a time. Callers that may run twice hold a lock of their own, or use [`create`].

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use thiserror::Error;

/// Who may read a new file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Its owner only: mode 0600 from creation on.
    Private,
    /// Everyone the process's umask admits: mode 0666 less the umask.
    Shared,
}

/// A failed file operation. Names the file without the directories above it.
#[derive(Debug, Error)]
#[error("{file}: {error}")]
pub struct Error {
    /// The file or directory name.
    pub file: String,
    /// The cause.
    pub error: io::Error,
}

/// The outcome of a file operation.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    fn new(path: &Path, error: io::Error) -> Self {
        let name = path.file_name().unwrap_or(path.as_os_str());
        Self { file: name.to_string_lossy().into_owned(), error }
    }

    /// The kind of the cause.
    pub fn kind(&self) -> io::ErrorKind {
        self.error.kind()
    }
}

/// Keeps the kind. The operating system's error number is in [`Error::error`] only.
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        Self::new(error.kind(), error)
    }
}

/// Writes a file durably, replacing an existing one.
///
/// # Errors
/// Before the rename, the existing file is unchanged. If only the `fsync` of the directory failed, a power cut may leave
/// either file.
pub fn write(path: &Path, bytes: &[u8], mode: Mode) -> Result<()> {
    place(path, bytes, mode)?;
    sync_dir(parent(path))
}

/// Writes a file as [`write()`] does, but leaves the directory to the caller: the file's name is durable after [`sync_dir`].
/// For many files in one directory.
pub fn place(path: &Path, bytes: &[u8], mode: Mode) -> Result<()> {
    let temporary = with_suffix(path, ".new");
    let placed = write_temporary(&temporary, bytes, mode).and_then(|()| fs::rename(&temporary, path));
    placed.map_err(|error| {
        // A partial file must not occupy a full disk. If this fails too, the next write replaces it.
        let _ = fs::remove_file(&temporary);
        Error::new(path, error)
    })
}

/// Writes a new file durably and never replaces one. Safe against other processes that create the same file.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] if there is a file of that name; it stays unchanged.
pub fn create(path: &Path, bytes: &[u8], mode: Mode) -> Result<()> {
    static CREATED: AtomicU64 = AtomicU64::new(0);
    let failed = |error| Error::new(path, error);
    if path.try_exists().map_err(failed)? {
        return Err(failed(io::ErrorKind::AlreadyExists.into()));
    }
    // Concurrent creators need temporary files of their own.
    let (process, count) = (std::process::id(), CREATED.fetch_add(1, Ordering::Relaxed));
    let temporary = with_suffix(path, &format!(".{process}-{count}.new"));
    // `rename` replaces its target; `hard_link` refuses to.
    let linked = write_temporary(&temporary, bytes, mode).and_then(|()| fs::hard_link(&temporary, path));
    let removed = fs::remove_file(&temporary);
    linked.and(removed).map_err(failed)?;
    sync_dir(parent(path))
}

/// Whether users other than its owner may read an open file; `false` where that cannot be told.
pub fn is_open_to_others(file: &File) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        file.metadata().is_ok_and(|metadata| metadata.mode() & 0o077 != 0)
    }
    #[cfg(not(unix))]
    {
        let _ = file;
        false
    }
}

/// Makes the names in a directory durable. An empty path is the current directory.
pub fn sync_dir(dir: &Path) -> Result<()> {
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    // Other systems cannot open a directory as a file, and make renames durable themselves.
    if cfg!(unix) {
        File::open(dir).and_then(|dir| dir.sync_all()).map_err(|e| Error::new(dir, e))
    } else {
        Ok(())
    }
}

/// Creates a directory and its missing ancestors durably, each with its entry in the directory above it. An existing one is
/// left as it is.
pub fn make_dir(dir: &Path) -> Result<()> {
    create_dirs(dir, Mode::Shared)
}

/// Creates a directory as [`make_dir`] does, with mode 0700; an existing one gets that mode.
pub fn private_dir(dir: &Path) -> Result<()> {
    create_dirs(dir, Mode::Private)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let private = fs::Permissions::from_mode(0o700);
        fs::set_permissions(dir, private).map_err(|error| Error::new(dir, error))?;
    }
    Ok(())
}

/// Reads a file of at most `limit` bytes.
///
/// # Errors
/// [`io::ErrorKind::NotFound`] if it does not exist, [`io::ErrorKind::InvalidData`] if it is longer.
pub fn read(path: &Path, limit: usize) -> Result<Vec<u8>> {
    let failed = |error| Error::new(path, error);
    let file = File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take((limit as u64).saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > limit {
        let message = format!("longer than {limit} bytes");
        return Err(failed(io::Error::new(io::ErrorKind::InvalidData, message)));
    }
    Ok(bytes)
}

/// Reads a file as [`read`] does; `None` if it does not exist.
pub fn read_bounded(path: &Path, limit: usize) -> Result<Option<Vec<u8>>> {
    match read(path, limit) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
    }
}

fn write_temporary(temporary: &Path, bytes: &[u8], mode: Mode) -> io::Result<()> {
    // A leftover may have another mode, which opening it would keep.
    match fs::remove_file(temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(if mode == Mode::Private { 0o600 } else { 0o666 });
    }
    let mut file = options.open(temporary)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// The directory of a file: never empty, so that it can be opened.
fn parent(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name: OsString = path.into();
    name.push(OsStr::new(suffix));
    name.into()
}

fn create_dirs(dir: &Path, mode: Mode) -> Result<()> {
    let mut missing = Vec::new();
    for ancestor in dir.ancestors().filter(|ancestor| !ancestor.as_os_str().is_empty()) {
        if ancestor.is_dir() {
            break;
        }
        missing.push(ancestor);
    }
    if missing.is_empty() {
        // A crash may have come between its creation and the sync. A parent that this process must not read is not its to sync.
        return match sync_dir(parent(dir)) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
            synced => synced,
        };
    }
    for new in missing.into_iter().rev() {
        match create_dir(new, mode) {
            // Another process was faster.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && new.is_dir() => {}
            created => created.map_err(|error| Error::new(new, error))?,
        }
        sync_dir(parent(new))?;
    }
    Ok(())
}

fn create_dir(dir: &Path, mode: Mode) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(if mode == Mode::Private { 0o700 } else { 0o777 });
    }
    builder.create(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    fn mode_of(path: &Path) -> u32 {
        use std::os::unix::fs::PermissionsExt;
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_and_leaves_no_temporary_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        for bytes in [&b"one"[..], b"", b"longer than before"] {
            write(&path, bytes, Mode::Private).unwrap();
            assert_eq!(fs::read(&path).unwrap(), bytes);
            assert_eq!(names(dir.path()), ["a"]);
        }
        #[cfg(unix)]
        assert_eq!(mode_of(&path), 0o600);
    }

    #[test]
    #[cfg(unix)]
    fn a_private_file_does_not_inherit_the_mode_of_a_leftover() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let leftover = dir.path().join("a.new");
        fs::write(&leftover, "half of an older").unwrap();
        fs::set_permissions(&leftover, fs::Permissions::from_mode(0o644)).unwrap();
        write(&dir.path().join("a"), b"secret", Mode::Private).unwrap();
        assert_eq!(mode_of(&dir.path().join("a")), 0o600);
        assert_eq!(names(dir.path()), ["a"]);
    }

    #[test]
    fn a_failed_write_changes_nothing_and_names_the_file_alone() {
        let dir = tempfile::tempdir().unwrap();
        // A directory in its place: the rename fails after the temporary file was written.
        fs::create_dir(dir.path().join("taken")).unwrap();
        let error = write(&dir.path().join("taken"), b"x", Mode::Shared).unwrap_err();
        assert_eq!(names(dir.path()), ["taken"]);
        let shown = error.to_string();
        assert!(shown.starts_with("taken: "), "{shown}");
        let error = write(&dir.path().join("none").join("a"), b"x", Mode::Shared).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(!error.to_string().contains(&*dir.path().to_string_lossy()), "{error}");
        assert_eq!(io::Error::from(error).kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn one_of_many_creators_wins_and_nothing_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let created = std::thread::scope(|scope| {
            let path = &path;
            let create_one = |n: u8| scope.spawn(move || (n, create(path, &[n; 64], Mode::Private)));
            let threads: Vec<_> = (0..8).map(create_one).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        let winners: Vec<_> = created.iter().filter(|(_, outcome)| outcome.is_ok()).collect();
        let [(winner, _)] = winners[..] else { panic!("{created:?}") };
        assert_eq!(fs::read(&path).unwrap(), [*winner; 64]);
        for (_, outcome) in created {
            assert!(outcome.err().is_none_or(|error| error.kind() == io::ErrorKind::AlreadyExists));
        }
        assert_eq!(names(dir.path()), ["key"]);
    }

    #[test]
    fn directories_are_made_with_their_ancestors_and_twice() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("a/b/c");
        for _ in 0..2 {
            make_dir(&deep).unwrap();
            assert!(deep.is_dir());
        }
        private_dir(&dir.path().join("p/q")).unwrap();
        private_dir(&deep).unwrap();
        #[cfg(unix)]
        for (path, mode) in [("p", 0o700), ("p/q", 0o700), ("a/b/c", 0o700)] {
            assert_eq!(mode_of(&dir.path().join(path)), mode, "{path}");
        }
        fs::write(dir.path().join("file"), "").unwrap();
        assert!(make_dir(&dir.path().join("file")).is_err());
        assert!(make_dir(&dir.path().join("file/below")).is_err());
    }

    #[test]
    fn reading_is_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        assert!(read_bounded(&path, 9).unwrap().is_none());
        assert_eq!(read(&path, 9).unwrap_err().kind(), io::ErrorKind::NotFound);
        fs::write(&path, "123456789").unwrap();
        for limit in [9, usize::MAX] {
            assert_eq!(read_bounded(&path, limit).unwrap().unwrap(), b"123456789");
        }
        let long = read_bounded(&path, 8).unwrap_err();
        assert_eq!(long.kind(), io::ErrorKind::InvalidData);
        assert_eq!(long.to_string(), "a: longer than 8 bytes");
    }
}
