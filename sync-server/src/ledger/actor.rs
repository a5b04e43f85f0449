//! Who acts on a customer's ledger.

use fieldledger_core::model::UserId;

/// Somebody, or some software, that decides about a customer's money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The name under which the audit log knows them: a user id, or `token:` and the name of an API token.
    pub name: String,
    /// The person, for the records that name one; `None` for software.
    pub user: Option<UserId>,
}

impl Actor {
    /// Software with an API token of this name.
    pub fn software(token: &str) -> Self {
        Self {
            name: format!("token:{token}"),
            user: None,
        }
    }
}

impl From<UserId> for Actor {
    fn from(user: UserId) -> Self {
        Self {
            name: user.to_string(),
            user: Some(user),
        }
    }
}
