//! A file system that passes everything on to a folder, but for the reads and writes that are hit.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fuser::{
    BsdFileFlags, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo,
    LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty,
    ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite, Request, TimeOrNow, WriteFlags,
};

use super::faults::{Faults, Hit};

/// The kernel remembers nothing: every call is passed on.
const TTL: Duration = Duration::ZERO;
/// What `statfs` reports: a disk with room, in blocks of 4,096 bytes.
const BLOCKS: u64 = 1 << 24;
const BLOCK_BYTES: u32 = 4_096;
const NAME_BYTES: u32 = 255;

/// Inode numbers and what they stand for, relative to the folder.
#[derive(Default)]
struct Names {
    paths: HashMap<u64, PathBuf>,
    numbers: HashMap<PathBuf, u64>,
    last: u64,
}

impl Names {
    fn number(&mut self, path: &Path) -> u64 {
        if let Some(number) = self.numbers.get(path) {
            return *number;
        }
        self.last += 1;
        self.paths.insert(self.last, path.to_owned());
        self.numbers.insert(path.to_owned(), self.last);
        self.last
    }

    fn forget(&mut self, path: &Path) {
        self.numbers.remove(path);
    }

    fn rename(&mut self, from: &Path, to: &Path) {
        self.forget(to);
        let moved: Vec<(PathBuf, u64)> =
            self.numbers.iter().map(|(path, number)| (path.clone(), *number)).collect();
        for (path, number) in moved {
            let Ok(rest) = path.strip_prefix(from) else { continue };
            let new = if rest.as_os_str().is_empty() { to.to_owned() } else { to.join(rest) };
            self.numbers.remove(&path);
            self.numbers.insert(new.clone(), number);
            self.paths.insert(number, new);
        }
    }
}

pub(super) struct Passthrough {
    folder: PathBuf,
    faults: Arc<Faults>,
    names: Mutex<Names>,
    files: Mutex<HashMap<u64, Arc<File>>>,
    handles: AtomicU64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn missing() -> io::Error {
    io::Error::from_raw_os_error(Errno::ENOENT.code())
}

impl Passthrough {
    pub(super) fn new(folder: PathBuf, faults: Arc<Faults>) -> Self {
        let mut names = Names::default();
        // The root has number 1.
        names.number(Path::new(""));
        let (files, handles) = (Mutex::default(), AtomicU64::new(1));
        Self { folder, faults, names: Mutex::new(names), files, handles }
    }

    fn relative(&self, number: INodeNo) -> io::Result<PathBuf> {
        lock(&self.names).paths.get(&number.0).cloned().ok_or_else(missing)
    }

    fn path(&self, number: INodeNo) -> io::Result<PathBuf> {
        Ok(self.folder.join(self.relative(number)?))
    }

    fn child(&self, parent: INodeNo, name: &OsStr) -> io::Result<PathBuf> {
        Ok(self.relative(parent)?.join(name))
    }

    fn attributes(&self, relative: &Path) -> io::Result<FileAttr> {
        let metadata = fs::symlink_metadata(self.folder.join(relative))?;
        Ok(attributes(lock(&self.names).number(relative), &metadata))
    }

    fn file(&self, handle: FileHandle) -> io::Result<Arc<File>> {
        lock(&self.files).get(&handle.0).cloned().ok_or_else(missing)
    }

    fn keep(&self, file: File) -> FileHandle {
        let handle = self.handles.fetch_add(1, Ordering::Relaxed);
        lock(&self.files).insert(handle, Arc::new(file));
        FileHandle(handle)
    }

    fn open_file(&self, number: INodeNo) -> io::Result<FileHandle> {
        let path = self.path(number)?;
        let file = OpenOptions::new().read(true).write(true).open(&path).or_else(|_| File::open(&path))?;
        Ok(self.keep(file))
    }

    fn create_file(&self, parent: INodeNo, name: &OsStr, mode: u32) -> io::Result<(FileAttr, FileHandle)> {
        let relative = self.child(parent, name)?;
        let mut options = OpenOptions::new();
        let file =
            options.read(true).write(true).create(true).mode(mode).open(self.folder.join(&relative))?;
        Ok((self.attributes(&relative)?, self.keep(file)))
    }

