//! The server's side after the promise: spends come in, phones close, time runs out, people write off.

use rust_decimal::Decimal;

use super::issue::hours;
use crate::model::{
    DocumentId, Grant, GrantClose, GrantClosing, GrantMode, GrantState, InvalidMoney, Money, SettledSpend, ShownGrant,
    Spend, SpendStanding, Timestamp, UserId,
};

/// How something came in from a phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The server's time.
    pub at: Timestamp,
    /// Whether the phone is reported lost: nothing it says approves or frees anything any more.
    pub revoked: bool,
}

/// What a spend did when it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// What became of it: only [`SpendStanding::Settled`] approves its order.
    pub standing: SpendStanding,
    /// Whether it had come in before; then nothing changed.
    pub again: bool,
    /// Orders that were approved by a spend with the same seq and go to review now.
    pub held: Vec<DocumentId>,
    /// Whether it was the last that a close had waited for: the rest of the grant is freed now.
    pub freed: bool,
}

/// What a close did when it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloseOutcome {
    /// Everything has arrived and matches: the rest is freed, now or before.
    Freed,
    /// Waits for these spends.
    Waiting(Vec<u32>),
    /// Everything has arrived and does not match what the phone said, or it said two things: nothing is freed without
    /// two people.
    Mismatch,
    /// From a phone that is reported lost, or of another grant or device: not looked at.
    Ignored,
}

/// Why two people's write-off does not free a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum NotFreed {
    /// A reason is missing.
    #[error("a write-off needs a reason")]
    NoReason,
    /// The grant reserves nothing any more.
    #[error("this grant is freed already")]
    AlreadyFreed,
    /// The same person twice.
    #[error("a second person has to agree to the write-off")]
    SamePerson,
}

/// Whether a grant in this state reserves nothing any more.
pub const fn is_freed(state: GrantState) -> bool {
    matches!(state, GrantState::Closed | GrantState::Expired | GrantState::WrittenOff)
}

/// What a grant still reserves: its part of G. Spends in conflict stay reserved while the grant is.
pub fn unsettled(grant: &Grant) -> Money {
    if is_freed(grant.state) {
        return Money::zero(grant.terms.amount.currency);
    }
    Money::new(never_settled(grant), grant.terms.amount.currency)
}

/// The most that this grant may turn out to have cost beyond what is settled: what is reserved, what waits for review,
/// and, freed without the phone's word, everything the phone may have spent and not sent.
pub fn worst_case(grant: &Grant) -> Money {
    let waiting: Decimal = grant
        .settled
        .iter()
        .filter(|it| it.standing != SpendStanding::Settled && it.amount.currency == grant.terms.amount.currency)
        .fold(Decimal::ZERO, |sum, it| sum.saturating_add(it.amount.amount));
    let told_all = grant.close.is_some() && missing(grant).is_empty();
    let unknown = if grant.state == GrantState::Closed || (is_freed(grant.state) && told_all) {
        Decimal::ZERO
    } else {
        never_settled(grant)
    };
    Money::new(waiting.max(unknown), grant.terms.amount.currency)
}

fn never_settled(grant: &Grant) -> Decimal {
    let settled = settled_ones(grant).fold(Decimal::ZERO, |sum, it| sum.saturating_add(it.amount.amount));
    (grant.terms.amount.amount - settled).max(Decimal::ZERO)
}

fn settled_ones(grant: &Grant) -> impl Iterator<Item = &SettledSpend> {
    grant.settled.iter().filter(|it| it.standing == SpendStanding::Settled)
}

