//! Customers with their credit files.

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    response::Response,
};
use fieldledger_core::{
    model::{CreditFile, CreditLimit, Customer, CustomerId, LedgerRecord, Money, RecordKind},
    rules::credit,
};
use rust_decimal::Decimal;
use serde::Deserialize;

use super::{
    error::PageError,
    feed::{self, Row},
    format::{self, Moment},
    names::{Names, key},
    page::{Frame, Viewer, encoded, html},
    record::{Field, Shown},
};
use crate::{
    state::AppState,
    store::{CustomerSearch, FeedFilter, FoundCustomers},
};

/// Lines on a page.
const PAGE: u32 = 100;
/// Activity shown on a customer's page.
const LATEST: u32 = 10;

#[derive(Debug, Default, Deserialize)]
pub(super) struct Search {
    #[serde(default)]
    q: String,
    #[serde(default)]
    from: u64,
}

struct CustomerRow {
    href: String,
    code: String,
    name: String,
    contact: String,
    phone: String,
    rep: String,
    territory: String,
}

#[derive(Template)]
#[template(path = "customers.html")]
struct CustomersPage {
    frame: Frame,
    q: String,
    count: String,
    rows: Vec<CustomerRow>,
    next: Option<String>,
}

/// The customers of the reader's territories.
pub(super) async fn list(
    State(app): State<AppState>,
    viewer: Viewer,
    Query(search): Query<Search>,
) -> Result<Response, PageError> {
    let store = app.store.as_ref();
    let org = viewer.account.organisation;
    let mut names = Names::load(store, org).await?;
    let wanted = CustomerSearch {
        text: search.q.trim().to_owned(),
        details: true,
        from: search.from,
        limit: PAGE,
        ..CustomerSearch::default()
    };
    let FoundCustomers {
        total: count,
        customers: shown,
    } = feed::find_visible(store, &viewer, wanted).await?;
    names
        .add_people(store, org, shown.iter().filter_map(|it| it.rep))
        .await?;
    let from = search.from.saturating_add(u64::from(PAGE));
    let page = CustomersPage {
        frame: viewer.frame("customers"),
        q: search.q.trim().to_owned(),
        count: viewer.text.fill("customers.count", "count", count),
        rows: shown
            .into_iter()
            .map(|it| CustomerRow {
                href: format!("/customers/{}", it.id),
                code: it.code,
                name: it.name,
                contact: it.contact,
                phone: it.phone,
                rep: it.rep.map(|rep| names.person(rep)).unwrap_or_default(),
                territory: names.territory(it.territory),
            })
            .collect(),
        next: (from < count).then(|| format!("/customers?q={}&from={from}", encoded(&search.q))),
    };
    html(&page)
}

#[derive(Template)]
#[template(path = "customer.html")]
struct CustomerPage {
    frame: Frame,
    name: String,
    facts: Vec<Field>,
    credit: Option<CreditView>,
    rows: Vec<Row>,
    all: String,
}

struct CreditView {
    as_of: Moment,
    figures: Vec<Field>,
}

/// A customer.
pub(super) async fn show(
    State(app): State<AppState>,
    viewer: Viewer,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    let id: CustomerId = id.parse().map_err(|_| PageError::NotFound)?;
    let store = app.store.as_ref();
    let org = viewer.account.organisation;
    let customer = match store
        .record(org, &key(RecordKind::Customer, id))
        .await?
        .map(|it| it.record)
    {
        Some(LedgerRecord::Customer(it)) if viewer.account.may_read(it.territory) => it,
        _ => return Err(PageError::NotFound),
    };
    let credit = match store
        .record(org, &key(RecordKind::CreditFile, id))
        .await?
        .map(|it| it.record)
    {
        Some(LedgerRecord::CreditFile(it)) => Some(it),
        _ => None,
    };
    let mut names = Names::load(store, org).await?;
    names.add_people(store, org, customer.rep).await?;
    let filter = FeedFilter {
        territories: viewer.account.territory_filter(),
        customer: Some(id),
        limit: LATEST,
        ..FeedFilter::default()
    };
    let items = feed::read_feed(store, &viewer, &filter).await?;
    let devices = store.devices(org).await?;
    let rows = feed::rows(store, &viewer, &mut names, &devices, items).await?;
    let page = CustomerPage {
        frame: viewer.frame("customers"),
        facts: facts(&viewer, &names, &customer),
        name: customer.name,
        credit: credit.map(|file| CreditView {
            as_of: Moment::new(file.as_of, viewer.zone),
            figures: figures(&viewer, &file),
        }),
        rows,
        all: format!("/activity?customer={id}"),
    };
    html(&page)
}

