//! Ways of giving credit to phones that look reasonable and are wrong. Each is played on top of the real code; the
//! checks of the simulation must catch every one of them.

/// What is done wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// Nothing: the real code as it is.
    Nothing,
    /// Phones decide by the limit and the exposure they saw last and call that a guarantee; the office takes what comes.
    CachedLimit,
    /// A grant is free at its end by the office's clock; what comes later is accepted all the same.
    FreeAtExpiryAcceptLate,
    /// A grant that is asked back is free at once, before the phone has closed it.
    FreeBeforeClose,
    /// The phone writes the order first and the spend afterwards; sometimes it dies in between.
    SpendInAnotherTransaction,
    /// A word that comes again counts again.
    DuplicateWordsCount,
    /// Two spends in one place of a grant are both accepted.
    CloneUnnoticed,
    /// The phone believes its wall clock.
    TrustTheWallClock,
    /// Two approvals read where the customer stands first, and write afterwards.
    CheckOutsideTheLock,
    /// A restored server does not look at the grants that phones show it.
    IgnoreShownGrants,
}

impl Wrong {
    /// What must be caught in every run of the tests.
    pub(crate) const WAYS: [Self; 7] = [
        Self::CachedLimit,
        Self::FreeAtExpiryAcceptLate,
        Self::FreeBeforeClose,
        Self::SpendInAnotherTransaction,
        Self::DuplicateWordsCount,
        Self::CheckOutsideTheLock,
        Self::IgnoreShownGrants,
    ];
    /// What shows too seldom for that: tried when `FIELDLEDGER_VARIANT` names it.
    pub(crate) const SELDOM: [Self; 2] = [Self::CloneUnnoticed, Self::TrustTheWallClock];
}
