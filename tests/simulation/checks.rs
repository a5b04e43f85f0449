//! What must hold when nothing moves any more.

use std::collections::BTreeSet;

use fieldledger_core::{
    model::{ChangeHash, DocumentId},
    sync::protocol::StreamId,
};
use fieldledger_server::store::{DocumentStore as _, FeedFilter};

use crate::world::World;

impl World {
    /// Whether nobody waits and every phone has read every stream it follows to its end.
    pub(crate) async fn is_settled(&self) -> bool {
        for phone in &self.phones {
            let status = phone.store.status().expect("a phone tells its status");
            if status.waiting > 0 || !status.withdrawn.is_empty() {
                return false;
            }
            let cursors = phone.store.cursors().expect("a phone knows its places");
            let mut streams: BTreeSet<StreamId> = BTreeSet::from([StreamId::Catalogue]);
            streams.extend(self.access[&phone.user].iter().map(|id| StreamId::Territory(*id)));
            for stream in &streams {
                let head = self
                    .server
                    .store
                    .head(self.server.organisation, *stream)
                    .await
                    .expect("the store answers");
                let place = cursors.iter().find(|it| it.stream == *stream).and_then(|it| it.cursor);
                if head.is_some_and(|head| head.seq > 0) && head != place {
                    return false;
                }
            }
        }
        true
    }

    /// Checks every promise and notes those that are broken.
    pub(crate) async fn check(&mut self) {
        let organisation = self.server.organisation;
        let store = self.server.store.clone();
        let everything = FeedFilter {
            limit: u32::MAX,
            ..FeedFilter::default()
        };
        let on_server = store.feed(organisation, &everything).await.expect("the store answers");
        for problem in store.verify().await.expect("the store can be verified") {
            self.broken.push(format!("verify: {problem}"));
        }
        let quarantine = store
            .quarantined(organisation, None, u32::MAX)
            .await
            .expect("the store answers");
        let quarantined: BTreeSet<DocumentId> = quarantine.into_iter().filter_map(|it| it.document).collect();
        let mut broken = Vec::new();
        for (index, phone) in self.phones.iter().enumerate() {
            let status = phone.store.status().expect("a phone tells its status");
            let refused: BTreeSet<ChangeHash> = status.rejected.iter().map(|it| it.hash).collect();
            // Changes that build on a refused one are refused with it, or stay behind it.
            let spoiled: BTreeSet<DocumentId> = status.rejected.iter().map(|it| it.document).collect();
            for rejection in &status.rejected {
                let customer = customer_of(phone, rejection.document);
                let may_be = customer.is_none_or(|customer| self.ever_foreign.contains(&(phone.user, customer)));
                if !may_be {
                    broken.push(format!(
                        "phone {index}: {} was refused without need: {}",
                        rejection.document, rejection.message
                    ));
                }
            }
            let readable: BTreeSet<StreamId> = self.access[&phone.user]
                .iter()
                .map(|id| StreamId::Territory(*id))
                .collect();
            for item in on_server.iter().filter(|item| readable.contains(&item.stream)) {
                let server = store
                    .document(organisation, item.id)
                    .await
                    .expect("the store answers")
                    .expect("it is listed");
                let heads = phone.store.heads(item.id).expect("a phone knows its documents");
                let tree = phone.store.tree(item.id).expect("a phone shows its documents");
                match heads {
                    None => broken.push(format!("phone {index} lacks {} ({})", item.id, item.summary.kind)),
                    Some(heads) if !spoiled.contains(&item.id) && heads != server.heads => {
                        let row = phone.store.row(item.id).expect("a phone lists its documents");
                        let sync = row.map(|row| row.sync);
                        let (id, theirs) = (item.id, &server.heads);
                        broken.push(format!(
                            "phone {index} has another version of {id}: {heads:?} ({sync:?}), server {theirs:?}"
                        ));
                    }
                    Some(_) if !spoiled.contains(&item.id) && tree.as_ref() != Some(&server.tree) => {
                        let (id, theirs) = (item.id, &server.tree);
                        broken.push(format!("phone {index} shows {id} otherwise: {tree:?}, server {theirs}"));
                    }
                    Some(_) => {}
                }
            }
            // What a person was told is saved is on the server, or refused with a reason and still on the phone.
            let hashes: Vec<ChangeHash> = phone.saved.iter().map(|(_, hash)| *hash).collect();
            let known = store
                .known_changes(organisation, &hashes)
                .await
                .expect("the store answers");
            for (document, hash) in &phone.saved {
                let is_safe = known.contains(hash) || refused.contains(hash) || spoiled.contains(document);
                let kept = || {
                    phone
                        .store
                        .holds_change(*document, *hash)
                        .expect("a phone knows its changes")
                };
                // A phone that lost a territory may drop what the server keeps in quarantine.
                let handed_over =
                    quarantined.contains(document) && self.ever_foreign.iter().any(|it| it.0 == phone.user);
                if !is_safe && (kept() || !handed_over) {
                    let (kept, tree) = (kept(), phone.store.tree(*document));
                    broken.push(format!("phone {index}: the saved change {hash} of {document} is nowhere: kept {kept}, handed over {handed_over}, {tree:?}"));
                }
            }
        }
        self.broken.extend(broken);
    }
}

fn customer_of(phone: &crate::device::Phone, document: DocumentId) -> Option<fieldledger_core::model::CustomerId> {
    phone
        .store
        .tree(document)
        .ok()??
        .get("customer")?
        .as_str()?
        .parse()
        .ok()
}
