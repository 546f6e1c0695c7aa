//! Opens a container and reads the packets of its one video track. The content determines the
//! demuxer; FFmpeg does not probe, opens nothing else, and decodes nothing here.

use crate::limits::Limits;
use crate::orientation::Orientation;
use crate::refusal::Refusal;
use crate::sniff::Container;
use crate::source::Source;
use ffmpeg_next::codec::{self, packet};
use ffmpeg_next::format::context::{Input, StreamIo};
use ffmpeg_next::format::stream::{Disposition, Stream};
use ffmpeg_next::{Dictionary, Error, Packet, ffi, log, media};
use std::ffi::CStr;
use std::io::{Read, Seek};
use std::ptr;

/// Size of the read buffer, in bytes.
const BUFFER_BYTES: usize = 64 << 10;
/// Maximum size of a single allocation by FFmpeg, in bytes. Bounds sample tables and frames whose
/// sizes are false.
const LARGEST_BLOCK: usize = 128 << 20;
/// Demuxers that FFmpeg may open.
const FORMATS: &str = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm";
/// Maximum number of tracks of a container; phones write up to six.
const MOST_TRACKS: &str = "32";

/// Allowed decoders, by codec.
const CODECS: [(ffi::AVCodecID, &str); 6] = [
    (ffi::AVCodecID::AV_CODEC_ID_H264, "h264"),
    (ffi::AVCodecID::AV_CODEC_ID_HEVC, "hevc"),
    (ffi::AVCodecID::AV_CODEC_ID_VP8, "vp8"),
    (ffi::AVCodecID::AV_CODEC_ID_VP9, "vp9"),
    (ffi::AVCodecID::AV_CODEC_ID_AV1, "libdav1d"),
    (ffi::AVCodecID::AV_CODEC_ID_MPEG4, "mpeg4"),
];

/// The video track of an open container.
pub(super) struct Track {
    input: Input,
    stream: usize,
    container: Container,
    length: u64,
    /// Name of the decoder that the track needs.
    pub(super) decoder: &'static str,
}

/// Opens the container and selects the picture track that players show.
pub(super) fn open<S>(source: Source<S>, container: Container) -> Result<Track, Refusal>
where
    S: Read + Seek + Send + 'static,
{
    log::set_level(log::Level::Quiet);
    let length = source.length();
    let damaged = Refusal::Unreadable { format: container.name(), step: "opening the container" };
    let io = StreamIo::from_read_seek_with_capacity(source, BUFFER_BYTES)
        .map_err(|_| damaged.clone())?;
    let mut input = demuxer(io, container).ok_or(damaged)?;
    let (stream, decoder) = choose_track(&input, container)?;
    for other in (0..input.nb_streams() as usize).filter(|&other| other != stream) {
        if let Some(mut other) = input.stream_mut(other) {
            // SAFETY: the pointer is of a stream of the open input; `discard` is set by the user
            // (avformat.h).
            unsafe { (*other.as_mut_ptr()).discard = ffi::AVDiscard::AVDISCARD_ALL };
        }
    }
    Ok(Track { input, stream, container, length, decoder })
}

/// Opens the demuxer on our own stream, without `avformat_find_stream_info`, which would decode.
fn demuxer(mut io: StreamIo, container: Container) -> Option<Input> {
    let name: &CStr = match container {
        Container::Mp4 | Container::QuickTime => c"mov",
        Container::WebM | Container::Matroska => c"matroska",
    };
    let mut options = Dictionary::new();
    options.set("format_whitelist", FORMATS);
    options.set("protocol_whitelist", "none");
    options.set("codec_whitelist", &CODECS.map(|(_, decoder)| decoder).join(","));
    options.set("max_streams", MOST_TRACKS);
    // SAFETY: the context is freshly allocated and checked; `io` outlives it, because both are
    // handed over together. `avformat_open_input` frees the context when it fails, and leaves `pb`
    // alone because of the flag. `disown` releases the dictionary; `own` takes it back with the
    // options that FFmpeg left in it.
    unsafe {
        ffi::av_max_alloc(LARGEST_BLOCK);
        let format = ffi::av_find_input_format(name.as_ptr());
        let mut context = ffi::avformat_alloc_context();
        if format.is_null() || context.is_null() {
            ffi::avformat_free_context(context);
            return None;
        }
        (*context).pb = io.as_mut_ptr();
        (*context).flags |= ffi::AVFMT_FLAG_CUSTOM_IO;
        let mut raw_options = options.disown();
        let opened =
            ffi::avformat_open_input(&raw mut context, ptr::null(), format, &raw mut raw_options);
        drop(Dictionary::own(raw_options));
        (opened >= 0).then(|| Input::wrap_with_custom_io(context, io))
    }
}

