//! Collection notes, reviews and answers to statements.

use fieldledger_core::model::{
    ClosingReview, CollectionNote, LateCause, Review, StatementConfirmation, StatementVerdict,
};

use super::{Content, Field, Shown, Table, Voice, evidence, optional, prose, section, words};
use crate::web::format;

pub(super) fn collection_note(voice: Voice<'_>, note: &CollectionNote) -> Content {
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
    if note.receipt.is_some() {
        fields.push(voice.field("receipt", optional(note.receipt.as_deref())));
    }
    fields.push(voice.field("note", prose(&note.note)));
    fields.extend(voice.next_step(note.next_step.as_ref()));
    fields.push(voice.position("pos", note.position.as_ref()));
    let mut sections = vec![section(voice.text.t("record.details").to_owned(), fields)];
    if let Some(looking_back) = &note.closing {
        sections.push(section(voice.label("closing"), closing(voice, looking_back)));
    }
    Content {
        sections,
        ..Content::default()
    }
}

fn closing(voice: Voice<'_>, closing: &ClosingReview) -> Vec<Field> {
    let late = if closing.was_late {
        Shown::Doubt(voice.text.t("record.yes").to_owned())
    } else {
        Shown::Good(voice.text.t("record.no").to_owned())
    };
    let cause = match &closing.cause {
        None => Shown::Nothing,
        Some(LateCause::Other(words)) => prose(words),
        Some(known) => voice.words("late_cause", known),
    };
    vec![
        voice.field("was_late", late),
        voice.field("cause", cause),
        voice.field("difficulty", prose(&closing.difficulty)),
        voice.field("solution", prose(&closing.solution)),
    ]
}

pub(super) fn statement_confirmation(voice: Voice<'_>, answer: &StatementConfirmation) -> Content {
    let fields = vec![
        voice.field("statement", Shown::Text(answer.statement.to_string())),
        voice.field("at", voice.moment(answer.at)),
        voice.field("person", words(&answer.person)),
        voice.field("note", prose(&answer.note)),
    ];
    let mut lines = Table::new(
        &voice.label("answers"),
        &[
            (&voice.heading("line"), true),
            (&voice.heading("verdict"), false),
            (&voice.heading("remark"), false),
        ],
    );
    for (line, said) in &answer.answers {
        let verdict = match (voice.words("verdict", &said.verdict), said.verdict) {
            (Shown::Text(word), StatementVerdict::Confirmed) => Shown::Good(word),
            (Shown::Text(word), StatementVerdict::Disputed) => Shown::Doubt(word),
            (other, _) => other,
        };
        lines.push(vec![Shown::Text(line.to_string()), verdict, prose(&said.remark)]);
    }
    Content {
        sections: vec![section(voice.text.t("record.details").to_owned(), fields)],
        tables: vec![lines],
        photos: evidence(voice, &answer.evidence),
    }
}

pub(super) fn review(voice: Voice<'_>, review: &Review) -> Content {
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
        ..Content::default()
    }
}
