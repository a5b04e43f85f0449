//! Whole files and parts of them, as HTTP asks for them (RFC 9110). A file's strong entity tag is its hash: the same
//! on every server that has it, whenever it came there.

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use fieldledger_core::model::{EvidenceHash, OrganisationId};
use tower_http::services::ServeFile;

use super::{BlobError, Blobs};

impl Blobs {
    /// Answers `request` with a whole file, or with the one part of it that `Range` asks for: 206, or 416 when the file
    /// has no such bytes or more than one part is asked for. Where `If-Range` names another file, with the whole. Who
    /// says by `If-None-Match` that they have it is answered 304.
    ///
    /// # Errors
    /// [`BlobError::Disk`].
    pub async fn serve(
        &self,
        organisation: OrganisationId,
        hash: EvidenceHash,
        mut request: Request,
    ) -> Result<Response, BlobError> {
        let tag = format!("\"{hash}\"");
        let headers = request.headers_mut();
        let said = |value: &HeaderValue| value.to_str().unwrap_or_default().trim().to_owned();
        let known = headers.remove(header::IF_NONE_MATCH);
        let range_of = headers.remove(header::IF_RANGE);
        if range_of.is_some_and(|it| said(&it) != tag)
            || headers.get(header::RANGE).is_some_and(|it| !in_bytes(&said(it)))
        {
            headers.remove(header::RANGE);
        }
        // When the file came to this disk says nothing about it, and so makes no difference.
        for name in [header::IF_MATCH, header::IF_MODIFIED_SINCE, header::IF_UNMODIFIED_SINCE] {
            headers.remove(name);
        }
        let mut response = if known.is_some_and(|it| lists(&said(&it), &tag)) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            let served = ServeFile::new(self.path(organisation, hash)).try_call(request).await?;
            served.map(Body::new)
        };
        response.headers_mut().remove(header::LAST_MODIFIED);
        if response.status() != StatusCode::NOT_FOUND
            && let Ok(tag) = HeaderValue::try_from(tag)
        {
            response.headers_mut().insert(header::ETAG, tag);
        }
        Ok(response)
    }
}

/// Whether a `Range` counts bytes. One that counts something else is to be left aside.
fn in_bytes(range: &str) -> bool {
    let unit = range.split('=').next().unwrap_or_default();
    unit.trim().eq_ignore_ascii_case("bytes")
}

/// Whether the entity tags of an `If-None-Match` are of a file whose own is `tag`.
fn lists(tags: &str, tag: &str) -> bool {
    tags.split(',')
        .any(|it| matches!(it.trim(), "*") || it.trim().trim_start_matches("W/") == tag)
}
