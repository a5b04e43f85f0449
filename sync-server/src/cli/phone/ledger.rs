//! Reading: lists, customers, search, histories.

use chrono::NaiveDate;
use fieldledger_core::{
    document::Authorship,
    model::{CreditLimit, DocumentId, DocumentKind, InvalidMoney, Money, Position, ReviewVerdict, Timestamp, UserId},
    rules::credit,
    store::{CustomerQuery, CustomerRow, DocumentRow, ListQuery, RowSync, SearchHit},
};
use serde_json::{Value, json};

use super::{Done, Phone, Problem, Table, find::short};
use crate::{cli::table::plain, web::Words};

pub(super) fn row_json(row: &DocumentRow) -> Value {
    let sync = match &row.sync {
        RowSync::Synced => json!("synced"),
        RowSync::Waiting => json!("waiting"),
        RowSync::Rejected { message, .. } => json!({ "rejected": message }),
    };
    json!({
        "id": row.id, "kind": row.kind.as_str(), "customer": row.customer, "customer_name": row.customer_name,
        "owner": row.owner, "about": row.about, "at": row.at.map(|it| it.to_string()), "day": row.day,
        "state": row.state, "title": row.title, "amount": row.amount, "disagreements": row.disagreements,
        "review": row.review.map(ReviewVerdict::as_str), "outside": row.outside, "mocked": row.mocked,
        "made_by_newer_version": row.newer, "sync": sync,
    })
}

pub(super) fn rows_json(rows: &[DocumentRow]) -> Value {
    rows.iter().map(row_json).collect()
}

fn customer_json(row: &CustomerRow) -> Value {
    json!({ "id": row.id, "code": row.code, "name": row.name, "territory": row.territory, "rep": row.rep,
            "address": row.address })
}

fn marks(row: &DocumentRow) -> String {
    let mut marks = Vec::new();
    match &row.sync {
        RowSync::Synced => {}
        RowSync::Waiting => marks.push("waiting to be sent".to_owned()),
        RowSync::Rejected { message, .. } => marks.push(format!("REJECTED: {message}")),
    }
    if row.newer {
        marks.push("made by a newer version".to_owned());
    }
    if row.disagreements > 0 {
        marks.push(format!("{} disagreement(s)", row.disagreements));
    }
    if let Some(verdict) = row.review {
        marks.push(verdict.as_str().to_owned());
    }
    if row.outside {
        marks.push("outside the geofence".to_owned());
    }
    if row.mocked {
        marks.push("mocked position".to_owned());
    }
    marks.join(", ")
}

impl Phone {
    pub(super) fn document_table(&self, rows: &[DocumentRow]) -> Result<Table, Problem> {
        let zone = self
            .store
            .organisation()?
            .map_or(chrono_tz::UTC, |profile| profile.time_zone);
        let mut table = Table::new(&["id", "when", "kind", "customer", "state", "what", "amount", ""]).right(&[6]);
        for row in rows {
            let when = match (row.at, row.day) {
                (Some(at), _) => at.local_in(zone).format("%m-%d %H:%M").to_string(),
                (None, Some(day)) => day.format("%m-%d").to_string(),
                (None, None) => String::new(),
            };
            table.row([
                short(row.id),
                when,
                row.kind.as_str().replace('_', " "),
                row.customer_name.clone(),
                row.state.replace('_', " "),
                row.title.clone(),
                row.amount.map(|amount| amount.to_string()).unwrap_or_default(),
                marks(row),
            ]);
        }
        Ok(table)
    }

    pub(super) fn documents(&self, rows: &[DocumentRow], nothing: &str) -> Done {
        self.table(&self.document_table(rows)?, nothing, rows_json(rows))
    }

    pub(super) fn list(&self, kind: DocumentKind, limit: usize) -> Done {
        let rows = self.store.list(&ListQuery {
            kind: Some(kind),
            limit,
            ..ListQuery::default()
        })?;
        self.documents(&rows, "None yet.")
    }

