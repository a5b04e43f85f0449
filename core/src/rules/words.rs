//! Words for search, from text in any script. Phone and server index with the same code.
//!
//! Chinese, Japanese and Korean write no spaces, so a run of their characters is indexed as overlapping pairs: two
//! characters suffice to find something. Everything else is lower-cased words without accents, found by their beginning.

/// Longest word that is indexed, in characters; the rest of a longer one is not searched.
const MAX_WORD: usize = 40;

/// What a person typed, as a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// The query for the index.
    pub expression: String,
    /// Runs that the index finds only approximately (three and more characters as pairs); to be looked for in the text.
    pub verify: Vec<String>,
    terms: Vec<Term>,
}

/// A word that has to be there, or a beginning of one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    text: String,
    begins: bool,
}

impl Query {
    /// Reads what a person typed; `None` when there is nothing to search for.
    pub fn parse(typed: &str) -> Option<Self> {
        let mut terms = Vec::new();
        let mut verify = Vec::new();
        let mut add = |text: &str, begins| {
            terms.push(Term {
                text: text.to_owned(),
                begins,
            });
        };
        for run in runs(typed) {
            let length = run.text.chars().count();
            match (run.paired, length) {
                // One character begins many pairs.
                (true, 1) => add(&run.text, true),
                (true, _) => pairs(&run.text).for_each(|pair| add(&pair, false)),
                (false, _) => add(&run.text, length > 1),
            }
            if run.paired && length > 2 {
                verify.push(run.text);
            }
        }
        if terms.is_empty() {
            return None;
        }
        let expression: Vec<String> = terms
            .iter()
            .map(|term| format!("\"{}\"{}", term.text, if term.begins { "*" } else { "" }))
            .collect();
        Some(Self {
            expression: expression.join(" AND "),
            verify,
            terms,
        })
    }

    /// Whether `words`, as [`index`] writes them, hold what the index would be asked for.
    pub fn matches(&self, words: &str) -> bool {
        self.terms.iter().all(|term| {
            words.split(' ').any(|word| {
                if term.begins {
                    word.starts_with(&term.text)
                } else {
                    word == term.text
                }
            })
        })
    }

    /// Whether `text`, which the index proposed, really holds what was searched for.
    pub fn is_in(&self, text: &str) -> bool {
        if self.verify.is_empty() {
            return true;
        }
        let found: Vec<String> = runs(text).filter(|run| run.paired).map(|run| run.text).collect();
        self.verify
            .iter()
            .all(|wanted| found.iter().any(|run| run.contains(wanted)))
    }
}

/// The words of `text` as they are indexed, each once, separated by spaces.
pub fn index(text: &str) -> String {
    let runs = folded_runs(text);
    // Where each word lies in the folded text: a pull indexes ten thousand notes, so words are not copied one by one.
    let mut words: Vec<&str> = Vec::with_capacity(runs.len() + text.len() / 2);
    for run in &runs {
        if run.paired {
            let mut before: Option<usize> = None;
            for (at, character) in run.text.char_indices() {
                if let Some(before) = before {
                    words.push(&run.text[before..at + character.len_utf8()]);
                }
                before = Some(at);
            }
            // Every other character begins a pair; with the last one alone, a single character is found too.
            words.extend(before.map(|at| &run.text[at..]));
        } else {
            words.push(&run.text);
        }
    }
    words.sort_unstable();
    words.dedup();
    words.join(" ")
}

struct Run {
    text: String,
    paired: bool,
}

/// Splits into runs of one sort of writing, folded.
fn runs(text: &str) -> impl Iterator<Item = Run> {
    folded_runs(text).into_iter()
}

fn folded_runs(text: &str) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    // The run that is still going on, and its length in characters.
    let mut open: Option<usize> = None;
    for character in text.chars() {
        let paired = is_paired(character);
        let Some(character) = to_fold(character) else {
            // A combining mark belongs to the letter before it and is dropped, like the accents of composed letters.
            if !is_mark(character) {
                open = None;
            }
            continue;
        };
        let length = match (open, runs.last()) {
            (Some(length), Some(run)) if run.paired == paired => length,
            _ => {
                runs.push(Run {
                    text: String::new(),
                    paired,
                });
                0
            }
        };
        if let Some(run) = runs.last_mut()
            && (paired || length < MAX_WORD)
        {
            fold(character, &mut run.text);
        }
        open = Some(length + 1);
    }
    runs.retain(|run| !run.text.is_empty());
    runs
}

fn pairs(run: &str) -> impl Iterator<Item = String> + '_ {
    run.chars()
        .zip(run.chars().skip(1))
        .map(|(a, b)| [a, b].iter().collect())
}

