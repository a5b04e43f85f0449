//! A made-up company to try the software on: the same seed and day give the same company.
//!
//! It trades tea and groceries around Hangzhou Bay. Its people and customers have Chinese and Latin names, its
//! customers lie around real cities, and its books go back half a year: some customers are close to their limit, some
//! have let invoices fall overdue, one is on hold, one has no limit and one must pay before delivery.

mod names;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, NaiveDate};
use fieldledger_core::model::{
    Assessment, CreditGrade, CreditLimit, Currency, Customer, CustomerId, Invoice, LedgerDelivery, LedgerLine,
    LedgerOrder, LedgerRecord, Money, OrganisationId, OrganisationProfile, Person, Position, Product, ProductId,
    Receipt, Role, Territory, TerritoryId, UserId,
};
use rand::{RngExt as _, SeedableRng as _, seq::IndexedRandom as _};
use rand_chacha::ChaCha8Rng;
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::import::{AccountPlan, Books, CreditRow, Sourced};

/// Customers of each territory.
const CUSTOMERS_PER_TERRITORY: usize = 14;

/// How many days back the books go.
const HISTORY_DAYS: u64 = 180;

/// What is special about a customer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Character {
    /// Pays in time, well within the limit.
    Steady,
    /// Pays in time, and has nearly used up the limit.
    NearLimit,
    /// Has let invoices fall overdue.
    Overdue,
    /// On hold.
    OnHold,
    /// Without a limit.
    Unlimited,
    /// Must pay before delivery.
    Prepay,
}

/// Makes the company of `seed` as its books stand on `today`.
pub fn generate(seed: u64, today: NaiveDate) -> Books {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let organisation = OrganisationId(Uuid::new_v5(
        &Uuid::NAMESPACE_OID,
        format!("fieldledger generated company {seed}").as_bytes(),
    ));
    let profile = OrganisationProfile {
        name: "江南食品 Jiangnan Foods".to_owned(),
        time_zone: chrono_tz::Asia::Shanghai,
        currency: Currency::CNY,
        geofence_metres: 200,
    };
    let mut generator = Generator {
        rng: &mut rng,
        organisation,
        today,
        records: vec![LedgerRecord::Organisation(profile.clone())],
        accounts: Vec::new(),
        credit: Vec::new(),
        next_number: 1_000,
    };
    let territories = generator.territories();
    let reps = generator.people(&territories);
    let products = generator.products();
    generator.customers(&territories, &reps, &products);
    let Generator {
        records,
        accounts,
        credit,
        ..
    } = generator;
    let sourced = |record| Sourced { record, source: None };
    Books {
        organisation,
        profile,
        accounts,
        records: records.into_iter().map(sourced).collect(),
        credit,
        incomplete: BTreeSet::new(),
        has_invoices: true,
        errors: Vec::new(),
        as_of: today,
    }
    .settled_alone()
}

struct Generator<'r> {
    rng: &'r mut ChaCha8Rng,
    organisation: OrganisationId,
    today: NaiveDate,
    records: Vec<LedgerRecord>,
    accounts: Vec<AccountPlan>,
    credit: Vec<CreditRow>,
    next_number: u32,
}

