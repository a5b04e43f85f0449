//! Territories, people, and who sees what.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    str::FromStr as _,
};

use fieldledger_core::model::{Person, Role, Territory, TerritoryId, UserId};

use super::{
    Builder, BuiltPerson, RowResult,
    cells::{required, unique},
};
use crate::import::{AccountPlan, mapping::Field, table::RowView};

impl<'m> Builder<'m> {
    pub(super) fn territory(&mut self, row: &RowView<'m>, field: &Field) -> RowResult<TerritoryId> {
        let key = required(row, field)?;
        if let Some((territory, _)) = self.territories.get(&key) {
            return Ok(territory.id);
        }
        if self.mapping.territories.is_some() {
            return Err(row.error(&field.columns(), format!("there is no territory {key:?}")));
        }
        let id = TerritoryId::derived(self.organisation, &format!("territory:{key}"));
        let territory = Territory { id, name: key.clone() };
        self.territories.insert(key, (territory, None));
        Ok(id)
    }

    pub(super) fn listed_territories(&mut self) {
        let Some(section) = &self.mapping.territories else {
            return;
        };
        let made = self.each(section.source(), |this, row, seen| {
            let key = unique(row, &section.key, seen)?;
            let id = TerritoryId::derived(this.organisation, &format!("territory:{key}"));
            let name = required(row, &section.name)?;
            Ok((key, Territory { id, name }))
        });
        for ((key, territory), source) in made {
            self.territories.insert(key, (territory, Some(source)));
        }
    }

    pub(super) fn people(&mut self) {
        let Some(section) = &self.mapping.people else { return };
        // Supervisors may stand below those who report to them, so their keys are gathered first.
        let mut keys = HashSet::new();
        for row in self
            .tables
            .rows(section.source(), &self.mapping.reading, &mut Vec::new())
        {
            keys.extend(row.value(&section.key).ok().flatten());
        }
        let mut logins: HashMap<String, u64> = HashMap::new();
        let made = self.each(section.source(), |this, row, seen| {
            let key = unique(row, &section.key, seen)?;
            let id = this.user_id(&key);
            let login: String = required(row, &section.login)?
                .to_lowercase()
                .split_whitespace()
                .collect();
            if let Some(line) = logins.insert(login.clone(), row.line()) {
                return Err(row.error(
                    &section.login.columns(),
                    format!("the sign-in name {login:?} is that of line {line} already"),
                ));
            }
            let mut roles = Vec::new();
            for word in required(row, &section.roles)?.split(',') {
                let role = Role::from_str(word.trim())
                    .map_err(|error| row.error(&section.roles.columns(), error.to_string()))?;
                if !roles.contains(&role) {
                    roles.push(role);
                }
            }
            let supervisor = match section
                .supervisor
                .as_ref()
                .map(|field| row.value(field))
                .transpose()?
                .flatten()
            {
                None => None,
                Some(above) if keys.contains(&above) => Some(this.user_id(&above)),
                Some(above) => {
                    let columns = section.supervisor.as_ref().map(Field::columns).unwrap_or_default();
                    return Err(row.error(&columns, format!("there is no person {above:?}")));
                }
            };
            let person = Person {
                id,
                name: required(row, &section.name)?,
                roles,
                supervisor,
            };
            Ok((key, person, login, *row))
        });
        for ((key, person, login, row), source) in made {
            let mut territories = BTreeSet::new();
            if let Some(field) = &section.territory
                && row.value(field).is_ok_and(|value| value.is_some())
            {
                match self.territory(&row, field) {
                    Ok(id) => {
                        territories.insert(id);
                    }
                    Err(error) => self.errors.push(error),
                }
            }
            let built = BuiltPerson {
                person,
                login,
                territories,
                source,
            };
            self.people.insert(key, built);
        }
    }

    pub(super) fn user_id(&self, key: &str) -> UserId {
        UserId::derived(self.organisation, &format!("person:{key}"))
    }

    pub(super) fn person(&self, row: &RowView<'m>, field: &Field) -> RowResult<Option<String>> {
        match row.value(field)? {
            Some(key) if !self.people.contains_key(&key) => {
                Err(row.error(&field.columns(), format!("there is no person {key:?}")))
            }
            key => Ok(key),
        }
    }

    /// Accounts, each with the territories of their customers and of everybody who reports to them, directly or
    /// further down. Who reports to nobody sees every territory, the ones without a rep included.
    pub(super) fn accounts(&self) -> Vec<AccountPlan> {
        let by_id: HashMap<UserId, &BuiltPerson> = self.people.values().map(|it| (it.person.id, it)).collect();
        let mut territories: HashMap<UserId, BTreeSet<TerritoryId>> = HashMap::new();
        for built in self.people.values() {
            let mut above = Some(built.person.id);
            // A circle of supervisors in the data ends when everybody in it was visited.
            let mut visited = HashSet::new();
            while let Some(id) = above.filter(|id| visited.insert(*id)) {
                territories.entry(id).or_default().extend(&built.territories);
                above = by_id.get(&id).and_then(|it| it.person.supervisor);
            }
        }
        let every: Vec<TerritoryId> = self.territories.values().map(|(it, _)| it.id).collect();
        let mut plan = |built: &BuiltPerson| {
            let person = &built.person;
            let supervises = person.roles.contains(&Role::Supervisor);
            let territories = if supervises && person.supervisor.is_none() {
                every.clone()
            } else {
                territories.remove(&person.id).unwrap_or_default().into_iter().collect()
            };
            AccountPlan {
                user: person.id,
                login: built.login.clone(),
                name: person.name.clone(),
                roles: person.roles.clone(),
                territories,
                source: Some(built.source.clone()),
            }
        };
        self.people.values().map(&mut plan).collect()
    }
}