    pub(super) fn today(&self, date: Option<NaiveDate>) -> Done {
        let today = self.store.today(date)?;
        let sections = [
            ("visits", "Visits", &today.visits),
            ("deliveries", "Deliveries", &today.deliveries),
            ("promises_due", "Promises to pay that are due", &today.promises_due),
            ("next_steps_due", "Next steps that are due", &today.next_steps_due),
            ("reviews_to_answer", "Reviews to answer", &today.reviews_to_answer),
            ("rejected", "Rejected by the server", &today.rejected),
        ];
        let mut text = format!("{}", today.date.format("%A, %Y-%m-%d"));
        let mut json = json!({ "date": today.date });
        for (name, heading, rows) in sections {
            json[name] = rows_json(rows);
            if !rows.is_empty() {
                text.push_str(&format!(
                    "\n\n{heading} ({})\n{}",
                    rows.len(),
                    self.document_table(rows)?
                ));
            }
        }
        if sections.iter().all(|(_, _, rows)| rows.is_empty()) {
            text.push_str("\n\nNothing is planned or due.");
        }
        self.say(text, json)
    }

    fn customer_table(&self, rows: &[CustomerRow]) -> Result<Table, Problem> {
        let mut table = Table::new(&["number", "name", "exposure", "limit", "overdue", "address"]).right(&[2, 3, 4]);
        for row in rows {
            let credit = self.store.credit_file(row.id)?;
            let (exposure, limit, overdue) = match &credit {
                None => Default::default(),
                Some(view) => (
                    exposure_text(credit::exposure(&view.file)),
                    limit_text(view.file.limit),
                    if view.file.overdue.amount.is_zero() {
                        String::new()
                    } else {
                        view.file.overdue.amount.to_string()
                    },
                ),
            };
            table.row([
                row.code.clone(),
                row.name.clone(),
                exposure,
                limit,
                overdue,
                row.address.clone(),
            ]);
        }
        Ok(table)
    }

    pub(super) fn customers(&self, text: &str, limit: usize) -> Done {
        let rows = self.store.customers(&CustomerQuery {
            text: text.to_owned(),
            limit,
            ..CustomerQuery::default()
        })?;
        let json = rows.iter().map(customer_json).collect();
        self.table(&self.customer_table(&rows)?, "No customer on this phone matches.", json)
    }

    pub(super) fn products(&self, text: &str, limit: usize) -> Done {
        let products = self.store.products(text, limit, 0)?;
        let mut table = Table::new(&["number", "name", "unit", "price", "group"]).right(&[3]);
        for it in &products {
            let name = if it.discontinued {
                format!("{} (no longer sold)", it.name)
            } else {
                it.name.clone()
            };
            let price = it.price.map(|price| price.to_string()).unwrap_or_default();
            table.row([it.code.clone(), name, it.unit.clone(), price, it.group.clone()]);
        }
        self.table(&table, "No product on this phone matches.", json!(products))
    }

