use chrono::NaiveDate;

use super::{Document, FieldStore};
use crate::{
    error::FieldError,
    model::{
        CheckPoint, CustomerId, DocumentId, InvalidField, NextStep, Position, Visit, VisitOutcome, VisitPurpose,
        VisitState,
    },
    rules::geofence,
};

/// Radius in metres of the geofence while the company's own is not known.
const DEFAULT_GEOFENCE_METRES: u32 = 200;

/// What a rep says when leaving.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct CheckOut {
    /// Where the phone says it is.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub position: Option<Position>,
    /// What came of the visit.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub outcome: Option<VisitOutcome>,
    /// What the rep wrote; `None` keeps what is there.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub note: Option<String>,
    /// What is to be done next; `None` keeps what is there.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub next_step: Option<NextStep>,
}

impl FieldStore {
    /// Plans a visit for a day.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn plan_visit(
        &self,
        customer: CustomerId,
        day: NaiveDate,
        purpose: VisitPurpose,
    ) -> Result<Document<Visit>, FieldError> {
        let mut visit = Visit::new(customer, self.require_identity()?.user, purpose);
        visit.planned_for = Some(day);
        self.create(visit)
    }

    /// Starts a visit that nobody planned: created and checked in at once.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn start_visit(
        &self,
        customer: CustomerId,
        purpose: VisitPurpose,
        position: Option<Position>,
    ) -> Result<Document<Visit>, FieldError> {
        let mut visit = Visit::new(customer, self.require_identity()?.user, purpose);
        visit.check_in = Some(self.check_point(customer, position)?);
        self.create(visit)
    }

    /// Checks in to a planned visit.
    ///
    /// # Errors
    /// [`FieldError::Invalid`] when it has begun or was cancelled; as [`Self::save`].
    pub fn check_in(&self, id: DocumentId, position: Option<Position>) -> Result<Document<Visit>, FieldError> {
        let mut visit = self.visit(id)?.ok_or(FieldError::NotFound)?;
        require_state(
            &visit.value,
            VisitState::Planned,
            "check_in",
            "this visit has begun or was cancelled",
        )?;
        visit.value.check_in = Some(self.check_point(visit.value.customer, position)?);
        self.save(&visit)
    }

    /// Checks out, with what came of the visit.
    ///
    /// # Errors
    /// [`FieldError::Invalid`] unless the visit is open; as [`Self::save`].
    pub fn check_out(&self, id: DocumentId, leaving: CheckOut) -> Result<Document<Visit>, FieldError> {
        let mut visit = self.visit(id)?.ok_or(FieldError::NotFound)?;
        require_state(
            &visit.value,
            VisitState::Open,
            "check_out",
            "only an open visit is checked out of",
        )?;
        visit.value.check_out = Some(self.check_point(visit.value.customer, leaving.position)?);
        visit.value.outcome = leaving.outcome.or(visit.value.outcome);
        if let Some(note) = leaving.note {
            visit.value.note = note;
        }
        visit.value.next_step = leaving.next_step.or(visit.value.next_step);
        self.save(&visit)
    }

    /// Says why a planned visit does not take place.
    ///
    /// # Errors
    /// [`FieldError::Invalid`] when it has begun or no reason is given; as [`Self::save`].
    pub fn cancel_visit(&self, id: DocumentId, reason: &str) -> Result<Document<Visit>, FieldError> {
        let mut visit = self.visit(id)?.ok_or(FieldError::NotFound)?;
        require_state(
            &visit.value,
            VisitState::Planned,
            "cancelled",
            "only a planned visit is cancelled",
        )?;
        if reason.trim().is_empty() {
            return Err(InvalidField::new("cancelled", "say why the visit does not take place").into());
        }
        visit.value.cancelled = Some(reason.to_owned());
        self.save(&visit)
    }

    /// Here and now, against where the customer is known to be. A declared position is kept even when it is doubtful.
    fn check_point(&self, customer: CustomerId, position: Option<Position>) -> Result<CheckPoint, FieldError> {
        let known = self.customer(customer)?.and_then(|it| it.position);
        let radius = self
            .organisation()?
            .map_or(DEFAULT_GEOFENCE_METRES, |profile| profile.geofence_metres);
        Ok(CheckPoint {
            at: self.now(),
            position,
            geofence: geofence::verdict(position.as_ref(), known.as_ref(), radius),
        })
    }
}

fn require_state(visit: &Visit, state: VisitState, field: &str, message: &str) -> Result<(), FieldError> {
    if visit.state() == state {
        Ok(())
    } else {
        Err(InvalidField::new(field, message).into())
    }
}
