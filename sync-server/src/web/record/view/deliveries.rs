//! Deliveries with their lines and confirmations.

use fieldledger_core::model::{Delivery, EvidenceHash, Party};

use super::{
    Content, Shown, Table, Voice, day, evidence, evidence::kind_of, optional, prose, section, telephone, words,
};
use crate::web::format;

pub(super) fn delivery(voice: Voice<'_>, delivery: &Delivery) -> Content {
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
        fields.push(voice.field("phone", telephone(receiver.phone.as_deref().unwrap_or_default())));
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
            (&voice.heading("photo"), false),
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
            signed
                .and_then(|it| it.reason.as_ref()?.photo)
                .map_or(Shown::Nothing, |hash| photo_of(voice, delivery, hash)),
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
                let by = if said.by_link {
                    words(&format!("{} ({})", said.by, text.t("record.by_link")))
                } else {
                    words(&said.by)
                };
                confirmations.push(vec![name, verdict, by, voice.moment(said.at), prose(&said.remark)]);
            }
        }
    }
    let mut tables = vec![lines, confirmations];
    tables.extend(said_of_lines(voice, delivery));
    Content {
        sections,
        tables,
        photos: evidence(voice, &delivery.evidence),
    }
}

/// The way to the photo that shows why less was accepted, by its caption or by what it is.
fn photo_of(voice: Voice<'_>, delivery: &Delivery, hash: EvidenceHash) -> Shown {
    let Some(piece) = delivery.evidence.get(&hash) else {
        return Shown::Doubt(voice.text.t("record.photo_unknown").to_owned());
    };
    let caption = piece.caption.trim();
    Shown::Link {
        href: format!("#photo-{hash}"),
        text: if caption.is_empty() {
            kind_of(voice, &piece.kind)
        } else {
            caption.to_owned()
        },
    }
}

/// What parties said of single lines; `None` when nobody did.
fn said_of_lines(voice: Voice<'_>, delivery: &Delivery) -> Option<Table> {
    let text = voice.text;
    let mut table = Table::new(
        text.t("record.confirmed_lines"),
        &[
            (text.t("record.party"), false),
            (&voice.heading("product"), false),
            (&voice.heading("verdict"), false),
            (&voice.heading("remark"), false),
        ],
    );
    for (party, said) in &delivery.confirmations {
        for (line, answer) in &said.lines {
            let product = delivery.lines.get(line).map(|it| voice.names.product_name(it.product));
            let verdict = match (voice.words("verdict", &answer.verdict), answer.verdict) {
                (Shown::Text(word), fieldledger_core::model::ConfirmationVerdict::Confirmed) => Shown::Good(word),
                (Shown::Text(word), fieldledger_core::model::ConfirmationVerdict::Disputed) => Shown::Doubt(word),
                (other, _) => other,
            };
            table.push(vec![
                Shown::Text(text.word("party", party.as_str())),
                words(&product.unwrap_or_default()),
                verdict,
                prose(&answer.remark),
            ]);
        }
    }
    (!table.rows.is_empty()).then_some(table)
}
