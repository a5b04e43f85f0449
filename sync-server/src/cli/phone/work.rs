//! Recording: visits, deliveries, collection notes, orders, replies.

use std::{collections::BTreeMap, fmt::Write as _, io::Read as _, path::Path};

use fieldledger_core::{
    error::FieldError,
    model::{
        CollectionChannel, CollectionNote, CollectionOutcome, ConfirmationVerdict, CreditDecision, CreditVerdict,
        CustomerId, Delivery, DeliveryLine, DocumentId, DocumentKind, Evidence, EvidenceHash, EvidenceKind,
        GeofenceVerdict, LineId, Money, NextStep, Order, OrderLine, Party, PromiseToPay, QuantityReason, Receiver,
        SignedQuantity, Timestamp, UserId, Visit, VisitOutcome, VisitPurpose,
    },
    store::{CheckOut, Document, NewDelivery, NewDeliveryLine, SignOff},
};
use rust_decimal::Decimal;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{
    DeliverCommand, Done, OrderCommand, Phone, Problem, REFUSED, VisitCommand,
    args::{At, Collect},
    find::short,
};
use crate::cli::table::plain;

/// A word of a list that the model spells in snake case. The models keep words that only a newer version knows; what a
/// person types here must be one that this version knows.
pub(super) fn word<T: DeserializeOwned + serde::Serialize>(
    what: &str,
    typed: &str,
    known: &[&str],
) -> Result<T, Problem> {
    let word = typed.replace('-', "_").to_lowercase();
    let unknown = || Problem::wrong(format!("{typed:?} is no {what}; it is one of {}", known.join(", ")));
    if !known.contains(&word.as_str()) {
        return Err(unknown());
    }
    serde_json::from_value(Value::String(word)).map_err(|_| unknown())
}

fn purpose(typed: &str) -> Result<VisitPurpose, Problem> {
    let known = [
        "routine",
        "sales",
        "collection",
        "delivery",
        "service",
        "prospect",
        "reconciliation",
    ];
    word("purpose", typed, &known)
}

fn outcome(typed: &str) -> Result<VisitOutcome, Problem> {
    let known = [
        "successful",
        "order_taken",
        "payment_obtained",
        "contact_absent",
        "closed",
        "declined",
        "follow_up",
    ];
    word("outcome of a visit", typed, &known)
}

fn decimal(what: &str, typed: &str) -> Result<Decimal, Problem> {
    Decimal::from_str_exact(typed.trim()).map_err(|_| Problem::wrong(format!("{typed:?} is no {what}")))
}

fn now() -> Timestamp {
    chrono::Utc::now().into()
}

impl Phone {
    pub(super) fn recorded(&self, id: DocumentId, what: &str, value: &impl serde::Serialize) -> Done {
        self.say(
            format!("{what}  [{}]  waits to be sent", short(id)),
            json!({ "id": id, "document": value }),
        )
    }

    pub(super) fn user(&self) -> Result<UserId, Problem> {
        Ok(self.store.identity().ok_or(FieldError::NotEnrolled)?.user)
    }

    pub(super) fn name(&self, customer: CustomerId) -> String {
        match self.store.customer(customer) {
            Ok(Some(customer)) => plain(&customer.name),
            _ => short(customer),
        }
    }

    pub(super) fn visit(&self, command: VisitCommand) -> Done {
        let visit: Document<Visit> = match command {
            VisitCommand::List { limit } => return self.list(DocumentKind::Visit, limit),
            VisitCommand::Plan {
                customer,
                day,
                purpose: why,
            } => {
                let customer = self.find_customer(&customer)?;
                self.store.plan_visit(customer.id, day, purpose(&why)?)?
            }
            VisitCommand::Start {
                customer,
                purpose: why,
                at,
            } => {
                let customer = self.find_customer(&customer)?;
                self.store.start_visit(customer.id, purpose(&why)?, at.position())?
            }
            VisitCommand::CheckIn { visit, at } => self.store.check_in(self.find_document(&visit)?, at.position())?,
            VisitCommand::CheckOut {
                visit,
                outcome: result,
                note,
                next,
                due,
                at,
            } => {
                let leaving = CheckOut {
                    position: at.position(),
                    outcome: Some(outcome(&result)?),
                    note: (!note.is_empty()).then_some(note),
                    next_step: next.map(|what| NextStep { what, due }),
                };
                self.store.check_out(self.find_document(&visit)?, leaving)?
            }
            VisitCommand::Note { visit, text } => {
                let mut visit = self.load::<Visit>(&visit)?;
                visit.value.note = text;
                self.store.save(&visit)?
            }
            VisitCommand::Cancel { visit, reason } => self.store.cancel_visit(self.find_document(&visit)?, &reason)?,
        };
        let mut what = format!(
            "Visit to {}: {:?}",
            self.name(visit.value.customer),
            visit.value.state()
        );
        if let Some(point) = visit.value.check_out.or(visit.value.check_in) {
            what.push_str(match point.geofence.verdict {
                GeofenceVerdict::Inside => ", inside the geofence",
                GeofenceVerdict::Outside => ", outside the geofence",
                GeofenceVerdict::Unknown => ", geofence unknown",
            });
            if let Some(metres) = point.geofence.distance_metres {
                let _ = write!(what, " ({metres} m away)");
            }
        }
        self.recorded(visit.id, &what, &visit.value)
    }

