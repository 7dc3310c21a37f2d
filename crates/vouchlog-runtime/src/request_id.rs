//! The id of the request that is being answered, where errors and log lines can reach it.
//!
//! A server chooses the id and answers the request in its scope. Whatever makes an error there puts the id in. Work that is
//! spawned on another task or thread is outside the scope.

use std::sync::Arc;

tokio::task_local! {
    static CURRENT: Arc<str>;
}

/// The id of the request that is being answered; none outside a scope.
pub fn current() -> Option<Arc<str>> {
    CURRENT.try_with(Clone::clone).ok()
}

/// Does `work` as part of the request with this id.
pub fn scope<F: Future>(id: Arc<str>, work: F) -> impl Future<Output = F::Output> {
    // Not an `async fn`: the work of a request is large, and would be moved once more.
    CURRENT.scope(id, work)
}

/// Does `work`, which does not wait, as part of the request with this id.
pub fn in_scope<T>(id: Arc<str>, work: impl FnOnce() -> T) -> T {
    CURRENT.sync_scope(id, work)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_id_ends_with_its_scope() {
        assert_eq!(current(), None);
        let inside = scope("a".into(), async {
            tokio::task::yield_now().await;
            let inner = in_scope("b".into(), current);
            (current(), inner, tokio::spawn(async { current() }).await.unwrap())
        });
        assert_eq!(inside.await, (Some("a".into()), Some("b".into()), None));
        assert_eq!(current(), None);
    }
}
