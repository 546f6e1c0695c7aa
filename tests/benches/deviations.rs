//! Judges drawn documents that depart from the ordinary in one way each: genuine ones, which no
//! reason may accuse, and altered ones, which have to be found. An argument names the cases to
//! judge only these.

use std::process::ExitCode;

use image::imageops;
use serde_json::{Value, json};
use vultus_tests::measure::{Figure, exit_code, print_figures};
use vultus_tests::{
    Client, Item, Node, NodeOptions, item, jpeg, media_input, reason_codes, sample,
};

#[path = "../states/mod.rs"]
#[expect(dead_code, reason = "shared with other programs, which use other parts")]
mod states;

use states::{Document, Kind, filled};

const CHECK: &str = "mutation($input: CheckInput!) { check(input: $input) { analyses {
    resolution reasons { code } document { fields { name status visual mrz } mrz { format valid
    lines } } } } }";

/// What the analyzer has to say.
#[derive(Debug, Clone, Copy)]
enum Expected {
    /// SUCCESS, and these fields match.
    Match(&'static [&'static str]),
    /// Exactly these reasons.
    Reasons(&'static [&'static str]),
    /// At least this reason.
    Found(&'static str),
}

use Expected::{Found, Match, Reasons};

/// How a document is photographed.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Photo {
    Plain,
    Mirrored,
}