    fn read_file(
        &self,
        number: INodeNo,
        handle: FileHandle,
        offset: u64,
        size: usize,
    ) -> io::Result<Vec<u8>> {
        let hit = self.faults.next(&self.relative(number)?, offset, size, true);
        let from = if let Hit::Offset(other) = hit { other } else { offset };
        let (file, mut bytes, mut length) = (self.file(handle)?, vec![0; size], 0);
        while length < size {
            match file.read_at(&mut bytes[length..], from + length as u64)? {
                0 => break,
                more => length += more,
            }
        }
        bytes.truncate(length);
        match hit {
            Hit::Fail(_) => return Err(io::Error::from_raw_os_error(Errno::EIO.code())),
            Hit::Flip(at, bit) => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << bit),
            Hit::Tear(at) => bytes.iter_mut().skip(at).for_each(|byte| *byte = 0),
            Hit::None | Hit::Offset(_) => {}
        }
        Ok(bytes)
    }

    fn write_file(&self, number: INodeNo, handle: FileHandle, offset: u64, data: &[u8]) -> io::Result<()> {
        let file = self.file(handle)?;
        match self.faults.next(&self.relative(number)?, offset, data.len(), false) {
            Hit::None => file.write_all_at(data, offset),
            Hit::Offset(other) => file.write_all_at(data, other),
            Hit::Tear(at) => file.write_all_at(&data[..at], offset),
            Hit::Flip(at, bit) => {
                let mut data = data.to_vec();
                data[at] ^= 1 << bit;
                file.write_all_at(&data, offset)
            }
            Hit::Fail(at) => {
                file.write_all_at(&data[..at], offset)?;
                Err(io::Error::from_raw_os_error(Errno::EIO.code()))
            }
        }
    }

    fn change(&self, number: INodeNo, mode: Option<u32>, size: Option<u64>) -> io::Result<FileAttr> {
        let path = self.path(number)?;
        if let Some(mode) = mode {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
        }
        if let Some(size) = size {
            OpenOptions::new().write(true).open(&path)?.set_len(size)?;
        }
        self.attributes(&self.relative(number)?)
    }

    fn entries(&self, number: INodeNo) -> io::Result<Vec<(u64, FileType, std::ffi::OsString)>> {
        let relative = self.relative(number)?;
        let mut entries =
            vec![(number.0, FileType::Directory, ".".into()), (number.0, FileType::Directory, "..".into())];
        for entry in fs::read_dir(self.folder.join(&relative))? {
            let entry = entry?;
            let number = lock(&self.names).number(&relative.join(entry.file_name()));
            entries.push((number, kind(entry.file_type()?), entry.file_name()));
        }
        Ok(entries)
    }
}

fn kind(kind: fs::FileType) -> FileType {
    match kind {
        kind if kind.is_dir() => FileType::Directory,
        kind if kind.is_symlink() => FileType::Symlink,
        kind if kind.is_socket() => FileType::Socket,
        _ => FileType::RegularFile,
    }
}

fn attributes(number: u64, metadata: &Metadata) -> FileAttr {
    let time = |seconds: i64| UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
    FileAttr {
        ino: INodeNo(number),
        size: metadata.size(),
        blocks: metadata.blocks(),
        atime: time(metadata.atime()),
        mtime: time(metadata.mtime()),
        ctime: time(metadata.ctime()),
        crtime: UNIX_EPOCH,
        kind: kind(metadata.file_type()),
        perm: u16::try_from(metadata.mode() & 0o7777).unwrap_or_default(),
        nlink: u32::try_from(metadata.nlink()).unwrap_or(1),
        uid: metadata.uid(),
        gid: metadata.gid(),
        rdev: 0,
        blksize: BLOCK_BYTES,
        flags: 0,
    }
}

/// Answers with the outcome of an operation that returns nothing.
fn done(outcome: io::Result<()>, reply: ReplyEmpty) {
    match outcome {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(error.into()),
    }
}

