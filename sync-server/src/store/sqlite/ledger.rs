//! A customer's ledger: read, decided on and written in one transaction.

use async_trait::async_trait;
use fieldledger_core::model::{
    CreditAccount, CustomerId, InvalidField, LedgerRecord, OrganisationId, Policy, RecordKey, RecordKind, Timestamp,
    UserId,
};
use fieldledger_core::sync::protocol::{Cursor, StreamId};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{
    Lineages, SqliteStore, people, records,
    streams::{self, Log},
};
use crate::ledger::signing::SigningKey;
use crate::store::{
    CustomerLedger, CustomerPart, Decide, Decided, EachBooks, HeldBooks, LedgerChange, LedgerStore, OnceOnly,
    PutOutcome, StoreError, StoredRecord,
};

#[async_trait]
impl LedgerStore for SqliteStore {
    async fn customer_ledger(
        &self,
        org: OrganisationId,
        customer: CustomerId,
    ) -> Result<Option<CustomerLedger>, StoreError> {
        self.read(move |connection| read(connection, org, customer)).await
    }

    async fn each_books(&self, org: OrganisationId, part: CustomerPart, each: EachBooks) -> Result<(), StoreError> {
        self.read(move |connection| each_books(connection, org, part, each))
            .await
    }

    async fn signing_key(&self, org: OrganisationId) -> Result<SigningKey, StoreError> {
        let fresh = self.lineages.key();
        self.write(move |connection| {
            connection
                .prepare_cached("INSERT OR IGNORE INTO signing_key (organisation, key) VALUES (?1, ?2)")?
                .execute(params![org.as_bytes(), fresh])?;
            let key: [u8; 64] = connection
                .prepare_cached("SELECT key FROM signing_key WHERE organisation = ?1")?
                .query_row([org.as_bytes()], |row| row.get(0))?;
            Ok(SigningKey(key))
        })
        .await
    }

    async fn untold_receipts(
        &self,
        org: OrganisationId,
        rep: UserId,
        read: Vec<(StreamId, Cursor)>,
    ) -> Result<Vec<(CustomerId, String)>, StoreError> {
        self.read(move |connection| untold_receipts(connection, org, rep, &read))
            .await
    }

    async fn decide(
        &self,
        org: OrganisationId,
        customer: CustomerId,
        once: Option<OnceOnly>,
        decide: Decide,
        now: Timestamp,
    ) -> Result<Decided, StoreError> {
        let lineages = self.lineages.clone();
        self.write(move |connection| {
            if let Some(once) = &once
                && let Some(before) = answered(connection, org, once)?
            {
                return Ok(before);
            }
            let Some(ledger) = read(connection, org, customer)? else {
                return Ok(Decided::UnknownCustomer);
            };
            match decide(&ledger) {
                Ok(change) => write(connection, &lineages, org, change, once.as_ref(), now),
                Err(invalid) => Ok(Decided::Refused(invalid)),
            }
        })
        .await
    }

    async fn write_change(
        &self,
        org: OrganisationId,
        once: Option<OnceOnly>,
        change: Result<LedgerChange, InvalidField>,
        now: Timestamp,
    ) -> Result<Decided, StoreError> {
        let lineages = self.lineages.clone();
        self.write(move |connection| {
            if let Some(once) = &once
                && let Some(before) = answered(connection, org, once)?
            {
                return Ok(before);
            }
            match change {
                Ok(change) => write(connection, &lineages, org, change, once.as_ref(), now),
                Err(invalid) => Ok(Decided::Refused(invalid)),
            }
        })
        .await
    }
}

