//! Ageing by groups of customers. It needs nothing but the books, so it reads only them, part of the customers beside
//! part, and keeps sums: memory grows with the number of customers and currencies, not with what is open.

use std::{
    collections::{BTreeSet, HashMap},
    ops::ControlFlow,
    sync::{Arc, Mutex, PoisonError},
};

use chrono::NaiveDate;
use fieldledger_core::{
    model::{Currency, CustomerId},
    rules::{
        ageing::Ageing,
        books::{BooksError, open_items, unallocated},
    },
};

use super::{GroupBy, Reader, ReportError, figures::Groups, in_books, sums::Sums};
use crate::store::{CustomerPart, HeldBooks};

/// Into how many parts the customers are divided; a store reads as many at a time as it can.
const PARTS: u8 = 4;

/// What customers come to: an ageing for each, with the currencies that they deal in.
type Aged = HashMap<CustomerId, (Ageing, BTreeSet<Currency>)>;

/// The sums of each group, with everything but the ageing left empty.
pub(super) async fn groups(reader: &Reader<'_>, by: GroupBy) -> Result<Groups, ReportError> {
    let as_of = reader.request.as_of;
    let mut aged = read(reader).await?;
    let mut groups = Groups::default();
    for customer in &reader.customers {
        let (ageing, mut currencies) = aged
            .remove(&customer.id)
            .unwrap_or_else(|| (Ageing::new(as_of), BTreeSet::new()));
        currencies.insert(reader.profile.currency);
        let mut sums = Sums::new(as_of);
        (sums.ageing, sums.customers) = (ageing, 1);
        for currency in currencies {
            groups.add(reader.group(customer, by), currency, as_of, &sums)?;
        }
    }
    Ok(groups)
}

async fn read(reader: &Reader<'_>) -> Result<Aged, ReportError> {
    let as_of = reader.request.as_of;
    let wanted: Arc<BTreeSet<CustomerId>> = Arc::new(reader.customers.iter().map(|it| it.id).collect());
    let parts: Vec<_> = CustomerPart::all(PARTS)
        .map(|part| {
            let found = Arc::new(Mutex::new((Aged::new(), None)));
            let (sink, wanted) = (Arc::clone(&found), Arc::clone(&wanted));
            let each = move |customer: CustomerId, books: &HeldBooks| {
                if !wanted.contains(&customer) {
                    return ControlFlow::Continue(());
                }
                let mut sink = sink.lock().unwrap_or_else(PoisonError::into_inner);
                match age(books, as_of) {
                    Ok(aged) => {
                        sink.0.insert(customer, aged);
                        ControlFlow::Continue(())
                    }
                    Err(error) => {
                        sink.1 = Some((customer, error));
                        ControlFlow::Break(())
                    }
                }
            };
            (reader.store.each_books(reader.org, part, Box::new(each)), found)
        })
        .collect();
    let (reading, found): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
    for done in futures::future::join_all(reading).await {
        done?;
    }
    let mut all = Aged::new();
    for part in found {
        let mut part = part.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((customer, error)) = part.1.take() {
            let known = reader.customers.iter().find(|it| it.id == customer);
            return Err(match known {
                Some(customer) => in_books(customer)(error),
                None => crate::store::StoreError::NotFound(format!("customer {customer}")).into(),
            });
        }
        all.extend(part.0.drain());
    }
    Ok(all)
}

fn age(books: &HeldBooks, as_of: NaiveDate) -> Result<(Ageing, BTreeSet<Currency>), BooksError> {
    let view = books.view();
    let ageing = Ageing::of(as_of, &open_items(&view, as_of)?, &unallocated(&view, as_of)?)?;
    let mut currencies: BTreeSet<Currency> = ageing.rows().map(|(currency, _)| currency).collect();
    let counting = books.invoices.iter().filter(|it| it.counts_from() <= as_of);
    currencies.extend(counting.map(|it| it.amount.currency));
    let counting = books.credit_notes.iter().filter(|it| it.counts_from() <= as_of);
    currencies.extend(counting.map(|it| it.amount.currency));
    currencies.extend(books.receipts.iter().map(|it| it.amount.currency));
    Ok((ageing, currencies))
}
