//! What stays as it is of evidence that is recorded. Pieces are added and never taken away, and what follows from the bytes
//! of one is as fixed as the hash by which it is named: a later edit that gave it another size would hide the file. What
//! people say of it (the kind, the caption) they may mend.

use serde_json::Value;

use crate::model::InvalidField;

/// What follows from a file's bytes.
const FACTS: [&str; 2] = ["size", "media_type"];

/// Whether a change that makes `after` of the document that it builds on, `before`, leaves alone what is recorded of the
/// files themselves.
///
/// # Errors
/// [`InvalidField`] naming the first piece or fact that does not stay, as a path.
pub fn keeps_evidence(before: &Value, after: &Value) -> Result<(), InvalidField> {
    keeps(before, after, &FACTS)
}

/// Whether everybody still sees the same pieces with the same sizes, where a document becomes `after` by a change that
/// did not know all of what it was, `before`: two phones may name the same file at once, and the later word counts. They
/// may well call its type differently; only one size can be right.
///
/// # Errors
/// As [`keeps_evidence`].
pub fn shows_evidence(before: &Value, after: &Value) -> Result<(), InvalidField> {
    keeps(before, after, &FACTS[..1])
}

fn keeps(before: &Value, after: &Value, facts: &[&str]) -> Result<(), InvalidField> {
    let pieces = before.get("evidence").and_then(Value::as_object);
    for (hash, was) in pieces.into_iter().flatten() {
        let Some(is) = after.get("evidence").and_then(|it| it.get(hash)) else {
            let message = "is recorded; evidence is added to, and never taken away";
            return Err(InvalidField::new(format!("evidence.{hash}"), message));
        };
        if let Some(fact) = facts.iter().find(|fact| was.get(**fact) != is.get(**fact)) {
            let message =
                "is what the recorded file has, and cannot be changed; another file is added as another piece";
            return Err(InvalidField::new(format!("evidence.{hash}.{fact}"), message));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn with(pieces: Value) -> Value {
        json!({ "kind": "delivery", "evidence": pieces })
    }

    #[test]
    fn pieces_are_added_and_described_and_never_altered_or_taken_away() {
        let photo = json!({ "size": 12, "media_type": "image/jpeg", "caption": "" });
        let before = with(json!({ "ab": photo }));
        let refused = |after: &Value| keeps_evidence(&before, after).unwrap_err().field;
        let altered = |fact: &str, value: Value| {
            let mut after = before.clone();
            after["evidence"]["ab"][fact] = value;
            after
        };
        assert_eq!(
            keeps_evidence(&before, &with(json!({ "ab": photo, "cd": photo }))),
            Ok(())
        );
        assert_eq!(keeps_evidence(&before, &altered("caption", json!("the shelf"))), Ok(()));
        assert_eq!(keeps_evidence(&json!({ "kind": "delivery" }), &before), Ok(()));
        assert_eq!(refused(&altered("size", json!(13))), "evidence.ab.size");
        assert_eq!(
            refused(&altered("media_type", json!("text/html"))),
            "evidence.ab.media_type"
        );
        for gone in [
            with(json!({})),
            json!({ "kind": "delivery" }),
            with(json!({ "cd": photo })),
        ] {
            assert_eq!(refused(&gone), "evidence.ab");
        }
        assert_eq!(refused(&with(json!({ "ab": "a photo" }))), "evidence.ab.size");
    }

    #[test]
    fn what_two_phones_named_at_once_may_have_two_types_and_has_one_size() {
        let named = |size: u64, media_type: &str| with(json!({ "ab": { "size": size, "media_type": media_type } }));
        let before = named(12, "image/jpeg");
        assert_eq!(shows_evidence(&before, &named(12, "image/jpg")), Ok(()));
        assert!(shows_evidence(&before, &named(13, "image/jpeg")).is_err());
        assert!(shows_evidence(&before, &with(json!({}))).is_err());
    }
}
