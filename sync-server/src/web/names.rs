//! Names of people, customers, products and territories for a page, each looked up once.

use std::collections::{BTreeMap, BTreeSet};

use fieldledger_core::model::{
    Customer, CustomerId, LedgerRecord, OrganisationId, Person, Product, ProductId, RecordKey, RecordKind, Role,
    Territory, TerritoryId, UserId,
};

use super::crew::Crew;
use crate::store::{Account, Store, StoreError};

/// Names that a page needs.
#[derive(Debug, Default)]
pub(crate) struct Names {
    people: BTreeMap<UserId, String>,
    customers: BTreeMap<CustomerId, Customer>,
    products: BTreeMap<ProductId, Product>,
    territories: BTreeMap<TerritoryId, String>,
    /// Those who work in the field and may be filtered by, by name.
    field_people: Vec<(UserId, String, Vec<TerritoryId>)>,
}

impl Names {
    /// Everybody with an account, and every territory.
    pub(crate) async fn load(store: &dyn Store, org: OrganisationId) -> Result<Self, StoreError> {
        let accounts = store.accounts(org).await?;
        Ok(Self::of_those(&accounts, territories(store, org).await?))
    }

    /// The same, of what is known of them already.
    pub(crate) fn of_crew(crew: &Crew) -> Self {
        Self::of_those(&crew.accounts, crew.territories.clone())
    }

    fn of_those(accounts: &[Account], territories: BTreeMap<TerritoryId, String>) -> Self {
        Self {
            people: accounts.iter().map(|it| (it.user, it.name.clone())).collect(),
            field_people: accounts.iter().filter_map(field_person).collect(),
            territories,
            ..Self::default()
        }
    }

    /// These names and no others, as a phone knows them.
    pub(crate) fn of(people: Vec<Person>, customers: Vec<Customer>, products: Vec<Product>) -> Self {
        Self {
            people: people.into_iter().map(|it| (it.id, it.name)).collect(),
            customers: customers.into_iter().map(|it| (it.id, it)).collect(),
            products: products.into_iter().map(|it| (it.id, it)).collect(),
            ..Self::default()
        }
    }

    /// Looks up customers that are not known yet.
    pub(crate) async fn add_customers(
        &mut self,
        store: &dyn Store,
        org: OrganisationId,
        ids: impl IntoIterator<Item = CustomerId>,
    ) -> Result<(), StoreError> {
        let unknown = ids.into_iter().filter(|id| !self.customers.contains_key(id));
        let keys = keys(unknown);
        let found = store.records_named(org, &RecordKind::Customer, &keys).await?;
        for record in found.into_iter().map(|it| it.record) {
            if let LedgerRecord::Customer(it) = record {
                self.customers.insert(it.id, it);
            }
        }
        Ok(())
    }

    /// Looks up products that are not known yet.
    pub(crate) async fn add_products(
        &mut self,
        store: &dyn Store,
        org: OrganisationId,
        ids: impl IntoIterator<Item = ProductId>,
    ) -> Result<(), StoreError> {
        let unknown = ids.into_iter().filter(|id| !self.products.contains_key(id));
        let keys = keys(unknown);
        let found = store.records_named(org, &RecordKind::Product, &keys).await?;
        for record in found.into_iter().map(|it| it.record) {
            if let LedgerRecord::Product(it) = record {
                self.products.insert(it.id, it);
            }
        }
        Ok(())
    }

    /// Looks up people without an account (they have left, or only the books know them).
    pub(crate) async fn add_people(
        &mut self,
        store: &dyn Store,
        org: OrganisationId,
        ids: impl IntoIterator<Item = UserId>,
    ) -> Result<(), StoreError> {
        let unknown = ids.into_iter().filter(|id| !self.people.contains_key(id));
        let keys = keys(unknown);
        let found = store.records_named(org, &RecordKind::Person, &keys).await?;
        for record in found.into_iter().map(|it| it.record) {
            if let LedgerRecord::Person(it) = record {
                self.people.insert(it.id, it.name);
            }
        }
        Ok(())
    }

    /// A person's name; their id when nobody knows them.
    pub(crate) fn person(&self, id: UserId) -> String {
        self.people.get(&id).cloned().unwrap_or_else(|| id.to_string())
    }

    /// A customer's name; the id when the customer is not known.
    pub(crate) fn customer_name(&self, id: CustomerId) -> String {
        self.customers
            .get(&id)
            .map_or_else(|| id.to_string(), |it| it.name.clone())
    }

    /// A customer that was looked up.
    pub(crate) fn customer(&self, id: CustomerId) -> Option<&Customer> {
        self.customers.get(&id)
    }

    pub(crate) fn product(&self, id: ProductId) -> Option<&Product> {
        self.products.get(&id)
    }

    /// A product's name with its number; the id when it is not known.
    pub(crate) fn product_name(&self, id: ProductId) -> String {
        self.products.get(&id).map_or_else(
            || id.to_string(),
            |it| {
                if it.code.is_empty() {
                    it.name.clone()
                } else {
                    format!("{} ({})", it.name, it.code)
                }
            },
        )
    }

    pub(crate) fn territory(&self, id: TerritoryId) -> String {
        self.territories.get(&id).cloned().unwrap_or_else(|| id.to_string())
    }

    /// The territories that `account` may read, by name.
    pub(crate) fn territories_of(&self, account: &Account) -> Vec<(TerritoryId, String)> {
        let mut found: Vec<_> = self
            .territories
            .iter()
            .filter(|(id, _)| account.may_read(**id))
            .map(|(id, name)| (*id, name.clone()))
            .collect();
        found.sort_by(|a, b| a.1.cmp(&b.1));
        found
    }

    /// Those who work in the field in one of the territories that `account` may read, by name.
    pub(crate) fn field_people_of(&self, account: &Account) -> Vec<(UserId, String)> {
        let everybody = account.territory_filter().is_none();
        let mut found: Vec<_> = self
            .field_people
            .iter()
            .filter(|(_, _, territories)| everybody || territories.iter().any(|it| account.may_read(*it)))
            .map(|(id, name, _)| (*id, name.clone()))
            .collect();
        found.sort_by(|a, b| a.1.cmp(&b.1));
        found
    }
}

/// Ids as keys of records, each once.
fn keys<T: std::fmt::Display + Ord>(ids: impl Iterator<Item = T>) -> Vec<String> {
    let ids: BTreeSet<T> = ids.collect();
    ids.iter().map(ToString::to_string).collect()
}

/// Every territory's name.
pub(super) async fn territories(
    store: &dyn Store,
    org: OrganisationId,
) -> Result<BTreeMap<TerritoryId, String>, StoreError> {
    let stored = store.records(org, &RecordKind::Territory).await?.into_iter();
    let names = stored.filter_map(|it| match it.record {
        LedgerRecord::Territory(Territory { id, name }) => Some((id, name)),
        _ => None,
    });
    Ok(names.collect())
}

fn field_person(account: &Account) -> Option<(UserId, String, Vec<TerritoryId>)> {
    account
        .roles
        .iter()
        .any(|role| role.works_in_the_field() || *role == Role::Supervisor)
        .then(|| (account.user, account.name.clone(), account.territories.clone()))
}

pub(crate) fn key(kind: RecordKind, id: impl std::fmt::Display) -> RecordKey {
    RecordKey {
        kind,
        id: id.to_string(),
    }
}
