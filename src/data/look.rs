//! How a scene looks: skin, light, background, things in front, and the camera's response, drawn at random.

use bytemuck::{Pod, Zeroable};
use glam::{Vec2, Vec3};

use crate::rng::Rng;

/// A soft-edged ellipse or box, in units of the crop. `half_size` of 0 is no patch.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
pub struct Patch {
    /// Centre x, y, half width, half height.
    pub place: [f32; 4],
    /// Cosine and sine of its direction, 0 for a box to 1 for an ellipse, how round it is shaded.
    pub turn: [f32; 4],
    /// Linear RGB, strength of its texture.
    pub paint: [f32; 4],
}

/// A lamp far away.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
pub struct Light {
    /// Direction towards the lamp, camera axes; unused.
    pub towards: [f32; 4],
    /// Linear RGB of its light, strength of highlights.
    pub colour: [f32; 4],
}

/// Everything about a scene's looks, as the shaders read it (`shaders/render/look.wgsl`). Colours are linear.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
pub struct Look {
    /// Albedo of the back of the hand, strength of mottling.
    pub skin_back: [f32; 4],
    /// Albedo of the palm, roughness of the skin's relief.
    pub skin_palm: [f32; 4],
    /// Albedo of nails, their gloss.
    pub nail: [f32; 4],
    /// Colour of the sleeve, threads per mm.
    pub cloth: [f32; 4],
    /// Second colour of the sleeve, the ring of the arm where it begins less a half.
    pub cloth_fold: [f32; 4],
    /// Strength of creases, of flush, of veins; the seed of all textures.
    pub detail: [f32; 4],
    /// Lamps; unused ones are black.
    pub lights: [Light; 3],
    /// Light from above, exponent of highlights.
    pub sky: [f32; 4],
    /// Light from below, translucency of skin.
    pub ground: [f32; 4],
    /// Where above is, strength of ambient occlusion.
    pub up: [f32; 4],
    /// First colour of the background, scale of its clouds.
    pub wall_a: [f32; 4],
    /// Second colour, contrast of clouds.
    pub wall_b: [f32; 4],
    /// Third colour, strength of the cell pattern.
    pub wall_c: [f32; 4],
    /// Direction of the background's texture (cosine, sine), its stretch, steepness of the gradient.
    pub wall_turn: [f32; 4],
    /// Cells per crop across and down, shift from row to row, roundness.
    pub cells: [f32; 4],
    /// Exposure, contrast, saturation, vignetting.
    pub grade: [f32; 4],
    /// Gains of red, green and blue, gamma.
    pub balance: [f32; 4],
    /// Noise of darkness, noise of light, softness of edges in the background, reach of the point spread function (1 or 2).
    pub grain: [f32; 4],
    /// The 5 × 5 point spread function, row by row, then zeros.
    pub psf: [[f32; 4]; 7],
    /// Patches behind the hand, farthest first.
    pub behind: [Patch; 6],
    /// Patches before the hand.
    pub before: [Patch; 2],
}

/// Numbers in a [`Look`].
pub const LOOK_WIDTH: usize = size_of::<Look>() / size_of::<f32>();

/// Skin from light to dark, sRGB.
const TONES: [[f32; 3]; 9] = [
    [0.95, 0.80, 0.70],
    [0.91, 0.72, 0.60],
    [0.88, 0.67, 0.55],
    [0.84, 0.64, 0.50],
    [0.78, 0.57, 0.44],
    [0.70, 0.50, 0.38],
    [0.59, 0.41, 0.31],
    [0.46, 0.32, 0.25],
    [0.34, 0.24, 0.19],
];

/// Linear light of an sRGB colour, by a cubic that is within 0.01 of the curve.
fn linear(srgb: [f32; 3]) -> Vec3 {
    Vec3::from_array(srgb.map(|x| x * (x * (x * 0.305_306 + 0.682_171_1) + 0.012_522_88)))
}

fn row(v: Vec3, w: f32) -> [f32; 4] {
    v.extend(w).to_array()
}

fn luminance(v: Vec3) -> f32 {
    v.dot(Vec3::new(0.2126, 0.7152, 0.0722))
}

