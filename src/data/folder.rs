//! Photos with known joints from a folder: `joints.json` beside the pictures.
//!
//! `joints.json` is a list of `{"file", "joints_mm": 21×3, "camera": [fx, fy, cx, cy], "crop_xywh": [x, y, w, h]}`: joints in the
//! crate's order and camera axes, the camera of the full frame, and the square of the full frame (integer corner, so the same
//! in continuous pixels) that was resized to the picture.

use std::path::{Path, PathBuf};

use glam::{Vec2, Vec3};
use serde::Deserialize;

use super::photo::Photo;
use crate::error::{Error, Result};
use crate::hand::camera::{Camera, Crop};
use crate::hand::joints::{JOINT_NAMES, JOINTS, MIDDLE_MCP, MIDDLE_PIP};

/// A photo and the truth about the hand in it.
#[derive(Clone, Debug)]
pub struct LabelledPhoto {
    /// The picture's file name.
    pub file: String,
    /// The picture.
    pub photo: Photo,
    /// The joints, camera axes, millimetres.
    pub joints_mm: [Vec3; JOINTS],
    /// The camera of the picture: that of the full frame, cropped.
    pub camera: Camera,
}

impl LabelledPhoto {
    /// The true length of the middle finger's MCP–PIP bone, mm: the scale of the protocol.
    pub fn scale_mm(&self) -> f32 {
        self.joints_mm[MIDDLE_MCP].distance(self.joints_mm[MIDDLE_PIP])
    }
}

/// A folder of labelled photos; the pictures are read one by one.
#[derive(Clone, Debug)]
pub struct PhotoFolder {
    folder: PathBuf,
    labels: Vec<Label>,
}

#[derive(Clone, Debug, Deserialize)]
struct Label {
    file: String,
    joints_mm: Vec<[f32; 3]>,
    camera: [f32; 4],
    crop_xywh: [f32; 4],
}

impl PhotoFolder {
    /// Reads and checks `joints.json` in `folder`.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref().to_path_buf();
        let path = folder.join("joints.json");
        let text = std::fs::read_to_string(&path).map_err(|e| Error::file(&path, e))?;
        let labels: Vec<Label> = serde_json::from_str(&text)
            .map_err(|e| Error::invalid(path.display(), "a list of {file, joints_mm, camera, crop_xywh}", e))?;
        if labels.is_empty() {
            return Err(Error::invalid(path.display(), "at least one photo", "an empty list"));
        }
        for label in &labels {
            label.check().map_err(|(what, expected, got)| {
                Error::invalid(format!("{}: {}: {what}", path.display(), label.file), expected, got)
            })?;
        }
        Ok(PhotoFolder { folder, labels })
    }

    /// How many photos there are: at least one.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Reads the photos in the order of the list.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Result<LabelledPhoto>> {
        self.labels.iter().map(|label| label.load(&self.folder))
    }
}

