//! What a record says, as sections of labelled fields and tables. Pure: from a document's tree to what a page shows.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use chrono_tz::Tz;
use fieldledger_core::{
    document::{edit, tree},
    model::{
        CheckPoint, CollectionNote, CreditDecision, CreditLimit, Delivery, DocumentKind, DocumentModel, Evidence,
        EvidenceHash, EvidenceKind, GeofenceVerdict, NextStep, Order, Party, Position, Review, Timestamp, UserId,
        Visit,
    },
};
use serde::Serialize;
use serde_json::Value;

use super::values;
use crate::web::{
    format::{self, Moment},
    messages::Text,
    names::Names,
};

/// What every view needs to speak.
#[derive(Clone, Copy)]
pub(crate) struct Voice<'a> {
    pub(crate) text: Text,
    pub(crate) zone: Tz,
    pub(crate) names: &'a Names,
}

/// One value as it is shown.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Shown {
    /// A short text.
    Text(String),
    /// A text that a person wrote, with its line breaks.
    Prose(String),
    /// A link.
    Link { href: String, text: String },
    /// A moment.
    Moment(Moment),
    /// A short text that is good news.
    Good(String),
    /// A short text that somebody should look at.
    Doubt(String),
    /// Not there.
    Nothing,
}

/// A labelled value, with what makes it doubtful.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Field {
    pub(crate) label: String,
    pub(crate) value: Shown,
    pub(crate) remarks: Vec<Shown>,
}

/// Labelled values under a title.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Section {
    pub(crate) title: String,
    pub(crate) lead: String,
    pub(crate) fields: Vec<Field>,
}

/// A cell; its column's heading is repeated for narrow screens.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cell {
    pub(crate) heading: String,
    pub(crate) value: Shown,
    pub(crate) numeric: bool,
}

/// Rows under headings.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Table {
    pub(crate) title: String,
    pub(crate) lead: String,
    pub(crate) empty: String,
    pub(crate) headings: Vec<(String, bool)>,
    pub(crate) rows: Vec<Vec<Cell>>,
    pub(crate) footer: Option<(String, String)>,
}

/// A record's content.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Content {
    pub(crate) sections: Vec<Section>,
    pub(crate) tables: Vec<Table>,
}

impl Table {
    fn new(title: &str, headings: &[(&str, bool)]) -> Self {
        Self {
            title: title.to_owned(),
            lead: String::new(),
            empty: String::new(),
            headings: headings
                .iter()
                .map(|(text, numeric)| ((*text).to_owned(), *numeric))
                .collect(),
            rows: Vec::new(),
            footer: None,
        }
    }

    fn push(&mut self, values: Vec<Shown>) {
        let cells = values
            .into_iter()
            .zip(&self.headings)
            .map(|(value, (heading, numeric))| Cell {
                heading: heading.clone(),
                value,
                numeric: *numeric,
            })
            .collect();
        self.rows.push(cells);
    }
}

/// What the record with this tree says. A tree that its model cannot read is shown as it is.
pub(crate) fn content(voice: Voice<'_>, kind: &DocumentKind, document: &Value) -> Content {
    let read = match kind {
        DocumentKind::Visit => typed::<Visit>(voice, document, visit),
        DocumentKind::Delivery => typed::<Delivery>(voice, document, delivery),
        DocumentKind::CollectionNote => typed::<CollectionNote>(voice, document, collection_note),
        DocumentKind::Order => typed::<Order>(voice, document, order),
        DocumentKind::Review => typed::<Review>(voice, document, review),
        DocumentKind::Unknown(_) => None,
    };
    read.unwrap_or_else(|| Content {
        sections: vec![Section {
            title: voice.text.t("record.raw").to_owned(),
            lead: voice.text.t("record.raw_lead").to_owned(),
            fields: values::flattened(voice, document, document),
        }],
        tables: Vec::new(),
    })
}

