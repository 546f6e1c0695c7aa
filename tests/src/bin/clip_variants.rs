//! Makes clips for `vultus eval liveness` from labelled recordings: pieces of five seconds,
//! versions of them by codec, bitrate, noise, brightness and scale, shot sets of them, and attacks
//! made by a program: frozen pictures, loops, and stills that are moved.
//!
//! `clip_variants LIST.csv ROOT PICTURES FOLDER` reads recordings (columns `image`, `label` and
//! `from`, the second at which they begin) and the pictures in a folder, and writes the clips with
//! the lists `pieces.csv`, `versions.csv` and `attacks.csv`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use image::codecs::jpeg::JpegEncoder;
use vultus_tests::shot_set;

type Failure = Box<dyn std::error::Error>;

const SECONDS: f64 = 5.0;
/// Attacks of each kind.
const PER_KIND: usize = 12;

/// An encoder: name, options, extension.
type Encoder = (&'static str, &'static [&'static str], &'static str);

const X264: &[&str] = &["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p"];
/// On one thread: its pool spins on a busy machine.
const X265: &[&str] = &[
    "-c:v",
    "libx265",
    "-preset",
    "ultrafast",
    "-pix_fmt",
    "yuv420p",
    "-x265-params",
    "log-level=error:pools=none",
];
const VP8: &[&str] = &["-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "6"];
const VP9: &[&str] = &["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "7"];
const AV1: &[&str] = &["-c:v", "libsvtav1", "-preset", "10"];
const ENCODERS: [Encoder; 5] = [
    ("h264", X264, "mp4"),
    ("hevc", X265, "mp4"),
    ("vp8", VP8, "webm"),
    ("vp9", VP9, "webm"),
    ("av1", AV1, "mp4"),
];
/// Qualities of the JPEG pictures of shot sets, of which a second has five.
const JPEG_QUALITIES: [u8; 2] = [60, 85];
const BITRATES: [&str; 3] = ["400k", "1M", "2500k"];
const SHOTS_PER_SECOND: &str = "fps=5";
/// Changes of the picture before H.264 at 1 Mbit/s.
const CHANGES: [(&str, &str); 6] = [
    ("noise 4", "noise=alls=4:allf=t"),
    ("noise 8", "noise=alls=8:allf=t"),
    ("brighter", "eq=brightness=0.1"),
    ("darker", "eq=brightness=-0.12"),
    ("0.6 of the size", "scale=trunc(iw*0.3)*2:trunc(ih*0.3)*2"),
    ("1.5 of the size", "scale=trunc(iw*0.75)*2:trunc(ih*0.75)*2"),
];

/// Numbers from 0 to 1 that are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.roll()
    }

    fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[((self.roll() * all.len() as f64) as usize).min(all.len() - 1)]
    }
}

struct Recording {
    file: PathBuf,
    label: String,
    from: f64,
}

/// A piece of a recording.
struct Piece {
    file: String,
    name: String,
    label: String,
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [list, root, pictures, folder] = arguments.as_slice() else {
        return Err("clip_variants LIST.csv ROOT PICTURES FOLDER".into());
    };
    let folder = Path::new(folder);
    std::fs::create_dir_all(folder)?;
    let mut pieces = Vec::new();
    for recording in recordings(Path::new(list), Path::new(root))? {
        pieces.extend(cut(&recording, folder)?);
    }
    let mut text = "image,label,source,recording\n".to_owned();
    for piece in &pieces {
        writeln!(text, "{},{},original,{}", piece.file, piece.label, piece.name)?;
    }
    std::fs::write(folder.join("pieces.csv"), &text)?;
    for piece in &pieces {
        versions(piece, folder, &mut text)?;
    }
    std::fs::write(folder.join("versions.csv"), text)?;
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(pictures)?.flatten().map(|entry| entry.path()).collect();
    files.retain(|file| file.is_file());
    files.sort();
    let live: Vec<&Piece> = pieces.iter().filter(|piece| piece.label == "live").collect();
    std::fs::write(folder.join("attacks.csv"), attacks(&files, &live, folder)?)?;
    Ok(())
}

