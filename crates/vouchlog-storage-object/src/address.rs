//! Which object store a URL names.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use object_store::path::Path;
use thiserror::Error;
use url::Url;

/// A bucket and a prefix in it, or a folder: `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix`, `file:///folder`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectUrl {
    pub(crate) kind: Kind,
    /// Below it are the log's objects; empty for all of the bucket.
    pub(crate) prefix: Path,
    text: String,
}

/// The object store, and the bucket in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    S3(String),
    Gcs(String),
    Azure(String),
    Files(PathBuf),
}

/// Why a URL names no object store. Repeats no URL: there may be a secret in it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AddressError {
    /// It cannot be read.
    #[error("it is not a URL: {0}")]
    Malformed(String),
    /// Its scheme is none of those known.
    #[error(
        "`{0}:` names no object store: use s3://bucket/prefix, gs://bucket/prefix, az://container/prefix, or file:///folder"
    )]
    Scheme(String),
    /// It names no bucket, or no folder.
    #[error(
        "it names no bucket or folder: use s3://bucket/prefix, gs://bucket/prefix, az://container/prefix, or file:///folder"
    )]
    NoBucket,
    /// It holds more than a place: a user, a password, a query.
    #[error(
        "a user, password, port, query or fragment has no place in it: credentials are taken from the environment"
    )]
    MoreThanAPlace,
    /// Its path cannot be a prefix of objects.
    #[error("its path cannot be a prefix of objects: {0}")]
    Prefix(String),
}

impl ObjectUrl {
    /// Whether a text has the scheme of an object store.
    pub fn is_one(text: &str) -> bool {
        ["s3://", "gs://", "az://", "file://"].iter().any(|scheme| text.starts_with(scheme))
    }

    /// The folder, of a URL that names one.
    pub fn folder(&self) -> Option<&std::path::Path> {
        match &self.kind {
            Kind::Files(folder) => Some(folder),
            _ => None,
        }
    }
}

impl FromStr for ObjectUrl {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let url = Url::parse(text.trim()).map_err(|error| AddressError::Malformed(error.to_string()))?;
        let has_more = !url.username().is_empty()
            || url.password().is_some()
            || url.port().is_some()
            || url.query().is_some()
            || url.fragment().is_some();
        if has_more {
            return Err(AddressError::MoreThanAPlace);
        }
        if url.scheme() == "file" {
            let folder = url.to_file_path().map_err(|()| AddressError::NoBucket)?;
            let folder: PathBuf = folder.components().collect();
            if folder.parent().is_none() {
                return Err(AddressError::NoBucket);
            }
            let text = Url::from_file_path(&folder).map_err(|()| AddressError::NoBucket)?.to_string();
            return Ok(Self { kind: Kind::Files(folder), prefix: Path::default(), text });
        }
        let of_bucket = match url.scheme() {
            "s3" => Kind::S3,
            "gs" => Kind::Gcs,
            "az" => Kind::Azure,
            other => return Err(AddressError::Scheme(other.to_owned())),
        };
        let bucket = url.host_str().filter(|host| !host.is_empty()).ok_or(AddressError::NoBucket)?;
        let prefix = Path::from_url_path(url.path().trim_matches('/'))
            .map_err(|error| AddressError::Prefix(error.to_string()))?;
        let text = format!("{}://{bucket}/{prefix}", url.scheme()).trim_end_matches('/').to_owned();
        Ok(Self { kind: of_bucket(bucket.to_owned()), prefix, text })
    }
}

impl fmt::Display for ObjectUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_bucket_and_a_prefix() {
        for (text, kind, prefix, shown) in [
            ("s3://bucket", Kind::S3("bucket".into()), "", "s3://bucket"),
            ("s3://bucket/", Kind::S3("bucket".into()), "", "s3://bucket"),
            ("s3://bucket/logs/2026/", Kind::S3("bucket".into()), "logs/2026", "s3://bucket/logs/2026"),
            ("gs://bucket/a", Kind::Gcs("bucket".into()), "a", "gs://bucket/a"),
            ("az://container/a", Kind::Azure("container".into()), "a", "az://container/a"),
            ("file:///srv/log/", Kind::Files("/srv/log".into()), "", "file:///srv/log"),
        ] {
            let url: ObjectUrl = text.parse().unwrap();
            assert_eq!((url.kind.clone(), url.prefix.as_ref()), (kind, prefix), "{text}");
            assert_eq!(url.to_string(), shown);
            assert_eq!(shown.parse::<ObjectUrl>().unwrap(), url, "what is shown names the same place");
            assert!(ObjectUrl::is_one(text));
        }
    }

    #[test]
    fn what_is_no_place_is_refused_without_being_repeated() {
        for text in [
            "bucket/prefix",
            "http://127.0.0.1/bucket",
            "s3://",
            "s3:///prefix",
            "file:///",
            "file://host/folder",
            "s3://key:secret@bucket/prefix",
            "s3://key@bucket/prefix",
            "s3://bucket/prefix?token=secret",
            "s3://bucket/prefix#secret",
            "s3://bucket:80/prefix",
        ] {
            let refused = text.parse::<ObjectUrl>().unwrap_err();
            assert!(!refused.to_string().contains("secret"), "{text}: {refused}");
        }
    }
}