fn typed<T: DocumentModel + Serialize>(
    voice: Voice<'_>,
    document: &Value,
    view: fn(Voice<'_>, &T) -> Content,
) -> Option<Content> {
    let value: T = serde_json::from_value(document.clone()).ok()?;
    let mut content = view(voice, &value);
    // Fields that a newer version added are in the tree and not in the value.
    let known = edit::tree_of(&value).ok()?;
    let more: Vec<Field> = tree::differences(&known, document)
        .into_iter()
        .filter(|(_, known, there)| known.is_none() && there.as_ref().is_some_and(|it| !it.is_null()))
        .map(|(path, _, there)| values::field_at(voice, document, &path, there.as_ref()))
        .collect();
    if !more.is_empty() {
        content.sections.push(Section {
            title: voice.text.t("record.more").to_owned(),
            lead: voice.text.t("record.more_lead").to_owned(),
            fields: more,
        });
    }
    Some(content)
}

impl Voice<'_> {
    pub(crate) fn moment(&self, at: Timestamp) -> Shown {
        Shown::Moment(Moment::new(at, self.zone))
    }

    fn label(&self, name: &str) -> String {
        self.text.word("field", name)
    }

    fn field(&self, name: &str, value: Shown) -> Field {
        Field {
            label: self.label(name),
            value,
            remarks: Vec::new(),
        }
    }

    fn heading(&self, name: &str) -> String {
        self.label(name)
    }

    fn person(&self, id: UserId) -> Shown {
        Shown::Text(self.names.person(id))
    }

    fn words(&self, section: &str, value: &impl Serialize) -> Shown {
        match serde_json::to_value(value) {
            Ok(Value::String(name)) => Shown::Text(self.text.word(section, &name)),
            _ => Shown::Nothing,
        }
    }

    fn position(&self, label: &str, position: Option<&Position>) -> Field {
        let mut field = self.field(label, Shown::Nothing);
        if let Some(position) = position {
            field.value = Shown::Text(format::position(self.text, position));
            if position.mocked {
                field.remarks.push(Shown::Doubt(self.text.t("doubt.mocked").to_owned()));
            }
        }
        field
    }

    fn next_step(&self, next: Option<&NextStep>) -> Vec<Field> {
        let mut fields = vec![self.field(
            "next_step",
            next.map_or(Shown::Nothing, |it| Shown::Prose(it.what.clone())),
        )];
        if let Some(due) = next.and_then(|it| it.due) {
            fields.push(self.field("due", day(Some(due))));
        }
        fields
    }
}

fn prose(text: &str) -> Shown {
    if text.trim().is_empty() {
        Shown::Nothing
    } else {
        Shown::Prose(text.to_owned())
    }
}

fn words(text: &str) -> Shown {
    if text.trim().is_empty() {
        Shown::Nothing
    } else {
        Shown::Text(text.to_owned())
    }
}

fn optional(text: Option<&str>) -> Shown {
    words(text.unwrap_or_default())
}

fn day(day: Option<NaiveDate>) -> Shown {
    day.map_or(Shown::Nothing, |it| Shown::Text(it.to_string()))
}

fn section(title: String, fields: Vec<Field>) -> Section {
    Section {
        title,
        lead: String::new(),
        fields,
    }
}

fn visit(voice: Voice<'_>, visit: &Visit) -> Content {
    let mut main = vec![
        voice.field("purpose", voice.words("purpose", &visit.purpose)),
        voice.field("planned_for", day(visit.planned_for)),
        voice.field(
            "outcome",
            visit
                .outcome
                .as_ref()
                .map_or(Shown::Nothing, |it| voice.words("outcome", it)),
        ),
        voice.field("note", prose(&visit.note)),
    ];
    main.extend(voice.next_step(visit.next_step.as_ref()));
    if let Some(reason) = &visit.cancelled {
        main.push(voice.field("cancelled", prose(reason)));
    }
    let mut sections = vec![section(voice.text.t("record.details").to_owned(), main)];
    for (name, point) in [("check_in", &visit.check_in), ("check_out", &visit.check_out)] {
        if let Some(point) = point {
            sections.push(section(voice.label(name), check_point(voice, point)));
        }
    }
    Content {
        sections,
        tables: evidence(voice, &visit.evidence),
    }
}

fn check_point(voice: Voice<'_>, point: &CheckPoint) -> Vec<Field> {
    let verdict = match voice.words("verdict", &point.geofence.verdict) {
        Shown::Text(text) => match point.geofence.verdict {
            GeofenceVerdict::Inside => Shown::Good(text),
            GeofenceVerdict::Outside => Shown::Doubt(text),
            GeofenceVerdict::Unknown => Shown::Text(text),
        },
        other => other,
    };
    let mut fence = voice.field("fence", verdict);
    if let Some(metres) = point.geofence.distance_metres {
        fence
            .remarks
            .push(Shown::Text(voice.text.fill("record.distance", "metres", metres)));
    }
    vec![
        voice.field("at", voice.moment(point.at)),
        voice.position("pos", point.position.as_ref()),
        fence,
    ]
}

