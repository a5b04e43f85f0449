use std::sync::Arc;

use fieldledger_core::error::FieldError;
use tokio::sync::watch;

/// Ends a long call early: hand it to the call, and call [`CancelToken::cancel`] from anywhere. One token may end several
/// calls; once cancelled it stays so.
#[derive(Debug, uniffi::Object)]
pub struct CancelToken {
    cancelled: watch::Sender<bool>,
}

#[uniffi::export]
impl CancelToken {
    /// A token that is not cancelled.
    #[uniffi::constructor]
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            cancelled: watch::Sender::new(false),
        })
    }

    /// Ends the calls that were given this token. They fail with `Cancelled`; what they had done until then stays.
    pub fn cancel(&self) {
        self.cancelled.send_replace(true);
    }

    /// Whether it was cancelled.
    pub fn is_cancelled(&self) -> bool {
        *self.cancelled.borrow()
    }
}

impl CancelToken {
    /// Returns when the token is cancelled; never, without one.
    pub(crate) async fn cancelled(token: Option<Arc<Self>>) {
        if let Some(token) = token {
            let mut cancelled = token.cancelled.subscribe();
            if cancelled.wait_for(|it| *it).await.is_ok() {
                return;
            }
        }
        std::future::pending().await
    }

    /// What `work` gives, unless the token is cancelled first.
    pub(crate) async fn guard<T>(
        token: Option<Arc<Self>>,
        work: impl Future<Output = Result<T, FieldError>>,
    ) -> Result<T, FieldError> {
        tokio::select! {
            biased;
            () = Self::cancelled(token) => Err(FieldError::Cancelled),
            ended = work => ended,
        }
    }
}
