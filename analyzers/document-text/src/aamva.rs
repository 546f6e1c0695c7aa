//! Parses the barcode of North American driving licences and identification cards: AAMVA DL/ID Card
//! Design Standard, annex D, versions 1 to 10, and the version before them.

use time::Date;

use crate::date::{day_of, iso};
use crate::report::{BarcodeElement, DocumentType, FieldName};

/// The content of an AAMVA barcode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Licence {
    pub(crate) kind: DocumentType,
    pub(crate) elements: Vec<BarcodeElement>,
}

const NAMES: &[(&str, &str)] = &[
    ("DAA", "Full name"),
    ("DAB", "Family name"),
    ("DAC", "First name"),
    ("DAD", "Middle names"),
    ("DAE", "Name suffix"),
    ("DAG", "Street address"),
    ("DAH", "Street address, second line"),
    ("DAI", "City"),
    ("DAJ", "Jurisdiction"),
    ("DAK", "Postal code"),
    ("DAQ", "Document number"),
    ("DAU", "Height"),
    ("DAW", "Weight in pounds"),
    ("DAX", "Weight in kilograms"),
    ("DAY", "Eye colour"),
    ("DAZ", "Hair colour"),
    ("DBA", "Date of expiry"),
    ("DBB", "Date of birth"),
    ("DBC", "Sex"),
    ("DBD", "Date of issue"),
    ("DCA", "Vehicle class"),
    ("DCB", "Restrictions"),
    ("DCD", "Endorsements"),
    ("DCF", "Document discriminator"),
    ("DCG", "Country"),
    ("DCK", "Inventory control number"),
    ("DCS", "Family name"),
    ("DCT", "Given names"),
    ("DCU", "Name suffix"),
    ("DDA", "Compliance"),
    ("DDB", "Card revision date"),
    ("DDE", "Family name cut off"),
    ("DDF", "First name cut off"),
    ("DDG", "Middle names cut off"),
    ("DDK", "Organ donor"),
    ("DDL", "Veteran"),
];

/// Maximum number of elements kept per barcode.
const MOST_ELEMENTS: usize = 128;

/// Parses the content of a barcode; `None` if it is not an AAMVA barcode.
pub(crate) fn read(content: &str) -> Option<Licence> {
    // The header: `@`, separators, `ANSI ` or `AAMVA`, and digits.
    let content = content.trim_start();
    let header = content.strip_prefix('@')?;
    let start = header.find("ANSI ").or_else(|| header.find("AAMVA"))?;
    if start > 8 {
        return None;
    }
    let header = &header[start + 5..];
    let digits = header.bytes().take_while(u8::is_ascii_digit).count();
    if digits < 8 {
        return None;
    }
    // Designators (type, offset, length) follow; each subfile repeats its type before its elements.
    let designator = header.get(digits..digits + 2)?;
    let kind = match designator {
        "DL" | "EN" => DocumentType::DrivingLicence,
        "ID" => DocumentType::IdCard,
        _ => return None,
    };
    let mut elements: Vec<BarcodeElement> = Vec::new();
    for part in header[digits..].split(['\n', '\r', '\u{1e}', '\u{1c}']) {
        let Some((id, value)) = element(part) else { continue };
        if elements.len() < MOST_ELEMENTS && elements.iter().all(|known| known.id != id) {
            let name = NAMES.iter().find(|(known, _)| *known == id).map(|(_, name)| *name);
            elements.push(BarcodeElement { id, name, value: value.trim().to_owned() });
        }
    }
    let licence = Licence { kind, elements };
    (licence.element("DAQ").is_some() && licence.surname().is_some()).then_some(licence)
}