/// A direction within `spread` (1 is 45 degrees) of `axis`.
fn around(rng: &mut Rng, axis: Vec3, spread: f32) -> Vec3 {
    (axis + spread * Vec3::new(rng.normal(), rng.normal(), rng.normal())).normalize_or(axis)
}

/// Any colour people paint things with: mostly muted, some bright, sRGB made linear.
fn paint(rng: &mut Rng) -> Vec3 {
    let value = rng.range(0.05, 0.98);
    let chroma = if rng.chance(0.6) { rng.range(0.0, 0.25) } else { rng.range(0.2, 0.9) };
    let hue = [rng.uniform(), rng.uniform(), rng.uniform()];
    linear(hue.map(|h| (value * (1.0 - chroma * h)).clamp(0.0, 1.0)))
}

/// A skin colour: linear back and palm.
fn skin(rng: &mut Rng) -> (Vec3, Vec3) {
    let at = rng.uniform() * (TONES.len() - 1) as f32;
    let tone = |at: f32| {
        let low = (at as usize).min(TONES.len() - 2);
        Vec3::from_array(TONES[low]).lerp(Vec3::from_array(TONES[low + 1]), at - low as f32)
    };
    let jitter = Vec3::new(rng.normal() * 0.02, rng.normal() * 0.015, rng.normal() * 0.015);
    let back = (tone(at) + jitter + Vec3::splat(0.03 * rng.normal())).clamp(Vec3::splat(0.05), Vec3::splat(0.97));
    // Palms have little melanin: between their own tone and a rosy light one.
    let rosy = Vec3::new(0.90, 0.66, 0.57) - Vec3::splat(0.03 * at);
    let share = rng.range(0.25, 0.5) + 0.05 * at;
    (linear(back.to_array()), linear(back.lerp(rosy, share.min(0.8)).to_array()))
}

impl Look {
    /// Draws a look. `arm_rings` is how many rings the arm has, `sleeve_ring` where its sleeve begins, `size_px` the side of
    /// the image.
    pub fn sample(rng: &mut Rng, sleeve_ring: usize, size_px: usize) -> Self {
        let mut look = Look::zeroed();
        look.draw_skin(rng);
        look.cloth = row(paint(rng), rng.range(0.25, 0.8));
        look.cloth_fold = row(look.stripe(rng), sleeve_ring as f32 - 0.5);
        look.draw_light(rng);
        look.draw_background(rng, size_px);
        look.draw_foreground(rng);
        look.draw_camera(rng);
        look
    }

    fn draw_skin(&mut self, rng: &mut Rng) {
        let (back, palm) = skin(rng);
        let nail = palm.lerp(linear([0.93, 0.72, 0.66]), 0.3);
        self.skin_back = row(back, rng.range(0.06, 0.30));
        self.skin_palm = row(palm, rng.range(0.08, 0.38));
        self.nail = row(nail, rng.range(1.3, 4.0));
        if rng.chance(0.06) {
            self.nail = row(paint(rng), rng.range(2.0, 6.0));
        }
        let seed = rng.below(1 << 20) as f32;
        self.detail = [rng.range(0.35, 1.1), rng.range(0.3, 1.3), rng.range(0.1, 1.0), seed];
    }

    fn stripe(&self, rng: &mut Rng) -> Vec3 {
        let own = Vec3::from_slice(&self.cloth);
        if rng.chance(0.25) { paint(rng) } else { own * rng.range(0.85, 1.0) }
    }

    fn draw_light(&mut self, rng: &mut Rng) {
        let warmth = |rng: &mut Rng| Vec3::ONE + rng.normal() * 0.08 * Vec3::new(1.0, 0.1, -1.2);
        // Lamps are mostly above and on the camera's side; up is −y, towards the camera −z.
        let up = around(rng, Vec3::NEG_Y, 0.35);
        let ambient = rng.range(0.25, 0.8);
        let key = rng.range(0.3, 1.0) * if rng.chance(0.3) { 1.8 } else { 1.0 };
        let sky = warmth(rng) * ambient;
        self.sky = row(sky, rng.range(9.0, 42.0));
        self.ground = row(sky * rng.range(0.3, 0.9) * warmth(rng), rng.range(0.5, 1.3));
        self.up = row(up, rng.range(0.75, 1.0));
        let lamps = 1 + rng.below(3);
        let colour = warmth(rng);
        let gloss = rng.range(0.10, 0.55) * if rng.chance(0.2) { 2.0 } else { 1.0 };
        for k in 0..3 {
            let axis = if k == 0 { Vec3::new(0.0, -0.75, -0.75) } else { Vec3::new(0.0, -0.3, -0.3) };
            let towards = around(rng, axis, if k == 0 { 0.6 } else { 1.0 });
            let power = if k == 0 { key } else { key * rng.range(0.15, 0.6) };
            let tint = colour.lerp(warmth(rng), 0.5);
            let colour = if k < lamps { tint * power } else { Vec3::ZERO };
            self.lights[k] = Light { towards: row(towards, 0.0), colour: row(colour, gloss) };
        }
    }