fn delivery(voice: Voice<'_>, delivery: &Delivery) -> Content {
    let text = voice.text;
    let main = vec![
        voice.field("number", words(&delivery.number)),
        voice.field("order_number", optional(delivery.order_number.as_deref())),
        voice.field("planned_for", day(delivery.planned_for)),
        voice.field("note", prose(&delivery.note)),
    ];
    let mut sections = vec![section(text.t("record.details").to_owned(), main)];
    let receiver = delivery.receiver.as_ref();
    let mut fields = vec![voice.field("name", receiver.map_or(Shown::Nothing, |it| words(&it.name)))];
    if let Some(receiver) = receiver {
        fields.push(voice.field("phone", optional(receiver.phone.as_deref())));
        fields.push(voice.field("at", voice.moment(receiver.at)));
        fields.push(voice.position("pos", receiver.position.as_ref()));
    }
    sections.push(section(voice.label("receiver"), fields));

    let mut lines = Table::new(
        text.t("record.lines"),
        &[
            (&voice.heading("product"), false),
            (&voice.heading("batch"), false),
            (&voice.heading("quantity"), true),
            (&voice.heading("accepted"), true),
            (&voice.heading("short"), true),
            (&voice.heading("damaged"), true),
            (&voice.heading("refused"), true),
            (&voice.heading("reason"), false),
        ],
    );
    text.t("record.no_lines").clone_into(&mut lines.empty);
    for line in delivery.lines.values() {
        let signed = line.signed.as_ref();
        let part = |read: fn(&fieldledger_core::model::SignedQuantity) -> rust_decimal::Decimal| {
            signed.map_or(Shown::Nothing, |it| {
                let amount = read(it);
                Shown::Text(format::quantity(amount))
            })
        };
        let missing = |read: fn(&fieldledger_core::model::SignedQuantity) -> rust_decimal::Decimal| {
            signed.map_or(Shown::Nothing, |it| {
                let amount = read(it);
                if amount.is_zero() {
                    Shown::Text("0".to_owned())
                } else {
                    Shown::Doubt(format::quantity(amount))
                }
            })
        };
        let unit = voice.names.product(line.product).map_or("", |it| it.unit.as_str());
        let quantity = format!("{} {unit}", format::quantity(line.quantity));
        lines.push(vec![
            Shown::Text(voice.names.product_name(line.product)),
            optional(line.batch.as_deref()),
            Shown::Text(quantity.trim_end().to_owned()),
            part(|it| it.accepted),
            missing(|it| it.short),
            missing(|it| it.damaged),
            missing(|it| it.refused),
            signed
                .and_then(|it| it.reason.as_ref())
                .map_or(Shown::Nothing, |it| prose(&it.text)),
        ]);
    }

    let mut confirmations = Table::new(
        text.t("record.confirmations"),
        &[
            (text.t("record.party"), false),
            (&voice.heading("verdict"), false),
            (&voice.heading("by"), false),
            (&voice.heading("at"), false),
            (&voice.heading("remark"), false),
        ],
    );
    for party in Party::ALL {
        let name = Shown::Text(text.word("party", party.as_str()));
        match delivery.confirmations.get(&party) {
            None => confirmations.push(vec![
                name,
                Shown::Doubt(text.t("record.missing").to_owned()),
                Shown::Nothing,
                Shown::Nothing,
                Shown::Nothing,
            ]),
            Some(said) => {
                let verdict = match (voice.words("verdict", &said.verdict), said.verdict) {
                    (Shown::Text(word), fieldledger_core::model::ConfirmationVerdict::Confirmed) => Shown::Good(word),
                    (Shown::Text(word), fieldledger_core::model::ConfirmationVerdict::Disputed) => Shown::Doubt(word),
                    (other, _) => other,
                };
                confirmations.push(vec![
                    name,
                    verdict,
                    words(&said.by),
                    voice.moment(said.at),
                    prose(&said.remark),
                ]);
            }
        }
    }
    let mut tables = vec![lines, confirmations];
    tables.extend(evidence(voice, &delivery.evidence));
    Content { sections, tables }
}

