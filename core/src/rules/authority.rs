//! Who may write what. The server asks this of every pushed change; a phone asks it before it saves, so that a rep
//! learns at once and not at the next sync.

use std::fmt;

use serde_json::Value;

use crate::model::{DocumentKind, Party, Role, UserId};

/// The fields that say what a document is, whose, and about what. They are fixed when it is made.
pub const IDENTITY: [&str; 6] = ["kind", "customer", "rep", "about", "reviewer", "statement"];

/// Why a change is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Denied {
    /// What was to be changed, as a path (`confirmations.warehouse`).
    pub path: String,
    /// Who may do it.
    pub who_may: String,
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} may only be changed by {}", self.path, self.who_may)
    }
}

/// Whether a person with `roles` may create a document of `kind`.
///
/// # Errors
/// [`Denied`] naming who may.
pub fn may_create(roles: &[Role], kind: &DocumentKind) -> Result<(), Denied> {
    let allowed: &[Role] = match kind {
        DocumentKind::Visit
        | DocumentKind::CollectionNote
        | DocumentKind::Order
        | DocumentKind::StatementConfirmation => &[Role::Rep, Role::Supervisor, Role::Administrator],
        DocumentKind::Delivery => &[Role::Rep, Role::Driver, Role::Supervisor, Role::Administrator],
        DocumentKind::Review => &[Role::Supervisor, Role::Finance, Role::Administrator],
        // Made by a newer app: field roles may, or a fleet could never be upgraded before its server.
        DocumentKind::Unknown(_) => &[Role::Rep, Role::Driver, Role::Supervisor, Role::Administrator],
    };
    require(roles, allowed, || kind.as_str().to_owned())
}

/// Whether a person with `roles` may make a change that touches `paths` of a document of `kind`.
///
/// A path is the field names from the root, for example `["confirmations", "warehouse", "verdict"]`. `owner` is the rep
/// whose document it is; `author` is who changed it.
///
/// # Errors
/// [`Denied`] for the first path that the person may not touch.
pub fn may_edit(
    roles: &[Role],
    author: UserId,
    owner: Option<UserId>,
    kind: &DocumentKind,
    paths: &[Vec<String>],
) -> Result<(), Denied> {
    for path in paths {
        let at = |index: usize| path.get(index).map_or("", String::as_str);
        let name = || path.join(".");
        match (kind, at(0)) {
            // What a document is, and whose, is fixed when it is made.
            (_, field) if IDENTITY.contains(&field) => {
                return Err(Denied {
                    path: name(),
                    who_may: "nobody once it is recorded".to_owned(),
                });
            }
            (DocumentKind::Delivery, "confirmations") => may_confirm(roles, at(1), name)?,
            // A driver signs deliveries off; a rep's prices and visits are not the driver's to change.
            (DocumentKind::Delivery, _) => {
                require(
                    roles,
                    &[Role::Rep, Role::Driver, Role::Supervisor, Role::Administrator],
                    name,
                )?;
            }
            (DocumentKind::Review, "replies") => {
                require(
                    roles,
                    &[
                        Role::Rep,
                        Role::Driver,
                        Role::Supervisor,
                        Role::Finance,
                        Role::Administrator,
                    ],
                    name,
                )?;
            }
            (DocumentKind::Review, _) => {
                require(roles, &[Role::Supervisor, Role::Finance, Role::Administrator], name)?;
            }
            (DocumentKind::Unknown(_), _) => may_create(roles, kind)?,
            // Visits, notes, orders and answers to statements belong to their rep; supervisors may mend them.
            (
                DocumentKind::Visit
                | DocumentKind::CollectionNote
                | DocumentKind::Order
                | DocumentKind::StatementConfirmation,
                _,
            ) => {
                if owner != Some(author) {
                    require(roles, &[Role::Supervisor, Role::Administrator], name)?;
                }
            }
        }
    }
    Ok(())
}

/// Sales speaks through a rep, the warehouse through a driver. The customer's word is taken down on the phone of
/// whoever delivers, with the receiver's name and signature as evidence.
fn may_confirm(roles: &[Role], party: &str, name: impl Fn() -> String) -> Result<(), Denied> {
    let allowed: &[Role] = if party == Party::Sales.as_str() {
        &[Role::Rep, Role::Supervisor]
    } else if party == Party::Warehouse.as_str() {
        &[Role::Driver]
    } else if party == Party::Customer.as_str() {
        &[Role::Rep, Role::Driver]
    } else {
        &[]
    };
    require(roles, allowed, name)
}

/// Whether the customer's contact, who has a link and no account, may make a change that touches `paths` of a document of
/// `kind`: their own word about a delivery, and nothing else.
///
/// # Errors
/// [`Denied`] for the first path that is not theirs.
pub fn may_edit_as_contact(kind: &DocumentKind, paths: &[Vec<String>]) -> Result<(), Denied> {
    let foreign = paths
        .iter()
        .find(|path| *kind != DocumentKind::Delivery || !is_customers_word(path));
    match foreign {
        None => Ok(()),
        Some(path) => Err(Denied {
            path: path.join("."),
            who_may: "people of the company".to_owned(),
        }),
    }
}

