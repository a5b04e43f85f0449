//! The demo's credit: an allowance, two reps and one limit, a release, a delivery, money that arrives, a statement that
//! adds up.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate};
use fieldledger_core::{
    model::{
        Assessment, CollectionChannel, CreditGrade, CreditLimit, CreditVerdict, Currency, Customer, CustomerId,
        Delivery, DocumentId, GrantId, GrantMode, InvalidField, InvoiceType, LedgerRecord, LineId, Money, Order,
        OrderLine, OrderStanding, OrganisationId, PaymentChannel, Product, Receiver, Role, SignedQuantity, StatementId,
        StatementVerdict, UserId,
    },
    rules::{statement::Period, timers::TimerState},
    store::{CustomerTold, Document, NewDelivery, NewDeliveryLine, SignOff},
};
use rust_decimal::Decimal;

use super::{Broken, Server, cast::Cast, now, phone::DemoPhone, proxy::Weather, tell};
use crate::{
    auth::hash_secret,
    ledger::{
        self, AccountChange, Actor, GrantWish,
        finance::{self, Act, invoice, receipt},
        statements::{self, StatementWish},
    },
    store::{AuditEntry, CustomerLedger, Decide, Decided, LedgerChange, PutOutcome, StatementLink, Step},
};

/// Where the credit of one shop is shown.
struct Scene<'d> {
    server: &'d Server,
    org: OrganisationId,
    shop: Customer,
    /// Who decides for the company.
    office: UserId,
    currency: Currency,
    today: NaiveDate,
    problems: Vec<String>,
}

/// Shows it; returns what went otherwise than it should, in words.
pub(super) async fn show(
    server: &Server,
    org: OrganisationId,
    cast: &Cast,
    phones: &mut [DemoPhone],
) -> Result<Vec<String>, Broken> {
    let mut scene = Scene::begin(server, org, cast).await?;
    let rep = &phones[0].store;
    let device = rep.identity().ok_or("the phone is not enrolled")?.device;
    scene.grant(device, phones[0].user).await?;
    for index in [0, 2] {
        phones[index].sync_until_done(20).await?;
    }
    let product = rep_product(&phones[0])?;
    let orders = scene.sell(phones, &product).await?;
    scene.release(orders.provisional.id, cast).await?;
    phones[0].sync_until_done(20).await?;
    scene.expect_standing(
        &phones[0],
        &orders.provisional,
        OrderStanding::Released,
        "what the supervisor let through",
    )?;
    scene.deliver(&mut phones[0], &orders.guaranteed).await?;
    scene.get_paid(&mut phones[0], &orders.guaranteed).await?;
    scene.state_the_account(&mut phones[0]).await?;
    Ok(scene.problems)
}

fn rep_product(phone: &DemoPhone) -> Result<Product, Broken> {
    let products = phone.store.products("", 1, 0)?;
    Ok(products.into_iter().next().ok_or("the company sells nothing")?)
}

struct Orders {
    guaranteed: Document<Order>,
    provisional: Document<Order>,
}

