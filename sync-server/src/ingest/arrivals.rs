//! What an exchange means for customers' ledgers: orders are decided on, deliveries counted, spends of allowances settled,
//! receipts and statements answered, before the reply is made, so that the reply brings the decision.

use std::collections::{BTreeMap, BTreeSet};

use fieldledger_core::{
    model::{
        CollectionNote, CustomerId, Delivery, DocumentId, DocumentKind, DocumentModel, GrantId, LedgerRecord, Money,
        Order, OrganisationId, ProductId, RecordKey, RecordKind, StatementConfirmation, Timestamp,
    },
    sync::protocol::{AllowanceWord, Cursor, MAX_WORDS, StreamId},
};

use super::{About, Subject, SyncService};
use crate::{
    ledger::{self, Arrivals, ArrivedDelivery, ArrivedOrder},
    store::{Account, Decide, Decided, Device, FeedFilter, StoreError, StoredDocument},
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
            AllowanceWord::Closed(_) | AllowanceWord::Shown(_) => None,
        }));
        // What speaks of another device's grants is from a phone that was enrolled anew, or from a copy of one.
        let mut groups: BTreeMap<(CustomerId, bool), Arrivals> = BTreeMap::new();
        let mut orders = Vec::new();
        for (id, document) in self.that_matter(org, ids).await? {
            if let Arrived::Order(order) = &document {
                let order = Order::clone(order);
                orders.push(ArrivedOrder { id, order });
            }
            if !documents.contains(&id) {
                continue;
            }
            let arrivals = groups.entry((document.customer(), false)).or_default();
            match document {
                Arrived::Order(_) => {}
                Arrived::Delivery(delivery) => arrivals.deliveries.push(ArrivedDelivery { id, delivery }),
                Arrived::Note(note) => arrivals.notes.push((id, note)),
                Arrived::Answer(answer) => arrivals.answers.push(answer),
            }
        }
        let shown: BTreeMap<GrantId, CustomerId> = words
            .iter()
            .filter_map(|word| match word {
                AllowanceWord::Shown(shown) => Some((shown.terms.id, shown.terms.customer)),
                AllowanceWord::Spent(_) | AllowanceWord::Closed(_) => None,
            })
            .collect();
        for word in words {
            let (customer, from) = match &word {
                AllowanceWord::Shown(shown) => {
                    if !self.is_ours(device, shown, now).await? {
                        continue;
                    }
                    (Some(shown.terms.customer), device.id)
                }
                AllowanceWord::Spent(spend) => (Some(spend.customer), spend.device),
                AllowanceWord::Closed(closing) => {
                    let key = RecordKey {
                        kind: RecordKind::Grant,
                        id: closing.grant.to_string(),
                    };
                    let grant = self.store.record(org, &key).await?.map(|it| it.record);
                    let customer = match grant {
                        Some(LedgerRecord::Grant(grant)) => Some(grant.terms.customer),
                        _ => shown.get(&closing.grant).copied(),
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
            if !revoked {
                self.add_earlier_deliveries(org, customer, &mut arrivals).await?;
                arrivals.list_prices = self.list_prices(org, &arrivals.deliveries).await?;
            }
            let decide = Box::new(move |ledger: &_| ledger::take_in(ledger, &arrivals, now));
            self.decide_on(org, customer, decide, now).await?;
        }
        Ok(())
    }

    /// Decides something that an exchange brought, and tells whoever listens. What cannot be decided on now never fails the
    /// exchange: it is stored, and the daily round decides once finance has put right what was in the way (a missing rate,
    /// say).
    async fn decide_on(
        &self,
        org: OrganisationId,
        customer: CustomerId,
        decide: Decide,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        match self.store.decide(org, customer, None, decide, now).await {
            Ok(Decided::Done { marks, .. }) => {
                let about = About::these([Subject {
                    kind: None,
                    customer: Some(customer),
                }]);
                for mark in marks {
                    self.live.publish_about(org, mark, about.clone());
                }
            }
            Ok(Decided::Refused(why)) => {
                tracing::warn!(%customer, field = why.field, "what came in could not be decided on: {}", why.message);
            }
            Ok(Decided::Repeated { .. } | Decided::KeyReused | Decided::UnknownCustomer) => {}
            // A company whose profile nobody has written has no ledger; what its phones record is stored all the same.
            Err(StoreError::NotFound(what)) => {
                tracing::warn!(%customer, "what came in could not be decided on: {what} is missing");
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// A phone that has read past a receipt has shown it to the rep: sales was told of the money, with the reply before
    /// this request.
    pub(super) async fn note_who_knows(
        &self,
        account: &Account,
        device: &Device,
        cursors: &BTreeMap<StreamId, Option<Cursor>>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (org, rep) = (account.organisation, account.user);
        let territories = cursors
            .iter()
            .filter_map(|(stream, cursor)| Some((*stream, (*cursor)?)))
            .filter(|(stream, _)| matches!(stream, StreamId::Territory(territory) if account.may_read(*territory)));
        let mut untold: BTreeMap<CustomerId, Vec<String>> = BTreeMap::new();
        for (customer, reference) in self.store.untold_receipts(org, rep, territories.collect()).await? {
            untold.entry(customer).or_default().push(reference);
        }
        let told_at = device.last_contact.unwrap_or(now);
        for (customer, references) in untold {
            let decide = Box::new(move |ledger: &_| ledger::sales_told(ledger, &references, told_at, now));
            self.decide_on(org, customer, decide, now).await?;
        }
        Ok(())
    }

    /// Takes in what is stored about a customer and was not decided on when it came: a rate was missing, say, or the server
    /// died in between. What was decided before changes nothing.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    pub async fn catch_up(&self, org: OrganisationId, customer: CustomerId, now: Timestamp) -> Result<(), StoreError> {
        let mut arrivals = Arrivals::default();
        // An answer to a statement is not taken in again: the customer may have answered otherwise meanwhile.
        for kind in [
            DocumentKind::Order,
            DocumentKind::Delivery,
            DocumentKind::CollectionNote,
        ] {
            let filter = FeedFilter {
                kind: Some(kind),
                customer: Some(customer),
                limit: LOOKED_BACK,
                ..FeedFilter::default()
            };
            let listed = self.store.feed(org, &filter).await?;
            let lately = listed
                .into_iter()
                .filter(|it| now.millis_since(it.received_at) < CAUGHT_UP_MILLIS);
            let ids = lately.map(|it| it.id).collect();
            for (id, document) in self.that_matter(org, ids).await? {
                match document {
                    Arrived::Order(order) => arrivals.orders.push(ArrivedOrder { id, order: *order }),
                    Arrived::Delivery(delivery) => arrivals.deliveries.push(ArrivedDelivery { id, delivery }),
                    Arrived::Note(note) => arrivals.notes.push((id, note)),
                    Arrived::Answer(_) => {}
                }
            }
        }
        // As they came: of two notes about one receipt the first one told the customer.
        arrivals.notes.reverse();
        arrivals.list_prices = self.list_prices(org, &arrivals.deliveries).await?;
        let decide = Box::new(move |ledger: &_| ledger::take_in(ledger, &arrivals, now));
        self.decide_on(org, customer, decide, now).await
    }

    /// Those of these documents that a ledger follows from, as they are now. One made by a newer version, or broken, waits
    /// for a server that can read it.
    async fn that_matter(
        &self,
        org: OrganisationId,
        ids: BTreeSet<DocumentId>,
    ) -> Result<Vec<(DocumentId, Arrived)>, StoreError> {
        let ids: Vec<DocumentId> = ids.into_iter().collect();
        // Most of what is pushed is something else, and reading a document costs.
        let ids = self.store.of_kinds(org, &ids, &DECIDED_KINDS).await?;
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let stored = self.store.documents(org, &ids).await?;
        let read = |document: StoredDocument| Some((document.id, Arrived::read(document.tree)?));
        Ok(stored.into_iter().flatten().filter_map(read).collect())
    }

    /// The deliveries that were signed for before their order came: another phone may have brought them.
    async fn add_earlier_deliveries(
        &self,
        org: OrganisationId,
        customer: CustomerId,
        arrivals: &mut Arrivals,
    ) -> Result<(), StoreError> {
        if arrivals.orders.is_empty() {
            return Ok(());
        }
        let filter = FeedFilter {
            kind: Some(DocumentKind::Delivery),
            customer: Some(customer),
            limit: LOOKED_BACK,
            ..FeedFilter::default()
        };
        let listed = self.store.feed(org, &filter).await?;
        let open = listed.into_iter().filter(|it| it.summary.at.is_some()).map(|it| it.id);
        let new = |id: &DocumentId| !arrivals.deliveries.iter().any(|it| it.id == *id);
        let ids = open.filter(new).collect();
        for (id, document) in self.that_matter(org, ids).await? {
            if let Arrived::Delivery(delivery) = document
                && let Some(number) = &delivery.order_number
                && arrivals.orders.iter().any(|it| it.order.number == *number)
            {
                arrivals.deliveries.push(ArrivedDelivery { id, delivery });
            }
        }
        Ok(())
    }

    async fn list_prices(
        &self,
        org: OrganisationId,
        deliveries: &[ArrivedDelivery],
    ) -> Result<BTreeMap<ProductId, Money>, StoreError> {
        let mut prices = BTreeMap::new();
        let lines = deliveries.iter().flat_map(|it| it.delivery.lines.values());
        let products: BTreeSet<ProductId> = lines.map(|it| it.product).collect();
        for product in products {
            let key = RecordKey {
                kind: RecordKind::Product,
                id: product.to_string(),
            };
            if let Some(LedgerRecord::Product(product)) = self.store.record(org, &key).await?.map(|it| it.record) {
                prices.extend(product.price.map(|price| (product.id, price)));
            }
        }
        Ok(prices)
    }
}

/// How many of a customer's newest documents of a kind are looked through for what was not decided on when it came.
const LOOKED_BACK: u32 = 200;

/// How long after it came something is decided on that could not be at once. What waits longer than that is for people.
const CAUGHT_UP_MILLIS: i64 = 7 * 86_400_000;

/// The kinds of documents that a ledger follows from.
const DECIDED_KINDS: [DocumentKind; 4] = [
    DocumentKind::Order,
    DocumentKind::Delivery,
    DocumentKind::CollectionNote,
    DocumentKind::StatementConfirmation,
];

/// A document that a ledger follows from.
enum Arrived {
    Order(Box<Order>),
    Delivery(Delivery),
    Note(CollectionNote),
    Answer(StatementConfirmation),
}

impl Arrived {
    fn customer(&self) -> CustomerId {
        match self {
            Self::Order(it) => it.customer,
            Self::Delivery(it) => it.customer,
            Self::Note(it) => it.customer,
            Self::Answer(it) => it.customer,
        }
    }

    fn read(tree: serde_json::Value) -> Option<Self> {
        fn valid<T: DocumentModel>(tree: serde_json::Value) -> Option<T> {
            let model: T = serde_json::from_value(tree).ok()?;
            model.validate().is_ok().then_some(model)
        }
        match DocumentKind::from_name(tree.get("kind")?.as_str()?) {
            DocumentKind::Order => valid(tree).map(Box::new).map(Self::Order),
            DocumentKind::Delivery => valid(tree).map(Self::Delivery),
            DocumentKind::CollectionNote => valid(tree).map(Self::Note),
            DocumentKind::StatementConfirmation => valid(tree).map(Self::Answer),
            _ => None,
        }
    }
}