/// Whether a change that touches `paths` of a document, and makes `after` of what it was `before`, leaves alone what the
/// customer's contact has said through a link, and does not claim that the contact had said something. Nobody else speaks
/// for the contact; who doubts the word writes a review.
///
/// # Errors
/// [`Denied`] naming the path.
pub fn keeps_contacts_word(before: &Value, after: &Value, paths: &[Vec<String>]) -> Result<(), Denied> {
    let denied = |path: String| Denied {
        path,
        who_may: "the customer's contact, who speaks through a link".to_owned(),
    };
    let by_link = |tree: &Value, party: &str| {
        let said = tree.get("confirmations").and_then(|it| it.get(party));
        said.and_then(|it| it.get("by_link")?.as_bool()) == Some(true)
    };
    let parties = after.get("confirmations").and_then(Value::as_object);
    for party in parties.into_iter().flat_map(|it| it.keys()) {
        if by_link(after, party) && !by_link(before, party) {
            return Err(denied(format!("confirmations.{party}.by_link")));
        }
    }
    match paths.iter().find(|path| is_customers_word(path)) {
        Some(path) if by_link(before, Party::Customer.as_str()) => Err(denied(path.join("."))),
        _ => Ok(()),
    }
}

fn is_customers_word(path: &[String]) -> bool {
    path.first().is_some_and(|it| it == "confirmations") && path.get(1).is_some_and(|it| it == Party::Customer.as_str())
}

fn require(roles: &[Role], allowed: &[Role], path: impl Fn() -> String) -> Result<(), Denied> {
    if roles.iter().any(|role| allowed.contains(role)) {
        return Ok(());
    }
    let who_may = match allowed {
        [] => "nobody".to_owned(),
        several => several
            .iter()
            .map(|role| role.as_str())
            .collect::<Vec<_>>()
            .join(" or "),
    };
    Err(Denied { path: path(), who_may })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const ME: UserId = UserId::from_bytes([1; 16]);
    const OTHER: UserId = UserId::from_bytes([2; 16]);

    fn path(text: &str) -> Vec<Vec<String>> {
        vec![text.split('.').map(str::to_owned).collect()]
    }

    #[test]
    fn each_party_speaks_only_for_itself() {
        let edit = |role, at: &str| may_edit(&[role], ME, Some(ME), &DocumentKind::Delivery, &path(at)).is_ok();
        assert!(edit(Role::Rep, "confirmations.sales"));
        assert!(!edit(Role::Rep, "confirmations.warehouse"));
        assert!(edit(Role::Driver, "confirmations.warehouse"));
        assert!(!edit(Role::Driver, "confirmations.sales"));
        assert!(edit(Role::Driver, "confirmations.customer"));
        assert!(!edit(Role::Rep, "confirmations"));
        assert!(!edit(Role::Rep, "confirmations.bank"));
    }

    #[test]
    fn the_contact_behind_a_link_speaks_for_the_customer_alone_and_nobody_speaks_over_it() {
        let may = |at: &str| may_edit_as_contact(&DocumentKind::Delivery, &path(at)).is_ok();
        assert!(may("confirmations.customer") && may("confirmations.customer.lines"));
        assert!(!may("confirmations.sales") && !may("confirmations") && !may("note"));
        assert!(may_edit_as_contact(&DocumentKind::Visit, &path("confirmations.customer")).is_err());
        let said = |by_link: bool| serde_json::json!({ "confirmations": { "customer": { "by_link": by_link } } });
        let keeps = |before: &Value, after: &Value, at: &str| keeps_contacts_word(before, after, &path(at)).is_ok();
        assert!(!keeps(&said(true), &said(false), "confirmations.customer.verdict"));
        assert!(keeps(&said(true), &said(true), "confirmations.sales"));
        assert!(keeps(&said(false), &said(false), "confirmations.customer"));
        let nothing = serde_json::json!({});
        assert!(keeps(&nothing, &said(false), "confirmations.customer"));
        assert!(
            !keeps(&nothing, &said(true), "confirmations.customer"),
            "a claim that the contact spoke"
        );
        let sales = serde_json::json!({ "confirmations": { "sales": { "by_link": true } } });
        assert!(!keeps(&nothing, &sales, "confirmations.sales"));
    }

    #[test]
    fn a_rep_edits_only_what_is_theirs_and_nobody_moves_a_record_to_another_customer() {
        let edit = |role, owner, at: &str| may_edit(&[role], ME, Some(owner), &DocumentKind::Visit, &path(at)).is_ok();
        assert!(edit(Role::Rep, ME, "note"));
        assert!(!edit(Role::Rep, OTHER, "note"));
        assert!(edit(Role::Supervisor, OTHER, "note"));
        assert!(!edit(Role::Administrator, ME, "customer"));
    }

    #[test]
    fn an_answer_to_a_statement_is_the_reps_who_took_it_down_and_stays_with_its_statement() {
        let kind = DocumentKind::StatementConfirmation;
        assert!(may_create(&[Role::Rep], &kind).is_ok());
        assert!(may_create(&[Role::Driver], &kind).is_err());
        let edit = |role, owner, at: &str| may_edit(&[role], ME, Some(owner), &kind, &path(at)).is_ok();
        assert!(edit(Role::Rep, ME, "answers.3"));
        assert!(!edit(Role::Rep, OTHER, "answers.3"));
        assert!(edit(Role::Supervisor, OTHER, "answers.3"));
        assert!(!edit(Role::Supervisor, OTHER, "statement"));
    }

    #[test]
    fn only_supervisors_and_finance_review_and_a_rep_may_answer() {
        assert!(may_create(&[Role::Rep], &DocumentKind::Review).is_err());
        assert!(may_create(&[Role::Supervisor], &DocumentKind::Review).is_ok());
        let edit = |role, at: &str| may_edit(&[role], ME, Some(OTHER), &DocumentKind::Review, &path(at)).is_ok();
        assert!(edit(Role::Rep, "replies.x"));
        assert!(!edit(Role::Rep, "verdict"));
        let denied = may_edit(&[Role::Rep], ME, Some(OTHER), &DocumentKind::Review, &path("verdict")).unwrap_err();
        assert_eq!(
            denied.to_string(),
            "verdict may only be changed by supervisor or finance or administrator"
        );
    }
}
