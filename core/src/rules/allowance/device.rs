//! The phone's side: what it was promised, what it has spent, and what it can know of the time.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::model::{CustomerId, DocumentId, GrantClosing, GrantTerms, Money, Spend, Timestamp};

/// How far the wall clock may fall behind the monotonic one before that counts as a step back: clocks are slewed by
/// small amounts all the time.
const SLEW_MILLIS: i64 = 60_000;

/// What the phone's clocks say at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockReading {
    /// The wall clock, which anybody can set.
    pub wall: Timestamp,
    /// Milliseconds of a clock that only counts.
    pub monotonic_millis: u64,
    /// Which run of the monotonic clock: another number after each start of it (the phone's boot).
    pub run: u64,
}

/// Why a phone does not know the time well enough to spend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum ClockFreeze {
    /// It was started anew since the last sync.
    #[error("the phone was restarted; sync once")]
    Restarted,
    /// Its wall clock was set back since the last sync.
    #[error("the phone's clock was set back; sync once")]
    SetBack,
}

/// The phone's reckoning of the server's time: server time at the last sync plus what the monotonic clock has counted
/// since. Frozen after a restart or when the wall clock goes back, until the next sync. Safety never rests on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceClock {
    server_time: Timestamp,
    synced: ClockReading,
    /// The latest wall clock that was read since the sync.
    latest_wall: Timestamp,
    frozen: Option<ClockFreeze>,
}

impl DeviceClock {
    /// The clock after a sync that answered `server_time`.
    pub const fn synced(server_time: Timestamp, reading: ClockReading) -> Self {
        Self {
            server_time,
            synced: reading,
            latest_wall: reading.wall,
            frozen: None,
        }
    }

    /// The server's time as far as the phone can tell. Once frozen it stays so until the next sync, even when the wall
    /// clock is set forward again; keep the changed value.
    ///
    /// # Errors
    /// [`ClockFreeze`] with the reason.
    pub fn read(&mut self, now: ClockReading) -> Result<Timestamp, ClockFreeze> {
        if let Some(freeze) = self.frozen {
            return Err(freeze);
        }
        let counted = now.monotonic_millis.checked_sub(self.synced.monotonic_millis);
        let elapsed = match counted.map(i64::try_from) {
            Some(Ok(elapsed)) if now.run == self.synced.run => elapsed,
            _ => return Err(*self.frozen.insert(ClockFreeze::Restarted)),
        };
        let behind = elapsed.saturating_sub(now.wall.millis_since(self.synced.wall));
        let stepped = self.latest_wall.millis_since(now.wall);
        if behind > SLEW_MILLIS || stepped > SLEW_MILLIS {
            return Err(*self.frozen.insert(ClockFreeze::SetBack));
        }
        self.latest_wall = self.latest_wall.max(now.wall);
        Ok(self.server_time.plus_millis(elapsed))
    }
}

/// A grant on the phone that may spend it. Store it in the transaction that stores the order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct DeviceGrant {
    /// What the server promised.
    pub terms: GrantTerms,
    /// What was spent, by seq from 1 without gaps.
    #[serde(default)]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub spends: Vec<Spend>,
    /// Whether the server has asked for it back.
    #[serde(default)]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub recalled: bool,
    /// Whether the phone has closed it, for good.
    #[serde(default)]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub closed: bool,
}

/// Why an order is not guaranteed by a grant. Collected cash changes none of it: it counts once the server has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpendRefusal {
    /// Not enough is left.
    #[error("only {0} of the allowance is left")]
    TooSmall(Money),
    /// The account is on hold.
    #[error("the account is on hold")]
    OnHold,
    /// Its time is over.
    #[error("the allowance was valid until {0}")]
    Expired(Timestamp),
    /// The server has asked for it back.
    #[error("the office has asked for the allowance back")]
    Recalled,
    /// The phone has closed it.
    #[error("the allowance has been given back")]
    Closed,
    /// The phone does not know the time.
    #[error(transparent)]
    Clock(#[from] ClockFreeze),
    /// It was reserved for another customer.
    #[error("the allowance is for another customer")]
    Customer,
    /// It is in another currency.
    #[error("the allowance is in {}", .0.currency)]
    Currency(Money),
    /// Nothing, or less than nothing, is asked for.
    #[error("an amount must be more than zero")]
    NoAmount,
}

/// What is to be spent, and for whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpendRequest {
    /// The order.
    pub order: DocumentId,
    /// Who ordered.
    pub customer: CustomerId,
    /// The order's total.
    pub amount: Money,
    /// Whether the account is on hold, as far as the phone knows.
    pub on_hold: bool,
}

impl DeviceGrant {
    /// A grant of which nothing is spent.
    pub const fn new(terms: GrantTerms) -> Self {
        Self {
            terms,
            spends: Vec::new(),
            recalled: false,
            closed: false,
        }
    }

    /// What is left.
    pub fn remaining(&self) -> Money {
        self.spends.last().map_or(self.terms.amount, |it| it.remaining)
    }

    /// Spends on an order and writes the spend down (DOMAIN, offline allowance, 2). `clock` is what
    /// [`DeviceClock::read`] says now.
    ///
    /// # Errors
    /// [`SpendRefusal`] with the reason; then nothing has changed.
    pub fn spend(
        &mut self,
        request: &SpendRequest,
        clock: Result<Timestamp, ClockFreeze>,
    ) -> Result<Spend, SpendRefusal> {
        let left = self.remaining();
        if self.closed {
            return Err(SpendRefusal::Closed);
        }
        if self.recalled {
            return Err(SpendRefusal::Recalled);
        }
        if request.customer != self.terms.customer {
            return Err(SpendRefusal::Customer);
        }
        if request.amount.currency != left.currency {
            return Err(SpendRefusal::Currency(left));
        }
        if request.on_hold {
            return Err(SpendRefusal::OnHold);
        }
        let at = clock?;
        if at >= self.terms.not_after {
            return Err(SpendRefusal::Expired(self.terms.not_after));
        }
        if request.amount.amount <= Decimal::ZERO {
            return Err(SpendRefusal::NoAmount);
        }
        let rest = left.amount - request.amount.amount;
        if rest < Decimal::ZERO {
            return Err(SpendRefusal::TooSmall(left));
        }
        let spend = Spend {
            grant: self.terms.id,
            seq: self.spends.last().map_or(0, |it| it.seq).saturating_add(1),
            device: self.terms.device,
            customer: self.terms.customer,
            order: request.order,
            amount: request.amount,
            remaining: Money::new(rest, left.currency),
            at,
        };
        self.spends.push(spend.clone());
        Ok(spend)
    }

    /// Closes the grant for good and says what was spent (DOMAIN, offline allowance, 4): store it closed first, send
    /// the word then. Closing again says the same.
    pub fn close(&mut self) -> GrantClosing {
        self.closed = true;
        let spent = self.terms.amount.amount - self.remaining().amount;
        GrantClosing {
            grant: self.terms.id,
            device: self.terms.device,
            final_seq: self.spends.last().map_or(0, |it| it.seq),
            total: Money::new(spent, self.terms.amount.currency),
        }
    }
}