fn untold_receipts(
    connection: &Connection,
    org: OrganisationId,
    rep: UserId,
    read: &[(StreamId, Cursor)],
) -> Result<Vec<(CustomerId, String)>, StoreError> {
    // The conditions of the index, word for word. A customer without a rep is in everybody's care.
    let mut statement = connection.prepare_cached(
        "SELECT r.customer, json_extract(r.json, '$.reference') FROM record r
         JOIN record c ON c.customer = r.customer AND c.kind = 'customer' AND c.organisation = r.organisation
         WHERE r.kind = 'receipt' AND json_extract(r.json, '$.arrived_at') IS NOT NULL
           AND json_extract(r.json, '$.sales_told_at') IS NULL
           AND r.stream = ?1 AND r.place <= ?2
           AND coalesce(json_extract(c.json, '$.rep'), ?3) = ?3",
    )?;
    let mut untold = Vec::new();
    for (stream, cursor) in read {
        let Some(found) = streams::find(connection, org, *stream)? else {
            continue;
        };
        // Another history: its places say nothing of this one.
        if found.end.lineage != cursor.lineage {
            continue;
        }
        let place = streams::place_of(found.id, cursor.seq)?;
        let rows = statement.query_map(params![found.id, place, rep.to_string()], |row| {
            Ok((CustomerId::from_bytes(row.get(0)?), row.get(1)?))
        })?;
        for row in rows {
            untold.push(row?);
        }
    }
    Ok(untold)
}

/// Makes the keys that companies sign grants with, where there are none.
pub(super) fn make_signing_keys(connection: &Connection, fresh: &Lineages) -> Result<(), StoreError> {
    let without: Vec<[u8; 16]> = connection
        .prepare("SELECT id FROM organisation WHERE id NOT IN (SELECT organisation FROM signing_key) ORDER BY id")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for organisation in without {
        connection.execute(
            "INSERT INTO signing_key (organisation, key) VALUES (?1, ?2)",
            params![organisation, fresh.key()],
        )?;
    }
    Ok(())
}

/// What was answered when this key was used before.
fn answered(connection: &Connection, org: OrganisationId, once: &OnceOnly) -> Result<Option<Decided>, StoreError> {
    let before: Option<(Vec<u8>, String)> = connection
        .prepare_cached("SELECT digest, answer FROM once_only WHERE organisation = ?1 AND key = ?2")?
        .query_row(params![org.as_bytes(), once.key], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(before.map(|(digest, answer)| {
        if digest == once.digest {
            Decided::Repeated { answer }
        } else {
            Decided::KeyReused
        }
    }))
}

fn write(
    connection: &Connection,
    lineages: &Lineages,
    org: OrganisationId,
    change: LedgerChange,
    once: Option<&OnceOnly>,
    now: Timestamp,
) -> Result<Decided, StoreError> {
    for required in change.requires {
        let found = records::version(connection, org, &required.key)?;
        if found != required.version {
            return Ok(Decided::Refused(required.otherwise));
        }
    }
    let mut marks = Vec::new();
    if !change.records.is_empty() {
        let (outcomes, grown) = records::put(Log::new(connection, org, lineages), &change.records, true, now)?;
        let refused = outcomes.into_iter().zip(&change.records).find_map(|(outcome, record)| {
            let PutOutcome::Refused(reason) = outcome else {
                return None;
            };
            Some(InvalidField::new(record.key().kind.as_str(), reason))
        });
        if let Some(refused) = refused {
            return Ok(Decided::Refused(refused));
        }
        marks = grown;
    }
    for line in &change.audit {
        people::audit::audit(connection, org, line)?;
    }
    if let Some(once) = once {
        connection
            .prepare_cached(
                "INSERT INTO once_only (organisation, key, digest, answer, at) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![
                org.as_bytes(),
                once.key,
                once.digest,
                change.answer,
                now.as_millis()
            ])?;
    }
    Ok(Decided::Done {
        answer: change.answer,
        marks,
    })
}

