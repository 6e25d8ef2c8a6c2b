//! Meshes as Wavefront OBJ files.

use std::path::Path;

use glam::Vec3;

use crate::error::Result;
use crate::files::write_atomically;

/// Writes a mesh in millimetres as an OBJ file, turned half about x (x, −y, −z), so that programs whose y points up show it upright.
pub fn save_obj(path: impl AsRef<Path>, vertices_mm: &[Vec3], faces: &[[u32; 3]]) -> Result<()> {
    write_atomically(path.as_ref(), |out| {
        writeln!(out, "# millimetres; x right, y up, z towards the camera")?;
        for v in vertices_mm {
            writeln!(out, "v {} {} {}", v.x, -v.y, -v.z)?;
        }
        for [a, b, c] in faces {
            writeln!(out, "f {} {} {}", a + 1, b + 1, c + 1)?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_and_indices_follow_the_format() {
        let folder = crate::files::tests::scratch("obj");
        let path = folder.join("a.obj");
        save_obj(&path, &[Vec3::new(1.0, 2.0, -3.5), Vec3::ZERO, Vec3::X], &[[0, 1, 2]]).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<_> = text.lines().skip(1).collect();
        assert_eq!(lines, ["v 1 -2 3.5", "v 0 -0 -0", "v 1 -0 -0", "f 1 2 3"]);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