/// Takes in a spend (DOMAIN, offline allowance, 3, 5 and 7). Whatever it says, it is kept in `grant.settled`.
/// Only a spend of another grant or from another device leaves no trace here, or any phone could spoil another's grant;
/// it is refused.
///
/// Idempotent on (grant, seq). Spends may come in any order; one with a gap before it is settled when what was left
/// allows for the gap. A settled amount leaves the reserve at once ([`unsettled`]), so the caller counts the order as
/// approved in the same transaction.
pub fn settle(grant: &mut Grant, spend: &Spend, arrival: Arrival) -> Settlement {
    let unchanged = |standing, again| Settlement {
        standing,
        again,
        held: Vec::new(),
        freed: false,
    };
    if spend.grant != grant.terms.id || spend.device != grant.terms.device {
        return unchanged(SpendStanding::Refused, false);
    }
    if let Some(known) = grant.settled.iter().find(|it| is_same(it, spend)) {
        return unchanged(known.standing, true);
    }
    let forked = grant
        .settled
        .iter()
        .any(|it| it.seq == spend.seq || (it.seq < spend.seq && it.standing == SpendStanding::Conflict));
    let mut held = Vec::new();
    let standing = if forked {
        for other in grant.settled.iter_mut().filter(|it| it.seq == spend.seq) {
            if other.standing == SpendStanding::Settled {
                held.push(other.order);
            }
            other.standing = SpendStanding::Conflict;
        }
        if grant.state == GrantState::Open {
            "two phones, or one that was set back, spent it".clone_into(&mut grant.reason);
            grant.state = GrantState::Recalled;
        }
        SpendStanding::Conflict
    } else if !is_for(grant, spend) {
        SpendStanding::Refused
    } else if is_freed(grant.state) || arrival.revoked {
        SpendStanding::Late
    } else if chains(grant, spend) {
        SpendStanding::Settled
    } else {
        SpendStanding::Refused
    };
    let place = grant.settled.partition_point(|it| it.seq <= spend.seq);
    grant.settled.insert(
        place,
        SettledSpend {
            seq: spend.seq,
            order: spend.order,
            amount: spend.amount,
            remaining: spend.remaining,
            at: spend.at,
            received_at: arrival.at,
            standing,
        },
    );
    let was_freed = is_freed(grant.state);
    let freed = !was_freed && !arrival.revoked && finish(grant) == Some(CloseOutcome::Freed);
    Settlement {
        standing,
        again: false,
        held,
        freed,
    }
}

/// The clock is left out: a phone that writes the same spend down twice has still spent once.
fn is_same(known: &SettledSpend, spend: &Spend) -> bool {
    known.seq == spend.seq
        && known.order == spend.order
        && known.amount == spend.amount
        && known.remaining == spend.remaining
}

/// Whether a spend is one that the terms allow at all.
fn is_for(grant: &Grant, spend: &Spend) -> bool {
    let terms = &grant.terms;
    let currency = terms.amount.currency;
    spend.customer == terms.customer
        && spend.seq > 0
        && spend.amount.currency == currency
        && spend.remaining.currency == currency
        && spend.amount.amount > Decimal::ZERO
        && spend.remaining.amount >= Decimal::ZERO
        && grant.close.as_ref().is_none_or(|close| spend.seq <= close.final_seq)
}

/// Whether what was left before and after the spend agrees with its settled neighbours; next to a gap, whether it leaves
/// room for what may have been spent there. Since nothing is left below zero, the sum never exceeds the grant.
fn chains(grant: &Grant, spend: &Spend) -> bool {
    let Some(left_before) = spend.remaining.amount.checked_add(spend.amount.amount) else {
        return false;
    };
    let before = settled_ones(grant).filter(|it| it.seq < spend.seq).last();
    let (seq, left) = before.map_or((0, grant.terms.amount.amount), |it| (it.seq, it.remaining.amount));
    let follows = agrees(seq, left, spend.seq, left_before);
    let after = settled_ones(grant).find(|it| it.seq > spend.seq);
    follows
        && after.is_none_or(|it| {
            let left_then = it.remaining.amount.saturating_add(it.amount.amount);
            agrees(spend.seq, spend.remaining.amount, it.seq, left_then)
        })
}

/// Whether `left` after the spend at `seq` may be what the later spend at `next` started from.
fn agrees(seq: u32, left: Decimal, next: u32, started_from: Decimal) -> bool {
    if next.checked_sub(seq) == Some(1) {
        started_from == left
    } else {
        started_from <= left
    }
}

/// The seqs of spends that are known to exist and have not come in.
pub fn missing(grant: &Grant) -> Vec<u32> {
    let newest = grant.settled.last().map_or(0, |it| it.seq);
    let last = grant.close.as_ref().map_or(newest, |it| it.final_seq.max(newest));
    // A phone can say any number: as many are named as a person would read.
    (1..=last)
        .filter(|seq| grant.settled.binary_search_by_key(seq, |it| it.seq).is_err())
        .take(100)
        .collect()
}

