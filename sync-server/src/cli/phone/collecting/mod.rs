//! Money: whom to see, what is owed, promises, receipts, and looking back.

mod papers;

use std::fmt::Write as _;

use fieldledger_core::{
    model::{Money, Timestamp, Warning},
    rules::{ageing::Bucket, promises::PromiseStanding},
    store::{AsOf, BooksView, CreditView, PromiseQuery, PromiseState, PromiseView, Worklist, WorklistQuery},
};
use serde_json::{Value, json};

use super::{
    Done, Phone, Problem,
    args::{PromisesArgs, WorklistArgs},
    find::short,
    ledger::limit_text,
};
use crate::cli::table::{Table, plain};

fn as_of_json(as_of: &AsOf) -> Value {
    json!({ "day": as_of.day, "known_at": as_of.known_at.map(|at| at.to_string()) })
}

fn warning_json(warning: &Warning) -> Value {
    json!({ "rule": warning.rule.as_str(), "level": warning.level, "sentence": warning.sentence,
            "raised_at": warning.raised_at.to_string() })
}

fn bucket_words(bucket: Bucket) -> &'static str {
    match bucket {
        Bucket::NotDue => "not due",
        Bucket::To30 => "1-30",
        Bucket::To60 => "31-60",
        Bucket::To90 => "61-90",
        Bucket::To120 => "91-120",
        Bucket::Over120 => "over 120",
    }
}

fn state_words(state: PromiseState) -> &'static str {
    match state {
        PromiseState::Judged(PromiseStanding::Running) => "running",
        PromiseState::Judged(PromiseStanding::Kept) => "kept",
        PromiseState::Judged(PromiseStanding::PartlyKept) => "partly kept",
        PromiseState::Judged(PromiseStanding::Broken) => "BROKEN",
        PromiseState::NotHeardSince => "unknown: its day passed since the last sync",
        PromiseState::NoBooks => "unknown: no payments of this customer reach this phone",
    }
}

fn state_name(state: PromiseState) -> &'static str {
    match state {
        PromiseState::Judged(PromiseStanding::Running) => "running",
        PromiseState::Judged(PromiseStanding::Kept) => "kept",
        PromiseState::Judged(PromiseStanding::PartlyKept) => "partly_kept",
        PromiseState::Judged(PromiseStanding::Broken) => "broken",
        PromiseState::NotHeardSince => "not_heard_since",
        PromiseState::NoBooks => "no_books",
    }
}

fn promise_json(view: &PromiseView) -> Value {
    let result = &view.result;
    json!({
        "note": result.promise.note, "customer": view.customer, "customer_name": view.customer_name, "rep": view.rep,
        "made_on": result.promise.made_on, "due": result.promise.due, "amount": result.promise.amount,
        "invoice": result.promise.invoice_number, "received": result.received, "last_day": result.last_day,
        "fed_by": result.fed_by, "state": state_name(view.state),
    })
}

impl Phone {
    /// A moment in the company's zone.
    fn local(&self, at: Timestamp) -> Result<String, Problem> {
        let zone = self
            .store
            .organisation()?
            .map_or(chrono_tz::UTC, |profile| profile.time_zone);
        Ok(at.local_in(zone).format("%Y-%m-%d %H:%M").to_string())
    }

    /// As of when an answer is, in words.
    pub(super) fn as_of(&self, as_of: &AsOf) -> Result<String, Problem> {
        Ok(match as_of.known_at {
            Some(at) => format!("{}, with what the server had at {}", as_of.day, self.local(at)?),
            None => format!(
                "{}; this phone has never been filled completely, run `sync` first",
                as_of.day
            ),
        })
    }

    pub(super) fn worklist(&self, args: &WorklistArgs) -> Done {
        let list = self.store.worklist(&WorklistQuery {
            everyone: args.everyone,
            day: args.date,
            limit: args.limit,
        })?;
        let mut text = format!("Collections, {}", self.as_of(&list.as_of)?);
        if list.entries.is_empty() {
            text.push_str("\n\nNobody has to be seen about money.");
        } else {
            let _ = write!(text, "\n\n{}", worklist_table(&list));
        }
        for entry in &list.entries {
            let _ = write!(text, "\n\n{}. {} {}", entry.line.rank, entry.code, plain(&entry.name));
            for reason in &entry.line.reasons {
                let _ = write!(text, "\n   {}", plain(&reason.sentence().english));
            }
            for warning in &entry.warnings {
                let _ = write!(text, "\n   Warning: {}", plain(&warning.sentence));
            }
        }
        if list.more > 0 {
            let _ = write!(text, "\n\n{} more; --limit shows them.", list.more);
        }
        for it in &list.unranked {
            let _ = write!(text, "\n\n{} cannot be ranked: {}", plain(&it.name), plain(&it.reason));
        }
        self.say(text, worklist_json(&list))
    }