    fn load<T: fieldledger_core::store::StoredModel>(&self, typed: &str) -> Result<Document<T>, Problem> {
        let id = self.find_document(typed)?;
        self.store
            .document(id)?
            .ok_or_else(|| Problem::wrong(format!("{typed:?} is not a {}", T::KIND.as_str().replace('_', " "))))
    }

    pub(super) fn deliver(&self, command: DeliverCommand) -> Done {
        let delivery: Document<Delivery> = match command {
            DeliverCommand::List { limit } => return self.list(DocumentKind::Delivery, limit),
            DeliverCommand::New {
                customer,
                number,
                lines,
                order,
                day,
            } => {
                let customer = self.find_customer(&customer)?;
                let mut new = NewDelivery {
                    customer: customer.id,
                    number,
                    order_number: order,
                    planned_for: day,
                    lines: Vec::new(),
                };
                for line in &lines {
                    let (product, quantity, batch) = self.line(line)?;
                    new.lines.push(NewDeliveryLine {
                        product,
                        quantity,
                        batch,
                    });
                }
                self.store.new_delivery(new)?
            }
            DeliverCommand::Sign {
                delivery,
                receiver,
                phone,
                lines,
                at,
            } => {
                let delivery = self.load::<Delivery>(&delivery)?;
                let sign_off = SignOff {
                    signed: self.signed(&delivery.value, &lines)?,
                    receiver: Receiver {
                        name: receiver,
                        phone,
                        at: now(),
                        position: at.position(),
                    },
                    evidence: BTreeMap::new(),
                };
                self.store.sign_off(delivery.id, sign_off)?
            }
            DeliverCommand::Confirm {
                delivery,
                party,
                dispute,
                remark,
            } => {
                let id = self.find_document(&delivery)?;
                match dispute {
                    Some(why) => self.store.confirm(id, party, ConfirmationVerdict::Disputed, &why)?,
                    None => self.store.confirm(id, party, ConfirmationVerdict::Confirmed, &remark)?,
                }
            }
            DeliverCommand::Evidence {
                delivery,
                file,
                kind,
                caption,
                at,
            } => {
                let id = self.find_document(&delivery)?;
                let (hash, evidence) = evidence(&file, &kind, caption, &at, self.user()?)?;
                self.store.add_evidence(id, evidence, hash, Some(file))?;
                self.load::<Delivery>(&id.to_string())?
            }
            DeliverCommand::Note { delivery, text } => {
                let mut delivery = self.load::<Delivery>(&delivery)?;
                delivery.value.note = text;
                self.store.save(&delivery)?
            }
        };
        let value = &delivery.value;
        let mut what = format!(
            "Delivery {} to {}: {:?}",
            plain(&value.number),
            self.name(value.customer),
            value.state()
        );
        let missing: Vec<&str> = value.missing_confirmations().into_iter().map(Party::as_str).collect();
        if value.receiver.is_some() && !missing.is_empty() {
            let _ = write!(what, ", not yet confirmed by {}", missing.join(", "));
        }
        let _ = write!(what, ", {} piece(s) of evidence", value.evidence.len());
        self.recorded(delivery.id, &what, value)
    }

    /// `PRODUCT=QUANTITY` or `PRODUCT=QUANTITY@MORE`.
    fn line(&self, typed: &str) -> Result<(fieldledger_core::model::ProductId, Decimal, Option<String>), Problem> {
        let (product, rest) = typed
            .split_once('=')
            .ok_or_else(|| Problem::wrong(format!("a line is PRODUCT=QUANTITY, not {typed:?}")))?;
        let (quantity, more) = match rest.split_once('@') {
            Some((quantity, more)) => (quantity, Some(more.to_owned())),
            None => (rest, None),
        };
        let product = self.find_product(product.trim())?;
        Ok((product.id, decimal("quantity", quantity)?, more))
    }

