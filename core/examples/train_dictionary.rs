//! Makes a dictionary for what the phone stores, from made-up documents of every kind.
//!
//! `cargo run -p fieldledger-core --features train --example train_dictionary -- FILE`
//!
//! A dictionary in use is never replaced: every value on every phone was packed with it. A better one gets a new codec
//! number beside the old one (see `db/codec.rs`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::collections::BTreeMap;

use fieldledger_core::{
    document::{Authorship, edit},
    model::*,
};
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;
use rust_decimal::Decimal;

const DICTIONARY_BYTES: usize = 16 << 10;
const DOCUMENTS_OF_EACH_KIND: usize = 700;

const PHRASES: &[&str] = &[
    "客户说",
    "下周付款",
    "本月底付清",
    "要求",
    "送货",
    "已经收到货",
    "库存不多",
    "需要补货",
    "价格",
    "老板不在",
    "对账单已确认",
    "下次拜访",
    "发票",
    "破损",
    "签收",
    "货款",
    "联系人",
    "电话",
    "经理",
    "财务",
    "仓库",
    "样品",
    "新产品",
    "陈列",
    "促销",
    "竞争对手",
    "承诺",
    "逾期",
    "催收",
    "门店",
    "客户",
    "我们",
    "已经",
    "没有",
    "可以",
    "时间",
    "合同",
    "The customer ",
    "asked for ",
    "will pay ",
    "next week",
    "by the end of the month",
    "stock is low",
    "invoice ",
    "the manager was away",
    "delivery ",
    "signed for ",
    "damaged ",
    "cartons ",
    "order ",
    "price ",
    "please call ",
    "agreed to ",
    "promised ",
    "new product ",
    "display ",
    "shelf ",
    "payment ",
    "reminder ",
    "and ",
    "the ",
    "to ",
];

struct Maker {
    rng: ChaCha12Rng,
}

