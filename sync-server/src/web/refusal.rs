//! Why something was not done, in the reader's language.

use std::{collections::BTreeMap, sync::LazyLock};

use super::{
    error::PageError,
    messages::{Language, Text},
};
use crate::{
    administration::{AdministrationError, MAX_LINK_DAYS, MAX_LOGIN, MAX_NAME, MAX_REASON},
    auth::PasswordError,
};

/// What is said beside the form; what is no fault of who sent it is an error of the page.
pub(super) fn said(text: Text, error: AdministrationError) -> Result<String, PageError> {
    use AdministrationError as E;
    Ok(match error {
        E::Store(error) => return Err(error.into()),
        E::Password(PasswordError::Engine(reason)) => {
            tracing::error!(%reason, "a password could not be hashed");
            return Err(PageError::Internal);
        }
        E::LoginTaken { login, name } => text
            .fill("refusal.login_taken", "login", login)
            .replace("{name}", &name),
        E::BadLogin(_) => text.fill("refusal.bad_login", "most", MAX_LOGIN),
        E::BadName(_) => text.fill("refusal.bad_name", "most", MAX_NAME),
        E::NoRole => text.t("refusal.no_role").to_owned(),
        E::NoAccount(_) => text.t("refusal.no_account").to_owned(),
        E::Shut(_) => text.t("refusal.shut").to_owned(),
        E::Oneself => text.t("refusal.oneself").to_owned(),
        E::NoTerritory(_) => text.t("refusal.no_territory").to_owned(),
        E::TerritoryTaken(name) => text.fill("refusal.territory_taken", "name", name),
        E::RepElsewhere { rep, territory } => text
            .fill("refusal.rep_elsewhere", "rep", rep)
            .replace("{territory}", &territory),
        E::NoCustomer(_) => text.t("refusal.no_customer").to_owned(),
        E::NoReason => text.fill("refusal.no_reason", "most", MAX_REASON),
        E::NoContact => text.fill("refusal.no_contact", "most", MAX_NAME),
        E::LinkDays => text.fill("refusal.link_days", "most", MAX_LINK_DAYS),
        E::NoDelivery => return Err(PageError::NotFound),
        E::Password(PasswordError::TooShort) => text.t("refusal.password_short").to_owned(),
        E::Password(PasswordError::TooLong) => text.t("refusal.password_long").to_owned(),
        E::Password(PasswordError::TooEasy) => text.t("refusal.password_easy").to_owned(),
        E::Invalid(invalid) => {
            let reason = spoken(text, &invalid.message);
            text.fill("refusal.invalid", "reason", reason)
        }
    })
}

/// A sentence of the rules: what stands between that which varies, and what is said of it.
struct Sentence {
    parts: Vec<String>,
    said: String,
}

impl Sentence {
    /// How much of it is the same every time.
    fn fixed(&self) -> usize {
        self.parts.iter().map(String::len).sum()
    }

    /// What varies, when `message` is this sentence.
    fn read<'m>(&self, message: &'m str) -> Option<Vec<&'m str>> {
        let (first, others) = self.parts.split_first()?;
        let mut rest = message.strip_prefix(first.as_str())?;
        let Some((last, between)) = others.split_last() else {
            return rest.is_empty().then(Vec::new);
        };
        let mut found = Vec::with_capacity(others.len());
        for part in between {
            let (value, after) = rest.split_once(part.as_str())?;
            found.push(value);
            rest = after;
        }
        found.push(rest.strip_suffix(last.as_str())?);
        Some(found)
    }
}

/// The sentences in one language, the most particular first.
type Sentences = Vec<Sentence>;

static ENGLISH: LazyLock<Sentences> = LazyLock::new(|| sentences(Language::English));
static SIMPLIFIED_CHINESE: LazyLock<Sentences> = LazyLock::new(|| sentences(Language::SimplifiedChinese));

/// The file is part of the program; that it can be read is tested.
fn sentences(language: Language) -> Sentences {
    let mut all: BTreeMap<String, BTreeMap<String, String>> =
        toml::from_str(include_str!("../../messages/refusals.toml")).unwrap_or_default();
    let known = all.remove(language.tag()).unwrap_or_default().into_iter();
    let mut known: Sentences = known
        .map(|(rule, said)| Sentence {
            parts: rule.split("{}").map(str::to_owned).collect(),
            said,
        })
        .collect();
    known.sort_by_key(|it| std::cmp::Reverse(it.fixed()));
    known
}