    /// What is signed for each line: everything, less what `typed` says of it.
    fn signed(&self, delivery: &Delivery, typed: &[String]) -> Result<BTreeMap<LineId, SignedQuantity>, Problem> {
        let full = |line: &DeliveryLine| SignedQuantity {
            accepted: line.quantity,
            short: Decimal::ZERO,
            damaged: Decimal::ZERO,
            refused: Decimal::ZERO,
            reason: None,
        };
        let mut signed: BTreeMap<LineId, SignedQuantity> =
            delivery.lines.iter().map(|(id, line)| (*id, full(line))).collect();
        for text in typed {
            let form = || {
                Problem::wrong(format!(
                    "a signed line is LINE=short:1,damaged:2,reason:TEXT, not {text:?}"
                ))
            };
            let (which, amounts) = text.split_once('=').ok_or_else(form)?;
            let id = match which.parse::<usize>() {
                Ok(place) => place
                    .checked_sub(1)
                    .and_then(|place| delivery.lines.keys().nth(place))
                    .copied(),
                Err(_) => {
                    let product = self.find_product(which)?.id;
                    let of_product = |(_, line): &(&LineId, &DeliveryLine)| line.product == product;
                    delivery.lines.iter().find(of_product).map(|(id, _)| *id)
                }
            };
            let known = id.and_then(|id| Some((id, delivery.lines.get(&id)?)));
            let (id, line) = known.ok_or_else(|| {
                Problem::wrong(format!(
                    "the delivery has no line {which:?}; it has {}",
                    delivery.lines.len()
                ))
            })?;
            let mut quantity = full(line);
            // The reason comes last and may hold commas.
            let (amounts, reason) = match amounts.split_once("reason:") {
                Some((amounts, reason)) => (amounts.trim_end_matches(','), Some(reason.to_owned())),
                None => (amounts, None),
            };
            for amount in amounts.split(',').filter(|it| !it.trim().is_empty()) {
                let (name, value) = amount.split_once(':').ok_or_else(form)?;
                let value = decimal("quantity", value)?;
                match name.trim() {
                    "accepted" => {
                        quantity.accepted = value;
                        continue;
                    }
                    "short" => quantity.short = value,
                    "damaged" => quantity.damaged = value,
                    "refused" => quantity.refused = value,
                    _ => return Err(form()),
                }
                quantity.accepted = quantity
                    .accepted
                    .checked_sub(value)
                    .ok_or_else(|| Problem::wrong(format!("{value} is too large")))?;
            }
            quantity.reason = reason.map(|text| QuantityReason { text, photo: None });
            signed.insert(id, quantity);
        }
        Ok(signed)
    }

    pub(super) fn collect(&self, collect: Collect) -> Done {
        let customer = self.find_customer(&collect.customer)?;
        let user = self.user()?;
        let channels = ["phone", "message", "email", "visit", "letter", "legal"];
        let outcomes = ["promised", "paid", "disputed", "not_reached", "refused", "reminded"];
        let channel: CollectionChannel = word("channel", &collect.channel, &channels)?;
        let mut result: CollectionOutcome = word("outcome of a contact", &collect.outcome, &outcomes)?;
        let promise = match (collect.promise, collect.due) {
            (Some(amount), Some(due)) => {
                if result == CollectionOutcome::Reminded {
                    result = CollectionOutcome::Promised;
                }
                let currency = self.profile()?.currency;
                Some(PromiseToPay {
                    amount: Money::new(amount, currency).rounded(),
                    due,
                })
            }
            _ => None,
        };
        let note = self.store.record_collection(CollectionNote {
            customer: customer.id,
            rep: user,
            at: now(),
            channel,
            person: collect.person,
            outcome: result,
            invoice_number: collect.invoice,
            promise,
            receipt: None,
            closing: None,
            next_step: collect.next.map(|what| NextStep { what, due: None }),
            note: collect.note,
            position: collect.at.position(),
        })?;
        let mut what = format!("Collection note about {}", plain(&customer.name));
        if let Some(promise) = &note.value.promise {
            let _ = write!(what, ": {} promised by {}", promise.amount, promise.due);
        }
        self.recorded(note.id, &what, &note.value)
    }