    fn draw_background(&mut self, rng: &mut Rng, size_px: usize) {
        // Brighter or darker than where the hand is.
        let dim = 2f32.powf(0.6 + 0.7 * rng.normal());
        let [a, b, c] = [0; 3].map(|_| paint(rng) * dim);
        // Neighbouring colours of one surface are alike more often than not.
        let alike = rng.uniform();
        self.wall_a = row(a, rng.range(1.5, 9.0));
        self.wall_b = row(a.lerp(b, alike), if rng.chance(0.25) { 0.0 } else { rng.range(0.0, 1.2) });
        self.wall_c = row(if rng.chance(0.12) { skin(rng).0 * dim } else { a.lerp(c, rng.uniform()) }, 0.0);
        let tilt = if rng.chance(0.6) { 0.06 * rng.normal() } else { rng.range(-1.6, 1.6) };
        let stretch = if rng.chance(0.3) { rng.range(2.0, 9.0) } else { rng.range(0.7, 1.4) };
        self.wall_turn = [tilt.cos(), tilt.sin(), stretch, rng.range(-1.2, 1.2)];
        if rng.chance(0.45) {
            self.wall_c[3] = rng.range(0.3, 1.0);
            let across = rng.range(1.5, 14.0);
            let down = if rng.chance(0.3) { rng.range(0.2, 1.5) } else { across * rng.range(0.25, 1.2) };
            self.cells = [across, down, rng.uniform(), rng.uniform()];
        }
        let soft = if rng.chance(0.5) { rng.range(0.8, 2.0) } else { rng.range(2.0, 9.0) };
        self.grain[2] = soft / size_px as f32 * (size_px as f32 / 128.0).max(1.0);
        let mut next = 0;
        let mut place = |patch: Patch, look: &mut Look| {
            if let Some(slot) = look.behind.get_mut(next) {
                *slot = patch;
                next += 1;
            }
        };
        let with_person = rng.chance(0.25);
        for _ in 0..rng.below(if with_person { 3 } else { 6 }) {
            place(furniture(rng, dim), self);
        }
        if with_person {
            for patch in person(rng, Vec3::from_slice(&self.skin_back) * dim) {
                place(patch, self);
            }
        } else if rng.chance(0.2) {
            let colour = skin(rng).0 * dim;
            place(blob(rng, colour, 0.1, 0.4), self);
        }
    }

    fn draw_foreground(&mut self, rng: &mut Rng) {
        if !rng.chance(0.28) {
            return;
        }
        for k in 0..1 + rng.below(2) {
            let colour = if rng.chance(0.2) { skin(rng).0 } else { paint(rng) };
            let bar = rng.chance(0.5);
            let mut patch = blob(rng, colour, 0.04, 0.16);
            if bar {
                patch.place[2] = rng.range(0.015, 0.06);
                patch.place[3] = rng.range(0.3, 1.0);
                patch.turn[2] = rng.range(0.0, 0.2);
            }
            self.before[k] = patch;
        }
    }