/// What the rules say, in the reader's language; `None` when there is no other sentence for it. Of sentences within a
/// sentence each is said in that language too.
pub(super) fn in_words(text: Text, message: &str) -> Option<String> {
    let known = match text.0 {
        Language::English => &ENGLISH,
        Language::SimplifiedChinese => &SIMPLIFIED_CHINESE,
    };
    let found = known.iter().find_map(|it| Some((it, it.read(message)?)));
    let Some((sentence, values)) = found else {
        // As an error about a field is written in one piece.
        let (field, rest) = message.split_once(": ")?;
        let in_a_name = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || b"._".contains(&it);
        // The hash of a file may be part of it.
        let is_field = !field.is_empty() && field.bytes().all(in_a_name);
        return if is_field { in_words(text, rest) } else { None };
    };
    let mut said = String::new();
    for piece in sentence.said.split_inclusive('}') {
        let place = piece.strip_suffix('}').and_then(|it| it.rsplit_once('{'));
        let value =
            place.and_then(|(before, no)| Some((before, *values.get(no.parse::<usize>().ok()?.checked_sub(1)?)?)));
        match value {
            Some((before, value)) => {
                said.push_str(before);
                said.push_str(&in_words(text, value).unwrap_or_else(|| value.to_owned()));
            }
            None => said.push_str(piece),
        }
    }
    Some(said)
}