/// Takes in a phone's word that it spends no more (DOMAIN, offline allowance, 4). The rest is freed only once every
/// spend up to the last has arrived and their sum is what the phone says; until then the word is kept.
pub fn close(grant: &mut Grant, closing: &GrantClosing, arrival: Arrival) -> CloseOutcome {
    if closing.grant != grant.terms.id || closing.device != grant.terms.device || arrival.revoked {
        return CloseOutcome::Ignored;
    }
    match &grant.close {
        Some(known) if (known.final_seq, known.total) != (closing.final_seq, closing.total) => {
            if grant.state == GrantState::Open {
                grant.state = GrantState::Recalled;
            }
            return CloseOutcome::Mismatch;
        }
        Some(_) => {}
        // Kept for a grant that was freed already, too: it says what the phone can still have spent at most.
        None => {
            grant.close = Some(GrantClose {
                final_seq: closing.final_seq,
                total: closing.total,
                received_at: arrival.at,
            });
        }
    }
    finish(grant).unwrap_or(CloseOutcome::Ignored)
}

/// Frees a grant whose close is complete; `None` when the phone has not closed it.
fn finish(grant: &mut Grant) -> Option<CloseOutcome> {
    let close = grant.close.as_ref()?;
    if is_freed(grant.state) {
        return Some(CloseOutcome::Freed);
    }
    let missing = missing(grant);
    if !missing.is_empty() {
        return Some(CloseOutcome::Waiting(missing));
    }
    let sum = grant
        .settled
        .iter()
        .try_fold(Money::zero(close.total.currency), |sum, it| sum.checked_add(it.amount));
    // What a lost phone sent is kept as late and was not settled: its word frees nothing either.
    let clear = |it: &SettledSpend| matches!(it.standing, SpendStanding::Settled | SpendStanding::Refused);
    let beyond = grant.settled.last().is_some_and(|it| it.seq > close.final_seq);
    if beyond || sum != Ok(close.total) || !grant.settled.iter().all(clear) {
        return Some(CloseOutcome::Mismatch);
    }
    grant.state = GrantState::Closed;
    Some(CloseOutcome::Freed)
}

/// Asks a grant back; true when that is new. It stays reserved until the phone closes it.
pub fn recall(grant: &mut Grant, reason: &str) -> bool {
    let is_new = grant.state == GrantState::Open;
    if is_new {
        grant.state = GrantState::Recalled;
        reason.clone_into(&mut grant.reason);
    }
    is_new
}

/// A grant that a restored server takes back from the phone that shows it, open and with nothing settled: whoever calls
/// has made sure of the signature. What the phone has spent and closed it says again.
pub fn take_back(shown: ShownGrant, now: Timestamp) -> Grant {
    Grant {
        terms: shown.terms,
        signature: shown.signature,
        state: GrantState::Open,
        settled: Vec::new(),
        close: None,
        reason: String::new(),
        written_off_by: Vec::new(),
        taken_back_at: Some(now),
    }
}

/// Frees a lease whose grace is over by the server's clock; true when it does now. A strict grant never ends by time:
/// the goods may have been handed over.
pub fn expire(grant: &mut Grant, grace_hours: u32, now: Timestamp) -> bool {
    let ends_at = grant
        .taken_back_at
        .map_or(grant.terms.not_after, |it| it.max(grant.terms.not_after));
    let over = now >= ends_at.plus_millis(hours(grace_hours));
    let ends = grant.terms.mode == GrantMode::Lease && over && !is_freed(grant.state);
    if ends {
        grant.state = GrantState::Expired;
    }
    ends
}

/// Proposes to write a grant off, or agrees to it as the second person; true when it is freed now.
///
/// # Errors
/// [`NotFreed`] without a reason, for a grant that is freed, and when the same person asks twice.
pub fn write_off(grant: &mut Grant, by: UserId, reason: &str) -> Result<bool, NotFreed> {
    if is_freed(grant.state) {
        return Err(NotFreed::AlreadyFreed);
    }
    if reason.trim().is_empty() {
        return Err(NotFreed::NoReason);
    }
    if grant.written_off_by.contains(&by) {
        return Err(NotFreed::SamePerson);
    }
    grant.written_off_by.push(by);
    reason.clone_into(&mut grant.reason);
    let agreed = grant.written_off_by.len() > 1;
    grant.state = if agreed {
        GrantState::WrittenOff
    } else {
        GrantState::Recalled
    };
    Ok(agreed)
}

/// The sum of [`unsettled`] over a customer's grants: G.
///
/// # Errors
/// [`InvalidMoney`] when a grant is in another currency than `zero`, or the sum overflows.
pub fn reserved(grants: &[Grant], zero: Money) -> Result<Money, InvalidMoney> {
    let live = grants.iter().filter(|it| !is_freed(it.state));
    live.map(unsettled).try_fold(zero, Money::checked_add)
}
