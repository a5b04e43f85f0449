//! Believable visits for measurements: notes in Chinese and in Latin script, positions, photos, next steps. The same
//! seed gives the same visits.

use chrono::{Days, NaiveDate};
use fieldledger_core::model::{
    CheckPoint, CustomerId, Evidence, EvidenceHash, EvidenceKind, Geofence, GeofenceVerdict, NextStep, Position,
    Timestamp, UserId, Visit, VisitOutcome, VisitPurpose,
};
use rand::{RngExt as _, SeedableRng as _, seq::IndexedRandom as _};
use rand_chacha::ChaCha8Rng;

/// Two characters that stand in about one note in 15, for searches.
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

const SURNAMES: [&str; 24] = [
    "王", "李", "张", "刘", "陈", "杨", "赵", "黄", "周", "吴", "徐", "孙", "胡", "朱", "高", "林", "何", "郭", "马",
    "罗", "梁", "宋", "郑", "谢",
];
const GIVEN: [&str; 24] = [
    "建国", "娜", "秀英", "伟", "静", "强", "敏", "磊", "军", "洋", "艳", "勇", "杰", "娟", "涛", "明", "超", "秀兰",
    "霞", "平", "刚", "桂英", "晓东", "文博",
];
const LATIN: [&str; 24] = [
    "Marta",
    "Jonas",
    "Lucía",
    "Pavel",
    "Ingrid",
    "Tomás",
    "Aylin",
    "Pedro",
    "Svenja",
    "Olivier",
    "Giulia",
    "Hannah",
    "Karl",
    "Nadia",
    "Ewa",
    "Bruno",
    "Chiara",
    "Emre",
    "Fiona",
    "Gustav",
    "Helga",
    "Iris",
    "Jakub",
    "Kateřina",
];
const POSTS: [&str; 10] = [
    "老板",
    "店长",
    "仓管",
    "采购经理",
    "会计",
    "收银员",
    "老板娘",
    "值班经理",
    "合伙人",
    "库房主任",
];
const GOODS: [&str; 28] = [
    "酱油",
    "纯牛奶",
    "矿泉水",
    "方便面",
    "洗洁精",
    "白酒",
    "啤酒",
    "食用油",
    "大米",
    "薯片",
    "巧克力",
    "口香糖",
    "洗发水",
    "纸巾",
    "lager",
    "olive oil",
    "espresso beans",
    "oat milk",
    "detergent",
    "batteries",
    "crackers",
    "tomato paste",
    "sparkling water",
    "jam",
    "frozen peas",
    "cheese",
    "napkins",
    "green tea",
];
const SEEN: [&str; 26] = [
    "缺货",
    "临期",
    "卖得很快",
    "动销慢",
    "外箱破损",
    "价签写错",
    "被竞品挤掉一个排面",
    "堆头撤了",
    "需要换货",
    "等补货",
    "少到两箱",
    "口味反馈不错",
    "out of stock",
    "close to its date",
    "selling well",
    "hardly moves",
    "water damage",
    "wrong price tag",
    "moved to the back",
    "asked for more",
    "two cartons short",
    "promotion not running",
    "batch mixed up",
    "customer complaints",
    "sold below list",
    "fine",
];
const ASKED: [&str; 22] = [
    "要求账期延长到",
    "下次进货大概",
    "答应付款",
    "库存还剩",
    "想订",
    "退回",
    "上月欠款",
    "客单价约",
    "月销量",
    "进价压到",
    "希望返利",
    "冷柜温度",
    "wants to order",
    "has left in stock",
    "will pay",
    "sends back",
    "owes since last month",
    "asks for a discount of",
    "monthly turnover about",
    "paid in cash",
    "disputes",
    "needs by next week",
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

    fn person(&mut self) -> String {
        if self.rng.random_ratio(1, 2) {
            format!("{}{}", self.pick(&SURNAMES), self.pick(&GIVEN))
        } else {
            self.pick(&LATIN).to_owned()
        }
    }

    fn note(&mut self) -> String {
        let mut note = format!("{}{}:", self.pick(&POSTS), self.person());
        for _ in 0..self.rng.random_range(4..=6) {
            let clause = if self.rng.random_ratio(1, 2) {
                format!("{} {};", self.pick(&GOODS), self.pick(&SEEN))
            } else {
                format!(
                    "{} {} {};",
                    self.pick(&GOODS),
                    self.pick(&ASKED),
                    self.rng.random_range(2..9_800)
                )
            };
            note.push_str(&clause);
        }
        let (hour, minute) = (self.rng.random_range(8..19), self.rng.random_range(0..60));
        let reach = self.rng.random_range(13_000_000_000_u64..19_000_000_000);
        note + &format!("{} {}, {hour}:{minute:02}, {reach}", self.pick(&ENDINGS), self.person())
    }
}

impl Iterator for VisitMaker {
    type Item = Visit;

    fn next(&mut self) -> Option<Visit> {
        let count = self.count;
        self.count += 1;
        let customer = self.customers.choose(&mut self.rng).copied()?;
        // Ten visits a day, 40 minutes apart; after 5,000 days from the beginning, for nobody plans beyond 2049.
        let day = NaiveDate::from_ymd_opt(2026, 3, 2)?.checked_add_days(Days::new(count / 10 % 5_000))?;
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
        if self.rng.random_ratio(1, 2) {
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
        assert!((80..250).contains(&rare), "{rare} notes hold the rare word");
    }

    #[test]
    fn the_same_seed_gives_the_same_visits() {
        assert!(maker().take(50).eq(maker().take(50)));
    }
}
