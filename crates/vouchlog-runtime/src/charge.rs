//! To which key the work on a request is charged, once it is known.
//!
//! A server gives each key a share of what it has, however many connections and addresses the key is used from. Which key a request
//! is of becomes known deep inside: when a token is checked, when a signature verifies. So the server opens an [`Account`] for each
//! request and answers it in that scope; whatever learns the key, charges it. Work that is spawned on another task or thread is outside
//! the scope, unless it takes the [`current`] account along.
//!
//! *Charge a key for nothing that others can make as well*, such as a signed message that is sent again: they would use up its share.

use std::sync::Arc;

/// What one request holds at a server.
pub trait Account: Send + Sync {
    /// Charges it to a key. Only the first key counts. False if that key has its share already: then the request ends.
    fn charge(&self, key: String) -> bool;

    /// Whether it was refused a key.
    fn is_refused(&self) -> bool;
}

tokio::task_local! {
    static CURRENT: Option<Arc<dyn Account>>;
}

/// The account of the request that is being answered; none outside a scope.
pub fn current() -> Option<Arc<dyn Account>> {
    CURRENT.try_with(Clone::clone).ok().flatten()
}

/// Does `work` as part of the request with this account, if there is one.
pub fn scope<F: Future>(account: Option<Arc<dyn Account>>, work: F) -> impl Future<Output = F::Output> {
    // Not an `async fn`: the work of a request is large, and would be moved once more.
    CURRENT.scope(account.or_else(current), work)
}

/// Charges the request that is being answered to a key. False if that key has its share already; true outside a scope.
pub fn to(key: impl FnOnce() -> String) -> bool {
    let charged =
        |account: &Option<Arc<dyn Account>>| account.as_ref().is_none_or(|account| account.charge(key()));
    CURRENT.try_with(charged).unwrap_or(true)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Default)]
    struct Charged(Mutex<Vec<String>>);

    impl Account for Charged {
        fn charge(&self, key: String) -> bool {
            let mut keys = self.0.lock().unwrap();
            keys.push(key);
            keys.len() < 2
        }

        fn is_refused(&self) -> bool {
            self.0.lock().unwrap().len() > 1
        }
    }

    #[tokio::test]
    async fn what_learns_the_key_charges_it() {
        assert!(to(|| unreachable!("there is no account")));
        let charged = Arc::new(Charged::default());
        let account: Arc<dyn Account> = Arc::<Charged>::clone(&charged);
        let inside = scope(Some(account), async {
            let first = to(|| "a".to_owned());
            let taken_along = tokio::spawn(scope(current(), async { to(|| "b".to_owned()) })).await.unwrap();
            (first, taken_along)
        });
        assert_eq!(inside.await, (true, false));
        assert_eq!(*charged.0.lock().unwrap(), ["a", "b"]);
        assert!(current().is_none());
    }
}
