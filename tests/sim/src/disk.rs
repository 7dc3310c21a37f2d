//! The disk of one machine: what a process sees (the page cache) and what survives a power cut (the platter).
//!
//! Writes land in the cache. `sync_data` moves the pages of a file to the platter, `sync` does the same for the names in a
//! folder. A power cut keeps, for each sector that was not synced, the old or the new bytes, and of the changed names a part. A
//! killed process loses nothing but its own memory. Operations of a process that is dead fail and change nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use vouchlog_ledger::{Disk, DiskFile, LockGuard};

use crate::rng::Rng;

mod faults;
mod inode;
mod names;

pub use faults::{Counts, Faults, Lie};
use inode::Inode;
use names::{Change, Names};

/// Bytes that a power cut keeps or loses together.
pub const SECTOR: usize = 512;
const EIO: i32 = 5;
const ENOSPC: i32 = 28;

/// A folder of the disk, as the process that opened it sees it.
#[derive(Clone)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
    folder: String,
    process: u64,
}

/// The disk of one machine.
struct State {
    rng: Rng,
    /// The process that runs now. Operations of others fail.
    process: u64,
    operations: u64,
    /// The process dies at this operation.
    dies_at: Option<u64>,
    inodes: BTreeMap<u64, Inode>,
    next_inode: u64,
    names: Names,
    faults: Faults,
    counts: Counts,
}

/// What a disk holds, to be put back later as an old copy.
#[derive(Clone)]
pub struct Copy {
    inodes: BTreeMap<u64, Inode>,
    names: Names,
}

impl SimDisk {
    /// An empty disk.
    pub fn new(rng: Rng) -> Self {
        let state = State {
            rng,
            process: 0,
            operations: 0,
            dies_at: None,
            inodes: BTreeMap::new(),
            next_inode: 0,
            names: Names::default(),
            faults: Faults::default(),
            counts: Counts::default(),
        };
        Self { state: Arc::new(Mutex::new(state)), folder: String::new(), process: 0 }
    }

    /// The folder `name` at the top of the disk.
    pub fn folder(&self, name: &str) -> Self {
        Self { folder: name.to_owned(), ..self.clone() }
    }

    /// The same disk for the process that runs now.
    pub fn for_new_process(&self) -> Self {
        let mut state = self.state.lock();
        state.faults.muted.clear();
        let process = state.process;
        drop(state);
        Self { process, ..self.clone() }
    }

    /// Ends the process, unless it has ended already. The cache remains.
    pub fn kill(&self) {
        let mut state = self.state.lock();
        state.process += 1;
        state.dies_at = None;
    }

    /// Whether the process this handle belongs to has ended.
    pub fn is_dead(&self) -> bool {
        self.state.lock().process != self.process
    }

    /// Lets the process die at its nth operation from now on.
    pub fn die_after(&self, operations: u64) {
        let mut state = self.state.lock();
        state.dies_at = Some(state.operations + operations);
    }

    /// The process no longer dies by plan.
    pub fn live_on(&self) {
        self.state.lock().dies_at = None;
    }

    /// The power fails: what was not synced is lost, in part.
    pub fn power_cut(&self) {
        let mut state = self.state.lock();
        state.process += 1;
        state.dies_at = None;
        let State { rng, inodes, names, .. } = &mut *state;
        names.power_cut(rng);
        for inode in inodes.values_mut() {
            inode.power_cut(rng);
        }
        state.forget_nameless();
    }

    /// Operations so far.
    pub fn operations(&self) -> u64 {
        self.state.lock().operations
    }

