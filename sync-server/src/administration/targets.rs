//! What reps are to reach in a month.

use fieldledger_core::{
    model::{Currency, InvalidField, LedgerRecord, Money, Month, RecordKind, Target, UserId},
    sync::protocol::StreamId,
};

use super::{Administration, AdministrationError, reason_of};
use crate::store::{AuditEntry, Decided, LedgerChange, StoreError};

/// A target to be set, in place of the one before.
#[derive(Clone, Debug)]
pub struct TargetWish {
    /// Whose.
    pub rep: UserId,
    /// In which month.
    pub month: Month,
    /// Visits.
    pub visits: Option<u32>,
    /// Sales, in the currency of the books.
    pub sales: Option<Money>,
    /// Money that comes in, in the currency of the books.
    pub collected: Option<Money>,
    /// Why.
    pub reason: String,
}

impl Administration<'_> {
    /// The targets that were set, of everybody.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn targets(&self) -> Result<Vec<Target>, StoreError> {
        let records = self.state.store.records(self.org, &RecordKind::Target).await?;
        let targets = records.into_iter().filter_map(|it| match it.record {
            LedgerRecord::Target(target) => Some(target),
            _ => None,
        });
        Ok(targets.collect())
    }

    /// Sets what a rep is to reach in a month; the rep's phone gets it.
    ///
    /// # Errors
    /// [`AdministrationError`]: no such person, no reason, an amount that cannot be.
    pub async fn set_target(
        &self,
        wish: TargetWish,
        books: Currency,
        by: UserId,
    ) -> Result<Target, AdministrationError> {
        let account = self.account(wish.rep).await?;
        let now = self.state.clock.now();
        let target = Target {
            rep: wish.rep,
            month: wish.month,
            visits: wish.visits,
            sales: wish.sales,
            collected: wish.collected,
            set_by: by,
            set_at: now,
            reason: reason_of(&wish.reason)?,
        };
        target.validate(books).map_err(AdministrationError::Invalid)?;
        let shown = |amount: Option<Money>| amount.map_or_else(|| "–".to_owned(), |it| it.to_string());
        let visits = target.visits.map_or_else(|| "–".to_owned(), |it| it.to_string());
        let (sales, collected) = (shown(target.sales), shown(target.collected));
        let line = AuditEntry {
            at: now,
            actor: self.actor.clone(),
            action: "target.set".to_owned(),
            subject: account.login,
            detail: format!(
                "{}: visits {visits}, sales {sales}, collected {collected}: {}",
                target.month, target.reason
            ),
        };
        let change = LedgerChange {
            records: vec![LedgerRecord::Target(target.clone())],
            audit: vec![line],
            ..LedgerChange::default()
        };
        match self.state.store.write_change(self.org, None, Ok(change), now).await? {
            Decided::Done { .. } => {
                self.announce(StreamId::User(target.rep)).await?;
                Ok(target)
            }
            Decided::Refused(why) => Err(AdministrationError::Invalid(why)),
            Decided::Repeated { .. } | Decided::KeyReused | Decided::UnknownCustomer => Err(
                AdministrationError::Invalid(InvalidField::new("target", "could not be stored")),
            ),
        }
    }
}
