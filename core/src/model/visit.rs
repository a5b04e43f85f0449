use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::{
    CustomerId, DocumentKind, DocumentModel, Evidence, EvidenceHash, Geofence, InvalidField, Position, Timestamp,
    UserId, check_count, check_day, check_text,
};

/// A rep with a customer, from the plan to the check-out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Visit {
    /// Who is visited.
    pub customer: CustomerId,
    /// The rep whose visit it is.
    pub rep: UserId,
    /// The day it is planned for, in the organisation's time zone; `None` for a visit nobody planned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub planned_for: Option<NaiveDate>,
    /// Why the rep goes there.
    pub purpose: VisitPurpose,
    /// Arrival, with the position the phone declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub check_in: Option<CheckPoint>,
    /// Departure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub check_out: Option<CheckPoint>,
    /// What came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub outcome: Option<VisitOutcome>,
    /// What the rep wrote.
    #[serde(default)]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub note: String,
    /// What is to be done next, and by when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub next_step: Option<NextStep>,
    /// Why a planned visit did not take place; `None` while it still may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub cancelled: Option<String>,
    /// Photos, keyed by the hash of their bytes.
    #[serde(default)]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub evidence: BTreeMap<EvidenceHash, Evidence>,
}

/// Why a rep visits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
#[serde(rename_all = "snake_case")]
pub enum VisitPurpose {
    /// The usual round.
    Routine,
    /// To sell.
    Sales,
    /// To collect money.
    Collection,
    /// To deliver or follow up a delivery.
    Delivery,
    /// A complaint or a service case.
    Service,
    /// A customer not yet won.
    Prospect,
    /// To reconcile a statement.
    Reconciliation,
    /// A purpose that a newer version knows.
    #[serde(untagged)]
    Other(String),
}

/// What came of a visit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
#[serde(rename_all = "snake_case")]
pub enum VisitOutcome {
    /// The purpose was reached.
    Successful,
    /// An order was taken.
    OrderTaken,
    /// Money or a promise was obtained.
    PaymentObtained,
    /// Nobody with a say was there.
    ContactAbsent,
    /// The shop was closed.
    Closed,
    /// The customer declined.
    Declined,
    /// It needs another visit.
    FollowUp,
    /// An outcome that a newer version knows.
    #[serde(untagged)]
    Other(String),
}

/// Arrival or departure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct CheckPoint {
    /// When, by the phone's clock.
    pub at: Timestamp,
    /// Where, as the phone declared it; `None` when it gave no position.
    #[serde(rename = "pos", default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub position: Option<Position>,
    /// How that lies to the customer's known position.
    #[serde(rename = "fence")]
    pub geofence: Geofence,
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct NextStep {
    /// What.
    pub what: String,
    /// By when, in the organisation's time zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub due: Option<NaiveDate>,
}

/// How far a visit has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VisitState {
    /// Planned, not begun.
    Planned,
    /// Checked in.
    Open,
    /// Checked out.
    Done,
    /// Did not take place.
    Cancelled,
}

impl Visit {
    /// A visit nobody planned yet, with everything else empty.
    pub fn new(customer: CustomerId, rep: UserId, purpose: VisitPurpose) -> Self {
        Self {
            customer,
            rep,
            planned_for: None,
            purpose,
            check_in: None,
            check_out: None,
            outcome: None,
            note: String::new(),
            next_step: None,
            cancelled: None,
            evidence: BTreeMap::new(),
        }
    }

    /// How far it has got, told from what was recorded.
    pub fn state(&self) -> VisitState {
        match (&self.cancelled, &self.check_in, &self.check_out) {
            (_, _, Some(_)) => VisitState::Done,
            (_, Some(_), None) => VisitState::Open,
            (Some(_), None, None) => VisitState::Cancelled,
            (None, None, None) => VisitState::Planned,
        }
    }
}

impl DocumentModel for Visit {
    const KIND: DocumentKind = DocumentKind::Visit;

    fn customer(&self) -> CustomerId {
        self.customer
    }

    fn validate(&self) -> Result<(), InvalidField> {
        check_text("note", &self.note)?;
        check_count("evidence", self.evidence.len())?;
        if let Some(next) = &self.next_step {
            check_text("next_step.what", &next.what)?;
            check_day("next_step.due", next.due)?;
        }
        check_day("planned_for", self.planned_for)?;
        if let Some(reason) = &self.cancelled {
            check_text("cancelled", reason)?;
        }
        for point in [&self.check_in, &self.check_out].into_iter().flatten() {
            if let Some(position) = &point.position {
                position.validate()?;
            }
        }
        if self.check_out.is_some() && self.check_in.is_none() {
            return Err(InvalidField::new("check_out", "needs a check-in first"));
        }
        self.evidence.values().try_for_each(Evidence::validate)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_plan_or_a_next_step_decades_away_is_refused_by_name() {
        let plan = |planned: &str, due: &str| {
            let mut visit = Visit::new(
                CustomerId::from_bytes([1; 16]),
                UserId::from_bytes([2; 16]),
                VisitPurpose::Routine,
            );
            visit.planned_for = planned.parse().ok();
            visit.next_step = Some(NextStep {
                what: "call".to_owned(),
                due: due.parse().ok(),
            });
            visit.validate().map_err(|error| error.field)
        };
        assert_eq!(plan("2026-03-02", "2026-03-09"), Ok(()));
        // The phone's clock may be a decade off either way.
        assert_eq!(plan("2016-03-02", "2036-03-09"), Ok(()));
        assert_eq!(plan("2062-03-02", "2026-03-09"), Err("planned_for".to_owned()));
        assert_eq!(plan("0026-03-02", "2026-03-09"), Err("planned_for".to_owned()));
        assert_eq!(plan("2026-03-02", "9999-12-31"), Err("next_step.due".to_owned()));
    }
}