fn fact(label: &str, value: impl Into<String>) -> Field {
    let value = value.into();
    Field {
        label: label.to_owned(),
        value: if value.trim().is_empty() {
            Shown::Nothing
        } else {
            Shown::Text(value)
        },
        remarks: Vec::new(),
    }
}

fn doubt(label: &str, value: impl Into<String>) -> Field {
    Field {
        value: Shown::Doubt(value.into()),
        ..fact(label, "")
    }
}

fn facts(viewer: &Viewer, names: &Names, customer: &Customer) -> Vec<Field> {
    let text = viewer.text;
    vec![
        fact(text.t("customers.code"), &customer.code),
        fact(text.t("customers.contact"), &customer.contact),
        fact(text.t("customers.phone"), &customer.phone),
        fact(text.t("customers.address"), &customer.address),
        fact(
            text.t("customers.rep"),
            customer.rep.map(|rep| names.person(rep)).unwrap_or_default(),
        ),
        fact(text.t("customers.territory"), names.territory(customer.territory)),
        fact(
            text.t("customer.position"),
            customer.position.as_ref().map_or_else(
                || text.t("customer.position_unknown").to_owned(),
                |it| format::position(text, it),
            ),
        ),
    ]
}

fn figures(viewer: &Viewer, file: &CreditFile) -> Vec<Field> {
    let text = viewer.text;
    let money = |key: &'static str, amount: Money| fact(text.t(key), format::money(amount));
    let exposure = credit::exposure(file);
    let mut figures = vec![
        fact(
            text.t("customer.grade"),
            file.grade.map_or_else(
                || text.t("customer.grade_none").to_owned(),
                |grade| format!("{grade:?}"),
            ),
        ),
        match file.limit {
            CreditLimit::NoLimit => fact(text.t("customer.limit"), text.t("customer.no_limit")),
            CreditLimit::Limited(limit) => money("customer.limit", limit),
        },
        match exposure {
            Ok(exposure) => money("customer.exposure", exposure),
            Err(_) => doubt(text.t("customer.exposure"), text.t("customer.mixed")),
        },
    ];
    if let (CreditLimit::Limited(limit), Ok(exposure)) = (file.limit, exposure)
        && let Some(percent) = share(exposure, limit)
    {
        let shown = format!("{percent} %");
        figures.push(if percent >= Decimal::ONE_HUNDRED {
            doubt(text.t("customer.used"), shown)
        } else {
            fact(text.t("customer.used"), shown)
        });
    }
    figures.extend([
        fact(
            text.t("customer.terms"),
            text.fill("customer.terms_days", "days", file.terms_days),
        ),
        if file.on_hold {
            doubt(text.t("customer.on_hold"), text.t("record.yes"))
        } else {
            fact(text.t("customer.on_hold"), text.t("record.no"))
        },
        money("customer.open_receivables", file.open_receivables),
        money("customer.special_liabilities", file.special_liabilities),
        money("customer.delivered_not_invoiced", file.delivered_not_invoiced),
        money("customer.open_orders", file.open_orders),
        if file.overdue.amount > Decimal::ZERO {
            doubt(text.t("customer.overdue"), format::money(file.overdue))
        } else {
            money("customer.overdue", file.overdue)
        },
        fact(
            text.t("customer.oldest_due"),
            file.oldest_due.map(|it| it.to_string()).unwrap_or_default(),
        ),
    ]);
    figures
}

/// Exposure in per cent of the limit; `None` where that says nothing.
fn share(exposure: Money, limit: Money) -> Option<Decimal> {
    if limit.currency != exposure.currency || limit.amount <= Decimal::ZERO {
        return None;
    }
    let share = exposure
        .amount
        .checked_mul(Decimal::ONE_HUNDRED)?
        .checked_div(limit.amount)?;
    // Rounded down: only what reaches the limit says 100.
    Some(share.floor())
}

#[cfg(test)]
mod tests {
    use fieldledger_core::model::Currency;

    use super::*;

    #[test]
    fn the_share_of_the_limit_says_a_hundred_only_when_it_is_reached() {
        let cny = |amount: i64| Money::new(Decimal::new(amount, 2), Currency::CNY);
        assert_eq!(share(cny(9_999), cny(10_000)), Some(99.into()));
        assert_eq!(share(cny(10_000), cny(10_000)), Some(100.into()));
        assert_eq!(share(cny(1), cny(0)), None);
        assert_eq!(share(cny(1), Money::new(1.into(), Currency::USD)), None);
    }
}
