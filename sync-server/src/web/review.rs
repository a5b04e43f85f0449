//! Reviews of several records at once, from the list of activity.

use axum::{
    Form,
    extract::State,
    response::{IntoResponse as _, Redirect, Response},
};
use fieldledger_core::model::{DocumentKind, MAX_TEXT_BYTES, ReviewVerdict};
use fieldledger_core::rules::authority;

use super::{
    error::PageError,
    language::within,
    page::Viewer,
    record::{self, Unreviewed},
};
use crate::state::AppState;

/// Records that are reviewed at once at most: a page shows fifty.
const MOST: usize = 200;

/// Reviews what was picked. Each record is judged for itself: what is not there, not the reader's or no thing to review is
/// counted and keeps the rest back from nothing.
pub(super) async fn submit(
    State(app): State<AppState>,
    viewer: Viewer,
    Form(sent): Form<Vec<(String, String)>>,
) -> Result<Response, PageError> {
    let value = |name: &str| {
        let found = sent.iter().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value.as_str())
    };
    viewer.check_csrf(value("csrf"))?;
    authority::may_create(&viewer.account.roles, &DocumentKind::Review).map_err(|_| PageError::NotYourRole)?;
    let back = within(value("back"));
    let mut ids: Vec<&str> = sent
        .iter()
        .filter(|(key, _)| key == "id")
        .map(|(_, value)| value.as_str())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    let comment = record::comment(value("comment"));
    let verdict = match value("verdict") {
        "approved" => ReviewVerdict::Approved,
        "questioned" => ReviewVerdict::Questioned,
        "flagged" => ReviewVerdict::Flagged,
        _ => return Ok(again(back, "problem=verdict")),
    };
    if ids.is_empty() {
        return Ok(again(back, "problem=none"));
    }
    if ids.len() > MOST {
        return Err(PageError::Refused(viewer.text.fill("feed.too_many", "count", MOST)));
    }
    if comment.len() > MAX_TEXT_BYTES {
        return Ok(again(back, "problem=long"));
    }
    if verdict != ReviewVerdict::Approved && comment.is_empty() {
        return Ok(again(back, "problem=comment"));
    }
    let (mut done, mut failed) = (0, 0);
    for id in ids {
        let found = match record::find(&app, &viewer, id).await {
            Ok(found) => found,
            Err(PageError::NotFound) => {
                failed += 1;
                continue;
            }
            Err(error) => return Err(error),
        };
        match record::make_review(&app, &viewer, &found, verdict, &comment).await {
            Ok(()) => done += 1,
            Err(Unreviewed::NotPossible | Unreviewed::Comment(_)) => failed += 1,
            Err(Unreviewed::Page(error)) => return Err(error),
        }
    }
    Ok(again(back, &format!("reviewed={done}&failed={failed}")))
}

/// Back to the list, with what came of it.
fn again(back: &str, said: &str) -> Response {
    let separator = if back.contains('?') { '&' } else { '?' };
    Redirect::to(&format!("{back}{separator}{said}")).into_response()
}
