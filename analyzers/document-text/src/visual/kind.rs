//! The document type that the words of a page name.

use super::{LEAST_CONFIDENCE, is_zone};
use crate::compare::{folded, words};
use crate::reading::TextLine;
use crate::report::DocumentType;

/// The document type that the words name; the more specific types are tried first.
pub(crate) fn kind(lines: &[TextLine]) -> Option<DocumentType> {
    const NAMES: [(DocumentType, &[&str]); 4] = [
        (
            DocumentType::DrivingLicence,
            &[
                "DRIVINGLICENCE",
                "DRIVINGLICENSE",
                "DRIVERLICENSE",
                "DRIVERSLICENSE",
                "DRIVERLICENCE",
                "FUHRERSCHEIN",
                "FUHRERAUSWEIS",
                "LICENZADICONDURRE",
                "PERMISDAMANISCHAR",
                "PERMISDECONDUIRE",
                "PRAWOJAZDY",
                "RIJBEWIJS",
                "PATENTEDIGUIDA",
                "PERMISODECONDUCCION",
                "CARTADECONDUCAO",
                "KORKORT",
                "AJOKORTTI",
                "KOREKORT",
                "FORERKORT",
                "VOZACKADOZVOLA",
                "VOZNISKODOVOLJENJE",
                "RIDICSKYPRUKAZ",
                "VEZETOIENGEDELY",
            ],
        ),
        (DocumentType::Visa, &["VISA", "VIZA", "VISUM", "WIZA", "VIISUMI"]),
        (
            DocumentType::Passport,
            &[
                "PASSPORT",
                "PASSEPORT",
                "REISEPASS",
                "PASAPORTE",
                "PASSAPORTO",
                "PASSAPORTE",
                "PASZPORT",
                "UTLEVEL",
                "PASPOORT",
                "PASAPORT",
                "PASSI",
                "PUTOVNICA",
                "POTNILIST",
                "CESTOVNIPAS",
                "CESTOVNYPAS",
                "PASAS",
                "PASE",
            ],
        ),
        (
            DocumentType::IdCard,
            &[
                "IDENTITYCARD",
                "IDENTIFICATIONCARD",
                "NATIONALIDENTITYCARD",
                "PERSONALAUSWEIS",
                "CARTEDIDENTITE",
                "CARTENATIONALEDIDENTITE",
                "CARTADIDENTITA",
                "DOCUMENTONACIONALDEIDENTIDAD",
                "DOWODOSOBISTY",
                "SZEMELYAZONOSITOIGAZOLVANY",
                "SZEMELYIIGAZOLVANY",
                "OSEBNAIZKAZNICA",
                "OSOBNAISKAZNICA",
                "OBCANSKYPRUKAZ",
                "OBCIANSKYPREUKAZ",
                "HENKILOKORTTI",
                "IDENTITEITSKAART",
                "CARTAODECIDADAO",
                "IDENTITETSKORT",
                "RESIDENCEPERMIT",
                "AUFENTHALTSTITEL",
                "TITREDESEJOUR",
                "PERMANENTRESIDENT",
                "ASMENSTAPATYBESKORTELE",
                "PERSONASAPLIECIBA",
                "ISIKUTUNNISTUS",
                "LICNAKARTA",
                "CARTEDEIDENTITATE",
            ],
        ),
    ];
    let sure =
        lines.iter().filter(|line| line.confidence >= LEAST_CONFIDENCE && !is_zone(&line.text));
    let texts: Vec<(String, Vec<String>)> =
        sure.map(|line| (folded(&line.text), words(&line.text))).collect();
    // The name must be most of its line; within a sentence it says nothing about this document.
    let names = |(text, words): &(String, Vec<String>), name: &str| match name.len() {
        ..8 => words.len() <= 3 && words.iter().any(|word| word == name),
        length => text.len() <= 4 * length && text.contains(name),
    };
    let named = |(_, known): &&(DocumentType, &[&str])| {
        texts.iter().any(|text| known.iter().any(|name| names(text, name)))
    };
    NAMES.iter().find(named).map(|(kind, _)| *kind)
}

/// Whether the front is that of a North American licence (AAMVA DL/ID Card Design Standard), whose
/// back has a barcode with all fields. Recognised by at least two labels that no other design has.
pub(crate) fn is_north_american_licence(lines: &[TextLine]) -> bool {
    const LABELS: [&str; 10] =
        ["DLN", "LN", "FN", "DD", "HGT", "WGT", "EYES", "HAIR", "REST", "END"];
    let sure = lines.iter().filter(|line| line.confidence >= LEAST_CONFIDENCE);
    let words: Vec<String> = sure.flat_map(|line| words(&line.text)).collect();
    LABELS.iter().filter(|label| words.iter().any(|word| word == *label)).count() >= 2
}
