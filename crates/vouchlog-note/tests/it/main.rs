//! The formats, from outside the crate: upstream vectors, the computed log, the rules one by one, properties.

mod checkpoint;
mod computed;
mod keys;
mod note;
mod policy;
mod proof_file;
mod properties;
mod vectors;
