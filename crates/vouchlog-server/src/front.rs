//! The page at `/` of a server that serves no log: what a witness or a monitor reports of itself, to browsers.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::Mutex;

/// How long a page is shown before it is made again: however many ask, it is made once in that time.
const MAX_AGE: Duration = Duration::from_secs(2);

/// Makes the page, as HTML.
type MakePage = Box<dyn Fn() -> BoxFuture<'static, String> + Send + Sync>;

/// A page that is made when it is asked for.
#[derive(Clone)]
pub(crate) struct Front(Arc<Shared>);

struct Shared {
    make: MakePage,
    held: Mutex<Option<(Instant, Arc<str>)>>,
}

impl Front {
    /// A page that `make` makes.
    pub(crate) fn new<F>(make: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = String> + Send + 'static,
    {
        let make: MakePage = Box::new(move || make().boxed());
        Self(Arc::new(Shared { make, held: Mutex::new(None) }))
    }

    /// The page as it was at most [`MAX_AGE`] ago.
    pub(crate) async fn html(&self) -> Arc<str> {
        let mut held = self.0.held.lock().await;
        match &*held {
            Some((made, page)) if made.elapsed() < MAX_AGE => Arc::clone(page),
            _ => {
                let page: Arc<str> = (self.0.make)().await.into();
                *held = Some((Instant::now(), Arc::clone(&page)));
                page
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_page_is_made_once_for_many_who_ask() {
        let made = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&made);
        let front = Front::new(move || {
            let number = counted.fetch_add(1, Ordering::Relaxed);
            async move { format!("page {number}") }
        });
        let pages = futures::future::join_all((0..20).map(|_| front.html())).await;
        assert!(pages.iter().all(|page| &**page == "page 0"));
        assert_eq!(made.load(Ordering::Relaxed), 1);
    }
}
