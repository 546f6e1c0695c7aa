//! Baseline JPEGs of the 50–200 MP modes of phones: decoded by FFmpeg at half their size, which
//! takes a quarter of the memory and much less time. Smaller JPEGs are decoded in full by
//! `photo.rs`.

use crate::limits::Limits;
use crate::orientation::Orientation;
use crate::refusal::Refusal;
use crate::video::Converter;
use ffmpeg_next::codec::{self, decoder};
use ffmpeg_next::{Packet, ffi, frame, log};

const STEP: &str = "decoding the pixels";
const DAMAGED: Refusal = Refusal::Unreadable { format: "JPEG", step: STEP };

/// Decodes a JPEG at half its size and scales it to `to`; packed RGB.
pub(crate) fn decode_reduced(
    bytes: &[u8],
    to: (u32, u32),
    limits: &Limits,
) -> Result<Vec<u8>, Refusal> {
    log::set_level(log::Level::Quiet);
    let codec = decoder::find_by_name("mjpeg").ok_or(DAMAGED)?;
    let mut context = codec::Context::new();
    // SAFETY: we own the context and have not opened it yet; these fields are set by the user
    // (avcodec.h).
    unsafe {
        let context = context.as_mut_ptr();
        (*context).thread_count = 1;
        (*context).lowres = 1;
        (*context).max_pixels = i64::try_from(limits.max_reduced_pixels).unwrap_or(i64::MAX);
        (*context).err_recognition = ffi::AV_EF_EXPLODE;
    }
    let opened = context.decoder().open_as(codec).and_then(decoder::Opened::video);
    let mut decoder = opened.map_err(|_| DAMAGED)?;
    decoder.send_packet(&Packet::copy(bytes)).map_err(|_| DAMAGED)?;
    let mut frame = frame::Video::empty();
    if decoder.receive_frame(&mut frame).is_err() {
        decoder.send_eof().map_err(|_| DAMAGED)?;
        decoder.receive_frame(&mut frame).map_err(|_| DAMAGED)?;
    }
    if frame.is_corrupt() || frame.has_decode_errors() {
        return Err(DAMAGED);
    }
    Converter::default().upright(&frame, to, Orientation::UPRIGHT).ok_or(DAMAGED)
}
