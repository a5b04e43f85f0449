//! Receipts that customers are told of, statements that they answer, collections that are closed.

use std::{collections::BTreeMap, fmt::Write as _};

use fieldledger_core::{
    model::{LateCause, Money, Statement, StatementId, StatementVerdict},
    rules::timers::TimerState,
    store::{ClosedCollection, CustomerTold, LineView, ReceiptNotice, StatementReply, StatementRow, StatementView},
};
use serde_json::{Value, json};

use super::as_of_json;
use crate::cli::{
    phone::{
        Done, Phone, Problem,
        args::{At, CloseArgs, ReceiptsArgs, StatementCommand},
        find::short,
        work::{evidence, word},
    },
    table::{Table, plain},
};

const CHANNELS: [&str; 6] = ["phone", "message", "email", "visit", "letter", "legal"];

fn minutes(millis: i64) -> String {
    match millis / 60_000 {
        minutes @ 0..=119 => format!("{minutes} min"),
        minutes @ 120..=2_879 => format!("{} h", minutes / 60),
        minutes => format!("{} days", minutes / 1_440),
    }
}

fn timer_words(state: TimerState) -> String {
    match state {
        TimerState::NotStarted => "not started".to_owned(),
        TimerState::Running { left, .. } => format!("{} left", minutes(left)),
        TimerState::Met { took } => format!("done in {}", minutes(took)),
        TimerState::Missed { took: Some(took), over } => {
            format!("done in {}, {} late", minutes(took), minutes(over))
        }
        TimerState::Missed { took: None, over } => format!("LATE by {}", minutes(over)),
    }
}

fn timer_json(state: TimerState) -> Value {
    match state {
        TimerState::NotStarted => json!({ "state": "not_started" }),
        TimerState::Running { elapsed, left } => {
            json!({ "state": "running", "elapsed_millis": elapsed, "left_millis": left })
        }
        TimerState::Met { took } => json!({ "state": "met", "took_millis": took }),
        TimerState::Missed { took, over } => json!({ "state": "missed", "took_millis": took, "over_millis": over }),
    }
}

fn notice_json(it: &ReceiptNotice) -> Value {
    let timers = json!({
        "tell_sales": timer_json(it.tell_sales),
        "tell_customer": timer_json(it.tell_customer),
        "send_document": timer_json(it.send_document),
    });
    json!({
        "reference": it.receipt.reference, "customer": it.receipt.customer, "customer_name": it.customer_name,
        "amount": it.receipt.amount, "valued_on": it.receipt.valued_on, "timers": timers, "told_by": it.told_by,
        "open": it.is_open(),
    })
}

fn verdict_words(line: &LineView) -> String {
    match &line.answer {
        None => String::new(),
        Some(it) => {
            let waiting = if it.document.is_some() { " (noted here)" } else { "" };
            match it.answer.verdict {
                StatementVerdict::Confirmed => format!("right{waiting}"),
                StatementVerdict::Disputed => format!("DISPUTED: {}{waiting}", it.answer.remark),
            }
        }
    }
}

impl Phone {
    pub(in crate::cli::phone) fn receipts(&self, args: &ReceiptsArgs) -> Done {
        if let Some(reference) = &args.told {
            return self.customer_told(reference, args);
        }
        let found = self.store.receipt_notices(args.everyone, args.all)?;
        let mut table = Table::new(&[
            "reference",
            "customer",
            "amount",
            "valued",
            "sales told",
            "tell customer",
            "document",
        ])
        .right(&[2]);
        for it in &found.notices {
            let [sales, customer, document] = [it.tell_sales, it.tell_customer, it.send_document].map(timer_words);
            table.row([
                it.receipt.reference.clone(),
                it.customer_name.clone(),
                it.receipt.amount.to_string(),
                it.receipt.valued_on.to_string(),
                sales,
                customer,
                document,
            ]);
        }
        let mut text = format!("Money that arrived, {}", self.as_of(&found.as_of)?);
        if table.is_empty() {
            text.push_str("\n\nEvery customer has been told.");
        } else {
            let _ = write!(text, "\n\n{table}\n\nTold a customer? receipts --told REFERENCE");
        }
        let notices: Value = found.notices.iter().map(notice_json).collect();
        self.say(text, json!({ "as_of": as_of_json(&found.as_of), "notices": notices }))
    }

