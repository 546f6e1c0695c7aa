//! High dynamic range and wide gamut to sRGB, for one pixel: transfer function (PQ, HLG or that of
//! television), colour primaries, and a tone curve that leaves skin as it is and compresses
//! highlights.

/// Largest sample; samples have 12 bits.
const TOP: usize = 4095;
/// Luminance of diffuse white, in cd/m² (ITU-R BT.2408).
const WHITE: f32 = 203.0;
/// Luminance of the display for which HLG is graded, in cd/m², and its system gamma (BT.2100).
const HLG_PEAK: f32 = 1000.0;
const HLG_GAMMA: f32 = 1.2;
/// Light up to which the tone curve is the identity; diffuse white is 1.
const KNEE: f32 = 0.6;

/// Transfer characteristics by their numbers in ITU-T H.273.
pub(crate) const PQ: u8 = 16;
pub(crate) const HLG: u8 = 18;

/// Colour primaries by their numbers in ITU-T H.273.
const BT709: u8 = 1;
const BT2020: u8 = 9;
const DISPLAY_P3: u8 = 12;

type Matrix = [[f32; 3]; 3];
const IDENTITY: Matrix = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
const FROM_BT2020: Matrix =
    [[1.6605, -0.5877, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1188]];
const FROM_DISPLAY_P3: Matrix =
    [[1.2249, -0.2249, 0.0], [-0.0421, 1.0421, 0.0], [-0.0196, -0.0786, 1.0982]];

/// Converts pixels of one kind to sRGB.
pub(crate) struct ToSrgb {
    /// Light of each sample, diffuse white being 1; of HLG, scene light up to 1.
    light: Vec<f32>,
    /// Factor that HLG applies at each scene luminance.
    system_gain: Option<Vec<f32>>,
    matrix: Matrix,
    /// The sRGB value of each light from 0 to 1, in steps of 1 / [`TOP`].
    srgb: Vec<u8>,
}

impl ToSrgb {
    /// `None` if the pixels are sRGB, or of a kind that players show as such.
    pub(crate) fn new(primaries: u8, transfer: u8) -> Option<Self> {
        let matrix = match primaries {
            BT2020 => FROM_BT2020,
            DISPLAY_P3 => FROM_DISPLAY_P3,
            _ => IDENTITY,
        };
        if matrix == IDENTITY && !matches!(transfer, PQ | HLG) {
            return None;
        }
        let step = |i: usize| i as f32 / TOP as f32;
        let light = |value: f32| match transfer {
            PQ => pq_luminance(value) / WHITE,
            HLG => hlg_scene_light(value),
            _ => srgb_light(value),
        };
        let gain = |luminance: f32| HLG_PEAK / WHITE * luminance.powf(HLG_GAMMA - 1.0);
        Some(Self {
            light: (0..=TOP).map(|i| light(step(i))).collect(),
            system_gain: (transfer == HLG).then(|| (0..=TOP).map(|i| gain(step(i))).collect()),
            matrix,
            srgb: (0..=TOP).map(|i| (srgb_value(step(i)) * 255.0).round() as u8).collect(),
        })
    }

    /// Converts a pixel of 12 bits per sample.
    pub(crate) fn pixel(&self, samples: [u16; 3]) -> [u8; 3] {
        let mut rgb = samples.map(|sample| self.light[usize::from(sample).min(TOP)]);
        if let Some(gain) = &self.system_gain {
            let luminance = 0.2627 * rgb[0] + 0.678 * rgb[1] + 0.0593 * rgb[2];
            let gain = gain[index(luminance)];
            rgb = rgb.map(|light| light * gain);
        }
        let rgb = self.matrix.map(|row| {
            row.iter().zip(rgb).map(|(factor, light)| factor * light).sum::<f32>().max(0.0)
        });
        let brightest = rgb[0].max(rgb[1]).max(rgb[2]);
        let factor = if brightest > KNEE { tone(brightest) / brightest } else { 1.0 };
        rgb.map(|light| self.srgb[index(light * factor)])
    }