fn evidence(voice: Voice<'_>, evidence: &BTreeMap<EvidenceHash, Evidence>) -> Vec<Table> {
    if evidence.is_empty() {
        return Vec::new();
    }
    let text = voice.text;
    let mut table = Table::new(
        text.t("record.evidence"),
        &[
            (text.t("evidence.kind"), false),
            (text.t("evidence.taken_at"), false),
            (text.t("evidence.taken_by"), false),
            (text.t("evidence.position"), false),
            (text.t("evidence.media_type"), false),
            (text.t("evidence.size"), true),
            (&voice.heading("caption"), false),
            (text.t("evidence.hash"), false),
        ],
    );
    text.t("record.evidence_note").clone_into(&mut table.lead);
    for (hash, piece) in evidence {
        let position = match &piece.position {
            None => Shown::Nothing,
            Some(position) if position.mocked => Shown::Doubt(format!(
                "{} · {}",
                format::position(text, position),
                text.t("doubt.mocked")
            )),
            Some(position) => Shown::Text(format::position(text, position)),
        };
        let kind = match &piece.kind {
            EvidenceKind::Other(name) => Shown::Text(name.clone()),
            known => voice.words("evidence", known),
        };
        let name = hash.to_string();
        table.push(vec![
            kind,
            voice.moment(piece.taken_at),
            voice.person(piece.taken_by),
            position,
            words(&piece.media_type),
            Shown::Text(format::bytes(piece.size)),
            prose(&piece.caption),
            Shown::Text(format!("{}…", name.get(..12).unwrap_or_default())),
        ]);
    }
    vec![table]
}

fn collection_note(voice: Voice<'_>, note: &CollectionNote) -> Content {
    let mut fields = vec![
        voice.field("at", voice.moment(note.at)),
        voice.field("channel", voice.words("channel", &note.channel)),
        voice.field("person", words(&note.person)),
        voice.field("outcome", voice.words("outcome", &note.outcome)),
        voice.field("invoice_number", optional(note.invoice_number.as_deref())),
    ];
    if let Some(promise) = &note.promise {
        let mut field = voice.field("promise", Shown::Text(format::money(promise.amount)));
        field
            .remarks
            .push(Shown::Text(format!("{} {}", voice.label("due"), promise.due)));
        fields.push(field);
    }
    fields.push(voice.field("note", prose(&note.note)));
    fields.extend(voice.next_step(note.next_step.as_ref()));
    fields.push(voice.position("pos", note.position.as_ref()));
    Content {
        sections: vec![section(voice.text.t("record.details").to_owned(), fields)],
        tables: Vec::new(),
    }
}

fn order(voice: Voice<'_>, order: &Order) -> Content {
    let text = voice.text;
    let fields = vec![
        voice.field("number", words(&order.number)),
        voice.field("at", voice.moment(order.at)),
        voice.field("state", voice.words("state", &order.state)),
        voice.field("wanted_by", day(order.wanted_by)),
        voice.field("terms_days", Shown::Text(order.terms_days.to_string())),
        voice.field("note", prose(&order.note)),
        voice.position("pos", order.position.as_ref()),
    ];
    let digits = order.currency.minor_digits();
    let mut lines = Table::new(
        text.t("record.lines"),
        &[
            (&voice.heading("product"), false),
            (&voice.heading("ordered"), true),
            (&voice.heading("unit_price"), true),
            (&voice.heading("discount"), true),
            (&voice.heading("total"), true),
        ],
    );
    text.t("record.no_lines").clone_into(&mut lines.empty);
    for line in order.lines.values() {
        let unit = voice.names.product(line.product).map_or("", |it| it.unit.as_str());
        let quantity = format!("{} {unit}", format::quantity(line.quantity));
        let percent = line
            .discount
            .checked_mul(100.into())
            .map_or_else(|| line.discount.to_string(), |it| format!("{} %", format::quantity(it)));
        lines.push(vec![
            Shown::Text(voice.names.product_name(line.product)),
            Shown::Text(quantity.trim_end().to_owned()),
            Shown::Text(format::amount(line.unit_price, digits)),
            if line.discount.is_zero() {
                Shown::Nothing
            } else {
                Shown::Text(percent)
            },
            line.total(order.currency)
                .map_or(Shown::Nothing, |it| Shown::Text(format::money(it))),
        ]);
    }
    if let Ok(total) = order.total() {
        lines.footer = Some((text.t("record.total").to_owned(), format::money(total)));
    }
    let mut content = Content {
        sections: vec![section(text.t("record.details").to_owned(), fields)],
        tables: vec![lines],
    };
    match &order.credit {
        Some(decision) => credit(voice, decision, &mut content),
        None => content.sections.push(Section {
            title: text.t("record.credit").to_owned(),
            lead: text.t("record.credit_none").to_owned(),
            fields: Vec::new(),
        }),
    }
    content
}

