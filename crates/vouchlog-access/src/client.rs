//! The client that the console of a vault is at an identity provider: how people sign in there and come back.

use std::path::PathBuf;

use serde::Deserialize;
use url::Url;

use crate::limits::MAX_SCOPES;

/// Where the provider sends people back to, below the console's own address. `redirect_uri` must end here.
pub const RETURN_PATH: &str = "/console/sign-in/return";

/// The client, as an issuer's `sign_in` has it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignInClient {
    /// What the provider knows the console by. ID tokens are for this audience.
    pub(crate) client_id: String,
    /// Exactly as it is registered at the provider.
    pub(crate) redirect_uri: String,
    /// A file that has the secret; none of a public client.
    pub(crate) client_secret_file: Option<PathBuf>,
    /// Asked for beside `openid`: many providers put groups into a token only if a scope asks for them.
    #[serde(default)]
    pub(crate) scopes: Vec<String>,
    /// What people call the provider; without it, its host.
    pub(crate) name: Option<String>,
}

impl SignInClient {
    /// Refuses what no provider takes, or what could lead a person elsewhere. `is_safe` judges URLs.
    pub(crate) fn check(&self, is_safe: impl Fn(&Url) -> bool) -> Result<(), String> {
        let is_text = |text: &str, most: usize| {
            !text.is_empty() && text.len() <= most && !text.chars().any(char::is_control)
        };
        if !is_text(&self.client_id, 256) {
            return Err("client_id has 1 to 256 bytes".to_owned());
        }
        let is_own = |url: &Url| is_safe(url) && url.query().is_none() && url.path() == RETURN_PATH;
        if !self.redirect_uri.parse::<Url>().is_ok_and(|url| is_own(&url)) {
            return Err(format!(
                "redirect_uri is the console's https address and {RETURN_PATH} (http is for loopback only)"
            ));
        }
        // SPEC: RFC 6749 section 3.3.
        let is_scope = |scope: &String| {
            is_text(scope, 256) && scope.bytes().all(|c| matches!(c, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
        };
        if self.scopes.len() > MAX_SCOPES || !self.scopes.iter().all(is_scope) {
            return Err(format!("scopes are {MAX_SCOPES} names at most, without spaces"));
        }
        if self.name.as_ref().is_some_and(|name| !is_text(name, 64)) {
            return Err("name has 1 to 64 bytes".to_owned());
        }
        Ok(())
    }

    /// The scopes to ask for, in one text.
    pub(crate) fn scope(&self) -> String {
        let others = self.scopes.iter().map(String::as_str).filter(|scope| *scope != "openid");
        ["openid"].into_iter().chain(others).collect::<Vec<_>>().join(" ")
    }
}