    pub(super) fn customer(&self, typed: &str) -> Done {
        let customer = self.find_customer(typed)?;
        let credit = self.store.credit_file(customer.id)?;
        let invoices = self.store.invoices_of(customer.id)?;
        let receipts = self.store.receipts_of(customer.id)?;
        let orders = self.store.orders_of(customer.id)?;
        let rows = self.store.timeline(customer.id, None, 10)?;
        let json = json!({
            "customer": customer,
            "credit_file": credit.as_ref().map(|view| json!({ "version": view.version, "file": view.file })),
            "invoices": invoices, "receipts": receipts, "orders": orders, "timeline": rows_json(&rows),
        });
        let mut text = format!("{}  {}", customer.code, plain(&customer.name));
        let mut line = |name: &str, value: String| {
            if !value.is_empty() {
                text.push_str(&format!("\n  {name:<14}{}", plain(&value)));
            }
        };
        line("contact", customer.contact.clone());
        line("phone", customer.phone.clone());
        line("address", customer.address.clone());
        line(
            "position",
            customer.position.as_ref().map(position_text).unwrap_or_default(),
        );
        line("rep", customer.rep.map(|rep| self.name_of(rep)).unwrap_or_default());
        match &credit {
            None => line("credit", "no credit file on this phone".to_owned()),
            Some(view) => {
                let file = &view.file;
                let grade = file
                    .grade
                    .map_or("not assessed".to_owned(), |grade| format!("grade {grade:?}"));
                let hold = if file.on_hold { ", ON HOLD" } else { "" };
                line(
                    "credit",
                    format!("{grade}, {} days{hold}; as of {}", file.terms_days, file.as_of),
                );
                line("limit", limit_text(file.limit));
                line("exposure", exposure_text(credit::exposure(file)));
                line(
                    "of which",
                    format!(
                        "receivables {}, open orders {}",
                        file.open_receivables, file.open_orders
                    ),
                );
                let oldest = file.oldest_due.map(|due| format!(" (oldest open item due {due})"));
                line("overdue", format!("{}{}", file.overdue, oldest.unwrap_or_default()));
            }
        }
        if let Some(newest) = invoices.iter().max_by_key(|it| it.invoiced_on) {
            line(
                "invoices",
                format!(
                    "{}; newest {} of {}, due {}",
                    invoices.len(),
                    newest.number,
                    newest.invoiced_on,
                    newest.due_on
                ),
            );
        }
        if let Some(newest) = receipts.iter().max_by_key(|it| it.valued_on) {
            line(
                "receipts",
                format!("{}; newest {} on {}", receipts.len(), newest.amount, newest.valued_on),
            );
        }
        if !rows.is_empty() {
            text.push_str(&format!("\n\n{}", self.document_table(&rows)?));
        }
        self.say(text, json)
    }

    pub(super) fn search(&self, text: &str) -> Done {
        if text.trim().is_empty() {
            return Err(Problem::wrong("type what to search for"));
        }
        let hits = self.store.search(text, 50)?;
        let (mut customers, mut documents) = (Vec::new(), Vec::new());
        let mut json = Vec::new();
        for hit in hits {
            match hit {
                SearchHit::Customer(row) => {
                    json.push(json!({ "found": "customer", "customer": customer_json(&row) }));
                    customers.push(row);
                }
                SearchHit::Document(row) => {
                    json.push(json!({ "found": "document", "document": row_json(&row) }));
                    documents.push(row);
                }
            }
        }
        let mut parts = Vec::new();
        if !customers.is_empty() {
            parts.push(self.customer_table(&customers)?.to_string());
        }
        if !documents.is_empty() {
            parts.push(self.document_table(&documents)?.to_string());
        }
        if parts.is_empty() {
            parts.push("Nothing on this phone has these words.".to_owned());
        }
        self.say(parts.join("\n\n"), json!(json))
    }

    pub(super) fn timeline(&self, customer: &str, limit: usize) -> Done {
        let customer = self.find_customer(customer)?;
        let rows = self.store.timeline(customer.id, None, limit)?;
        self.documents(&rows, "Nothing has been recorded about this customer.")
    }

    pub(super) fn name_of(&self, user: UserId) -> String {
        if user == UserId::CUSTOMER_CONTACT {
            return "the customer's contact, by link".to_owned();
        }
        match self.store.person(user) {
            Ok(Some(person)) => person.name,
            _ => short(user),
        }
    }

    fn author_text(&self, words: &Words, author: Option<&Authorship>) -> String {
        match author {
            None => "somebody without Fieldledger".to_owned(),
            Some(author) => format!("{} at {}", self.name_of(author.user), words.moment(author.at)),
        }
    }

    pub(super) fn history(&self, typed: &str) -> Done {
        let id = self.find_document(typed)?;
        let (text, json) = self.told(id)?;
        self.say(text, json)
    }