impl<'d> Scene<'d> {
    /// A new shop in the rep's territory, assessed, with a limit of 50,000; the other rep covers for the first.
    async fn begin(server: &'d Server, org: OrganisationId, cast: &Cast) -> Result<Self, Broken> {
        let store = server.store();
        let home = cast.customers.first().ok_or("the rep has no customers")?.territory;
        let profile = company(server, org, cast).await?;
        let (currency, today) = (profile.currency, now().date_in(profile.time_zone));
        let shop = Customer {
            id: CustomerId::derived(org, "customer:demo credit"),
            code: "DEMO-SHOP".to_owned(),
            name: "信达商行 Xinda Trading".to_owned(),
            territory: home,
            rep: Some(cast.rep.user),
            contact: "刘会计 Ms Liu".to_owned(),
            phone: String::new(),
            address: String::new(),
            position: None,
        };
        for outcome in store
            .put_records(org, vec![LedgerRecord::Customer(shop.clone())], true, now())
            .await?
        {
            if let PutOutcome::Refused(reason) = outcome {
                return Err(reason.into());
            }
        }
        let mut covering = cast.other.clone();
        if !covering.may_read(home) {
            covering.territories.push(home);
            store.put_account(covering).await?;
        }
        let office = cast.finance.as_ref().unwrap_or(&cast.administrator).user;
        let mut scene = Self {
            server,
            org,
            shop,
            office,
            currency,
            today,
            problems: Vec::new(),
        };
        let limit = CreditLimit::Limited(scene.money(50_000));
        // Since last week, so that what happened yesterday can be stated today.
        let from = today.checked_sub_days(Days::new(7)).unwrap_or(today);
        scene
            .decide(move |ledger| {
                let change = AccountChange::Terms {
                    from,
                    grade: Some(CreditGrade::B),
                    limit: Some(limit),
                    terms_days: Some(30),
                    reason: "first assessment".to_owned(),
                };
                ledger::change_account(ledger, change, office, now())
            })
            .await?;
        scene
            .decide(move |ledger| {
                let assessment = Assessment {
                    on: today,
                    assessor: "finance".to_owned(),
                    evidence: "accounts of last year".to_owned(),
                    valid_until: today.checked_add_days(Days::new(365)).unwrap_or(today),
                };
                ledger::change_account(ledger, AccountChange::Assessed(assessment), office, now())
            })
            .await?;
        tell!(
            "   {} opens: grade B, a limit of {}, nothing owed.",
            scene.shop.name,
            scene.money(50_000)
        );
        scene.problems.clear();
        Ok(scene)
    }

    fn money(&self, amount: i64) -> Money {
        Money::new(amount.into(), self.currency)
    }

    async fn decide(
        &self,
        decide: impl FnOnce(&CustomerLedger) -> Result<LedgerChange, InvalidField> + Send + 'static,
    ) -> Result<String, Broken> {
        let decide: Decide = Box::new(decide);
        let store = self.server.store();
        match store.decide(self.org, self.shop.id, None, decide, now()).await? {
            Decided::Done { answer, .. } => Ok(answer),
            other => Err(format!("the company could not decide: {other:?}").into()),
        }
    }

    async fn ledger(&self) -> Result<CustomerLedger, Broken> {
        let ledger = self.server.store().customer_ledger(self.org, self.shop.id).await?;
        Ok(ledger.ok_or("the shop is not in the store")?)
    }

    fn expect(&mut self, holds: bool, what: impl Into<String>) {
        if !holds {
            self.problems.push(what.into());
        }
    }

    async fn grant(&self, device: fieldledger_core::model::DeviceId, user: UserId) -> Result<(), Broken> {
        let key = self.server.store().signing_key(self.org).await?;
        let wish = GrantWish {
            id: GrantId::from_bytes(self.fresh()),
            device,
            user,
            amount: self.money(10_000),
            mode: GrantMode::Lease,
        };
        let office = self.office;
        self.decide(move |ledger| ledger::grant(ledger, wish, &key, office, now()))
            .await?;
        tell!("   Finance reserves {} of it for one phone.", self.money(10_000));
        Ok(())
    }

    fn fresh(&self) -> [u8; 16] {
        uuid::Builder::from_random_bytes(self.server.state().secrets.bytes())
            .into_uuid()
            .into_bytes()
    }

