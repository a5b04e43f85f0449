//! Believable visits for measurements: notes in Chinese and in Latin script, positions, photos, next steps. The same
//! seed gives the same visits.

use chrono::{Days, NaiveDate};
use fieldledger_core::model::{
    CheckPoint, CustomerId, Evidence, EvidenceHash, EvidenceKind, Geofence, GeofenceVerdict, NextStep, Position,
    Timestamp, UserId, Visit, VisitOutcome, VisitPurpose,
};
use rand::{RngExt as _, SeedableRng as _, seq::IndexedRandom as _};
use rand_chacha::ChaCha8Rng;

/// Two characters that stand in about one note in six, for searches.
pub const RARE_WORD: &str = "冷柜";

/// Makes one visit after the other.
pub struct VisitMaker {
    rng: ChaCha8Rng,
    customers: Vec<CustomerId>,
    rep: UserId,
    count: u64,
}

/// 2026-03-02 in China, when the first visit takes place.
const FIRST_MILLIS: i64 = 1_772_409_600_000;

const OPENINGS: [&str; 14] = [
    "老板在店里,先盘了货架",
    "Met the owner at the counter",
    "店长不在,和仓管小周谈了半小时",
    "Went through the shelf with the manager",
    "到店时正在卸货,等了二十分钟",
    "Short visit, the shop was very busy",
    "跟采购部李经理当面对账",
    "Called ahead, accountant was present",
    "新店长第一次见面,介绍了付款条件",
    "Walked the warehouse together",
    "客户情绪不太好,先听他讲完",
    "Tea with the whole family, good mood",
    "收银台新换了人,不熟悉我们的产品",
    "Checked dates and batches on site",
];
const FINDINGS: [&str; 16] = [
    "发现第三层缺货,竞品占了两个排面",
    "two cartons had water damage from the last rain",
    "上月的货款还差一部分,答应下周转账",
    "the new flavour sells about twice as fast as the old one",
    "端午前想多备一些,担心运力",
    "price tag was wrong again, corrected it together",
    "冷柜温度偏高,建议联系售后来看看",
    "competitor offers an extra three percent until month end",
    "要求把账期延长到四十五天,我说需要主管批准",
    "returned items are kept in the back room, photo taken",
    "促销海报已经撤掉,没有经过我们同意",
    "they want delivery before nine because of the traffic ban",
    "隔壁开了一家新超市,客流受到影响",
    "invoice was not received by mail, asked for a second copy",
    "库存大概还能卖十天左右",
    "stock rotation is fine, oldest batch at the front",
];
const ENDINGS: [&str; 12] = [
    "下次带样品过来。",
    "Will call on Friday morning.",
    "已经拍照发给主管。",
    "They asked for a written offer.",
    "约好月底再对一次账。",
    "Nothing else to report.",
    "请财务确认到账情况。",
    "Needs a second visit with the technician.",
    "老客户,关系稳定。",
    "Payment should arrive before the holiday.",
    "合同续签的事情要抓紧。",
    "Promised to pay half in cash.",
];
const STEPS: [&str; 10] = [
    "把报价单发给采购",
    "Send the second copy of the invoice",
    "安排售后检查设备",
    "Bring samples of the new flavour",
    "跟进货款到账",
    "Ask the warehouse about an early slot",
    "与主管商量账期",
    "Replace the damaged cartons",
    "更新客户联系人",
    "Confirm the order for the festival",
];

impl VisitMaker {
    /// A maker of visits of `rep` at any of `customers`.
    pub fn new(seed: u64, customers: Vec<CustomerId>, rep: UserId) -> Self {
        Self {
            rng: ChaCha8Rng::seed_from_u64(seed),
            customers,
            rep,
            count: 0,
        }
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from.choose(&mut self.rng).copied().unwrap_or_default()
    }

    fn check_point(&mut self, at: i64, latitude: f64, longitude: f64) -> CheckPoint {
        let off = |rng: &mut ChaCha8Rng| f64::from(rng.random_range(-900i32..900)) * 1e-6;
        let (north, east) = (off(&mut self.rng), off(&mut self.rng));
        let distance = ((north * 111_000.0).powi(2) + (east * 95_000.0).powi(2)).sqrt();
        let accuracy = self.rng.random_range(4..60);
        let mocked = self.rng.random_ratio(1, 200);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let distance_metres = Some(distance as u32);
        CheckPoint {
            at: Timestamp::from_millis(at),
            position: Position::new(latitude + north, longitude + east, Some(accuracy), mocked).ok(),
            geofence: Geofence {
                verdict: if distance > 100.0 {
                    GeofenceVerdict::Unknown
                } else {
                    GeofenceVerdict::Inside
                },
                distance_metres,
            },
        }
    }