    pub(super) fn order(&self, command: OrderCommand) -> Done {
        match command {
            OrderCommand::List { limit } => self.list(DocumentKind::Order, limit),
            OrderCommand::New {
                customer,
                lines,
                number,
                wanted,
                note,
            } => {
                let customer = self.find_customer(&customer)?;
                let user = self.user()?;
                let number = match number {
                    Some(number) => number,
                    None => format!("M{}", &short(self.line_id()?)),
                };
                let credit = self.store.credit_file(customer.id)?;
                let mut order = Order::new(customer.id, user, number, now(), self.profile()?.currency);
                order.terms_days = credit.map_or(0, |view| view.file.terms_days);
                order.wanted_by = wanted;
                order.note = note;
                for typed in &lines {
                    let (product, quantity, price) = self.line(typed)?;
                    let unit_price = match price {
                        Some(price) => decimal("price", &price)?,
                        None => self.list_price(product, &order)?,
                    };
                    let line = OrderLine {
                        product,
                        quantity,
                        unit_price,
                        discount: Decimal::ZERO,
                    };
                    order.lines.insert(self.line_id()?, line);
                }
                let order = self.store.create(order)?;
                let total = order.value.total().map_err(|error| Problem::wrong(error.to_string()))?;
                let what = format!(
                    "Order {} for {}: {total}, a draft until it is submitted",
                    plain(&order.value.number),
                    plain(&customer.name)
                );
                self.recorded(order.id, &what, &order.value)
            }
            OrderCommand::Check { order } => {
                let order = self.load::<Order>(&order)?;
                let decision = self.store.check_credit(&order.value)?;
                self.say(decision_text(&decision), json!(decision))?;
                Ok(verdict_code(Some(&decision)))
            }
            OrderCommand::Submit { order } => {
                let order = self.store.submit_order(&self.load::<Order>(&order)?)?;
                let text = order.value.credit.as_ref().map(decision_text).unwrap_or_default();
                let what = format!("Order {} submitted\n{text}\n", plain(&order.value.number));
                self.recorded(order.id, &what, &order.value)?;
                Ok(verdict_code(order.value.credit.as_ref()))
            }
            OrderCommand::Cancel { order } => {
                let order = self.store.cancel_order(self.find_document(&order)?)?;
                let what = format!("Order {} taken back", plain(&order.value.number));
                self.recorded(order.id, &what, &order.value)
            }
        }
    }

    fn list_price(&self, product: fieldledger_core::model::ProductId, order: &Order) -> Result<Decimal, Problem> {
        let known = self.store.product(product)?;
        let name = known.as_ref().map(|it| it.name.clone()).unwrap_or_default();
        match known
            .and_then(|it| it.price)
            .filter(|price| price.currency == order.currency)
        {
            Some(price) => Ok(price.amount),
            None => Err(Problem::wrong(format!(
                "{name} has no list price in {}; type PRODUCT=QUANTITY@PRICE",
                order.currency
            ))),
        }
    }

    pub(super) fn reply(&self, review: &str, text: &str) -> Done {
        let id = self.find_document(review)?;
        let review = self.store.reply_to_review(id, text)?;
        self.recorded(review.id, "Reply", &review.value)
    }
}

fn verdict_code(decision: Option<&CreditDecision>) -> u8 {
    match decision.map(|it| it.verdict) {
        Some(CreditVerdict::Held | CreditVerdict::Refused) => REFUSED,
        _ => 0,
    }
}

fn decision_text(decision: &CreditDecision) -> String {
    let mut text = match decision.verdict {
        CreditVerdict::Approved => "APPROVED".to_owned(),
        CreditVerdict::Provisional => "PROVISIONAL: passes on what this phone knows; not guaranteed".to_owned(),
        CreditVerdict::Held => "HELD: a supervisor has to release it".to_owned(),
        CreditVerdict::Refused => "REFUSED by policy".to_owned(),
    };
    for rule in &decision.rules {
        let mark = if rule.passed { "✓" } else { "✗" };
        let _ = write!(text, "\n  {mark} {}", plain(&rule.sentence));
    }
    text
}

/// What is kept of a file: its hash, its size, what it is.
pub(super) fn evidence(
    file: &Path,
    kind: &str,
    caption: String,
    at: &At,
    taken_by: UserId,
) -> Result<(EvidenceHash, Evidence), Problem> {
    let cannot = |error: std::io::Error| Problem::wrong(format!("{}: {error}", file.display()));
    let mut reader = std::fs::File::open(file).map_err(cannot)?;
    let (mut hasher, mut size) = (Sha256::new(), 0_u64);
    let mut buffer = vec![0; 64 << 10];
    loop {
        let count = reader.read(&mut buffer).map_err(cannot)?;
        if count == 0 {
            break;
        }
        hasher.update(&buffer[..count]);
        size += count as u64;
    }
    let kind: EvidenceKind = word(
        "kind of evidence",
        kind,
        &["photo", "signature", "stamp", "weighbridge", "video"],
    )?;
    let extension = file.extension().map(|it| it.to_string_lossy().to_lowercase());
    let media_type = match extension.as_deref() {
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("png") => "image/png",
        Some("webp") => "image/webp",
        Some("heic") => "image/heic",
        Some("pdf") => "application/pdf",
        Some("mp4") => "video/mp4",
        Some("mov") => "video/quicktime",
        _ => "application/octet-stream",
    };
    let evidence = Evidence {
        kind,
        size,
        media_type: media_type.to_owned(),
        taken_at: now(),
        taken_by,
        position: at.position(),
        caption,
    };
    Ok((EvidenceHash(hasher.finalize().into()), evidence))
}