    /// Two reps sell without a network, each not knowing of the other.
    async fn sell(&mut self, phones: &mut [DemoPhone], product: &Product) -> Result<Orders, Broken> {
        for index in [0, 2] {
            phones[index].proxy.set(Weather::None);
        }
        let (rep, other) = (&phones[0], &phones[2]);
        let guaranteed = self.order(rep, product, "CREDIT-1", 8_000, CreditVerdict::Approved)?;
        let provisional = self.order(rep, product, "CREDIT-2", 30_000, CreditVerdict::Provisional)?;
        let held = self.order(rep, product, "CREDIT-3", 60_000, CreditVerdict::Held)?;
        let racing = self.order(other, product, "CREDIT-4", 35_000, CreditVerdict::Provisional)?;
        for index in [0, 2] {
            phones[index].proxy.set(Weather::Good);
        }
        tell!("   {} is back first, then {}.", phones[2].name, phones[0].name);
        phones[2].sync_until_done(20).await?;
        phones[0].sync_until_done(20).await?;
        let approved = OrderStanding::Approved;
        self.expect_standing(&phones[2], &racing, approved, "the one that came first")?;
        self.expect_standing(&phones[0], &guaranteed, approved, "guaranteed, as the phone said")?;
        self.expect_standing(
            &phones[0],
            &provisional,
            OrderStanding::Held,
            "the credit was sold before",
        )?;
        self.expect_standing(&phones[0], &held, OrderStanding::Held, "more than the limit")?;
        let position = ledger::Draft::of(&self.ledger().await?)
            .position(now())
            .map_err(|why| why.message)?;
        let used = position.exposure.checked_add(position.reserved)?;
        tell!(
            "   Sold {} and reserved {} of {}.",
            position.exposure,
            position.reserved,
            self.money(50_000)
        );
        let limit = self.money(50_000).amount;
        self.expect(used.amount <= limit, "the shop got more credit than its limit");
        Ok(Orders {
            guaranteed,
            provisional,
        })
    }

    fn order(
        &mut self,
        phone: &DemoPhone,
        product: &Product,
        number: &str,
        amount: i64,
        wanted: CreditVerdict,
    ) -> Result<Document<Order>, Broken> {
        let mut order = Order::new(self.shop.id, phone.user, number, phone.now(), self.currency);
        let line = OrderLine {
            product: product.id,
            quantity: 100.into(),
            unit_price: Decimal::from(amount) / Decimal::ONE_HUNDRED,
            discount: Decimal::ZERO,
        };
        order.lines.insert(phone.store.line_id()?, line);
        order.terms_days = 30;
        let order = phone.store.submit_order(&phone.store.create(order)?)?;
        let decision = order.value.credit.as_ref().ok_or("the order carries no credit check")?;
        let (verdict, name) = (decision.verdict, &phone.name);
        let word = match verdict {
            CreditVerdict::Approved => "guaranteed",
            CreditVerdict::Provisional => "provisional",
            CreditVerdict::Held => "held",
            CreditVerdict::Refused => "refused",
        };
        tell!(
            "   Without a network {name} sells {number} for {}: {word}.",
            self.money(amount)
        );
        self.expect(
            verdict == wanted,
            format!("{number} should be {wanted:?} on the phone and is {verdict:?}"),
        );
        Ok(order)
    }

    fn expect_standing(
        &mut self,
        phone: &DemoPhone,
        order: &Document<Order>,
        wanted: OrderStanding,
        why: &str,
    ) -> Result<(), Broken> {
        let number = &order.value.number;
        let standing = phone.store.order_decision(order.id)?.map(|it| it.standing);
        tell!(
            "   {number} is {} at the company: {why}.",
            standing.map_or_else(|| "unknown".to_owned(), |it| format!("{it:?}").to_lowercase())
        );
        self.expect(
            standing == Some(wanted),
            format!("{number} should be {wanted:?} and is {standing:?}"),
        );
        Ok(())
    }

    async fn release(&self, order: DocumentId, cast: &Cast) -> Result<(), Broken> {
        let by = cast.supervisor.user;
        self.decide(move |ledger| {
            ledger::decide_held_order(
                ledger,
                order,
                true,
                by,
                &[Role::Supervisor],
                "the bank guarantees it",
                now(),
            )
        })
        .await?;
        tell!(
            "   {} lets CREDIT-2 through: “the bank guarantees it”.",
            cast.supervisor.name
        );
        Ok(())
    }