    fn customer_told(&self, reference: &str, args: &ReceiptsArgs) -> Done {
        let customer = match &args.customer {
            Some(typed) => self.find_customer(typed)?.id,
            None => {
                let mut found = self.store.receipt_notices(true, true)?.notices;
                found.retain(|it| it.receipt.reference == reference);
                match found.as_slice() {
                    [only] => only.receipt.customer,
                    [] => {
                        return Err(Problem::wrong(format!(
                            "no money that arrived lately has the reference {reference:?}; `receipts` lists what there is"
                        )));
                    }
                    _ => {
                        return Err(Problem::wrong(format!(
                            "{reference:?} is the reference of several customers; say whose with --customer"
                        )));
                    }
                }
            }
        };
        let note = self.store.tell_customer(CustomerTold {
            customer,
            reference: reference.to_owned(),
            channel: word("channel", &args.channel, &CHANNELS)?,
            person: args.person.clone(),
            note: args.note.clone(),
            position: None,
        })?;
        let what = format!("{} was told of receipt {}", self.name(customer), plain(reference));
        self.recorded(note.id, &what, &note.value)
    }

    pub(in crate::cli::phone) fn statements(&self, customer: Option<&str>, everyone: bool) -> Done {
        let customer = customer.map(|it| self.find_customer(it)).transpose()?;
        let rows = self.store.statements(customer.map(|it| it.id), everyone)?;
        let mut table = Table::new(&[
            "id", "customer", "from", "to", "owed", "lines", "right", "disputed", "open", "",
        ])
        .right(&[4, 5, 6, 7, 8]);
        for it in &rows {
            let mark = it.corrected_by.map(|id| format!("corrected by {}", short(id)));
            table.row([
                short(it.statement.id),
                it.customer_name.clone(),
                it.statement.from.to_string(),
                it.statement.to.to_string(),
                it.statement.closing.to_string(),
                it.statement.lines.len().to_string(),
                it.confirmed.to_string(),
                it.disputed.to_string(),
                it.unanswered.to_string(),
                mark.unwrap_or_default(),
            ]);
        }
        let json = |it: &StatementRow| {
            json!({
                "id": it.statement.id, "customer": it.statement.customer, "customer_name": it.customer_name,
                "from": it.statement.from, "to": it.statement.to, "closing": it.statement.closing,
                "lines": it.statement.lines.len(), "confirmed": it.confirmed, "disputed": it.disputed,
                "unanswered": it.unanswered, "corrected_by": it.corrected_by,
            })
        };
        self.table(
            &table,
            "No statement has reached this phone.",
            rows.iter().map(json).collect(),
        )
    }

    pub(in crate::cli::phone) fn statement(&self, command: StatementCommand) -> Done {
        match command {
            StatementCommand::Show { statement } => {
                let view = self.statement_view(&statement)?;
                let text = self.statement_text(&view)?;
                let line = |it: &LineView| {
                    let answer = it.answer.as_ref().map(|it| {
                        json!({ "verdict": it.answer.verdict, "remark": it.answer.remark, "by": it.by,
                                "at": it.at.to_string(), "noted_here": it.document })
                    });
                    json!({ "line": it.line, "answer": answer })
                };
                let lines: Value = view.lines.iter().map(line).collect();
                let json = json!({ "id": view.statement.id, "version": view.version, "corrected_by": view.corrected_by,
                                   "from": view.statement.from, "to": view.statement.to,
                                   "opening": view.statement.opening, "closing": view.statement.closing,
                                   "lines": lines, "taken_down": view.taken_down });
                self.say(text, json)
            }
            StatementCommand::Answer {
                statement,
                person,
                confirm,
                confirm_rest,
                dispute,
                stamped,
                note,
            } => {
                let view = self.statement_view(&statement)?;
                let mut disputed = BTreeMap::new();
                for typed in &dispute {
                    let form = || Problem::wrong(format!("a disputed line is LINE=WHAT IS WRONG, not {typed:?}"));
                    let (line, why) = typed.split_once('=').ok_or_else(form)?;
                    disputed.insert(line.trim().parse().map_err(|_| form())?, why.trim().to_owned());
                }
                // Read before anything is recorded: a file that is not there must not leave half an answer.
                let stamped = match stamped {
                    None => None,
                    Some(file) => {
                        let found = evidence(&file, "stamp", String::new(), &At::nowhere(), self.user()?)?;
                        Some((file, found))
                    }
                };
                let reply = StatementReply {
                    person,
                    confirmed: confirm,
                    confirm_the_rest: confirm_rest,
                    disputed,
                    note,
                };
                let answer = self.store.answer_statement(view.statement.id, reply)?;
                if let Some((file, (hash, evidence))) = stamped {
                    self.store.add_evidence(answer.id, evidence, hash, Some(file))?;
                }
                let said = |verdict| answer.value.answers.values().filter(|it| it.verdict == verdict).count();
                let what = format!(
                    "Answer of {}: {} line(s) right, {} disputed",
                    self.name(view.statement.customer),
                    said(StatementVerdict::Confirmed),
                    said(StatementVerdict::Disputed)
                );
                self.recorded(answer.id, &what, &answer.value)
            }
        }
    }

