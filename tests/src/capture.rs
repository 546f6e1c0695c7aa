//! Simulates photos of suspicious documents: a document shown on a screen, and a document that
//! reflects a lamp.

use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};

/// Size of the photo of a screen, in pixels.
const PHOTO: [u32; 2] = [1280, 960];
/// Maximum share of the photo's width and height that the document covers.
const TAKEN: f32 = 0.8;
/// Samples per pixel and direction, and their distance in pixels. They blur the photo like a lens.
const SAMPLES: i32 = 5;
const SPREAD: f32 = 0.4;
/// Share of a screen pixel that emits light, in each direction.
const SHINING: f32 = 0.8;
/// Perspective: how much narrower the screen becomes from left to right, per pixel.
const ASIDE: f32 = 4e-5;
const GAMMA: f32 = 2.2;
/// Light in the centre of a reflected lamp. White paper has 1.
const LAMP: f32 = 4.0;
/// Radius within which the lamp burns out grey paper, in units of its width. Light falls as
/// exp(-r²).
const BURNT_OUT: f32 = 1.44;

/// Photo of a screen that shows `document`. `pitch` is the number of camera pixels per screen
/// pixel, `degrees` the rotation of the screen. Screen pixels are red, green and blue stripes,
/// camera pixels form a Bayer mosaic, so the photo shows realistic moiré.
pub fn on_screen(document: &RgbImage, pitch: f32, degrees: f32) -> RgbImage {
    let screen = Screen::new(document, pitch, degrees);
    let mut noise = Noise::seeded();
    let mut mosaic = vec![0.0f32; (PHOTO[0] * PHOTO[1]) as usize];
    for (at, level) in mosaic.iter_mut().enumerate() {
        let (x, y) = (at as u32 % PHOTO[0], at as u32 / PHOTO[0]);
        let light = screen.light(x, y, colour(x, y)) * screen.exposure;
        *level = light + noise.draw() * 0.012 * light.max(0.02).sqrt();
    }
    RgbImage::from_fn(PHOTO[0], PHOTO[1], |x, y| {
        let level =
            |wanted: usize| mean_nearby(&mosaic, x, y, wanted).clamp(0.0, 1.0).powf(1.0 / GAMMA);
        Rgb([0, 1, 2].map(|wanted| (level(wanted) * 255.0) as u8))
    })
}

/// Colour channel of a pixel of the camera's Bayer mosaic.
fn colour(x: u32, y: u32) -> usize {
    match (x % 2, y % 2) {
        (0, 0) => 0,
        (1, 1) => 2,
        _ => 1,
    }
}

fn mean_nearby(mosaic: &[f32], x: u32, y: u32, wanted: usize) -> f32 {
    let (mut sum, mut count) = (0.0, 0.0);
    if colour(x, y) == wanted {
        return mosaic[(y * PHOTO[0] + x) as usize];
    }
    for near_y in y.saturating_sub(1)..(y + 2).min(PHOTO[1]) {
        for near_x in x.saturating_sub(1)..(x + 2).min(PHOTO[0]) {
            if colour(near_x, near_y) == wanted {
                sum += mosaic[(near_y * PHOTO[0] + near_x) as usize];
                count += 1.0;
            }
        }
    }
    sum / count
}

struct Screen {
    /// Linear light of each screen pixel.
    shown: Vec<[f32; 3]>,
    size: [u32; 2],
    pitch: f32,
    sin_cos: (f32, f32),
    exposure: f32,
    /// Offsets and weights of the samples.
    lens: Vec<(f32, f32, f32)>,
}

