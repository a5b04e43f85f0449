//! The real server with the people who decide about credit: grants, recalls, limits, write-offs, held orders, receipts.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use fieldledger_core::{
    model::{
        CreditLimit, CreditVerdict, Currency, CustomerId, DeviceId, DocumentId, GrantId, GrantMode, GrantState,
        InvalidField, Money, OrderEventKind, OrderStanding, OrganisationId, RecordKind, Role, Spend, SpendStanding,
        Timestamp, UserId,
    },
    rules::allowance::is_freed,
    sync::protocol::{AllowanceWord, SyncRequest, pack, unpack},
};
use fieldledger_server::{
    clock::Clock as _,
    ingest::{InProcess, LiveHub, SyncService},
    ledger::{self, AccountChange, Arrivals, ArrivedOrder, GrantWish, signing::SigningKey},
    store::{
        Account, CustomerLedger, Decided, Device, DocumentStore as _, LedgerChange, LedgerStore as _, PeopleStore as _,
        Store as _, sqlite::SqliteStore,
    },
};

use super::variants::Wrong;
use crate::server::SimulatedClock;

/// What is typed in again after a restore: the books are kept elsewhere too. What phones brought, and what was promised to
/// them, has to come from phones.
const TYPED_IN_AGAIN: [RecordKind; 3] = [RecordKind::CreditAccount, RecordKind::Invoice, RecordKind::Receipt];

/// The company.
pub(crate) const ORGANISATION: OrganisationId = OrganisationId::from_bytes([9; 16]);

/// Two people with a say about money, and one who releases orders.
#[derive(Clone, Copy)]
pub(crate) struct People {
    pub finance: [UserId; 2],
    pub supervisor: UserId,
}

/// The server and the people around it.
pub(crate) struct Office {
    pub store: Arc<SqliteStore>,
    service: SyncService,
    clock: SimulatedClock,
    pub organisation: OrganisationId,
    pub customers: Vec<CustomerId>,
    pub people: People,
    /// Devices by id; access is checked as the HTTP layer does.
    pub devices: BTreeMap<DeviceId, Device>,
    pub key: SigningKey,
    backup: Option<SqliteStore>,
    seed: u64,
    wrong: Wrong,
    /// When a spend was first said to the office, by its order.
    pub first_said: BTreeMap<DocumentId, Timestamp>,
    said: BTreeSet<(GrantId, u32, DocumentId)>,
    /// Orders that phones called guaranteed by what they remember of a limit.
    pub claimed: BTreeSet<DocumentId>,
    /// When the server was last restored.
    pub restored_at: Option<Timestamp>,
}

fn serve(store: &Arc<SqliteStore>, clock: &SimulatedClock, seed: u64) -> SyncService {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    SyncService::new(
        store.clone(),
        Arc::new(InProcess),
        Arc::new(clock.clone()),
        Arc::new(LiveHub::new()),
        bytes,
    )
}

