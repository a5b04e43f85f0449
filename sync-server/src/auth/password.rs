//! Passwords: argon2id with the parameters that OWASP names for interactive sign-in (19 MiB, two passes, one lane).
//! One check takes some 30 ms and 19 MiB here, so only a few run at once, and never on the threads that serve requests.

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash},
};
use tokio::sync::Semaphore;

/// KiB of memory for one check.
const MEMORY_KIB: u32 = 19 * 1024;
/// Passes over that memory.
const PASSES: u32 = 2;
/// Lanes.
const LANES: u32 = 1;
/// Checks at the same time: bounds the memory that a flood of sign-ins can take to 76 MiB.
static CHECKS: Semaphore = Semaphore::const_new(4);

/// Fewest characters of a password.
pub(super) const MIN_CHARACTERS: usize = 10;
/// Most bytes of a password.
pub(super) const MAX_BYTES: usize = 1024;

/// Checked when there is no account or no password, so that an unknown login takes as long as a wrong password. The
/// parameters are those above; no password gives this hash.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5IGF0IGFsbCE$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Why a password cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Too few characters.
    #[error("password: needs at least {MIN_CHARACTERS} characters")]
    TooShort,
    /// Too many bytes.
    #[error("password: has more than {MAX_BYTES} bytes")]
    TooLong,
    /// The same as the login, or one character over and over.
    #[error("password: is too easy to guess; a few unrelated words make a good one")]
    TooEasy,
    /// The hash could not be made.
    #[error("the password could not be hashed: {0}")]
    Engine(String),
}

fn argon2() -> Result<Argon2<'static>, PasswordError> {
    let params =
        Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|error| PasswordError::Engine(error.to_string()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// Checks a new password of the account with this login.
///
/// # Errors
/// [`PasswordError`] saying what is wrong with it.
pub fn check_new_password(login: &str, password: &str) -> Result<(), PasswordError> {
    if password.chars().count() < MIN_CHARACTERS {
        return Err(PasswordError::TooShort);
    }
    if password.len() > MAX_BYTES {
        return Err(PasswordError::TooLong);
    }
    let mut characters = password.chars();
    let first = characters.next();
    if password.to_lowercase() == login.to_lowercase() || characters.all(|character| Some(character) == first) {
        return Err(PasswordError::TooEasy);
    }
    Ok(())
}

/// The hash to store for a password, in PHC form.
///
/// # Errors
/// [`PasswordError::Engine`] without memory or randomness.
pub async fn hash_password(password: String) -> Result<String, PasswordError> {
    let _permit = CHECKS.acquire().await;
    let made = tokio::task::spawn_blocking(move || {
        argon2()?
            .hash_password(password.as_bytes())
            .map(|hash| hash.to_string())
            .map_err(|error| PasswordError::Engine(error.to_string()))
    });
    made.await.map_err(|error| PasswordError::Engine(error.to_string()))?
}

/// Whether `password` is the one with this stored hash. Without a hash it is not, after the same time.
pub async fn verify_password(password: String, stored: Option<String>) -> bool {
    if password.len() > MAX_BYTES {
        return false;
    }
    let _permit = CHECKS.acquire().await;
    let checked = tokio::task::spawn_blocking(move || {
        let known = stored.is_some();
        let stored = stored.unwrap_or_else(|| NOBODY.to_owned());
        let Ok(hash) = PasswordHash::new(&stored) else {
            tracing::error!("a stored password hash cannot be read");
            return false;
        };
        let Ok(argon2) = argon2() else { return false };
        argon2.verify_password(password.as_bytes(), &hash).is_ok() && known
    });
    checked.await.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn a_password_opens_only_with_itself() {
        let hash = hash_password("correct horse battery".to_owned()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(verify_password("correct horse battery".to_owned(), Some(hash.clone())).await);
        assert!(!verify_password("correct horse batterz".to_owned(), Some(hash)).await);
        assert!(!verify_password("correct horse battery".to_owned(), None).await);
        assert!(!verify_password("x".to_owned(), Some("not a hash".to_owned())).await);
    }

    #[test]
    fn an_unknown_login_costs_the_same_work_as_a_known_one() {
        let hash = PasswordHash::new(NOBODY).unwrap();
        let params = Params::try_from(&hash).unwrap();
        assert_eq!(
            (params.m_cost(), params.t_cost(), params.p_cost()),
            (MEMORY_KIB, PASSES, LANES)
        );
        assert!(hash.hash.is_some() && hash.salt.is_some());
    }

    #[test]
    fn passwords_that_anybody_would_try_are_refused() {
        assert_eq!(check_new_password("anna", "short"), Err(PasswordError::TooShort));
        assert_eq!(
            check_new_password("anna.linden", "Anna.Linden"),
            Err(PasswordError::TooEasy)
        );
        assert_eq!(check_new_password("anna", "aaaaaaaaaaaa"), Err(PasswordError::TooEasy));
        assert_eq!(
            check_new_password("anna", &"ab".repeat(600)),
            Err(PasswordError::TooLong)
        );
        assert_eq!(check_new_password("anna", "红烧牛肉面很好吃真的"), Ok(()));
    }
}
