//! How collecting goes, for a rep, a supervisor, a territory or the whole company in a period (DOMAIN §6). The system
//! computes; people decide what it is worth.
//!
//! Facts are plain and each says whose it is, so that one pass over them gives every grouping. A share of nothing is
//! `None` ("n/a"), never 0. Amounts are in one currency, converted by the caller.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate};
use rust_decimal::Decimal;

use super::promises::{PromiseResult, PromiseStanding};
use crate::model::{CustomerId, LateCause, TerritoryId, UserId};

/// First and last day of a period, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// First day.
    pub from: NaiveDate,
    /// Last day.
    pub to: NaiveDate,
}

impl Period {
    /// Whether `day` is in it.
    pub fn contains(&self, day: NaiveDate) -> bool {
        (self.from..=self.to).contains(&day)
    }

    /// How many days it has; 0 when it ends before it begins.
    pub fn days(&self) -> u32 {
        u32::try_from(self.to.signed_duration_since(self.from).num_days() + 1).unwrap_or(0)
    }
}

/// Whose a fact is, on the day it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribution {
    /// The customer's rep; `None` when nobody is in charge.
    pub rep: Option<UserId>,
    /// Whom the rep reports to.
    pub supervisor: Option<UserId>,
    /// The customer's territory.
    pub territory: TerritoryId,
}

/// By what facts are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grouping {
    /// Each rep.
    Rep,
    /// Each supervisor.
    Supervisor,
    /// Each territory.
    Territory,
    /// The whole company.
    Whole,
}

/// What a group is about. Customers of nobody are a group of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// The customers of a rep.
    Rep(Option<UserId>),
    /// The customers of a supervisor's reps.
    Supervisor(Option<UserId>),
    /// The customers of a territory.
    Territory(TerritoryId),
    /// All customers.
    Whole,
}

impl Grouping {
    /// The group that a fact belongs to.
    pub fn of(self, whose: &Attribution) -> Group {
        match self {
            Self::Rep => Group::Rep(whose.rep),
            Self::Supervisor => Group::Supervisor(whose.supervisor),
            Self::Territory => Group::Territory(whose.territory),
            Self::Whole => Group::Whole,
        }
    }
}

/// An instalment and what was paid of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DueFact {
    /// Whose.
    pub whose: Attribution,
    /// When it was due.
    pub due_on: NaiveDate,
    /// How much was due.
    pub amount: Decimal,
    /// Cash allocated to it by the day of the report.
    pub paid: Decimal,
    /// The part of that which was valued on the due date or before.
    pub paid_on_time: Decimal,
}

/// A promise and what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PromiseFact {
    /// Whose.
    pub whose: Attribution,
    /// The last day whose payments counted.
    pub last_day: NaiveDate,
    /// What became of it.
    pub standing: PromiseStanding,
}

impl PromiseFact {
    /// The fact in an evaluated promise.
    pub fn of(whose: Attribution, result: &PromiseResult) -> Self {
        Self {
            whose,
            last_day: result.last_day,
            standing: result.standing,
        }
    }
}

/// A customer who is to be visited, and when they were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CadenceFact {
    /// Whose.
    pub whose: Attribution,
    /// The customer.
    pub customer: CustomerId,
    /// Days between two visits by the customer's grade; `None`: no cadence.
    pub every_days: Option<u32>,
    /// Days of visits with a check-in, in any order; those before the period tell when the first one is due.
    pub visits: Vec<NaiveDate>,
    /// The day from which the cadence holds, for a customer who was never visited.
    pub since: NaiveDate,
}

/// A collection that was closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosingFact {
    /// Whose.
    pub whose: Attribution,
    /// When it was closed.
    pub on: NaiveDate,
    /// Why it was late; `None` when it was not.
    pub cause: Option<LateCause>,
}

/// A contact about money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactFact {
    /// Whose.
    pub whose: Attribution,
    /// With whom.
    pub customer: CustomerId,
    /// When.
    pub on: NaiveDate,
    /// Stored name of the channel.
    pub channel: String,
}

/// Everything that figures are computed from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PerformanceFacts {
    /// Instalments.
    pub due: Vec<DueFact>,
    /// Promises.
    pub promises: Vec<PromiseFact>,
    /// Customers to be visited.
    pub cadence: Vec<CadenceFact>,
    /// Closed collections.
    pub closings: Vec<ClosingFact>,
    /// Contacts about money.
    pub contacts: Vec<ContactFact>,
    /// Days on which money of a customer was valued, that has cleared and was not returned; in any order.
    pub payments: BTreeMap<CustomerId, Vec<NaiveDate>>,
}