impl Office {
    pub(crate) fn new(
        store: SqliteStore,
        key: SigningKey,
        clock: SimulatedClock,
        customers: Vec<CustomerId>,
        people: People,
        seed: u64,
        wrong: Wrong,
    ) -> Self {
        let store = Arc::new(store);
        Self {
            service: serve(&store, &clock, seed),
            store,
            clock,
            organisation: ORGANISATION,
            customers,
            people,
            devices: BTreeMap::new(),
            key,
            backup: None,
            seed,
            wrong,
            first_said: BTreeMap::new(),
            said: BTreeSet::new(),
            claimed: BTreeSet::new(),
            restored_at: None,
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) async fn account(&self, user: UserId) -> Account {
        let account = self.store.account(self.organisation, user).await;
        account.expect("the store answers").expect("everybody has an account")
    }

    /// Everything that is recorded about a customer.
    pub(crate) async fn ledger(&self, customer: CustomerId) -> CustomerLedger {
        let ledger = self.store.customer_ledger(self.organisation, customer).await;
        ledger.expect("the store answers").expect("the customer is known")
    }

    /// Decides something about a customer; whether the rules let it be.
    pub(crate) async fn decide<F>(&self, customer: CustomerId, decide: F) -> bool
    where
        F: FnOnce(&CustomerLedger) -> Result<LedgerChange, InvalidField> + Send + 'static,
    {
        let decided = self
            .store
            .decide(self.organisation, customer, None, Box::new(decide), self.now())
            .await
            .expect("the store answers");
        matches!(decided, Decided::Done { .. })
    }

    /// The server is killed and started again: what it had not stored is gone, what it remembered of phones too.
    pub(crate) fn restart(&mut self) {
        self.seed += 1;
        self.service = serve(&self.store, &self.clock, self.seed);
    }

    pub(crate) fn back_up(&mut self) {
        self.backup = Some(self.store.copy_in_memory().expect("a store in memory is copied"));
    }

    /// Goes back to the last backup; `properly` with new lineages, otherwise as a file that was copied back.
    pub(crate) async fn restore(&mut self, properly: bool) -> bool {
        let Some(backup) = &self.backup else { return false };
        let mut records = Vec::new();
        for kind in TYPED_IN_AGAIN {
            let stored = self.store.records(self.organisation, &kind).await;
            records.extend(stored.expect("the store answers").into_iter().map(|it| it.record));
        }
        self.store = Arc::new(backup.copy_in_memory().expect("a store in memory is copied"));
        self.restart();
        if properly {
            self.store.begin_new_lineages().await.expect("new lineages begin");
        }
        let put = self.store.put_records(self.organisation, records, true, self.now());
        put.await.expect("records are written");
        self.restored_at = Some(self.now());
        true
    }

    /// Answers one request body with a reply body; `None` when the server cannot make sense of it.
    pub(crate) async fn answer(&mut self, device: DeviceId, body: &[u8]) -> Option<Vec<u8>> {
        let mut request: SyncRequest = unpack(body).ok()?;
        let device = self.devices.get(&device).expect("the device was enrolled").clone();
        let account = self.account(device.user).await;
        if device.revoked_at.is_none() {
            self.listen(&mut request).await;
        }
        let reply = self.service.exchange(&account, &device, request).await.ok()?;
        self.spoil().await;
        Some(pack(&reply).expect("a reply can be encoded"))
    }

    /// Notes what is said for the first time; the wrong ways hear some of it otherwise.
    async fn listen(&mut self, request: &mut SyncRequest) {
        let words: Vec<AllowanceWord> = request
            .words
            .iter()
            .map(|word| serde_json::from_str(word).expect("phones and server speak the same language"))
            .collect();
        let mut again = Vec::new();
        for word in &words {
            if let AllowanceWord::Spent(spend) = word {
                self.first_said.entry(spend.order).or_insert(self.clock.now());
                if !self.said.insert((spend.grant, spend.seq, spend.order)) {
                    again.push(spend.clone());
                }
            }
        }
        match self.wrong {
            Wrong::DuplicateWordsCount => {
                for spend in again {
                    request.words.extend(self.counted_again(spend).await);
                }
            }
            Wrong::IgnoreShownGrants => {
                let kept = words.iter().filter(|word| !matches!(word, AllowanceWord::Shown(_)));
                request.words = kept
                    .map(|word| serde_json::to_string(word).expect("a word is written"))
                    .collect();
            }
            _ => {}
        }
    }

    async fn counted_again(&self, spend: Spend) -> Option<String> {
        let ledger = self.ledger(spend.customer).await;
        let grant = ledger.grants.iter().find(|it| it.terms.id == spend.grant)?;
        let last = grant.settled.last()?;
        let again = Spend {
            seq: last.seq + 1,
            remaining: Money::new(last.remaining.amount - spend.amount.amount, spend.amount.currency),
            ..spend
        };
        Some(serde_json::to_string(&AllowanceWord::Spent(again)).expect("a word is written"))
    }

    /// What the wrong ways do after each exchange.
    async fn spoil(&self) {
        let wrong = self.wrong;
        let claimed = self.claimed.clone();
        if !matches!(
            wrong,
            Wrong::CachedLimit | Wrong::FreeAtExpiryAcceptLate | Wrong::CloneUnnoticed
        ) {
            return;
        }
        for customer in &self.customers {
            let claimed = claimed.clone();
            self.decide(*customer, move |ledger| {
                let mut change = LedgerChange::default();
                for decision in &ledger.decisions {
                    let spends = ledger.grants.iter().flat_map(|it| &it.settled);
                    let mut standings = spends.filter(|it| it.order == decision.order).map(|it| it.standing);
                    let standing = standings.next_back();
                    let last = decision.events.last();
                    let by_rule = |verdict| last.is_some_and(|it| it.what == OrderEventKind::Decided(verdict));
                    let wanted = match wrong {
                        Wrong::CachedLimit => claimed.contains(&decision.order) && by_rule(CreditVerdict::Held),
                        Wrong::FreeAtExpiryAcceptLate => {
                            standing == Some(SpendStanding::Late) && by_rule(CreditVerdict::Held)
                        }
                        _ => standing == Some(SpendStanding::Conflict) && by_rule(CreditVerdict::Held),
                    };
                    if wanted && decision.standing != OrderStanding::Approved {
                        let mut decision = decision.clone();
                        decision.standing = OrderStanding::Approved;
                        change.records.push(decision.into());
                    }
                }
                Ok(change)
            })
            .await;
        }
    }

    /// What the wrong ways do as time passes.
    pub(crate) async fn let_expire(&self) {
        if self.wrong != Wrong::FreeAtExpiryAcceptLate {
            return;
        }
        let now = self.now();
        for customer in &self.customers {
            self.decide(*customer, move |ledger| {
                let mut change = LedgerChange::default();
                for grant in &ledger.grants {
                    if !is_freed(grant.state) && now >= grant.terms.not_after {
                        let mut grant = grant.clone();
                        grant.state = GrantState::Expired;
                        change.records.push(grant.into());
                    }
                }
                Ok(change)
            })
            .await;
        }
    }

    /// Somebody of finance reserves credit for a phone.
    pub(crate) async fn grant(
        &self,
        id: GrantId,
        device: DeviceId,
        customer: CustomerId,
        amount: i64,
        mode: GrantMode,
    ) -> bool {
        let wish = GrantWish {
            id,
            device,
            user: self.devices[&device].user,
            amount: Money::new(amount.into(), Currency::CNY),
            mode,
        };
        let (key, by, now) = (self.key.clone(), self.people.finance[0], self.now());
        self.decide(customer, move |ledger| ledger::grant(ledger, wish, &key, by, now))
            .await
    }

    /// Asks a grant back.
    pub(crate) async fn recall(&self, customer: CustomerId, id: GrantId) -> bool {
        let (by, now, at_once) = (self.people.finance[0], self.now(), self.wrong == Wrong::FreeBeforeClose);
        self.decide(customer, move |ledger| {
            let mut change = ledger::recall(ledger, id, by, "needed elsewhere", now)?;
            if at_once && let Some(grant) = ledger.grants.iter().find(|it| it.terms.id == id) {
                let mut grant = grant.clone();
                grant.state = GrantState::Closed;
                change.records = vec![grant.into()];
            }
            Ok(change)
        })
        .await
    }

    /// One of two people says that a grant is lost; whether the rules let it be.
    pub(crate) async fn write_off(&self, customer: CustomerId, id: GrantId, who: usize) -> bool {
        let (by, now) = (self.people.finance[who % 2], self.now());
        self.decide(customer, move |ledger| {
            ledger::write_off(ledger, id, by, "the phone is lost", now)
        })
        .await
    }

    /// Another limit from today on.
    pub(crate) async fn set_limit(&self, customer: CustomerId, limit: i64) -> bool {
        let (by, now) = (self.people.finance[1], self.now());
        self.decide(customer, move |ledger| {
            let change = AccountChange::Terms {
                from: now.date_in(ledger.organisation.time_zone),
                grade: None,
                limit: Some(CreditLimit::Limited(Money::new(limit.into(), Currency::CNY))),
                terms_days: None,
                reason: "looked at again".to_owned(),
            };
            ledger::change_account(ledger, change, by, now)
        })
        .await
    }

    /// The supervisor decides on a held order.
    pub(crate) async fn answer_held(&self, customer: CustomerId, order: DocumentId, release: bool) -> bool {
        let (by, now) = (self.people.supervisor, self.now());
        self.decide(customer, move |ledger| {
            ledger::decide_held_order(ledger, order, release, by, &[Role::Supervisor], "known for years", now)
        })
        .await
    }

    /// Two orders that come in at the office at the same moment.
    pub(crate) async fn two_at_once(&self, customer: CustomerId, orders: [ArrivedOrder; 2]) {
        let now = self.now();
        let [first, second] = orders.map(|order| Arrivals {
            orders: vec![order],
            ..Arrivals::default()
        });
        if self.wrong == Wrong::CheckOutsideTheLock {
            let seen = self.ledger(customer).await;
            for arrivals in [first, second] {
                let change = ledger::take_in(&seen, &arrivals, now);
                self.decide(customer, move |_| change).await;
            }
        } else {
            tokio::join!(
                self.decide(customer, move |ledger| ledger::take_in(ledger, &first, now)),
                self.decide(customer, move |ledger| ledger::take_in(ledger, &second, now)),
            );
        }
    }
}