    fn note(&mut self) -> String {
        let amount = self.rng.random_range(120..98_000);
        let boxes = self.rng.random_range(2..180);
        format!(
            "{},{};{};{}。{} 箱, {amount}.{:02} 元. {}",
            self.pick(&OPENINGS),
            self.pick(&FINDINGS),
            self.pick(&FINDINGS),
            self.pick(&FINDINGS),
            boxes,
            self.count % 100,
            self.pick(&ENDINGS)
        )
    }
}

impl Iterator for VisitMaker {
    type Item = Visit;

    fn next(&mut self) -> Option<Visit> {
        let count = self.count;
        self.count += 1;
        let customer = self.customers.choose(&mut self.rng).copied()?;
        // Ten visits a day, 40 minutes apart.
        let day = NaiveDate::from_ymd_opt(2026, 3, 2)?.checked_add_days(Days::new(count / 10))?;
        #[allow(clippy::cast_possible_wrap)]
        let start = FIRST_MILLIS
            + (count / 10 * 86_400_000 + count % 10 * 2_400_000) as i64
            + self.rng.random_range(0..600_000);
        let end = start + self.rng.random_range(480_000..1_800_000);
        let latitude = 31.0 + f64::from(self.rng.random_range(0..600_000)) * 1e-6;
        let longitude = 121.0 + f64::from(self.rng.random_range(0..800_000)) * 1e-6;
        let purposes = [
            VisitPurpose::Routine,
            VisitPurpose::Sales,
            VisitPurpose::Collection,
            VisitPurpose::Service,
        ];
        let outcomes = [
            VisitOutcome::Successful,
            VisitOutcome::OrderTaken,
            VisitOutcome::PaymentObtained,
            VisitOutcome::FollowUp,
        ];
        let purpose = purposes.choose(&mut self.rng).cloned()?;
        let mut visit = Visit::new(customer, self.rep, purpose);
        visit.planned_for = Some(day);
        visit.check_in = Some(self.check_point(start, latitude, longitude));
        visit.check_out = Some(self.check_point(end, latitude, longitude));
        visit.outcome = outcomes.choose(&mut self.rng).cloned();
        visit.note = self.note();
        if self.rng.random_ratio(3, 4) {
            visit.next_step = Some(NextStep {
                what: self.pick(&STEPS).to_owned(),
                due: day.checked_add_days(Days::new(self.rng.random_range(1..21))),
            });
        }
        if self.rng.random_ratio(1, 3) {
            let photo = Evidence {
                kind: EvidenceKind::Photo,
                size: self.rng.random_range(180_000..2_400_000),
                media_type: "image/jpeg".to_owned(),
                taken_at: Timestamp::from_millis(start + 300_000),
                taken_by: self.rep,
                position: None,
                caption: String::new(),
            };
            visit.evidence.insert(EvidenceHash(self.rng.random()), photo);
        }
        Some(visit)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use fieldledger_core::{document::edit::tree_of, model::DocumentModel as _};

    fn maker() -> VisitMaker {
        let customers = (1..=40).map(|n| CustomerId::from_bytes([n; 16])).collect();
        VisitMaker::new(7, customers, UserId::from_bytes([9; 16]))
    }

    #[test]
    fn the_visits_that_are_measured_are_valid_and_about_850_bytes_of_json_each() {
        let visits: Vec<_> = maker().take(2_000).collect();
        visits.iter().for_each(|visit| visit.validate().unwrap());
        let bytes: usize = visits.iter().map(|it| tree_of(it).unwrap().to_string().len()).sum();
        let mean = bytes / visits.len();
        assert!((820..=880).contains(&mean), "{mean} bytes");
        let rare = visits.iter().filter(|visit| visit.note.contains(RARE_WORD)).count();
        assert!((200..500).contains(&rare), "{rare} notes hold the rare word");
    }

    #[test]
    fn the_same_seed_gives_the_same_visits() {
        assert!(maker().take(50).eq(maker().take(50)));
    }
}
