//! Who is asking: people with a password and a session, devices and other software with a token.
//!
//! * [`sign_in`], [`sign_out`]: what the sign-in page calls.
//! * [`SignedIn`], [`DeviceAuth`], [`SoftwareAuth`], [`RemoteAddress`]: extractors that handlers take.
//! * [`require_role`]: what a role may do.

mod device;
mod extract;
mod limits;
mod lockout;
mod password;
mod secret;
mod session;
mod software;

use fieldledger_core::model::Role;

pub use device::{DeviceAuth, make_enrolment_code, new_enrolment};
pub use extract::RemoteAddress;
pub(crate) use extract::bearer;
pub use limits::Limits;
pub use lockout::Lockout;
pub use password::{PasswordError, check_new_password, hash_password, verify_password};
pub use secret::{Secrets, hash_secret, normal_code, same_secret};
pub use session::{NewSession, SignedIn, no_session, sign_in, sign_out};
pub use software::SoftwareAuth;

use crate::{error::ApiError, store::Account};

/// Lets only people with one of `roles` pass.
///
/// # Errors
/// 403 naming the roles.
pub fn require_role(account: &Account, roles: &[Role]) -> Result<(), ApiError> {
    if roles.iter().any(|role| account.has(*role)) {
        return Ok(());
    }
    let names: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
    Err(ApiError::not_allowed(format!(
        "this is for the role {}; ask an administrator if you need it",
        names.join(" or ")
    )))
}
