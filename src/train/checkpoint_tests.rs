use std::path::PathBuf;

use super::*;
use crate::files::tests::scratch;

fn tensors() -> Tensors {
    let values: Vec<f32> = (0..12).map(|i| 0.1 * i as f32 - 0.3).collect();
    vec![
        ("stem/weight".into(), TensorData::f32([2, 2, 3], &values).unwrap()),
        ("stem/bias".into(), TensorData::f32([3], &[1.5, -2.25, 1e-3]).unwrap()),
        ("steps".into(), TensorData::u32([1], &[0xFFFF_FFFE]).unwrap()),
    ]
}

fn types(tensors: &Tensors) -> Vec<(String, TensorType)> {
    tensors.iter().map(|(name, data)| (name.clone(), data.ty.clone())).collect()
}

fn written(name: &str, precision: Precision) -> (PathBuf, Vec<u8>) {
    let folder = scratch(name);
    let path = folder.join("model.safetensors");
    write_tensors(&path, &tensors(), Metadata::from([("made".into(), "here".into())]), precision).unwrap();
    let bytes = fs::read(path).unwrap();
    (folder, bytes)
}

fn refused(bytes: &[u8], expected: &[(String, TensorType)]) -> String {
    match read_tensors("m.safetensors", bytes, expected) {
        Err(error @ Error::Weights { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn single_precision_comes_back_with_the_same_bits() {
    let (folder, bytes) = written("exact", Precision::F32);
    assert_eq!(read_tensors("m", &bytes, &types(&tensors())).unwrap(), tensors());
    assert_eq!(read_metadata("m", &bytes).unwrap()["made"], "here");
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn half_precision_is_half_as_big_and_close() {
    let (folder, bytes) = written("half", Precision::F16);
    let read = read_tensors("m", &bytes, &types(&tensors())).unwrap();
    for ((name, data), (_, original)) in read.iter().zip(tensors()) {
        for (a, b) in data.to_f32().iter().zip(original.to_f32()) {
            assert!((a - b).abs() <= b.abs() / 2048.0, "{name}: {a} against {b}");
        }
    }
    assert_eq!(read[2], tensors()[2], "integers stay exact");
    assert_ne!(read[0], tensors()[0], "0.1 has no exact half");
    let (single, exact) = written("half-not", Precision::F32);
    assert_eq!(exact.len() - bytes.len(), 15 * 2);
    let big = vec![("x".to_string(), TensorData::f32([2], &[1.0, 70_000.0]).unwrap())];
    let error = write_tensors(&folder.join("x"), &big, Metadata::new(), Precision::F16).unwrap_err().to_string();
    assert!(error.contains("`x`") && error.contains("70000"), "{error}");
    fs::remove_dir_all(folder).unwrap();
    fs::remove_dir_all(single).unwrap();
}

#[test]
fn every_truncation_is_refused_and_says_how_much_there_is() {
    let (folder, bytes) = written("cut", Precision::F32);
    let expected = types(&tensors());
    for keep in 0..bytes.len() {
        let message = refused(&bytes[..keep], &expected);
        assert!(message.contains(&format!("got {keep}")), "{message}");
    }
    assert!(refused(&bytes[..bytes.len() - 1], &expected).contains(&format!("expected {} bytes", bytes.len())));
    let longer = [&bytes[..], b"x"].concat();
    refused(&longer, &expected);
    refused(b"\x10\0\0\0\0\0\0\0this is no JSON!", &expected);
    refused(&u64::MAX.to_le_bytes(), &expected);
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn missing_extra_and_misshapen_tensors_are_named_with_both_shapes() {
    let (folder, bytes) = written("misfit", Precision::F32);
    let mut more = types(&tensors());
    more.push(("head/bias".into(), TensorType::f32([5])));
    let message = refused(&bytes, &more);
    assert!(message.contains("`head/bias`: expected [5], got none"), "{message}");

    let message = refused(&bytes, &types(&tensors())[..2]);
    assert!(message.contains("`steps`: not part of the model"), "{message}");

    let mut other = types(&tensors());
    other[0].1 = TensorType::f32([3, 2, 2]);
    let message = refused(&bytes, &other);
    assert!(
        message.contains("`stem/weight`") && message.contains("[3,2,2]") && message.contains("[2, 2, 3]"),
        "{message}"
    );

    let mut other = types(&tensors());
    other[2].1 = TensorType::f32([1]);
    let message = refused(&bytes, &other);
    assert!(message.contains("`steps`: expected f32 [1], got U32 [1]"), "{message}");
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn values_that_are_not_finite_are_refused_both_ways() {
    let (folder, mut bytes) = written("nan", Precision::F32);
    let bad = vec![("x".to_string(), TensorData::f32([2], &[1.0, f32::NEG_INFINITY]).unwrap())];
    let error = write_tensors(&folder.join("x"), &bad, Metadata::new(), Precision::F32).unwrap_err().to_string();
    assert!(error.contains("`x`") && error.contains("-inf at element 1"), "{error}");
    // The value 1e-3 of the bias becomes NaN.
    let at = bytes.windows(4).position(|w| w == 1e-3f32.to_le_bytes()).unwrap();
    bytes[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    let message = refused(&bytes, &types(&tensors()));
    assert!(message.contains("`stem/bias`") && message.contains("NaN at element 2"), "{message}");
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_file_that_cannot_be_written_keeps_the_old_one() {
    let (folder, bytes) = written("unwritable", Precision::F32);
    let path = folder.join("model.safetensors");
    let bad = vec![("x".to_string(), TensorData::f32([1], &[f32::NAN]).unwrap())];
    assert!(write_tensors(&path, &bad, Metadata::new(), Precision::F32).is_err());
    assert_eq!(fs::read(&path).unwrap(), bytes);
    fs::create_dir(folder.join("taken")).unwrap();
    let error = write_tensors(&folder.join("taken"), &tensors(), Metadata::new(), Precision::F32).unwrap_err();
    assert!(matches!(&error, Error::File { path, .. } if path.ends_with("taken")), "{error}");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 2, "no temporary file is left");
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn progress_needs_its_entries() {
    let (folder, bytes) = written("progress", Precision::F32);
    let error = progress_of("m", &bytes).unwrap_err().to_string();
    assert!(error.contains("`step`"), "{error}");
    let entries = [("step", "12"), ("seed", "7x"), ("config", "{}")].map(|(k, v)| (k.to_string(), v.to_string()));
    let path = folder.join("model.safetensors");
    write_tensors(&path, &tensors(), entries.into(), Precision::F32).unwrap();
    let error = progress(&path).unwrap_err().to_string();
    assert!(error.contains("`seed`") && error.contains("7x"), "{error}");
    assert!(matches!(progress(&folder.join("none")), Err(Error::File { .. })));
    fs::remove_dir_all(folder).unwrap();
}
