//! Why the administration did not do something, in the reader's language.

use super::{error::PageError, messages::Text};
use crate::{
    administration::{AdministrationError, MAX_LINK_DAYS, MAX_LOGIN, MAX_NAME, MAX_REASON},
    auth::PasswordError,
};

/// What is said beside the form; what is no fault of who sent it is an error of the page.
pub(super) fn said(text: Text, error: AdministrationError) -> Result<String, PageError> {
    use AdministrationError as E;
    Ok(match error {
        E::Store(error) => return Err(error.into()),
        E::Password(PasswordError::Engine(reason)) => {
            tracing::error!(%reason, "a password could not be hashed");
            return Err(PageError::Internal);
        }
        E::LoginTaken { login, name } => text
            .fill("refusal.login_taken", "login", login)
            .replace("{name}", &name),
        E::BadLogin(_) => text.fill("refusal.bad_login", "most", MAX_LOGIN),
        E::BadName(_) => text.fill("refusal.bad_name", "most", MAX_NAME),
        E::NoRole => text.t("refusal.no_role").to_owned(),
        E::NoAccount(_) => text.t("refusal.no_account").to_owned(),
        E::Shut(_) => text.t("refusal.shut").to_owned(),
        E::Oneself => text.t("refusal.oneself").to_owned(),
        E::NoTerritory(_) => text.t("refusal.no_territory").to_owned(),
        E::TerritoryTaken(name) => text.fill("refusal.territory_taken", "name", name),
        E::RepElsewhere { rep, territory } => text
            .fill("refusal.rep_elsewhere", "rep", rep)
            .replace("{territory}", &territory),
        E::NoCustomer(_) => text.t("refusal.no_customer").to_owned(),
        E::NoReason => text.fill("refusal.no_reason", "most", MAX_REASON),
        E::NoContact => text.fill("refusal.no_contact", "most", MAX_NAME),
        E::LinkDays => text.fill("refusal.link_days", "most", MAX_LINK_DAYS),
        E::NoDelivery => return Err(PageError::NotFound),
        E::Password(PasswordError::TooShort) => text.t("refusal.password_short").to_owned(),
        E::Password(PasswordError::TooLong) => text.t("refusal.password_long").to_owned(),
        E::Password(PasswordError::TooEasy) => text.t("refusal.password_easy").to_owned(),
        E::Invalid(invalid) => text.fill("refusal.invalid", "reason", invalid.message),
    })
}
