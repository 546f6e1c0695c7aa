//! Converts a decoded frame to upright packed sRGB: colour matrix and range, pixel aspect ratio,
//! reduction, high dynamic range and wide gamut (`hdr.rs`), orientation.

use super::plan::TrackPlace;
use crate::hdr::{self, ToSrgb};
use crate::orientation::Orientation;
use crate::track::{ColourMatrix, TrackFrame};
use ffmpeg_next::color::{Primaries, Range, Space, TransferCharacteristic};
use ffmpeg_next::format::Pixel;
use ffmpeg_next::software::scaling::{Context, Flags};
use ffmpeg_next::{ffi, frame};

/// The parameters of a scaler.
#[derive(Clone, PartialEq)]
struct Setup {
    format: Pixel,
    from: (u32, u32),
    to: (u32, u32),
    matrix: i32,
    full_range: bool,
    output: Output,
}

/// Output of a scaler.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Output {
    /// Packed RGB.
    Rgb,
    /// Packed RGB of 16 bits per sample, of these colour primaries and transfer characteristics
    /// (ITU-T H.273), which need a conversion to sRGB.
    Wide(u8, u8),
    /// Planar 4:2:0 of full range, in the frame's own matrix.
    Planar,
}

/// The native one. `Pixel::RGB48` is a separate value, which no frame has.
#[cfg(target_endian = "little")]
const RGB48: Pixel = Pixel::RGB48LE;
#[cfg(target_endian = "big")]
const RGB48: Pixel = Pixel::RGB48BE;

type Scaler = (Setup, Context, frame::Video);

/// Converts the frames of one track; creates a new scaler only when the frames change.
#[derive(Default)]
pub(crate) struct Converter {
    rgb: Option<Scaler>,
    planar: Option<Scaler>,
    to_srgb: Option<((u8, u8), ToSrgb)>,
}

impl Converter {
    /// Width and height of the frame with square pixels, before orientation.
    pub(super) fn display_size(&self, frame: &frame::Video) -> (u32, u32) {
        let (width, height) = (frame.width(), frame.height());
        let shape = frame.aspect_ratio();
        let ratio = f64::from(shape.numerator()) / f64::from(shape.denominator());
        if !(0.25..=4.0).contains(&ratio) || ratio == 1.0 {
            return (width, height);
        }
        (((f64::from(width) * ratio).round() as u32).max(1), height)
    }

    /// The upright frame, scaled to size `to` (before orientation). `None` if FFmpeg cannot convert
    /// it.
    pub(crate) fn upright(
        &mut self,
        frame: &frame::Video,
        to: (u32, u32),
        orientation: Orientation,
    ) -> Option<Vec<u8>> {
        let (width, height) = (to.0 as usize, to.1 as usize);
        // FFmpeg allocates its pictures with padded rows, because its vector code may write past
        // the end of a row.
        let Some(kind) = wide(frame) else {
            let rgb = scaled(&mut self.rgb, frame, to, Output::Rgb)?;
            return Some(orientation.apply::<3>(rgb.data(0), rgb.stride(0), width, height));
        };
        let rgb = srgb_of_wide(&mut self.to_srgb, &mut self.rgb, frame, to, kind)?;
        Some(orientation.apply::<3>(&rgb, width * 3, width, height))
    }

    /// The upright frame of a track, scaled to size `to` (before orientation),
    /// whose sides are even. `None` if FFmpeg cannot convert it.
    pub(super) fn reduced(
        &mut self,
        frame: &frame::Video,
        to: (u32, u32),
        orientation: Orientation,
        place: TrackPlace,
    ) -> Option<TrackFrame> {
        let (width, height) = (to.0 as usize, to.1 as usize);
        let (upright_width, upright_height) = orientation.turned(to);
        // Converted as the frames that are judged, so that both show the same colours.
        if let Some(kind) = wide(frame) {
            let rgb = srgb_of_wide(&mut self.to_srgb, &mut self.planar, frame, to, kind)?;
            let rgb = orientation.apply::<3>(&rgb, width * 3, width, height);
            let size = (upright_width, upright_height);
            return Some(TrackFrame::of_rgb(&rgb, size, place.frame.pts_us, place.slow));
        }
        let planes = scaled(&mut self.planar, frame, to, Output::Planar)?;
        let plane = |at: usize, width: usize, height: usize| {
            orientation.apply::<1>(planes.data(at), planes.stride(at), width, height)
        };
        let (red, blue) = weights(matrix(frame));
        Some(TrackFrame {
            width: upright_width,
            height: upright_height,
            pts_us: place.frame.pts_us,
            slow: place.slow,
            luma: plane(0, width, height),
            chroma: [plane(1, width / 2, height / 2), plane(2, width / 2, height / 2)],
            matrix: ColourMatrix::of_weights(red, blue),
        })
    }
}