/// Whether a character belongs to a script that is written without spaces.
fn is_paired(character: char) -> bool {
    matches!(character as u32,
        0x0E00..=0x0EFF            // Thai, Lao
        | 0x1100..=0x11FF          // Hangul letters
        | 0x3005..=0x3007 | 0x3040..=0x30FF | 0x3130..=0x318F | 0x31F0..=0x31FF
        | 0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xAC00..=0xD7AF | 0xF900..=0xFAFF
        | 0x20000..=0x323AF)
}

fn is_mark(character: char) -> bool {
    matches!(character as u32, 0x0300..=0x036F | 0x1AB0..=0x1AFF | 0x20D0..=0x20FF | 0xFE20..=0xFE2F)
}

/// The character that is to be folded, in its usual form; `None` when it is no letter or digit.
fn to_fold(character: char) -> Option<char> {
    // Full-width letters and digits, as Chinese keyboards make them.
    let character = match character as u32 {
        code @ 0xFF01..=0xFF5E => char::from_u32(code - 0xFEE0).unwrap_or(character),
        _ => character,
    };
    (character.is_alphanumeric() && !is_mark(character)).then_some(character)
}

/// Writes the character in lower case, without accents.
fn fold(character: char, into: &mut String) {
    if character.is_ascii() || (0x4E00..=0x9FFF).contains(&(character as u32)) {
        into.push(character.to_ascii_lowercase());
        return;
    }
    for letter in character.to_lowercase().filter(|it| !is_mark(*it)) {
        match without_accent(letter) {
            Some(plain) => into.push_str(plain),
            None => into.push(letter),
        }
    }
}

/// The letter beneath an accent, for the accents of European names.
fn without_accent(letter: char) -> Option<&'static str> {
    Some(match letter {
        'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' | 'ā' | 'ă' | 'ą' | 'ǎ' => "a",
        'æ' => "ae",
        'ç' | 'ć' | 'ĉ' | 'ċ' | 'č' => "c",
        'ď' | 'đ' | 'ð' => "d",
        'è' | 'é' | 'ê' | 'ë' | 'ē' | 'ĕ' | 'ė' | 'ę' | 'ě' => "e",
        'ĝ' | 'ğ' | 'ġ' | 'ģ' => "g",
        'ĥ' | 'ħ' => "h",
        'ì' | 'í' | 'î' | 'ï' | 'ĩ' | 'ī' | 'ĭ' | 'į' | 'ı' | 'ǐ' => "i",
        'ĵ' => "j",
        'ķ' => "k",
        'ĺ' | 'ļ' | 'ľ' | 'ł' => "l",
        'ñ' | 'ń' | 'ņ' | 'ň' => "n",
        'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ø' | 'ō' | 'ŏ' | 'ő' | 'ǒ' => "o",
        'œ' => "oe",
        'ŕ' | 'ř' => "r",
        'ś' | 'ŝ' | 'ş' | 'š' | 'ș' => "s",
        'ß' => "ss",
        'ţ' | 'ť' | 'ț' => "t",
        'þ' => "th",
        'ù' | 'ú' | 'û' | 'ü' | 'ũ' | 'ū' | 'ŭ' | 'ů' | 'ű' | 'ų' | 'ǔ' => "u",
        'ŵ' => "w",
        'ý' | 'ÿ' | 'ŷ' => "y",
        'ź' | 'ż' | 'ž' => "z",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn terms(typed: &str) -> String {
        Query::parse(typed).unwrap().expression
    }

    #[test]
    fn chinese_is_indexed_as_pairs_and_other_text_as_folded_words() {
        let words = index("下周付款 José Müller ＡＢ１２");
        assert_eq!(words, "ab12 jose muller 下周 付款 周付 款");
        assert_eq!(index("款"), "款");
        assert_eq!(index("e\u{301}te\u{301}"), "ete");
        assert_eq!(index("…—、。"), "");
    }

    #[test]
    fn two_characters_are_one_exact_term_and_words_match_by_their_beginning() {
        assert_eq!(terms("付款"), "\"付款\"");
        assert_eq!(terms("Jos"), "\"jos\"*");
        assert_eq!(terms("付款jos x"), "\"付款\" AND \"jos\"* AND \"x\"");
        assert_eq!(Query::parse(" \"*' "), None);
    }

    #[test]
    fn a_longer_run_is_looked_for_in_the_text_itself() {
        let query = Query::parse("付款单").unwrap();
        assert!(query.is_in("已开付款单"));
        // Both pairs are there, the run is not.
        assert!(!query.is_in("付款 和 款单"));
    }
}
