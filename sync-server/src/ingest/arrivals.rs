//! What an exchange means for customers' ledgers: orders are decided on, spends of allowances settled, before the reply is
//! made, so that the reply brings the decision.

use std::collections::{BTreeMap, BTreeSet};

use fieldledger_core::{
    model::{
        CustomerId, DocumentId, DocumentKind, DocumentModel as _, LedgerRecord, Order, RecordKey, RecordKind, Timestamp,
    },
    sync::protocol::{AllowanceWord, MAX_WORDS},
};

use super::SyncService;
use crate::{
    ledger::{self, Arrivals, ArrivedOrder},
    store::{Account, Decided, Device, StoreError},
};

impl SyncService {
    /// Takes in what was pushed and said. Everything in it may have come before: a phone that never got its reply says it
    /// again, and nothing is counted twice.
    pub(super) async fn decide_arrivals(
        &self,
        account: &Account,
        device: &Device,
        documents: &BTreeSet<DocumentId>,
        words: &[String],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let org = account.organisation;
        let words: Vec<AllowanceWord> = words
            .iter()
            .take(MAX_WORDS)
            .filter_map(|word| serde_json::from_str(word).ok())
            .collect();
        if documents.is_empty() && words.is_empty() {
            return Ok(());
        }
        let mut ids = documents.clone();
        ids.extend(words.iter().filter_map(|word| match word {
            AllowanceWord::Spent(spend) => Some(spend.order),
            AllowanceWord::Closed(_) => None,
        }));
        let orders = self.orders(account, ids).await?;
        // What speaks of another device's grants is from a phone that was enrolled anew, or from a copy of one.
        let mut groups: BTreeMap<(CustomerId, bool), Arrivals> = BTreeMap::new();
        for arrived in &orders {
            if documents.contains(&arrived.id) {
                groups.entry((arrived.order.customer, false)).or_default();
            }
        }
        for word in words {
            let (customer, from) = match &word {
                AllowanceWord::Spent(spend) => (Some(spend.customer), spend.device),
                AllowanceWord::Closed(closing) => {
                    let key = RecordKey {
                        kind: RecordKind::Grant,
                        id: closing.grant.to_string(),
                    };
                    let grant = self.store.record(org, &key).await?.map(|it| it.record);
                    let customer = match grant {
                        Some(LedgerRecord::Grant(grant)) => Some(grant.terms.customer),
                        _ => None,
                    };
                    (customer, closing.device)
                }
            };
            if let Some(customer) = customer {
                let group = groups.entry((customer, from != device.id)).or_default();
                group.words.push(word);
            }
        }
        for ((customer, revoked), mut arrivals) in groups {
            arrivals.revoked = revoked;
            arrivals.orders = orders
                .iter()
                .filter(|it| it.order.customer == customer)
                .cloned()
                .collect();
            let decide = Box::new(move |ledger: &_| ledger::take_in(ledger, &arrivals, now));
            match self.store.decide(org, customer, None, decide, now).await? {
                Decided::Done { marks, .. } => {
                    for mark in marks {
                        self.live.publish(org, mark);
                    }
                }
                Decided::Refused(why) => {
                    // The order is stored and waits: a missing rate, say, is put right by finance, and the next exchange
                    // or the next look at the order decides.
                    tracing::warn!(%customer, field = why.field, "an order could not be decided on: {}", why.message);
                }
                Decided::Repeated { .. } | Decided::KeyReused | Decided::UnknownCustomer => {}
            }
        }
        Ok(())
    }

    /// The orders among these documents.
    async fn orders(&self, account: &Account, ids: BTreeSet<DocumentId>) -> Result<Vec<ArrivedOrder>, StoreError> {
        let ids: Vec<DocumentId> = ids.into_iter().collect();
        // Most of what is pushed is something else, and reading a document costs.
        let ids = self
            .store
            .of_kind(account.organisation, &ids, &DocumentKind::Order)
            .await?;
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let stored = self.store.documents(account.organisation, &ids).await?;
        let mut orders = Vec::new();
        for document in stored.into_iter().flatten() {
            // One made by a newer version, or broken, waits for a server that can read it.
            if let Ok(order) = serde_json::from_value::<Order>(document.tree)
                && order.validate().is_ok()
            {
                orders.push(ArrivedOrder { id: document.id, order });
            }
        }
        Ok(orders)
    }
}