/// The frame of high dynamic range or wide gamut, scaled to size `to` and converted to packed sRGB.
fn srgb_of_wide(
    ready: &mut Option<((u8, u8), ToSrgb)>,
    scaler: &mut Option<Scaler>,
    frame: &frame::Video,
    to: (u32, u32),
    kind: (u8, u8),
) -> Option<Vec<u8>> {
    if ready.as_ref().is_none_or(|(ready, _)| *ready != kind) {
        *ready = Some((kind, ToSrgb::new(kind.0, kind.1)?));
    }
    let (_, to_srgb) = ready.as_ref()?;
    let samples = scaled(scaler, frame, to, Output::Wide(kind.0, kind.1))?;
    let (width, height) = (to.0 as usize, to.1 as usize);
    let mut rgb = Vec::with_capacity(width * height * 3);
    for row in samples.data(0).chunks(samples.stride(0)).take(height) {
        to_srgb.wide_row(row.get(..width * 6)?, &mut rgb);
    }
    Some(rgb)
}

/// The frame scaled to size `to`; creates a new scaler only when the frames change.
fn scaled<'s>(
    ready: &'s mut Option<Scaler>,
    frame: &frame::Video,
    to: (u32, u32),
    output: Output,
) -> Option<&'s frame::Video> {
    let setup = Setup {
        format: frame.format(),
        from: (frame.width(), frame.height()),
        to,
        matrix: matrix(frame),
        full_range: frame.color_range() == Range::JPEG,
        output,
    };
    if ready.as_ref().is_none_or(|(ready, ..)| *ready != setup) {
        let scaler = scaler(&setup)?;
        *ready = Some((setup, scaler, frame::Video::empty()));
    }
    let (_, scaler, out) = ready.as_mut()?;
    scaler.run(frame, out).ok()?;
    Some(out)
}

/// The declared primaries and transfer characteristics, if they are not those that sRGB shows.
fn wide(frame: &frame::Video) -> Option<(u8, u8)> {
    let transfer = match frame.color_transfer_characteristic() {
        TransferCharacteristic::SMPTE2084 => hdr::PQ,
        TransferCharacteristic::ARIB_STD_B67 => hdr::HLG,
        _ => 1,
    };
    let primaries = match frame.color_primaries() {
        Primaries::BT2020 => 9,
        Primaries::SMPTE432 => 12,
        // High dynamic range without primaries is that of BT.2100.
        Primaries::Unspecified if transfer != 1 => 9,
        _ => 1,
    };
    (transfer != 1 || hdr::is_wide(primaries)).then_some((primaries, transfer))
}

fn scaler(setup: &Setup) -> Option<Context> {
    let Setup { format, from, to, .. } = *setup;
    let flags = Flags::BILINEAR;
    let pixel = match setup.output {
        Output::Rgb => Pixel::RGB24,
        Output::Wide(..) => RGB48,
        Output::Planar => Pixel::YUV420P,
    };
    let mut scaler = Context::get(format, from.0, from.1, pixel, to.0, to.1, flags).ok()?;
    // SAFETY: the context was just created; the tables belong to FFmpeg and are constant. The call
    // fails only for formats that have no matrix, which need none.
    unsafe {
        let table = ffi::sws_getCoefficients(setup.matrix);
        let unit = 1 << 16;
        ffi::sws_setColorspaceDetails(
            scaler.as_mut_ptr(),
            table,
            i32::from(setup.full_range),
            table,
            1,
            0,
            unit,
            unit,
        );
    }
    Some(scaler)
}

/// The weights of red and blue in luma of a matrix.
fn weights(matrix: i32) -> (f64, f64) {
    match matrix {
        ffi::SWS_CS_ITU709 => (0.2126, 0.0722),
        ffi::SWS_CS_FCC => (0.30, 0.11),
        ffi::SWS_CS_SMPTE240M => (0.212, 0.087),
        ffi::SWS_CS_BT2020 => (0.2627, 0.0593),
        _ => (0.299, 0.114),
    }
}

/// The frame's colour matrix. If it is not declared, that of HD from 720 lines on and that of SD
/// below, as players assume.
fn matrix(frame: &frame::Video) -> i32 {
    match frame.color_space() {
        Space::BT709 => ffi::SWS_CS_ITU709,
        Space::BT470BG | Space::SMPTE170M => ffi::SWS_CS_ITU601,
        Space::FCC => ffi::SWS_CS_FCC,
        Space::SMPTE240M => ffi::SWS_CS_SMPTE240M,
        Space::BT2020NCL | Space::BT2020CL => ffi::SWS_CS_BT2020,
        _ if frame.width().min(frame.height()) >= 720 => ffi::SWS_CS_ITU709,
        _ => ffi::SWS_CS_ITU601,
    }
}
