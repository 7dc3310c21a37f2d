//! The client of a daemon.

use std::fmt;
use std::time::Duration;

use http::{HeaderValue, StatusCode, header};
use reqwest::{Client, Response, Url};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use vouchlog_api::{Error, ErrorKind};
use vouchlog_outbound::{ConnectionSecurity, parse, root_cause};
use zeroize::Zeroizing;

use crate::error::DeskError;
use crate::limits::{CALL_TIMEOUT, CLIENT_PATIENCE, MAX_ANSWER_BYTES};

/// What the paths of a daemon begin with.
pub(crate) const PATH: &str = "/v1/vault/";

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest problem document that is read.
const MAX_PROBLEM_BYTES: usize = 64 * 1024;

/// A vault that a daemon serves.
pub struct RemoteDesk {
    client: Client,
    base: Url,
    token: Option<HeaderValue>,
}

impl fmt::Debug for RemoteDesk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteDesk").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

/// What a daemon answers when it refuses (RFC 9457).
#[derive(Deserialize)]
struct Problem {
    detail: String,
    #[serde(default)]
    retry_after_ms: u64,
    #[serde(default)]
    request_id: Option<String>,
}

impl RemoteDesk {
    /// The client of the daemon at `url`, for a caller with this token. Nothing is sent yet.
    ///
    /// # Errors
    /// The URL may not be connected to, or the token is no token.
    pub fn connect(
        url: &str,
        token: Option<&Zeroizing<String>>,
        security: &ConnectionSecurity,
    ) -> Result<Self, DeskError> {
        let wrong = |error: &dyn fmt::Display| DeskError::Unreachable(error.to_string());
        let mut base = parse(url).map_err(|error| wrong(&error))?;
        security.check(&base).map_err(|error| wrong(&error))?;
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        let client = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(CALL_TIMEOUT + CLIENT_PATIENCE)
            .redirect(reqwest::redirect::Policy::none());
        let client = security.apply(client).map_err(|error| wrong(&error))?;
        let client = client.build().map_err(|error| wrong(&root_cause(&error)))?;
        let token = token.map(|token| {
            let value = Zeroizing::new(format!("Bearer {}", token.trim()));
            let mut value = HeaderValue::from_str(&value)
                .map_err(|_| DeskError::Invalid("the token is no token".to_owned()))?;
            value.set_sensitive(true);
            Ok::<_, DeskError>(value)
        });
        Ok(Self { client, base, token: token.transpose()? })
    }

    /// Has something done: what is asked goes to the path of this name, and its answer comes back.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        name: &str,
        ask: &impl Serialize,
    ) -> Result<T, DeskError> {
        let lost = |error: &reqwest::Error| DeskError::Unreachable(root_cause(error));
        let path = format!("{}{name}", PATH.trim_start_matches('/'));
        let url = self.base.join(&path).map_err(|error| DeskError::Unreachable(error.to_string()))?;
        let mut request = self.client.post(url).json(ask);
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, token.clone());
        }
        let response = request.send().await.map_err(|error| lost(&error))?;
        let status = response.status();
        let limit = if status == StatusCode::OK { MAX_ANSWER_BYTES } else { MAX_PROBLEM_BYTES };
        let body = bounded(response, limit).await?;
        if status != StatusCode::OK {
            return Err(refused(status, &body));
        }
        serde_json::from_slice(&body).map_err(|error| DeskError::Answer(error.to_string()))
    }
}

/// The body of a response, if it is not longer than that.
async fn bounded(mut response: Response, limit: usize) -> Result<Vec<u8>, DeskError> {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(None) => return Ok(body),
            Ok(Some(chunk)) if body.len() + chunk.len() <= limit => body.extend_from_slice(&chunk),
            Ok(Some(_)) => return Err(DeskError::Answer(format!("it has more than {limit} bytes"))),
            Err(error) => return Err(DeskError::Unreachable(root_cause(&error))),
        }
    }
}

/// What a daemon's refusal says.
fn refused(status: StatusCode, body: &[u8]) -> DeskError {
    let Ok(problem) = serde_json::from_slice::<Problem>(body) else {
        return DeskError::Answer(format!(
            "{status}, without a reason: is this the URL of `vouchlog vault serve`?"
        ));
    };
    let retry_after = Duration::from_millis(problem.retry_after_ms);
    let kind = match status.as_u16() {
        401 | 403 => ErrorKind::PermissionDenied,
        404 => ErrorKind::NotFound,
        409 => ErrorKind::FailedPrecondition,
        503 if problem.retry_after_ms > 0 => ErrorKind::Overloaded { retry_after },
        503 => ErrorKind::Unavailable,
        500 => ErrorKind::Internal,
        _ => ErrorKind::InvalidArgument,
    };
    let id = problem.request_id.map_or_else(String::new, |id| format!(" (request {id})"));
    DeskError::Refused(Error::new(kind, format!("{}{id}", problem.detail)))
}
