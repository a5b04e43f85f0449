// The catalogue of the pages' words, to notice what was not translated or not found.

import { readFileSync } from "node:fs";

const read = (tag) => {
  const path = new URL(`../../../sync-server/messages/${tag}.toml`, import.meta.url);
  const words = new Map();
  let section = "";
  for (const line of readFileSync(path, "utf8").split("\n")) {
    const heading = /^\[(\w+)\]/.exec(line);
    if (heading) section = heading[1];
    const entry = /^(\w+) = ("(?:[^"\\]|\\.)*")/.exec(line);
    if (entry) words.set(`${section}.${entry[1]}`, JSON.parse(entry[2]));
  }
  return words;
};

export const WORDS = { en: read("en"), "zh-Hans": read("zh-Hans") };
if (WORDS.en.size < 200) throw new Error("the catalogue could not be read");

const sections = [...new Set([...WORDS.en.keys()].map((key) => key.split(".")[0]))];
const KEY = new RegExp(`(?<![\\w/.@-])(?:${sections.join("|")})\\.[a-z][a-z_]+(?![\\w.@-])`, "g");

/** Keys of the catalogue and places to fill that stand in the text as they are. */
export function unspoken(text) {
  return [...(text.match(KEY) ?? []), ...(text.match(/\{[a-z_]+\}/g) ?? [])];
}

// What only one language says, in so many words.
const only = (lang, other) => {
  const others = new Set(WORDS[other].values());
  const said = [...WORDS[lang].values()].filter((it) => !others.has(it) && !it.includes("{"));
  return new Set(lang === "en" ? said.filter((it) => it.length > 3) : said.filter((it) => /\p{Script=Han}{2}/u.test(it)));
};
const ENGLISH = only("en", "zh-Hans");
const CHINESE = only("zh-Hans", "en");

// Four English words in a row are a sentence.
const SENTENCE = /(?:[A-Za-z']{2,}[ ,.;:]+){4,}[A-Za-z']{2,}/;

/** Pieces of a page in `lang` that are in the other language. `typed` is what people wrote. */
export function untranslated(lang, pieces, typed) {
  const theirs = (piece) => typed.some((it) => it.includes(piece) || piece.includes(it));
  return pieces.filter((piece) => {
    if (theirs(piece)) return false;
    if (lang === "en") return CHINESE.has(piece);
    return ENGLISH.has(piece) || SENTENCE.test(piece);
  });
}