    pub(super) fn credit(&self, customer: &str) -> Done {
        let customer = self.find_customer(customer)?;
        let view = self.store.credit_view(customer.id)?;
        let mut text = format!(
            "{}  {}\nas of {}",
            view.customer.code,
            plain(&view.customer.name),
            self.as_of(&view.as_of)?
        );
        self.file_text(&view, &mut text)?;
        books_text(&view, &mut text);
        for it in &view.allowances {
            let not_now = it.frozen.as_ref().map(|why| format!("; not now: {}", plain(why)));
            let _ = write!(
                text,
                "\n  guaranteed  {} left of {} until {}{}",
                it.remaining,
                it.grant.terms.amount,
                self.local(it.grant.terms.not_after)?,
                not_now.unwrap_or_default()
            );
        }
        if !view.promises.is_empty() {
            let _ = write!(text, "\n\nPromises\n{}", self.promise_table(&view.promises));
        }
        for warning in &view.warnings {
            let _ = write!(text, "\nWarning: {}", plain(&warning.sentence));
        }
        let json = credit_json(&view);
        self.say(text, json)
    }

    fn file_text(&self, view: &CreditView, text: &mut String) -> Result<(), Problem> {
        let Some(file) = view.file.as_ref().map(|it| &it.file) else {
            text.push_str("\n  credit      no credit file: nothing was decided about this customer");
            return Ok(());
        };
        let grade = file
            .grade
            .map_or("not assessed".to_owned(), |grade| format!("grade {grade:?}"));
        let _ = write!(
            text,
            "\n  credit      {grade}, {} days, limit {}; file as of {}",
            file.terms_days,
            limit_text(file.limit),
            self.local(file.as_of)?
        );
        if file.on_hold {
            let _ = write!(text, "\n  ON HOLD     {}", plain(&file.hold_reason));
        }
        let exposure = fieldledger_core::rules::credit::exposure(file);
        let exposure = exposure.map_or_else(|error| error.to_string(), |it| it.to_string());
        let _ = write!(
            text,
            "\n  exposure    {exposure}: receivables {}, open orders {}, delivered and not invoiced {}, special {}",
            file.open_receivables, file.open_orders, file.delivered_not_invoiced, file.special_liabilities
        );
        if file.dunning_level > 0 {
            let _ = write!(text, "\n  dunning     level {}", file.dunning_level);
        }
        Ok(())
    }

    pub(super) fn promises(&self, args: &PromisesArgs) -> Done {
        let customer = args.customer.as_deref().map(|it| self.find_customer(it)).transpose()?;
        let found = self.store.promises(&PromiseQuery {
            customer: customer.map(|it| it.id),
            everyone: args.everyone,
            kept: args.kept,
            day: None,
        })?;
        let mut text = format!("Promises, {}", self.as_of(&found.as_of)?);
        if found.promises.is_empty() {
            text.push_str("\n\nNothing is promised.");
        } else {
            let _ = write!(text, "\n\n{}", self.promise_table(&found.promises));
        }
        let promises: Value = found.promises.iter().map(promise_json).collect();
        self.say(text, json!({ "as_of": as_of_json(&found.as_of), "promises": promises }))
    }

    fn promise_table(&self, promises: &[PromiseView]) -> Table {
        let mut table =
            Table::new(&["note", "due", "customer", "promised", "came", "invoice", "rep", "state"]).right(&[3, 4]);
        for it in promises {
            let promise = &it.result.promise;
            table.row([
                short(promise.note),
                promise.due.to_string(),
                it.customer_name.clone(),
                promise.amount.to_string(),
                it.result.received.to_string(),
                promise.invoice_number.clone().unwrap_or_default(),
                it.rep.map(|rep| self.name_of(rep)).unwrap_or_default(),
                state_words(it.state).to_owned(),
            ]);
        }
        table
    }
}

fn worklist_table(list: &Worklist) -> Table {
    let mut table =
        Table::new(&["", "number", "customer", "overdue", "days", "level", "planned", "next"]).right(&[0, 3, 4, 5]);
    for entry in &list.entries {
        let overdue = &entry.line.overdue;
        let level = match entry.dunning_level {
            0 => String::new(),
            level => level.to_string(),
        };
        table.row([
            entry.line.rank.to_string(),
            entry.code.clone(),
            entry.name.clone(),
            overdue.amount.to_string(),
            overdue.oldest_days.to_string(),
            level,
            entry.planned_visit.map(short).unwrap_or_default(),
            entry.line.next.sentence().english,
        ]);
    }
    table
}

