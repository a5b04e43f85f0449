//! How long people took: the three timers of a receipt and the confirmations of a delivery (DOMAIN §2.2, §2.4).
//!
//! A timer runs from one event to another. Exactly at its limit is in time. Every moment comes from the caller; events
//! that another clock puts before the start took no time at all.

use crate::model::{Delivery, Party, Receipt, TimerPolicy, Timestamp};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

/// The timers of a receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
pub enum ReceiptTimer {
    /// Finance tells sales, from the moment finance knew of the money.
    TellSales,
    /// Sales confirms it to the customer, from the moment sales was told.
    TellCustomer,
    /// The receipt or invoice goes out, from the moment finance knew of the money.
    SendDocument,
}

/// How a timer stands. Durations are in milliseconds and never negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
pub enum TimerState {
    /// The event it counts from has not happened.
    NotStarted,
    /// Not done, in time so far.
    Running {
        /// Since the start.
        elapsed: i64,
        /// Until the limit.
        left: i64,
    },
    /// Done in time.
    Met {
        /// From start to end.
        took: i64,
    },
    /// Too late: done after the limit, or not done though it has passed.
    Missed {
        /// From start to end; `None` while it is not done.
        took: Option<i64>,
        /// Past the limit, so far or when it was done.
        over: i64,
    },
}

impl TimerState {
    /// A timer of `limit` milliseconds from `start` to `end`, looked at `now`.
    pub fn of(start: Option<Timestamp>, end: Option<Timestamp>, limit: i64, now: Timestamp) -> Self {
        let Some(start) = start.or(end) else {
            return Self::NotStarted;
        };
        let elapsed = end.unwrap_or(now).millis_since(start).max(0);
        match end {
            Some(_) if elapsed <= limit => Self::Met { took: elapsed },
            None if elapsed <= limit => Self::Running {
                elapsed,
                left: limit - elapsed,
            },
            _ => Self::Missed {
                took: end.map(|_| elapsed),
                over: elapsed.saturating_sub(limit),
            },
        }
    }

    /// Whether somebody should still act, and is late.
    pub const fn is_late_and_open(self) -> bool {
        matches!(self, Self::Missed { took: None, .. })
    }
}

/// The three timers of a receipt, in their order. A receipt whose arrival nobody timed (an import) has not started any.
pub fn receipt_timers(receipt: &Receipt, policy: &TimerPolicy, now: Timestamp) -> [(ReceiptTimer, TimerState); 3] {
    let arrived = receipt.arrived_at;
    // A customer who was told before sales was: counted from the arrival, as nothing else is known.
    let sales_told = receipt.sales_told_at.or_else(|| receipt.customer_told_at.and(arrived));
    let timer = |start, end, limit| TimerState::of(start, end, limit, now);
    [
        (
            ReceiptTimer::TellSales,
            timer(
                arrived,
                receipt.sales_told_at,
                i64::from(policy.tell_sales_minutes) * MINUTE,
            ),
        ),
        (
            ReceiptTimer::TellCustomer,
            timer(
                sales_told,
                receipt.customer_told_at,
                i64::from(policy.tell_customer_minutes) * MINUTE,
            ),
        ),
        (
            ReceiptTimer::SendDocument,
            timer(
                arrived,
                receipt.document_sent_at,
                i64::from(policy.send_document_hours) * HOUR,
            ),
        ),
    ]
}

/// How the three confirmations of a delivery stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryTimers {
    /// Each party's timer, from the signature of the customer. An answer counts, also one that disputes.
    pub parties: [(Party, TimerState); 3],
}

impl DeliveryTimers {
    /// The parties that are silent though their time has passed: with any, the delivery escalates.
    pub fn escalates(&self) -> Vec<Party> {
        let late = self.parties.iter().filter(|(_, state)| state.is_late_and_open());
        late.map(|(party, _)| *party).collect()
    }
}

