//! Orders with the credit decision about them.

use fieldledger_core::{
    model::{CreditDecision, CreditLimit, Money, Order},
    rules::credit::sentence,
};

use super::{Content, Section, Shown, Table, Voice, day, prose, section, words};
use crate::web::format;

pub(super) fn order(voice: Voice<'_>, order: &Order) -> Content {
    let text = voice.text;
    let fields = vec![
        voice.field("number", words(&order.number)),
        voice.field("at", voice.moment(order.at)),
        // Where the order stands is at the head of the page: the company decides that.
        voice.field("phone_state", voice.words("state", &order.state)),
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
        ..Content::default()
    };
    match &order.credit {
        Some(decision) => credit(voice, decision, text.t("record.phone_credit"), &mut content),
        None => content.sections.push(Section {
            title: text.t("record.phone_credit").to_owned(),
            lead: text.t("record.credit_none").to_owned(),
            fields: Vec::new(),
        }),
    }
    content
}

/// A credit check: what went into it, and what each rule said.
pub(crate) fn credit_check(voice: Voice<'_>, decision: &CreditDecision) -> Content {
    let mut content = Content::default();
    credit(voice, decision, voice.text.t("record.credit"), &mut content);
    content
}

fn credit(voice: Voice<'_>, decision: &CreditDecision, title: &str, content: &mut Content) {
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
    let money = |amount: Option<Money>| amount.map_or(Shown::Nothing, |it| Shown::Text(format::money(it)));
    let mut more = Vec::new();
    // What checks of before did not look at, and what is nothing, is left out.
    for (name, value) in [
        ("reserved", money(inputs.reserved)),
        ("hold_reason", prose(&inputs.hold_reason)),
        ("open_debit", money(inputs.open_debit)),
        ("late_debit", money(inputs.late_debit)),
        ("oldest_due", day(inputs.oldest_due)),
        ("review_valid_until", day(inputs.review_valid_until)),
    ] {
        if value != Shown::Nothing {
            more.push(voice.field(name, value));
        }
    }
    let yes_no = |yes: bool| text.t(if yes { "record.yes" } else { "record.no" }).to_owned();
    let mut fields = vec![
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
    ];
    fields.append(&mut more);
    content.sections.push(section(title.to_owned(), fields));
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
            prose(&format::spoken(&sentence(rule, text.0.into(), voice.zone))),
        ]);
    }
    content.tables.push(rules);
}
