//! Pinhole cameras, square crops, and the one place where left becomes right.
//!
//! Pixel coordinates are continuous: the centre of pixel (row i, column j) is at u = j + 0.5, v = i + 0.5.

use glam::{Vec2, Vec3};

use super::HandError;

/// A pinhole camera without distortion: `u = fx·x/z + cx`, `v = fy·y/z + cy`, all in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Camera {
    /// Focal length along the rows.
    pub fx: f32,
    /// Focal length along the columns.
    pub fy: f32,
    /// Principal point, x.
    pub cx: f32,
    /// Principal point, y.
    pub cy: f32,
}

impl Camera {
    /// A camera with checked parameters: all finite, focal lengths positive.
    pub fn new(fx: f32, fy: f32, cx: f32, cy: f32) -> Result<Self, HandError> {
        if [fx, fy, cx, cy].iter().all(|x| x.is_finite()) && fx > 0.0 && fy > 0.0 {
            return Ok(Self { fx, fy, cx, cy });
        }
        let got = format!("fx {fx}, fy {fy}, cx {cx}, cy {cy}");
        Err(HandError::Camera { got })
    }

    /// A camera with square pixels that looks through the middle of a `width` × `height` image and sees `angle` radians across
    /// the longer side.
    pub fn with_field_of_view(width: f32, height: f32, angle: f32) -> Result<Self, HandError> {
        let f = 0.5 * width.max(height) / (0.5 * angle).tan();
        Self::new(f, f, 0.5 * width, 0.5 * height)
    }

    /// The pixel a point (mm) falls on. Infinite or meaningless for z ≤ 0: points behind the camera are the caller's to drop.
    pub fn project(&self, point: Vec3) -> Vec2 {
        Vec2::new(self.fx * point.x / point.z + self.cx, self.fy * point.y / point.z + self.cy)
    }

    /// The point at depth `z` (mm) that falls on a pixel.
    pub fn unproject(&self, uv: Vec2, z: f32) -> Vec3 {
        Vec3::new((uv.x - self.cx) / self.fx * z, (uv.y - self.cy) / self.fy * z, z)
    }

    /// The camera of a crop.
    pub fn cropped(&self, crop: &Crop) -> Self {
        let scale = crop.scale();
        let centre = crop.forward(Vec2::new(self.cx, self.cy));
        Self { fx: self.fx * scale, fy: self.fy * scale, cx: centre.x, cy: centre.y }
    }

    /// The camera of the mirrored image.
    pub fn mirrored(&self, mirror: Mirror) -> Self {
        Self { cx: mirror.pixel(Vec2::new(self.cx, 0.0)).x, ..*self }
    }
}

/// A square cut out of an image and resized to `size` × `size` pixels. It may reach beyond the image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Crop {
    /// Upper left corner, pixels of the image.
    pub corner: Vec2,
    /// Side of the square, pixels of the image.
    pub side: f32,
    /// Side of the result, pixels.
    pub size: f32,
}

impl Crop {
    /// The square of `side` pixels around `centre`, resized to `size`. Both must be positive and finite.
    pub fn around(centre: Vec2, side: f32, size: f32) -> Result<Self, HandError> {
        if centre.is_finite() && side.is_finite() && size.is_finite() && side > 0.0 && size > 0.0 {
            return Ok(Self { corner: centre - 0.5 * side, side, size });
        }
        let got = format!("crop around {centre} of side {side} to {size}");
        Err(HandError::Camera { got })
    }

    /// The square around the bounding box of `points`, its longer side enlarged by `margin` (1.5, say), resized to `size`.
    pub fn around_points(points: &[Vec2], margin: f32, size: f32) -> Result<Self, HandError> {
        let low = points.iter().copied().reduce(Vec2::min).unwrap_or(Vec2::NAN);
        let high = points.iter().copied().reduce(Vec2::max).unwrap_or(Vec2::NAN);
        Self::around(0.5 * (low + high), (high - low).max_element() * margin, size)
    }

