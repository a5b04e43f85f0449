//! The database's key, which the app keeps in the keychain or keystore.

use std::{
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{SyncSender, sync_channel},
    },
    time::Duration,
};

use fieldledger_core::{
    error::FieldError,
    store::{self, DatabaseKey, Encrypted, Encryption, KeyError},
};

use crate::{CallbackFailed, FieldStore, blocking::blocking};

/// How long the app may take to give a key: a person may have to look at the phone for it.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where the database's key comes from; the app implements it over the keychain or keystore. A key is 32 random bytes.
///
/// Asked on threads of the library whenever a store is opened, reopened or given another key. Answer through the reply, at
/// once or later, from any thread.
///
/// To give a database another key: store the new key as the pending one, call `rotate_key`, then make the pending key the
/// present one. A phone that dies in between opens with whichever key the database has; `opened_with_pending_key` tells that
/// the last step is left to be done.
#[uniffi::export(with_foreign)]
pub trait KeySupply: Send + Sync {
    /// Asks for the present key. Make and store one before the store is opened for the first time.
    ///
    /// # Errors
    /// Whatever the app throws; the call that needs the key then fails with `KeyUnavailable`.
    fn database_key(&self, reply: Arc<KeyReply>) -> Result<(), CallbackFailed>;

    /// Asks for the key that a rotation has begun to move to; answer `none` when there is no rotation.
    ///
    /// # Errors
    /// As `database_key`.
    fn pending_key(&self, reply: Arc<KeyReply>) -> Result<(), CallbackFailed>;
}

enum Answer {
    Key(DatabaseKey),
    None,
    Unavailable(String),
}

/// Takes the answer to a request of a [`KeySupply`]. The first answer counts.
#[derive(uniffi::Object)]
pub struct KeyReply {
    sender: Mutex<Option<SyncSender<Answer>>>,
}

#[uniffi::export]
impl KeyReply {
    /// Gives the key, 32 bytes.
    pub fn key(&self, bytes: Vec<u8>) {
        self.answer(match DatabaseKey::try_from(bytes.as_slice()) {
            Ok(key) => Answer::Key(key),
            Err(wrong) => Answer::Unavailable(wrong.message),
        });
    }

    /// There is no such key.
    pub fn none(&self) {
        self.answer(Answer::None);
    }

    /// There is no key now, for this reason, told to the person: the keychain is locked until the phone is unlocked once.
    pub fn unavailable(&self, reason: String) {
        self.answer(Answer::Unavailable(reason));
    }
}

impl KeyReply {
    fn answer(&self, answer: Answer) {
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(sender) = sender {
            // Nobody waits any more: the time was over.
            let _ = sender.send(answer);
        }
    }
}

struct InCore(Arc<dyn KeySupply>);

/// The app's supply as the core asks for it.
pub(crate) fn in_core(supply: Arc<dyn KeySupply>) -> Arc<dyn store::KeySupply> {
    Arc::new(InCore(supply))
}

fn asked(ask: impl FnOnce(Arc<KeyReply>) -> Result<(), CallbackFailed>) -> Result<Option<DatabaseKey>, KeyError> {
    let (sender, answer) = sync_channel(1);
    let reply = Arc::new(KeyReply {
        sender: Mutex::new(Some(sender)),
    });
    ask(reply).map_err(|error| KeyError(error.to_string()))?;
    match answer.recv_timeout(PATIENCE) {
        Ok(Answer::Key(key)) => Ok(Some(key)),
        Ok(Answer::None) => Ok(None),
        Ok(Answer::Unavailable(reason)) => Err(KeyError(reason)),
        Err(_) => Err(KeyError("the app did not give a key".to_owned())),
    }
}

impl store::KeySupply for InCore {
    fn database_key(&self) -> Result<DatabaseKey, KeyError> {
        asked(|reply| self.0.database_key(reply))?.ok_or_else(|| KeyError("the app has no key".to_owned()))
    }

    fn pending_key(&self) -> Result<Option<DatabaseKey>, KeyError> {
        asked(|reply| self.0.pending_key(reply))
    }
}

/// A fresh key from the phone's random numbers, for the keychain or keystore.
///
/// # Errors
/// [`FieldError::Internal`] when the phone gives none.
#[uniffi::export]
pub fn generate_key() -> Result<Vec<u8>, FieldError> {
    Ok(DatabaseKey::generate()?.as_bytes().to_vec())
}