impl Screen {
    fn new(document: &RgbImage, pitch: f32, degrees: f32) -> Self {
        let fits = (PHOTO[0] as f32 / document.width() as f32)
            .min(PHOTO[1] as f32 / document.height() as f32);
        let size = [document.width(), document.height()]
            .map(|side| (side as f32 * fits * TAKEN / pitch) as u32);
        let picture = imageops::resize(document, size[0], size[1], FilterType::Triangle);
        let shown = picture
            .pixels()
            .map(|pixel| pixel.0.map(|v| (f32::from(v) / 255.0).powf(GAMMA)))
            .collect();
        let offsets = move |i: i32| (i - SAMPLES / 2) as f32 * SPREAD;
        let lens = (0..SAMPLES * SAMPLES).map(|i| {
            let (x, y) = (offsets(i % SAMPLES), offsets(i / SAMPLES));
            (x, y, (-(x * x + y * y) / 0.8).exp())
        });
        let lens: Vec<_> = lens.collect();
        let all: f32 = lens.iter().map(|(_, _, weight)| weight).sum();
        // Stripes and gaps leave less than a third of a white pixel's light. A camera compensates
        // with its exposure.
        let exposure = 0.85 * 3.0 / (SHINING * SHINING) / all;
        Self { shown, size, pitch, sin_cos: degrees.to_radians().sin_cos(), exposure, lens }
    }

    /// Light of one colour at a pixel of the camera.
    fn light(&self, x: u32, y: u32, colour: usize) -> f32 {
        let (sin, cos) = self.sin_cos;
        let (x, y) = (x as f32 - PHOTO[0] as f32 / 2.0, y as f32 - PHOTO[1] as f32 / 2.0);
        let sample = |(dx, dy, weight): &(f32, f32, f32)| {
            let (x, y) = (x + dx, y + dy);
            let scale = (1.0 + ASIDE * x) / self.pitch;
            let u = (cos * x + sin * y) * scale + self.size[0] as f32 / 2.0;
            let v = (cos * y - sin * x) * scale + self.size[1] as f32 / 2.0;
            weight * self.shining(u, v, colour)
        };
        self.lens.iter().map(sample).sum()
    }

    fn shining(&self, u: f32, v: f32, colour: usize) -> f32 {
        let (width, height) = (self.size[0] as f32, self.size[1] as f32);
        if !((0.0..width).contains(&u) && (0.0..height).contains(&v)) {
            return 0.003;
        }
        let (across, down) = (u.fract(), v.fract());
        let gap = (1.0 - SHINING) / 2.0;
        let stripe = colour as f32 / 3.0 + gap / 3.0..(colour + 1) as f32 / 3.0 - gap / 3.0;
        if stripe.contains(&across) && (gap..1.0 - gap).contains(&down) {
            self.shown[v as usize * self.size[0] as usize + u as usize][colour]
        } else {
            0.003
        }
    }
}

/// The picture with the reflection of a lamp that burns out about `share` of its area. `at` is the
/// centre of the reflection, in shares of width and height.
pub fn under_a_lamp(picture: &RgbImage, at: [f32; 2], share: f32) -> RgbImage {
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    let reach = (share * width * height / std::f32::consts::PI).sqrt() / BURNT_OUT;
    let mut lit = picture.clone();
    for (x, y, pixel) in lit.enumerate_pixels_mut() {
        let distance = (x as f32 - at[0] * width).hypot(y as f32 - at[1] * height) / reach;
        let light = LAMP * (-distance * distance).exp();
        let level = |v: u8| ((f32::from(v) / 255.0).powf(GAMMA) + light).min(1.0).powf(1.0 / GAMMA);
        pixel.0 = pixel.0.map(|v| (level(v) * 255.0).round() as u8);
    }
    lit
}

/// Approximately normal random numbers with a fixed seed.
pub struct Noise(u32);

impl Noise {
    /// Starts the sequence. It is the same in every run.
    pub fn seeded() -> Self {
        Self(0x2545_f491)
    }

    /// Next number, of variance 1.
    pub fn draw(&mut self) -> f32 {
        let mut sum = 0.0;
        for _ in 0..4 {
            self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            sum += (self.0 >> 8) as f32 / (1u32 << 24) as f32 - 0.5;
        }
        sum * 1.73
    }
}
