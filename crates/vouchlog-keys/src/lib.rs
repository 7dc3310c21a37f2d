//! Where signing keys are kept: in files, in an ssh-agent, in a PKCS#11 token, behind a program, in AWS or GCP KMS.
//!
//! In scope: one text that names the place of a key ([`KeySource`]), key files, and a [`Signer`](vouchlog_note::Signer) for each
//! place. Out of scope: what is signed, and whether it may be (`vouchlog-note` and the engines).
//!
//! | module | provides |
//! | --- | --- |
//! | [`mod@file`] | key files with a secret, and key files that name another place |
//! | [`source`] | the text of a flag: where a key is |
//! | `bounded` | any place as a signer that answers in time, on a thread of its own |
//! | `agent`, `program`, `pkcs11`, `aws_kms`, `gcp_kms` | the places |
//!
//! *Invariant: a secret in another place stays there; a call for a signature ends within [`PATIENCE`](limits::PATIENCE).*

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

pub use error::KeyPlaceError;
pub use location::KeyLocation;
pub use reference::KeyReference;
pub use source::{KeySource, KeySourceError};