fn credit(voice: Voice<'_>, decision: &CreditDecision, content: &mut Content) {
    use fieldledger_core::model::CreditVerdict as Verdict;
    let text = voice.text;
    let inputs = &decision.inputs;
    let verdict = match (voice.words("verdict", &decision.verdict), decision.verdict) {
        (Shown::Text(word), Verdict::Approved | Verdict::Provisional) => Shown::Good(word),
        (Shown::Text(word), Verdict::Held | Verdict::Refused) => Shown::Doubt(word),
        (other, _) => other,
    };
    let limit = match inputs.limit {
        None => Shown::Doubt(text.t("record.limit_unknown").to_owned()),
        Some(CreditLimit::NoLimit) => Shown::Text(text.t("record.no_limit").to_owned()),
        Some(CreditLimit::Limited(limit)) => Shown::Text(format::money(limit)),
    };
    let yes_no = |yes: bool| text.t(if yes { "record.yes" } else { "record.no" }).to_owned();
    content.sections.push(section(
        text.t("record.credit").to_owned(),
        vec![
            voice.field("verdict", verdict),
            voice.field("as_of", inputs.as_of.map_or(Shown::Nothing, |at| voice.moment(at))),
            voice.field("file_version", Shown::Text(inputs.file_version.to_string())),
            voice.field(
                "grade",
                inputs.grade.map_or(Shown::Nothing, |it| Shown::Text(format!("{it:?}"))),
            ),
            voice.field("limit", limit),
            voice.field("exposure", Shown::Text(format::money(inputs.exposure))),
            voice.field("unsent_orders", Shown::Text(format::money(inputs.unsent_orders))),
            voice.field("order_total", Shown::Text(format::money(inputs.order_total))),
            voice.field(
                "on_hold",
                if inputs.on_hold {
                    Shown::Doubt(yes_no(true))
                } else {
                    Shown::Text(yes_no(false))
                },
            ),
        ],
    ));
    let mut rules = Table::new(
        text.t("record.rules"),
        &[
            (&voice.heading("rule"), false),
            (&voice.heading("verdict"), false),
            (&voice.heading("sentence"), false),
        ],
    );
    for rule in &decision.rules {
        rules.push(vec![
            Shown::Text(text.word("rule", &rule.rule)),
            if rule.passed {
                Shown::Good(text.t("record.passed").to_owned())
            } else {
                Shown::Doubt(text.t("record.failed").to_owned())
            },
            prose(&rule.sentence),
        ]);
    }
    content.tables.push(rules);
}

fn review(voice: Voice<'_>, review: &Review) -> Content {
    let fields = vec![
        Field {
            label: voice.text.t("review.about").to_owned(),
            value: Shown::Link {
                href: format!("/records/{}", review.about),
                text: review.about.to_string(),
            },
            remarks: Vec::new(),
        },
        voice.field("reviewer", voice.person(review.reviewer)),
        voice.field("at", voice.moment(review.at)),
        voice.field("verdict", voice.words("verdict", &review.verdict)),
        voice.field("comment", prose(&review.comment)),
    ];
    let mut replies = Table::new(
        voice.text.t("review.replies"),
        &[
            (&voice.heading("by"), false),
            (&voice.heading("at"), false),
            (&voice.heading("text"), false),
        ],
    );
    voice.text.t("review.no_replies").clone_into(&mut replies.empty);
    let mut ordered: Vec<_> = review.replies.values().collect();
    ordered.sort_by_key(|reply| reply.at);
    for reply in ordered {
        replies.push(vec![voice.person(reply.by), voice.moment(reply.at), prose(&reply.text)]);
    }
    Content {
        sections: vec![section(voice.text.t("record.details").to_owned(), fields)],
        tables: vec![replies],
    }
}
