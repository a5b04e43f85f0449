//! A small company with named people, two territories, a few customers and products.

use fieldledger_core::model::{
    CreditFile, CreditGrade, CreditLimit, Currency, Customer, CustomerId, LedgerRecord, Money, OrganisationId,
    OrganisationProfile, Person, Position, Product, ProductId, Role, Territory, TerritoryId, Timestamp, UserId,
};
use fieldledger_server::{
    auth::{self, Secrets},
    store::{Account, Store, StoreError},
};

/// The company, and who and what is in it.
#[derive(Clone, Debug)]
pub struct Company {
    /// 海风食品.
    pub organisation: OrganisationId,
    /// 城北, where 李娜 and Marta sell and 老王 drives.
    pub north: TerritoryId,
    /// 城南, where Jonas sells.
    pub south: TerritoryId,
    /// 李娜, rep in the north.
    pub li_na: UserId,
    /// Marta, rep in the north.
    pub marta: UserId,
    /// Jonas, rep in the south.
    pub jonas: UserId,
    /// 老王, driver everywhere.
    pub lao_wang: UserId,
    /// 陈静, supervisor of both territories.
    pub chen_jing: UserId,
    /// 永兴超市, in the north, with a limit of 50,000 yuan.
    pub yongxing: CustomerId,
    /// Café Aurora, in the north, with nothing left of its limit.
    pub aurora: CustomerId,
    /// 东门便利店, in the south.
    pub dongmen: CustomerId,
    /// 酱油, sold by the box.
    pub soy_sauce: ProductId,
    /// Oat milk.
    pub oat_milk: ProductId,
}

/// The password of every account.
pub const PASSWORD: &str = "gute Reise, 海风!";

impl Company {
    /// The ids, which are the same in every run.
    pub fn named() -> Self {
        let organisation = OrganisationId::from_bytes([0xc0; 16]);
        let user = |name| UserId::derived(organisation, name);
        let customer = |name| CustomerId::derived(organisation, name);
        Self {
            organisation,
            north: TerritoryId::derived(organisation, "north"),
            south: TerritoryId::derived(organisation, "south"),
            li_na: user("li.na"),
            marta: user("marta"),
            jonas: user("jonas"),
            lao_wang: user("lao.wang"),
            chen_jing: user("chen.jing"),
            yongxing: customer("yongxing"),
            aurora: customer("aurora"),
            dongmen: customer("dongmen"),
            soy_sauce: ProductId::derived(organisation, "soy"),
            oat_milk: ProductId::derived(organisation, "oat"),
        }
    }

    /// Founds the company in a store.
    ///
    /// # Errors
    /// When the store fails, or refuses a record.
    pub async fn found(store: &dyn Store, now: Timestamp) -> Result<Self, StoreError> {
        let company = Self::named();
        store.create_organisation(company.organisation, "海风食品", now).await?;
        // One hash for all: argon2 takes its time by design.
        let hash = auth::hash_password(PASSWORD.to_owned())
            .await
            .map_err(|error| StoreError::Engine(error.to_string()))?;
        for (user, login, name, role, territories) in company.people() {
            let account = Account {
                organisation: company.organisation,
                user,
                login: login.to_owned(),
                name: name.to_owned(),
                password_hash: Some(hash.clone()),
                roles: vec![role],
                territories,
                disabled: false,
            };
            store.put_account(account).await?;
        }
        company.write(store, company.records(now), now).await?;
        Ok(company)
    }

    /// Writes records, all of them.
    ///
    /// # Errors
    /// When the store fails or refuses one.
    pub async fn write(&self, store: &dyn Store, records: Vec<LedgerRecord>, now: Timestamp) -> Result<(), StoreError> {
        store.put_records(self.organisation, records, true, now).await?;
        Ok(())
    }

