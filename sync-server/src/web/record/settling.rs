//! Settling disagreements: one of the values that several people wrote is chosen.

use axum::{
    Form,
    extract::{Path, State},
    response::{IntoResponse, Redirect, Response},
};
use fieldledger_core::{document::Summary, model::ChangeHash, rules::authority};
use serde::Deserialize;

use super::{find, past::past};
use crate::{
    state::AppState,
    store::Account,
    web::{error::PageError, page::Viewer},
};

#[derive(Debug, Deserialize)]
pub(in crate::web) struct SettleForm {
    #[serde(default)]
    csrf: String,
    /// The field, as a JSON list of names.
    #[serde(default)]
    path: String,
    /// The change that wrote the chosen value.
    #[serde(default)]
    change: String,
}

/// Chooses one of several values.
pub(in crate::web) async fn settle(
    State(app): State<AppState>,
    viewer: Viewer,
    Path(id): Path<String>,
    Form(sent): Form<SettleForm>,
) -> Result<Response, PageError> {
    viewer.check_csrf(&sent.csrf)?;
    let record = find(&app, &viewer, &id).await?;
    let path: Vec<String> =
        serde_json::from_str(&sent.path).map_err(|_| PageError::BadField("record.disagreements"))?;
    let change: ChangeHash = sent
        .change
        .parse()
        .map_err(|_| PageError::BadField("record.disagreements"))?;
    let past = past(&record).await.map_err(|_| PageError::Internal)?;
    // Settled or changed by somebody else since the page was read.
    let question = past
        .disagreements
        .into_iter()
        .find(|it| it.path == path)
        .ok_or(PageError::Busy)?;
    let chosen = question
        .values
        .into_iter()
        .find(|it| it.change == Some(change))
        .ok_or(PageError::Busy)?;
    let summary = Summary::of(&record.tree);
    if !may_settle(&viewer.account, &summary, &path) {
        return Err(PageError::NotYourRole);
    }
    app.sync
        .settle(&viewer.account, record.id, &path, &chosen.value)
        .await?;
    app.audit(
        viewer.account.organisation,
        viewer.account.user,
        "record.settled",
        record.id,
        format!("{} by change {change}", path.join(".")),
    )
    .await?;
    Ok(Redirect::to(&format!("/records/{}?done=settled", record.id)).into_response())
}

pub(super) fn may_settle(account: &Account, summary: &Summary, path: &[String]) -> bool {
    let paths = [path.to_vec()];
    authority::may_edit(&account.roles, account.user, summary.owner, &summary.kind, &paths).is_ok()
}