type Complaint = (&'static str, String, String);

impl Label {
    fn check(&self) -> Result<(), Complaint> {
        if self.joints_mm.len() != JOINTS {
            return Err(("joints_mm", format!("{JOINTS} joints"), self.joints_mm.len().to_string()));
        }
        for (joint, name) in self.joints_mm.iter().zip(JOINT_NAMES) {
            if !Vec3::from(*joint).is_finite() {
                return Err(("joints_mm", format!("finite numbers for the {name}"), format!("{joint:?}")));
            }
        }
        if self.joints_mm[MIDDLE_MCP] == self.joints_mm[MIDDLE_PIP] {
            return Err(("joints_mm", "a middle finger with a length".into(), "MCP and PIP in one place".into()));
        }
        let [_, _, width, height] = self.crop_xywh;
        if !(width > 0.0 && width == height && self.crop_xywh.iter().all(|v| v.is_finite())) {
            return Err(("crop_xywh", "a square with a positive side".into(), format!("{:?}", self.crop_xywh)));
        }
        let [fx, fy, cx, cy] = self.camera;
        match Camera::new(fx, fy, cx, cy) {
            Ok(_) => Ok(()),
            Err(_) => Err(("camera", "finite fx, fy, cx, cy with fx, fy > 0".into(), format!("{:?}", self.camera))),
        }
    }

    fn load(&self, folder: &Path) -> Result<LabelledPhoto> {
        let path = folder.join(&self.file);
        let photo = Photo::open(&path)?;
        if photo.width() != photo.height() {
            let message = format!("expected a square picture, got {}×{}", photo.width(), photo.height());
            return Err(Error::Picture { file: path.display().to_string(), message });
        }
        let [fx, fy, cx, cy] = self.camera;
        let [x, y, side, _] = self.crop_xywh;
        let crop = Crop { corner: Vec2::new(x, y), side, size: photo.width() as f32 };
        Ok(LabelledPhoto {
            file: self.file.clone(),
            photo,
            joints_mm: std::array::from_fn(|j| Vec3::from(self.joints_mm[j])),
            camera: Camera { fx, fy, cx, cy }.cropped(&crop),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::tests::scratch;

    fn label(edit: impl Fn(&mut serde_json::Value)) -> String {
        let joints: Vec<[f32; 3]> = (0..21).map(|i| [i as f32, 2.0, 400.0]).collect();
        let mut value = serde_json::json!({
            "file": "a.png", "joints_mm": joints, "camera": [900.0, 900.0, 640.0, 360.0], "crop_xywh": [600, 300, 128, 128],
        });
        edit(&mut value);
        serde_json::Value::Array(vec![value]).to_string()
    }

    #[test]
    fn the_camera_follows_the_crop() {
        let folder = scratch("folder");
        Photo::from_rgb(64, 64, vec![9; 64 * 64 * 3]).unwrap().save_png(folder.join("a.png")).unwrap();
        std::fs::write(folder.join("joints.json"), label(|_| ())).unwrap();
        let set = PhotoFolder::open(&folder).unwrap();
        assert_eq!(set.len(), 1);
        let photo = set.iter().next().unwrap().unwrap();
        assert_eq!(photo.scale_mm(), 1.0);
        // (4, 2, 400) is at (649, 364.5) in the full frame, so at half of (49, 64.5) in the crop.
        let uv = photo.camera.project(photo.joints_mm[4]);
        assert!(uv.distance(Vec2::new(24.5, 32.25)) < 1e-3, "{uv}");
        std::fs::remove_file(folder.join("a.png")).unwrap();
        assert!(matches!(set.iter().next().unwrap(), Err(Error::File { .. })));
        Photo::from_rgb(64, 32, vec![9; 64 * 32 * 3]).unwrap().save_png(folder.join("a.png")).unwrap();
        assert!(matches!(set.iter().next().unwrap(), Err(Error::Picture { .. })));
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn bad_labels_say_which_and_why() {
        let folder = scratch("folder-bad");
        let missing = PhotoFolder::open(&folder).unwrap_err();
        assert!(matches!(&missing, Error::File { path, .. } if path.ends_with("joints.json")), "{missing}");
        let cases = [
            (String::from("[]"), "empty list"),
            (String::from("{"), "joints_mm"),
            (label(|v| v["joints_mm"] = serde_json::json!([[1, 2, 3]])), "21 joints, got 1"),
            (label(|v| v["joints_mm"][10] = v["joints_mm"][9].clone()), "one place"),
            (label(|v| v["camera"][0] = 0.into()), "camera"),
            (label(|v| v["crop_xywh"][3] = 5.into()), "square"),
            (label(|v| v["file"] = 5.into()), "list of"),
        ];
        for (text, words) in cases {
            std::fs::write(folder.join("joints.json"), &text).unwrap();
            let error = PhotoFolder::open(&folder).unwrap_err().to_string();
            assert!(error.contains(words), "{error} should say {words}");
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}