    /// A code with which this person's next phone becomes theirs, for a day from `now`.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn enrolment_code(
        &self,
        store: &dyn Store,
        secrets: &Secrets,
        user: UserId,
        now: Timestamp,
    ) -> Result<String, StoreError> {
        let expires_at = now.plus_millis(24 * 60 * 60 * 1000);
        auth::make_enrolment_code(store, secrets, self.organisation, user, expires_at).await
    }

    fn people(&self) -> [(UserId, &'static str, &'static str, Role, Vec<TerritoryId>); 5] {
        let both = vec![self.north, self.south];
        [
            (self.li_na, "li.na", "李娜", Role::Rep, vec![self.north]),
            (self.marta, "marta", "Marta Keller", Role::Rep, vec![self.north]),
            (self.jonas, "jonas", "Jonas Brandt", Role::Rep, vec![self.south]),
            (self.lao_wang, "lao.wang", "老王", Role::Driver, both.clone()),
            (self.chen_jing, "chen.jing", "陈静", Role::Supervisor, both),
        ]
    }

    /// 永兴超市 and the others as they are at first.
    pub fn customer(&self, id: CustomerId) -> Customer {
        let (code, name, territory, rep, latitude, longitude) = if id == self.yongxing {
            ("K-001", "永兴超市", self.north, self.li_na, 31.2801, 121.4502)
        } else if id == self.aurora {
            ("K-002", "Café Aurora", self.north, self.marta, 31.2702, 121.4611)
        } else {
            ("K-003", "东门便利店", self.south, self.jonas, 31.1903, 121.4404)
        };
        Customer {
            id,
            code: code.to_owned(),
            name: name.to_owned(),
            territory,
            rep: Some(rep),
            contact: "周老板".to_owned(),
            phone: "021-5555 0100".to_owned(),
            address: String::new(),
            position: Position::new(latitude, longitude, None, false).ok(),
        }
    }

    /// A credit file with a limit and what is owed of it.
    pub fn credit_file(&self, customer: CustomerId, limit: i64, owed: i64, now: Timestamp) -> CreditFile {
        let yuan = |amount: i64| Money::new(amount.into(), Currency::CNY);
        CreditFile {
            customer,
            as_of: now,
            grade: Some(CreditGrade::B),
            limit: CreditLimit::Limited(yuan(limit)),
            terms_days: 30,
            on_hold: false,
            open_receivables: yuan(owed),
            special_liabilities: yuan(0),
            delivered_not_invoiced: yuan(0),
            open_orders: yuan(0),
            overdue: yuan(0),
            oldest_due: None,
            // Simulated clocks may be wrong by years; the assessment is not what these files are about.
            review_valid_until: chrono::NaiveDate::from_ymd_opt(9999, 12, 31),
            ..CreditFile::new(customer, now, Currency::CNY)
        }
    }

    fn records(&self, now: Timestamp) -> Vec<LedgerRecord> {
        let mut records = vec![LedgerRecord::Organisation(OrganisationProfile {
            name: "海风食品".to_owned(),
            time_zone: chrono_tz::Asia::Shanghai,
            currency: Currency::CNY,
            geofence_metres: 200,
        })];
        for (id, name) in [(self.north, "城北"), (self.south, "城南")] {
            records.push(LedgerRecord::Territory(Territory {
                id,
                name: name.to_owned(),
            }));
        }
        records.extend(self.people().map(|(id, _, name, role, _)| {
            LedgerRecord::Person(Person {
                id,
                name: name.to_owned(),
                roles: vec![role],
                supervisor: (id != self.chen_jing).then_some(self.chen_jing),
            })
        }));
        for (id, code, name, price) in [
            (self.soy_sauce, "P-1", "海风生抽 500ml", 120),
            (self.oat_milk, "P-2", "Oat milk 1 l", 96),
        ] {
            records.push(LedgerRecord::Product(Product {
                id,
                code: code.to_owned(),
                name: name.to_owned(),
                unit: "box".to_owned(),
                price: Some(Money::new(price.into(), Currency::CNY)),
                group: String::new(),
                discontinued: false,
            }));
        }
        let customers = [self.yongxing, self.aurora, self.dongmen];
        records.extend(customers.map(|id| LedgerRecord::Customer(self.customer(id))));
        records.push(LedgerRecord::CreditFile(self.credit_file(
            self.yongxing,
            50_000,
            20_000,
            now,
        )));
        records.push(LedgerRecord::CreditFile(self.credit_file(
            self.aurora,
            10_000,
            10_000,
            now,
        )));
        records
    }
}
