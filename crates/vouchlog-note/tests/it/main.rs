//! The formats, from outside the crate: upstream vectors, the computed log, the rules one by one, properties.

#![expect(clippy::unwrap_used, reason = "a test may panic; the lint's exception does not reach its helpers")]

mod checkpoint;
mod computed;
mod keys;
mod log_list;
mod note;
mod policy;
mod proof_file;
mod properties;
mod signer;
mod subtree;
mod vectors;
mod witness_request;