/// A passport with the ordinary values, of which a case replaces some.
#[derive(Clone, Copy)]
struct Passport {
    code: &'static str,
    state: &'static str,
    nationality: &'static str,
    names: &'static str,
    number: &'static str,
    birth: &'static str,
    sex: &'static str,
    expiry: &'static str,
    /// Surname, given names, nationality, birth, sex, number, expiry.
    printed: [&'static str; 7],
    labels: [&'static str; 7],
}

const ENGLISH: [&str; 7] = [
    "Surname",
    "Given names",
    "Nationality",
    "Date of birth",
    "Sex",
    "Passport No.",
    "Date of expiry",
];

const ORDINARY: Passport = Passport {
    code: "P<",
    state: "NOR",
    nationality: "NOR",
    names: "NORDMANN<<KARI<ANNE",
    number: "FH0012345",
    birth: "890312",
    sex: "F",
    expiry: "340817",
    printed: ["NORDMANN", "KARI ANNE", "NORWEGIAN", "12 03 1989", "F", "FH0012345", "17 08 2034"],
    labels: ENGLISH,
};

impl Passport {
    fn document(&self) -> Document {
        let digit = states::digit;
        let (number, optional) = (filled(self.number, 9), filled("", 14));
        let (n, b, e) = (digit(&number), digit(self.birth), digit(self.expiry));
        let e = if self.expiry.starts_with('<') { '<' } else { e };
        let (birth, expiry) = (self.birth, self.expiry);
        let composite = digit(&format!("{number}{n}{birth}{b}{expiry}{e}{optional}0"));
        let nationality = filled(self.nationality, 3);
        let first = filled(&format!("{}{}{}", self.code, filled(self.state, 3), self.names), 44);
        let second = format!(
            "{number}{n}{nationality}{birth}{b}{}{expiry}{e}{optional}0{composite}",
            self.sex
        );
        let labels = self.labels.map(str::to_owned).into_iter();
        Document {
            kind: Kind::Passport,
            title: "PASSPORT".to_owned(),
            fields: labels.zip(self.printed.map(str::to_owned)).collect(),
            zone: vec![first, second],
        }
    }
}

/// The ordinary passport with other printed values.
fn with(at: &[(usize, &'static str)]) -> Passport {
    let mut passport = ORDINARY;
    for (field, value) in at {
        passport.printed[*field] = value;
    }
    passport
}

fn named(names: &'static str, surname: &'static str, given: &'static str) -> Passport {
    Passport { names, ..with(&[(0, surname), (1, given)]) }
}

fn of_state(state: &'static str, nationality: &'static str) -> Passport {
    Passport { state, nationality: state, ..with(&[(2, nationality)]) }
}

fn born(birth: &'static str, printed: &'static str) -> Passport {
    Passport { birth, ..with(&[(3, printed)]) }
}

fn expiring(expiry: &'static str, printed: &'static str) -> Passport {
    Passport { expiry, ..with(&[(6, printed)]) }
}

fn cases() -> Vec<(&'static str, Passport, Photo, Expected)> {
    const SURNAME: Expected = Match(&["SURNAME", "GIVEN_NAMES"]);
    const NATIONALITY: Expected = Match(&["NATIONALITY"]);
    const BIRTH: Expected = Match(&["DATE_OF_BIRTH"]);
    const EXPIRY: Expected = Match(&["DATE_OF_EXPIRY"]);
    const DIFFERS: Expected = Found("FIELD_MISMATCH");
    let plain = |name, passport, expected| (name, passport, Photo::Plain, expected);
    vec![
        plain("ordinary", ORDINARY, Match(&["SURNAME", "SEX", "DOCUMENT_NUMBER"])),
        plain("letter-e", named("E<<MEI", "E", "MEI"), SURNAME),
        plain("letter-u", named("U<<THANT", "U", "THANT"), SURNAME),
        plain("letter-given", named("KIM<<O", "KIM", "O"), SURNAME),
        plain("letter-wrong", named("E<<MEI", "A", "MEI"), Found("FIELD_MISMATCH")),
        plain("two-letters", named("NG<<A<B", "NG", "A B"), SURNAME),
        plain("usa", of_state("USA", "UNITED STATES OF AMERICA"), NATIONALITY),
        plain("usa-people", of_state("USA", "AMERICAN"), NATIONALITY),
        plain("usa-short", of_state("USA", "U.S.A."), Match(&[])),
        plain("korea", of_state("KOR", "REPUBLIC OF KOREA"), NATIONALITY),
        plain("taiwan", of_state("TWN", "REPUBLIC OF CHINA"), Match(&[])),
        plain("taiwan-2", of_state("TWN", "TAIWAN"), NATIONALITY),
        plain("holland", of_state("NLD", "NEDERLANDSE"), NATIONALITY),
        plain("german", of_state("D", "DEUTSCH"), NATIONALITY),
        plain("german-words", of_state("D", "FEDERAL REPUBLIC OF GERMANY"), NATIONALITY),
        plain("swiss", of_state("CHE", "Schweiz Suisse Svizzera"), NATIONALITY),
        plain("kosovo", of_state("XXK", "KOSOVAR"), NATIONALITY),
        plain("kosovo-rks", of_state("RKS", "KOSOVAR"), NATIONALITY),
        plain("stateless", of_state("XXA", "STATELESS"), Match(&[])),
        plain("hong-kong", of_state("CHN", "CHINESE"), NATIONALITY),
        plain("forged-state", of_state("SWE", "DANISH"), DIFFERS),
        plain("forged-state-2", of_state("KOR", "JAPANESE"), DIFFERS),
        plain("forged-state-3", of_state("USA", "CANADIAN"), DIFFERS),
        plain("99-years", born("271224", "24 12 1927"), BIRTH),
        plain("99-years-month", born("261201", "01 DEC 1926"), BIRTH),
        plain("100-years", born("200512", "12 05 1920"), BIRTH),
        plain("child", born("200512", "12 05 2020"), BIRTH),
        plain("birth-month-only", born("89<<<<", "1989"), Match(&[])),
        plain("birth-zeros", born("890300", "00 03 1989"), Match(&[])),
        plain("birth-xx", born("89<<<<", "XX XX 1989"), Match(&[])),
        plain("birth-forged", born("890312", "12 03 1979"), DIFFERS),
        plain("no-end", expiring("<<<<<<", "UNLIMITED"), Match(&[])),
        plain("no-end-9999", expiring("991231", "31 12 9999"), Match(&[])),
        plain("no-end-words", expiring("<<<<<<", "INDEFINITE"), Match(&[])),
        plain("expired", expiring("240817", "17 08 2024"), Reasons(&["EXPIRED"])),
        plain("expiry-forged", expiring("240817", "17 08 2034"), DIFFERS),
        plain("month-en", expiring("340817", "17 AUG 2034"), EXPIRY),
        plain("month-fr", expiring("340817", "17 AUG/AOÛT 34"), EXPIRY),
        plain("month-nl", expiring("340517", "17 MEI/MAY 2034"), EXPIRY),
        plain("month-ga", expiring("340617", "17 MEI/JUN 2034"), EXPIRY),
        plain("month-pl", expiring("340717", "17 LIP/JUL 2034"), EXPIRY),
        plain("month-hr", expiring("340617", "17 LIP/JUN 2034"), EXPIRY),
        plain("month-tr", expiring("340817", "17 Ağu / Aug 2034"), EXPIRY),
        plain("month-forged", expiring("340617", "17 MEI/JUN 2039"), DIFFERS),
        plain("american-order", expiring("340817", "08/17/2034"), EXPIRY),
        plain("buddhist", born("890312", "12 03 2532"), Reasons(&["DATE_OTHER_CALENDAR"])),
        plain("persian", born("890312", "1367/12/21"), Reasons(&["DATE_OTHER_CALENDAR"])),
        plain("unreadable-date", born("890312", "12 QXZ 1989"), Reasons(&["DATE_UNREADABLE"])),
        plain(
            "cut",
            named(
                "PAPANDROPOULOU<<JONATHON<ALEXANDER<TRE",
                "PAPANDROPOULOU",
                "JONATHON ALEXANDER TREVOR",
            ),
            Match(&[]),
        ),
        plain(
            "cut-2",
            named(
                "NILAVADHANANANDA<<CHAYAPA<DEJTHAMRONG<K",
                "NILAVADHANANANDA",
                "CHAYAPA DEJTHAMRONG KRASUANG",
            ),
            Match(&[]),
        ),
        plain(
            "initials",
            named(
                "BENNELONG<WOOLOOMOOLOO<WARRANDYTE<W<<DIN",
                "BENNELONG WOOLOOMOOLOO WARRANDYTE WARNAMBOOL",
                "DINGO POTOROO",
            ),
            Match(&[]),
        ),
        plain("no-given", named("ARKFREITH", "ARKFREITH", ""), Match(&["SURNAME"])),
        plain("umlaut", named("MUELLER<<JUERGEN", "MÜLLER", "JÜRGEN"), SURNAME),
        plain("umlaut-xx", named("MUXXLLER<<JUXXRGEN", "MÜLLER", "JÜRGEN"), SURNAME),
        plain("umlaut-none", named("MULLER<<JURGEN", "MÜLLER", "JÜRGEN"), SURNAME),
        plain("hyphen", named("SMITH<JONES<<MARY<ANN", "SMITH-JONES", "MARY ANN"), SURNAME),
        plain("apostrophe", named("OCONNOR<<ENYA<SIOBHAN", "O'CONNOR", "ENYA SIOBHAN"), SURNAME),
        plain(
            "digits",
            named("3ERNQVSKIQ<<ILXQ", "CHERNYAVSKIY", "ILIA"),
            Found("NAME_WITH_DIGITS"),
        ),
        plain("name-forged", named("NORDMANN<<KARI", "NORDMANN", "SARI"), DIFFERS),
        plain("name-forged-2", named("HANSEN<<KARI", "JANSEN", "KARI"), DIFFERS),
        plain("code-pm", Passport { code: "PM", ..ORDINARY }, Match(&["SURNAME"])),
        plain("code-pd", Passport { code: "PD", ..ORDINARY }, Match(&["SURNAME"])),
        plain("sex-x", Passport { sex: "<", ..with(&[(4, "X")]) }, Match(&[])),
        plain("sex-two", with(&[(4, "K/F")]), Match(&["SEX"])),
        plain("sex-forged", with(&[(4, "M")]), DIFFERS),
        (
            "second-language",
            Passport {
                labels: [
                    "Etternavn / Surname",
                    "Fornavn / Given names",
                    "Statsborgerskap / Nationality",
                    "Fødselsdato / Date of birth",
                    "Kjønn / Sex",
                    "Pass nr. / Passport No.",
                    "Utløper / Date of expiry",
                ],
                ..ORDINARY
            },
            Photo::Plain,
            Match(&["SURNAME", "GIVEN_NAMES", "NATIONALITY"]),
        ),
        (
            "label-empty",
            Passport { names: "NORDMANN", ..with(&[(1, "")]) },
            Photo::Plain,
            Match(&["SURNAME"]),
        ),
        ("mirrored", ORDINARY, Photo::Mirrored, Reasons(&["MIRRORED"])),
    ]
}

fn main() -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be started");
    let figures = runtime.block_on(measure());
    exit_code(print_figures("Drawn documents that depart from the ordinary", &figures))
}

async fn measure() -> Vec<Figure> {
    let config = "[tokens]\naccess_seconds = 86400\n".to_owned();
    let node = Node::start_with(NodeOptions { config, ..NodeOptions::default() }).await;
    let client = node.client().await;
    let portrait =
        image::load_from_memory(&sample("obama.jpg")).expect("the sample is a picture").to_rgb8();
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|text| !text.starts_with('-')).collect();
    let (mut count, mut right) = (0, 0);
    for (name, passport, photo, expected) in cases() {
        if !wanted.is_empty() && !wanted.iter().any(|wanted| name.starts_with(wanted.as_str())) {
            continue;
        }
        let document = passport.document();
        let mut picture = document.photos(&portrait).remove(0);
        if photo == Photo::Mirrored {
            picture = imageops::flip_horizontal(&picture);
        }
        let judged = checked(&client, jpeg(&picture)).await;
        let codes = reason_codes(&judged);
        let fields = judged["document"]["fields"].as_array().cloned().unwrap_or_default();
        let matches = |wanted: &str| {
            fields.iter().any(|field| field["name"] == wanted && field["status"] == "MATCH")
        };
        let is_right = match expected {
            Match(names) => codes.is_empty() && names.iter().all(|name| matches(name)),
            Reasons(reasons) => codes == reasons,
            Found(reason) => codes.contains(&reason),
        };
        count += 1;
        right += i32::from(is_right);
        if !is_right {
            let open: Vec<&Value> = fields.iter().filter(|f| f["status"] != "MATCH").collect();
            println!("{name}: {codes:?}, not {expected:?}: {}", json!(open));
        }
    }
    vec![Figure::against("judged rightly", format!("{right} of {count}"), "all", right == count)]
}

async fn checked(client: &Client, photo: Vec<u8>) -> Value {
    let media: [Item; 1] = [item("front", &["photo_id", "photo_id_front"], photo)];
    let (variables, files) = media_input(&media, json!({"analyses": [{"type": "document"}]}));
    client.upload_data(CHECK, variables, files).await["check"]["analyses"][0].clone()
}