    /// Changes which operations fail.
    pub fn set_faults(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut self.state.lock().faults);
    }

    /// What failed so far.
    pub fn counts(&self) -> Counts {
        self.state.lock().counts.clone()
    }

    /// Folders whose bytes are not what was written, by a fault that was injected.
    pub fn is_damaged(&self, folder: &str) -> bool {
        self.state.lock().counts.damaged.contains(folder)
    }

    /// The bytes in a folder cannot be counted on from now on.
    pub fn note_damage(&self, folder: &str) {
        self.state.lock().counts.damaged.insert(folder.to_owned());
    }

    /// Folders read and found whole, or made again, are sound.
    pub fn forget_damage(&self, folder: &str) {
        self.state.lock().counts.damaged.remove(folder);
    }

    /// Damages a random file of a folder at rest, on the platter and in the cache, anywhere or in its first half; whether there
    /// was one.
    pub fn rot(&self, folder: &str, half: bool) -> bool {
        let mut state = self.state.lock();
        let files = state.names.files(folder);
        let files: Vec<_> = files.into_iter().filter(|(name, _)| !name.ends_with(".new")).collect();
        if files.is_empty() {
            return false;
        }
        let (_, inode) = files[state.rng.index(files.len())];
        let State { rng, inodes, counts, .. } = &mut *state;
        let rotted = inodes.get_mut(&inode).is_some_and(|inode| inode.rot(rng, half));
        if rotted {
            counts.rotted += 1;
            counts.damaged.insert(folder.to_owned());
        }
        rotted
    }

    /// What a copy of the disk, or of one folder, taken now would hold.
    pub fn copy(&self, folder: Option<&str>) -> Copy {
        let state = self.state.lock();
        let names = state.names.only(folder);
        let inodes = names.inodes().filter_map(|id| Some((id, state.inodes.get(&id)?.clone()))).collect();
        Copy { inodes, names }
    }

    /// Puts an old copy back, of the disk or of one folder, and syncs the disk.
    pub fn restore(&self, folder: Option<&str>, copy: &Copy) {
        let mut state = self.state.lock();
        let mut renamed = BTreeMap::new();
        for (old, inode) in &copy.inodes {
            let id = state.add(inode.clone());
            renamed.insert(*old, id);
        }
        state.names.replace(folder, &copy.names, &renamed);
        state.names.sync_all();
        state.inodes.values_mut().for_each(Inode::sync);
        state.counts.restored += 1;
        if let Some(folder) = folder {
            state.counts.damaged.insert(folder.to_owned());
        }
    }

    /// Renames a whole folder.
    pub fn rename_folder(&self, from: &str, to: &str) -> io::Result<()> {
        self.enter()?.names.change(Change::RenameFolder(from.to_owned(), to.to_owned()));
        Ok(())
    }

    /// Deletes a whole folder, if it is there.
    pub fn remove_folder(&self, name: &str) -> io::Result<()> {
        self.enter()?.names.change(Change::RemoveFolder(name.to_owned()));
        Ok(())
    }

    /// Whether there is a file of that name.
    pub fn exists(&self, name: &str) -> io::Result<bool> {
        let state = self.enter()?;
        Ok(state.names.get(&self.path(name)).is_some())
    }

    /// Writes a whole file, durably, or not at all.
    pub fn write_file(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let new = format!("{name}.new");
        let file = self.create(&new)?;
        file.write_all_at(bytes, 0)?;
        file.sync_data()?;
        self.rename(&new, name)?;
        self.sync()
    }

    fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.folder)
    }

    /// Begins an operation: it fails when the process is dead, and the process may die here.
    fn enter(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state.lock();
        if state.process != self.process {
            return Err(io::Error::other("this process has ended"));
        }
        if is_beside() {
            return Ok(state);
        }
        state.operations += 1;
        if state.dies_at == Some(state.operations) {
            state.process += 1;
            state.dies_at = None;
            return Err(io::Error::other("the process ended here"));
        }
        Ok(state)
    }

    fn opened(&self, inode: u64) -> Arc<dyn DiskFile> {
        Arc::new(SimFile { disk: self.clone(), inode })
    }
}

/// The follower of the lookup index reads beside everything else, on a thread of its own: what it does must not change what
/// happens to others.
fn is_beside() -> bool {
    std::thread::current().name() == Some("vouchlog-index")
}

impl State {
    fn add(&mut self, inode: Inode) -> u64 {
        self.next_inode += 1;
        self.inodes.insert(self.next_inode, inode);
        self.next_inode
    }

    fn forget_nameless(&mut self) {
        let Self { inodes, names, .. } = self;
        inodes.retain(|id, _| names.has(*id));
    }
}