/// How the confirmations of a delivery stand; nothing has started while nobody has signed for it.
pub fn delivery_timers(delivery: &Delivery, policy: &TimerPolicy, now: Timestamp) -> DeliveryTimers {
    let signed = delivery.receiver.as_ref().map(|it| it.at);
    let limit = i64::from(policy.confirm_delivery_hours) * HOUR;
    let state = |party: Party| match signed {
        None => TimerState::NotStarted,
        start => {
            let answered = delivery.confirmations.get(&party).map(|it| it.at);
            TimerState::of(start, answered, limit, now)
        }
    };
    DeliveryTimers {
        parties: Party::ALL.map(|party| (party, state(party))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::model::{Confirmation, ConfirmationVerdict, Currency, CustomerId, Money, Receiver, UserId};

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_millis(1_770_000_000_000 + minutes * MINUTE)
    }

    fn receipt() -> Receipt {
        let mut receipt = Receipt::cleared(
            "R1",
            CustomerId::from_bytes([1; 16]),
            "2026-03-02".parse().unwrap(),
            Money::new(100.into(), Currency::CNY),
        );
        receipt.arrived_at = Some(at(0));
        receipt
    }

    fn state(receipt: &Receipt, timer: ReceiptTimer, now: Timestamp) -> TimerState {
        let timers = receipt_timers(receipt, &TimerPolicy::default(), now);
        timers.iter().find(|(name, _)| *name == timer).unwrap().1
    }

    #[test]
    fn a_timer_that_ends_exactly_at_its_limit_is_met() {
        let mut receipt = receipt();
        receipt.sales_told_at = Some(at(10));
        receipt.customer_told_at = Some(at(40));
        receipt.document_sent_at = Some(at(24 * 60));
        let states = receipt_timers(&receipt, &TimerPolicy::default(), at(100_000)).map(|(_, state)| state);
        assert_eq!(
            states,
            [
                TimerState::Met { took: 10 * MINUTE },
                TimerState::Met { took: 30 * MINUTE },
                TimerState::Met { took: 24 * HOUR },
            ]
        );
    }

    #[test]
    fn a_millisecond_more_misses_it() {
        let mut receipt = receipt();
        receipt.sales_told_at = Some(at(10).plus_millis(1));
        receipt.customer_told_at = Some(at(40).plus_millis(2));
        receipt.document_sent_at = Some(at(24 * 60).plus_millis(1));
        for (timer, state) in receipt_timers(&receipt, &TimerPolicy::default(), at(100_000)) {
            assert!(
                matches!(state, TimerState::Missed { took: Some(_), over: 1 }),
                "{timer:?} {state:?}"
            );
        }
    }

    #[test]
    fn what_is_not_done_runs_and_then_is_missed_with_how_long_ago() {
        let receipt = receipt();
        assert_eq!(
            state(&receipt, ReceiptTimer::TellSales, at(10)),
            TimerState::Running {
                elapsed: 10 * MINUTE,
                left: 0
            }
        );
        let late = state(&receipt, ReceiptTimer::TellSales, at(12));
        assert_eq!(
            late,
            TimerState::Missed {
                took: None,
                over: 2 * MINUTE
            }
        );
        assert!(late.is_late_and_open());
        assert_eq!(
            state(&receipt, ReceiptTimer::TellCustomer, at(12)),
            TimerState::NotStarted,
            "sales cannot confirm what it does not know"
        );
    }

    #[test]
    fn a_customer_told_before_sales_was_is_measured_from_the_arrival() {
        let mut receipt = receipt();
        receipt.customer_told_at = Some(at(31));
        assert_eq!(
            state(&receipt, ReceiptTimer::TellCustomer, at(60)),
            TimerState::Missed {
                took: Some(31 * MINUTE),
                over: MINUTE
            }
        );
        receipt.sales_told_at = Some(at(35));
        assert_eq!(
            state(&receipt, ReceiptTimer::TellCustomer, at(60)),
            TimerState::Met { took: 0 }
        );
    }

    #[test]
    fn an_imported_receipt_has_no_timers() {
        let mut receipt = receipt();
        receipt.arrived_at = None;
        for (_, state) in receipt_timers(&receipt, &TimerPolicy::default(), at(5)) {
            assert_eq!(state, TimerState::NotStarted);
        }
    }

    #[test]
    fn a_delivery_escalates_when_a_party_is_silent_for_more_than_its_hours() {
        let customer = CustomerId::from_bytes([1; 16]);
        let mut delivery = Delivery::new(customer, UserId::from_bytes([2; 16]), "DN-1");
        let policy = TimerPolicy::default();
        let day = 24 * 60;
        assert_eq!(delivery_timers(&delivery, &policy, at(10 * day)).escalates(), []);
        delivery.receiver = Some(Receiver {
            name: "Li".to_owned(),
            phone: None,
            at: at(0),
            position: None,
        });
        let said = |minutes, verdict| Confirmation::new(verdict, "Li", at(minutes), "2 short");
        delivery
            .confirmations
            .insert(Party::Customer, said(day, ConfirmationVerdict::Disputed));
        delivery
            .confirmations
            .insert(Party::Warehouse, said(-30, ConfirmationVerdict::Confirmed));
        assert_eq!(delivery_timers(&delivery, &policy, at(day)).escalates(), []);
        let later = delivery_timers(&delivery, &policy, at(day + 1));
        assert_eq!(later.escalates(), [Party::Sales]);
        assert_eq!(
            later.parties,
            [
                (
                    Party::Sales,
                    TimerState::Missed {
                        took: None,
                        over: MINUTE
                    }
                ),
                (Party::Customer, TimerState::Met { took: 24 * HOUR }),
                (Party::Warehouse, TimerState::Met { took: 0 }),
            ]
        );
        // Late, but nobody has to act any more.
        delivery
            .confirmations
            .insert(Party::Sales, said(day + 5, ConfirmationVerdict::Confirmed));
        assert_eq!(delivery_timers(&delivery, &policy, at(3 * day)).escalates(), []);
    }
}
