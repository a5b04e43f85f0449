//! What is known about photos and other evidence.

use std::collections::BTreeMap;

use fieldledger_core::model::{Evidence, EvidenceHash, EvidenceKind};

use super::{Shown, Voice};
use crate::web::{
    evidence::PhotoFile,
    format::{self, Moment},
};

/// One piece of evidence, as a gallery shows it. The bytes travel apart from the record; what is known before they arrive is
/// what the phone declared.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Photo {
    pub(crate) kind: String,
    pub(crate) caption: String,
    pub(crate) taken_at: Moment,
    pub(crate) taken_by: String,
    pub(crate) position: Shown,
    pub(crate) media_type: String,
    pub(crate) size: String,
    /// The hash that the phone declared for the bytes, in full.
    pub(crate) hash: String,
    /// Its name on the page.
    pub(crate) id: String,
    /// Its file, once that has arrived.
    pub(crate) file: Option<PhotoFile>,
    /// The record that names it, on pages that show several: its address, and what it is.
    pub(crate) record: Option<(String, String)>,
}

/// What a piece is, in words.
pub(super) fn kind_of(voice: Voice<'_>, kind: &EvidenceKind) -> String {
    match (kind, voice.words("evidence", kind)) {
        (EvidenceKind::Other(name), _) => name.clone(),
        (_, Shown::Text(name)) => name,
        _ => String::new(),
    }
}

pub(crate) fn evidence(voice: Voice<'_>, evidence: &BTreeMap<EvidenceHash, Evidence>) -> Vec<Photo> {
    let text = voice.text;
    evidence
        .iter()
        .map(|(hash, piece)| Photo {
            kind: kind_of(voice, &piece.kind),
            caption: piece.caption.trim().to_owned(),
            taken_at: Moment::new(piece.taken_at, voice.zone),
            taken_by: voice.names.person(piece.taken_by),
            position: match &piece.position {
                None => Shown::Nothing,
                Some(position) if position.mocked => Shown::Doubt(format!(
                    "{} · {}",
                    format::position(text, position),
                    text.t("doubt.mocked")
                )),
                Some(position) => Shown::Text(format::position(text, position)),
            },
            media_type: piece.media_type.clone(),
            size: format::bytes(piece.size),
            id: format!("photo-{hash}"),
            hash: hash.to_string(),
            file: None,
            record: None,
        })
        .collect()
}
