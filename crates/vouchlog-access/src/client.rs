//! The client that the console of a vault is at an identity provider: how people sign in there and come back.

use std::path::PathBuf;

use serde::Deserialize;
use url::Url;

use crate::limits::MAX_SCOPES;
use crate::secret::SecretPlace;

/// Where the provider sends people back to, below the console's own address. `redirect_uri` must end here.
pub const RETURN_PATH: &str = "/console/sign-in/return";

/// Where the provider sends people back to who signed out there. `post_logout_redirect_uri` must end here.
pub const SIGNED_OUT_PATH: &str = "/console/sign-out/return";

/// The client, as an issuer's `sign_in` has it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignInClient {
    /// What the provider knows the console by. ID tokens are for this audience.
    pub(crate) client_id: String,
    /// Exactly as it is registered at the provider.
    pub(crate) redirect_uri: String,
    /// A file that has the secret. A client with neither file nor variable is a public one.
    client_secret_file: Option<PathBuf>,
    /// The variable of the environment that has the secret.
    client_secret_env: Option<String>,
    /// Exactly as it is registered at the provider; without it, people who sign out stay signed in there.
    pub(crate) post_logout_redirect_uri: Option<String>,
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
        let is_own = |url: &str, path: &str| {
            let url = url.parse::<Url>();
            url.is_ok_and(|url| is_safe(&url) && url.query().is_none() && url.path() == path)
        };
        if !is_own(&self.redirect_uri, RETURN_PATH) {
            return Err(format!(
                "redirect_uri is the console's https address and {RETURN_PATH} (http is for loopback only)"
            ));
        }
        if self.post_logout_redirect_uri.as_ref().is_some_and(|url| !is_own(url, SIGNED_OUT_PATH)) {
            return Err(format!(
                "post_logout_redirect_uri is the console's https address and {SIGNED_OUT_PATH} (http is for loopback only)"
            ));
        }
        if self.client_secret_file.is_some() && self.client_secret_env.is_some() {
            return Err("the secret is in client_secret_file or in client_secret_env, not in both".to_owned());
        }
        let is_variable = |name: &String| is_text(name, 256) && !name.contains('=');
        if self.client_secret_env.as_ref().is_some_and(|name| !is_variable(name)) {
            return Err("client_secret_env is the name of a variable".to_owned());
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

    /// Where the secret is; none of a public client.
    pub(crate) fn secret(&self) -> Option<SecretPlace> {
        let file = self.client_secret_file.clone().map(SecretPlace::File);
        file.or_else(|| self.client_secret_env.clone().map(SecretPlace::Variable))
    }

    /// The scopes to ask for, in one text.
    pub(crate) fn scope(&self) -> String {
        let others = self.scopes.iter().map(String::as_str).filter(|scope| *scope != "openid");
        ["openid"].into_iter().chain(others).collect::<Vec<_>>().join(" ")
    }
}
