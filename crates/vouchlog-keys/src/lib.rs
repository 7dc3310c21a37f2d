//! Where keys are kept: in files, in an ssh-agent, in a PKCS#11 token, behind a program, in AWS or GCP KMS.
//!
//! In scope: one text that names the place of a key ([`KeySource`]), key files, a [`Signer`](vouchlog_note::Signer) for each
//! place, and keys of tokens and key services that wrap another key ([`WrappingKey`]). Out of scope: what is signed, and whether it
//! may be (`vouchlog-note` and the engines); what a wrapped key is for, and where it is (`vouchlog-vault`).
//!
//! | module | provides |
//! | --- | --- |
//! | [`mod@file`] | key files with a secret, and key files that name another place |
//! | [`source`] | the text of a flag: where a key is |
//! | [`wrapping`] | places whose key encrypts another key |
//! | `bounded` | any place as a signer that answers in time, on a thread of its own |
//! | `wrapper` | what a place does to wrap a key |
//! | `agent`, `program`, `pkcs11`, `aws_kms`, `gcp_kms` | the places |
//!
//! *Invariant: a secret in another place stays there; a call to one ends within [`PATIENCE`](limits::PATIENCE).*

mod agent;
#[cfg(feature = "aws-kms")]
mod aws_kms;
mod bounded;
mod error;
pub mod file;
#[cfg(feature = "gcp-kms")]
mod gcp_kms;
#[cfg(any(feature = "aws-kms", feature = "gcp-kms"))]
mod http;
pub mod limits;
mod location;
#[cfg(feature = "pkcs11")]
mod pkcs11;
mod pkcs11_uri;
mod program;
mod reference;
pub mod source;
#[cfg(any(feature = "aws-kms", feature = "gcp-kms"))]
mod spki;
mod wrapper;
pub mod wrapping;

pub use error::KeyPlaceError;
pub use location::KeyLocation;
pub use reference::KeyReference;
pub use source::{KeySource, KeySourceError};
pub use wrapping::WrappingKey;