impl Generator<'_> {
    fn territories(&mut self) -> Vec<TerritoryId> {
        let mut ids = Vec::new();
        for city in &names::CITIES {
            let id = TerritoryId::derived(self.organisation, &format!("territory:{}", city.latin));
            let name = format!("{} {}", city.chinese, city.latin);
            self.records.push(LedgerRecord::Territory(Territory { id, name }));
            ids.push(id);
        }
        ids
    }

    /// Makes everybody and returns the rep of each territory.
    fn people(&mut self, territories: &[TerritoryId]) -> Vec<UserId> {
        let mut pool = names::PEOPLE.to_vec();
        rand::seq::SliceRandom::shuffle(pool.as_mut_slice(), self.rng);
        let mut pool = pool.into_iter();
        let mut hire = |this: &mut Self, role: Role, supervisor: Option<UserId>, territories: &[TerritoryId]| {
            let (name, login) = pool.next().unwrap_or(("Sam Spare", "sam.spare"));
            let id = UserId::derived(this.organisation, &format!("person:{login}"));
            this.records.push(LedgerRecord::Person(Person {
                id,
                name: name.to_owned(),
                roles: vec![role],
                supervisor,
            }));
            this.accounts.push(AccountPlan {
                user: id,
                login: login.to_owned(),
                name: name.to_owned(),
                roles: vec![role],
                territories: territories.to_vec(),
                source: None,
            });
            id
        };
        hire(self, Role::Administrator, None, &[]);
        hire(self, Role::Finance, None, &[]);
        let half = territories.len().div_ceil(2);
        let mut reps = Vec::new();
        for area in territories.chunks(half) {
            let supervisor = hire(self, Role::Supervisor, None, area);
            for territory in area {
                reps.push(hire(self, Role::Rep, Some(supervisor), &[*territory]));
            }
            hire(self, Role::Driver, Some(supervisor), area);
        }
        reps
    }

    fn products(&mut self) -> Vec<Product> {
        let mut products = Vec::new();
        for (index, (name, unit, group, cents)) in names::PRODUCTS.iter().enumerate() {
            let code = format!("P{:03}", index + 1);
            let price = Decimal::new(cents + 50 * self.rng.random_range(0..10), 2);
            products.push(Product {
                id: ProductId::derived(self.organisation, &format!("product:{code}")),
                code,
                name: (*name).to_owned(),
                unit: (*unit).to_owned(),
                price: Some(Money::new(price, Currency::CNY)),
                group: (*group).to_owned(),
                discontinued: index == names::PRODUCTS.len() - 1,
            });
        }
        self.records.extend(products.iter().cloned().map(LedgerRecord::Product));
        products
    }

    fn customers(&mut self, territories: &[TerritoryId], reps: &[UserId], products: &[Product]) {
        let mut taken = BTreeMap::new();
        for ((city, territory), rep) in names::CITIES.iter().zip(territories).zip(reps) {
            for index in 0..CUSTOMERS_PER_TERRITORY {
                let character = match index {
                    1 | 7 => Character::NearLimit,
                    2 | 8 | 11 => Character::Overdue,
                    4 => Character::OnHold,
                    5 => Character::Unlimited,
                    6 => Character::Prepay,
                    _ => Character::Steady,
                };
                let customer = self.customer(city, *territory, *rep, &mut taken);
                self.records.push(LedgerRecord::Customer(customer.clone()));
                self.books_of(customer.id, character, products);
            }
        }
    }

    fn customer(
        &mut self,
        city: &names::City,
        territory: TerritoryId,
        rep: UserId,
        taken: &mut BTreeMap<String, ()>,
    ) -> Customer {
        let chinese = self.rng.random_bool(0.6);
        // A name that is taken gets the number of its branch, as shops do.
        let (mut name, contact) = if chinese {
            let family = pick(self.rng, &names::FAMILY_NAMES);
            let shop = pick(self.rng, &names::SHOPS);
            let style = pick(self.rng, &["记", "氏", "家"]);
            let given = pick(self.rng, &names::GIVEN_NAMES);
            (
                format!("{}{family}{style}{shop}", city.chinese),
                format!("{family}{given}"),
            )
        } else {
            let family = pick(self.rng, &names::LATIN_FAMILY);
            let shop = pick(self.rng, &names::LATIN_SHOPS);
            let given = pick(self.rng, &names::LATIN_GIVEN);
            (format!("{family} {shop}"), format!("{given} {family}"))
        };
        if taken.insert(name.clone(), ()).is_some() {
            name = format!("{name} {}", taken.len());
            taken.insert(name.clone(), ());
        }
        let code = format!("{}{:03}", city.prefix, taken.len());
        // Within some ten kilometres of the centre, denser towards it.
        let mut offset = |span: f64| {
            let unit = self.rng.random_range(-1.0..1.0_f64);
            unit * unit.abs() * span
        };
        let (north, east) = (offset(0.09), offset(0.10));
        let street = pick(self.rng, &names::STREETS);
        Customer {
            id: CustomerId::derived(self.organisation, &format!("customer:{code}")),
            code,
            name,
            territory,
            rep: Some(rep),
            contact,
            phone: format!("+86 13{:09}", self.rng.random_range(0..1_000_000_000_u32)),
            address: format!("{}{street}{}号", city.chinese, self.rng.random_range(1..400)),
            position: Position::new(city.latitude + north, city.longitude + east, None, false).ok(),
        }
    }

    fn day(&self, days_ago: u64) -> NaiveDate {
        self.today.checked_sub_days(Days::new(days_ago)).unwrap_or(self.today)
    }

    fn number(&mut self) -> String {
        self.next_number += 1;
        format!("{:06}", self.next_number)
    }

    fn order(&mut self, customer: CustomerId, days_ago: u64, products: &[Product]) -> LedgerOrder {
        let mut lines = Vec::new();
        let mut total = Money::zero(Currency::CNY);
        let sold = products.iter().filter(|it| !it.discontinued).collect::<Vec<_>>();
        let count = self.rng.random_range(2..6);
        for product in sold.sample(self.rng, count) {
            let line = LedgerLine {
                product: product.id,
                quantity: Decimal::from(self.rng.random_range(2..30_u32)),
                unit_price: product.price.map_or(Decimal::ONE, |price| price.amount),
                discount: Decimal::new(pick(self.rng, &[0, 0, 0, 5, 10]), 2),
            };
            let amount = line.quantity * line.unit_price * (Decimal::ONE - line.discount);
            total.amount += Money::new(amount, Currency::CNY).rounded().amount;
            lines.push(line);
        }
        let ordered_on = self.day(days_ago);
        LedgerOrder {
            number: format!("SO{}", self.number()),
            customer,
            ordered_on,
            wanted_by: ordered_on.checked_add_days(Days::new(7)),
            shipped_on: None,
            state: "open".to_owned(),
            cancelled: false,
            lines,
            total: total.rounded(),
            note: String::new(),
        }
    }

    fn books_of(&mut self, customer: CustomerId, character: Character, products: &[Product]) {
        let grade = match character {
            Character::Prepay => CreditGrade::D,
            Character::Unlimited => CreditGrade::A,
            Character::Overdue | Character::OnHold => CreditGrade::C,
            _ => pick(
                self.rng,
                &[CreditGrade::A, CreditGrade::B, CreditGrade::B, CreditGrade::C],
            ),
        };
        let terms = u64::from(grade.default_terms_days());
        let (mut orders, mut invoices, mut receipts) = (Vec::new(), Vec::new(), Vec::new());
        let mut days_ago = HISTORY_DAYS;
        while days_ago > 4 {
            let mut order = self.order(customer, days_ago, products);
            let shipped_ago = days_ago.saturating_sub(self.rng.random_range(1..4));
            let shipped = self.day(shipped_ago);
            order.shipped_on = Some(shipped);
            order.state = "shipped".to_owned();
            self.records.push(LedgerRecord::Delivery(LedgerDelivery {
                number: format!("DN{}", &order.number[2..]),
                customer,
                order_number: Some(order.number.clone()),
                shipped_on: shipped,
                lines: order.lines.clone(),
            }));
            let due_on = shipped.checked_add_days(Days::new(terms)).unwrap_or(shipped);
            let number = format!("IN{}", &order.number[2..]);
            let mut invoice = Invoice::new(number, customer, shipped, due_on, order.total);
            invoice.order_number = Some(order.number.clone());
            // Who pays before delivery pays on the day; others around the due date; the overdue ones let the last
            // months hang.
            let paid_ago = match character {
                Character::Prepay => Some(shipped_ago),
                Character::Overdue | Character::OnHold if shipped_ago < terms + 45 => None,
                _ => (shipped_ago + 3).checked_sub(terms + self.rng.random_range(0..4)),
            };
            if let Some(paid_ago) = paid_ago.filter(|ago| *ago > 0) {
                let reference = format!("BK{}", self.number());
                let mut receipt = Receipt::cleared(reference, customer, self.day(paid_ago), invoice.amount);
                receipt.pays = self.rng.random_bool(0.8).then(|| invoice.number.clone());
                receipts.push(receipt);
            }
            invoices.push(invoice);
            orders.push(order);
            days_ago = days_ago.saturating_sub(self.rng.random_range(9..32));
        }
        if self.rng.random_bool(0.5) {
            orders.push(self.order(customer, 2, products));
        }
        // Everything is in one currency, and every order but the open one is invoiced.
        let open = orders.iter().filter(|it| it.shipped_on.is_none());
        let open: Decimal = open.map(|it| it.total.amount).sum();
        let owed: Decimal = invoices.iter().map(|it| it.amount.amount).sum();
        let paid: Decimal = receipts.iter().map(|it| it.amount.amount).sum();
        let used = owed - paid + open;
        let limit = match character {
            Character::Unlimited => CreditLimit::NoLimit,
            Character::Prepay => CreditLimit::Limited(Money::zero(Currency::CNY)),
            // 97 to 99 % used, to the yuan.
            Character::NearLimit => limited(used * Decimal::new(pick(self.rng, &[101, 102, 103]), 2), 10),
            Character::Overdue => limited(used * Decimal::new(115, 2), 1_000),
            Character::Steady | Character::OnHold => limited(
                used * Decimal::from(self.rng.random_range(2..5_u32)) + Decimal::from(30_000),
                10_000,
            ),
        };
        self.records.extend(orders.into_iter().map(LedgerRecord::Order));
        self.records.extend(invoices.into_iter().map(LedgerRecord::Invoice));
        self.records.extend(receipts.into_iter().map(LedgerRecord::Receipt));
        let on = self.day(HISTORY_DAYS);
        self.credit.push(CreditRow {
            customer,
            source: None,
            grade: Some(grade),
            limit,
            terms_days: grade.default_terms_days(),
            hold: (character == Character::OnHold).then(|| "three payment terms missed in a row".to_owned()),
            special_liabilities: Money::zero(Currency::CNY),
            assessment: Some(Assessment {
                on,
                assessor: "Finance".to_owned(),
                evidence: "annual accounts and two trade references".to_owned(),
                valid_until: on.checked_add_days(Days::new(365)).unwrap_or(on),
            }),
        });
    }
}

