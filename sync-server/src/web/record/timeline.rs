//! A record's history and disagreements, as a page shows them.

use std::collections::HashMap;

use fieldledger_core::{
    document::{Authorship, Disagreement, FieldChange, HistoryEntry},
    model::{ChangeHash, DeviceId, Timestamp, UserId},
};
use serde_json::Value;

use super::{
    values,
    view::{Shown, Voice},
};
use crate::{
    store::{Device, Receipt},
    web::format::{self, Moment},
};

/// From how far on a phone's clock is called wrong.
pub(crate) const CLOCK_TOLERANCE_MILLIS: u64 = crate::store::CLOCK_TOLERANCE_MILLIS.unsigned_abs();
/// Most changes that are shown.
const MOST_CHANGES: usize = 200;

/// Who wrote something, where, and by which clocks.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Signature {
    pub(crate) author: String,
    pub(crate) device: String,
    /// The device's clock; `None` when the change was not made by Fieldledger.
    pub(crate) at: Option<Moment>,
    pub(crate) by_server: bool,
    pub(crate) zone: String,
    pub(crate) since_contact: String,
    pub(crate) clock_doubt: Option<String>,
}

/// One field that a change touched.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Edit {
    pub(crate) label: String,
    pub(crate) before: Option<Shown>,
    pub(crate) after: Shown,
}

/// One change.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Step {
    pub(crate) hash: String,
    pub(crate) creates: bool,
    pub(crate) signature: Signature,
    pub(crate) received: Option<Moment>,
    /// Brought by somebody else than its author.
    pub(crate) relayed: bool,
    pub(crate) edits: Vec<Edit>,
    /// What a credit check was computed from: dozens of values of which one rarely asks.
    pub(crate) folded: Vec<Edit>,
}

/// A record's history.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Timeline {
    pub(crate) steps: Vec<Step>,
    /// Set when only the newest are shown.
    pub(crate) cut_to: Option<usize>,
    /// Set when it cannot be read.
    pub(crate) damaged: Option<String>,
}

/// One of several values.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Choice {
    pub(crate) value: Shown,
    pub(crate) signature: Signature,
    /// Names the value in the form.
    pub(crate) change: String,
}

/// A field with several values.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Question {
    pub(crate) label: String,
    /// The path as a JSON list, as the form sends it back.
    pub(crate) path: String,
    pub(crate) choices: Vec<Choice>,
    /// Whether the reader may choose.
    pub(crate) may_choose: bool,
}

/// The history, newest first.
pub(crate) fn timeline(
    voice: Voice<'_>,
    tree: &Value,
    history: &[HistoryEntry],
    receipts: &[Receipt],
    devices: &[Device],
) -> Timeline {
    let steps = newest_first(history)
        .into_iter()
        .take(MOST_CHANGES)
        .map(|entry| {
            let creates = entry.deps.is_empty();
            let receipt = receipts.iter().find(|it| it.hash == entry.hash);
            let received = receipt.map(|it| it.received_at);
            let (folded, edits) = if creates {
                (Vec::new(), Vec::new())
            } else {
                edits(voice, tree, entry)
            };
            Step {
                hash: entry.hash.to_string(),
                creates,
                signature: signature(voice, entry.author.as_ref(), received, devices),
                received: received.map(|at| Moment::new(at, voice.zone)),
                relayed: receipt.is_some_and(|it| it.relayed),
                edits,
                folded,
            }
        })
        .collect();
    Timeline {
        steps,
        cut_to: (history.len() > MOST_CHANGES).then_some(MOST_CHANGES),
        damaged: None,
    }
}

/// The changes by when they were written, the newest first. Phones' clocks differ, so one that its author made knowing of
/// another never counts as older than that.
fn newest_first(history: &[HistoryEntry]) -> Vec<&HistoryEntry> {
    let mut written: HashMap<ChangeHash, Timestamp> = HashMap::with_capacity(history.len());
    // A change comes after those it was made upon.
    let mut changes: Vec<(Timestamp, &HistoryEntry)> = Vec::with_capacity(history.len());
    for entry in history {
        let before = entry.deps.iter().filter_map(|it| written.get(it)).max().copied();
        let at = entry.author.map(|author| author.at).max(before);
        let at = at.unwrap_or(Timestamp::from_millis(i64::MIN));
        written.insert(entry.hash, at);
        changes.push((at, entry));
    }
    // Of equal ones the later in the history is the newer.
    changes.sort_by_key(|(at, _)| *at);
    changes.into_iter().rev().map(|(_, entry)| entry).collect()
}

