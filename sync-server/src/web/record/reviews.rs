//! What supervisors say to a record, and what is answered: the threads of the page, and the forms that add to them.

use std::collections::BTreeMap;

use axum::{
    Form,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use fieldledger_core::{
    document::{Summary, edit},
    model::{DocumentId, DocumentKind, DocumentModel as _, LineId, MAX_TEXT_BYTES, Review, ReviewVerdict},
    rules::authority,
};
use serde::Deserialize;
use serde_json::json;

use super::{Voice, find, page};
use crate::{
    ingest::OwnDocumentError,
    state::AppState,
    store::{Account, StoreError, StoredDocument},
    web::{
        error::PageError,
        format::Moment,
        page::{Viewer, html},
    },
};

/// A supervisor's word with its answers.
pub(super) struct Thread {
    pub(super) id: String,
    /// Whether the reader may answer.
    pub(super) may_reply: bool,
    /// What was typed as an answer and could not be taken, and why.
    pub(super) refused: Option<(String, &'static str)>,
    pub(super) href: String,
    pub(super) verdict: String,
    pub(super) verdict_name: &'static str,
    pub(super) reviewer: String,
    pub(super) at: Moment,
    pub(super) comment: String,
    pub(super) replies: Vec<(String, Moment, String)>,
}

pub(super) async fn read_reviews(
    app: &AppState,
    viewer: &Viewer,
    about: DocumentId,
) -> Result<Vec<(DocumentId, Review)>, PageError> {
    let stored = app.store.reviews_of(viewer.account.organisation, about).await?;
    Ok(stored
        .into_iter()
        .filter(|it| viewer.may_read(it.stream))
        .filter_map(|it| Some((it.id, serde_json::from_value(it.tree).ok()?)))
        .collect())
}

pub(super) fn thread(voice: Voice<'_>, id: DocumentId, review: &Review, may_reply: bool) -> Thread {
    let mut replies: Vec<_> = review.replies.values().collect();
    replies.sort_by_key(|reply| reply.at);
    Thread {
        id: id.to_string(),
        may_reply,
        refused: None,
        href: format!("/records/{id}"),
        verdict: voice.text.word("verdict", review.verdict.as_str()),
        verdict_name: review.verdict.as_str(),
        reviewer: voice.names.person(review.reviewer),
        at: Moment::new(review.at, voice.zone),
        comment: review.comment.clone(),
        replies: replies
            .into_iter()
            .map(|it| {
                (
                    voice.names.person(it.by),
                    Moment::new(it.at, voice.zone),
                    it.text.clone(),
                )
            })
            .collect(),
    }
}

#[derive(Debug, Default, Deserialize)]
pub(in crate::web) struct ReviewForm {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    pub(super) verdict: String,
    #[serde(default)]
    pub(super) comment: String,
}

/// Takes a review down; it reaches the rep's phone with the next sync.
pub(in crate::web) async fn submit_review(
    State(app): State<AppState>,
    viewer: Viewer,
    Path(id): Path<String>,
    Form(mut sent): Form<ReviewForm>,
) -> Result<Response, PageError> {
    viewer.check_csrf(&sent.csrf)?;
    let record = find(&app, &viewer, &id).await?;
    authority::may_create(&viewer.account.roles, &DocumentKind::Review).map_err(|_| PageError::NotYourRole)?;
    // Browsers send line breaks as CR LF.
    sent.comment = comment(&sent.comment);
    let verdict = match sent.verdict.as_str() {
        "approved" => ReviewVerdict::Approved,
        "questioned" => ReviewVerdict::Questioned,
        "flagged" => ReviewVerdict::Flagged,
        _ => return again(&app, &viewer, record, sent, "review.verdict_required").await,
    };
    match make_review(&app, &viewer, &record, verdict, &sent.comment).await {
        Ok(()) => Ok(Redirect::to(&format!("/records/{}?done=review", record.id)).into_response()),
        Err(Unreviewed::Comment(key)) => again(&app, &viewer, record, sent, key).await,
        Err(Unreviewed::NotPossible) => Err(PageError::Refused(viewer.text.t("review.not_possible").to_owned())),
        Err(Unreviewed::Page(error)) => Err(error),
    }
}

/// What was typed, as it is kept. Browsers send line breaks as CR LF.
pub(in crate::web) fn comment(typed: &str) -> String {
    typed.replace("\r\n", "\n").trim().to_owned()
}

/// Why there is no review.
pub(in crate::web) enum Unreviewed {
    /// The record names no customer or no rep, or is itself a review.
    NotPossible,
    /// Something is wrong with the comment; the key of what.
    Comment(&'static str),
    /// Anything else.
    Page(PageError),
}

impl From<PageError> for Unreviewed {
    fn from(error: PageError) -> Self {
        Self::Page(error)
    }
}

impl From<StoreError> for Unreviewed {
    fn from(error: StoreError) -> Self {
        Self::Page(error.into())
    }
}

impl From<OwnDocumentError> for Unreviewed {
    fn from(error: OwnDocumentError) -> Self {
        Self::Page(error.into())
    }
}

/// Makes a review of `record`; it reaches the rep's phone with the next sync.
pub(in crate::web) async fn make_review(
    app: &AppState,
    viewer: &Viewer,
    record: &StoredDocument,
    verdict: ReviewVerdict,
    comment: &str,
) -> Result<(), Unreviewed> {
    let summary = Summary::of(&record.tree);
    let (Some(customer), Some(rep), false) = (summary.customer, summary.owner, summary.kind == DocumentKind::Review)
    else {
        return Err(Unreviewed::NotPossible);
    };
    let review = Review {
        customer,
        about: record.id,
        rep,
        reviewer: viewer.account.user,
        at: app.clock.now(),
        verdict,
        comment: comment.to_owned(),
        replies: BTreeMap::new(),
    };
    if review.validate().is_err() {
        return Err(Unreviewed::Comment(if comment.len() > MAX_TEXT_BYTES {
            "review.comment_too_long"
        } else {
            "review.comment_required"
        }));
    }
    let tree = edit::tree_of(&review).map_err(|error| {
        tracing::error!(%error, "a review could not be written");
        PageError::Internal
    })?;
    let made = app.sync.create_document(&viewer.account, &tree).await?;
    app.audit(
        viewer.account.organisation,
        viewer.account.user,
        "review.made",
        made,
        format!("{} of {}", verdict.as_str(), record.id),
    )
    .await?;
    Ok(())
}

#[derive(Debug, Default, Deserialize)]
pub(in crate::web) struct ReplyForm {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    review: String,
    #[serde(default)]
    text: String,
}

/// Answers in the thread of a review; it reaches the rep's phone with the next sync.
pub(in crate::web) async fn reply(
    State(app): State<AppState>,
    viewer: Viewer,
    Path(id): Path<String>,
    Form(sent): Form<ReplyForm>,
) -> Result<Response, PageError> {
    viewer.check_csrf(&sent.csrf)?;
    let record = find(&app, &viewer, &id).await?;
    let review = find(&app, &viewer, &sent.review).await?;
    let summary = Summary::of(&review.tree);
    if summary.kind != DocumentKind::Review || summary.about != Some(record.id) {
        return Err(PageError::NotFound);
    }
    if !may_reply(&viewer.account, &summary) {
        return Err(PageError::NotYourRole);
    }
    let text = comment(&sent.text);
    let problem = if text.is_empty() {
        Some("refused.empty")
    } else if text.len() > MAX_TEXT_BYTES {
        Some("review.comment_too_long")
    } else {
        None
    };
    if let Some(problem) = problem {
        let mut page = page(&app, &viewer, record, None, None, ReviewForm::default()).await?;
        let id = review.id.to_string();
        if let Some(thread) = page.threads.iter_mut().find(|it| it.id == id) {
            thread.refused = Some((sent.text, viewer.text.t(problem)));
        }
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, html(&page)?).into_response());
    }
    let place = LineId::from_bytes(app.secrets.bytes()).to_string();
    let said = json!({ "by": viewer.account.user, "at": app.clock.now(), "text": text });
    app.sync
        .edit_document(&viewer.account, review.id, move |tree| {
            if let Some(tree) = tree.as_object_mut() {
                let replies = tree.entry("replies").or_insert_with(|| json!({}));
                if let Some(replies) = replies.as_object_mut() {
                    replies.insert(place.clone(), said.clone());
                }
            }
        })
        .await?;
    Ok(Redirect::to(&format!("/records/{}?done=reply#review", record.id)).into_response())
}

pub(super) fn may_reply(account: &Account, review: &Summary) -> bool {
    let paths = [vec!["replies".to_owned()]];
    authority::may_edit(
        &account.roles,
        account.user,
        review.owner,
        &DocumentKind::Review,
        &paths,
    )
    .is_ok()
}

/// The page again, with what was typed and what is wrong with it.
async fn again(
    app: &AppState,
    viewer: &Viewer,
    record: StoredDocument,
    sent: ReviewForm,
    key: &'static str,
) -> Result<Response, PageError> {
    let error = viewer.text.t(key).to_owned();
    let page = page(app, viewer, record, None, Some(error), sent).await?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, html(&page)?).into_response())
}
