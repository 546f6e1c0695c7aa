//! Converts pictures with a wide-gamut colour profile (Display P3, Adobe RGB, …) to sRGB, which
//! the models were trained on and which viewers show. A malformed profile counts as absent, as in
//! viewers.

use crate::hdr::{self, ToSrgb};
use moxcms::{
    CicpColorPrimaries, CicpProfile, ColorProfile, DataColorSpace, Layout, MatrixCoefficients,
    TransferCharacteristics, Transform8BitExecutor, TransformOptions,
};
use std::sync::Arc;

/// Maximum change of a channel by a profile that counts as sRGB: a few profiles of the same colours
/// differ by rounding.
const NO_CHANGE: u8 = 3;
/// Number of values per channel of the colours by which a profile is compared with sRGB.
const GRID: u8 = 6;
/// Maximum size of a profile, in bytes. Profiles of cameras and displays have under 1 MB.
const LARGEST_PROFILE: usize = 4 << 20;

/// The colour of the pixels, as the file declares it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Colour {
    /// sRGB, declared or by default.
    #[default]
    Srgb,
    /// An ICC profile.
    Icc(Vec<u8>),
    /// Colour primaries and transfer characteristics by their numbers (ITU-T H.273).
    Coded { primaries: u8, transfer: u8 },
}

impl Colour {
    /// Converts packed RGB to sRGB in place. Leaves pixels of sRGB unchanged. The channels of a
    /// picture with a profile of grey are equal.
    pub(crate) fn convert_to_srgb(&self, rgb: &mut [u8]) {
        if let Self::Coded { primaries, transfer: transfer @ (hdr::PQ | hdr::HLG) } = *self {
            if let Some(to_srgb) = ToSrgb::new(primaries, transfer) {
                to_srgb.narrow(rgb);
            }
            return;
        }
        let Some(profile) = self.profile() else { return };
        if profile.color_space == DataColorSpace::Gray {
            if let Some(levels) = grey_levels(&profile) {
                rgb.iter_mut().for_each(|value| *value = levels[usize::from(*value)]);
            }
            return;
        }
        let Some(transform) = transform(&profile) else { return };
        const STEP: usize = 3 << 12;
        let mut row = vec![0; STEP];
        for pixels in rgb.chunks_mut(STEP) {
            let converted = &mut row[..pixels.len()];
            if transform.transform(pixels, converted).is_err() {
                return;
            }
            pixels.copy_from_slice(converted);
        }
    }

    fn profile(&self) -> Option<ColorProfile> {
        match self {
            Self::Srgb => None,
            Self::Icc(bytes) if bytes.len() > LARGEST_PROFILE => None,
            Self::Icc(bytes) => ColorProfile::new_from_slice(bytes).ok().filter(|profile| {
                matches!(profile.color_space, DataColorSpace::Rgb | DataColorSpace::Gray)
            }),
            Self::Coded { primaries, transfer } => coded_profile(*primaries, *transfer),
        }
    }
}

/// A profile of coded colours. The transfer characteristics of television count as those of sRGB,
/// as in viewers.
fn coded_profile(primaries: u8, transfer: u8) -> Option<ColorProfile> {
    const UNSPECIFIED: u8 = 2;
    const SRGB: TransferCharacteristics = TransferCharacteristics::Srgb;
    if matches!(primaries, 0 | UNSPECIFIED) {
        return None;
    }
    let transfer_characteristics = match transfer {
        0 | 1 | 2 | 6 | 13 | 14 | 15 => SRGB,
        other => TransferCharacteristics::try_from(other).unwrap_or(SRGB),
    };
    Some(ColorProfile::new_from_cicp(CicpProfile {
        color_primaries: CicpColorPrimaries::try_from(primaries).ok()?,
        transfer_characteristics,
        matrix_coefficients: MatrixCoefficients::Identity,
        full_range: true,
    }))
}

/// The sRGB level of each level of grey.
fn grey_levels(profile: &ColorProfile) -> Option<[u8; 256]> {
    let (srgb, options) = (ColorProfile::new_srgb(), TransformOptions::default());
    let transform =
        profile.create_transform_8bit(Layout::Gray, &srgb, Layout::Rgb, options).ok()?;
    let grey: Vec<u8> = (0..=255).collect();
    let mut converted = [0; 3 * 256];
    transform.transform(&grey, &mut converted).ok()?;
    let mut levels = [0; 256];
    for (level, pixel) in levels.iter_mut().zip(converted.chunks_exact(3)) {
        *level = pixel[1];
    }
    Some(levels)
}

/// The transformation to sRGB; `None` if it changes next to nothing.
fn transform(profile: &ColorProfile) -> Option<Arc<Transform8BitExecutor>> {
    let srgb = ColorProfile::new_srgb();
    let options = TransformOptions::default();
    let transform = profile.create_transform_8bit(Layout::Rgb, &srgb, Layout::Rgb, options).ok()?;
    let level = |i: u8| i * (255 / (GRID - 1));
    let mut grid = Vec::new();
    for red in 0..GRID {
        for green in 0..GRID {
            grid.extend((0..GRID).flat_map(|blue| [level(red), level(green), level(blue)]));
        }
    }
    let mut converted = vec![0; grid.len()];
    transform.transform(&grid, &mut converted).ok()?;
    let changes = grid.iter().zip(&converted).any(|(a, b)| a.abs_diff(*b) > NO_CHANGE);
    changes.then_some(transform)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn converted(colour: &Colour, mut rgb: [u8; 3]) -> [u8; 3] {
        colour.convert_to_srgb(&mut rgb);
        rgb
    }

    #[test]
    fn display_p3_becomes_srgb_and_srgb_stays() {
        let p3 = Colour::Icc(ColorProfile::new_display_p3().encode().unwrap());
        // 234, 51, 35 in Display P3 is the pure red of sRGB.
        for colour in [&p3, &Colour::Coded { primaries: 12, transfer: 13 }] {
            let [red, green, blue] = converted(colour, [234, 51, 35]);
            assert!(red >= 253 && green <= 6 && blue <= 6, "{red} {green} {blue}");
            let grey = converted(colour, [128; 3]);
            assert!(grey.iter().all(|value| value.abs_diff(128) <= 1), "{grey:?}");
        }
        let srgb = Colour::Icc(ColorProfile::new_srgb().encode().unwrap());
        for colour in [srgb, Colour::Srgb, Colour::Coded { primaries: 1, transfer: 1 }] {
            assert_eq!(converted(&colour, [234, 51, 35]), [234, 51, 35]);
        }
    }

    #[test]
    fn grey_profile_becomes_srgb() {
        let linear = Colour::Icc(ColorProfile::new_gray_with_gamma(1.0).encode().unwrap());
        assert_eq!(converted(&linear, [0; 3]), [0; 3]);
        assert_eq!(converted(&linear, [255; 3]), [255; 3]);
        // Light of 21.8 % is level 128 of sRGB.
        let middle = converted(&linear, [55; 3]);
        assert!(middle.iter().all(|value| value.abs_diff(128) <= 2), "{middle:?}");
    }

    #[test]
    fn malformed_profiles_count_as_absent() {
        let p3 = ColorProfile::new_display_p3().encode().unwrap();
        for length in [0, 3, 127, 140, p3.len() / 2] {
            assert_eq!(converted(&Colour::Icc(p3[..length].to_vec()), [200, 9, 9]), [200, 9, 9]);
        }
    }
}
