use safetensors::Dtype;
use safetensors::tensor::TensorView;

use super::super::npz::tests::{npy, zip};
use super::*;
use crate::rng::Rng;

/// Names and shapes of MANO's arrays.
const ARRAYS: [(&str, &[usize]); 9] = [
    ("v_template", &[778, 3]),
    ("shapedirs", &[778, 3, 10]),
    ("posedirs", &[778, 3, 135]),
    ("J_regressor", &[16, 778]),
    ("weights", &[778, 16]),
    ("hands_components", &[45, 45]),
    ("hands_mean", &[45]),
    ("kintree_table", &[2, 16]),
    ("f", &[1538, 3]),
];

/// Made-up arrays of the right shapes.
fn arrays() -> Vec<(&'static str, Array)> {
    let mut rng = Rng::new(6, 0);
    let each = |(name, shape): (&'static str, &[usize])| {
        let count: usize = shape.iter().product();
        let value = |k: usize| match name {
            "weights" => f64::from(u8::from(k % 16 == k / 16 % 16)),
            "kintree_table" if k == 0 => 4_294_967_295.0,
            "kintree_table" => (k % 16).saturating_sub(1) as f64,
            "f" => (k % 778) as f64,
            _ => f64::from(rng.range(-1.0, 1.0)),
        };
        (name, Array { shape: shape.to_vec(), values: (0..count).map(value).collect() })
    };
    ARRAYS.into_iter().map(each).collect()
}

fn read(arrays: &[(&'static str, Array)]) -> Result<ManoData, HandError> {
    let find = |name: &str| arrays.iter().find(|(n, _)| *n == name).map(|(_, array)| array.clone());
    ManoData::from_arrays(Side::Right, |name| Ok(find(name)))
}

fn bytes(values: &[f64]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

#[test]
fn both_formats_are_read_alike() {
    let arrays = arrays();
    let expected = read(&arrays).unwrap();
    let names: Vec<String> = arrays.iter().map(|(name, _)| format!("{name}.npy")).collect();
    let file = |(name, (_, array)): (&String, &(&str, Array))| -> (String, Vec<u8>) {
        (name.clone(), npy("<f8", false, &array.shape, &bytes(&array.values)))
    };
    let files: Vec<(String, Vec<u8>)> = names.iter().zip(&arrays).map(file).collect();
    let files: Vec<(&str, Vec<u8>)> = files.iter().map(|(name, data)| (name.as_str(), data.clone())).collect();
    assert_eq!(ManoData::from_bytes(&zip(&files, true), Side::Right).unwrap(), expected);
    let data: Vec<Vec<u8>> = arrays.iter().map(|(_, array)| bytes(&array.values)).collect();
    let view = |(name, array): &(&'static str, Array), data| {
        (*name, TensorView::new(Dtype::F64, array.shape.clone(), data).unwrap())
    };
    let views: Vec<_> = arrays.iter().zip(&data).map(|(array, data)| view(array, data.as_slice())).collect();
    let file = safetensors::serialize(views, None).unwrap();
    assert_eq!(ManoData::from_bytes(&file, Side::Right).unwrap(), expected);
}

#[test]
fn missing_and_misshapen_arrays_are_named() {
    for (k, (name, _)) in ARRAYS.into_iter().enumerate() {
        let mut missing = arrays();
        missing.remove(k);
        let error = read(&missing).unwrap_err();
        assert!(matches!(error, HandError::MissingArray { name: n } if n == name), "{error}");

        let mut short = arrays();
        short[k].1.shape[0] -= 1;
        let width: usize = short[k].1.shape.iter().product();
        short[k].1.values.truncate(width);
        let error = read(&short).unwrap_err();
        let [expected, got] = [arrays()[k].1.shape.clone(), short[k].1.shape.clone()].map(|shape| extents(&shape));
        let text = error.to_string();
        assert!(text.contains(name) && text.contains(&expected) && text.contains(&got), "{text}");

        let mut nan = arrays();
        nan[k].1.values[3] = f64::NAN;
        assert!(read(&nan).unwrap_err().to_string().contains(name));
    }
    let changed = |k: usize, at: usize, value: f64| {
        let mut arrays = arrays();
        arrays[k].1.values[at] = value;
        read(&arrays).unwrap_err().to_string()
    };
    assert!(changed(4, 0, 0.5).contains("0.5 at vertex 0"));
    assert!(changed(7, 3, 3.0).contains("3 for joint 3"));
    assert!(changed(7, 3, 1.5).contains("1.5 for joint 3"));
    assert!(changed(8, 7, 778.0).contains("778 in face 2"));
    assert!(changed(8, 7, -1.0).contains("-1 in face 2"));
    for file in [&b""[..], b"PK", b"PK\x03\x04 and so on", b"{}", &[0; 100]] {
        let error = ManoData::from_bytes(file, Side::Right).unwrap_err();
        assert!(matches!(error, HandError::Archive { .. }), "{error}");
    }
}

#[test]
fn a_mirror_is_its_own_inverse_and_a_left_file_is_mended() {
    let right = read(&arrays()).unwrap();
    assert_eq!(right.mirrored().mirrored(), right);
    assert_ne!(right.mirrored().pose_dirs, right.pose_dirs);
    let arrays = arrays();
    let find = |name: &str| arrays.iter().find(|(n, _)| *n == name).map(|(_, array)| array.clone());
    let left = ManoData::from_arrays(Side::Left, |name| Ok(find(name))).unwrap();
    assert_eq!(left.shape_dirs, right.mirrored().shape_dirs);
    assert_eq!(left.template, right.template);
}
