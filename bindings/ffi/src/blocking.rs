//! Work that may take a while, off the caller's thread. Kotlin polls a call on the dispatcher of whoever called it: what
//! blocked there would freeze a screen.

use std::{future::Future, sync::LazyLock};

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

/// Runs `work` on a thread that may block. A call that is given up goes on to its end there: what it began is finished or
/// undone by its transaction, never left half-way.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, FieldError> + Send + 'static,
) -> Result<T, FieldError> {
    joined(runtime()?.spawn_blocking(work).await)
}

/// Runs `work` on the library's threads. When the caller gives up, so does `work`, at its next pause.
pub(crate) async fn spawned<T: Send + 'static>(
    work: impl Future<Output = Result<T, FieldError>> + Send + 'static,
) -> Result<T, FieldError> {
    struct GivenUp<T>(JoinHandle<T>);
    impl<T> Drop for GivenUp<T> {
        fn drop(&mut self) {
            self.0.abort();
        }
    }
    let mut task = GivenUp(runtime()?.spawn(work));
    joined((&mut task.0).await)
}

fn joined<T>(ended: Result<Result<T, FieldError>, JoinError>) -> Result<T, FieldError> {
    ended.unwrap_or_else(|error| {
        if error.is_cancelled() {
            return Err(FieldError::Cancelled);
        }
        Err(FieldError::Internal(panic_text(&*error.into_panic())))
    })
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
