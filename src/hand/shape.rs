//! How hands differ in shape: factors on the rig's bones and flesh, their logarithms, and how much real hands vary.

/// How many factors a [`Shape`] has.
pub const SHAPE_FACTORS: usize = 14;

/// How a hand differs from the rig's: 14 factors, all 1 for the rig itself.
///
/// Thickness scales vertices away from their bone's axis, length along it. The palm, metacarpals included, scales as one block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape {
    /// Factor on the whole hand.
    pub scale: f32,
    /// Palm across, from index to little finger.
    pub palm_width: f32,
    /// Palm from wrist to knuckles.
    pub palm_length: f32,
    /// Palm from its face to the back of the hand.
    pub palm_depth: f32,
    /// Bone lengths of each finger, thumb first.
    pub finger_length: [f32; 5],
    /// Thickness of each finger, thumb first.
    pub finger_thickness: [f32; 5],
}

impl Default for Shape {
    /// The rig's own shape.
    fn default() -> Self {
        Self {
            scale: 1.0,
            palm_width: 1.0,
            palm_length: 1.0,
            palm_depth: 1.0,
            finger_length: [1.0; 5],
            finger_thickness: [1.0; 5],
        }
    }
}

/// Mean and standard deviation of the logarithm of each factor among hands, in the order of [`Shape::from_logs`].
///
/// The mean is 3 % below the rig, which at 190 mm from wrist to middle fingertip is a large man's; spreads are about those of
/// the anthropometric survey of Gordon et al., "ANSUR II" (2014), hand length 5 %, breadth 5 %. Fingers of one hand vary
/// alike; here each has the whole spread.
pub const SHAPE_PRIOR: [(f32, f32); SHAPE_FACTORS] = {
    const LENGTH: (f32, f32) = (0.0, 0.036);
    const THICKNESS: (f32, f32) = (0.037, 0.07);
    let mut prior = [(-0.032, 0.061); SHAPE_FACTORS];
    prior[1] = (0.0, 0.04);
    prior[2] = (0.0, 0.035);
    prior[3] = (0.0, 0.07);
    let mut finger = 0;
    while finger < 5 {
        prior[4 + finger] = LENGTH;
        prior[9 + finger] = THICKNESS;
        finger += 1;
    }
    prior
};

impl Shape {
    /// The shape whose factors have these logarithms: scale, palm width, length and depth, finger lengths, finger thicknesses,
    /// each thumb first. All 0 is the rig's own shape; any finite numbers are a shape, since a factor's exponential is positive.
    pub fn from_logs(logs: &[f32; SHAPE_FACTORS]) -> Self {
        let factor = |k: usize| logs[k].exp();
        Self {
            scale: factor(0),
            palm_width: factor(1),
            palm_length: factor(2),
            palm_depth: factor(3),
            finger_length: std::array::from_fn(|finger| factor(4 + finger)),
            finger_thickness: std::array::from_fn(|finger| factor(9 + finger)),
        }
    }

    /// The logarithms of the factors; not finite for a factor that is not positive.
    pub fn logs(&self) -> [f32; SHAPE_FACTORS] {
        let mut logs = [
            self.scale,
            self.palm_width,
            self.palm_length,
            self.palm_depth,
            0.0,
            0.0,
            0.0,
            0.0,
            0.0,
            0.0,
            0.0,
            0.0,
            0.0,
            0.0,
        ];
        logs[4..9].copy_from_slice(&self.finger_length);
        logs[9..].copy_from_slice(&self.finger_thickness);
        logs.map(f32::ln)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_make_shapes_and_come_back() {
        let logs: [f32; SHAPE_FACTORS] = std::array::from_fn(|k| 0.02 * k as f32 - 0.1);
        let shape = Shape::from_logs(&logs);
        assert!(
            (shape.finger_thickness[0] - 0.08f32.exp()).abs() < 1e-6
                && (shape.palm_depth - (-0.04f32).exp()).abs() < 1e-6
        );
        assert!(shape.logs().iter().zip(&logs).all(|(a, b)| (a - b).abs() < 1e-6));
        assert_eq!(Shape::from_logs(&[0.0; SHAPE_FACTORS]), Shape::default());
    }
}
