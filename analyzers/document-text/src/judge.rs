//! Derives the report and the verdict from the readings of all sides.

use time::Date;
use vultus_plugin_api::{Failure, Outcome, Reason, Resolution};

use crate::aamva::Licence;
use crate::checks::{self, Found, Known};
use crate::fields::{self, Merged, Sources};
use crate::page::Page;
use crate::params::Params;
use crate::reading::{PageReading, Quad, TextLine};
use crate::report::{
    DocumentType, Line, MediumReport, Mrz, PortraitReport, Quality, Report, Side, fraction,
};
use crate::visual::{self, Printed};
use crate::{barcode, zone};

/// Verdict, reasons and report.
#[derive(Debug, Clone, PartialEq)]
pub struct DocumentResult {
    /// The verdict.
    pub resolution: Resolution,
    /// Reasons of a verdict other than SUCCESS.
    pub reasons: Vec<Reason>,
    /// The detailed result.
    pub report: Report,
}

impl DocumentResult {
    /// Converts to the outcome of a plugin.
    pub fn into_outcome(self) -> Result<Outcome, Failure> {
        let result = serde_json::to_value(self.report)
            .map_err(|error| Failure::internal(format!("writing the result: {error}")))?;
        Ok(Outcome { resolution: self.resolution, reasons: self.reasons, result })
    }
}

/// Judges a document by its front and, if given, its back, as of `today`. The front is medium 0,
/// the back medium 1.
pub fn judge(
    front: &PageReading,
    back: Option<&PageReading>,
    params: &Params,
    today: Date,
) -> DocumentResult {
    let mut pages = vec![Page { medium: 0, side: Side::Front, reading: front }];
    pages.extend(back.map(|reading| Page { medium: 1, side: Side::Back, reading }));
    let mut mrz = zone::best(&pages, today);
    let (barcodes, licence) = barcode::read(&pages);
    let kind = kind(&pages, mrz.as_ref(), licence.as_ref());
    let printed = printed(&pages, kind, today);
    if let Some(mrz) = &mut mrz {
        zone::settle_centuries(mrz, &printed);
    }
    // The values of a zone whose layout is not certain mean nothing.
    let certain = mrz.as_ref().filter(|mrz| mrz.is_certain());
    let licence = licence.as_ref();
    let sources = Sources { pages: &pages, printed: &printed, mrz: certain, licence, today };
    let Merged { fields, found } = fields::merged(&sources);
    let known = Known { kind, mrz: mrz.as_ref(), fields: &fields, has_licence: licence.is_some() };
    let mut findings = checks::findings(&pages, &known, params, today);
    if !checks::is_nothing(&pages, &known) {
        findings.extend(found);
    }
    let report = Report {
        kind,
        media: pages.iter().map(medium_report).collect(),
        fields,
        mrz,
        barcodes,
        portrait: pages.iter().find_map(portrait_report),
        lines: pages.iter().flat_map(lines).collect(),
    };
    let resolution = params.policy.resolution(findings.iter().map(|found| found.finding));
    DocumentResult { resolution, reasons: findings.iter().map(Found::reason).collect(), report }
}

/// The document type: by the machine-readable zone, else the barcode, else the printed words. A
/// zone whose layout is not certain comes last.
fn kind(pages: &[Page<'_>], mrz: Option<&Mrz>, licence: Option<&Licence>) -> DocumentType {
    let named = || pages.iter().find_map(|page| visual::kind(&page.reading.lines));
    mrz.filter(|mrz| mrz.is_certain())
        .map(zone::document_type)
        .or(licence.map(|licence| licence.kind))
        .or_else(named)
        .or(mrz.map(zone::document_type))
        .unwrap_or(DocumentType::Unknown)
}

/// The labelled fields of all sides, with their media.
fn printed(pages: &[Page<'_>], kind: DocumentType, today: Date) -> Vec<(u32, Printed)> {
    let mut all = Vec::new();
    for page in pages {
        let fields = visual::fields(&page.reading.lines, kind, today);
        all.extend(fields.into_iter().map(|printed| (page.medium, printed)));
    }
    all
}

fn medium_report(page: &Page<'_>) -> MediumReport {
    let quality = &page.reading.quality;
    MediumReport {
        medium: page.medium,
        side: page.side,
        document: page.reading.document.map(Quad::tidy),
        rotation: page.reading.rotation,
        quality: Quality {
            sharpness: fraction(quality.sharpness),
            glare: fraction(quality.glare),
            grey: quality.grey,
            moire: fraction(quality.moire),
            cut_off: quality.cut_off,
            width_px: quality.width_px,
        },
    }
}

fn portrait_report(page: &Page<'_>) -> Option<PortraitReport> {
    let portrait = page.reading.portrait.as_ref()?;
    Some(PortraitReport {
        medium: page.medium,
        quad: portrait.quad.tidy(),
        confidence: fraction(portrait.confidence),
        artifact: portrait.artifact.clone(),
    })
}

fn lines(page: &Page<'_>) -> Vec<Line> {
    let medium = page.medium;
    let of = |line: &TextLine| Line {
        medium,
        text: line.text.clone(),
        confidence: fraction(line.confidence),
        quad: line.quad.tidy(),
    };
    page.reading.lines.iter().map(of).collect()
}

#[cfg(test)]
mod tests;
