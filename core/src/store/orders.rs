use chrono::NaiveDate;
use rusqlite::{Connection, Transaction};

use super::{Document, DocumentRow, FieldStore};
use crate::{
    db::{allowances, documents, lists, records},
    error::FieldError,
    model::{
        CreditDecision, CreditFile, CreditRuleChanges, DocumentId, DocumentKind, Guarantee, InvalidField, LedgerRecord,
        Money, Order, OrderDecision, OrderState, Policy, RecordKind, Timestamp,
    },
    rules::{
        allowance::SpendRequest,
        credit::{self, CreditQuestion},
        exposure::DayRates,
    },
    sync::protocol::AllowanceWord,
};

/// States of an order that the customer owes, or will.
const COUNTED: &str = "d.state IN ('submitted', 'approved', 'provisional', 'held')";

impl FieldStore {
    /// Whether the customer may have this order on credit, as far as this phone knows: the credit file, the company's
    /// policy, the orders that the file does not count yet, and the allowances of this phone. Nothing is spent.
    ///
    /// # Errors
    /// [`FieldError::Invalid`] when amounts overflow.
    pub fn check_credit(&self, order: &Order) -> Result<CreditDecision, FieldError> {
        let total = order.total()?;
        self.read(|connection| {
            let question = self.question(connection, order, None)?;
            let alone = question.ask(total, Guarantee::None)?;
            let clock = self.allowance_clock_in(connection)?;
            for mut grant in allowances::open(connection, Some(order.customer))? {
                let Some(request) = question.spend(DocumentId::from_bytes([0; 16]), order, total, &alone) else {
                    break;
                };
                if grant.spend(&request, clock).is_ok() {
                    return question.ask(total, Guarantee::Allowance(grant.terms.id));
                }
            }
            Ok(alone)
        })
    }

    /// Submits an order: checks the customer's credit and records the verdict with everything that went into it. When an
    /// allowance of this phone covers it, it is spent in the same transaction and the order is guaranteed.
    ///
    /// # Errors
    /// [`FieldError::Invalid`] when it was submitted or cancelled before; as [`Self::save`].
    pub fn submit_order(&self, order: &Document<Order>) -> Result<Document<Order>, FieldError> {
        if order.value.state != OrderState::Draft {
            return Err(InvalidField::new("state", "this order was submitted or cancelled before").into());
        }
        self.save_with(order, |transaction, value| {
            value.state = OrderState::Submitted;
            value.credit = Some(self.decide_and_spend(transaction, order.id, value)?);
            Ok(())
        })
    }

    fn decide_and_spend(
        &self,
        transaction: &Transaction<'_>,
        id: DocumentId,
        order: &Order,
    ) -> Result<CreditDecision, FieldError> {
        let total = order.total()?;
        let question = self.question(transaction, order, Some(id))?;
        let alone = question.ask(total, Guarantee::None)?;
        let clock = self.read_allowance_clock(transaction)?;
        for mut grant in allowances::open(transaction, Some(order.customer))? {
            let Some(request) = question.spend(id, order, total, &alone) else {
                break;
            };
            let guaranteed = question.ask(total, Guarantee::Allowance(grant.terms.id))?;
            if !guaranteed.rules.iter().all(|it| it.passed) {
                break;
            }
            // A grant that is too small, or over, leaves the order to the next one.
            if let Ok(spend) = grant.spend(&request, clock) {
                allowances::put(transaction, &grant)?;
                allowances::say(transaction, &AllowanceWord::Spent(spend))?;
                return Ok(guaranteed);
            }
        }
        Ok(alone)
    }

    /// Takes an order back.
    ///
    /// # Errors
    /// [`FieldError::NotFound`]; as [`Self::save`].
    pub fn cancel_order(&self, id: DocumentId) -> Result<Document<Order>, FieldError> {
        let mut order = self.order(id)?.ok_or(FieldError::NotFound)?;
        order.value.state = OrderState::Cancelled;
        self.save(&order)
    }

    /// What the company decided about an order; `None` until the server has said so.
    ///
    /// # Errors
    /// [`FieldError::Damaged`] and [`FieldError::Closed`], as every reading method.
    pub fn order_decision(&self, order: DocumentId) -> Result<Option<OrderDecision>, FieldError> {
        self.read(|connection| {
            Ok(
                match records::get(connection, &RecordKind::OrderDecision, &order.to_string())? {
                    Some((LedgerRecord::OrderDecision(decision), _)) => Some(decision),
                    _ => None,
                },
            )
        })
    }

    /// The company's rules about credit and money; the defaults before the first sync.
    ///
    /// # Errors
    /// As [`Self::order_decision`].
    pub fn policy(&self) -> Result<Policy, FieldError> {
        self.read(|connection| Ok(policy(connection)?.0))
    }

