//! Documents of all issuing states, drawn by the tests: one for each row of the table, consistent
//! or with one altered field. The generator has its own check digits, transliterations and words;
//! it shares nothing with the document analyzer. Typefaces: OCR-B and DejaVu, of Debian.

mod draw;
mod languages;
mod table;

use image::RgbImage;

pub(crate) use draw::on_table;
use languages::{Dates, ENGLISH_MONTHS, LANGUAGES, Language};

/// A row of the table.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    pub(crate) code: &'static str,
    language: &'static Language,
    title: &'static str,
    nationality: &'static str,
    /// Place in the table.
    at: usize,
}

/// Format of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Two lines of 44.
    Passport,
    /// Three lines of 30 on the back.
    Card,
    /// Two lines of 36.
    LargeCard,
}

/// A field that is printed and in the machine-readable zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Altered {
    Surname,
    GivenNames,
    Nationality,
    Birth,
    Sex,
    Number,
    Expiry,
}

const ALL: [Altered; 7] = [
    Altered::Surname,
    Altered::GivenNames,
    Altered::Nationality,
    Altered::Birth,
    Altered::Sex,
    Altered::Number,
    Altered::Expiry,
];

/// A document: its printed fields and its zone.
pub(crate) struct Document {
    pub(crate) kind: Kind,
    pub(crate) title: String,
    /// Labels and values, in the order of [`ALL`].
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) zone: Vec<String>,
}

/// All rows.
pub(crate) fn rows() -> Vec<Row> {
    let row = |(at, line): (usize, &'static str)| {
        let (head, nationality) = line.split_once(" | ").expect("a row has two parts");
        let mut words = head.splitn(3, ' ');
        let mut next = || words.next().expect("a row has code, language and title");
        let (code, language, title) = (next(), next(), next());
        let language = LANGUAGES
            .iter()
            .find(|known| known.code == language)
            .expect("the language of a row is listed");
        Row { code, language, title, nationality, at }
    };
    table::TABLE.lines().enumerate().map(row).collect()
}

impl Row {
    pub(crate) fn kind(&self) -> Kind {
        match self.at % 5 {
            1 | 3 => Kind::Card,
            4 => Kind::LargeCard,
            _ => Kind::Passport,
        }
    }

    /// The field that is altered in the forged document of this row.
    pub(crate) fn altered(&self) -> Altered {
        ALL[self.at % ALL.len()]
    }

    /// The consistent document.
    pub(crate) fn document(&self) -> Document {
        let [year, month, day] = self.birth();
        let expiry = self.expiry();
        let sex = if self.at.is_multiple_of(2) { "F" } else { "M" };
        let printed = [
            self.language.names[0][0].to_owned(),
            self.language.names[0][1].to_owned(),
            self.nationality.to_owned(),
            self.date([year, month, day]),
            sex.to_owned(),
            self.number(),
            self.date(expiry),
        ];
        let labels = self.language.labels.iter().map(|label| (*label).to_owned());
        Document {
            kind: self.kind(),
            title: format!("{}  {}", self.word(), self.title),
            fields: labels.zip(printed).collect(),
            zone: self.zone(sex),
        }
    }

    /// The document with one printed field altered so that no transliteration, cut or unknown part
    /// explains it.
    pub(crate) fn forged(&self, rows: &[Row]) -> Document {
        let mut document = self.document();
        let [year, month, day] = self.birth();
        let altered = self.altered();
        let value = match altered {
            Altered::Surname => self.language.names[2][0].to_owned(),
            Altered::GivenNames => self.language.names[2][1].to_owned(),
            Altered::Nationality => self.foreign(rows).to_owned(),
            Altered::Birth => self.date([year - 11, month, day]),
            Altered::Sex => if self.at.is_multiple_of(2) { "M" } else { "F" }.to_owned(),
            Altered::Number => self.number().replacen(|c: char| c.is_ascii_digit(), "7", 2),
            Altered::Expiry => {
                let [year, month, day] = self.expiry();
                self.date([year + 3, month, day])
            }
        };
        let at = ALL.iter().position(|field| *field == altered).expect("all fields are listed");
        document.fields[at].1 = value;
        document
    }