/// In the order of the index by customer: the plus signs keep SQLite from choosing another one, by which it would have to
/// sort everything first.
fn each_books(
    connection: &Connection,
    org: OrganisationId,
    part: CustomerPart,
    mut each: EachBooks,
) -> Result<(), StoreError> {
    let (first, end) = part.bounds();
    let mut statement = connection.prepare_cached(
        "SELECT customer, kind, json, key FROM record
         WHERE customer >= ?1 AND customer < ?2 AND +organisation = ?3
         AND +kind IN ('invoice', 'receipt', 'credit_note') ORDER BY customer",
    )?;
    let mut rows = statement.query(params![first, end, org.as_bytes()])?;
    let (mut books, mut customer) = (HeldBooks::default(), None);
    while let Some(row) = rows.next()? {
        let of: [u8; 16] = row.get(0)?;
        if customer != Some(of) {
            if let Some(before) = customer.replace(of)
                && each(CustomerId::from_bytes(before), &books).is_break()
            {
                return Ok(());
            }
            books.clear();
        }
        let kind = row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?;
        let json = row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?;
        let read = match kind {
            "invoice" => serde_json::from_str(json).map(|it| books.invoices.push(it)),
            "receipt" => serde_json::from_str(json).map(|it| books.receipts.push(it)),
            _ => serde_json::from_str(json).map(|it| books.credit_notes.push(it)),
        };
        if let Err(error) = read {
            let key: String = row.get(3)?;
            return Err(StoreError::Damaged(format!("{kind} {key}: {error}")));
        }
    }
    if let Some(last) = customer {
        let _ = each(CustomerId::from_bytes(last), &books);
    }
    Ok(())
}

/// Everything about a customer, from one snapshot of the database.
fn read(
    connection: &Connection,
    org: OrganisationId,
    customer: CustomerId,
) -> Result<Option<CustomerLedger>, StoreError> {
    let one = |kind: RecordKind, id: String| records::one(connection, org, &RecordKey { kind, id });
    let Some(StoredRecord {
        record: LedgerRecord::Customer(found),
        ..
    }) = one(RecordKind::Customer, customer.to_string())?
    else {
        return Ok(None);
    };
    let Some(StoredRecord {
        record: LedgerRecord::Organisation(organisation),
        ..
    }) = one(RecordKind::Organisation, "self".to_owned())?
    else {
        return Err(StoreError::NotFound("the company's profile".to_owned()));
    };
    let (policy, policy_version) = match one(RecordKind::Policy, "self".to_owned())? {
        Some(StoredRecord {
            record: LedgerRecord::Policy(policy),
            version,
            ..
        }) => (policy, version),
        _ => (Policy::default(), 0),
    };
    let mut ledger = CustomerLedger {
        organisation,
        policy,
        policy_version,
        customer: found,
        account: CreditAccount::new(customer),
        file: None,
        contracts: Vec::new(),
        orders: Vec::new(),
        deliveries: Vec::new(),
        decisions: Vec::new(),
        invoices: Vec::new(),
        credit_notes: Vec::new(),
        receipts: Vec::new(),
        grants: Vec::new(),
        statements: Vec::new(),
        warnings: Vec::new(),
    };
    for stored in records::all_about(connection, org, customer)? {
        match stored.record {
            LedgerRecord::CreditAccount(it) => ledger.account = it,
            LedgerRecord::CreditFile(it) => ledger.file = Some(it),
            LedgerRecord::Contract(it) => ledger.contracts.push(it),
            LedgerRecord::Order(it) => ledger.orders.push(it),
            LedgerRecord::OrderDecision(it) => ledger.decisions.push(it),
            LedgerRecord::Delivery(it) => ledger.deliveries.push(it),
            LedgerRecord::Invoice(it) => ledger.invoices.push(it),
            LedgerRecord::CreditNote(it) => ledger.credit_notes.push(it),
            LedgerRecord::Receipt(it) => ledger.receipts.push(it),
            LedgerRecord::Grant(it) => ledger.grants.push(it),
            LedgerRecord::Statement(it) => ledger.statements.push(it),
            LedgerRecord::Warning(it) => ledger.warnings.push(it),
            LedgerRecord::Customer(_)
            | LedgerRecord::Organisation(_)
            | LedgerRecord::Policy(_)
            | LedgerRecord::Territory(_)
            | LedgerRecord::Person(_)
            | LedgerRecord::Product(_)
            | LedgerRecord::Target(_)
            | LedgerRecord::UnidentifiedReceipt(_) => {}
        }
    }
    Ok(Some(ledger))
}
