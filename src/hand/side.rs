//! Right and left.

/// Which hand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Side {
    /// A right hand.
    #[default]
    Right,
    /// A left hand: a right one in a mirror across x.
    Left,
}

impl Side {
    /// What x is multiplied by to go from the right hand's space to this hand's.
    pub(crate) fn sign(self) -> f32 {
        match self {
            Side::Right => 1.0,
            Side::Left => -1.0,
        }
    }

    /// A face of the right hand as one of this: turned over, so that it still faces outwards.
    pub(crate) fn face(self, [a, b, c]: [u32; 3]) -> [u32; 3] {
        match self {
            Side::Right => [a, b, c],
            Side::Left => [a, c, b],
        }
    }
}