/// How many of how many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// How many did.
    pub did: u32,
    /// How many could have.
    pub of: u32,
}

impl Count {
    /// The share, from 0 to 1; `None` of nothing.
    pub fn share(self) -> Option<Decimal> {
        Decimal::from(self.did).checked_div(self.of.into())
    }

    fn add(&mut self, did: bool) {
        self.of = self.of.saturating_add(1);
        self.did = self.did.saturating_add(u32::from(did));
    }
}

/// A customer whose visit did not take place in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MissedVisit {
    /// Whom.
    pub customer: CustomerId,
    /// By when they should have been visited.
    pub due_on: NaiveDate,
    /// The last visit; `None` when there never was one.
    pub last: Option<NaiveDate>,
}

/// How collecting went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Performance {
    /// What was due in the period.
    pub due: Decimal,
    /// What was paid of it.
    pub collected: Decimal,
    /// What was paid of it on the due date or before.
    pub on_time: Decimal,
    /// Promises kept, of those whose time ended in the period.
    pub promises_kept: Count,
    /// Visits made, of those that the cadence asks for; more than it asks for do not count.
    pub visits: Count,
    /// Customers whose visit is missing at the end of the period, the longest missing first.
    pub missed: Vec<MissedVisit>,
    /// Collections closed in the period that were late, by cause.
    pub causes: BTreeMap<LateCause, u32>,
    /// Contacts of the period after which money came within some days, by channel.
    pub channels: BTreeMap<String, Count>,
}

impl Performance {
    /// Cash allocated to what was due in the period ÷ what was due; `None` when nothing was.
    pub fn collection_rate(&self) -> Option<Decimal> {
        self.collected.checked_div(self.due)
    }

    /// The part of what was due that was paid in time; `None` when nothing was due.
    pub fn on_time_rate(&self) -> Option<Decimal> {
        self.on_time.checked_div(self.due)
    }
}

/// Computes the figures of every group. A contact had an effect when money came on its day or within `effect_days` days
/// after it.
pub fn figures(
    facts: &PerformanceFacts,
    grouping: Grouping,
    period: Period,
    effect_days: u32,
) -> BTreeMap<Group, Performance> {
    let mut groups: BTreeMap<Group, Performance> = BTreeMap::new();
    let mut group = |whose: &Attribution, add: &mut dyn FnMut(&mut Performance)| {
        add(groups.entry(grouping.of(whose)).or_default());
    };
    for it in facts.due.iter().filter(|it| period.contains(it.due_on)) {
        group(&it.whose, &mut |sum| {
            sum.due = sum.due.saturating_add(it.amount);
            sum.collected = sum.collected.saturating_add(it.paid);
            sum.on_time = sum.on_time.saturating_add(it.paid_on_time);
        });
    }
    for it in facts.promises.iter().filter(|it| period.contains(it.last_day)) {
        // One that still runs has not been judged.
        if it.standing != PromiseStanding::Running {
            group(&it.whose, &mut |sum| {
                sum.promises_kept.add(it.standing == PromiseStanding::Kept);
            });
        }
    }
    for it in &facts.cadence {
        let Some(every) = it.every_days.filter(|days| *days > 0) else {
            continue;
        };
        let (count, missed) = cadence(it, every, period);
        group(&it.whose, &mut |sum| {
            sum.visits.did = sum.visits.did.saturating_add(count.did);
            sum.visits.of = sum.visits.of.saturating_add(count.of);
            sum.missed.extend(missed);
        });
    }
    for it in facts.closings.iter().filter(|it| period.contains(it.on)) {
        if let Some(cause) = &it.cause {
            group(&it.whose, &mut |sum| *sum.causes.entry(cause.clone()).or_default() += 1);
        }
    }
    for it in facts.contacts.iter().filter(|it| period.contains(it.on)) {
        let last = it
            .on
            .checked_add_days(Days::new(effect_days.into()))
            .unwrap_or(NaiveDate::MAX);
        let payments = facts.payments.get(&it.customer).map_or(&[][..], Vec::as_slice);
        let paid = payments.iter().any(|day| (it.on..=last).contains(day));
        group(&it.whose, &mut |sum| {
            sum.channels.entry(it.channel.clone()).or_default().add(paid);
        });
    }
    for performance in groups.values_mut() {
        performance.missed.sort_by_key(|it| (it.due_on, it.customer));
    }
    groups
}

