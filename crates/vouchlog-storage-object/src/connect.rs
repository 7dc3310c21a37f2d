//! Opens the object store that a URL names, with credentials from the usual environment.

use std::sync::Arc;

use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use thiserror::Error;
use vouchlog_outbound::{ConnectionSecurity, SecurityError, UrlError};
use vouchlog_runtime::durable;

use crate::address::{Kind, ObjectUrl};
use crate::files::Files;
use crate::pace::Pace;

/// Why an object store was not opened. Nothing was sent.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// This program was built without the kind of store.
    #[error("this program was built without support for {0}: build it with the feature `{1}`")]
    NotBuilt(&'static str, &'static str),
    /// The folder cannot be made.
    #[error("the folder cannot be created: {0}")]
    Folder(std::io::Error),
    /// The environment's settings cannot be used.
    #[error("the settings in the environment cannot be used: {0}")]
    Settings(String),
    /// The endpoint must not be connected to.
    #[error("the endpoint in the environment cannot be used: {0}")]
    Endpoint(UrlError),
    /// The authorities to trust cannot be used.
    #[error(transparent)]
    Security(#[from] SecurityError),
}

/// An open object store.
pub(crate) struct Connected {
    pub(crate) store: Arc<dyn ObjectStore>,
    /// For a folder of files.
    pub(crate) files: Option<Files>,
    /// What to do if the store refuses the credentials.
    pub(crate) advice: &'static str,
}

/// Connects to nothing yet, but makes a missing folder.
pub(crate) fn connect(
    url: &ObjectUrl,
    security: &ConnectionSecurity,
    pace: Pace,
) -> Result<Connected, ConnectError> {
    match &url.kind {
        Kind::Files(folder) => {
            durable::make_dir(folder).map_err(|failed| ConnectError::Folder(failed.error))?;
            let store = LocalFileSystem::new_with_prefix(folder)
                .map_err(|error| ConnectError::Settings(error.to_string()))?;
            let files = Some(Files::new(folder.clone()));
            Ok(Connected { store: Arc::new(store.with_fsync(true)), files, advice: "" })
        }
        Kind::S3(bucket) => s3(bucket, security, pace),
        Kind::Gcs(bucket) => gcs(bucket, security, pace),
        Kind::Azure(container) => azure(container, security, pace),
    }
}

#[cfg(feature = "s3")]
fn s3(bucket: &str, security: &ConnectionSecurity, pace: Pace) -> Result<Connected, ConnectError> {
    use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey as Key};
    let builder = AmazonS3Builder::from_env().with_bucket_name(bucket);
    let setting = |key| builder.get_config_value(&key);
    let endpoint = setting(Key::S3Endpoint).or_else(|| setting(Key::Endpoint));
    let has_credentials = setting(Key::AccessKeyId).is_some()
        || setting(Key::WebIdentityTokenFile).is_some()
        || setting(Key::ContainerCredentialsRelativeUri).is_some()
        || setting(Key::ContainerCredentialsFullUri).is_some()
        || setting(Key::SkipSignature).is_some_and(|skip| skip == "true");
    let options = cloud::options(endpoint.as_deref(), security, pace)?;
    let store = builder.with_client_options(options).with_retry(cloud::no_retries()).build();
    let store = store.map_err(|error| ConnectError::Settings(error.to_string()))?;
    let advice = if has_credentials {
        "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION, and that they may read, write and delete objects of the bucket"
    } else {
        "no AWS_ACCESS_KEY_ID is set, so the credentials of this machine's role were asked for: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    };
    Ok(Connected { store: Arc::new(store), files: None, advice })
}

#[cfg(not(feature = "s3"))]
fn s3(_: &str, _: &ConnectionSecurity, _: Pace) -> Result<Connected, ConnectError> {
    Err(ConnectError::NotBuilt("S3", "s3"))
}

#[cfg(feature = "gcs")]
fn gcs(bucket: &str, security: &ConnectionSecurity, pace: Pace) -> Result<Connected, ConnectError> {
    use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
    let builder = GoogleCloudStorageBuilder::from_env().with_bucket_name(bucket);
    let endpoint = builder.get_config_value(&GoogleConfigKey::BaseUrl);
    let options = cloud::options(endpoint.as_deref(), security, pace)?;
    let store = builder.with_client_options(options).with_retry(cloud::no_retries()).build();
    let store = store.map_err(|error| ConnectError::Settings(error.to_string()))?;
    let advice = "check GOOGLE_SERVICE_ACCOUNT or GOOGLE_APPLICATION_CREDENTIALS, and that the account may read, write and delete objects of the bucket";
    Ok(Connected { store: Arc::new(store), files: None, advice })
}

#[cfg(not(feature = "gcs"))]
fn gcs(_: &str, _: &ConnectionSecurity, _: Pace) -> Result<Connected, ConnectError> {
    Err(ConnectError::NotBuilt("Google Cloud Storage", "gcs"))
}

#[cfg(feature = "azure")]
fn azure(container: &str, security: &ConnectionSecurity, pace: Pace) -> Result<Connected, ConnectError> {
    use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
    let builder = MicrosoftAzureBuilder::from_env().with_container_name(container);
    let endpoint = builder.get_config_value(&AzureConfigKey::Endpoint);
    let options = cloud::options(endpoint.as_deref(), security, pace)?;
    let store = builder.with_client_options(options).with_retry(cloud::no_retries()).build();
    let store = store.map_err(|error| ConnectError::Settings(error.to_string()))?;
    let advice = "check AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, and that they may read, write and delete blobs of the container";
    Ok(Connected { store: Arc::new(store), files: None, advice })
}

#[cfg(not(feature = "azure"))]
fn azure(_: &str, _: &ConnectionSecurity, _: Pace) -> Result<Connected, ConnectError> {
    Err(ConnectError::NotBuilt("Azure Blob Storage", "azure"))
}

#[cfg(any(feature = "s3", feature = "gcs", feature = "azure"))]
mod cloud {
    use object_store::{BackoffConfig, Certificate, ClientOptions, HeaderValue, RetryConfig};
    use vouchlog_outbound::{ConnectionSecurity, SecurityError, parse, root_cause};

    use super::ConnectError;
    use crate::pace::Pace;

    const USER_AGENT: &str = concat!("vouchlog-storage-object/", env!("CARGO_PKG_VERSION"));

    /// The rules of every connection of ours: authorities, and no plain text beyond this machine unless it is allowed.
    pub(super) fn options(
        endpoint: Option<&str>,
        security: &ConnectionSecurity,
        pace: Pace,
    ) -> Result<ClientOptions, ConnectError> {
        let mut options = ClientOptions::new()
            .with_user_agent(HeaderValue::from_static(USER_AGENT))
            .with_timeout(pace.attempt)
            .with_connect_timeout(pace.attempt / 2);
        if let Some(endpoint) = endpoint {
            let url = parse(endpoint).map_err(ConnectError::Endpoint)?;
            security.check(&url).map_err(ConnectError::Endpoint)?;
            options = options.with_allow_http(url.scheme() == "http");
        }
        if let Some(pem) = &security.authorities {
            let found = Certificate::from_pem_bundle(pem.as_bytes());
            let found = found.map_err(|error| SecurityError::Authorities(root_cause(&error)))?;
            options = found.into_iter().fold(options, ClientOptions::with_root_certificate);
        }
        Ok(options)
    }

    /// Retries are ours: after each attempt whose outcome is unknown the object is compared.
    pub(super) fn no_retries() -> RetryConfig {
        RetryConfig { backoff: BackoffConfig::default(), max_retries: 0, ..RetryConfig::default() }
    }
}