/// Encrypts the plain database at `path`, for an app whose earlier version did not; its store must be closed. A phone that dies
/// meanwhile has the plain database or the encrypted one, each whole: calling this again does the rest. Store the key first.
///
/// # Errors
/// [`FieldError::WrongKey`] when it is encrypted with another key; [`FieldError::Damaged`]; [`FieldError::StorageFull`];
/// [`FieldError::Invalid`] naming `path` or `key`. The database is as it was then.
#[uniffi::export]
pub async fn encrypt(path: String, key: Vec<u8>) -> Result<Encrypted, FieldError> {
    blocking(move || store::FieldStore::encrypt(Path::new(&path), &DatabaseKey::try_from(key.as_slice())?)).await
}

/// Takes the encryption off the database at `path`, whose store must be closed; the counterpart of `encrypt`.
///
/// # Errors
/// As `encrypt`.
#[uniffi::export]
pub async fn decrypt(path: String, key: Vec<u8>) -> Result<(), FieldError> {
    blocking(move || store::FieldStore::decrypt(Path::new(&path), &DatabaseKey::try_from(key.as_slice())?)).await
}

/// What the database at `path` is, without a key and without touching it.
///
/// # Errors
/// [`FieldError::Internal`] for a fault in the library.
#[uniffi::export]
pub async fn encryption(path: String) -> Result<Encryption, FieldError> {
    blocking(move || Ok(store::FieldStore::encryption(Path::new(&path)))).await
}

#[uniffi::export]
impl FieldStore {
    /// Encrypts the database with another key; [`KeySupply`] tells the order in which the app stores keys. Other calls wait
    /// meanwhile.
    ///
    /// # Errors
    /// [`FieldError::Invalid`] naming `key` when it is not the pending one of the store's supply;
    /// [`FieldError::NotEncrypted`]; [`FieldError::KeyUnavailable`]; [`FieldError::Closed`]; [`FieldError::StorageFull`]. The
    /// database has its old key then.
    pub async fn rotate_key(&self, new: Vec<u8>) -> Result<(), FieldError> {
        self.run(move |store| store.rotate_key(&DatabaseKey::try_from(new.as_slice())?))
            .await
    }

    /// Whether the database has the supply's pending key: the rotation is done, and the app has to make that key the present
    /// one.
    pub async fn opened_with_pending_key(&self) -> Result<bool, FieldError> {
        self.run(|store| store.opened_with_pending_key()).await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use fieldledger_core::store::KeySupply as _;

    use super::*;

    /// An app that answers as it is told.
    struct App(fn(&KeyReply) -> Result<(), CallbackFailed>);

    impl KeySupply for App {
        fn database_key(&self, reply: Arc<KeyReply>) -> Result<(), CallbackFailed> {
            let answer = self.0;
            // Later, from another thread, as a keychain that asks the person does.
            std::thread::spawn(move || answer(&reply)).join().unwrap()
        }
        fn pending_key(&self, reply: Arc<KeyReply>) -> Result<(), CallbackFailed> {
            (self.0)(&reply)
        }
    }

    fn supply(answer: fn(&KeyReply) -> Result<(), CallbackFailed>) -> InCore {
        InCore(Arc::new(App(answer)))
    }

    #[test]
    fn whatever_the_app_answers_arrives() {
        let given = supply(|reply| {
            reply.key(vec![7; 32]);
            reply.key(vec![8; 32]);
            Ok(())
        });
        assert_eq!(
            given.database_key().unwrap().as_bytes(),
            &[7; 32],
            "the first answer counts"
        );
        let none = supply(|reply| {
            reply.none();
            Ok(())
        });
        assert_eq!(none.pending_key().unwrap(), None);
        none.database_key().unwrap_err();
        let locked = supply(|reply| {
            reply.unavailable("unlock the phone first".to_owned());
            Ok(())
        });
        assert_eq!(locked.database_key().unwrap_err().to_string(), "unlock the phone first");
        let short = supply(|reply| {
            reply.key(vec![7; 31]);
            Ok(())
        });
        assert!(short.database_key().unwrap_err().to_string().contains("32 bytes"));
        let thrown = supply(|_| {
            Err(CallbackFailed::Failed {
                message: "no keychain".to_owned(),
            })
        });
        assert_eq!(thrown.database_key().unwrap_err().to_string(), "no keychain");
    }

    #[test]
    fn a_reply_that_is_let_go_of_is_no_key() {
        assert_eq!(
            supply(|_| Ok(())).database_key().unwrap_err().to_string(),
            "the app did not give a key"
        );
    }
}