    /// The nationality of a state with which this one shares no word.
    fn foreign(&self, rows: &[Row]) -> &'static str {
        let far = rows.iter().cycle().skip(self.at + 37);
        let is_plain = |row: &&Row| row.nationality.len() > 5 && !row.code.starts_with(['X', 'G']);
        far.filter(is_plain).map(|row| row.nationality).next().expect("the table has others")
    }

    fn word(&self) -> &'static str {
        match self.kind() {
            Kind::Passport => "PASSPORT",
            Kind::Card | Kind::LargeCard => "IDENTITY CARD",
        }
    }

    fn birth(&self) -> [i32; 3] {
        let at = self.at as i32;
        [1946 + at * 7 % 60, 1 + at * 5 % 12, 1 + at * 11 % 28]
    }

    fn expiry(&self) -> [i32; 3] {
        let at = self.at as i32;
        [2028 + at % 8, 1 + at * 7 % 12, 1 + at * 13 % 28]
    }

    fn number(&self) -> String {
        // No 7, which the forger writes; no letters that look like digits.
        let digits: String =
            (0..6).map(|n| b"012345689"[(self.at * 5 + n * 4) % 9] as char).collect();
        format!("{}{}{digits}", b"ACEHKM"[self.at % 6] as char, b"RTWXY"[self.at % 5] as char)
    }

    fn date(&self, [year, month, day]: [i32; 3]) -> String {
        let at = month as usize - 1;
        match &self.language.dates {
            Dates::Numbers(mark) => format!("{day:02}{mark}{month:02}{mark}{year}"),
            Dates::YearFirst(mark) => format!("{year}{mark}{month:02}{mark}{day:02}"),
            Dates::Months(own) if own.is_empty() => {
                format!("{day:02} {} {year}", ENGLISH_MONTHS[at])
            }
            Dates::Months(own) => format!("{day:02} {}/{} {year}", own[at], ENGLISH_MONTHS[at]),
        }
    }

    fn zone(&self, sex: &str) -> Vec<String> {
        let short =
            |[year, month, day]: [i32; 3]| format!("{:02}{month:02}{day:02}", year.rem_euclid(100));
        let (birth, expiry, number) = (short(self.birth()), short(self.expiry()), self.number());
        let number = filled(&number, 9);
        let state = filled(self.code, 3);
        let [surname, given] = self.language.names[1];
        let names = format!("{surname}<<{given}");
        let (n, b, e) = (digit(&number), digit(&birth), digit(&expiry));
        match self.kind() {
            Kind::Passport => {
                let optional = filled("", 14);
                let composite = digit(&format!("{number}{n}{birth}{b}{expiry}{e}{optional}0"));
                vec![
                    filled(&format!("P<{state}{names}"), 44),
                    format!("{number}{n}{state}{birth}{b}{sex}{expiry}{e}{optional}0{composite}"),
                ]
            }
            Kind::LargeCard => {
                let optional = filled("", 7);
                let composite = digit(&format!("{number}{n}{birth}{b}{expiry}{e}{optional}"));
                vec![
                    filled(&format!("ID{state}{names}"), 36),
                    format!("{number}{n}{state}{birth}{b}{sex}{expiry}{e}{optional}{composite}"),
                ]
            }
            Kind::Card => {
                let first = filled(&format!("ID{state}{number}{n}"), 30);
                let second = format!("{birth}{b}{sex}{expiry}{e}{state}{}", filled("", 11));
                let composite =
                    digit(&format!("{}{birth}{b}{expiry}{e}{}", &first[5..], &second[18..29]));
                vec![first, format!("{second}{composite}"), filled(&names, 30)]
            }
        }
    }
}

impl Document {
    /// The sides as photographed: the front, and the back of a card.
    pub(crate) fn photos(&self, portrait: &RgbImage) -> Vec<RgbImage> {
        draw::sides(self, portrait).iter().map(on_table).collect()
    }
}

pub(crate) fn filled(text: &str, width: usize) -> String {
    format!("{text:<<width$}").chars().take(width).collect()
}

/// Check digit of ICAO 9303.
pub(crate) fn digit(text: &str) -> char {
    let value = |c: u8| match c {
        b'0'..=b'9' => u32::from(c - b'0'),
        b'A'..=b'Z' => u32::from(c - b'A') + 10,
        _ => 0,
    };
    let weights = [7, 3, 1].into_iter().cycle();
    let sum: u32 = text.bytes().zip(weights).map(|(c, weight)| value(c) * weight).sum();
    char::from_digit(sum % 10, 10).expect("a remainder by ten is a digit")
}