    fn draw_camera(&mut self, rng: &mut Rng) {
        // Expose for the hand: what a palm half turned to the lamps would send back.
        let lamps: f32 = self.lights.iter().map(|l| 0.45 * luminance(Vec3::from_slice(&l.colour))).sum();
        let ambient = 0.4 * luminance(Vec3::from_slice(&self.sky) + Vec3::from_slice(&self.ground));
        // Automatic exposure compensates skin's own lightness only in part.
        let albedo = luminance(Vec3::from_slice(&self.skin_palm));
        let wanted = 0.27 * (albedo / 0.35).sqrt() * 2f32.powf(0.45 * rng.normal());
        let exposure = wanted / (albedo * (lamps + ambient)).max(1e-3);
        // Colour tells little of a hand's shape, and cameras disagree about it: from none at all to gaudy.
        let saturation = if rng.chance(0.1) { 0.0 } else { rng.range(0.4, 1.5) };
        self.grade = [exposure, rng.range(0.75, 1.3), saturation, rng.range(0.0, 0.7)];
        // The background is lit by the same lamps.
        let gains = Vec3::ONE + 0.10 * Vec3::new(rng.normal(), 0.4 * rng.normal(), rng.normal());
        self.balance = row(gains, rng.range(0.8, 1.3));
        let light = lamps + ambient;
        for wall in [&mut self.wall_a, &mut self.wall_b, &mut self.wall_c] {
            wall[..3].iter_mut().for_each(|x| *x *= light);
        }
        for patch in self.behind.iter_mut().chain(&mut self.before) {
            patch.paint[..3].iter_mut().for_each(|x| *x *= light);
        }
        let noisy = rng.uniform();
        self.grain[0] = 0.008 * noisy * noisy;
        self.grain[1] = 0.004 + 0.035 * noisy * noisy;
        (self.psf, self.grain[3]) = blur(rng);
    }
}

/// A box or ellipse anywhere.
fn furniture(rng: &mut Rng, dim: f32) -> Patch {
    let angle = if rng.chance(0.6) { 0.05 * rng.normal() } else { rng.range(-1.6, 1.6) };
    let bar = rng.chance(0.35);
    let half = [if bar { rng.range(0.01, 0.08) } else { rng.range(0.06, 0.45) }, rng.range(0.08, 0.9)];
    let round = if rng.chance(0.65) { 0.0 } else { rng.uniform() };
    Patch {
        place: [rng.uniform(), rng.uniform(), half[0], half[1]],
        turn: [angle.cos(), angle.sin(), round, rng.range(0.0, 0.8)],
        paint: row(paint(rng) * dim, rng.uniform().powi(2) * 0.45),
    }
}

fn blob(rng: &mut Rng, colour: Vec3, low: f32, high: f32) -> Patch {
    let angle = rng.range(-1.6, 1.6);
    Patch {
        place: [rng.uniform(), rng.uniform(), rng.range(low, high), rng.range(low, high)],
        turn: [angle.cos(), angle.sin(), rng.range(0.7, 1.0), rng.range(0.2, 1.0)],
        paint: row(colour, rng.range(0.05, 0.4)),
    }
}

/// Someone behind the hand, out of focus: shoulders, neck, head, hair and eyes.
fn person(rng: &mut Rng, skin: Vec3) -> [Patch; 6] {
    let size = rng.range(0.10, 0.30);
    let head = Vec2::new(rng.range(-0.1, 1.1), rng.range(-0.1, 0.6));
    let tilt = 0.15 * rng.normal();
    let (sin, cos) = tilt.sin_cos();
    let part = |x: f32, y: f32, w: f32, h: f32, round: f32, colour: Vec3| {
        let at = head + size * Vec2::new(cos * x - sin * y, sin * x + cos * y);
        Patch { place: [at.x, at.y, w * size, h * size], turn: [cos, sin, round, 0.5], paint: row(colour, 0.15) }
    };
    let dark = linear([0.18, 0.13, 0.10]) * rng.range(0.3, 2.5);
    let shirt = paint(rng) * rng.range(0.3, 1.0);
    // Eyes come last: with furniture before them there may be no room.
    [
        part(0.0, 3.4, 2.3, 2.1, 0.7, shirt),
        part(0.0, 1.1, 0.48, 0.8, 0.3, skin * 0.8),
        part(0.0, -0.25, 0.92, 1.2, 1.0, dark),
        part(0.0, 0.1, 0.78, 1.0, 1.0, skin),
        part(-0.32, -0.05, 0.15, 0.08, 0.9, dark),
        part(0.32, -0.05, 0.15, 0.08, 0.9, dark),
    ]
}

