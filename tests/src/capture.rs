//! What a camera makes of a document: shown on a screen instead of lying on a table, or under a
//! lamp that is reflected.

use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};

/// Size of the photo of a screen, in pixels.
const PHOTO: [u32; 2] = [1280, 960];
/// Share of the photo that the document takes, at most.
const TAKEN: f32 = 0.8;
/// Samples per pixel and direction, and their distance in pixels: the lens is not quite sharp.
const SAMPLES: i32 = 5;
const SPREAD: f32 = 0.4;
/// Share of a screen's pixel that shines, in each direction.
const SHINING: f32 = 0.8;
/// How much narrower the screen becomes from left to right, per pixel: the camera is not quite in
/// front of it.
const ASIDE: f32 = 4e-5;
const GAMMA: f32 = 2.2;
/// Light of a reflected lamp in its middle; white paper has 1.
const LAMP: f32 = 4.0;
/// Where the lamp's light, falling off as exp(-r²), burns out grey paper, in units of its width.
const BURNT_OUT: f32 = 1.44;

/// Photo of a screen that shows `document`: `pitch` pixels of the camera for each of the screen,
/// turned by so many degrees. The screen's pixels are red, green and blue stripes, the camera's a
/// Bayer mosaic, so that colours and waves arise as they really do.
pub fn on_screen(document: &RgbImage, pitch: f32, degrees: f32) -> RgbImage {
    let screen = Screen::new(document, pitch, degrees);
    let mut noise = Noise::from_the_beginning();
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

/// Which colour the camera's pixel sees.
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
    /// In the screen's own pixels, as light.
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
        // Stripes and gaps leave less than a third of a white pixel's light: the camera makes up
        // for it.
        let exposure = 0.85 * 3.0 / (SHINING * SHINING) / all;
        Self { shown, size, pitch, sin_cos: degrees.to_radians().sin_cos(), exposure, lens }
    }

    /// Light of a colour at a pixel of the camera.
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

/// The picture with a lamp reflected at a place (in shares of its sides), which burns out about
/// `share` of its area.
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

/// Nearly normal numbers, the same every time.
pub struct Noise(u32);

impl Noise {
    /// The first of them is next.
    pub fn from_the_beginning() -> Self {
        Self(0x2545_f491)
    }

    /// The next, of variance 1.
    pub fn draw(&mut self) -> f32 {
        let mut sum = 0.0;
        for _ in 0..4 {
            self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            sum += (self.0 >> 8) as f32 / (1u32 << 24) as f32 - 0.5;
        }
        sum * 1.73
    }
}
