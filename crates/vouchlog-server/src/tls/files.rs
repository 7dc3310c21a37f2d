//! The files of TLS: read as a whole, bounded, and checked before anything of them is used.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

use super::{CertificateSource, TlsConfig, TlsError};
use crate::limits::{MAX_AUTHORITIES_BYTES, MAX_CHAIN_BYTES};

/// SHA-256 of all files, to see whether one has changed.
pub(super) type Digest = [u8; 32];

/// What the files hold, as it was read.
pub(super) struct Material {
    chain_file: PathBuf,
    key_file: PathBuf,
    chain: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
    authorities: Option<(PathBuf, Vec<u8>)>,
}

impl Material {
    /// Reads all files. A key that other users can read is refused.
    pub(super) fn read(config: &TlsConfig) -> Result<Self, TlsError> {
        let (chain_file, key_file) = config.source.files();
        let key = Zeroizing::new(read(&key_file, MAX_CHAIN_BYTES, Readers::OwnerAndGroup)?);
        let chain = read(&chain_file, MAX_CHAIN_BYTES, Readers::Any)?;
        let authorities = config.clients.as_ref().map(|clients| {
            let file = clients.authorities.clone();
            let bytes = read(&file, MAX_AUTHORITIES_BYTES, Readers::Any)?;
            Ok((file, bytes))
        });
        let authorities = authorities.transpose()?;
        Ok(Self { chain_file, key_file, chain, key, authorities })
    }

    /// What an ACME authority issued, with its key, in one file.
    #[cfg(feature = "acme")]
    pub(super) fn read_both(file: &Path) -> Result<Self, TlsError> {
        let pem = read(file, MAX_CHAIN_BYTES, Readers::OwnerAndGroup)?;
        Ok(Self::both(file, pem))
    }

    /// The same before it is in the file.
    #[cfg(feature = "acme")]
    pub(super) fn both(file: &Path, pem: Vec<u8>) -> Self {
        let (chain_file, key_file) = (file.to_owned(), file.to_owned());
        Self { chain_file, key_file, chain: pem.clone(), key: Zeroizing::new(pem), authorities: None }
    }

    pub(super) fn digest(&self) -> Digest {
        let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
        let authorities = self.authorities.as_ref().map_or(&[][..], |(_, bytes)| bytes);
        for part in [&self.chain[..], &self.key[..], authorities] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(context.finish().as_ref());
        digest
    }

    /// The certificate and its chain; never empty.
    pub(super) fn chain(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        certificates(&self.chain_file, &self.chain)
    }

    pub(super) fn key(&self) -> Result<PrivateKeyDer<'static>, TlsError> {
        PrivateKeyDer::from_pem_slice(&self.key)
            .map_err(|_| malformed(&self.key_file, "there is no private key in PEM in it"))
    }

    /// The authorities of clients, if those need certificates; never empty.
    pub(super) fn authorities(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        self.authorities.as_ref().map_or(Ok(Vec::new()), |(file, bytes)| certificates(file, bytes))
    }

    /// From when to when the certificate is valid, in seconds since 1970.
    pub(super) fn validity(&self) -> Result<[i64; 2], TlsError> {
        let chain = self.chain()?;
        let leaf = self.leaf(&chain)?;
        let validity = leaf.validity();
        Ok([validity.not_before.timestamp(), validity.not_after.timestamp()])
    }

    /// The host names it is for.
    #[cfg(feature = "acme")]
    pub(super) fn names(&self) -> Result<Vec<String>, TlsError> {
        let chain = self.chain()?;
        let leaf = self.leaf(&chain)?;
        let names = leaf.subject_alternative_name().ok().flatten().map(|names| &names.value.general_names);
        let names = names.into_iter().flatten().filter_map(|name| match name {
            x509_parser::extensions::GeneralName::DNSName(name) => Some((*name).to_owned()),
            _ => None,
        });
        Ok(names.collect())
    }

    fn leaf<'a>(&self, chain: &'a [CertificateDer<'static>]) -> Result<X509Certificate<'a>, TlsError> {
        let leaf = X509Certificate::from_der(&chain[0]);
        Ok(leaf.map_err(|_| self.wrong_chain("the first certificate is not valid X.509"))?.1)
    }

    pub(super) fn mismatch(&self) -> TlsError {
        TlsError::Mismatch { chain: self.chain_file.clone(), key: self.key_file.clone() }
    }

    pub(super) fn wrong_chain(&self, problem: impl Into<String>) -> TlsError {
        malformed(&self.chain_file, problem)
    }

    pub(super) fn wrong_key(&self, problem: impl Into<String>) -> TlsError {
        malformed(&self.key_file, problem)
    }

    pub(super) fn wrong_authority(&self, problem: impl Into<String>) -> TlsError {
        let file = self.authorities.as_ref().map_or(&self.chain_file, |(file, _)| file);
        malformed(file, problem)
    }
}

impl CertificateSource {
    /// The files of the chain and of the key.
    fn files(&self) -> (PathBuf, PathBuf) {
        match self {
            Self::Files { chain, key } => (chain.clone(), key.clone()),
            #[cfg(feature = "acme")]
            Self::Acme(acme) => (acme.certificate_file(), acme.certificate_file()),
        }
    }
}

fn certificates(file: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let certificates =
        certificates.map_err(|error| malformed(file, format!("it is not valid PEM: {error}")))?;
    if certificates.is_empty() {
        return Err(malformed(file, "there is no certificate in PEM in it"));
    }
    Ok(certificates)
}

fn malformed(path: &Path, problem: impl Into<String>) -> TlsError {
    TlsError::Malformed { path: path.to_owned(), problem: problem.into() }
}

/// Who may be able to read a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Readers {
    Any,
    OwnerAndGroup,
}

fn read(path: &Path, limit: u64, readers: Readers) -> Result<Vec<u8>, TlsError> {
    let failed = |error| TlsError::Io { path: path.to_owned(), error };
    let file = File::open(path).map_err(failed)?;
    if readers == Readers::OwnerAndGroup && is_exposed(&file).map_err(failed)? {
        return Err(TlsError::Exposed(path.to_owned()));
    }
    // With room for all of it, so that no half of a key is left in memory that was given back.
    let mut bytes = Vec::with_capacity(usize::try_from(limit).unwrap_or(0) + 1);
    file.take(limit + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > limit {
        return Err(malformed(path, format!("it has more than {limit} bytes")));
    }
    Ok(bytes)
}

/// Whether users outside the file's group can read it. Packages and orchestrators give keys to a group of services.
#[cfg(unix)]
fn is_exposed(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    Ok(file.metadata()?.mode() & 0o007 != 0)
}

#[cfg(not(unix))]
fn is_exposed(_: &File) -> io::Result<bool> {
    Ok(false)
}
