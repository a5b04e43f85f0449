//! Where two people wrote different things without knowing of each other. Automerge picks a winner; both values are kept
//! and shown, with author and time, until somebody chooses.

use automerge::{Automerge, ObjId, ObjType, ROOT, ReadDoc};
use serde_json::Value;

use super::{Authorship, tree};
use crate::model::ChangeHash;

/// One field with several concurrent values.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Disagreement {
    /// The field, as names from the root.
    pub path: Vec<String>,
    /// The values, the one that is shown first.
    pub values: Vec<DisagreeingValue>,
}

/// One of the values of a [`Disagreement`].
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct DisagreeingValue {
    /// The value.
    pub value: Value,
    /// Who wrote it, on which device and when; `None` when it was not made by Fieldledger.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub author: Option<Authorship>,
    /// The change that wrote it.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub change: Option<ChangeHash>,
}

/// Every disagreement in `document`, in the order of their paths. Equal values written twice are no disagreement.
pub fn disagreements(document: &Automerge) -> Vec<Disagreement> {
    let mut found = Vec::new();
    // Without recursion: a foreign document may nest deeper than a phone's stack allows.
    let mut waiting: Vec<(ObjId, Vec<String>)> = vec![(ROOT, Vec::new())];
    while let Some((object, path)) = waiting.pop() {
        for key in document.keys(&object) {
            let Ok(mut all) = document.get_all(&object, key.as_str()) else {
                continue;
            };
            // Automerge lists the winner last.
            all.reverse();
            let mut path = path.clone();
            path.push(key);
            if all.len() > 1 {
                let mut values: Vec<DisagreeingValue> = Vec::with_capacity(all.len());
                for (value, id) in &all {
                    let value = tree_of_value(document, value, id);
                    if !values.iter().any(|known| known.value == value) {
                        let change = document.hash_for_opid(id);
                        let author = change.as_ref().and_then(|hash| authorship_of(document, hash));
                        values.push(DisagreeingValue {
                            value,
                            author,
                            change: change.map(|hash| ChangeHash(hash.0)),
                        });
                    }
                }
                if values.len() > 1 {
                    found.push(Disagreement {
                        path: path.clone(),
                        values,
                    });
                }
            }
            if let Some((automerge::Value::Object(ObjType::Map), child)) = all.into_iter().next() {
                waiting.push((child, path));
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn tree_of_value(document: &Automerge, value: &automerge::Value<'_>, id: &ObjId) -> Value {
    match value {
        automerge::Value::Scalar(scalar) => tree::from_scalar(scalar),
        automerge::Value::Object(_) => {
            ReadDoc::hydrate(document, id, None).map_or(Value::Null, |value| tree::from_hydrate(&value))
        }
    }
}

pub(super) fn authorship_of(document: &Automerge, hash: &automerge::ChangeHash) -> Option<Authorship> {
    let meta = document.get_change_meta_by_hash(hash)?;
    Authorship::from_message(meta.message.as_deref()?, meta.timestamp)
}
