//! Collection notes and reviews.

use fieldledger_core::model::{CollectionNote, Review};

use super::{Content, Field, Shown, Table, Voice, optional, prose, section, words};
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
    fields.push(voice.field("note", prose(&note.note)));
    fields.extend(voice.next_step(note.next_step.as_ref()));
    fields.push(voice.position("pos", note.position.as_ref()));
    Content {
        sections: vec![section(voice.text.t("record.details").to_owned(), fields)],
        tables: Vec::new(),
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
    }
}
