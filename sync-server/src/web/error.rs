//! When a page cannot be shown.

use std::time::Duration;

use askama::Template as _;
use axum::{
    extract::Request,
    http::{HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{Html, IntoResponse, Redirect, Response},
};

use super::{
    messages::{Language, Text},
    page::{Frame, FrameSlot, MessagePage, page_of},
    refusal,
    sign_in::wait_in_words,
};
use crate::{blobs::BlobError, error::ApiError, ingest::OwnDocumentError, store::StoreError};

/// Why a page cannot be shown.
#[derive(Clone, Debug)]
pub(crate) enum PageError {
    /// The account works in the field.
    FieldWork,
    /// The role does not allow it.
    NotYourRole,
    /// The form's secret is missing or wrong.
    Csrf,
    /// Nothing there, or nothing this person may know of.
    NotFound,
    /// A link to a statement that has expired or was taken back.
    LinkOver,
    /// A value in the address or the form cannot be used; the key of its name in the catalogue.
    BadField(&'static str),
    /// The form was sent before with other contents.
    SentBefore,
    /// The record was changed at the same moment.
    Busy,
    /// Asked too often; how long to wait.
    TooMany(Duration),
    /// The server did not accept what was sent.
    Refused(String),
    /// Already logged.
    Internal,
}

impl PageError {
    fn status(&self) -> StatusCode {
        match self {
            Self::FieldWork | Self::NotYourRole | Self::Csrf => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::LinkOver => StatusCode::GONE,
            Self::BadField(_) => StatusCode::BAD_REQUEST,
            Self::Busy | Self::SentBefore => StatusCode::CONFLICT,
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Refused(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn words(&self, text: Text) -> (&'static str, String) {
        match self {
            Self::FieldWork => (text.t("error.forbidden"), text.t("error.field_work").to_owned()),
            Self::NotYourRole => (text.t("error.forbidden"), text.t("error.not_your_role").to_owned()),
            Self::Csrf => (text.t("error.forbidden"), text.t("error.csrf").to_owned()),
            Self::NotFound => (text.t("error.not_found"), text.t("error.not_found_text").to_owned()),
            Self::LinkOver => (text.t("statement.over"), text.t("statement.over_text").to_owned()),
            Self::BadField(key) => (
                text.t("error.bad_request"),
                text.fill("error.bad_field", "field", text.t(key)),
            ),
            Self::SentBefore => (text.t("error.title"), text.t("form.sent_before").to_owned()),
            Self::Busy => (text.t("error.title"), text.t("error.busy").to_owned()),
            Self::TooMany(wait) => (
                text.t("error.title"),
                text.fill("sign_in.locked", "time", wait_in_words(text, *wait)),
            ),
            Self::Refused(reason) => {
                let said = refusal::in_words(text, reason);
                let said = said.as_deref().unwrap_or(reason);
                (text.t("error.title"), text.fill("error.refused", "reason", said))
            }
            Self::Internal => (text.t("error.title"), text.t("error.internal").to_owned()),
        }
    }
}

impl From<StoreError> for PageError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(_) => Self::NotFound,
            StoreError::Conflict(_) => Self::Busy,
            other => {
                tracing::error!(error = %other, "a page could not be read from the store");
                Self::Internal
            }
        }
    }
}

impl From<ApiError> for PageError {
    fn from(error: ApiError) -> Self {
        match error.status {
            StatusCode::NOT_FOUND => Self::NotFound,
            StatusCode::FORBIDDEN => Self::NotYourRole,
            StatusCode::CONFLICT => Self::Busy,
            StatusCode::TOO_MANY_REQUESTS => Self::TooMany(error.retry_after.unwrap_or_default()),
            status if status.is_client_error() => Self::Refused(error.message),
            _ => Self::Internal,
        }
    }
}

impl From<BlobError> for PageError {
    fn from(error: BlobError) -> Self {
        tracing::error!(%error, "a file of evidence could not be read");
        Self::Internal
    }
}

impl From<OwnDocumentError> for PageError {
    fn from(error: OwnDocumentError) -> Self {
        match error {
            OwnDocumentError::Refused(refusal) => Self::Refused(refusal.message),
            OwnDocumentError::NotFound => Self::NotFound,
            OwnDocumentError::Busy => Self::Busy,
            OwnDocumentError::Store(error) => error.into(),
            OwnDocumentError::Edit(error) => {
                tracing::error!(%error, "a page could not change a document");
                Self::Internal
            }
        }
    }
}

impl From<askama::Error> for PageError {
    fn from(error: askama::Error) -> Self {
        tracing::error!(%error, "a page could not be rendered");
        Self::Internal
    }
}

impl IntoResponse for PageError {
    /// Carries the error to [`render`], which knows the reader's language.
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Turns a [`PageError`] into a page in the reader's language. Who opens the address of a form, as one does to load a page
/// again on which something was refused, comes to the page on which the form stands.
pub(super) async fn render(mut request: Request, next: Next) -> Response {
    let text = Text(Language::of_request(request.headers()));
    let path = request.uri().path().to_owned();
    let is_opened = request.method() == Method::GET
        && request
            .headers()
            .get("sec-fetch-dest")
            .is_none_or(|it| it.as_bytes() == b"document");
    let slot = FrameSlot::default();
    request.extensions_mut().insert(slot.clone());
    let response = next.run(request).await;
    if response.status() == StatusCode::METHOD_NOT_ALLOWED && is_opened {
        let page = page_of(&path);
        if page != path {
            return Redirect::to(&page).into_response();
        }
    }
    let Some(error) = response.extensions().get::<PageError>().cloned() else {
        return response;
    };
    let status = error.status();
    let (title, message) = error.words(text);
    let page = MessagePage {
        frame: slot.take().unwrap_or_else(|| Frame::bare(text)),
        title: title.to_owned(),
        message,
    };
    match page.render() {
        Ok(html) => {
            let mut response = (status, Html(html)).into_response();
            if let PageError::TooMany(wait) = error {
                let seconds = HeaderValue::from(wait.as_secs().saturating_add(1));
                response.headers_mut().insert(header::RETRY_AFTER, seconds);
            }
            response
        }
        Err(error) => {
            tracing::error!(%error, "the error page could not be rendered");
            status.into_response()
        }
    }
}
