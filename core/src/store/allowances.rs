use rusqlite::{Connection, Transaction};

use super::FieldStore;
use crate::{
    db::{allowances, meta},
    error::FieldError,
    model::{CustomerId, GrantId, Money, Timestamp},
    rules::allowance::{ClockFreeze, ClockReading, DeviceClock, DeviceGrant},
    sync::protocol::AllowanceWord,
};

/// An offline allowance (离线授信额度) as this phone has it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Allowance {
    /// The grant, with what was spent of it.
    pub grant: DeviceGrant,
    /// What is left.
    pub remaining: Money,
    /// Why nothing can be spent of it just now; `None` when it can.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub frozen: Option<String>,
}

impl FieldStore {
    /// The allowances that may still be spent, of one customer or of all.
    ///
    /// # Errors
    /// [`FieldError::Damaged`] and [`FieldError::Closed`], as every reading method.
    pub fn allowances(&self, customer: Option<CustomerId>) -> Result<Vec<Allowance>, FieldError> {
        let grants = self.read(|connection| allowances::open(connection, customer))?;
        let now = self.read(|connection| self.allowance_clock_in(connection))?;
        Ok(grants
            .into_iter()
            .map(|grant| Allowance {
                remaining: grant.remaining(),
                frozen: match now {
                    Err(freeze) => Some(freeze.to_string()),
                    Ok(now) if now >= grant.terms.not_after => {
                        Some(format!("it was valid until {}", grant.terms.not_after))
                    }
                    Ok(_) => None,
                },
                grant,
            })
            .collect())
    }

    /// Gives an allowance back: closes it for good, durably, and tells the server with the next sync. What is left is free
    /// for others once the server has every spend.
    ///
    /// # Errors
    /// [`FieldError::NotFound`] when this phone has no such allowance.
    pub fn return_allowance(&self, id: GrantId) -> Result<(), FieldError> {
        self.write(&[crate::store::Change::Status], |transaction| {
            let grant = allowances::get(transaction, id)?.ok_or(FieldError::NotFound)?;
            close(transaction, grant)
        })
    }

    /// Closes what was asked back and what has ended, so that the sync that follows can say so. For the sync side.
    ///
    /// # Errors
    /// [`FieldError`] of the database.
    #[doc(hidden)]
    pub fn close_finished_allowances(&self) -> Result<(), FieldError> {
        let now = self.read(|connection| self.allowance_clock_in(connection))?.ok();
        let finished = |grant: &DeviceGrant| !grant.closed && (grant.recalled || now >= Some(grant.terms.not_after));
        let any = self.read(|connection| Ok(allowances::unclosed(connection)?.iter().any(finished)))?;
        if !any {
            return Ok(());
        }
        self.write(&[], |transaction| {
            for grant in allowances::unclosed(transaction)?.into_iter().filter(finished) {
                close(transaction, grant)?;
            }
            Ok(())
        })
    }

    pub(super) fn clock_reading(&self) -> ClockReading {
        let boot = self.inner.options.clock.boot();
        ClockReading {
            wall: self.now(),
            monotonic_millis: boot.millis,
            run: boot.run,
        }
    }

    /// The phone's reckoning of the server's time; frozen before the first sync.
    pub(super) fn allowance_clock_in(
        &self,
        connection: &Connection,
    ) -> Result<Result<Timestamp, ClockFreeze>, FieldError> {
        let clock = meta::get::<DeviceClock>(connection, meta::ALLOWANCE_CLOCK)?;
        Ok(clock.map_or(Err(ClockFreeze::Restarted), |mut clock| {
            clock.read(self.clock_reading())
        }))
    }

    /// The server's time when it was last heard.
    pub(super) fn last_contact_in(&self, connection: &Connection) -> Result<Option<Timestamp>, FieldError> {
        let contact = meta::get::<meta::LastContact>(connection, meta::LAST_CONTACT)?;
        Ok(contact.map(|it| it.server_time))
    }

    /// Reads the reckoning and keeps it, so that a clock that was once found out stays frozen.
    pub(super) fn read_allowance_clock(
        &self,
        transaction: &Transaction<'_>,
    ) -> Result<Result<Timestamp, ClockFreeze>, FieldError> {
        let Some(mut clock) = meta::get::<DeviceClock>(transaction, meta::ALLOWANCE_CLOCK)? else {
            return Ok(Err(ClockFreeze::Restarted));
        };
        let now = clock.read(self.clock_reading());
        meta::set(transaction, meta::ALLOWANCE_CLOCK, &clock)?;
        Ok(now)
    }
}

/// Closed first and durably, said afterwards: a word that is lost is said again, a spend after the word is impossible.
fn close(transaction: &Transaction<'_>, mut grant: DeviceGrant) -> Result<(), FieldError> {
    let closing = grant.close();
    allowances::put(transaction, &grant)?;
    allowances::say(transaction, &AllowanceWord::Closed(closing))
}