fn recordings(list: &Path, root: &Path) -> Result<Vec<Recording>, Failure> {
    let mut recordings = Vec::new();
    for line in std::fs::read_to_string(list)?.lines().skip(1) {
        let [file, label, from] = line.split(',').collect::<Vec<_>>()[..] else {
            return Err(format!("{line}: not image,label,from").into());
        };
        let (file, label) = (root.join(file), label.to_owned());
        recordings.push(Recording { file, label, from: from.parse()? });
    }
    Ok(recordings)
}

fn ffmpeg(arguments: &[&str], target: &Path) -> Result<(), Failure> {
    let status = Command::new("ffmpeg")
        .args(["-nostdin", "-y", "-loglevel", "error"])
        .args(arguments)
        .arg("-an")
        .arg(target)
        .status()?;
    if status.success() { Ok(()) } else { Err(format!("{arguments:?}: {status}").into()) }
}

fn seconds_of(file: &Path) -> Result<f64, Failure> {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0"])
        .arg(file)
        .output()?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().parse()?)
}

/// Whole pieces of a recording, almost without loss.
fn cut(recording: &Recording, folder: &Path) -> Result<Vec<Piece>, Failure> {
    let stem = recording.file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let last = seconds_of(&recording.file)?;
    let mut pieces = Vec::new();
    let mut from = recording.from;
    // The last piece may lack a tenth of its length.
    while from + 0.9 * SECONDS <= last {
        let name = format!("{stem}-{}", pieces.len());
        let file = format!("{name}.mp4");
        let input = recording.file.to_string_lossy();
        let (start, length) = (from.to_string(), SECONDS.to_string());
        let options = ["-ss", &start, "-t", &length, "-i", &input];
        ffmpeg(&[&options[..], X264, &["-crf", "12"]].concat(), &folder.join(&file))?;
        pieces.push(Piece { file, name, label: recording.label.clone() });
        from += SECONDS;
    }
    Ok(pieces)
}

fn versions(piece: &Piece, folder: &Path, list: &mut String) -> Result<(), Failure> {
    let input = folder.join(&piece.file);
    let input = input.to_string_lossy();
    let mut make = |source: &str, options: &[&str], extension: &str| -> Result<(), Failure> {
        let file = format!("{}-{}.{extension}", piece.name, source.replace(' ', "-"));
        ffmpeg(&[&["-i", &input][..], options].concat(), &folder.join(&file))?;
        writeln!(list, "{file},{},{source},{}", piece.label, piece.name)?;
        Ok(())
    };
    for (name, options, extension) in ENCODERS {
        for bitrate in BITRATES {
            make(&format!("{name} {bitrate}"), &[options, &["-b:v", bitrate]].concat(), extension)?;
        }
    }
    for (name, filter) in CHANGES {
        make(name, &[&["-vf", filter][..], X264, &["-b:v", "1M"]].concat(), "mp4")?;
    }
    for quality in JPEG_QUALITIES {
        let file = format!("{}-shots-{quality}.zip", piece.name);
        std::fs::write(folder.join(&file), shots(&input, quality, folder)?)?;
        writeln!(list, "{file},{},shot set {quality},{}", piece.label, piece.name)?;
    }
    Ok(())
}

/// A shot set of a clip.
fn shots(clip: &str, quality: u8, folder: &Path) -> Result<Vec<u8>, Failure> {
    let pattern = folder.join("shot-%03d.png");
    ffmpeg(&["-i", clip, "-vf", SHOTS_PER_SECOND], &pattern)?;
    let mut pictures = Vec::new();
    loop {
        let file = folder.join(format!("shot-{:03}.png", pictures.len() + 1));
        if !file.exists() {
            return Ok(shot_set(&pictures));
        }
        let mut jpeg = Vec::new();
        JpegEncoder::new_with_quality(&mut jpeg, quality)
            .encode_image(&image::open(&file)?.to_rgb8())?;
        pictures.push(jpeg);
        std::fs::remove_file(file)?;
    }
}