    /// The guaranteed order is delivered, one short, and signed for.
    async fn deliver(&mut self, phone: &mut DemoPhone, order: &Document<Order>) -> Result<(), Broken> {
        let line = order.value.lines.values().next().ok_or("the order is empty")?;
        let note: Document<Delivery> = phone.store.new_delivery(NewDelivery {
            customer: self.shop.id,
            number: "DN-CREDIT-1".to_owned(),
            order_number: Some(order.value.number.clone()),
            planned_for: None,
            lines: vec![NewDeliveryLine {
                product: line.product,
                quantity: line.quantity,
                batch: None,
            }],
        })?;
        let all = |line: &LineId| {
            let signed = SignedQuantity {
                accepted: 100.into(),
                short: Decimal::ZERO,
                damaged: Decimal::ZERO,
                refused: Decimal::ZERO,
                reason: None,
            };
            (*line, signed)
        };
        phone.store.sign_off(
            note.id,
            SignOff {
                signed: note.value.lines.keys().map(all).collect(),
                receiver: Receiver {
                    name: self.shop.contact.clone(),
                    phone: None,
                    at: phone.now(),
                    position: None,
                },
                evidence: BTreeMap::new(),
            },
        )?;
        phone.sync_until_done(20).await?;
        let file = self.ledger().await?.file.ok_or("the shop has no credit file")?;
        tell!(
            "   CREDIT-1 is delivered and signed for: {} are delivered and not invoiced.",
            file.delivered_not_invoiced
        );
        let delivered = self.money(8_000);
        self.expect(
            file.delivered_not_invoiced == delivered,
            "the delivered goods are not counted as delivered",
        );
        Ok(())
    }

    /// The order is invoiced, the money arrives, and the three timers run.
    async fn get_paid(&mut self, phone: &mut DemoPhone, order: &Document<Order>) -> Result<(), Broken> {
        let yesterday = self.today.pred_opt().ok_or("the calendar has ended")?;
        let (office, amount, paid) = (self.office, self.money(8_000), self.money(5_000));
        let number = order.value.number.clone();
        self.decide(move |ledger| {
            let actor = Actor::from(office);
            let act = Act { by: &actor, now: now() };
            let mut draft = finance::begin(ledger, now());
            let wish = invoice::NewInvoice {
                number: "INV-CREDIT-1".to_owned(),
                invoiced_on: yesterday,
                posted_on: None,
                amount,
                kind: InvoiceType::Goods,
                order_number: Some(number),
                lines: None,
                due: invoice::Due::ByTerms,
                delivered_on: None,
                accepted_on: None,
            };
            invoice::issue(&mut draft, wish, act)?;
            finance::conclude(draft, act, |_| Ok(String::new()))
        })
        .await?;
        let arrived_at = now();
        self.decide(move |ledger| {
            let actor = Actor::from(office);
            let act = Act { by: &actor, now: now() };
            let mut draft = finance::begin(ledger, now());
            let wish = receipt::NewReceipt {
                reference: "TT-CREDIT-1".to_owned(),
                valued_on: yesterday,
                posted_on: None,
                amount: paid,
                cleared: true,
                channel: PaymentChannel::default(),
                pays: Some("INV-CREDIT-1".to_owned()),
                instructions: Vec::new(),
                arrived_at,
            };
            receipt::register(&mut draft, wish, act)?;
            finance::conclude(draft, act, |_| Ok(String::new()))
        })
        .await?;
        let due = self
            .ledger()
            .await?
            .invoices
            .first()
            .and_then(|it| it.instalments.first()?.due_on);
        tell!(
            "   Invoice INV-CREDIT-1 over {amount} is due on {}, 30 days after the signature; {paid} arrive.",
            due.map_or_else(|| "no day".to_owned(), |it| it.to_string())
        );
        phone.sync_until_done(20).await?;
        phone.sync_until_done(20).await?;
        let notices = phone.store.receipt_notices(false, false)?.notices;
        let notice = notices.iter().find(|it| it.receipt.reference == "TT-CREDIT-1");
        match notice.map(|it| it.tell_customer) {
            Some(TimerState::Running { left, .. }) => tell!(
                "   The phone of {} shows it: {} minutes are left to tell the customer.",
                phone.name,
                left / 60_000
            ),
            other => self
                .problems
                .push(format!("the timer of the receipt should run and is {other:?}")),
        }
        phone.store.tell_customer(CustomerTold {
            customer: self.shop.id,
            reference: "TT-CREDIT-1".to_owned(),
            channel: CollectionChannel::Message,
            person: self.shop.contact.clone(),
            note: String::new(),
            position: None,
        })?;
        phone.sync_until_done(20).await?;
        let ledger = self.ledger().await?;
        let told = ledger
            .receipts
            .first()
            .and_then(|it| it.sales_told_at.zip(it.customer_told_at));
        let took = told.map(|(sales, customer)| customer.millis_since(sales) / 1_000);
        tell!(
            "   {} tells the customer {} s later.",
            phone.name,
            took.map_or_else(|| "?".to_owned(), |it| it.to_string())
        );
        self.expect(
            told.is_some(),
            "the receipt does not say when sales and the customer were told",
        );
        Ok(())
    }

