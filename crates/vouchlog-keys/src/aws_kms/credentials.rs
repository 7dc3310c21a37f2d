//! Where AWS credentials come from: the environment, the file of AWS's own tools, or the role of the machine.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;
use serde::Deserialize;
use vouchlog_note::SignerError;
use vouchlog_runtime::durable;
use zeroize::Zeroizing;

use crate::http::Http;

const MAX_FILE_BYTES: usize = 256 * 1024;
/// The instance metadata service (IMDSv2), a link-local address of EC2.
const METADATA: &str = "http://169.254.169.254";
/// A machine that is not in EC2 has no such address.
const METADATA_TIMEOUT: Duration = Duration::from_secs(1);

/// An access key. It has no `Debug`.
#[derive(Clone)]
pub(super) struct Credentials {
    pub(super) id: String,
    pub(super) secret: Zeroizing<String>,
    pub(super) token: Option<Zeroizing<String>>,
}

/// Where credentials are fetched.
pub(super) enum Source {
    /// `AWS_ACCESS_KEY_ID` and its companions.
    Fixed(Credentials),
    /// A profile of a credentials file, read again each time: another program may renew it.
    File { path: PathBuf, profile: String },
    /// The role of the machine.
    Machine(Url),
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RoleCredentials {
    access_key_id: String,
    secret_access_key: String,
    token: String,
}

impl Source {
    pub(super) fn from_environment() -> Result<Self, SignerError> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        if let (Some(id), Some(secret)) = (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY")) {
            let token = variable("AWS_SESSION_TOKEN").map(Zeroizing::new);
            return Ok(Self::Fixed(Credentials { id, secret: Zeroizing::new(secret), token }));
        }
        let default = || Some(PathBuf::from(variable("HOME")?).join(".aws/credentials"));
        let path = variable("AWS_SHARED_CREDENTIALS_FILE").map(PathBuf::from).or_else(default);
        if let Some(path) = path.filter(|path| path.exists()) {
            let profile = variable("AWS_PROFILE").unwrap_or_else(|| "default".into());
            return Ok(Self::File { path, profile });
        }
        let metadata = variable("AWS_EC2_METADATA_SERVICE_ENDPOINT").unwrap_or_else(|| METADATA.into());
        let metadata = Url::parse(&metadata);
        Ok(Self::Machine(
            metadata.map_err(|_| SignerError::new("AWS_EC2_METADATA_SERVICE_ENDPOINT is no URL"))?,
        ))
    }

    pub(super) fn fetch(&self, http: &Http) -> Result<Credentials, SignerError> {
        match self {
            Self::Fixed(credentials) => Ok(credentials.clone()),
            Self::File { path, profile } => {
                let wrong = |why: &str| SignerError::new(format!("{}: {why}", path.display()));
                let text =
                    durable::read_bounded(path, MAX_FILE_BYTES).map_err(|error| wrong(&error.to_string()))?;
                let text = text.and_then(|bytes| String::from_utf8(bytes).ok()).map(Zeroizing::new);
                let text = text.ok_or_else(|| wrong("it is missing, or no text"))?;
                read_profile(&text, profile)
                    .ok_or_else(|| wrong(&format!("it has no access key for the profile {profile}")))
            }
            Self::Machine(metadata) => fetch_role(metadata, http),
        }
    }
}

/// The access key of a profile in a credentials file.
fn read_profile(text: &str, profile: &str) -> Option<Credentials> {
    let mut is_ours = false;
    let (mut id, mut secret, mut token) = (None, None, None);
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])) {
        if let Some(section) = line.strip_prefix('[') {
            is_ours = section.strip_suffix(']').map(str::trim) == Some(profile);
        } else if let Some((name, value)) = line.split_once('=').filter(|_| is_ours) {
            let place = match name.trim() {
                "aws_access_key_id" => &mut id,
                "aws_secret_access_key" => &mut secret,
                "aws_session_token" => &mut token,
                _ => continue,
            };
            *place = Some(value.trim().to_owned());
        }
    }
    Some(Credentials { id: id?, secret: Zeroizing::new(secret?), token: token.map(Zeroizing::new) })
}

/// Asks the metadata service: a token, the name of the role, its access key.
fn fetch_role(metadata: &Url, http: &Http) -> Result<Credentials, SignerError> {
    let failed = |error: SignerError| {
        SignerError::new(format!(
            "no credentials in the environment or a file, and none of the machine's role: {}",
            error.reason()
        ))
    };
    let url = |path: &str| metadata.join(path).map_err(SignerError::new);
    let text =
        |bytes: Vec<u8>| String::from_utf8(bytes).map_err(|_| SignerError::new("the answer is not text"));
    let client = http.client();
    let token = client.put(url("/latest/api/token")?).header("X-aws-ec2-metadata-token-ttl-seconds", "300");
    let token = text(http.text(token.timeout(METADATA_TIMEOUT)).map_err(failed)?)?;
    let get = |path: &str| {
        let get = client.get(url(path)?).header("X-aws-ec2-metadata-token", &token);
        Ok(get.timeout(METADATA_TIMEOUT))
    };
    const ROLES: &str = "/latest/meta-data/iam/security-credentials/";
    let role = text(http.text(get(ROLES)?).map_err(failed)?)?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || "+=,.@-_".contains(c);
    let role = role.lines().next().filter(|role| !role.is_empty() && role.chars().all(is_name));
    let role = role.ok_or_else(|| SignerError::new("the machine has no role"))?;
    let found: RoleCredentials = http.json(get(&format!("{ROLES}{role}"))?).map_err(failed)?;
    let (secret, token) = (Zeroizing::new(found.secret_access_key), Zeroizing::new(found.token));
    Ok(Credentials { id: found.access_key_id, secret, token: Some(token) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_read_and_no_other() {
        let text = "# ours\n[default]\naws_access_key_id=AKID\naws_secret_access_key = secret/+=\n\n[log]\naws_access_key_id = LOGID\r\n\
                    aws_secret_access_key = logsecret\naws_session_token = token\n[half]\naws_access_key_id = X\n";
        let read = |profile: &str| read_profile(text, profile);
        let default = read("default").unwrap();
        assert_eq!(
            (default.id.as_str(), default.secret.as_str(), default.token.is_none()),
            ("AKID", "secret/+=", true)
        );
        let log = read("log").unwrap();
        assert_eq!((log.id.as_str(), log.token.unwrap().as_str()), ("LOGID", "token"));
        assert!(read("half").is_none() && read("none").is_none());
    }
}
