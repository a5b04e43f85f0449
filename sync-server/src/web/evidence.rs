//! Files of evidence: which of a record's have arrived, and the files themselves.

use std::collections::{BTreeSet, HashMap, HashSet};

use axum::{
    extract::{Path, Request, State},
    http::{HeaderMap, HeaderValue, header},
    response::Response,
};
use chrono_tz::Tz;
use fieldledger_core::model::{DocumentId, Evidence, EvidenceHash, Timestamp};

use super::{
    error::PageError,
    format::Moment,
    page::Viewer,
    record::{self, Photo},
};
use crate::{
    api,
    state::AppState,
    store::{EvidenceFile, StoredDocument},
};

/// A file as a gallery shows it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PhotoFile {
    /// Where it is.
    pub(crate) href: String,
    /// How it is shown.
    pub(crate) shown_as: ShownAs,
    /// When it arrived.
    pub(crate) arrived_at: Moment,
}

/// What a browser makes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ShownAs {
    /// A picture.
    Picture,
    /// A film.
    Video,
    /// Something to be saved.
    Download,
}

impl ShownAs {
    pub(crate) fn is_picture(self) -> bool {
        self == Self::Picture
    }
    pub(crate) fn is_video(self) -> bool {
        self == Self::Video
    }
}

/// What is shown in the browser, with the ending of its name. Anything else a phone may declare, as a page or a drawing with
/// a script in it, is only ever saved.
const SHOWN: [(&str, &str, ShownAs); 11] = [
    ("image/jpeg", "jpg", ShownAs::Picture),
    ("image/png", "png", ShownAs::Picture),
    ("image/webp", "webp", ShownAs::Picture),
    ("image/gif", "gif", ShownAs::Picture),
    ("image/avif", "avif", ShownAs::Picture),
    ("video/mp4", "mp4", ShownAs::Video),
    ("video/webm", "webm", ShownAs::Video),
    ("video/quicktime", "mov", ShownAs::Video),
    // Few browsers show these, and a PDF brings scripts of its own.
    ("image/heic", "heic", ShownAs::Download),
    ("image/heif", "heif", ShownAs::Download),
    ("application/pdf", "pdf", ShownAs::Download),
];

/// Media type, ending of the name and how it is shown, by what the phone declared.
fn known(declared: &str) -> (&'static str, &'static str, ShownAs) {
    let essence = declared
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let found = SHOWN.iter().find(|(name, ..)| *name == essence);
    found.map_or(("application/octet-stream", "bin", ShownAs::Download), |it| *it)
}

/// Files of evidence that have arrived and that the reader may see, by the document that names them.
pub(crate) type Arrived = HashMap<(DocumentId, EvidenceHash), Timestamp>;

/// Which files of these documents have arrived.
pub(crate) async fn arrived<'d>(
    app: &AppState,
    viewer: &Viewer,
    documents: impl IntoIterator<Item = &'d StoredDocument>,
) -> Result<Arrived, PageError> {
    let org = viewer.account.organisation;
    let named: Vec<(DocumentId, EvidenceHash, u64)> = documents
        .into_iter()
        .flat_map(|it| it.evidence().into_iter().map(|(hash, piece)| (it.id, hash, piece.size)))
        .collect();
    let hashes: BTreeSet<EvidenceHash> = named.iter().map(|it| it.1).collect();
    let mut files: HashMap<EvidenceHash, Vec<EvidenceFile>> = HashMap::new();
    for file in app.store.evidence_files(org, &Vec::from_iter(hashes)).await? {
        files.entry(file.hash).or_default().push(file);
    }
    let of = |hash: &EvidenceHash, size: u64| files.get(hash).into_iter().flatten().filter(move |it| it.size == size);
    // A file that was brought for another record is shown to whoever may read that one.
    let sent_for_others = named
        .iter()
        .filter(|(document, hash, size)| !of(hash, *size).any(|it| it.document == *document));
    let others: BTreeSet<DocumentId> = sent_for_others
        .flat_map(|(_, hash, size)| of(hash, *size).map(|it| it.document))
        .collect();
    let others = app.store.documents(org, &Vec::from_iter(others)).await?;
    let readable: HashSet<DocumentId> = others
        .into_iter()
        .flatten()
        .filter(|it| viewer.may_read(it.stream))
        .map(|it| it.id)
        .collect();
    let arrived = named.into_iter().filter_map(|(document, hash, size)| {
        let mut files = of(&hash, size);
        let seen = files.find(|it| it.document == document || readable.contains(&it.document))?;
        Some(((document, hash), seen.arrived_at))
    });
    Ok(arrived.collect())
}

/// Gives the photos of a record the files that have arrived.
pub(crate) fn attach(photos: &mut [Photo], document: DocumentId, arrived: &Arrived, zone: Tz) {
    for photo in photos {
        let at = photo.hash.parse().ok().and_then(|hash| arrived.get(&(document, hash)));
        photo.file = at.map(|at| PhotoFile {
            href: format!("/records/{document}/evidence/{}", photo.hash),
            shown_as: known(&photo.media_type).2,
            arrived_at: Moment::new(*at, zone),
        });
    }
}

/// One file, for whoever may read the record.
pub(super) async fn file(
    State(app): State<AppState>,
    viewer: Viewer,
    Path((id, hash)): Path<(String, String)>,
    request: Request,
) -> Result<Response, PageError> {
    let org = viewer.account.organisation;
    let hash: EvidenceHash = hash.parse().map_err(|_| PageError::NotFound)?;
    let record = record::find(&app, &viewer, &id).await?;
    let piece: Evidence = record.evidence().remove(&hash).ok_or(PageError::NotFound)?;
    let arrived = api::arrived_for(&app, org, &record, &piece, hash, |stream| viewer.may_read(stream)).await?;
    if arrived.is_none() {
        return Err(PageError::NotFound);
    }
    let (media_type, ending, shown_as) = known(&piece.media_type);
    // The bytes never change, but who may see them does: the browser asks each time.
    let mut headers = HeaderMap::new();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    for (name, value) in [
        (header::CONTENT_TYPE, media_type.to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!(
                "{}; filename=\"{}.{ending}\"",
                if shown_as == ShownAs::Download {
                    "attachment"
                } else {
                    "inline"
                },
                &hash.to_string()[..16]
            ),
        ),
    ] {
        // Hexadecimal digits and names of ours.
        headers.insert(name, HeaderValue::try_from(value).map_err(|_| PageError::Internal)?);
    }
    // What a browser builds around a picture or a film that is opened by itself, and nothing that could come out of the file.
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; sandbox; \
             frame-ancestors 'none'",
        ),
    );
    let mut response = app.blobs.serve(org, hash, request).await?;
    response.headers_mut().extend(headers);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pictures_and_films_are_shown_whatever_a_phone_declares() {
        for (declared, expected) in [
            ("image/jpeg", ("image/jpeg", ShownAs::Picture)),
            ("IMAGE/PNG; charset=binary", ("image/png", ShownAs::Picture)),
            ("video/mp4", ("video/mp4", ShownAs::Video)),
            ("image/svg+xml", ("application/octet-stream", ShownAs::Download)),
            ("text/html", ("application/octet-stream", ShownAs::Download)),
            ("application/pdf", ("application/pdf", ShownAs::Download)),
            ("image/heic", ("image/heic", ShownAs::Download)),
            ("image/jpeg\r\nx: y", ("application/octet-stream", ShownAs::Download)),
            ("", ("application/octet-stream", ShownAs::Download)),
        ] {
            let (media_type, _, shown_as) = known(declared);
            assert_eq!((media_type, shown_as), expected, "{declared}");
        }
    }
}
