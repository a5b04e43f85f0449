//! How the work of collecting goes: visits against the cadence, why money came late, which contact is followed by money
//! (DOMAIN §3 and §6).

use std::collections::BTreeMap;

use fieldledger_core::{
    model::{Customer, DocumentKind, LateCause},
    rules::performance::{
        Attribution, CadenceFact, ClosingFact, ContactFact, Count, Grouping, Performance, PerformanceFacts, Period,
        figures,
    },
};

use super::{Body, Cell, Group, GroupBy, Reader, ReportError, ReportName, Row};
use crate::{
    ledger::notes,
    store::{CustomerLedger, FeedFilter},
};

/// Days after a contact within which money counts as its effect.
const EFFECT_DAYS: u32 = 7;
/// Visits that are read at a time.
const PAGE: u32 = 500;

/// One of the three reports, by group.
pub(super) async fn report(reader: &Reader<'_>, by: GroupBy) -> Result<Body, ReportError> {
    let mut groups: BTreeMap<Group, Performance> = BTreeMap::new();
    let mut whole = Performance::default();
    let period = Period {
        from: reader.request.first_day(),
        to: reader.request.as_of,
    };
    for customer in &reader.customers {
        let facts = facts(reader, customer).await?;
        for performance in figures(&facts, Grouping::Whole, period, EFFECT_DAYS).values() {
            add(&mut whole, performance);
            add(groups.entry(reader.group(customer, by)).or_default(), performance);
        }
    }
    let mut columns = match by {
        GroupBy::Customer => vec!["customer", "name"],
        GroupBy::Rep => vec!["rep"],
        GroupBy::Supervisor => vec!["supervisor"],
        GroupBy::Territory => vec!["territory"],
    };
    let heads = columns.len();
    columns.extend(match reader.request.name {
        ReportName::Causes => &["cause", "collections"][..],
        ReportName::Channels => &["channel", "contacts", "followed_by_money", "percent"][..],
        _ => &[
            "visits_due",
            "visits_made",
            "percent",
            "customers_missed",
            "missed_since",
        ][..],
    });
    let mut rows = Vec::new();
    let mut told = |total, head: Vec<Cell>, performance: &Performance| {
        for cells in cells(reader.request.name, performance) {
            let mut all = head.clone();
            all.resize(heads, Cell::Empty);
            all.extend(cells);
            rows.push(Row { total, cells: all });
        }
    };
    for (group, performance) in &groups {
        let mut head = vec![Cell::text(&group.code)];
        if by == GroupBy::Customer {
            head.push(Cell::text(&group.name));
        }
        told(false, head, performance);
    }
    told(true, vec![Cell::text("total")], &whole);
    Ok((columns, rows))
}

/// The rows of one group, without its name.
fn cells(name: ReportName, performance: &Performance) -> Vec<Vec<Cell>> {
    let whole = |count: u32| Cell::Count(i64::from(count));
    match name {
        ReportName::Causes => performance
            .causes
            .iter()
            .map(|(cause, count)| vec![Cell::text(cause_name(cause)), whole(*count)])
            .collect(),
        ReportName::Channels => performance
            .channels
            .iter()
            .map(|(channel, count)| {
                vec![
                    Cell::text(channel),
                    whole(count.of),
                    whole(count.did),
                    Cell::percent(count.share()),
                ]
            })
            .collect(),
        _ => vec![vec![
            whole(performance.visits.of),
            whole(performance.visits.did),
            Cell::percent(performance.visits.share()),
            Cell::count(performance.missed.len()),
            Cell::day(performance.missed.iter().map(|it| it.due_on).min()),
        ]],
    }
}

fn cause_name(cause: &LateCause) -> String {
    match cause {
        LateCause::CustomerFunds => "customer_funds".to_owned(),
        LateCause::OurService => "our_service".to_owned(),
        LateCause::External => "external".to_owned(),
        LateCause::Other(name) => name.clone(),
    }
}

fn add(sum: &mut Performance, part: &Performance) {
    let more = |sum: &mut Count, part: Count| {
        sum.did = sum.did.saturating_add(part.did);
        sum.of = sum.of.saturating_add(part.of);
    };
    more(&mut sum.visits, part.visits);
    sum.missed.extend(part.missed.iter().copied());
    for (cause, count) in &part.causes {
        *sum.causes.entry(cause.clone()).or_default() += count;
    }
    for (channel, count) in &part.channels {
        more(sum.channels.entry(channel.clone()).or_default(), *count);
    }
}

async fn facts(reader: &Reader<'_>, customer: &Customer) -> Result<PerformanceFacts, ReportError> {
    let zone = reader.profile.time_zone;
    // What is grouped here is one customer; the report puts customers together.
    let whose = Attribution {
        rep: customer.rep,
        supervisor: None,
        territory: customer.territory,
    };
    let ledger = reader.ledger(customer.id).await?;
    let mut facts = PerformanceFacts::default();
    if reader.request.name == ReportName::Cadence {
        facts.cadence.extend(cadence(reader, &ledger, whose).await?);
        return Ok(facts);
    }
    for (_, note) in notes::notes_of(reader.store, reader.org, customer.id).await? {
        let on = note.at.date_in(zone);
        if let Some(closing) = &note.closing {
            facts.closings.push(ClosingFact {
                whose,
                on,
                cause: closing.cause.clone().filter(|_| closing.was_late),
            });
        }
        // A note that only tells of money that came, or closes, asked for nothing.
        if note.closing.is_none() && note.receipt.is_none() {
            let name = serde_json::to_value(&note.channel).ok();
            let name = name.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default();
            facts.contacts.push(ContactFact {
                whose,
                customer: customer.id,
                on,
                channel: name.to_owned(),
            });
        }
    }
    let certain = ledger
        .receipts
        .iter()
        .filter(|it| it.cleared_on.is_some() && it.bounced_on.is_none());
    let valued = certain.map(|it| it.valued_on).collect();
    facts.payments.insert(customer.id, valued);
    Ok(facts)
}

/// What the customer's grade asks for, and the visits there were. Somebody about whom nothing was decided has no cadence.
async fn cadence(
    reader: &Reader<'_>,
    ledger: &CustomerLedger,
    whose: Attribution,
) -> Result<Option<CadenceFact>, ReportError> {
    let as_of = reader.request.as_of;
    let Some(terms) = ledger.account.terms_on(as_of) else {
        return Ok(None);
    };
    let policy = terms.grade.and_then(|grade| ledger.policy.grades.get(&grade));
    let Some(every_days) = policy.and_then(|it| it.visit_every_days) else {
        return Ok(None);
    };
    let mut filter = FeedFilter {
        kind: Some(DocumentKind::Visit),
        customer: Some(ledger.customer.id),
        limit: PAGE,
        ..FeedFilter::default()
    };
    let mut visits = Vec::new();
    loop {
        let page = reader.store.feed(reader.org, &filter).await?;
        let Some(last) = page.last() else { break };
        filter.after = Some(last.place());
        // A visit without a check-in did not take place.
        let made = page.iter().filter_map(|it| it.summary.at);
        visits.extend(made.map(|at| at.date_in(reader.profile.time_zone)));
        if page.len() < PAGE as usize {
            break;
        }
    }
    Ok(Some(CadenceFact {
        whose,
        customer: ledger.customer.id,
        every_days: Some(every_days),
        visits,
        since: terms.effective_from,
    }))
}
