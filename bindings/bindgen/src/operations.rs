//! Prints the public operations of a type, one a line, sorted: `operations TYPE < rustdoc.json`. What documentation hides is
//! left out. The packages' tests compare the list with their own.

use std::{collections::BTreeSet, io::Write as _};

use serde_json::Value;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let wanted = std::env::args().nth(1).ok_or("which type?")?;
    let described: Value = serde_json::from_reader(std::io::stdin().lock())?;
    let index = described["index"].as_object().ok_or("not a description by rustdoc")?;
    let item = |id: &Value| id.as_u64().and_then(|id| index.get(&id.to_string()));
    let found = index
        .values()
        .find(|it| it["name"] == wanted.as_str() && it["inner"].get("struct").is_some())
        .ok_or("no such type")?;
    let ids = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut names = BTreeSet::new();
    for block in ids(&found["inner"]["struct"]["impls"]) {
        let Some(block) = item(&block).map(|it| &it["inner"]["impl"]) else {
            continue;
        };
        // What traits give it is not an operation.
        if !block["trait"].is_null() {
            continue;
        }
        for method in ids(&block["items"]).iter().filter_map(item) {
            let hidden = method["attrs"].to_string().contains("hidden");
            if method["visibility"] == "public" && method["inner"].get("function").is_some() && !hidden {
                names.extend(method["name"].as_str().map(str::to_owned));
            }
        }
    }
    if names.is_empty() {
        return Err(format!("{wanted} has no operations: has the format of rustdoc changed?").into());
    }
    let mut out = std::io::stdout().lock();
    for name in names {
        writeln!(out, "{name}")?;
    }
    Ok(())
}
