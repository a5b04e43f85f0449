//! Reviews of several records at once, from the list of activity.

use axum::{
    Form,
    extract::{Query, State},
    http::{StatusCode, Uri},
    response::{IntoResponse as _, Redirect, Response},
};
use fieldledger_core::model::{DocumentKind, MAX_TEXT_BYTES, ReviewVerdict};
use fieldledger_core::rules::authority;

use super::{
    error::PageError,
    feed::{self, FeedQuery, Refused},
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
        _ => return refused(&app, &viewer, back, &ids, comment, "review.verdict_required").await,
    };
    if ids.is_empty() {
        return refused(&app, &viewer, back, &ids, comment, "feed.pick_some").await;
    }
    if ids.len() > MOST {
        return Err(PageError::Refused(viewer.text.fill("feed.too_many", "count", MOST)));
    }
    if comment.len() > MAX_TEXT_BYTES {
        return refused(&app, &viewer, back, &ids, comment, "review.comment_too_long").await;
    }
    if verdict != ReviewVerdict::Approved && comment.is_empty() {
        return refused(&app, &viewer, back, &ids, comment, "review.comment_required").await;
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

/// The list as it was, with what was picked and typed, and what is wrong with it.
async fn refused(
    app: &AppState,
    viewer: &Viewer,
    back: &str,
    ids: &[&str],
    comment: String,
    problem: &'static str,
) -> Result<Response, PageError> {
    let query = back
        .parse::<Uri>()
        .ok()
        .and_then(|uri| Query::<FeedQuery>::try_from_uri(&uri).ok())
        .map(|Query(query)| query)
        .unwrap_or_default();
    let typed = Refused {
        problem,
        picked: ids.iter().map(|it| (*it).to_owned()).collect(),
        comment,
    };
    let page = feed::page(app, viewer, query, Some(typed)).await?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}

/// Back to the list, with what came of it.
fn again(back: &str, said: &str) -> Response {
    let separator = if back.contains('?') { '&' } else { '?' };
    Redirect::to(&format!("{back}{separator}{said}")).into_response()
}