    /// What became of a document, as a person reads it and as a script does.
    pub(super) fn told(&self, id: DocumentId) -> Result<(String, Value), Problem> {
        let entries = self.store.history(id)?;
        let tree = self.store.tree(id)?.unwrap_or_default();
        let sides = entries.iter().flat_map(|it| &it.changed);
        let values: Vec<&Value> = sides
            .flat_map(|it| [it.before.as_ref(), it.after.as_ref()])
            .flatten()
            .chain([&tree])
            .collect();
        let words = self.words(&values)?;
        let mut text = Vec::new();
        let mut json = Vec::new();
        for entry in &entries {
            let mut lines = format!(
                "{}  {}",
                short(entry.hash),
                self.author_text(&words, entry.author.as_ref())
            );
            let mut changed = Vec::new();
            for field in &entry.changed {
                let side = |value: &Option<Value>| {
                    let said = words.value(&tree, &field.path, value.as_ref());
                    said.map_or_else(|| "(nothing)".to_owned(), |it| cut(&it))
                };
                lines.push_str(&format!(
                    "\n    {}: {} → {}",
                    plain(&words.label(&tree, &field.path)),
                    side(&field.before),
                    side(&field.after)
                ));
                changed.push(json!({ "field": field.path, "before": field.before, "after": field.after }));
            }
            text.push(lines);
            json.push(json!({
                "change": entry.hash.to_string(),
                "builds_on": entry.deps.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "author": entry.author.as_ref().map(|it| it.user),
                "at": entry.author.as_ref().map(|it| it.at.to_string()),
                "changed": changed,
            }));
        }
        Ok((text.join("\n"), json!(json)))
    }

    pub(super) fn disagreements(&self, typed: &str) -> Done {
        let id = self.find_document(typed)?;
        let found = self.store.disagreements(id)?;
        let tree = self.store.tree(id)?.unwrap_or_default();
        let mut all: Vec<&Value> = found.iter().flat_map(|it| &it.values).map(|it| &it.value).collect();
        all.push(&tree);
        let words = self.words(&all)?;
        let mut text = Vec::new();
        let mut json = Vec::new();
        for it in &found {
            let field = it.path.join(".");
            let mut lines = plain(&format!("{} ({field})", words.label(&tree, &it.path)));
            let mut values = Vec::new();
            for (index, value) in it.values.iter().enumerate() {
                let shown = if index == 0 { "  (shown)" } else { "" };
                lines.push_str(&format!(
                    "\n  {}: {}  — {}{shown}",
                    index + 1,
                    words
                        .value(&tree, &it.path, Some(&value.value))
                        .map_or_else(|| "(nothing)".to_owned(), |it| cut(&it)),
                    self.author_text(&words, value.author.as_ref())
                ));
                values.push(json!({
                    "value": value.value,
                    "author": value.author.as_ref().map(|it| it.user),
                    "at": value.author.as_ref().map(|it| it.at.to_string()),
                }));
            }
            text.push(lines);
            json.push(json!({ "field": it.path.join("."), "values": values }));
        }
        if text.is_empty() {
            text.push("Nobody disagrees.".to_owned());
        } else {
            text.push(format!("Choose with: settle {} FIELD NUMBER", short(id)));
        }
        self.say(text.join("\n"), json!(json))
    }

    pub(super) fn reviews(&self, typed: Option<&str>) -> Done {
        let rows = match typed {
            None => self
                .store
                .today(None)?
                .reviews_to_answer
                .iter()
                .map(|row| row.id)
                .collect(),
            Some(typed) => {
                let about = self.find_document(typed)?;
                let reviews = self.store.reviews_of(about)?;
                reviews.iter().map(|review| review.id).collect::<Vec<_>>()
            }
        };
        let (mut text, mut json) = (Vec::new(), Vec::new());
        for id in rows {
            let Some(review) = self.store.review(id)? else { continue };
            let value = &review.value;
            let mut lines = format!(
                "{}  {} by {} at {}, about {}",
                short(id),
                value.verdict.as_str(),
                self.name_of(value.reviewer),
                value.at,
                short(value.about)
            );
            if !value.comment.is_empty() {
                lines.push_str(&format!("\n    “{}”", plain(&value.comment)));
            }
            let mut replies: Vec<_> = value.replies.values().collect();
            replies.sort_by_key(|reply| reply.at);
            for reply in replies {
                lines.push_str(&format!(
                    "\n    {} at {}: {}",
                    self.name_of(reply.by),
                    reply.at,
                    plain(&reply.text)
                ));
            }
            text.push(lines);
            json.push(json!({ "id": id, "review": value }));
        }
        if text.is_empty() {
            text.push("No review waits for an answer.".to_owned());
        }
        self.say(text.join("\n"), json!(json))
    }

