//! The names of files: as processes see them, and as they survive a power cut.

use std::collections::BTreeMap;

use crate::rng::Rng;

/// A change of names that is not durable yet.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Create(String, u64),
    Rename(String, String),
    Remove(String),
    RenameFolder(String, String),
    RemoveFolder(String),
}

type Table = BTreeMap<String, u64>;

#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    now: Table,
    durable: Table,
    pending: Vec<Change>,
}

impl Change {
    /// The folder whose sync makes it durable.
    fn folder(&self) -> &str {
        match self {
            Self::Create(path, _) | Self::Rename(_, path) | Self::Remove(path) => folder(path),
            Self::RenameFolder(..) | Self::RemoveFolder(_) => "",
        }
    }

    fn apply(&self, table: &mut Table) {
        match self {
            Self::Create(path, inode) => drop(table.insert(path.clone(), *inode)),
            Self::Rename(from, to) => {
                if let Some(inode) = table.remove(from) {
                    table.insert(to.clone(), inode);
                }
            }
            Self::Remove(path) => drop(table.remove(path)),
            Self::RenameFolder(from, to) => {
                let moved: Vec<_> = table.iter().filter(|(path, _)| folder(path) == from).collect();
                let moved: Vec<_> = moved.into_iter().map(|(path, inode)| (path.clone(), *inode)).collect();
                for (path, inode) in moved {
                    table.remove(&path);
                    let name = path.split_once('/').map_or("", |(_, name)| name);
                    table.insert(format!("{to}/{name}"), inode);
                }
            }
            Self::RemoveFolder(name) => table.retain(|path, _| folder(path) != name),
        }
    }
}

fn folder(path: &str) -> &str {
    path.split_once('/').map_or("", |(folder, _)| folder)
}

impl Names {
    pub(super) fn get(&self, path: &str) -> Option<u64> {
        self.now.get(path).copied()
    }

    pub(super) fn has(&self, inode: u64) -> bool {
        self.now.values().any(|known| *known == inode)
    }

    /// Names and inodes in a folder.
    pub(super) fn files(&self, name: &str) -> Vec<(String, u64)> {
        let within = self.now.iter().filter(|(path, _)| folder(path) == name);
        within.map(|(path, inode)| (path[name.len() + 1..].to_owned(), *inode)).collect()
    }

    pub(super) fn inodes(&self) -> impl Iterator<Item = u64> {
        self.now.values().copied()
    }

    pub(super) fn change(&mut self, change: Change) {
        change.apply(&mut self.now);
        self.pending.push(change);
    }

    /// Makes the names in a folder durable, and which folders there are: a folder is synced where it lies.
    pub(super) fn sync(&mut self, name: &str) {
        let is_synced = |change: &Change| {
            change.folder() == name || matches!(change, Change::RenameFolder(..) | Change::RemoveFolder(_))
        };
        let (synced, rest): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.pending).into_iter().partition(is_synced);
        self.pending = rest;
        synced.iter().for_each(|change| change.apply(&mut self.durable));
    }

    pub(super) fn sync_all(&mut self) {
        self.pending.clear();
        self.durable.clone_from(&self.now);
    }

    /// Of the pending changes the first few survive, or each for itself.
    pub(super) fn power_cut(&mut self, rng: &mut Rng) {
        let pending = std::mem::take(&mut self.pending);
        let (in_order, first) = (rng.chance(1, 2), rng.index(pending.len() + 1));
        for (place, change) in pending.iter().enumerate() {
            let survives = if in_order { place < first } else { rng.chance(1, 2) };
            if survives {
                change.apply(&mut self.durable);
            }
        }
        self.now.clone_from(&self.durable);
    }

    /// The names of one folder, or all.
    pub(super) fn only(&self, name: Option<&str>) -> Self {
        let now: Table = self
            .now
            .iter()
            .filter(|(path, _)| name.is_none_or(|name| folder(path) == name))
            .map(|(path, inode)| (path.clone(), *inode))
            .collect();
        Self { durable: now.clone(), now, pending: Vec::new() }
    }

    /// Puts other names in place of those of one folder, or of all.
    pub(super) fn replace(&mut self, name: Option<&str>, names: &Self, inodes: &BTreeMap<u64, u64>) {
        let new: Vec<_> =
            names.now.iter().filter_map(|(path, old)| Some((path.clone(), *inodes.get(old)?))).collect();
        self.now.retain(|path, _| name.is_some_and(|name| folder(path) != name));
        self.now.extend(new);
    }
}
