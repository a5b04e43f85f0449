//! Follows one document through a day that is replayed: `FIELDLEDGER_WATCH=<document>` with `FIELDLEDGER_SEED`.

use fieldledger_core::{
    document::Chunk,
    model::{ChangeHash, DocumentId},
    sync::protocol::{Entry, Push, SyncRequest, SyncResponse, unpack},
};

/// What a request pushes of the document, and what the reply says.
pub(crate) fn exchange(watched: DocumentId, request: &[u8], answer: Option<&[u8]>) -> String {
    let Ok(request) = unpack::<SyncRequest>(request) else {
        return String::new();
    };
    let mut told = Vec::new();
    let mut verdicts = answer
        .and_then(|body| unpack::<SyncResponse>(body).ok())
        .map(|reply| reply.verdicts)
        .unwrap_or_default()
        .into_iter()
        .flat_map(|run| std::iter::repeat_n(run.verdict, run.count as usize));
    for push in &request.push {
        let verdict = verdicts.next();
        match push {
            Push::Change(change) if is(watched, change.document, &change.bytes) => {
                told.push(format!("pushes {} → {verdict:?}", short(hash(&change.bytes))));
            }
            Push::Offer(offer) if offer.document == watched => {
                told.push(format!("offers {} → {verdict:?}", short(Some(offer.hash))));
            }
            _ => {}
        }
    }
    if let Some(answer) = answer {
        told.extend(Some(reply(watched, answer)).filter(|it| !it.is_empty()));
    }
    told.join("; ")
}

/// What a reply holds of the document.
pub(crate) fn reply(watched: DocumentId, body: &[u8]) -> String {
    let Ok(reply) = unpack::<SyncResponse>(body) else {
        return String::new();
    };
    let mut told = Vec::new();
    for page in &reply.streams {
        for entry in &page.entries {
            let what = match entry {
                Entry::Change(change) if is(watched, change.document, &change.bytes) => short(hash(&change.bytes)),
                Entry::Snapshot(snapshot) if snapshot.document == watched => "a snapshot".to_owned(),
                Entry::GoneDocument(gone) if *gone == watched => "gone".to_owned(),
                _ => continue,
            };
            let restart = if page.restart { ", restarting" } else { "" };
            told.push(format!("{what} in {:?} up to {}{restart}", page.stream, page.next.seq));
        }
    }
    if !reply.withdrawn.is_empty() {
        told.push(format!("withdrawn {:?}", reply.withdrawn));
    }
    told.join(", ")
}

fn is(watched: DocumentId, named: Option<DocumentId>, bytes: &[u8]) -> bool {
    named.or_else(|| Chunk::read(bytes.to_vec()).ok()?.creates()) == Some(watched)
}

fn hash(bytes: &[u8]) -> Option<ChangeHash> {
    Chunk::read(bytes.to_vec()).ok().map(|chunk| chunk.hash())
}

fn short(hash: Option<ChangeHash>) -> String {
    hash.map_or_else(|| "?".to_owned(), |hash| hash.to_string()[..8].to_owned())
}
