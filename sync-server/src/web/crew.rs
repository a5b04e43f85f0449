//! Who works here and where, for pages that many have open: read again when one of them has changed, not at every news.

use std::{collections::BTreeMap, sync::Arc};

use fieldledger_core::model::{OrganisationId, TerritoryId};

use super::{fresh::Fresh, names};
use crate::{
    state::AppState,
    store::{Account, Device, StoreError},
};

/// The people of a company, their phones and the territories.
pub(crate) struct Crew {
    pub(super) accounts: Vec<Account>,
    /// With what they last said of themselves as it was some seconds ago.
    pub(super) devices: Vec<Device>,
    pub(super) territories: BTreeMap<TerritoryId, String>,
}

/// What was read of each company.
#[derive(Default)]
pub(crate) struct CrewCache(Fresh<OrganisationId, Crew>);

impl Crew {
    pub(super) async fn of(app: &AppState, org: OrganisationId) -> Result<Arc<Self>, StoreError> {
        let store = app.store.as_ref();
        let read = async {
            Ok(Self {
                accounts: store.accounts(org).await?,
                devices: store.devices(org).await?,
                territories: names::territories(store, org).await?,
            })
        };
        // People are in no territory's stream.
        let version = || {
            app.sync
                .live()
                .version(org, Some(&[]))
                .wrapping_add(app.people_version())
        };
        app.crew.0.get(version, org, read).await
    }
}