/// A point spread function of 5 × 5 pixels, the lens's, and in some photos defocus or motion; and how far it reaches.
fn blur(rng: &mut Rng) -> ([[f32; 4]; 7], f32) {
    let lens = rng.range(0.40, 0.65);
    let defocus = if rng.chance(0.2) { rng.range(0.0, 0.9) } else { 0.0 };
    let motion = if rng.chance(0.2) { rng.range(0.3, 1.6) } else { 0.0 };
    let angle = rng.range(0.0, std::f32::consts::PI);
    let along = Vec2::new(angle.cos(), angle.sin());
    let reach = if defocus + motion > 0.0 { 2.0 } else { 1.0 };
    let across = lens * lens + defocus * defocus;
    let (u, v) = (1.0 / (across + motion * motion), 1.0 / across);
    let mut psf = [[0.0; 4]; 7];
    let flat = psf.as_flattened_mut();
    for (tap, weight) in flat.iter_mut().take(25).enumerate() {
        let at = Vec2::new((tap % 5) as f32 - 2.0, (tap / 5) as f32 - 2.0);
        let (p, q) = (at.dot(along), at.perp_dot(along));
        let within = at.abs().max_element() <= reach;
        *weight = if within { (-0.5 * (p * p * u + q * q * v)).exp() } else { 0.0 };
    }
    let sum: f32 = flat.iter().sum();
    flat.iter_mut().for_each(|w| *w /= sum);
    (psf, reach)
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use super::*;

    const SHADER: &str = include_str!("../../shaders/render/look.wgsl");

    /// Names and byte offsets of a struct's members, and its size, as WGSL lays it out.
    fn layout(name: &str) -> (Vec<(String, usize)>, usize) {
        let module = naga::front::wgsl::parse_str(SHADER).expect("valid WGSL");
        let (_, ty) = module.types.iter().find(|(_, t)| t.name.as_deref() == Some(name)).expect("declared");
        let naga::TypeInner::Struct { members, span } = &ty.inner else { panic!("{name} is no struct") };
        let named = members.iter().map(|m| (m.name.clone().unwrap_or_default(), m.offset as usize));
        (named.collect(), *span as usize)
    }

    macro_rules! members {
        ($of:ty: $($member:ident)*) => { vec![$((stringify!($member).to_string(), offset_of!($of, $member))),*] };
    }

    #[test]
    fn the_shader_lays_looks_out_as_rust_does() {
        let look = members!(Look: skin_back skin_palm nail cloth cloth_fold detail lights sky ground up wall_a wall_b
            wall_c wall_turn cells grade balance grain psf behind before);
        assert_eq!(layout("Look"), (look, size_of::<Look>()));
        assert_eq!(layout("Patch"), (members!(Patch: place turn paint), size_of::<Patch>()));
        assert_eq!(layout("Light"), (members!(Light: towards colour), size_of::<Light>()));
    }

    #[test]
    fn drawn_looks_are_within_what_the_shaders_expect() {
        for stream in 0..500 {
            let look = Look::sample(&mut Rng::new(9, stream), 3, 128);
            let numbers: &[f32] = bytemuck::cast_slice(std::slice::from_ref(&look));
            assert!(numbers.iter().all(|x| x.is_finite()), "stream {stream}");
            let sum: f32 = look.psf.as_flattened().iter().sum();
            assert!((sum - 1.0).abs() < 1e-4, "stream {stream}: the point spread function sums to {sum}");
            assert!(look.psf.as_flattened().iter().all(|w| *w >= 0.0));
            let albedos = [look.skin_back, look.skin_palm];
            assert!(albedos.iter().all(|a| a[..3].iter().all(|x| (0.0..1.0).contains(x))));
            // Red is the strongest colour of skin of any tone.
            assert!(albedos.iter().all(|a| a[0] > a[2]), "stream {stream}: {albedos:?}");
            for light in look.lights {
                assert!((Vec3::from_slice(&light.towards).length() - 1.0).abs() < 1e-4);
            }
            assert!(look.grade[0] > 0.0 && look.balance[..3].iter().all(|x| *x > 0.0));
            assert!([1.0, 2.0].contains(&look.grain[3]) && look.grain[2] > 0.0);
        }
    }
}
