//! Fieldledger's core for Kotlin and Swift, through UniFFI.
//!
//! Nothing is decided here. Every method of [`FieldStore`] hands its work to the method of the same name in
//! [`fieldledger_core::store::FieldStore`], on a thread that may block, and turns a panic into `Internal`. What Rust can do
//! and the languages cannot is given another shape:
//!
//! * a document of a kind (`Document<Visit>`) is a record of its own ([`VisitDocument`]), which is saved by the heads it was
//!   read at;
//! * listeners, keys, the state of the network and the log are traits that the app implements ([`ChangeListener`],
//!   [`KeySupply`], [`NetworkMonitor`], [`LogSink`]); their methods are called on threads of this library, and what they
//!   throw is noted in the log;
//! * long calls take a [`CancelToken`].
//!
//! The packages in `bindings/kotlin` and `bindings/swift` put a layer on top that feels native there; apps use those.

uniffi::setup_scaffolding!();

mod blocking;
mod cancel;
mod clock;
mod documents;
mod keys;
mod log;
mod network;
mod observe;
mod store;
mod sync;

pub use cancel::CancelToken;
pub use clock::{BootClockSource, ClockReading};
pub use documents::{
    CollectionNoteDocument, DeliveryDocument, OrderDocument, ReviewDocument, StatementConfirmationDocument,
    VisitDocument,
};
pub use keys::{KeyReply, KeySupply, decrypt, encrypt, encryption, generate_key};
pub use log::{LogLevel, LogLine, LogSink, set_log_sink};
pub use network::{NetworkMonitor, NetworkState, UploadPolicy};
pub use observe::{CallbackFailed, ChangeListener, Subscription};
pub use store::{FieldStore, StoreOptions, check_path};
pub use sync::{SyncHandle, SyncListener, SyncState};

use std::path::PathBuf;

use chrono::NaiveDate;

/// A value in a general form, as JSON text.
pub(crate) type Json = serde_json::Value;
/// How many.
pub(crate) type Count = usize;

uniffi::use_remote_type!(fieldledger_core::NaiveDate);
uniffi::use_remote_type!(fieldledger_core::PathBuf);
uniffi::use_remote_type!(fieldledger_core::Json);
uniffi::use_remote_type!(fieldledger_core::Count);

/// The sentence for a person about an error, in English or (`zh…`) Simplified Chinese.
#[uniffi::export]
pub fn describe_error(error: fieldledger_core::error::FieldError, language: &str) -> String {
    error.sentence(language)
}

/// The version of the library.
#[uniffi::export]
pub fn library_version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

/// Whether the library has this version. The generated sources compare the default, as they compare every name and type of a
/// function, with the library's before the first call. So two versions never go together, not even where nothing but a field of a
/// record differs, which UniFFI does not look at.
#[uniffi::export(default(version = "0.1.0"))]
pub fn is_version(version: String) -> bool {
    version == env!("CARGO_PKG_VERSION")
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_version_that_is_compared_is_that_of_the_package() {
        let version = env!("CARGO_PKG_VERSION");
        assert!(include_str!("lib.rs").contains(&format!("default(version = \"{version}\")")));
        assert!(super::is_version(version.to_owned()));
    }
}
