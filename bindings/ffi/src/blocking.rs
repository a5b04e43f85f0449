//! Work that may take a while, off the caller's thread. Kotlin polls a call on the dispatcher of whoever called it: what
//! blocked there would freeze a screen.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use fieldledger_core::error::FieldError;
use tokio::{
    runtime::{Builder, Runtime},
    task::{JoinError, JoinHandle},
};

/// How many calls may wait for the disk at once; more of them queue. SQLite has one writer and two readers here, so more
/// threads would only wait for each other.
const BLOCKING_THREADS: usize = 16;

/// The library's own threads. Started with the first call, for the life of the process.
static RUNTIME: LazyLock<Result<Runtime, String>> = LazyLock::new(|| {
    Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_name("fieldledger")
        .enable_all()
        .build()
        .map_err(|error| error.to_string())
});

pub(crate) fn runtime() -> Result<&'static Runtime, FieldError> {
    RUNTIME
        .as_ref()
        .map_err(|error| FieldError::Internal(format!("no threads could be started: {error}")))
}

/// What a call comes to, left where its caller finds it. Tasks of one kind carry every call: with a kind of task for each call
/// the library would be half a megabyte larger.
struct Left<T>(Arc<Mutex<Option<Result<T, FieldError>>>>);

impl<T> Left<T> {
    fn nothing_yet() -> (Self, Self) {
        let place = Arc::default();
        (Self(Arc::clone(&place)), Self(place))
    }

    fn leave(&self, result: Result<T, FieldError>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
    }

    fn take(&self) -> Result<T, FieldError> {
        let left = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        left.unwrap_or_else(|| Err(FieldError::Internal("a call ended without a result".to_owned())))
    }
}

/// Runs `work` on a thread that may block. A call that is given up goes on to its end there: what it began is finished or
/// undone by its transaction, never left half-way.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, FieldError> + Send + 'static,
) -> Result<T, FieldError> {
    let (here, there) = Left::nothing_yet();
    block(Box::new(move || there.leave(work()))).await?;
    here.take()
}

async fn block(work: Box<dyn FnOnce() + Send>) -> Result<(), FieldError> {
    runtime()?.spawn_blocking(work).await.map_err(broken)
}

/// Runs `work` on the library's threads. When the caller gives up, so does `work`, at its next pause.
pub(crate) async fn spawned<T: Send + 'static>(
    work: impl Future<Output = Result<T, FieldError>> + Send + 'static,
) -> Result<T, FieldError> {
    let (here, there) = Left::nothing_yet();
    spawn(Box::pin(async move { there.leave(work.await) })).await?;
    here.take()
}

async fn spawn(work: Pin<Box<dyn Future<Output = ()> + Send>>) -> Result<(), FieldError> {
    struct GivenUp(JoinHandle<()>);
    impl Drop for GivenUp {
        fn drop(&mut self) {
            self.0.abort();
        }
    }
    let mut task = GivenUp(runtime()?.spawn(work));
    (&mut task.0).await.map_err(broken)
}

fn broken(error: JoinError) -> FieldError {
    if error.is_cancelled() {
        return FieldError::Cancelled;
    }
    FieldError::Internal(panic_text(&*error.into_panic()))
}

/// Runs `work` here; a panic becomes an error instead of ending the app.
pub(crate) fn caught<T>(work: impl FnOnce() -> Result<T, FieldError>) -> Result<T, FieldError> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work))
        .unwrap_or_else(|panic| Err(FieldError::Internal(panic_text(&*panic))))
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a fault without a message").to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_and_the_next_call_works() {
        let runtime = runtime().unwrap();
        let broken = runtime.block_on(blocking::<()>(|| panic!("a fault in the rules")));
        assert_eq!(broken, Err(FieldError::Internal("a fault in the rules".to_owned())));
        let broken = runtime.block_on(spawned::<()>(async { panic!("a fault {}", "in the sync") }));
        assert_eq!(broken, Err(FieldError::Internal("a fault in the sync".to_owned())));
        assert_eq!(
            caught::<()>(|| panic!("a fault at once")),
            Err(FieldError::Internal("a fault at once".to_owned()))
        );
        assert_eq!(runtime.block_on(blocking(|| Ok(1))), Ok(1));
    }

    #[test]
    fn work_of_a_caller_who_gave_up_stops_on_the_librarys_threads_and_is_finished_on_those_that_block() {
        let runtime = runtime().unwrap();
        let (finish, finished) = std::sync::mpsc::channel();
        let (begun, begin) = tokio::sync::oneshot::channel();
        let dropped = std::sync::Arc::new(());
        let held = std::sync::Arc::clone(&dropped);
        runtime.block_on(async {
            let never = spawned::<()>(async move {
                let _held = held;
                begun.send(()).unwrap();
                std::future::pending().await
            });
            tokio::select! {
                biased;
                _ = never => unreachable!("it never ends"),
                () = async { begin.await.unwrap() } => {}
            }
            let (go, gone) = tokio::sync::oneshot::channel();
            let writing = blocking(move || {
                go.send(()).unwrap();
                std::thread::sleep(std::time::Duration::from_millis(50));
                finish.send("committed").unwrap();
                Ok(())
            });
            tokio::select! {
                biased;
                _ = writing => unreachable!("it takes a while"),
                () = async { gone.await.unwrap() } => {}
            }
        });
        assert_eq!(finished.recv(), Ok("committed"));
        let mut waited = 0;
        while std::sync::Arc::strong_count(&dropped) > 1 {
            std::thread::yield_now();
            waited += 1;
            assert!(waited < 100_000_000, "what the caller gave up is still held");
        }
    }
}
