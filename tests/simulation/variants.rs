//! Deliberately broken protocols. Each breaks one promise; the simulation must catch every one of them, or it could not
//! be trusted to catch the same mistake in the real code.

/// Which promise is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variant {
    /// None: the real protocol.
    Sound,
    /// The server acknowledges every change and stores only some.
    AcknowledgeEverything,
    /// The phone takes a change for acknowledged as soon as it is sent.
    AcknowledgeOnSend,
    /// The server goes on with a cursor of another history as if it were its own.
    IgnoreLineage,
    /// After a restart of a stream the phone is not told to offer again what it holds.
    RestartWithoutOffers,
    /// Everything offered by name is said to be here.
    EveryOfferIsKnown,
    /// Entries are dropped from a page while its cursor is kept.
    LoseEntriesKeepCursor,
    /// The server leaves out whatever the asking device once wrote, instead of what it has just pushed.
    LeaveOutOwnChanges,
    /// Of two edits made side by side the server keeps the first and acknowledges both.
    FirstUploadWins,
    /// A refused change is acknowledged instead of told.
    SwallowRejections,
    /// One refused change refuses all that were pushed with it.
    OneBadBlocksAll,
    /// Waiting pages are announced as the last.
    StopAfterFirstPage,
    /// The phone drops what left its territories as soon as it is acknowledged, whether or not a backup covers it.
    DropAtAcknowledgement,
    /// The server says of everything it has that a backup covers it.
    ClaimBackups,
}

impl Variant {
    /// All that are broken.
    pub(crate) const BROKEN: [Self; 13] = [
        Self::AcknowledgeEverything,
        Self::AcknowledgeOnSend,
        Self::IgnoreLineage,
        Self::RestartWithoutOffers,
        Self::EveryOfferIsKnown,
        Self::LoseEntriesKeepCursor,
        Self::LeaveOutOwnChanges,
        Self::FirstUploadWins,
        Self::SwallowRejections,
        Self::OneBadBlocksAll,
        Self::StopAfterFirstPage,
        Self::DropAtAcknowledgement,
        Self::ClaimBackups,
    ];
}
