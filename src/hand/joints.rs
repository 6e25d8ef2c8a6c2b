//! Joint orders: the crate's 21 joints, and the 25 joints of the rig, named as in the WebXR Hand Input specification.

/// Number of joints a hand is described by.
pub const JOINTS: usize = 21;

/// Number of joints the rig has.
pub const RIG_JOINTS: usize = 25;

/// The 21 joints: wrist, then thumb, index, middle, ring and little finger, each from base to tip.
pub const JOINT_NAMES: [&str; JOINTS] = [
    "wrist",
    "thumb CMC",
    "thumb MCP",
    "thumb IP",
    "thumb tip",
    "index MCP",
    "index PIP",
    "index DIP",
    "index tip",
    "middle MCP",
    "middle PIP",
    "middle DIP",
    "middle tip",
    "ring MCP",
    "ring PIP",
    "ring DIP",
    "ring tip",
    "little MCP",
    "little PIP",
    "little DIP",
    "little tip",
];

/// The joint each joint hangs from; the wrist is its own parent.
pub const PARENTS: [usize; JOINTS] = [0, 0, 1, 2, 3, 0, 5, 6, 7, 0, 9, 10, 11, 0, 13, 14, 15, 0, 17, 18, 19];

/// The 20 bones as (parent, child), ordered by child.
pub const BONES: [(usize, usize); JOINTS - 1] = {
    let mut bones = [(0, 0); JOINTS - 1];
    let mut child = 1;
    while child < JOINTS {
        bones[child - 1] = (PARENTS[child], child);
        child += 1;
    }
    bones
};

/// Wrist.
pub const WRIST: usize = 0;
/// Base (MCP) of the middle finger.
pub const MIDDLE_MCP: usize = 9;
/// Middle joint (PIP) of the middle finger; its bone from [`MIDDLE_MCP`] is the scale of depth.
pub const MIDDLE_PIP: usize = 10;
/// Fingertips, thumb to little finger.
pub const TIPS: [usize; 5] = [4, 8, 12, 16, 20];

/// Fingers, thumb first; the index into per-finger arrays.
pub const FINGER_NAMES: [&str; 5] = ["thumb", "index", "middle", "ring", "little"];

/// Names of the rig's joints. The thumb has four, every other finger five: it begins with a metacarpal inside the palm.
pub const RIG_JOINT_NAMES: [&str; RIG_JOINTS] = [
    "wrist",
    "thumb-metacarpal",
    "thumb-phalanx-proximal",
    "thumb-phalanx-distal",
    "thumb-tip",
    "index-finger-metacarpal",
    "index-finger-phalanx-proximal",
    "index-finger-phalanx-intermediate",
    "index-finger-phalanx-distal",
    "index-finger-tip",
    "middle-finger-metacarpal",
    "middle-finger-phalanx-proximal",
    "middle-finger-phalanx-intermediate",
    "middle-finger-phalanx-distal",
    "middle-finger-tip",
    "ring-finger-metacarpal",
    "ring-finger-phalanx-proximal",
    "ring-finger-phalanx-intermediate",
    "ring-finger-phalanx-distal",
    "ring-finger-tip",
    "pinky-finger-metacarpal",
    "pinky-finger-phalanx-proximal",
    "pinky-finger-phalanx-intermediate",
    "pinky-finger-phalanx-distal",
    "pinky-finger-tip",
];

/// The rig joint each rig joint hangs from; always an earlier one, and the wrist is its own.
pub const RIG_PARENTS: [usize; RIG_JOINTS] = [
    0, // wrist
    0, 1, 2, 3, // thumb
    0, 5, 6, 7, 8, // index
    0, 10, 11, 12, 13, // middle
    0, 15, 16, 17, 18, // ring
    0, 20, 21, 22, 23, // little
];

/// The rig joint of each of the 21; a tip's entry is the last joint that moves it, the tip itself lies on the skin.
pub const RIG_OF_JOINT: [usize; JOINTS] = [0, 1, 2, 3, 3, 6, 7, 8, 8, 11, 12, 13, 13, 16, 17, 18, 18, 21, 22, 23, 23];

/// The three moving joints of a finger as rig joints: CMC, MCP, IP of the thumb (finger 0), MCP, PIP, DIP of the others.
pub const fn finger_rig_joints(finger: usize) -> [usize; 3] {
    let base = if finger == 0 { 1 } else { 1 + 5 * finger };
    [base, base + 1, base + 2]
}

/// The finger a rig joint belongs to. None for the wrist and the four metacarpals within the palm, which move as one.
pub const fn finger_of_rig_joint(joint: usize) -> Option<usize> {
    match joint {
        0 | 5 | 10 | 15 | 20 => None,
        1..=4 => Some(0),
        _ => Some(joint / 5),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_agree() {
        for (joint, &parent) in PARENTS.iter().enumerate().skip(1) {
            assert!(parent < joint);
            if !TIPS.contains(&joint) && parent != WRIST {
                assert_eq!(RIG_PARENTS[RIG_OF_JOINT[joint]], RIG_OF_JOINT[parent], "{}", JOINT_NAMES[joint]);
            }
        }
        assert!(RIG_PARENTS.iter().enumerate().skip(1).all(|(j, &p)| p < j));
        assert_eq!(BONES[MIDDLE_PIP - 1], (MIDDLE_MCP, MIDDLE_PIP));
        for (finger, name) in FINGER_NAMES.iter().enumerate() {
            let rig_name = name.replace("little", "pinky");
            for (k, joint) in finger_rig_joints(finger).into_iter().enumerate() {
                assert_eq!(finger_of_rig_joint(joint), Some(finger));
                assert_eq!(RIG_OF_JOINT[1 + 4 * finger + k], joint);
                assert!(RIG_JOINT_NAMES[joint].starts_with(&rig_name));
                assert!(JOINT_NAMES[1 + 4 * finger + k].starts_with(name));
            }
            assert_eq!(PARENTS[TIPS[finger]] + 1, TIPS[finger]);
        }
        assert_eq!((0..RIG_JOINTS).filter(|&j| finger_of_rig_joint(j).is_none()).count(), 5);
    }
}