/// What the rules say, in the reader's language where there is a sentence for it, else as they say it.
pub(super) fn spoken(text: Text, message: &str) -> String {
    in_words(text, message).unwrap_or_else(|| message.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;

    const CHINESE: Text = Text(Language::SimplifiedChinese);

    /// The sources without their tests, in which refusals are written that people can meet on the pages.
    fn sources() -> Vec<(String, String)> {
        fn read(folder: &Path, found: &mut Vec<(String, String)>) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.display().to_string();
                if path.file_name().unwrap().to_string_lossy().contains("test") {
                    continue;
                }
                if path.is_dir() {
                    read(&path, found);
                } else if name.ends_with(".rs") {
                    let source = fs::read_to_string(&path).unwrap();
                    let end = source.find("mod tests {").unwrap_or(source.len());
                    found.push((name, source[..end].to_owned()));
                }
            }
        }
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut found = Vec::new();
        for folder in [
            "src/ledger",
            "src/web",
            "src/administration",
            "src/ingest",
            "../core/src/document",
            "../core/src/rules",
            "../core/src/model",
        ] {
            read(&here.join(folder), &mut found);
        }
        assert!(found.len() > 80, "{} sources", found.len());
        found
    }

    /// The arguments of the call whose opening bracket ends at `from`.
    fn arguments(source: &str, from: usize) -> Vec<&str> {
        let (mut depth, mut start, mut quoted, mut escaped) = (1, from, false, false);
        let mut found = Vec::new();
        for (at, letter) in source[from..].char_indices() {
            let at = from + at;
            match letter {
                _ if escaped => escaped = false,
                '\\' if quoted => escaped = true,
                '"' => quoted = !quoted,
                _ if quoted => {}
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' => depth -= 1,
                ',' if depth == 1 => {
                    found.push(source[start..at].trim());
                    start = at + 1;
                }
                _ => {}
            }
            if depth == 0 {
                found.push(source[start..at].trim());
                break;
            }
        }
        found.retain(|it| !it.is_empty());
        found
    }

    /// The texts in a piece of source, with `{}` for everything that is filled in.
    fn texts(source: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut rest = source;
        while let Some((_, after)) = rest.split_once('"') {
            let mut text = String::new();
            let mut letters = after.char_indices();
            let mut end = after.len();
            let mut filled = false;
            while let Some((at, letter)) = letters.next() {
                match letter {
                    '"' => {
                        end = at + 1;
                        break;
                    }
                    '\\' => match letters.next() {
                        // A line that goes on.
                        Some((_, '\n')) => {
                            let blanks = letters.as_str().len() - letters.as_str().trim_start().len();
                            for _ in 0..blanks {
                                letters.next();
                            }
                        }
                        Some((_, escaped)) => text.push(escaped),
                        None => break,
                    },
                    '{' => {
                        filled = true;
                        text.push_str("{}");
                    }
                    '}' => filled = false,
                    _ if filled => {}
                    _ => text.push(letter),
                }
            }
            found.push(text);
            rest = &after[end..];
        }
        found
    }

    /// Every sentence with which something is refused, and where it is written.
    fn refusals() -> BTreeSet<(String, String)> {
        let mut found = BTreeSet::new();
        for (name, source) in sources() {
            let calls = |call: &'static str| source.match_indices(call).map(move |(at, _)| at + call.len());
            let mut add = |source: &str| {
                let texts = texts(source);
                let is_any = !texts.is_empty();
                found.extend(texts.into_iter().map(|it| (it, name.clone())));
                is_any
            };
            for at in calls("InvalidField::new(") {
                let said = arguments(&source, at)[1];
                let variable = source[..at]
                    .rfind("let message =")
                    .map(|from| source[from..].split_once(";\n").unwrap().0);
                let is_known = match said {
                    "message" => add(variable.unwrap()),
                    _ => add(said),
                };
                // What another rule says is found where that rule is; a variable has to be looked for by hand.
                let passed_on = said.ends_with(".to_string()") || said.ends_with(".message");
                let by_hand = ["none", "why.sentence().english"].contains(&said);
                assert!(is_known || passed_on || by_hand, "{name}: what does {said:?} say?");
            }
            // What phones sent and the store keeps with the reason.
            if name.contains("src/ingest") {
                for (call, which) in [
                    (" Refusal::new(", 1),
                    ("(Refusal::new(", 1),
                    ("Self::new(", 1),
                    (" refused(", 1),
                    ("Refusal::harmful(", 0),
                    ("undecodable(", 0),
                    ("invalid(", 0),
                    ("not_allowed(", 0),
                    ("Err(\"", 0),
                ] {
                    for at in calls(call) {
                        let at = at - usize::from(call.ends_with('"'));
                        let said = arguments(&source, at);
                        let said = said.get(which).copied().unwrap_or_default();
                        add(said);
                    }
                }
                for at in calls("spoken_by(") {
                    add(arguments(&source, at)[0]);
                }
            }
            let is_damage = name.contains("core/src/document") && !name.ends_with("chunk.rs");
            if name.contains("core/src") && !is_damage {
                for at in calls("#[error(").filter(|at| !source[*at..].starts_with("\"{field}: ")) {
                    add(arguments(&source, at)[0]);
                }
            }
            for at in calls("change_suspension(").filter(|_| name.ends_with("ledger/collecting.rs")) {
                add(arguments(&source, at).get(2).copied().unwrap_or_default());
            }
            if name.ends_with("rules/dunning.rs") {
                let obstacles = source.find("impl DunningObstacle").unwrap();
                for at in calls("Sentence::new(").filter(|at| *at > obstacles) {
                    add(arguments(&source, at)[0]);
                }
            }
            if name.ends_with("rules/suspension.rs") {
                for at in calls("Sentence::new(") {
                    add(arguments(&source, at)[0]);
                }
            }
        }
        // As an error about a field is written in one piece.
        let field = |it: &str| {
            it.split_once(": ")
                .is_some_and(|(field, _)| ["kind", "schema"].contains(&field))
        };
        found
            .into_iter()
            .map(|(it, name)| match it.split_once(": ") {
                Some((_, rest)) if field(&it) => (rest.to_owned(), name),
                _ => (it, name),
            })
            .collect()
    }

    #[test]
    fn every_refusal_of_the_rules_is_said_in_chinese() {
        let all: BTreeMap<String, BTreeMap<String, String>> =
            toml::from_str(include_str!("../../messages/refusals.toml")).unwrap();
        let chinese = &all["zh-Hans"];
        let missing: Vec<_> = refusals()
            .into_iter()
            .filter(|(sentence, _)| {
                !chinese.contains_key(&sentence.replace("200", "{}")) && !chinese.contains_key(sentence)
            })
            .collect();
        assert!(missing.is_empty(), "not in messages/refusals.toml: {missing:#?}");
        for (language, known) in &all {
            for (rule, said) in known {
                let places = rule.matches("{}").count();
                let most = (1..=9)
                    .rev()
                    .find(|no| said.contains(&format!("{{{no}}}")))
                    .unwrap_or(0);
                assert!(most <= places, "{language}: {rule}");
            }
        }
    }

    #[test]
    fn what_varies_in_a_sentence_stays_and_sentences_within_it_are_said_too() {
        for (message, said) in [
            ("no customer has this number", "没有此编号的客户。"),
            (
                "only CNY 5.00 of CNY 9.00 can be paid: more is not open, or not left",
                "CNY 9.00 中只能付 CNY 5.00：其余不是未清，或已无余款。",
            ),
            (
                "allocation 2 was reversed on 2026-03-01 already",
                "第 2 条核销：已于 2026-03-01 冲回。",
            ),
            (
                "\"XX\" is not a currency code of three letters such as CNY",
                "\"XX\" 不是三个字母的币种代码，例如 CNY。",
            ),
            (
                "CNY 5 of invoice F-1, instalment 1, is 3 days late; from day 2 supply may be stopped.",
                "发票 F-1 第 1 期 CNY 5 已逾期 3 天，自第 2 天起可停止供货。",
            ),
            ("amount: must not be negative", "不得为负。"),
            (
                "evidence.07ab: is recorded; evidence is added to, and never taken away",
                "此凭证已记录；凭证只能添加，不能删除。",
            ),
            (
                "it builds on a change that was not accepted: kind: a document has to say what it is, in a few letters",
                "它所依据的更改未被接受：记录须用少量字母说明其种类。",
            ),
            (
                "reading the change does harm (it panicked); it was set aside unread",
                "读取此更改会造成损害（读取程序崩溃），未读取即另行保存。",
            ),
        ] {
            assert_eq!(in_words(CHINESE, message).as_deref(), Some(said));
        }
        // What somebody typed fills a place and is not read again as one.
        let strange = in_words(CHINESE, "\"{1}{9}\" is not an invoice of this customer");
        assert_eq!(strange.as_deref(), Some("\"{1}{9}\" 不是该客户的发票。"));
        assert_eq!(in_words(CHINESE, "what nobody says"), None);
        let english = Text(Language::English);
        assert_eq!(
            in_words(english, "say what is wrong with line 7").as_deref(),
            Some("Say what is wrong with line 7.")
        );
    }
}
