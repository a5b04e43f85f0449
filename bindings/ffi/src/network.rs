use std::sync::Arc;

use super::CallbackFailed;

/// What network the phone has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum NetworkState {
    /// None.
    None,
    /// One that costs by the byte, or that the person wants spared.
    Metered,
    /// A mobile network that does not cost by the byte.
    Unmetered,
    /// Wi-Fi that does not cost by the byte.
    Wifi,
}

/// Over which networks files of evidence go. Documents are small and go over any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, uniffi::Enum)]
pub enum UploadPolicy {
    /// Any.
    Any,
    /// Those that do not cost by the byte.
    #[default]
    NotMetered,
    /// Wi-Fi.
    WifiOnly,
}

impl UploadPolicy {
    /// Whether a file may go over `network` now.
    pub(crate) fn allows(self, network: NetworkState) -> bool {
        match (self, network) {
            (_, NetworkState::None) => false,
            (Self::Any, _) | (Self::NotMetered, NetworkState::Unmetered) | (_, NetworkState::Wifi) => true,
            (Self::NotMetered | Self::WifiOnly, NetworkState::Metered) | (Self::WifiOnly, NetworkState::Unmetered) => {
                false
            }
        }
    }
}

/// Tells what network the phone has and what may go over it; the app implements it. Called on threads of the library, often: it
/// should answer from memory.
#[uniffi::export(with_foreign)]
pub trait NetworkMonitor: Send + Sync {
    /// The network now.
    ///
    /// # Errors
    /// Whatever the app throws; documents then go by what happens when it is tried, and files of evidence wait.
    fn state(&self) -> Result<NetworkState, CallbackFailed>;

    /// What the person has chosen for files of evidence.
    ///
    /// # Errors
    /// Whatever the app throws; the library then takes [`UploadPolicy::NotMetered`].
    fn upload_policy(&self) -> Result<UploadPolicy, CallbackFailed>;
}

/// What the app says; `None` when it does not say.
pub(crate) fn state(monitor: Option<&Arc<dyn NetworkMonitor>>) -> Option<NetworkState> {
    let answer = monitor?.state();
    answer
        .inspect_err(|error| tracing::warn!(%error, "the app could not say what network there is"))
        .ok()
}

/// Whether files may go now. An app that says nothing of its network lets them go over any; one that fails to say so, over
/// none.
pub(crate) fn may_upload(monitor: Option<&Arc<dyn NetworkMonitor>>) -> bool {
    let Some(network) = monitor else { return true };
    let policy = network.upload_policy().ok().unwrap_or_default();
    state(monitor).is_some_and(|network| policy.allows(network))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_go_where_the_person_allows_it() {
        use NetworkState as N;
        use UploadPolicy as P;
        let allowed = |policy: P| [N::None, N::Metered, N::Unmetered, N::Wifi].map(|network| policy.allows(network));
        assert_eq!(allowed(P::Any), [false, true, true, true]);
        assert_eq!(allowed(P::NotMetered), [false, false, true, true]);
        assert_eq!(allowed(P::WifiOnly), [false, false, false, true]);
    }
}