/// A limit rounded up to whole `step`s.
fn limited(amount: Decimal, step: u32) -> CreditLimit {
    let step = Decimal::from(step);
    let whole = (amount / step).ceil().max(Decimal::ONE) * step;
    CreditLimit::Limited(Money::new(whole, Currency::CNY).rounded())
}

fn pick<T: Copy>(rng: &mut ChaCha8Rng, from: &[T]) -> T {
    from[rng.random_range(0..from.len())]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::HashSet;

    use fieldledger_core::rules::credit::exposure;

    use super::*;

    fn today() -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 3, 16).unwrap()
    }

    #[test]
    fn the_same_seed_gives_the_same_company_and_another_seed_another() {
        let (one, again, other) = (generate(7, today()), generate(7, today()), generate(8, today()));
        assert_eq!(one.records, again.records);
        assert_eq!(one.accounts, again.accounts);
        assert_ne!(one.accounts, other.accounts);
        assert_ne!(one.records, other.records);
    }

    #[test]
    fn every_seed_has_the_people_and_the_customers_that_a_day_needs() {
        for seed in 0..20 {
            let books = generate(seed, today());
            let with = |role| books.accounts.iter().filter(|it| it.roles.contains(&role)).count();
            assert_eq!(Role::ALL.map(with), [4, 2, 2, 1, 1]);
            let logins: HashSet<_> = books.accounts.iter().map(|it| &it.login).collect();
            assert_eq!(logins.len(), books.accounts.len());
            let keys: HashSet<_> = books.records.iter().map(|it| it.record.key()).collect();
            assert_eq!(keys.len(), books.records.len(), "two records of one name");
            let (mut near, mut overdue, mut far) = (0, 0, 0);
            for it in &books.records {
                let LedgerRecord::CreditFile(file) = &it.record else {
                    continue;
                };
                let used = exposure(file).unwrap().amount;
                overdue += usize::from(file.overdue.amount > Decimal::ZERO);
                if let CreditLimit::Limited(limit) = file.limit {
                    let share = used / limit.amount.max(Decimal::ONE);
                    near += usize::from(share > Decimal::new(95, 2) && share <= Decimal::ONE);
                    far += usize::from(share < Decimal::new(50, 2));
                }
            }
            assert!(
                near >= 4 && overdue >= 8 && far >= 12,
                "seed {seed}: {near} {overdue} {far}"
            );
        }
    }

    #[test]
    fn names_are_chinese_and_latin_and_customers_lie_near_their_city() {
        let books = generate(3, today());
        let (mut chinese, mut latin) = (0, 0);
        for it in &books.records {
            let LedgerRecord::Customer(it) = &it.record else {
                continue;
            };
            if it.name.is_ascii() {
                latin += 1;
            } else {
                chinese += 1;
            }
            let position = it.position.unwrap();
            let near = names::CITIES.iter().any(|city| {
                let centre = Position::new(city.latitude, city.longitude, None, false).unwrap();
                fieldledger_core::rules::geofence::distance_metres(&position, &centre) < 16_000.0
            });
            assert!(near, "{it:?}");
        }
        assert!(chinese >= 10 && latin >= 10, "{chinese} Chinese, {latin} Latin");
        assert_eq!(chinese + latin, CUSTOMERS_PER_TERRITORY * names::CITIES.len());
    }
}