impl Filesystem for Passthrough {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        match self.child(parent, name).and_then(|child| self.attributes(&child)) {
            Ok(attributes) => reply.entry(&TTL, &attributes, Generation(0)),
            Err(error) => reply.error(error.into()),
        }
    }

    fn getattr(&self, _: &Request, number: INodeNo, handle: Option<FileHandle>, reply: ReplyAttr) {
        // A file that was deleted while it is open has a handle and no path.
        let open = handle.and_then(|handle| self.file(handle).ok()).and_then(|file| file.metadata().ok());
        let found = match open {
            Some(metadata) => Ok(attributes(number.0, &metadata)),
            None => self.relative(number).and_then(|path| self.attributes(&path)),
        };
        match found {
            Ok(attributes) => reply.attr(&TTL, &attributes),
            Err(error) => reply.error(error.into()),
        }
    }

    fn setattr(
        &self,
        _: &Request,
        number: INodeNo,
        mode: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        size: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        match self.change(number, mode, size) {
            Ok(attributes) => reply.attr(&TTL, &attributes),
            Err(error) => reply.error(error.into()),
        }
    }

    fn mkdir(&self, _: &Request, parent: INodeNo, name: &OsStr, mode: u32, _: u32, reply: ReplyEntry) {
        let made = self.child(parent, name).and_then(|child| {
            fs::DirBuilder::new().mode(mode).create(self.folder.join(&child))?;
            self.attributes(&child)
        });
        match made {
            Ok(attributes) => reply.entry(&TTL, &attributes, Generation(0)),
            Err(error) => reply.error(error.into()),
        }
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let outcome = self.child(parent, name).and_then(|child| {
            fs::remove_file(self.folder.join(&child))?;
            lock(&self.names).forget(&child);
            Ok(())
        });
        done(outcome, reply);
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let outcome = self.child(parent, name).and_then(|child| {
            fs::remove_dir(self.folder.join(&child))?;
            lock(&self.names).forget(&child);
            Ok(())
        });
        done(outcome, reply);
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        _: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let outcome = self.child(parent, name).and_then(|from| {
            let to = self.child(new_parent, new_name)?;
            fs::rename(self.folder.join(&from), self.folder.join(&to))?;
            lock(&self.names).rename(&from, &to);
            Ok(())
        });
        done(outcome, reply);
    }

    fn open(&self, _: &Request, number: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        match self.open_file(number) {
            Ok(handle) => reply.opened(handle, FopenFlags::FOPEN_DIRECT_IO),
            Err(error) => reply.error(error.into()),
        }
    }

    fn create(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _: u32,
        _: i32,
        reply: ReplyCreate,
    ) {
        match self.create_file(parent, name, mode) {
            Ok((attributes, handle)) => {
                reply.created(&TTL, &attributes, Generation(0), handle, FopenFlags::FOPEN_DIRECT_IO);
            }
            Err(error) => reply.error(error.into()),
        }
    }

    fn read(
        &self,
        _: &Request,
        number: INodeNo,
        handle: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match self.read_file(number, handle, offset, usize::try_from(size).unwrap_or_default()) {
            Ok(bytes) => reply.data(&bytes),
            Err(error) => reply.error(error.into()),
        }
    }

    fn write(
        &self,
        _: &Request,
        number: INodeNo,
        handle: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        match self.write_file(number, handle, offset, data) {
            Ok(()) => reply.written(u32::try_from(data.len()).unwrap_or(u32::MAX)),
            Err(error) => reply.error(error.into()),
        }
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn release(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        lock(&self.files).remove(&handle.0);
        reply.ok();
    }

    fn fsync(&self, _: &Request, _: INodeNo, handle: FileHandle, _: bool, reply: ReplyEmpty) {
        done(self.file(handle).and_then(|file| file.sync_all()), reply);
    }

    fn fsyncdir(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        reply.ok();
    }

    fn fallocate(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        if mode != 0 {
            return reply.error(Errno::EOPNOTSUPP);
        }
        let grow = |file: Arc<File>| {
            let end = file.metadata()?.len().max(offset + length);
            file.set_len(end)
        };
        done(self.file(handle).and_then(grow), reply);
    }

    fn readdir(&self, _: &Request, number: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let entries = match self.entries(number) {
            Ok(entries) => entries,
            Err(error) => return reply.error(error.into()),
        };
        for (next, (number, kind, name)) in
            (1..).zip(entries).skip(usize::try_from(offset).unwrap_or_default())
        {
            if reply.add(INodeNo(number), next, kind, name) {
                break;
            }
        }
        reply.ok();
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        reply.statfs(BLOCKS, BLOCKS, BLOCKS, BLOCKS, BLOCKS, BLOCK_BYTES, NAME_BYTES, BLOCK_BYTES);
    }
}
