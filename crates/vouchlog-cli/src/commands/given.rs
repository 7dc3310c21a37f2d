//! Files that a user names: regular ones, pipes, and `-` for standard input. Each is read up to a bound, in bytes and in time.

use std::fs::File;
use std::io::{self, Cursor, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::Context;
use vouchlog_runtime::durable;

use super::named;
use crate::advice::Advice;

/// How long a pipe may take to be opened, written and closed at its other end. Standard input has no such limit: the user stopped typing,
/// or will.
const PIPE_PATIENCE: Duration = Duration::from_secs(60);

/// Reads a file, no more of it than `limit` bytes.
pub(super) fn read(path: &Path, limit: usize) -> anyhow::Result<Vec<u8>> {
    read_within(path, limit, PIPE_PATIENCE)
}

/// Reads a file as [`read`] does, or standard input for `-`.
pub(super) fn read_or_stdin(path: &Path, limit: usize) -> anyhow::Result<Vec<u8>> {
    if path != Path::new("-") {
        return read(path, limit);
    }
    let mut bytes = Vec::new();
    io::stdin().lock().take(limit as u64 + 1).read_to_end(&mut bytes).context("standard input")?;
    anyhow::ensure!(bytes.len() <= limit, "standard input: longer than {limit} bytes");
    Ok(bytes)
}

/// Opens a file that is read piece by piece, or standard input for `-`. A pipe is read whole first, up to `limit` bytes.
pub(super) fn open(path: &Path, limit: usize) -> anyhow::Result<Box<dyn Read>> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdin().lock()));
    }
    if is_endless(path) {
        return Ok(Box::new(Cursor::new(read(path, limit)?)));
    }
    Ok(Box::new(File::open(path).with_context(|| path.display().to_string())?))
}

/// Whether reading may never come to an end: anything but a file and a folder.
fn is_endless(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}

fn read_within(path: &Path, limit: usize, patience: Duration) -> anyhow::Result<Vec<u8>> {
    if !is_endless(path) {
        return durable::read(path, limit).map_err(|failed| named(path, failed));
    }
    // Even opening a pipe waits for a writer. A thread that still waits ends with the program.
    let (done, read) = mpsc::sync_channel(1);
    let pipe: PathBuf = path.to_owned();
    std::thread::spawn(move || {
        let read = durable::read(&pipe, limit);
        done.send(read)
    });
    match read.recv_timeout(patience) {
        Ok(read) => read.map_err(|failed| named(path, failed)),
        Err(_) => {
            let error = io::Error::new(ErrorKind::TimedOut, "its writer did not finish in time");
            Err(anyhow::Error::new(error).context(Advice::new(
                format!(
                    "{} is no regular file, and its end did not come within {} s",
                    path.display(),
                    patience.as_secs()
                ),
                "give a regular file, or `-` for standard input",
            )))
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn pipe(dir: &Path) -> PathBuf {
        let path = dir.join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.is_ok_and(|made| made.success()));
        path
    }

    #[test]
    fn a_pipe_that_has_no_writer_or_no_end_is_given_up() {
        let dir = tempfile::tempdir().unwrap();
        let path = pipe(dir.path());
        let error = read_within(&path, 10, Duration::from_millis(5)).unwrap_err();
        assert!(format!("{error:#}").contains("is no regular file"), "{error:#}");
        // A device without an end is bounded in bytes.
        let error = read_within(Path::new("/dev/zero"), 1 << 20, Duration::from_secs(60)).unwrap_err();
        assert!(format!("{error:#}").contains("longer than"), "{error:#}");
    }

    #[test]
    fn a_pipe_with_an_end_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = pipe(dir.path());
        let writer = std::thread::spawn({
            let path = path.clone();
            move || std::fs::write(path, "some bytes").unwrap()
        });
        let mut text = String::new();
        open(&path, 10).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "some bytes");
        writer.join().unwrap();
    }
}