/// The picture track that players show. Cover pictures are not tracks that play.
fn choose_track(input: &Input, container: Container) -> Result<(usize, &'static str), Refusal> {
    let is_picture = |stream: &Stream<'_>| {
        let cover = stream.disposition().contains(Disposition::ATTACHED_PIC);
        stream.parameters().medium() == media::Type::Video && !cover
    };
    let mut tracks: Vec<Stream<'_>> = input.streams().filter(is_picture).collect();
    let actual = tracks.len() as u32;
    // Players of MP4 show the enabled track. Of several tracks in Matroska, players show different
    // ones.
    if actual > 1 && matches!(container, Container::Mp4 | Container::QuickTime) {
        tracks.retain(|stream| stream.disposition().contains(Disposition::DEFAULT));
    }
    let stream = match &tracks[..] {
        [stream] => stream,
        [] if actual == 0 => return Err(Refusal::NoVideoStream),
        _ => return Err(Refusal::SeveralPictureTracks { actual }),
    };
    // SAFETY: the parameters belong to a stream of the open input.
    let id = unsafe { (*stream.parameters().as_ptr()).codec_id };
    match CODECS.iter().find(|(known, _)| *known == id) {
        Some((_, decoder)) => Ok((stream.index(), decoder)),
        None => {
            // SAFETY: `avcodec_get_name` always returns a string that lives as long as the program.
            let name = unsafe { CStr::from_ptr(ffi::avcodec_get_name(id)) };
            Err(Refusal::UnsupportedCodec { codec: name.to_string_lossy().into_owned() })
        }
    }
}

impl Track {
    pub(super) fn codec(&self) -> ffi::AVCodecID {
        let by_decoder = CODECS.iter().find(|(_, decoder)| *decoder == self.decoder);
        by_decoder.map_or(ffi::AVCodecID::AV_CODEC_ID_NONE, |(codec, _)| *codec)
    }

