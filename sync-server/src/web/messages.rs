//! Every word the pages say, in one catalogue: `messages/*.toml`, compiled in.

use std::{collections::BTreeMap, sync::LazyLock};

use axum::http::{HeaderMap, header};

/// A language the pages speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Language {
    English,
    SimplifiedChinese,
}

impl From<Language> for fieldledger_core::rules::wording::Language {
    fn from(language: Language) -> Self {
        match language {
            Language::English => Self::English,
            Language::SimplifiedChinese => Self::Chinese,
        }
    }
}

/// Name of the cookie that remembers a chosen language.
pub(crate) const LANGUAGE_COOKIE: &str = "fl_language";

impl Language {
    pub(crate) const ALL: [Self; 2] = [Self::English, Self::SimplifiedChinese];

    /// The BCP 47 tag, also the name of its file.
    pub(crate) const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::SimplifiedChinese => "zh-Hans",
        }
    }

    pub(crate) fn from_tag(tag: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.tag() == tag)
    }

    /// The language to answer in: what was chosen before, else the first one the browser asks for that we speak.
    pub(crate) fn of_request(headers: &HeaderMap) -> Self {
        super::cookie(headers, LANGUAGE_COOKIE)
            .and_then(Self::from_tag)
            .or_else(|| {
                let accepted = headers.get(header::ACCEPT_LANGUAGE)?.to_str().ok()?;
                Self::preferred(accepted)
            })
            .unwrap_or(Self::English)
    }

    /// Chinese of every region and script gets the simplified pages: nearer to the reader than English.
    fn preferred(accept_language: &str) -> Option<Self> {
        let mut wanted: Vec<(f32, Self)> = accept_language
            .split(',')
            .filter_map(|part| {
                let mut pieces = part.split(';');
                let primary = pieces.next()?.trim().split('-').next()?.to_ascii_lowercase();
                let quality = pieces
                    .find_map(|piece| piece.trim().strip_prefix("q="))
                    .map_or(Some(1.0), |q| q.trim().parse::<f32>().ok())?;
                let language = match primary.as_str() {
                    "en" => Self::English,
                    "zh" => Self::SimplifiedChinese,
                    _ => return None,
                };
                (quality > 0.0).then_some((quality, language))
            })
            .collect();
        // A stable sort keeps the order of equal wishes.
        wanted.sort_by(|a, b| b.0.total_cmp(&a.0));
        wanted.first().map(|(_, language)| *language)
    }
}

type Catalogue = BTreeMap<String, String>;

static ENGLISH: LazyLock<Catalogue> = LazyLock::new(|| read(include_str!("../../messages/en.toml")));
static SIMPLIFIED_CHINESE: LazyLock<Catalogue> = LazyLock::new(|| read(include_str!("../../messages/zh-Hans.toml")));

/// The files are part of the program; that they can be read is tested, so a failure leaves the keys standing.
fn read(source: &str) -> Catalogue {
    let sections: BTreeMap<String, BTreeMap<String, String>> = toml::from_str(source).unwrap_or_default();
    sections
        .into_iter()
        .flat_map(|(section, entries)| {
            entries
                .into_iter()
                .map(move |(key, text)| (format!("{section}.{key}"), text))
        })
        .collect()
}

/// The catalogue in one language.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text(pub(crate) Language);

