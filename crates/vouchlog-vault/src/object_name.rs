//! What objects of sealed content are called: a folder and a number in it, both random. A name shows nothing of a record.

use crate::keys::random;
use crate::{Result, VaultError};

/// Bytes of the name of a folder, and of a number in it.
const HALF: usize = 8;

/// The name of a folder.
pub(crate) type FolderName = [u8; HALF];

/// Above all folders.
const ABOVE: &str = "content";

/// The name of an object, as the database has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ObjectName([u8; 2 * HALF]);

/// A folder that no other process has.
pub(crate) fn new_folder() -> Result<FolderName> {
    let mut folder = [0; HALF];
    random(&mut folder)?;
    Ok(folder)
}

/// The path of a folder in the object store.
pub(crate) fn folder_path(folder: FolderName) -> String {
    format!("{ABOVE}/{}", hex::encode(folder))
}

impl ObjectName {
    /// A new one in this folder.
    pub(crate) fn within(folder: FolderName) -> Result<Self> {
        let mut name = [0; 2 * HALF];
        name[..HALF].copy_from_slice(&folder);
        random(&mut name[HALF..])?;
        Ok(Self(name))
    }

    /// Reads what the database has.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self> {
        let name = bytes.try_into().map_err(|_| VaultError::damaged("the name of an object is malformed"))?;
        Ok(Self(name))
    }

    /// Reads a path of the object store; none if it is no path of ours.
    pub(crate) fn of_path(path: &str) -> Option<Self> {
        let (folder, number) = path.strip_prefix(ABOVE)?.strip_prefix('/')?.split_once('/')?;
        let name = Self(hex::decode(format!("{folder}{number}")).ok()?.try_into().ok()?);
        (name.path() == path).then_some(name)
    }

    /// The path in the object store.
    pub(crate) fn path(&self) -> String {
        format!("{}/{}", folder_path(self.folder()), hex::encode(&self.0[HALF..]))
    }

    pub(crate) fn folder(&self) -> FolderName {
        self.0[..HALF].try_into().expect("half of it")
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_from_paths_and_rows() {
        let folder = new_folder().unwrap();
        let name = ObjectName::within(folder).unwrap();
        assert_eq!(name.folder(), folder);
        assert_eq!(ObjectName::of_path(&name.path()), Some(name));
        assert_eq!(ObjectName::read(name.as_bytes()).unwrap(), name);
        assert!(name.path().starts_with(&folder_path(folder)));
        assert!(ObjectName::read(&name.as_bytes()[1..]).is_err());
        for path in
            ["vault", "content/00/11", "content/0011223344556677", "other/0011223344556677/0011223344556677"]
        {
            assert_eq!(ObjectName::of_path(path), None, "{path}");
        }
    }
}