    /// Result pixels per image pixel.
    pub fn scale(&self) -> f32 {
        self.size / self.side
    }

    /// Image pixel to crop pixel.
    pub fn forward(&self, uv: Vec2) -> Vec2 {
        (uv - self.corner) * self.scale()
    }

    /// Crop pixel to image pixel.
    pub fn backward(&self, uv: Vec2) -> Vec2 {
        uv / self.scale() + self.corner
    }
}

/// The mirror that turns left hands into right ones: it flips images of a given width, and x in space. Its own inverse.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mirror {
    /// Width of the image, pixels.
    pub width: f32,
}

impl Mirror {
    /// `u → width − u`.
    pub fn pixel(&self, uv: Vec2) -> Vec2 {
        Vec2::new(self.width - uv.x, uv.y)
    }

    /// `x → −x`.
    pub fn point(&self, point: Vec3) -> Vec3 {
        Vec3::new(-point.x, point.y, point.z)
    }

    /// Reverses the turning sense of faces, so that they still face outwards after [`Mirror::point`].
    pub fn face(&self, [a, b, c]: [u32; 3]) -> [u32; 3] {
        [a, c, b]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POINT: Vec3 = Vec3::new(30.0, -20.0, 400.0);

    fn camera() -> Camera {
        Camera::new(600.0, 610.0, 320.0, 240.0).unwrap()
    }

    fn close(a: Vec2, b: Vec2) {
        assert!(a.distance(b) < 1e-3, "{a} against {b}");
    }

    #[test]
    fn projects_and_back() {
        close(camera().project(POINT), Vec2::new(365.0, 209.5));
        assert!(camera().unproject(camera().project(POINT), 400.0).distance(POINT) < 1e-3);
        let wide = Camera::with_field_of_view(200.0, 100.0, std::f32::consts::FRAC_PI_2).unwrap();
        close(wide.project(Vec3::new(1.0, 0.5, 1.0)), Vec2::new(200.0, 100.0));
    }

    #[test]
    fn crops_commute_with_projection() {
        let crop = Crop::around(Vec2::new(300.0, 200.0), 150.0, 96.0).unwrap();
        close(crop.forward(Vec2::new(225.0, 275.0)), Vec2::new(0.0, 96.0));
        close(camera().cropped(&crop).project(POINT), crop.forward(camera().project(POINT)));
        close(crop.backward(crop.forward(Vec2::new(7.0, 9.0))), Vec2::new(7.0, 9.0));
        let points = [Vec2::new(10.0, 40.0), Vec2::new(30.0, 50.0), Vec2::new(20.0, 44.0)];
        let crop = Crop::around_points(&points, 1.5, 64.0).unwrap();
        assert_eq!((crop.corner, crop.side), (Vec2::new(5.0, 30.0), 30.0));
    }

    #[test]
    fn mirrors_commute_with_projection() {
        let mirror = Mirror { width: 640.0 };
        close(camera().mirrored(mirror).project(mirror.point(POINT)), mirror.pixel(camera().project(POINT)));
        assert_eq!(mirror.point(mirror.point(POINT)), POINT);
        // The first pixel's centre lands on the last one's.
        close(mirror.pixel(Vec2::new(0.5, 3.5)), Vec2::new(639.5, 3.5));
        assert_eq!(mirror.face([0, 1, 2]), [0, 2, 1]);
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(Camera::new(0.0, 1.0, 0.0, 0.0).unwrap_err().to_string().contains("fx 0"));
        assert!(Camera::new(1.0, 1.0, f32::NAN, 0.0).is_err());
        assert!(Crop::around(Vec2::ZERO, 0.0, 64.0).is_err());
        assert!(Crop::around_points(&[], 1.5, 64.0).is_err());
        assert!(Crop::around_points(&[Vec2::ONE], 1.5, 64.0).is_err());
    }
}
