//! People who signed in at their identity provider sign out there, too.
//!
//! ```text
//! begin  state: random ─► URL of the end session endpoint ─► browser ─► provider ─► SIGNED_OUT_PATH?state
//! ```
//!
//! SPEC: OpenID Connect RP-Initiated Logout 1.0. There is no `id_token_hint`, as the server keeps no token: the provider knows the client by
//! `client_id`, and the person by its own cookie.

use crate::access::Access;
use crate::denied::Denied;
use crate::sign_in::{Account, endpoints, name_of, random};

/// A sign-out at a provider that was begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingSignOut {
    /// What the browser is to open.
    pub url: String,
    /// Comes back with the browser.
    pub state: String,
    /// What people call the provider.
    pub provider: String,
}

impl Access {
    /// Begins the sign-out of an account at its provider. None if the access file has no `post_logout_redirect_uri` for it, or the
    /// provider no endpoint for it.
    ///
    /// # Errors
    /// People do not sign in at the provider any more, or it is away.
    pub async fn begin_sign_out(&self, account: &Account) -> Result<Option<PendingSignOut>, Denied> {
        let (provider, client) = self.place(account.issuer())?;
        let Some(back) = &client.post_logout_redirect_uri else { return Ok(None) };
        let Some(mut url) = endpoints(&provider).await?.end_session else { return Ok(None) };
        let state = random()?;
        // SPEC: section 2: `client_id` goes with `post_logout_redirect_uri` where there is no `id_token_hint`.
        url.query_pairs_mut()
            .append_pair("client_id", &client.client_id)
            .append_pair("post_logout_redirect_uri", back)
            .append_pair("state", &state);
        Ok(Some(PendingSignOut { url: url.into(), state, provider: name_of(&provider, &client) }))
    }
}
