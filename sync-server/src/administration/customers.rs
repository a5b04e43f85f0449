//! Where customers belong, and who is in charge of them.

use fieldledger_core::model::{Customer, CustomerId, InvalidField, LedgerRecord, Role, TerritoryId, UserId};

use super::{Administration, AdministrationError, reason_of};
use crate::store::{AuditEntry, CustomerLedger, Decide, Decided, LedgerChange};

/// Where customers are to go.
#[derive(Clone, Debug)]
pub struct Move {
    /// To which territory.
    pub to: TerritoryId,
    /// Who is in charge there.
    pub rep: NewRep,
    /// Why.
    pub reason: String,
}

/// Who is in charge of a customer that moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewRep {
    /// Who was before.
    Same,
    /// Nobody yet.
    Nobody,
    /// Somebody else.
    Is(UserId),
}

/// What became of one customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// It belongs there now, with everything about it.
    Done,
    /// It was there before, with that rep.
    Unchanged,
}

impl Administration<'_> {
    /// Moves a customer to another territory, or gives it another rep, with everything about it: phones that follow only
    /// the old territory drop it, those of the new one get it. `within` are the territories that whoever asks may see;
    /// `None`: all.
    ///
    /// # Errors
    /// [`AdministrationError`]: no reason, no such customer or territory, a rep who does not work there.
    pub async fn move_customer(
        &self,
        customer: CustomerId,
        wish: &Move,
        within: Option<&[TerritoryId]>,
    ) -> Result<Moved, AdministrationError> {
        let reason = reason_of(&wish.reason)?;
        let territories = self.territories().await?;
        let target = territories.iter().find(|it| it.id == wish.to);
        let target = target.filter(|it| within.is_none_or(|within| within.contains(&it.id)));
        let target = target.ok_or_else(|| AdministrationError::NoTerritory(wish.to.to_string()))?;
        let accounts = self.state.store.accounts(self.org).await?;
        let name_of = |id: Option<UserId>| match id {
            None => "nobody".to_owned(),
            Some(id) => accounts
                .iter()
                .find(|it| it.user == id)
                .map_or_else(|| id.to_string(), |it| it.login.clone()),
        };
        let works_there = |rep: UserId| {
            let account = accounts.iter().find(|it| it.user == rep);
            account.is_some_and(|it| {
                !it.disabled && (it.has(Role::Rep) || it.has(Role::Supervisor)) && it.territories.contains(&wish.to)
            })
        };
        let ledger = self.state.store.customer_ledger(self.org, customer).await?;
        let no_customer = || AdministrationError::NoCustomer(customer.to_string());
        let ledger = ledger.ok_or_else(no_customer)?;
        let visible = |it: &Customer| within.is_none_or(|within| within.contains(&it.territory));
        if !visible(&ledger.customer) {
            return Err(no_customer());
        }
        let rep = match wish.rep {
            NewRep::Same => ledger.customer.rep,
            NewRep::Nobody => None,
            NewRep::Is(rep) => Some(rep),
        };
        if let Some(rep) = rep
            && !works_there(rep)
        {
            return Err(AdministrationError::RepElsewhere {
                rep: name_of(Some(rep)),
                territory: target.name.clone(),
            });
        }
        let was = territories.iter().find(|it| it.id == ledger.customer.territory);
        let was = was.map_or_else(|| ledger.customer.territory.to_string(), |it| it.name.clone());
        let detail = format!(
            "{was}, {} → {}, {}: {reason}",
            name_of(ledger.customer.rep),
            target.name,
            name_of(rep)
        );
        let (now, actor, before, to) = (
            self.state.clock.now(),
            self.actor.clone(),
            ledger.customer.clone(),
            wish.to,
        );
        let decide: Decide = Box::new(move |ledger: &CustomerLedger| {
            let known = &ledger.customer;
            // Somebody moved it meanwhile: what was looked at above holds no more.
            if (known.territory, known.rep) != (before.territory, before.rep) {
                return Err(InvalidField::new(
                    "customer",
                    "was moved by somebody else at the same moment",
                ));
            }
            if (known.territory, known.rep) == (to, rep) {
                return Ok(LedgerChange::default());
            }
            let moved = Customer {
                territory: to,
                rep,
                ..known.clone()
            };
            Ok(LedgerChange {
                records: vec![LedgerRecord::Customer(moved)],
                audit: vec![AuditEntry {
                    at: now,
                    actor,
                    action: "customer.moved".to_owned(),
                    subject: known.code.clone(),
                    detail,
                }],
                answer: "moved".to_owned(),
                requires: Vec::new(),
            })
        });
        match self.state.store.decide(self.org, customer, None, decide, now).await? {
            Decided::Done { answer, marks } => {
                for mark in marks {
                    self.state.sync.live().publish(self.org, mark);
                }
                Ok(if answer.is_empty() {
                    Moved::Unchanged
                } else {
                    Moved::Done
                })
            }
            Decided::Refused(why) => Err(AdministrationError::Invalid(why)),
            Decided::Repeated { .. } | Decided::KeyReused | Decided::UnknownCustomer => Err(no_customer()),
        }
    }
}