impl Maker {
    fn uuid(&mut self) -> [u8; 16] {
        let mut bytes = [0; 16];
        self.rng.fill_bytes(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid().into_bytes()
    }
    fn below(&mut self, end: usize) -> usize {
        self.rng.random_range(0..end)
    }
    fn words(&mut self, most: usize) -> String {
        let count = self.below(most);
        let mut text = String::new();
        for _ in 0..count {
            text.push_str(PHRASES[self.below(PHRASES.len())]);
            // Letters of every sort between them, or the dictionary would only learn these phrases.
            text.push(char::from_u32(0x4E00 + self.below(0x3000) as u32).unwrap());
        }
        text
    }
    fn time(&mut self) -> Timestamp {
        Timestamp::from_millis(1_750_000_000_000 + self.rng.random_range(0..60_000_000_000))
    }
    fn day(&mut self) -> chrono::NaiveDate {
        chrono::NaiveDate::from_ymd_opt(2025, 7, 1).unwrap() + chrono::Days::new(self.below(900) as u64)
    }
    fn position(&mut self) -> Option<Position> {
        let (lat, lon) = (self.rng.random_range(22.0..41.0), self.rng.random_range(100.0..122.0));
        let accuracy = Some(self.rng.random_range(3..60));
        Position::new(lat, lon, accuracy, false)
            .ok()
            .filter(|_| self.below(8) > 0)
    }
    fn check_point(&mut self) -> CheckPoint {
        let verdicts = [
            GeofenceVerdict::Inside,
            GeofenceVerdict::Inside,
            GeofenceVerdict::Outside,
            GeofenceVerdict::Unknown,
        ];
        CheckPoint {
            at: self.time(),
            position: self.position(),
            geofence: Geofence {
                verdict: verdicts[self.below(4)],
                distance_metres: Some(self.below(300) as u32).filter(|_| true),
            },
        }
    }
    fn evidence(&mut self, most: usize) -> BTreeMap<EvidenceHash, Evidence> {
        (0..self.below(most))
            .map(|_| {
                let mut hash = [0; 32];
                self.rng.fill_bytes(&mut hash);
                let kinds = [
                    EvidenceKind::Photo,
                    EvidenceKind::Signature,
                    EvidenceKind::Stamp,
                    EvidenceKind::Weighbridge,
                ];
                let evidence = Evidence {
                    kind: kinds[self.below(4)].clone(),
                    size: self.rng.random_range(20_000..4_000_000),
                    media_type: ["image/jpeg", "image/png", "image/heic"][self.below(3)].to_owned(),
                    taken_at: self.time(),
                    taken_by: UserId::from_bytes(self.uuid()),
                    position: self.position(),
                    caption: self.words(3),
                };
                (EvidenceHash(hash), evidence)
            })
            .collect()
    }
    fn next_step(&mut self) -> Option<NextStep> {
        (self.below(3) > 0).then(|| NextStep {
            what: self.words(4),
            due: Some(self.day()),
        })
    }
    fn visit(&mut self) -> Visit {
        let purposes = [
            VisitPurpose::Routine,
            VisitPurpose::Sales,
            VisitPurpose::Collection,
            VisitPurpose::Delivery,
            VisitPurpose::Service,
            VisitPurpose::Prospect,
            VisitPurpose::Reconciliation,
        ];
        let outcomes = [
            VisitOutcome::Successful,
            VisitOutcome::OrderTaken,
            VisitOutcome::PaymentObtained,
            VisitOutcome::ContactAbsent,
            VisitOutcome::Closed,
            VisitOutcome::Declined,
            VisitOutcome::FollowUp,
        ];
        let mut visit = Visit::new(
            CustomerId::from_bytes(self.uuid()),
            UserId::from_bytes(self.uuid()),
            purposes[self.below(7)].clone(),
        );
        visit.planned_for = Some(self.day()).filter(|_| self.below(2) > 0);
        let stage = self.below(6);
        if stage > 0 {
            visit.check_in = Some(self.check_point());
        }
        if stage > 1 {
            visit.check_out = Some(self.check_point());
            visit.outcome = Some(outcomes[self.below(7)].clone());
            visit.note = self.words(12);
            visit.next_step = self.next_step();
            visit.evidence = self.evidence(3);
        }
        visit
    }
    fn delivery(&mut self) -> Delivery {
        let number = format!("DN-2026-{:05}", self.below(99_999));
        let mut delivery = Delivery::new(
            CustomerId::from_bytes(self.uuid()),
            UserId::from_bytes(self.uuid()),
            number,
        );
        delivery.order_number = Some(format!("SO-2026-{:05}", self.below(99_999)));
        delivery.planned_for = Some(self.day());
        for _ in 0..=self.below(5) {
            let quantity = Decimal::from(self.below(200) + 1);
            let signed = (self.below(2) > 0).then(|| SignedQuantity {
                accepted: quantity,
                short: Decimal::ZERO,
                damaged: Decimal::ZERO,
                refused: Decimal::ZERO,
                reason: (self.below(4) == 0).then(|| QuantityReason {
                    text: self.words(3),
                    photo: None,
                }),
            });
            let line = DeliveryLine {
                product: ProductId::from_bytes(self.uuid()),
                quantity,
                batch: Some(format!("B{:06}", self.below(999_999))),
                signed,
            };
            delivery.lines.insert(LineId::from_bytes(self.uuid()), line);
        }
        if self.below(2) > 0 {
            delivery.receiver = Some(Receiver {
                name: self.words(2),
                phone: Some("13800138000".to_owned()),
                at: self.time(),
                position: self.position(),
            });
            for party in Party::ALL {
                if self.below(2) > 0 {
                    let verdict = [ConfirmationVerdict::Confirmed, ConfirmationVerdict::Disputed][self.below(2)];
                    delivery.confirmations.insert(
                        party,
                        Confirmation::new(verdict, self.words(2), self.time(), self.words(3)),
                    );
                }
            }
            delivery.evidence = self.evidence(3);
        }
        delivery.note = self.words(4);
        delivery
    }
    fn money(&mut self) -> Money {
        Money::new(
            Decimal::new(self.rng.random_range(1_000..90_000_000), 2),
            [Currency::CNY, Currency::USD][self.below(2)],
        )
    }
    fn note(&mut self) -> CollectionNote {
        let channels = [
            CollectionChannel::Phone,
            CollectionChannel::Message,
            CollectionChannel::Email,
            CollectionChannel::Visit,
            CollectionChannel::Letter,
            CollectionChannel::Legal,
        ];
        let outcomes = [
            CollectionOutcome::Promised,
            CollectionOutcome::Paid,
            CollectionOutcome::Disputed,
            CollectionOutcome::NotReached,
            CollectionOutcome::Refused,
            CollectionOutcome::Reminded,
        ];
        CollectionNote {
            customer: CustomerId::from_bytes(self.uuid()),
            rep: UserId::from_bytes(self.uuid()),
            at: self.time(),
            channel: channels[self.below(6)].clone(),
            person: self.words(2),
            outcome: outcomes[self.below(6)].clone(),
            invoice_number: Some(format!("INV-{:06}", self.below(999_999))),
            promise: (self.below(2) > 0).then(|| PromiseToPay {
                amount: self.money(),
                due: self.day(),
            }),
            receipt: None,
            closing: None,
            next_step: self.next_step(),
            note: self.words(10),
            position: self.position(),
        }
    }
    fn order(&mut self) -> Order {
        let number = format!("SO-2026-{:05}", self.below(99_999));
        let mut order = Order::new(
            CustomerId::from_bytes(self.uuid()),
            UserId::from_bytes(self.uuid()),
            number,
            self.time(),
            Currency::CNY,
        );
        for _ in 0..=self.below(5) {
            let line = OrderLine {
                product: ProductId::from_bytes(self.uuid()),
                quantity: Decimal::from(self.below(100) + 1),
                unit_price: Decimal::new(self.rng.random_range(100..90_000), 2),
                discount: Decimal::new(self.rng.random_range(0..20), 2),
            };
            order.lines.insert(LineId::from_bytes(self.uuid()), line);
        }
        order.terms_days = [0, 15, 30, 60][self.below(4)];
        order.state = [OrderState::Draft, OrderState::Submitted, OrderState::Cancelled][self.below(3)];
        order.wanted_by = Some(self.day());
        if order.state == OrderState::Submitted {
            let inputs = CreditInputs {
                as_of: Some(self.time()),
                file_version: self.below(40) as u64,
                grade: Some(CreditGrade::B),
                limit: Some(CreditLimit::Limited(self.money())),
                on_hold: false,
                exposure: self.money(),
                unsent_orders: Money::zero(Currency::CNY),
                ..CreditInputs::unknown(self.money())
            };
            order.credit = Some(fieldledger_core::rules::credit::check(inputs));
        }
        order.position = self.position();
        order.note = self.words(4);
        order
    }
    fn review(&mut self) -> Review {
        let verdicts = [
            ReviewVerdict::Approved,
            ReviewVerdict::Questioned,
            ReviewVerdict::Flagged,
        ];
        let mut replies = BTreeMap::new();
        for _ in 0..self.below(2) {
            replies.insert(
                LineId::from_bytes(self.uuid()),
                Reply {
                    by: UserId::from_bytes(self.uuid()),
                    at: self.time(),
                    text: self.words(5),
                },
            );
        }
        Review {
            customer: CustomerId::from_bytes(self.uuid()),
            about: DocumentId::from_bytes(self.uuid()),
            rep: UserId::from_bytes(self.uuid()),
            reviewer: UserId::from_bytes(self.uuid()),
            at: self.time(),
            verdict: verdicts[self.below(3)],
            comment: self.words(5),
            replies,
        }
    }
    fn samples<T: DocumentModel>(&mut self, value: &T, samples: &mut Vec<Vec<u8>>) {
        let tree = edit::tree_of(value).unwrap();
        let authorship = Authorship {
            user: UserId::from_bytes(self.uuid()),
            device: DeviceId::from_bytes(self.uuid()),
            at: self.time(),
            zone_minutes: 480,
            since_contact_millis: Some(self.rng.random_range(0..50_000_000)),
        };
        let change = edit::create(DocumentId::from_bytes(self.uuid()), &tree, &authorship).unwrap();
        samples.push(change.bytes);
        if self.below(2) > 0 {
            samples.push(serde_json::to_vec(&tree).unwrap());
        }
    }
}

fn main() {
    let file = std::env::args().nth(1).expect("the file to write");
    let mut maker = Maker {
        rng: ChaCha12Rng::seed_from_u64(20_260_101),
    };
    let mut samples = Vec::new();
    for index in 0..DOCUMENTS_OF_EACH_KIND {
        // Visits are most of what a phone holds.
        for _ in 0..3 {
            let visit = maker.visit();
            maker.samples(&visit, &mut samples);
        }
        let (delivery, note, order) = (maker.delivery(), maker.note(), maker.order());
        maker.samples(&delivery, &mut samples);
        maker.samples(&note, &mut samples);
        maker.samples(&order, &mut samples);
        if index % 2 == 0 {
            let review = maker.review();
            maker.samples(&review, &mut samples);
        }
    }
    let dictionary = zstd::dict::from_samples(&samples, DICTIONARY_BYTES).unwrap();
    let mut compressor = zstd::bulk::Compressor::with_dictionary(3, &dictionary).unwrap();
    let packed: usize = samples.iter().map(|it| compressor.compress(it).unwrap().len()).sum();
    let whole: usize = samples.iter().map(Vec::len).sum();
    println!("{} samples, {whole} bytes, packed {packed}", samples.len());
    std::fs::write(file, dictionary).unwrap();
}