    fn question(
        &self,
        connection: &Connection,
        order: &Order,
        own: Option<DocumentId>,
    ) -> Result<Question, FieldError> {
        let id = order.customer.to_string();
        let file = match records::get(connection, &RecordKind::CreditFile, &id)? {
            Some((LedgerRecord::CreditFile(file), version)) => Some((file, version)),
            _ => None,
        };
        let changes = match records::get(connection, &RecordKind::CreditAccount, &id)? {
            Some((LedgerRecord::CreditAccount(account), _)) => account.rules,
            _ => CreditRuleChanges::default(),
        };
        let zone = match records::get(connection, &RecordKind::Organisation, "self")? {
            Some((LedgerRecord::Organisation(profile), _)) => profile.time_zone,
            _ => chrono_tz::UTC,
        };
        let (policy, policy_version) = policy(connection)?;
        let unsent = uncounted_orders(connection, order, own, file.as_ref().map(|(file, _)| file.as_of))?;
        Ok(Question {
            file,
            policy,
            policy_version,
            changes,
            // The phone's clock may be wrong by years; what the server said last is the least that is certain.
            day: self.reckoned_now(connection)?.date_in(zone),
            unsent,
        })
    }

    /// The server's time as far as this phone can tell: its reckoning, else its wall clock, never before the last contact.
    pub(super) fn reckoned_now(&self, connection: &Connection) -> Result<Timestamp, FieldError> {
        let contact = self.last_contact_in(connection)?;
        Ok(match self.allowance_clock_in(connection)? {
            Ok(now) => now,
            Err(_) => contact.map_or(self.now(), |it| it.max(self.now())),
        })
    }
}

pub(super) fn policy(connection: &Connection) -> Result<(Policy, u64), FieldError> {
    Ok(match records::get(connection, &RecordKind::Policy, "self")? {
        Some((LedgerRecord::Policy(policy), version)) => (policy, version),
        _ => (Policy::default(), 0),
    })
}

/// What a check is asked with.
struct Question {
    file: Option<(CreditFile, u64)>,
    policy: Policy,
    policy_version: u64,
    changes: CreditRuleChanges,
    day: NaiveDate,
    unsent: Money,
}

impl Question {
    fn ask(&self, total: Money, guarantee: Guarantee) -> Result<CreditDecision, FieldError> {
        let currency = self
            .file
            .as_ref()
            .map_or(total.currency, |(file, _)| file.open_receivables.currency);
        let reserved = self.file.as_ref().and_then(|(file, _)| file.reserved);
        let inputs = credit::gather(&CreditQuestion {
            file: self.file.as_ref().map(|(file, version)| (file, *version)),
            policy: &self.policy,
            policy_version: self.policy_version,
            changes: &self.changes,
            guarantee,
            day: self.day,
            unsent_orders: self.unsent,
            reserved: reserved.unwrap_or(Money::zero(currency)),
            order_total: total,
        })?;
        Ok(credit::check(inputs))
    }

    /// What would be spent of a grant for the order; `None` when it cannot be counted in the limit's currency.
    fn spend(&self, id: DocumentId, order: &Order, total: Money, alone: &CreditDecision) -> Option<SpendRequest> {
        let (file, _) = self.file.as_ref()?;
        let rates = DayRates {
            rates: &self.policy.rates,
            day: self.day,
        };
        Some(SpendRequest {
            order: id,
            customer: order.customer,
            amount: rates.convert(total, file.open_receivables.currency).ok()?,
            on_hold: alone.inputs.on_hold,
        })
    }
}

/// The sum of the customer's submitted orders here that the credit file does not count yet: made after it, or not sent.
fn uncounted_orders(
    connection: &Connection,
    order: &Order,
    own: Option<DocumentId>,
    as_of: Option<Timestamp>,
) -> Result<Money, FieldError> {
    let Some(customer) = documents::interned(connection, order.customer.as_bytes())? else {
        return Ok(Money::zero(order.currency));
    };
    let kind = documents::kind_number(&DocumentKind::Order);
    let rows: Vec<DocumentRow> = lists::select(
        connection,
        &format!(
            "d.customer = ?1 AND +d.kind = ?2 AND {COUNTED} AND (d.moment > ?3 OR EXISTS (
               SELECT 1 FROM outbox o
               WHERE o.change BETWEEN d.row << 20 AND (d.row << 20) + 1048575 AND o.state = 0))"
        ),
        "d.moment",
        &[
            customer.into(),
            kind.into(),
            as_of.map_or(i64::MIN, Timestamp::as_millis).into(),
        ],
        usize::MAX,
    )?;
    let mut sum = Money::zero(order.currency);
    for row in rows.iter().filter(|row| Some(row.id) != own) {
        let Some(amount) = row.amount else { continue };
        if amount.currency != sum.currency {
            // Never added unconverted: handed on as it is, it makes the check ask the office.
            return Ok(amount);
        }
        sum = sum.checked_add(amount)?;
    }
    Ok(sum)
}
