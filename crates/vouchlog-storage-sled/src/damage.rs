//! What an examination reports as damaged.

use vouchlog_storage::FileRange;

/// Something wrong with a file of a data directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// What kind of file it is: a stable name, for programs.
    pub code: &'static str,
    /// The file and the damaged bytes.
    pub place: FileRange,
    /// What is wrong.
    pub message: String,
}
