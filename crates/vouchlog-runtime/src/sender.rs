//! Who sent the request that is being answered, for work that passes it on to another process.
//!
//! A server answers each request in this scope. Work that is spawned on another task or thread is outside it, unless it takes the
//! [`current`] sender along.

use std::fmt;
use std::sync::Arc;

/// What a request was sent with.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Sender {
    /// Its bearer token, if it has one. It was checked where the server authenticates callers, and nowhere else.
    pub token: Option<Arc<str>>,
    /// Whether the caller was recognised by its client certificate, which cannot be passed on.
    pub by_certificate: bool,
    /// Whether another node of the same log passed the request on. Anyone may claim that, so it may only take rights away.
    pub is_forwarded: bool,
    /// The call on which this request is one of many that are taken in the order they came, by a number of the server's own.
    pub call: Option<u64>,
}

impl fmt::Debug for Sender {
    /// Without the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("has_token", &self.token.is_some())
            .field("by_certificate", &self.by_certificate)
            .field("is_forwarded", &self.is_forwarded)
            .field("call", &self.call)
            .finish()
    }
}

tokio::task_local! {
    static CURRENT: Sender;
}

/// The sender of the request that is being answered; one without anything outside a scope.
pub fn current() -> Sender {
    CURRENT.try_with(Clone::clone).unwrap_or_default()
}

/// Does `work` as part of a request of this sender.
pub fn scope<F: Future>(sender: Sender, work: F) -> impl Future<Output = F::Output> {
    // Not an `async fn`: the work of a request is large, and would be moved once more.
    CURRENT.scope(sender, work)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_sender_ends_with_its_scope_and_hides_its_token() {
        let sender = Sender { token: Some("secret".into()), is_forwarded: true, ..Sender::default() };
        assert!(!format!("{sender:?}").contains("secret"));
        let inside = scope(sender.clone(), async {
            let taken_along = tokio::spawn(scope(current(), async { current() })).await.unwrap();
            (current(), taken_along, tokio::spawn(async { current() }).await.unwrap())
        });
        assert_eq!(inside.await, (sender.clone(), sender, Sender::default()));
        assert_eq!(current(), Sender::default());
    }
}
