//! Key files, and keys that are kept elsewhere.

pub use vouchlog_keys::file::{KeyFileError, copy, create, create_reference, load, load_or_create};
pub use vouchlog_keys::{KeyLocation, KeyPlaceError, KeyReference, KeySource, KeySourceError, WrappingKey};