/// Visits against the cadence. It asks for one every so many days, from the last visit before the period (or the day from
/// which it holds), at once when that is overdue. Several visits in one week answer for several that were asked for;
/// the list of missed ones shows the gap that they leave.
fn cadence(fact: &CadenceFact, every: u32, period: Period) -> (Count, Option<MissedVisit>) {
    let after = |day: NaiveDate| day.checked_add_days(Days::new(every.into())).unwrap_or(NaiveDate::MAX);
    let before = fact.visits.iter().filter(|day| **day < period.from).max();
    let first = after(before.copied().unwrap_or(fact.since)).max(period.from);
    let days = Period { from: first, ..period }.days();
    let of = days.div_ceil(every);
    let made = fact.visits.iter().filter(|day| period.contains(**day)).count();
    let did = u32::try_from(made).unwrap_or(u32::MAX).min(of);

    let last = fact.visits.iter().copied().filter(|day| *day <= period.to).max();
    let due_on = after(last.unwrap_or(fact.since));
    let missed = (due_on <= period.to).then_some(MissedVisit {
        customer: fact.customer,
        due_on,
        last,
    });
    (Count { did, of }, missed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const LI: UserId = UserId::from_bytes([1; 16]);
    const WANG: UserId = UserId::from_bytes([2; 16]);
    const BOSS: UserId = UserId::from_bytes([9; 16]);
    const SHOP: CustomerId = CustomerId::from_bytes([5; 16]);

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn of(rep: UserId, territory: u8) -> Attribution {
        Attribution {
            rep: Some(rep),
            supervisor: Some(BOSS),
            territory: TerritoryId::from_bytes([territory; 16]),
        }
    }

    fn march() -> Period {
        Period {
            from: day("2026-03-01"),
            to: day("2026-03-31"),
        }
    }

    fn share(did: i64, of: i64) -> Option<Decimal> {
        Decimal::from(did).checked_div(of.into())
    }

    fn figures_of(facts: &PerformanceFacts, grouping: Grouping) -> BTreeMap<Group, Performance> {
        figures(facts, grouping, march(), 7)
    }

    fn whole(facts: &PerformanceFacts) -> Performance {
        figures_of(facts, Grouping::Whole).remove(&Group::Whole).unwrap()
    }

    #[test]
    fn rates_are_of_what_was_due_in_the_period_and_of_nothing_not_applicable() {
        let due = |rep, on: &str, amount: i64, paid: i64, paid_on_time: i64| DueFact {
            whose: of(rep, 1),
            due_on: day(on),
            amount: amount.into(),
            paid: paid.into(),
            paid_on_time: paid_on_time.into(),
        };
        let facts = PerformanceFacts {
            due: vec![
                due(LI, "2026-03-01", 100, 100, 40),
                due(LI, "2026-03-31", 300, 100, 0),
                due(WANG, "2026-03-15", 100, 100, 100),
                due(LI, "2026-04-01", 1_000, 1_000, 1_000),
            ],
            ..PerformanceFacts::default()
        };
        let reps = figures_of(&facts, Grouping::Rep);
        let li = &reps[&Group::Rep(Some(LI))];
        assert_eq!(li.collection_rate(), share(200, 400));
        assert_eq!(li.on_time_rate(), share(40, 400));
        assert_eq!(reps[&Group::Rep(Some(WANG))].collection_rate(), Some(Decimal::ONE));
        assert_eq!(whole(&facts).collection_rate(), share(300, 500));
        let nothing = Performance::default();
        assert_eq!((nothing.collection_rate(), nothing.on_time_rate()), (None, None));
        assert_eq!(nothing.promises_kept.share(), None);
    }

    #[test]
    fn one_set_of_facts_gives_every_grouping() {
        let closing = |whose| ClosingFact {
            whose,
            on: day("2026-03-05"),
            cause: Some(LateCause::OurService),
        };
        let nobodys = Attribution {
            rep: None,
            supervisor: None,
            ..of(LI, 2)
        };
        let facts = PerformanceFacts {
            closings: vec![closing(of(LI, 1)), closing(of(WANG, 2)), closing(nobodys)],
            ..PerformanceFacts::default()
        };
        let counts = |grouping| {
            let groups = figures_of(&facts, grouping);
            let count = |it: Performance| it.causes[&LateCause::OurService];
            groups
                .into_iter()
                .map(|(group, it)| (group, count(it)))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            counts(Grouping::Rep),
            [
                (Group::Rep(None), 1),
                (Group::Rep(Some(LI)), 1),
                (Group::Rep(Some(WANG)), 1)
            ]
        );
        assert_eq!(
            counts(Grouping::Supervisor),
            [(Group::Supervisor(None), 1), (Group::Supervisor(Some(BOSS)), 2)]
        );
        let territory = |number| Group::Territory(TerritoryId::from_bytes([number; 16]));
        assert_eq!(counts(Grouping::Territory), [(territory(1), 1), (territory(2), 2)]);
        assert_eq!(counts(Grouping::Whole), [(Group::Whole, 3)]);
    }

    #[test]
    fn promises_are_counted_when_their_time_ends_and_running_ones_not_yet() {
        let promise = |on: &str, standing| PromiseFact {
            whose: of(LI, 1),
            last_day: day(on),
            standing,
        };
        let facts = PerformanceFacts {
            promises: vec![
                promise("2026-03-03", PromiseStanding::Kept),
                promise("2026-03-04", PromiseStanding::PartlyKept),
                promise("2026-03-05", PromiseStanding::Broken),
                promise("2026-03-31", PromiseStanding::Running),
                promise("2026-02-28", PromiseStanding::Broken),
            ],
            ..PerformanceFacts::default()
        };
        let kept = whole(&facts).promises_kept;
        assert_eq!(kept, Count { did: 1, of: 3 });
        assert_eq!(kept.share(), share(1, 3));
    }

    fn visited(every: Option<u32>, since: &str, visits: &[&str]) -> (Count, Vec<MissedVisit>) {
        let facts = PerformanceFacts {
            cadence: vec![CadenceFact {
                whose: of(LI, 1),
                customer: SHOP,
                every_days: every,
                visits: visits.iter().map(|it| day(it)).collect(),
                since: day(since),
            }],
            ..PerformanceFacts::default()
        };
        let mut groups = figures_of(&facts, Grouping::Whole);
        let it = groups.remove(&Group::Whole).unwrap_or_default();
        (it.visits, it.missed)
    }

    #[test]
    fn visits_are_held_against_the_cadence_and_the_missing_one_is_listed() {
        // Every 14 days: last seen on 22 February, so on 8 and 22 March.
        let (count, missed) = visited(Some(14), "2026-01-01", &["2026-02-22", "2026-03-08"]);
        assert_eq!(count, Count { did: 1, of: 2 });
        let expected = MissedVisit {
            customer: SHOP,
            due_on: day("2026-03-22"),
            last: Some(day("2026-03-08")),
        };
        assert_eq!(missed, [expected]);
        // In time, in any order; visits of after the period do not count.
        let (count, missed) = visited(
            Some(14),
            "2026-01-01",
            &["2026-04-02", "2026-03-20", "2026-03-07", "2026-02-22"],
        );
        assert_eq!((count, missed.len()), (Count { did: 2, of: 2 }, 0));
        // More than is asked for does not count.
        let (count, _) = visited(
            Some(14),
            "2026-01-01",
            &["2026-02-22", "2026-03-02", "2026-03-03", "2026-03-04"],
        );
        assert_eq!(count, Count { did: 2, of: 2 });
    }

    #[test]
    fn a_customer_never_visited_is_missing_from_the_day_the_cadence_asks() {
        let (count, missed) = visited(Some(30), "2026-03-01", &[]);
        assert_eq!(count, Count { did: 0, of: 1 });
        assert_eq!((missed[0].due_on, missed[0].last), (day("2026-03-31"), None));
        let (count, missed) = visited(Some(30), "2026-03-02", &[]);
        assert_eq!((count, missed.len()), (Count::default(), 0));
        let (count, missed) = visited(None, "2025-01-01", &[]);
        assert_eq!((count, missed.len()), (Count::default(), 0));
        // Long overdue: asked for at once, and every seven days again.
        let (count, missed) = visited(Some(7), "2025-01-01", &[]);
        assert_eq!(count, Count { did: 0, of: 5 });
        assert_eq!(missed[0].due_on, day("2025-01-08"));
    }

    #[test]
    fn a_channel_works_when_money_follows_within_the_days() {
        let contact = |channel: &str, on: &str| ContactFact {
            whose: of(LI, 1),
            customer: SHOP,
            on: day(on),
            channel: channel.to_owned(),
        };
        let facts = PerformanceFacts {
            contacts: vec![
                contact("visit", "2026-03-10"),
                contact("visit", "2026-03-11"),
                contact("phone", "2026-03-02"),
                contact("phone", "2026-03-03"),
                contact("email", "2026-03-18"),
            ],
            payments: BTreeMap::from([(SHOP, vec![day("2026-03-17"), day("2026-03-10")])]),
            ..PerformanceFacts::default()
        };
        let channels = whole(&facts).channels;
        assert_eq!(channels["visit"], Count { did: 2, of: 2 });
        assert_eq!(channels["phone"], Count { did: 1, of: 2 }, "eight days are too many");
        assert_eq!(channels["email"], Count { did: 0, of: 1 });
    }
}