fn worklist_json(list: &Worklist) -> Value {
    let entry = |it: &fieldledger_core::store::WorklistEntry| {
        let sentences: Vec<String> = it.line.reasons.iter().map(|it| it.sentence().english).collect();
        json!({
            "rank": it.line.rank, "customer": it.line.customer, "code": it.code, "name": it.name,
            "overdue": it.line.overdue.amount, "oldest_days": it.line.overdue.oldest_days,
            "dunning_level": it.dunning_level, "on_hold": it.on_hold, "planned_visit": it.planned_visit,
            "reasons": sentences, "next": it.line.next.sentence().english,
            "file_as_of": it.file_as_of.map(|at| at.to_string()),
            "warnings": it.warnings.iter().map(warning_json).collect::<Value>(),
        })
    };
    let unranked = |it: &fieldledger_core::store::Unranked| json!({ "customer": it.customer, "name": it.name, "reason": it.reason });
    json!({
        "as_of": as_of_json(&list.as_of), "currency": list.currency, "more": list.more,
        "customers": list.entries.iter().map(entry).collect::<Value>(),
        "unranked": list.unranked.iter().map(unranked).collect::<Value>(),
    })
}

fn books_text(view: &CreditView, text: &mut String) {
    match &view.books {
        BooksView::NotHere => {
            text.push_str("\n  open items  no invoice of this customer has reached this phone; the file's figures are all there is");
        }
        BooksView::Contradictory(why) => {
            let _ = write!(
                text,
                "\n  open items  the books contradict themselves: {}; tell finance",
                plain(why)
            );
        }
        BooksView::Open { items, credits, ageing } => {
            if items.is_empty() {
                text.push_str("\n  open items  none");
            } else {
                let mut table = Table::new(&["invoice", "part", "due", "days", "bucket", "open", ""]).right(&[1, 3, 5]);
                for it in items {
                    let mark = if it.item.disputed { "disputed" } else { "" };
                    table.row([
                        it.item.invoice_number.clone(),
                        it.item.instalment.to_string(),
                        it.item.due_on.map_or("no date yet".to_owned(), |due| due.to_string()),
                        it.days_late.map(|days| days.to_string()).unwrap_or_default(),
                        bucket_words(it.bucket).to_owned(),
                        Money::new(it.item.open(), it.item.currency).to_string(),
                        mark.to_owned(),
                    ]);
                }
                let _ = write!(text, "\n\n{table}");
            }
            for it in credits {
                let certain = if it.cleared { "" } else { ", not cleared" };
                let _ = write!(
                    text,
                    "\n  unallocated  {} of {}{certain}",
                    Money::new(it.amount, it.currency),
                    plain(&it.source)
                );
            }
            for (currency, row) in ageing.rows() {
                let _ = write!(
                    text,
                    "\n  owed in all  {}, of which not due {}",
                    Money::new(row.balance(), currency),
                    row.in_bucket(Bucket::NotDue)
                );
            }
            text.push('\n');
        }
    }
}

fn credit_json(view: &CreditView) -> Value {
    let books = match &view.books {
        BooksView::NotHere => json!("not_here"),
        BooksView::Contradictory(why) => json!({ "contradictory": why }),
        BooksView::Open { items, credits, .. } => {
            let item = |it: &fieldledger_core::store::ItemView| {
                json!({
                    "invoice": it.item.invoice_number, "instalment": it.item.instalment, "due": it.item.due_on,
                    "days_late": it.days_late, "bucket": bucket_words(it.bucket),
                    "open": Money::new(it.item.open(), it.item.currency), "disputed": it.item.disputed,
                    "dunning_level": it.item.dunning_level,
                })
            };
            let credit = |it: &fieldledger_core::rules::books::UnallocatedCredit| json!({ "source": it.source, "amount": Money::new(it.amount, it.currency), "cleared": it.cleared });
            json!({ "items": items.iter().map(item).collect::<Value>(),
                    "unallocated": credits.iter().map(credit).collect::<Value>() })
        }
    };
    let allowance = |it: &fieldledger_core::store::Allowance| json!({ "grant": it.grant.terms.id, "remaining": it.remaining, "frozen": it.frozen });
    json!({
        "as_of": as_of_json(&view.as_of), "customer": view.customer,
        "file": view.file.as_ref().map(|it| json!({ "version": it.version, "file": it.file })),
        "books": books,
        "allowances": view.allowances.iter().map(allowance).collect::<Value>(),
        "promises": view.promises.iter().map(promise_json).collect::<Value>(),
        "warnings": view.warnings.iter().map(warning_json).collect::<Value>(),
    })
}
