use super::{Change, FieldStore, lock};
use crate::{
    db::{
        allowances,
        exchange::{self, Applied, Limits, Outgoing, Sent},
        meta,
    },
    error::FieldError,
    evidence::queue,
    rules::allowance::DeviceClock,
    store::LastContact,
    sync::protocol::SyncResponse,
};

impl FieldStore {
    /// Where the phone is and what it has to push. For the sync side.
    ///
    /// # Errors
    /// [`FieldError`] of the database.
    #[doc(hidden)]
    pub fn outgoing(&self, limits: Limits) -> Result<Outgoing, FieldError> {
        self.close_finished_allowances()?;
        let (push, sent, waiting) = self.read(|connection| exchange::outgoing(connection, limits))?;
        Ok(Outgoing {
            push,
            sent,
            waiting,
            words: self.read(allowances::words)?,
            device_time: self.now(),
            since_contact_millis: self.since_contact_millis(),
        })
    }

    /// Stores a reply in one transaction, then tells listeners. For the sync side.
    ///
    /// # Errors
    /// [`FieldError`] of the database; nothing is stored then.
    #[doc(hidden)]
    pub fn apply(&self, response: SyncResponse, sent: &Sent) -> Result<Applied, FieldError> {
        let contact = LastContact {
            server_time: response.server_time,
            phone_time: self.now(),
            monotonic_millis: self.inner.options.clock.monotonic_millis(),
        };
        let mut ask_about_evidence = false;
        let me = self.identity().map(|it| (it.user, it.device));
        let applied = self.write(&[], |transaction| {
            let applied = exchange::apply(transaction, response, sent, me, &mut || self.random_bytes())?;
            if !applied.restarted.is_empty() {
                ask_about_evidence = queue::ask_about_all(transaction)?;
            }
            if applied.refused.is_none() {
                meta::set(transaction, meta::LAST_CONTACT, &contact)?;
                if !applied.more {
                    // Until then records may be here whose counterparts are still to come.
                    meta::set(transaction, meta::CAUGHT_UP, &contact.server_time)?;
                }
                let clock = DeviceClock::synced(contact.server_time, self.clock_reading());
                meta::set(transaction, meta::ALLOWANCE_CLOCK, &clock)?;
                if let Some(token) = &applied.new_token {
                    meta::set(transaction, meta::TOKEN, token)?;
                }
            }
            Ok(applied)
        })?;
        if applied.refused.is_none() {
            *lock(&self.inner.contact) = Some(contact.monotonic_millis);
        }
        let evidence = ask_about_evidence.then_some(Change::Evidence);
        let changes: Vec<_> = applied.changes.iter().cloned().chain(evidence).collect();
        self.tell(&changes);
        Ok(applied)
    }
}