    /// The account is stated; the contact confirms it through a link.
    async fn state_the_account(&mut self, phone: &mut DemoPhone) -> Result<(), Broken> {
        let id = StatementId::from_bytes(self.fresh());
        let to = self.today.pred_opt().ok_or("the calendar has ended")?;
        let wish = StatementWish {
            id,
            period: Period {
                from: to.checked_sub_days(Days::new(6)).unwrap_or(to),
                to,
            },
            currency: self.currency,
        };
        let office = self.office;
        self.decide(move |ledger| statements::issue(ledger, wish, Some(office), now()))
            .await?;
        let ledger = self.ledger().await?;
        let statement = ledger
            .statements
            .iter()
            .find(|it| it.id == id)
            .ok_or("the statement is not in the store")?;
        let moved: Decimal = statement.lines.iter().map(|it| it.debit - it.credit).sum();
        tell!(
            "   A statement is issued: opening {}, {} lines, closing {}.",
            statement.opening,
            statement.lines.len(),
            statement.closing
        );
        let adds_up = statement.opening.amount + moved == statement.closing.amount;
        let expected = statement.closing == self.money(3_000) && statement.lines.len() == 2;
        self.expect(adds_up && expected, "the statement does not add up");
        let secret = self.server.state().secrets.token();
        let link = StatementLink {
            token_hash: hash_secret(&secret),
            organisation: self.org,
            customer: self.shop.id,
            statement: id,
            contact: self.shop.contact.clone(),
            made_at: now(),
            expires_at: now().plus_millis(86_400_000),
            revoked_at: None,
        };
        let line = AuditEntry {
            at: now(),
            actor: office.to_string(),
            action: "statement.link_made".to_owned(),
            subject: id.to_string(),
            detail: self.shop.contact.clone(),
        };
        self.server
            .store()
            .administer(self.org, vec![Step::PutStatementLink(link)], line)
            .await?;
        let url = format!("{}/s/{secret}", self.server.url());
        let client = fieldledger_core::sync::transport::client_builder(&[])?.build()?;
        let page = client.get(&url).send().await?.error_for_status()?.text().await?;
        let answered = client
            .post(&url)
            .header("content-type", "application/x-www-form-urlencoded")
            .body("person=Ms+Liu&everything=confirmed")
            .send()
            .await?;
        phone.sync_until_done(20).await?;
        let view = phone.store.statement(id)?.ok_or("the statement is not on the phone")?;
        let confirmed = view
            .statement
            .answers
            .values()
            .filter(|it| it.verdict == StatementVerdict::Confirmed)
            .count();
        tell!(
            "   {} opens the link and confirms; the phone of {} shows {confirmed} of {} lines confirmed.",
            self.shop.contact,
            phone.name,
            view.lines.len()
        );
        let shown = page.contains("INV-CREDIT-1") && answered.status().is_success();
        self.expect(
            shown && confirmed == 2,
            "the answers given through the link did not reach the phone",
        );
        Ok(())
    }
}

async fn company(
    server: &Server,
    org: OrganisationId,
    cast: &Cast,
) -> Result<fieldledger_core::model::OrganisationProfile, Broken> {
    let any = cast.customers.first().ok_or("the rep has no customers")?.id;
    let ledger = server.store().customer_ledger(org, any).await?;
    Ok(ledger.ok_or("the company has no profile")?.organisation)
}