    /// Name of the container format.
    pub(super) fn format(&self) -> &'static str {
        self.container.name()
    }

    /// The codec's parameters.
    pub(super) fn parameters(&self) -> Result<codec::Parameters, Refusal> {
        let stream = self.input.stream(self.stream).ok_or(Refusal::NoVideoStream)?;
        Ok(stream.parameters())
    }

    /// The frame size that the container declares, in pixels; 0 × 0 if it declares none.
    fn header_size(&self) -> (u32, u32) {
        self.parameters().map_or((0, 0), |parameters| {
            // SAFETY: the parameters belong to a stream of the open input.
            let (width, height) =
                unsafe { ((*parameters.as_ptr()).width, (*parameters.as_ptr()).height) };
            (u32::try_from(width).unwrap_or(u32::MAX), u32::try_from(height).unwrap_or(u32::MAX))
        })
    }

    /// Number of pixels of a frame, by the container's header.
    pub(super) fn pixels(&self) -> u64 {
        let (width, height) = self.header_size();
        u64::from(width) * u64::from(height)
    }

    /// Rejects a frame size over the limit, from the header.
    pub(super) fn check_size(&self, limits: &Limits) -> Result<(), Refusal> {
        check_side(self.header_size(), limits)
    }

    /// The display matrix, as an orientation.
    pub(super) fn orientation(&self) -> Orientation {
        let Some(stream) = self.input.stream(self.stream) else {
            return Orientation::UPRIGHT;
        };
        let matrix =
            stream.side_data().find(|data| data.kind() == packet::side_data::Type::DisplayMatrix);
        let Some(matrix) = matrix else {
            return Orientation::UPRIGHT;
        };
        let values: Vec<i32> = matrix
            .data()
            .chunks_exact(4)
            .map(|value| i32::from_ne_bytes([value[0], value[1], value[2], value[3]]))
            .collect();
        match values[..] {
            [a, b, _, c, d, ..] => Orientation::from_matrix([a, b, c, d]),
            _ => Orientation::UPRIGHT,
        }
    }

    /// Converts a time of the track to microseconds.
    pub(super) fn microseconds(&self, time: i64) -> i64 {
        let base = self.input.stream(self.stream).map(|stream| stream.time_base());
        let (num, den) = base
            .map_or((1, 1), |base| (i128::from(base.numerator()), i128::from(base.denominator())));
        let value = i128::from(time) * num * 1_000_000 / den.max(1);
        i64::try_from(value).unwrap_or(if value < 0 { i64::MIN / 4 } else { i64::MAX / 4 })
    }

    /// The duration that the container states, in microseconds.
    pub(super) fn stated_duration_us(&self) -> Option<i64> {
        let stated = self.input.duration();
        (stated > 0).then_some(stated)
    }

    /// The pictures per second that the container states.
    pub(super) fn stated_rate(&self) -> Option<f64> {
        let rate = self.input.stream(self.stream)?.avg_frame_rate();
        let (num, den) = (f64::from(rate.numerator()), f64::from(rate.denominator()));
        (num > 0.0 && den > 0.0).then(|| num / den)
    }

    /// The values of all metadata of the container and its tracks.
    pub(super) fn metadata(&self) -> Vec<String> {
        // SAFETY: the dictionaries belong to the open input and its streams.
        unsafe {
            let mut values = values((*self.input.as_ptr()).metadata);
            for stream in self.input.streams() {
                values.extend(self::values((*stream.as_ptr()).metadata));
            }
            values
        }
    }

    /// The next packet of the track; `None` at the end.
    pub(super) fn next_packet(&mut self) -> Result<Option<Packet>, Refusal> {
        let mut packet = Packet::empty();
        loop {
            match packet.read(&mut self.input) {
                Ok(()) if packet.stream() == self.stream && packet.size() > 0 => {
                    return Ok(Some(packet));
                }
                Ok(()) => {}
                Err(Error::Eof) => return Ok(None),
                Err(_) => {
                    return Err(Refusal::Unreadable {
                        format: self.format(),
                        step: "reading the packets",
                    });
                }
            }
        }
    }

    /// Whether the container marks the packet as decoded but not shown (edit lists).
    pub(super) fn is_hidden(&self, packet: &Packet) -> bool {
        // SAFETY: the packet was read from the input and is alive.
        unsafe { (*packet::Ref::as_ptr(packet)).flags & ffi::AV_PKT_FLAG_DISCARD != 0 }
    }

    /// Rejects an MP4 in which the sample table of any track points past the end of the file.
    pub(super) fn check_tables(&self) -> Result<(), Refusal> {
        if !matches!(self.container, Container::Mp4 | Container::QuickTime) {
            return Ok(());
        }
        for stream in self.input.streams() {
            // SAFETY: the stream belongs to the open input, which FFmpeg takes as mutable only by
            // convention; entries are checked for null and read at once.
            let end = unsafe {
                let stream = stream.as_ptr().cast_mut();
                (0..ffi::avformat_index_get_entries_count(stream))
                    .map(|i| ffi::avformat_index_get_entry(stream, i))
                    .filter(|entry| !entry.is_null())
                    .map(|entry| (*entry).pos.saturating_add(i64::from((*entry).size())))
                    .max()
            };
            if end.is_some_and(|end| u64::try_from(end).is_ok_and(|end| end > self.length)) {
                return Err(Refusal::Truncated { format: self.format() });
            }
        }
        Ok(())
    }
}

/// Rejects a frame size over the limit.
pub(super) fn check_side((width, height): (u32, u32), limits: &Limits) -> Result<(), Refusal> {
    let actual = width.max(height);
    if actual > limits.max_video_side {
        return Err(Refusal::VideoSideTooLong { actual, limit: limits.max_video_side });
    }
    Ok(())
}

/// The values of a dictionary.
///
/// # Safety
/// `dictionary` must be null, or valid and not change during the call.
unsafe fn values(dictionary: *mut ffi::AVDictionary) -> Vec<String> {
    let (mut values, mut entry) = (Vec::new(), ptr::null_mut());
    loop {
        // SAFETY: guaranteed by the caller; each entry is that of the call before, and its value is
        // a terminated string.
        unsafe {
            entry = ffi::av_dict_get(dictionary, c"".as_ptr(), entry, ffi::AV_DICT_IGNORE_SUFFIX);
            if entry.is_null() {
                return values;
            }
            values.push(CStr::from_ptr((*entry).value).to_string_lossy().into_owned());
        }
    }
}