/// Attacks by a program: their list.
fn attacks(pictures: &[PathBuf], live: &[&Piece], folder: &Path) -> Result<String, Failure> {
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    let mut list = "image,label,source\n".to_owned();
    let kinds = ["frozen", "noise", "flicker", "shake", "shaken-noise", "zoom", "roll", "tilt"];
    for kind in kinds {
        for number in 0..PER_KIND {
            let picture = dice.pick(pictures).to_string_lossy().into_owned();
            let filter = still_filter(kind, &mut dice);
            let (encoder, options, extension) = *dice.pick(&ENCODERS);
            let file = format!("{kind}-{number}-{encoder}.{extension}");
            let rate =
                ["-loop", "1", "-framerate", "30", "-t", "5", "-i", &picture, "-vf", &filter];
            let bitrate = *dice.pick(&["600k", "1200k", "2500k"]);
            ffmpeg(&[&rate[..], options, &["-b:v", bitrate]].concat(), &folder.join(&file))?;
            writeln!(list, "{file},{kind},{encoder}")?;
        }
    }
    for number in 0..2 * PER_KIND {
        let piece = live[number % live.len()];
        let input = folder.join(&piece.file).to_string_lossy().into_owned();
        let (kind, filter) = loop_filter(number, &mut dice);
        let (encoder, options, extension) = *dice.pick(&ENCODERS);
        let file = format!("{kind}-{number}-{encoder}.{extension}");
        let graph = ["-i", &input, "-filter_complex", &filter, "-t", "6"];
        ffmpeg(&[&graph[..], options, &["-b:v", "1500k"]].concat(), &folder.join(&file))?;
        writeln!(list, "{file},{kind},{encoder}")?;
    }
    Ok(list)
}

/// Moves a still picture, 600 x 600, as an ffmpeg filter.
fn still_filter(kind: &str, dice: &mut Dice) -> String {
    let cover = "scale=700:700:force_original_aspect_ratio=increase,setsar=1";
    let middle = "crop=600:600";
    let (a, b) = (dice.between(6.0, 28.0), dice.between(6.0, 28.0));
    let (p, q) = (dice.between(0.7, 3.5), dice.between(0.7, 3.5));
    let noise = dice.between(3.0, 11.0) as u32;
    let shaken = format!(
        "crop=600:600:x='(iw-600)/2+{a:.1}*sin({p:.2}*t)':y='(ih-600)/2+{b:.1}*cos({q:.2}*t)'"
    );
    match kind {
        "frozen" => format!("{cover},{middle}"),
        "noise" => format!("{cover},{middle},noise=alls={noise}:allf=t"),
        "flicker" => {
            format!("{cover},{middle},eq=brightness='0.04*sin({:.2}*t)':eval=frame", 3.0 * p)
        }
        "shake" => format!("{cover},{shaken}"),
        "shaken-noise" => format!("{cover},{shaken},noise=alls={noise}:allf=t"),
        "zoom" => format!(
            "{cover},{middle},zoompan=z='1.12+0.1*sin({p:.2}*on/30)':d=1:\
             x='iw/2-(iw/zoom/2)':y='ih/2-(ih/zoom/2)':s=600x600:fps=30"
        ),
        "roll" => {
            format!("{cover},rotate='{:.3}*sin({q:.2}*t)':ow=600:oh=600", dice.between(0.03, 0.12))
        }
        _ => format!(
            "{cover},crop=640:640,perspective=x0='{a:.1}*sin({p:.2}*on/30)+30':y0=20:\
             x1='W-20-{b:.1}*sin({q:.2}*on/30)':y1=20:x2=20:y2='H-20':\
             x3='W-20':y3='H-20-{a:.1}*sin({q:.2}*on/30)':eval=frame"
        ),
    }
}

/// Repeats a part of a clip, forwards or there and back.
fn loop_filter(number: usize, dice: &mut Dice) -> (&'static str, String) {
    let length = dice.between(0.9, 2.3);
    let from = dice.between(0.0, SECONDS - 0.5 - length);
    let part = format!("[0:v]trim={from:.2}:{:.2},setpts=PTS-STARTPTS", from + length);
    if number.is_multiple_of(2) {
        return ("loop", format!("{part},loop=loop=-1:size=32767,trim=0:6"));
    }
    let back = "split[a][b];[b]reverse[c];[a][c]concat=n=2:v=1,loop=loop=-1:size=32767,trim=0:6";
    ("there-and-back", format!("{part},{back}"))
}