impl Text {
    fn catalogue(self) -> &'static Catalogue {
        match self.0 {
            Language::English => &ENGLISH,
            Language::SimplifiedChinese => &SIMPLIFIED_CHINESE,
        }
    }

    /// The text under `key`.
    pub(crate) fn t(self, key: &'static str) -> &'static str {
        self.catalogue().get(key).map_or(key, String::as_str)
    }

    /// The text under `key` with `{name}` replaced.
    pub(crate) fn fill(self, key: &'static str, name: &str, value: impl std::fmt::Display) -> String {
        self.t(key).replace(&format!("{{{name}}}"), &value.to_string())
    }

    /// The word for `name` in `section`; `name` itself when it is a word of a newer version.
    pub(crate) fn word(self, section: &str, name: &str) -> String {
        self.known_word(section, name)
            .map_or_else(|| name.to_owned(), str::to_owned)
    }

    /// The word for `name` in `section`, if the catalogue has it.
    pub(crate) fn known_word(self, section: &str, name: &str) -> Option<&'static str> {
        self.catalogue().get(&format!("{section}.{name}")).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;

    #[test]
    fn every_language_says_everything_and_nothing_more() {
        assert!(ENGLISH.len() > 200);
        let keys = |catalogue: &Catalogue| catalogue.keys().cloned().collect::<BTreeSet<_>>();
        assert_eq!(keys(&ENGLISH), keys(&SIMPLIFIED_CHINESE));
        for (key, text) in ENGLISH.iter().chain(SIMPLIFIED_CHINESE.iter()) {
            assert!(!text.trim().is_empty(), "{key} is empty");
        }
    }

    #[test]
    fn both_languages_leave_the_same_places_to_fill() {
        let places = |text: &str| -> BTreeSet<String> {
            text.split('{')
                .skip(1)
                .filter_map(|rest| rest.split_once('}'))
                .map(|(name, _)| name.to_owned())
                .collect()
        };
        for (key, text) in ENGLISH.iter() {
            assert_eq!(places(text), places(&SIMPLIFIED_CHINESE[key]), "{key}");
        }
    }

    #[test]
    fn every_key_that_a_page_uses_exists() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut used = BTreeSet::new();
        let mut folders = vec![root.join("templates"), root.join("src/web")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let source = fs::read_to_string(&path).unwrap();
                for call in [".t(\"", ".fill(\""] {
                    for rest in source.split(call).skip(1) {
                        used.insert(rest.split('"').next().unwrap().to_owned());
                    }
                }
            }
        }
        used.retain(|key| key.contains('.') && !key.contains(' '));
        assert!(used.len() > 100, "only {} keys were found in use", used.len());
        let missing: Vec<_> = used.iter().filter(|key| !ENGLISH.contains_key(*key)).collect();
        assert!(missing.is_empty(), "not in the catalogue: {missing:?}");
    }

    #[test]
    fn every_name_that_a_record_can_hold_has_a_word() {
        let words = [
            (
                "kind",
                "visit delivery collection_note order review statement_confirmation unknown",
            ),
            (
                "state",
                "planned open done cancelled signed confirmed disputed draft submitted approved provisional held refused promised paid not_reached reminded receipt_confirmed collection_closed agreed questioned flagged",
            ),
            (
                "purpose",
                "routine sales collection delivery service prospect reconciliation",
            ),
            (
                "outcome",
                "successful order_taken payment_obtained contact_absent closed declined follow_up promised paid disputed not_reached refused reminded receipt_confirmed collection_closed",
            ),
            ("channel", "phone message email visit letter legal"),
            (
                "verdict",
                "approved provisional held refused questioned flagged confirmed disputed inside outside unknown",
            ),
            ("late_cause", "customer_funds our_service external"),
            ("party", "sales customer warehouse"),
            ("evidence", "photo signature stamp weighbridge video"),
            (
                "rule",
                "credit_file account_hold grade_allows_credit exposure_within_limit document_cap oldest_item overdue_share dunning_level credit_review",
            ),
            ("standing", "approved held released refused cancelled closed"),
            (
                "warning_rule",
                "days_overdue total_owed limit_used broken_promises expired_review downgrade silence limit_exceeded",
            ),
            ("grant_state", "open over recalled closed expired written_off"),
            ("promise", "running kept partly_kept broken"),
            ("payment_channel", "bank cheque cash wechat_pay alipay private_account"),
            ("allocation_part", "cost interest principal"),
            (
                "allocation_basis",
                "instruction reference exact_amount oldest_due correction manual",
            ),
            ("role", "rep driver supervisor finance administrator"),
            (
                "rejection",
                "undecodable wrong_author wrong_territory not_allowed invalid actor_collision unknown_customer other",
            ),
        ];
        for language in Language::ALL {
            for (section, names) in words {
                for name in names.split(' ') {
                    assert!(Text(language).known_word(section, name).is_some(), "{section}.{name}");
                }
            }
        }
    }

    #[test]
    fn the_language_follows_the_browsers_wishes() {
        assert_eq!(
            Language::preferred("zh-CN,zh;q=0.9,en;q=0.8"),
            Some(Language::SimplifiedChinese)
        );
        assert_eq!(Language::preferred("de, en;q=0.5, zh;q=0.4"), Some(Language::English));
        assert_eq!(Language::preferred("zh;q=0, en"), Some(Language::English));
        assert_eq!(Language::preferred("fr"), None);
        assert_eq!(Language::preferred(";;q=x,,"), None);
    }
}