    pub(super) fn status(&self, dismiss: Option<&str>) -> Done {
        if let Some(typed) = dismiss {
            let id = self.find_document(typed)?;
            let rejected = self.store.status()?.rejected;
            let of_document: Vec<_> = rejected.iter().filter(|it| it.document == id).collect();
            if of_document.is_empty() {
                return Err(Problem::wrong("nothing about this document was rejected"));
            }
            for it in of_document {
                self.store.dismiss_rejected(it.hash)?;
            }
        }
        let status = self.store.status()?;
        let identity = self.store.identity();
        let mut text = identity.as_ref().map_or("Not enrolled".to_owned(), |it| {
            let roles: Vec<&str> = it.roles.iter().map(|role| role.as_str()).collect();
            format!(
                "{} ({}) at {}\n  server        {}",
                it.user_name,
                roles.join(", "),
                it.organisation_name,
                it.server_url
            )
        });
        let device = format!("{:?}", status.device);
        let heard = status
            .last_contact
            .map_or("never".to_owned(), |at: Timestamp| at.to_string());
        text.push_str(&format!("\n  device        {device}\n  last contact  {heard}"));
        if let Some(stale) = status.staleness_millis {
            text.push_str(&format!(" ({} ago)", duration(stale)));
        }
        text.push_str(&format!(
            "\n  waiting       {}\n  rejected      {}",
            status.waiting,
            status.rejected.len()
        ));
        for it in &status.rejected {
            text.push_str(&format!(
                "\n    {}  {}: {}",
                short(it.document),
                plain(&it.title),
                plain(&it.message)
            ));
        }
        if status.evidence_waiting + status.evidence_lost > 0 {
            text.push_str(&format!(
                "\n  files         {} waiting, {} lost before they were sent",
                status.evidence_waiting, status.evidence_lost
            ));
        }
        if status.kept > 0 {
            text.push_str(&format!(
                "\n  kept          {} record(s) of former territories, until {}",
                status.kept,
                if status.server_makes_backups {
                    "the server's backup covers them"
                } else {
                    "the server makes a backup, which it never has; tell the operator"
                }
            ));
        }
        let rejected: Vec<Value> = status
            .rejected
            .iter()
            .map(|it| json!({ "document": it.document, "title": it.title, "message": it.message }))
            .collect();
        let json = json!({
            "user": identity.as_ref().map(|it| it.user), "name": identity.as_ref().map(|it| &it.user_name),
            "server": identity.as_ref().map(|it| &it.server_url), "device": device.to_lowercase(),
            "waiting": status.waiting, "rejected": rejected, "kept": status.kept,
            "files_waiting": status.evidence_waiting, "files_lost": status.evidence_lost,
            "server_makes_backups": status.server_makes_backups,
            "last_contact": status.last_contact.map(|at| at.to_string()), "staleness_millis": status.staleness_millis,
        });
        self.say(text, json)
    }
}

fn duration(millis: u64) -> String {
    match millis / 1000 {
        seconds @ 0..=119 => format!("{seconds} s"),
        seconds @ 120..=7_199 => format!("{} min", seconds / 60),
        seconds @ 7_200..=172_799 => format!("{} h", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

fn exposure_text(exposure: Result<Money, InvalidMoney>) -> String {
    exposure.map_or_else(|error| error.to_string(), |exposure| exposure.to_string())
}

pub(super) fn limit_text(limit: CreditLimit) -> String {
    match limit {
        CreditLimit::NoLimit => "no limit".to_owned(),
        CreditLimit::Limited(limit) => limit.to_string(),
    }
}

fn position_text(position: &Position) -> String {
    format!("{:.5}, {:.5}", position.latitude, position.longitude)
}

/// A value in a line; long ones cut.
pub(super) fn brief(value: &Value) -> String {
    let text = match value {
        Value::String(text) => format!("“{text}”"),
        other => other.to_string(),
    };
    cut(&text)
}

/// On one line, and no longer than a line or two of a terminal.
fn cut(text: &str) -> String {
    let text = plain(text);
    if text.chars().count() > 120 {
        text.chars().take(119).chain(std::iter::once('…')).collect()
    } else {
        text
    }
}