impl Disk for SimDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        let state = self.enter()?;
        Ok(state.names.files(&self.folder).into_iter().map(|(name, _)| name).collect())
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let state = self.enter()?;
        let inode = state.names.get(&self.path(name)).ok_or(io::ErrorKind::NotFound)?;
        drop(state);
        Ok(self.opened(inode))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.enter()?;
        let path = self.path(name);
        if let Some(original) = state.rewrite_of(&path) {
            state.faults.muted.insert(original);
            drop(state);
            return Ok(self.opened(original));
        }
        let inode = match state.names.get(&path) {
            Some(inode) => inode,
            None => {
                let inode = state.add(Inode::default());
                state.names.change(Change::Create(path, inode));
                inode
            }
        };
        if let Some(inode) = state.inodes.get_mut(&inode) {
            inode.set_length(0);
        }
        drop(state);
        Ok(self.opened(inode))
    }

    fn open_for_writing(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.open(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.enter()?;
        let (from, to) = (self.path(from), self.path(to));
        if let Some(original) = state.rewrite_of(&from) {
            state.faults.muted.remove(&original);
            return Ok(());
        }
        if state.names.get(&from).is_none() {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.names.change(Change::Rename(from, to));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.enter()?;
        let path = self.path(name);
        if state.names.get(&path).is_none() {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.names.change(Change::Remove(path));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.enter()?;
        if state.fails(&self.folder, |faults| faults.sync_errors) {
            state.counts.sync_errors += 1;
            return Err(io::Error::from_raw_os_error(EIO));
        }
        state.names.sync(&self.folder);
        Ok(())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let state = self.enter()?;
        Ok(if state.faults.is_full { 0 } else { 1 << 40 })
    }

    fn lock(&self) -> io::Result<Option<LockGuard>> {
        drop(self.enter()?);
        // One process at a time uses a simulated disk.
        Ok(Some(LockGuard::new(())))
    }
}

impl fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimDisk({})", self.folder)
    }
}

/// An open file.
struct SimFile {
    disk: SimDisk,
    inode: u64,
}

impl SimFile {
    fn with<T>(&self, state: &mut State, f: impl FnOnce(&mut Inode, &mut Rng) -> T) -> T {
        let State { inodes, rng, .. } = state;
        // A file that lost its name lives on while it is open.
        f(inodes.entry(self.inode).or_default(), rng)
    }
}

impl DiskFile for SimFile {
    fn length(&self) -> io::Result<u64> {
        let mut state = self.disk.enter()?;
        Ok(self.with(&mut state, |inode, _| inode.length()))
    }

    fn read_exact_at(&self, into: &mut [u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.enter()?;
        if !is_beside() && state.fails(&self.disk.folder, |faults| faults.read_errors) {
            state.counts.read_errors += 1;
            return Err(io::Error::from_raw_os_error(EIO));
        }
        self.with(&mut state, |inode, _| inode.read(into, offset))
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.enter()?;
        if state.faults.muted.contains(&self.inode) {
            return Ok(());
        }
        let folder = &self.disk.folder;
        let is_full = state.faults.is_full;
        if is_full || state.fails(folder, |faults| faults.write_errors) {
            state.counts.write_errors += 1;
            // A part may have been written.
            self.with(&mut state, |inode, rng| inode.write(&bytes[..rng.index(bytes.len() + 1)], offset));
            return Err(io::Error::from_raw_os_error(if is_full { ENOSPC } else { EIO }));
        }
        let is_short = bytes.len() < 64 * 1024;
        if is_short && state.fails(folder, |faults| faults.misdirected) {
            state.counts.misdirected += 1;
            state.counts.damaged.insert(folder.clone());
            self.with(&mut state, |inode, rng| inode.misdirect(bytes, offset, rng));
            return Ok(());
        }
        self.with(&mut state, |inode, _| inode.write(bytes, offset));
        Ok(())
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        let mut state = self.disk.enter()?;
        self.with(&mut state, |inode, _| inode.set_length(length));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.disk.enter()?;
        let folder = &self.disk.folder;
        if state.lies(Lie::SyncNothing, folder) {
            return Ok(());
        }
        if state.fails(folder, |faults| faults.sync_errors) {
            state.counts.sync_errors += 1;
            self.with(&mut state, Inode::fail_sync);
            let hides = state.lies(Lie::HideFailedSyncs, folder);
            return if hides { Ok(()) } else { Err(io::Error::from_raw_os_error(EIO)) };
        }
        self.with(&mut state, |inode, _| inode.sync());
        Ok(())
    }
}

impl fmt::Debug for SimFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimFile({})", self.inode)
    }
}