    fn statement_view(&self, typed: &str) -> Result<StatementView, Problem> {
        let id = match typed.parse::<StatementId>() {
            Ok(id) => id,
            Err(_) => {
                let rows = self.store.statements(None, true)?;
                let mut found = rows
                    .iter()
                    .map(|it| it.statement.id)
                    .filter(|id| typed.len() >= 2 && id.to_string().starts_with(&typed.to_lowercase()));
                let (Some(id), None) = (found.next(), found.next()) else {
                    return Err(Problem::wrong(format!(
                        "no single statement begins with {typed:?}; `statements` lists what there is"
                    )));
                };
                id
            }
        };
        self.store
            .statement(id)?
            .ok_or_else(|| Problem::wrong(format!("statement {id} has not reached this phone; sync may bring it")))
    }

    pub(in crate::cli::phone) fn statement_text(&self, view: &StatementView) -> Result<String, Problem> {
        let Statement {
            from,
            to,
            opening,
            closing,
            issued_at,
            ..
        } = &view.statement;
        let mut text = format!(
            "Statement {} of {}, {from} to {to}, issued {}\nowed before: {opening}",
            short(view.statement.id),
            plain(&view.customer_name),
            self.local(*issued_at)?
        );
        if let Some(newer) = view.corrected_by {
            let _ = write!(text, "\nCORRECTED: statement {} takes its place", short(newer));
        }
        let mut table = Table::new(&[
            "line", "day", "what", "number", "order", "more", "less", "owed", "answer",
        ])
        .right(&[0, 5, 6, 7]);
        for it in &view.lines {
            let line = &it.line;
            let amount = |amount: rust_decimal::Decimal| {
                if amount.is_zero() {
                    String::new()
                } else {
                    amount.to_string()
                }
            };
            table.row([
                line.no.to_string(),
                line.on.to_string(),
                format!("{:?}", line.kind).to_lowercase(),
                line.document.clone(),
                line.order_number.clone().unwrap_or_default(),
                amount(line.debit),
                amount(line.credit),
                Money::new(line.balance, closing.currency).to_string(),
                verdict_words(it),
            ]);
        }
        let _ = write!(text, "\n\n{table}\n\nowed at the end: {closing}");
        Ok(text)
    }

    pub(in crate::cli::phone) fn close(&self, args: CloseArgs) -> Done {
        let customer = self.find_customer(&args.customer)?;
        let note = self.store.close_collection(ClosedCollection {
            customer: customer.id,
            invoice_number: args.invoice,
            was_late: (args.late || args.in_time).then_some(args.late),
            cause: args.cause.map(|it| cause(&it)),
            difficulty: args.difficulty,
            solution: args.solution,
            channel: word("channel", &args.channel, &CHANNELS)?,
            person: args.person,
            note: args.note,
            position: None,
        })?;
        let late = note.value.closing.as_ref().is_some_and(|it| it.was_late);
        let what = format!(
            "Collection at {} closed: it was {}",
            plain(&customer.name),
            if late { "late" } else { "in time" }
        );
        self.recorded(note.id, &what, &note.value)
    }
}

fn cause(typed: &str) -> LateCause {
    match typed.replace('-', "_").to_lowercase().as_str() {
        "customer_funds" => LateCause::CustomerFunds,
        "our_service" => LateCause::OurService,
        "external" => LateCause::External,
        _ => LateCause::Other(typed.to_owned()),
    }
}
