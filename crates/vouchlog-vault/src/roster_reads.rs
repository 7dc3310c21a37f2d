//! One reading of the roster for all who ask while another is under way: a thousand callers at once cost two readings.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Mutex;

use crate::Result;
use crate::roster::Roster;

/// Who asks takes a number. A reading is good for every number that was taken before it began: nobody is answered with a list that
/// was read before they asked.
#[derive(Debug, Default)]
pub(crate) struct RosterReads {
    numbers: AtomicU64,
    newest: Mutex<Option<Reading>>,
}

#[derive(Debug)]
struct Reading {
    /// Numbers below had been taken when it began.
    begun_at: u64,
    roster: Arc<Roster>,
}

impl RosterReads {
    /// A roster that was read after this was called. Those who wait hold no more than a number.
    pub(crate) async fn newest<F: Future<Output = Result<Roster>>>(
        &self,
        read: impl FnOnce() -> F,
    ) -> Result<Arc<Roster>> {
        let number = self.numbers.fetch_add(1, Ordering::SeqCst);
        let mut newest = self.newest.lock().await;
        if let Some(reading) = newest.as_ref().filter(|reading| number < reading.begun_at) {
            return Ok(Arc::clone(&reading.roster));
        }
        let begun_at = self.numbers.load(Ordering::SeqCst);
        let roster = Arc::new(Box::pin(read()).await?);
        *newest = Some(Reading { begun_at, roster: Arc::clone(&roster) });
        Ok(roster)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn many_who_ask_at_once_share_two_readings_and_later_ones_get_another() {
        let (reads, count) = (Arc::new(RosterReads::default()), Arc::new(AtomicU64::new(0)));
        let ask = || {
            let (reads, count) = (Arc::clone(&reads), Arc::clone(&count));
            async move {
                let read = || async {
                    let generation = count.fetch_add(1, Ordering::SeqCst) + 1;
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    Ok(Roster { generation, ..Roster::default() })
                };
                reads.newest(read).await.unwrap().generation
            }
        };
        let first = tokio::spawn(ask());
        // The others ask after the first reading began.
        tokio::time::sleep(Duration::from_millis(1)).await;
        let others: tokio::task::JoinSet<_> = (0..1_000).map(|_| ask()).collect();
        assert_eq!(first.await.unwrap(), 1);
        assert!(others.join_all().await.into_iter().all(|generation| generation == 2));
        assert_eq!(ask().await, 3);
    }

    #[tokio::test]
    async fn a_reading_that_fails_answers_its_own_caller_alone() {
        let reads = RosterReads::default();
        let failing = || async { Err(crate::VaultError::damaged("it is")) };
        assert!(reads.newest(failing).await.is_err());
        assert!(reads.newest(|| async { Ok(Roster::default()) }).await.is_ok());
    }
}
