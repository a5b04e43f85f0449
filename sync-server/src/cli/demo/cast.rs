//! Who plays which part in the demo's day.

use fieldledger_core::model::{
    CreditFile, CreditLimit, Customer, LedgerRecord, OrganisationId, Person, RecordKind, Role, UserId,
};

use super::{Broken, now, tell};
use crate::{
    import::Books,
    store::{Account, PutOutcome, Store},
};

/// The people of the day and the customers they see.
pub(super) struct Cast {
    /// Visits, sells and collects.
    pub(super) rep: Account,
    /// Delivers in the rep's territory.
    pub(super) driver: Account,
    /// Another rep, whose phone is killed.
    pub(super) other: Account,
    /// Reviews the rep's work.
    pub(super) supervisor: Account,
    /// Sees everything.
    pub(super) administrator: Account,
    /// Keeps credit files, if the company has somebody for that.
    pub(super) finance: Option<Account>,
    /// The rep's customers; the first gets the delivery.
    pub(super) customers: Vec<Customer>,
    /// The other rep's.
    pub(super) others: Vec<Customer>,
    /// A customer of the rep who is given to another team during the day.
    pub(super) moving: Customer,
}

impl Cast {
    /// Chooses among a company's people; who is missing (few companies' books name their drivers) is added.
    pub(super) async fn choose(store: &dyn Store, org: OrganisationId, books: &Books) -> Result<Self, Broken> {
        let accounts = store.accounts(org).await?;
        let all: Vec<Customer> = books
            .records
            .iter()
            .filter_map(|it| match &it.record {
                LedgerRecord::Customer(customer) => Some(customer.clone()),
                _ => None,
            })
            .collect();
        let customers_of = |account: &Account| -> Vec<Customer> {
            let within = |it: &&Customer| account.may_read(it.territory);
            let own: Vec<_> = all
                .iter()
                .filter(|it| it.rep == Some(account.user))
                .filter(within)
                .cloned()
                .collect();
            if own.len() >= 3 {
                own
            } else {
                all.iter().filter(within).cloned().collect()
            }
        };
        let mut reps: Vec<(Account, Vec<Customer>)> = accounts
            .iter()
            .filter(|it| it.has(Role::Rep) && !it.disabled)
            .map(|it| (it.clone(), customers_of(it)))
            .filter(|(_, customers)| customers.len() >= 3)
            .collect();
        reps.sort_by(|(a, of_a), (b, of_b)| of_b.len().cmp(&of_a.len()).then_with(|| a.login.cmp(&b.login)));
        let mut reps = reps.into_iter();
        let (rep, mut customers) = reps
            .next()
            .ok_or("the company has no rep with at least three customers")?;
        let (other, others) = reps.next().ok_or("the company has only one rep with customers")?;
        let moving = customers.pop().ok_or("the rep has no customers")?;
        // The other rep may see the same territories; the customer that moves away is left to the first one.
        let others = others.into_iter().filter(|it| it.id != moving.id).collect();
        let home = customers
            .first()
            .map(|it| it.territory)
            .ok_or("the rep has too few customers")?;

        let add = |role: Role, login: &str, name: &str| Account {
            organisation: org,
            user: UserId::derived(org, &format!("person:demo {login}")),
            login: login.to_owned(),
            name: name.to_owned(),
            password_hash: None,
            roles: vec![role],
            territories: rep.territories.clone(),
            disabled: false,
        };
        let with = |role: Role| {
            let rep = rep.user;
            let fits = move |it: &&Account| it.has(role) && !it.disabled && it.may_read(home) && it.user != rep;
            accounts.iter().filter(fits).cloned()
        };
        let driver = with(Role::Driver).next();
        let people = store.records(org, &RecordKind::Person).await?;
        let above = people.iter().find_map(|it| match &it.record {
            LedgerRecord::Person(person) if person.id == rep.user => person.supervisor,
            _ => None,
        });
        let supervisor = with(Role::Supervisor)
            .find(|it| Some(it.user) == above)
            .or_else(|| with(Role::Supervisor).next());
        let administrator = with(Role::Administrator).next();
        let mut added = Vec::new();
        let mut or_add = |found: Option<Account>, role: Role, login: &str, name: &str| {
            found.unwrap_or_else(|| {
                added.push(add(role, login, name));
                add(role, login, name)
            })
        };
        let cast = Self {
            driver: or_add(driver, Role::Driver, "demo.driver", "周师傅 Zhou"),
            supervisor: or_add(supervisor, Role::Supervisor, "demo.supervisor", "Demo Supervisor"),
            administrator: or_add(administrator, Role::Administrator, "demo.admin", "Demo Administrator"),
            finance: with(Role::Finance).next(),
            rep,
            other,
            customers,
            others,
            moving,
        };
        for account in added {
            tell!(
                "   The books name no {}; {} joins for the day.",
                account.roles[0],
                account.name
            );
            let person = LedgerRecord::Person(Person {
                id: account.user,
                name: account.name.clone(),
                roles: account.roles.clone(),
                supervisor: None,
            });
            put(store, org, vec![person]).await?;
            store.put_account(account).await?;
        }
        cast.somebody_near_the_limit(store, org).await?;
        Ok(cast)
    }

    /// The day needs a customer whose order is held. Where nobody has a limit, finance puts one on hold.
    async fn somebody_near_the_limit(&self, store: &dyn Store, org: OrganisationId) -> Result<(), Broken> {
        let files = store.records(org, &RecordKind::CreditFile).await?;
        let of_rep = |file: &CreditFile| self.customers.iter().find(|it| it.id == file.customer).cloned();
        let mut candidates = Vec::new();
        for it in files {
            let LedgerRecord::CreditFile(file) = it.record else {
                continue;
            };
            let Some(customer) = of_rep(&file) else { continue };
            if file.on_hold || matches!(file.limit, CreditLimit::Limited(_)) {
                return Ok(());
            }
            candidates.push((customer, file));
        }
        let Some((customer, mut file)) = candidates.pop() else {
            return Ok(());
        };
        tell!(
            "   No customer of {} has a limit; finance puts {} on hold.",
            self.rep.name,
            customer.name
        );
        file.on_hold = true;
        put(store, org, vec![LedgerRecord::CreditFile(file)]).await
    }

    /// Those with a phone, and what they do.
    pub(super) fn in_the_field(&self) -> [(&Account, &'static str); 3] {
        [(&self.rep, "rep"), (&self.driver, "driver"), (&self.other, "rep")]
    }

    /// Those who sign in on the pages.
    pub(super) fn in_the_office(&self) -> Vec<(&Account, &'static str)> {
        let mut people = vec![(&self.supervisor, "supervisor"), (&self.administrator, "administrator")];
        people.extend(self.finance.as_ref().map(|it| (it, "finance")));
        people
    }

    /// Lets the office sign in.
    pub(super) async fn set_passwords(&self, store: &dyn Store, hash: &str) -> Result<(), Broken> {
        for (account, _) in self.in_the_office() {
            let account = Account {
                password_hash: Some(hash.to_owned()),
                ..account.clone()
            };
            store.put_account(account).await?;
        }
        Ok(())
    }
}

async fn put(store: &dyn Store, org: OrganisationId, records: Vec<LedgerRecord>) -> Result<(), Broken> {
    for outcome in store.put_records(org, records, true, now()).await? {
        if let PutOutcome::Refused(reason) = outcome {
            return Err(reason.into());
        }
    }
    Ok(())
}
