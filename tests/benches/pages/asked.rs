//! Which pages are measured, and the bare SQL that their lists need.

use std::path::Path;

use fieldledger_core::model::{CustomerId, DocumentId};
use fieldledger_server::store::sqlite::DATABASE_FILE;
use fieldledger_tests::visits::RARE_WORD;
use rusqlite::{Connection, OpenFlags};

use super::company::Facts;
use crate::Result;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// Sees everything.
    Administrator,
    /// Sees two territories of forty.
    Supervisor,
    /// Has a link and no account.
    Contact,
}

/// A page.
pub(crate) struct Asked {
    pub(crate) what: String,
    pub(crate) who: Who,
    pub(crate) path: String,
    /// Whether it is a file, for which there are no aims.
    pub(crate) file: bool,
    /// The bare SQL of its list.
    pub(crate) sql: Option<String>,
}

pub(crate) fn database(folder: &Path) -> Result<Connection> {
    let db = Connection::open_with_flags(folder.join(DATABASE_FILE), OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    db.pragma_update(None, "cache_size", -32_768)?;
    Ok(db)
}

/// What is looked up once, so that the addresses lead somewhere.
struct Known {
    documents: Vec<(&'static str, DocumentId)>,
    customer: CustomerId,
    receipt: String,
    invoice: String,
    deep: String,
    deeper: String,
}

fn id(db: &Connection, sql: &str) -> Result<[u8; 16]> {
    db.query_row(sql, [], |row| row.get(0))
        .map_err(|error| format!("{sql}: {error}").into())
}

fn text(db: &Connection, sql: &str) -> Result<String> {
    db.query_row(sql, [], |row| row.get(0))
        .map_err(|error| format!("{sql}: {error}").into())
}

fn known(folder: &Path) -> Result<Known> {
    let db = database(folder)?;
    let mut documents = Vec::new();
    for kind in ["visit", "delivery", "collection_note", "order", "review"] {
        let condition = if kind == "visit" { "state = 'done'" } else { "1" };
        let sql = format!(
            "SELECT document FROM document WHERE kind = '{kind}' AND {condition} ORDER BY last_received_at DESC LIMIT 1 OFFSET 200"
        );
        documents.push((kind, DocumentId::from_bytes(id(&db, &sql)?)));
    }
    let disagreeing = "SELECT document FROM document WHERE disagreements > 0 LIMIT 1";
    documents.push((
        "visit with a disagreement",
        DocumentId::from_bytes(id(&db, disagreeing)?),
    ));
    let place = |offset: u32| {
        let sql = format!(
            "SELECT last_received_at || '.' || lower(hex(document)) FROM document
             ORDER BY last_received_at DESC LIMIT 1 OFFSET {offset}"
        );
        let found = text(&db, &sql)?;
        let (at, hex) = found.split_once('.').ok_or("no place")?;
        let bytes: Vec<u8> = (0..16)
            .map(|n| u8::from_str_radix(&hex[2 * n..2 * n + 2], 16))
            .collect::<std::result::Result<_, _>>()?;
        let id = DocumentId::from_bytes(bytes.as_slice().try_into()?);
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(format!("{at}.{id}"))
    };
    let count: u32 = db.query_row("SELECT count(*) FROM document", [], |row| row.get(0))?;
    let customer = "SELECT customer FROM record WHERE kind = 'warning' AND customer IS NOT NULL
                    AND json_extract(json, '$.cleared_at') IS NULL LIMIT 1";
    let customer = id(&db, customer)?;
    let hex: String = customer.iter().map(|byte| format!("{byte:02X}")).collect();
    let own = |kind: &str, field: &str| {
        let sql = format!(
            "SELECT json_extract(json, '$.{field}') FROM record WHERE customer = X'{hex}' AND kind = '{kind}' LIMIT 1"
        );
        text(&db, &sql)
    };
    Ok(Known {
        documents,
        customer: CustomerId::from_bytes(customer),
        receipt: own("receipt", "reference")?,
        invoice: own("invoice", "number")?,
        deep: place(1_000)?,
        deeper: place(count / 2)?,
    })
}

const COLUMNS: &str = "document, stream, kind, newer, customer, owner, about, at, day, state, title, amount, evidence, \
                       outside, mocked, disagreements, review, last_received_at, doubts";

/// The list of activity in bare SQL.
fn activity(condition: &str) -> String {
    format!(
        "SELECT {COLUMNS} FROM document WHERE organisation = (SELECT id FROM organisation) AND {condition}
         ORDER BY last_received_at DESC, document DESC LIMIT 51"
    )
}

fn records(columns: &str, condition: &str, rest: &str) -> String {
    format!("SELECT {columns} FROM record WHERE organisation = (SELECT id FROM organisation) AND {condition} {rest}")
}

/// Everything that is measured.
pub(crate) fn everything(folder: &Path, facts: &Facts) -> Result<Vec<Asked>> {
    let known = known(folder)?;
    let mut asked = Vec::new();
    let mut add = |who: Who, what: &str, path: String, sql: Option<String>| {
        asked.push(Asked {
            what: what.to_owned(),
            who,
            file: path.contains("format="),
            path,
            sql,
        });
    };
    let (rep, territory, customers) = &facts.reps[0];
    let other = customers[7];
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02X}")).collect::<String>();
    let day = facts.day;
    let month_ago = day - chrono::Days::new(30);
    for who in [Who::Administrator, Who::Supervisor] {
        add(who, "today", "/".to_owned(), None);
        let bare = |condition: &str| (who == Who::Administrator).then(|| activity(condition));
        let list: Vec<(&str, String, Option<String>)> = vec![
            ("activity", String::new(), bare("1")),
            ("activity, visits", "kind=visit".to_owned(), bare("kind = 'visit'")),
            ("activity, reviews", "kind=review".to_owned(), bare("kind = 'review'")),
            (
                "activity, statement confirmations (there are none)",
                "kind=statement_confirmation".to_owned(),
                bare("kind = 'statement_confirmation'"),
            ),
            (
                "activity, one rep",
                format!("rep={rep}"),
                bare(&format!("owner = X'{}'", hex(rep.as_bytes()))),
            ),
            (
                "activity, one customer",
                format!("customer={other}"),
                bare(&format!("customer = X'{}'", hex(other.as_bytes()))),
            ),
            ("activity, one territory", format!("territory={territory}"), None),
            ("activity, one day", format!("day={day}"), None),
            ("activity, a day a month ago", format!("day={month_ago}"), None),
            ("activity, doubtful", "doubt=any".to_owned(), bare("doubts > 0")),
            (
                "activity, edited later",
                "doubt=edited".to_owned(),
                bare("doubts > 0 AND doubts & 8 <> 0"),
            ),
            (
                "activity, signed deliveries",
                "kind=delivery&state=signed".to_owned(),
                bare("kind = 'delivery' AND state = 'signed'"),
            ),
            (
                "activity, state planned",
                "state=planned".to_owned(),
                bare("state = 'planned'"),
            ),
            (
                "activity, state refused (hardly any)",
                "state=refused".to_owned(),
                bare("state = 'refused'"),
            ),
            (
                "activity, unreviewed",
                "unreviewed=1".to_owned(),
                bare("review IS NULL AND kind <> 'review'"),
            ),
            (
                "activity, disagreeing",
                "disagreeing=1".to_owned(),
                bare("disagreements > 0"),
            ),
            (
                "activity, disagreeing notes about money (there are none)",
                "disagreeing=1&kind=collection_note".to_owned(),
                None,
            ),
            (
                "activity, a rep's flagged reviews",
                format!("kind=review&state=flagged&rep={rep}"),
                None,
            ),
            ("activity, text \"detergent\"", "q=detergent".to_owned(), None),
            (
                "activity, text \"sparkling water\"",
                "q=sparkling+water".to_owned(),
                None,
            ),
            (
                "activity, text in Chinese, a word",
                format!("q={}", percent(RARE_WORD)),
                None,
            ),
            (
                "activity, text in Chinese, one character",
                format!("q={}", percent("酒")),
                None,
            ),
            (
                "activity, text in Chinese, a phrase",
                format!("q={}", percent("已经拍照发给主管")),
                None,
            ),
            ("activity, text of one record", "q=D-0000011".to_owned(), None),
            ("activity, text that nothing holds", "q=Xylophonist".to_owned(), None),
            (
                "activity, text and rep",
                format!("q={}&rep={rep}", percent(RARE_WORD)),
                None,
            ),
            ("activity, 1000 records back", format!("before={}", known.deep), None),
            (
                "activity, half of all records back",
                format!("before={}", known.deeper),
                None,
            ),
        ];
        for (what, query, sql) in list {
            let path = if query.is_empty() {
                "/activity".to_owned()
            } else {
                format!("/activity?{query}")
            };
            add(who, what, path, sql);
        }
        add(who, "photos", "/activity/photos".to_owned(), None);
        let sums = who == Who::Administrator;
        let bare = |sql: String| sums.then_some(sql);
        let by_name = records(
            "key, json",
            "kind = 'customer'",
            "ORDER BY json ->> '$.name', key LIMIT 100",
        );
        add(who, "customers", "/customers".to_owned(), bare(by_name));
        for (what, query) in [
            ("customers by what is overdue", "sort=-overdue"),
            ("customers by exposure", "sort=exposure"),
            ("customers by rep", "sort=rep"),
            ("customers, last page", "page=200"),
            ("customers, text", "q=aurora+7"),
            ("customers, overdue", "late=1"),
            ("customers, on hold", "held=1"),
            ("customers, grade C", "grade=C"),
        ] {
            add(who, what, format!("/customers?{query}"), None);
        }
        let held = records(
            "key, json",
            "kind = 'order_decision' AND json_extract(json, '$.standing') = 'held'",
            "ORDER BY json_extract(json, '$.received_at') LIMIT 20",
        );
        add(who, "credit desk", "/credit".to_owned(), bare(held));
        let grants = records(
            "key, json",
            "kind = 'grant' AND json_extract(json, '$.state') IN ('open', 'recalled')",
            "ORDER BY customer, key LIMIT 100",
        );
        add(who, "allowances", "/credit/allowances".to_owned(), bare(grants));
        let warnings = records(
            "key, json",
            "kind = 'warning' AND json_extract(json, '$.cleared_at') IS NULL",
            "ORDER BY json_extract(json, '$.level'), json_extract(json, '$.raised_at') LIMIT 100",
        );
        add(who, "early warnings", "/credit/warnings".to_owned(), bare(warnings));
        add(
            who,
            "receivables: ageing, DSO, CEI",
            "/receivables".to_owned(),
            bare(AGEING.to_owned()),
        );
        add(who, "receivables: worklist", "/receivables/worklist".to_owned(), None);
        add(who, "receivables: reminders", "/receivables/reminders".to_owned(), None);
        add(
            who,
            "receivables: unmatched money",
            "/receivables/unmatched".to_owned(),
            None,
        );
        let statements = records(
            "key, json",
            "kind = 'statement'",
            "ORDER BY json_extract(json, '$.issued_at') DESC LIMIT 100",
        );
        add(
            who,
            "receivables: statements",
            "/receivables/statements".to_owned(),
            bare(statements),
        );
        add(who, "receivables: timers", "/receivables/timers".to_owned(), None);
        add(who, "team", "/team".to_owned(), None);
        add(
            who,
            "devices",
            "/devices".to_owned(),
            bare("SELECT * FROM device ORDER BY last_contact".to_owned()),
        );
        add(who, "quarantine", "/quarantine".to_owned(), None);
        add(who, "account with its sessions", "/account".to_owned(), None);
    }
    let who = Who::Administrator;
    for (kind, id) in &known.documents {
        add(who, &format!("record: {kind}"), format!("/records/{id}"), None);
    }
    let customer = known.customer;
    add(who, "customer", format!("/customers/{customer}"), None);
    add(who, "customer's money", format!("/customers/{customer}/money"), None);
    add(
        who,
        "customer's interest",
        format!("/customers/{customer}/interest"),
        None,
    );
    add(
        who,
        "invoice",
        format!("/customers/{customer}/invoices/{}", known.invoice),
        None,
    );
    add(
        who,
        "receipt",
        format!("/customers/{customer}/receipts/{}", known.receipt),
        None,
    );
    add(
        who,
        "statement",
        format!("/receivables/statements/{}", facts.statement),
        None,
    );
    add(who, "a rep's month", format!("/team/{rep}"), None);
    add(who, "a rep's day", format!("/team/{rep}/{day}"), None);
    add(
        who,
        "a rep's day on the map",
        format!("/activity/day/{rep}/{day}"),
        None,
    );
    add(who, "territories", "/team/territories".to_owned(), None);
    add(who, "moving customers", "/team/move".to_owned(), None);
    add(
        who,
        "people",
        "/people".to_owned(),
        Some("SELECT * FROM account ORDER BY name".to_owned()),
    );
    add(who, "person", format!("/people/{rep}"), None);
    let audit = "SELECT * FROM audit WHERE organisation = (SELECT id FROM organisation) ORDER BY seq DESC LIMIT 100";
    add(who, "audit log", "/audit".to_owned(), Some(audit.to_owned()));
    add(who, "audit log, text", "/audit?q=closing".to_owned(), None);
    add(
        who,
        "audit log, action",
        "/audit?action=statement.issued".to_owned(),
        None,
    );
    add(
        Who::Contact,
        "contact's statement",
        format!("/s/{}", facts.statement_secret),
        None,
    );
    add(
        Who::Contact,
        "contact's delivery",
        format!("/d/{}", facts.delivery_secret),
        None,
    );
    for (what, path) in [
        ("all customers as CSV", "/customers?format=csv"),
        ("all customers as XLSX", "/customers?format=xlsx"),
        ("ageing as CSV", "/receivables?format=csv"),
        ("audit log as CSV", "/audit?format=csv"),
    ] {
        add(who, what, path.to_owned(), None);
    }
    Ok(asked)
}

/// What is open of every invoice, by customer, with SQL's own functions. A number has to be called text, or no index would be
/// made for looking it up, and half a million invoices would each look through all payments.
const AGEING: &str = "
    SELECT r.customer, sum(json_extract(r.json, '$.amount.amount') - ifnull(paid.amount, 0))
    FROM record r LEFT JOIN (
        SELECT CAST(json_extract(a.value, '$.invoice_number') AS TEXT) AS number, sum(json_extract(a.value, '$.amount')) AS amount
        FROM record p, json_each(p.json, '$.allocations') a WHERE p.kind = 'receipt' GROUP BY 1
    ) paid ON paid.number = r.key
    WHERE r.kind = 'invoice' GROUP BY r.customer";

fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