    /// Converts packed RGB of 16 bits per sample, in the byte order of the machine.
    pub(crate) fn wide_row(&self, row: &[u8], rgb: &mut Vec<u8>) {
        for pixel in row.chunks_exact(6) {
            let sample = |i: usize| u16::from_ne_bytes([pixel[i], pixel[i + 1]]) >> 4;
            rgb.extend(self.pixel([sample(0), sample(2), sample(4)]));
        }
    }

    /// Converts packed RGB of 8 bits per sample in place.
    pub(crate) fn narrow(&self, rgb: &mut [u8]) {
        let wide = |value: u8| u16::from(value) << 4 | u16::from(value) >> 4;
        for pixel in rgb.chunks_exact_mut(3) {
            let converted = self.pixel([wide(pixel[0]), wide(pixel[1]), wide(pixel[2])]);
            pixel.copy_from_slice(&converted);
        }
    }
}

/// Whether pictures of these primaries need a conversion although their transfer function is that
/// of television.
pub(crate) fn is_wide(primaries: u8) -> bool {
    primaries != BT709 && matches!(primaries, BT2020 | DISPLAY_P3)
}

fn index(light: f32) -> usize {
    ((light * TOP as f32 + 0.5) as usize).min(TOP)
}

/// The identity up to the knee, then an exponential approach to 1.
fn tone(light: f32) -> f32 {
    let room = 1.0 - KNEE;
    KNEE + room * (1.0 - (-(light - KNEE) / room).exp())
}

/// Luminance of a PQ value, in cd/m² (SMPTE ST 2084).
fn pq_luminance(value: f32) -> f32 {
    const M1: f32 = 0.159_301_76;
    const M2: f32 = 78.843_75;
    const C1: f32 = 0.835_937_5;
    const C2: f32 = 18.851_563;
    const C3: f32 = 18.687_5;
    let power = value.powf(1.0 / M2);
    10_000.0 * ((power - C1).max(0.0) / (C2 - C3 * power)).powf(1.0 / M1)
}

/// Scene light, 0 to 1, of an HLG value (BT.2100).
fn hlg_scene_light(value: f32) -> f32 {
    const A: f32 = 0.178_832_77;
    const B: f32 = 0.284_668_92;
    const C: f32 = 0.559_910_7;
    if value <= 0.5 { value * value / 3.0 } else { (((value - C) / A).exp() + B) / 12.0 }
}

fn srgb_light(value: f32) -> f32 {
    if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
}

fn srgb_value(light: f32) -> f32 {
    if light <= 0.003_130_8 { light * 12.92 } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(transfer: u8, value: f32) -> u8 {
        let sample = (value * TOP as f32).round() as u16;
        let [red, green, blue] = ToSrgb::new(BT2020, transfer).unwrap().pixel([sample; 3]);
        assert!(red.abs_diff(green) <= 1 && green.abs_diff(blue) <= 1, "{red} {green} {blue}");
        green
    }

    #[test]
    fn skin_tones_keep_their_brightness_and_highlights_stay_apart() {
        // 18 % grey of a scene is at 0.38 in both curves, an eighth of diffuse white (BT.2408).
        for transfer in [PQ, HLG] {
            let middle = grey(transfer, 0.38);
            assert!((90..=120).contains(&middle), "{transfer}: {middle}");
            assert_eq!(grey(transfer, 0.0), 0);
        }
        let (white, above) = (grey(HLG, 0.75), grey(HLG, 1.0));
        assert!(white > 220 && white < above, "{white} {above}");
    }

    #[test]
    fn wide_gamut_is_converted_and_srgb_is_not() {
        assert!(ToSrgb::new(1, 1).is_none() && ToSrgb::new(2, 2).is_none());
        let p3 = ToSrgb::new(DISPLAY_P3, 1).unwrap();
        let [red, green, blue] = p3.pixel([234 << 4, 51 << 4, 35 << 4]);
        assert!(red > 235 && green < 8 && blue < 8, "{red} {green} {blue}");
    }
}
