// Writes states.txt and months.txt of analyzers/document-text/src/words: what states, their people
// and the months are called in the languages of identity documents. Run by hand when data change:
//
//   cd "$(mktemp -d)"
//   npm install --ignore-scripts cldr-core@48.2.0 cldr-localenames-full@48.2.0 \
//     cldr-dates-full@48.2.0 i18n-nationality@1.4.0
//   node PROJECT/scripts/document-words.mjs PROJECT/analyzers/document-text/src/words
//
// CLDR: Unicode-3.0. i18n-nationality: MIT. Both are named in docs/reference/licences.md.
import { existsSync, readFileSync, writeFileSync } from "node:fs";

const modules = `${process.cwd()}/node_modules`;
const json = (path) => JSON.parse(readFileSync(`${modules}/${path}`, "utf8"));
/** Languages of all states; the others are read for the states in which they are official. */
const COMMON = ["en", "fr", "es", "de", "pt", "it", "tr"];
/** Words for people; their entries for places without people are wrong. */
const NATIONALITIES = ["en", "fr", "es", "de", "it", "nl", "fi", "no"];
const WITHOUT_PEOPLE = new Set("AQ BV GS HM IO TF UM WF CX".split(" "));
/** Entries that are not told apart from those of another state. */
const AMBIGUOUS = { NE: ["Nigerianisch", "Nigeriano"] };
/** Codes of ICAO 9303 that differ from ISO 3166. */
const ICAO = { DEU: "D", XKX: "RKS", XKK: "RKS" };

const mappings = json("cldr-core/supplemental/codeMappings.json").supplemental.codeMappings;
const info = json("cldr-core/supplemental/territoryInfo.json").supplemental.territoryInfo;
const names = (language) => {
  const path = `cldr-localenames-full/main/${language}/territories.json`;
  if (!existsSync(`${modules}/${path}`)) return {};
  return json(path).main[language].localeDisplayNames.territories;
};
const cache = new Map();
const named = (language) => {
  if (!cache.has(language)) cache.set(language, names(language));
  return cache.get(language);
};
const people = NATIONALITIES.map((language) => json(`i18n-nationality/langs/${language}.json`));
const own = (territory) => {
  const spoken = Object.entries(info[territory]?.languagePopulation ?? {});
  const official = spoken.filter(([, facts]) => facts._officialStatus);
  return official.map(([language]) => language.replaceAll("_", "-"));
};
/** The form, and the parts of it that stand for themselves. */
const parts = (text) => text.replaceAll(/[()]/g, "/").split(/[/,]/).map((part) => part.trim());

/** Lines of at most 100 characters that begin with `key`. */
const wrapped = (key, forms) => {
  const lines = [];
  for (const form of forms) {
    const last = lines.at(-1);
    if (last && last.length + 1 + form.length <= 100) lines[lines.length - 1] = `${last}|${form}`;
    else lines.push(`${key} ${form}`);
  }
  return lines;
};

const lines = [
  "# What states and their people are called: names of CLDR 48.2.0 (Unicode-3.0) in English, French,",
  "# Spanish, German, Portuguese, Italian, Turkish and the official languages of the state, and words",
  "# for people of i18n-nationality 1.4.0 (MIT). Written by scripts/document-words.mjs.",
];
const territories = Object.keys(info).filter((key) => /^[A-Z]{2}$/.test(key)).sort();
for (const territory of territories) {
  const alpha3 = territory === "XK" ? "RKS" : mappings[territory]?._alpha3;
  if (!alpha3) continue;
  const code = ICAO[alpha3] ?? alpha3;
  const forms = new Map();
  const add = (text) => text && !text.includes("|") && forms.set(text.toLowerCase(), text);
  for (const language of [...COMMON, ...own(territory)]) {
    const known = named(language);
    for (const key of [territory, `${territory}-alt-short`, `${territory}-alt-variant`]) {
      add(known[key]);
    }
  }
  if (!WITHOUT_PEOPLE.has(territory)) {
    for (const { nationalities } of people) {
      const words = parts(nationalities[territory] ?? "");
      words.filter((word) => !AMBIGUOUS[territory]?.includes(word)).forEach(add);
    }
  }
  lines.push(...wrapped(code.padEnd(3), forms.values()));
}
writeFileSync(`${process.argv[2]}/states.txt`, `${lines.join("\n")}\n`);

/** Abbreviations that mean the English month on every document. */
const ENGLISH = "jan feb mar apr may jun jul aug sep oct nov dec".split(" ");
const languages = new Set(territories.flatMap(own));
COMMON.forEach((language) => languages.add(language));
const months = Array.from({ length: 12 }, () => new Set());
for (const language of languages) {
  const path = `cldr-dates-full/main/${language}/ca-gregorian.json`;
  if (!existsSync(`${modules}/${path}`)) continue;
  const known = json(path).main[language].dates.calendars.gregorian.months;
  for (const use of ["format", "stand-alone"]) {
    for (const width of ["abbreviated", "wide"]) {
      for (const [number, name] of Object.entries(known[use][width])) {
        const letters = name.toLowerCase().replaceAll(/[.\s]/g, "");
        const isOther = ENGLISH.includes(letters) && ENGLISH[number - 1] !== letters;
        if (!isOther && /^\p{Script=Latin}{3,}$/u.test(letters)) months[number - 1].add(letters);
      }
    }
  }
}
const named_months = [
  "# Names of months in the official languages of states that are written in Latin letters: CLDR",
  "# 48.2.0 (Unicode-3.0). Written by scripts/document-words.mjs.",
];
months.forEach((forms, at) => {
  named_months.push(...wrapped(String(at + 1).padEnd(3), [...forms].sort()));
});
writeFileSync(`${process.argv[2]}/months.txt`, `${named_months.join("\n")}\n`);