/// Identifier and value of an element in a line. The first element of a subfile follows directly
/// after the designators and the subfile's type: `…DLDAQT64235789`.
fn element(part: &str) -> Option<(String, &str)> {
    let is_id = |text: &str| {
        text.len() == 3
            && matches!(text.as_bytes()[0], b'D' | b'Z')
            && text.bytes().all(|byte| byte.is_ascii_uppercase())
    };
    let first = ["DLD", "IDD", "END"].iter().filter_map(|mark| part.rfind(*mark)).max();
    let is_designator = |part: &str| {
        part.get(2..10).is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let part = match first {
        Some(at) if is_designator(part) => part.get(at + 2..)?,
        // A jurisdiction's subfile has its type directly before the first element: `ZVZVA01`.
        _ if part.starts_with('Z')
            && part.get(..2).is_some_and(|mark| part.get(2..4) == Some(mark)) =>
        {
            part.get(2..)?
        }
        _ => part,
    };
    let (id, value) = (part.get(..3)?, part.get(3..)?);
    is_id(id).then(|| (id.to_owned(), value))
}

impl Licence {
    fn element(&self, id: &str) -> Option<&str> {
        let found = self.elements.iter().find(|element| element.id == id)?;
        // The standard's values for "not available".
        (!matches!(found.value.as_str(), "" | "NONE" | "unavl")).then_some(found.value.as_str())
    }

    /// Family name and given names from the full name of early versions: `FAMILY,FIRST,MIDDLE`.
    fn full_name(&self) -> Option<(&str, &str)> {
        let full = self.element("DAA")?;
        full.split_once([',', '@']).or(Some((full, "")))
    }

    fn surname(&self) -> Option<&str> {
        self.element("DCS").or_else(|| self.element("DAB")).or_else(|| Some(self.full_name()?.0))
    }

    fn given_names(&self) -> Option<String> {
        let given = match (self.element("DAC").or_else(|| self.element("DCT")), self.element("DAD"))
        {
            (Some(first), Some(middle)) => format!("{first} {middle}"),
            (Some(first), None) => first.to_owned(),
            (None, _) => self.full_name()?.1.to_owned(),
        };
        let given = given.replace([',', '@'], " ").split_whitespace().collect::<Vec<_>>().join(" ");
        (!given.is_empty()).then_some(given)
    }

    fn date(&self, id: &str) -> Option<String> {
        Some(iso(day(self.element(id)?)?))
    }

    fn address(&self) -> Option<String> {
        let parts: Vec<&str> =
            ["DAG", "DAH", "DAI", "DAJ", "DAK"].iter().filter_map(|id| self.element(id)).collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }

    /// The elements that correspond to fields of the report.
    pub(crate) fn fields(&self) -> Vec<(FieldName, String)> {
        let sex = self.element("DBC").map(|sex| match sex {
            "1" | "M" => "M",
            "2" | "F" => "F",
            _ => "X",
        });
        let state = self.element("DCG").map(str::to_owned);
        let fields = [
            (FieldName::Surname, self.surname().map(str::to_owned)),
            (FieldName::GivenNames, self.given_names()),
            (FieldName::DocumentNumber, self.element("DAQ").map(str::to_owned)),
            (FieldName::IssuingState, state),
            (FieldName::DateOfBirth, self.date("DBB")),
            (FieldName::Sex, sex.map(str::to_owned)),
            (FieldName::DateOfExpiry, self.date("DBA")),
            (FieldName::DateOfIssue, self.date("DBD")),
            (FieldName::Address, self.address()),
        ];
        fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

/// Parses a date: `MMDDCCYY` in the United States, `CCYYMMDD` in Canada and in the first version.
fn day(text: &str) -> Option<Date> {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let number = |from: usize, to: usize| digits.get(from..to)?.parse::<u16>().ok();
    if digits.len() != 8 {
        return None;
    }
    let as_day = |year: u16, month: u16, day: u16| {
        let plausible = (1850..=2200).contains(&year);
        plausible
            .then(|| day_of(year.into(), u8::try_from(month).ok()?, u8::try_from(day).ok()?))
            .flatten()
    };
    as_day(number(4, 8)?, number(0, 2)?, number(2, 4)?)
        .or_else(|| as_day(number(0, 4)?, number(4, 6)?, number(6, 8)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the standard's annex D, with a subfile of the jurisdiction.
    const SAMPLE: &str = "@\n\u{1e}\rANSI 636000100002DL00410278ZV03190008DLDAQT64235789\n\
                          DCSSAMPLE\nDDEN\nDACMICHAEL\nDDFN\nDADJOHN\nDDGN\nDCUJR\nDCAD\nDCBK\n\
                          DCDPH\nDBD06062019\nDBB06061986\nDBA12102024\nDBC1\nDAU068 in\nDAYBRO\n\
                          DAG2300 WEST BROAD STREET\nDAIRICHMOND\nDAJVA\nDAK232690000  \n\
                          DCF2424244747474786102204\nDCGUSA\nDCK123456789\nDDAF\nDDB06062018\n\
                          DDK1\rZVZVA01\r";

    fn field(licence: &Licence, wanted: FieldName) -> Option<String> {
        licence.fields().into_iter().find(|(name, _)| *name == wanted).map(|(_, value)| value)
    }

    #[test]
    fn example_of_the_aamva_standard_is_read() {
        let licence = read(SAMPLE).unwrap();
        assert_eq!(licence.kind, DocumentType::DrivingLicence);
        let expected = [
            (FieldName::Surname, "SAMPLE"),
            (FieldName::GivenNames, "MICHAEL JOHN"),
            (FieldName::DocumentNumber, "T64235789"),
            (FieldName::IssuingState, "USA"),
            (FieldName::DateOfBirth, "1986-06-06"),
            (FieldName::Sex, "M"),
            (FieldName::DateOfExpiry, "2024-12-10"),
            (FieldName::DateOfIssue, "2019-06-06"),
            (FieldName::Address, "2300 WEST BROAD STREET, RICHMOND, VA, 232690000"),
        ];
        assert_eq!(licence.fields(), expected.map(|(name, value)| (name, value.to_owned())));
        assert!(
            licence.elements.iter().any(|element| element.id == "ZVA"
                && element.value == "01"
                && element.name.is_none())
        );
    }

    #[test]
    fn old_version_with_full_name_and_year_first_is_read() {
        let old = "@\n\u{1e}\rAAMVA6360000102DL00390187ZV02260032DLDAQ123456789\n\
                   DAADOE,JOHN,QUINCY\nDBB19760412\nDBA20301231\nDBCM\r";
        let licence = read(old).unwrap();
        assert_eq!(field(&licence, FieldName::Surname).as_deref(), Some("DOE"));
        assert_eq!(field(&licence, FieldName::GivenNames).as_deref(), Some("JOHN QUINCY"));
        assert_eq!(field(&licence, FieldName::DateOfBirth).as_deref(), Some("1976-04-12"));
        assert_eq!(field(&licence, FieldName::DateOfExpiry).as_deref(), Some("2030-12-31"));
    }

    #[test]
    fn canadian_dates_have_the_year_first() {
        let canada = SAMPLE.replace("DBB06061986", "DBB19860607").replace("DCGUSA", "DCGCAN");
        assert_eq!(
            field(&read(&canada).unwrap(), FieldName::DateOfBirth).as_deref(),
            Some("1986-06-07")
        );
    }

    #[test]
    fn barcode_that_is_no_licence_is_rejected() {
        for text in [
            "",
            "@",
            "https://example.org/",
            "@\n\u{1e}\rANSI 6360",
            "@\n\u{1e}\rANSI 636000090002XX00410278DLDAQ1\nDCSDOE",
            &SAMPLE[..50],
        ] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }
}