/// What a change touched: first the values that a credit check was computed from, then everything else.
fn edits(voice: Voice<'_>, document: &Value, entry: &HistoryEntry) -> (Vec<Edit>, Vec<Edit>) {
    let computed_from = |path: &[String]| path.len() > 2 && path[0] == "credit" && path[1] == "inputs";
    let (folded, open): (Vec<_>, Vec<_>) = entry.changed.iter().partition(|it| computed_from(&it.path));
    let [folded, open] = [folded, open].map(|changes| {
        let edit = |change: &FieldChange| Edit {
            label: values::label(voice, document, &change.path),
            before: change
                .before
                .as_ref()
                .map(|value| values::shown(voice, document, &change.path, Some(value))),
            after: values::shown(voice, document, &change.path, change.after.as_ref()),
        };
        changes.into_iter().map(edit).collect()
    });
    (folded, open)
}

fn signature(
    voice: Voice<'_>,
    author: Option<&Authorship>,
    received: Option<Timestamp>,
    devices: &[Device],
) -> Signature {
    let text = voice.text;
    let Some(author) = author else {
        return Signature {
            author: text.t("record.unknown_author").to_owned(),
            device: String::new(),
            at: None,
            by_server: false,
            zone: String::new(),
            since_contact: String::new(),
            clock_doubt: None,
        };
    };
    let by_server = author.device == DeviceId::from_bytes([0; 16]);
    let device = devices.iter().find(|it| it.id == author.device);
    let off = device
        .map(|it| it.clock_ahead_millis.unsigned_abs())
        .into_iter()
        // Made after it was received: the clock is ahead by at least that.
        .chain(received.and_then(|at| u64::try_from(author.at.millis_since(at)).ok()))
        .max()
        .filter(|off| *off >= CLOCK_TOLERANCE_MILLIS && !by_server);
    Signature {
        author: if author.user == UserId::CUSTOMER_CONTACT {
            text.t("record.contact").to_owned()
        } else {
            voice.names.person(author.user)
        },
        device: match device {
            _ if author.user == UserId::CUSTOMER_CONTACT => text.t("record.by_link").to_owned(),
            _ if by_server => text.t("record.device_web").to_owned(),
            Some(device) => device.name.clone(),
            None => text.t("record.device_unknown").to_owned(),
        },
        at: Some(Moment::new(author.at, voice.zone)),
        by_server,
        // The moment is shown in the company's zone, like every other; this is what the phone said of itself.
        zone: text.fill("record.phone_zone", "zone", format::zone_offset(author.zone_minutes)),
        since_contact: match author.since_contact_millis {
            _ if by_server => String::new(),
            Some(millis) => text.fill("record.since_contact", "time", format::duration(text, millis)),
            None => text.t("record.since_contact_unknown").to_owned(),
        },
        clock_doubt: off.map(|off| text.fill("doubt.clock_by", "time", format::duration(text, off))),
    }
}

/// The disagreements with everything a person needs to choose.
pub(crate) fn questions(
    voice: Voice<'_>,
    document: &Value,
    disagreements: &[Disagreement],
    devices: &[Device],
    may_choose: impl Fn(&[String]) -> bool,
) -> Vec<Question> {
    disagreements
        .iter()
        .map(|it| Question {
            label: values::label(voice, document, &it.path),
            path: serde_json::to_string(&it.path).unwrap_or_default(),
            may_choose: may_choose(&it.path),
            choices: it
                .values
                .iter()
                .map(|value| Choice {
                    value: values::shown(voice, document, &it.path, Some(&value.value)),
                    signature: signature(voice, value.author.as_ref(), None, devices),
                    change: value
                        .change
                        .map(|hash: ChangeHash| hash.to_string())
                        .unwrap_or_default(),
                })
                .collect(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_history_is_told_by_when_it_was_written_and_never_before_its_cause() {
        let change = |number: u8, deps: &[u8], at: i64| HistoryEntry {
            hash: ChangeHash([number; 32]),
            deps: deps.iter().map(|it| ChangeHash([*it; 32])).collect(),
            author: Some(Authorship {
                user: UserId::from_bytes([1; 16]),
                device: DeviceId::from_bytes([5; 16]),
                at: Timestamp::from_millis(at),
                zone_minutes: 0,
                since_contact_millis: None,
            }),
            changed: Vec::new(),
        };
        // Two people wrote upon the first; the second of them, earlier, came in later. The last was made upon both by a
        // phone whose clock is slow.
        let history = [
            change(1, &[], 100),
            change(2, &[1], 300),
            change(3, &[1], 200),
            change(4, &[2, 3], 50),
        ];
        let told: Vec<u8> = newest_first(&history).iter().map(|it| it.hash.0[0]).collect();
        assert_eq!(told, [4, 2, 3, 1]);
    }
}
