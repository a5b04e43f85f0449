//! The fields of a form, in the order in which they came; a name may come several times.

use axum::{
    Form,
    extract::{FromRequest, Request},
    response::{IntoResponse as _, Response},
};

use super::{error::PageError, page::Viewer};
use crate::state::AppState;

/// Most fields that a form of these pages has.
const MOST: usize = 10_000;

/// A form that was sent.
pub(super) struct Posted(Vec<(String, String)>);

impl FromRequest<AppState> for Posted {
    type Rejection = Response;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Response> {
        match Form::<Vec<(String, String)>>::from_request(request, state).await {
            Ok(Form(fields)) if fields.len() <= MOST => Ok(Self(fields)),
            _ => Err(PageError::BadField("error.form").into_response()),
        }
    }
}

impl Posted {
    /// Lets the form pass only when it carries the secret of the viewer's session.
    pub(super) fn check(&self, viewer: &Viewer) -> Result<(), PageError> {
        viewer.check_csrf(self.value("csrf"))
    }

    /// The first value under `name`; empty when there is none.
    pub(super) fn value(&self, name: &str) -> &str {
        self.values(name).next().unwrap_or_default()
    }

    /// Every value under `name`.
    pub(super) fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Every field.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Every value under `name`, read as `T`.
    ///
    /// # Errors
    /// [`PageError::BadField`] with `label`, the key of the field's name in the catalogue.
    pub(super) fn parsed<T: std::str::FromStr>(&self, name: &str, label: &'static str) -> Result<Vec<T>, PageError> {
        self.values(name)
            .filter(|it| !it.trim().is_empty())
            .map(|it| it.trim().parse().map_err(|_| PageError::BadField(label)))
            .collect()
    }
}
