//! Between Automerge and JSON trees.
//!
//! Numbers are integers wherever they can be; text is a scalar string. A tree read from a foreign document may hold
//! what JSON cannot say (bytes, unknown values); such a value is shown as `null` and never written back, because edits
//! are differences.

use automerge::{Automerge, ChangeHash as AmHash, ScalarValue, hydrate};
use serde_json::{Map, Number, Value};

use crate::model::ChangeHash;

/// The tree of `document` now.
pub fn of(document: &Automerge) -> Value {
    from_hydrate(&document.hydrate(None))
}

/// The tree of `document` as it was at `heads`.
pub fn at(document: &Automerge, heads: &[ChangeHash]) -> Value {
    let heads: Vec<AmHash> = super::to_automerge(heads);
    from_hydrate(&document.hydrate(Some(&heads)))
}

pub(super) fn from_hydrate(value: &hydrate::Value) -> Value {
    match value {
        hydrate::Value::Scalar(scalar) => from_scalar(scalar),
        hydrate::Value::Map(map) => Value::Object(
            map.iter()
                .map(|(key, value)| (key.clone(), from_hydrate(&value.value)))
                .collect(),
        ),
        hydrate::Value::List(list) => Value::Array(list.iter().map(|item| from_hydrate(&item.value)).collect()),
        hydrate::Value::Text(text) => Value::String(text.to_string()),
    }
}

pub(super) fn from_scalar(scalar: &ScalarValue) -> Value {
    match scalar {
        ScalarValue::Str(text) => Value::String(text.to_string()),
        ScalarValue::Int(number) | ScalarValue::Timestamp(number) => Value::from(*number),
        ScalarValue::Uint(number) => Value::from(*number),
        ScalarValue::F64(number) => Number::from_f64(*number).map_or(Value::Null, Value::Number),
        ScalarValue::Counter(counter) => Value::from(i64::from(counter)),
        ScalarValue::Boolean(flag) => Value::Bool(*flag),
        ScalarValue::Null | ScalarValue::Bytes(_) | ScalarValue::Unknown { .. } => Value::Null,
    }
}

pub(super) fn to_scalar(value: &Value) -> Option<ScalarValue> {
    Some(match value {
        Value::Null => ScalarValue::Null,
        Value::Bool(flag) => ScalarValue::Boolean(*flag),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => ScalarValue::Int(number),
            (None, Some(number)) => ScalarValue::Uint(number),
            (None, None) => ScalarValue::F64(number.as_f64()?),
        },
        Value::String(text) => ScalarValue::Str(text.as_str().into()),
        Value::Array(_) | Value::Object(_) => return None,
    })
}

pub(super) fn to_hydrate(value: &Value) -> hydrate::Value {
    match value {
        Value::Object(map) => hydrate::Value::Map(map_to_hydrate(map)),
        Value::Array(items) => hydrate::Value::List(items.iter().map(to_hydrate).collect::<Vec<_>>().into()),
        scalar => hydrate::Value::Scalar(to_scalar(scalar).unwrap_or(ScalarValue::Null)),
    }
}

pub(super) fn map_to_hydrate(map: &Map<String, Value>) -> hydrate::Map {
    map.iter()
        .map(|(key, value)| (key.as_str(), to_hydrate(value)))
        .collect::<std::collections::HashMap<_, _>>()
        .into()
}

/// One place where two trees differ: the path from the root, what was there, what is there.
pub type Difference = (Vec<String>, Option<Value>, Option<Value>);

/// Where `before` and `after` differ, down to single values; a list counts as one value.
pub fn differences(before: &Value, after: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    walk(&mut Vec::new(), Some(before), Some(after), &mut found);
    found
}

fn walk(path: &mut Vec<String>, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<Difference>) {
    let empty = Map::new();
    let (left, right) = match (before, after) {
        (Some(Value::Object(left)), Some(Value::Object(right))) => (left, right),
        (Some(Value::Object(left)), None) if !left.is_empty() => (left, &empty),
        (None, Some(Value::Object(right))) if !right.is_empty() => (&empty, right),
        (left, right) => {
            if left != right {
                found.push((path.clone(), left.cloned(), right.cloned()));
            }
            return;
        }
    };
    let keys: std::collections::BTreeSet<&String> = left.keys().chain(right.keys()).collect();
    for key in keys {
        path.push(key.clone());
        walk(path, left.get(key), right.get(key), found);
        path.pop();
    }
}
