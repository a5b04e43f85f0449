//! What many open windows show is read once for all of them.
//!
//! Hundreds of windows read their page again whenever a phone has synced. What a page shows is the same for all who may see
//! the same, so it is kept under that key until something is published, and laid out for each reader. Nobody is shown what
//! was read before the last news: who asks too soon after the last reading waits for the next.

use std::{
    collections::HashMap,
    future::Future,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// What was read is shown again for so long at most, also without news: deadlines pass, and people are renamed, in silence.
const OLDEST: Duration = Duration::from_secs(20);
/// Between two readings under the same key lies at least so much: with what a window waits by itself (`static/live.js`) hardly
/// more than a second in all.
const APART: Duration = Duration::from_millis(300);
/// Keys that are kept.
const MOST: usize = 256;

struct Kept<V> {
    version: u64,
    at: Instant,
    value: Arc<V>,
}

type Slot<V> = Arc<tokio::sync::Mutex<Option<Kept<V>>>>;

/// What was read, by who may see it.
pub(crate) struct Fresh<K, V>(Mutex<HashMap<K, Slot<V>>>);

impl<K, V> Default for Fresh<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash, V> Fresh<K, V> {
    fn slot(&self, key: K) -> Slot<V> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MOST && !kept.contains_key(&key) {
            kept.clear();
        }
        Arc::clone(kept.entry(key).or_default())
    }

    /// What `read` gave when it was last called under `key`, if `version` is what it was then; else what it gives now. It is
    /// [`LiveHub::version`](crate::ingest::LiveHub::version) of what the reader may see, or of something less that is shown.
    ///
    /// # Errors
    /// Those of `read`; what failed is not kept.
    pub(crate) async fn get<E>(
        &self,
        version: impl Fn() -> u64 + Send,
        key: K,
        read: impl Future<Output = Result<V, E>> + Send,
    ) -> Result<Arc<V>, E> {
        let slot = self.slot(key);
        // Who comes while somebody reads waits for what that one reads.
        let mut kept = slot.lock().await;
        if let Some(there) = kept.as_ref() {
            let age = there.at.elapsed();
            if there.version == version() && age < OLDEST {
                return Ok(Arc::clone(&there.value));
            }
            if let Some(rest) = APART.checked_sub(age) {
                tokio::time::sleep(rest).await;
            }
        }
        // Taken before the reading: what comes in during it is read the next time.
        let version = version();
        let value = Arc::new(read.await?);
        *kept = Some(Kept {
            version,
            at: Instant::now(),
            value: Arc::clone(&value),
        });
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

    use super::*;

    #[tokio::test]
    async fn what_was_read_is_shown_until_there_is_news_and_then_read_once_for_all() {
        let (version, fresh, readings) = (AtomicU64::new(0), Fresh::default(), AtomicU32::new(0));
        let read = async |key: u8| {
            let reading = async { Ok::<_, ()>(readings.fetch_add(1, Ordering::SeqCst)) };
            *fresh
                .get(|| version.load(Ordering::SeqCst), key, reading)
                .await
                .unwrap()
        };
        assert_eq!((read(1).await, read(1).await, read(2).await), (0, 0, 1));
        version.fetch_add(1, Ordering::SeqCst);
        let all = futures::future::join_all((0..50).map(|_| read(1))).await;
        assert_eq!(all, [2; 50]);
    }

    #[tokio::test]
    async fn what_failed_is_not_kept() {
        let fresh = Fresh::<u8, u8>::default();
        assert_eq!(fresh.get(|| 0, 1, async { Err("no") }).await, Err("no"));
        assert_eq!(*fresh.get(|| 0, 1, async { Ok::<_, &str>(7) }).await.unwrap(), 7);
    }
}
