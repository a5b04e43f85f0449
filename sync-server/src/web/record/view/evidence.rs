//! What is known about photos and other evidence.

use std::collections::BTreeMap;

use fieldledger_core::model::{Evidence, EvidenceHash, EvidenceKind};

use super::{Shown, Table, Voice, prose, words};
use crate::web::format;

pub(super) fn evidence(voice: Voice<'_>, evidence: &BTreeMap<EvidenceHash, Evidence>) -> Vec<Table> {
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
