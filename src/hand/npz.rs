//! Reads arrays from NumPy's `.npz` files: zip archives of `.npy` files, stored or deflated.
//!
//! After the application note of PKWARE (APPNOTE 6.3.10, §4.3) and NumPy's "NPY format". Only what NumPy writes is read: no
//! zip64, no encryption. Sizes are those of the central directory, checked against the bytes there are.

use std::io::Read;

use flate2::Crc;
use flate2::read::DeflateDecoder;

use super::{Array, HandError};

/// The largest array that is unpacked, bytes: a hand model's are far smaller.
const MOST_BYTES: usize = 1 << 28;

fn unreadable(message: impl Into<String>) -> HandError {
    HandError::Archive { message: message.into() }
}

/// `N` bytes from `at` on.
fn bytes_at<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], HandError> {
    let found = bytes.get(at..).and_then(|rest| rest.first_chunk::<N>());
    found.copied().ok_or_else(|| unreadable(format!("cut off: {N} bytes at {at} of {}", bytes.len())))
}

fn u16_at(bytes: &[u8], at: usize) -> Result<usize, HandError> {
    bytes_at(bytes, at).map(|b| u16::from_le_bytes(b).into())
}

fn u32_at(bytes: &[u8], at: usize) -> Result<usize, HandError> {
    bytes_at(bytes, at).map(|b| u32::from_le_bytes(b) as usize)
}

/// A file of the archive.
#[derive(Debug)]
struct Entry {
    name: String,
    deflated: bool,
    crc: u32,
    packed: usize,
    unpacked: usize,
    local: usize,
}

/// The directory of an `.npz` file.
#[derive(Debug)]
pub(super) struct Npz<'b> {
    bytes: &'b [u8],
    entries: Vec<Entry>,
}

impl<'b> Npz<'b> {
    /// Reads the directory.
    pub fn new(bytes: &'b [u8]) -> Result<Self, HandError> {
        // The end record is followed by a comment of at most 65535 bytes.
        const END: usize = 22;
        let last = bytes.len().checked_sub(END).ok_or_else(|| unreadable("too short for a zip archive"))?;
        let end = (last.saturating_sub(0xffff)..=last).rev().find(|&at| bytes[at..].starts_with(b"PK\x05\x06"));
        let end = end.ok_or_else(|| unreadable("no directory of a zip archive"))?;
        let (count, mut at) = (u16_at(bytes, end + 10)?, u32_at(bytes, end + 16)?);
        let mut entries = Vec::new();
        for _ in 0..count {
            if bytes_at(bytes, at)? != *b"PK\x01\x02" {
                return Err(unreadable(format!("no directory entry at byte {at}")));
            }
            let (flags, method) = (u16_at(bytes, at + 8)?, u16_at(bytes, at + 10)?);
            let lengths = [28, 30, 32].map(|k| u16_at(bytes, at + k));
            let [name_length, extra, comment] = lengths;
            let name_length = name_length?;
            let name = bytes.get(at + 46..at + 46 + name_length).ok_or_else(|| unreadable("cut off in a name"))?;
            let name = String::from_utf8_lossy(name).into_owned();
            if flags & 1 != 0 || ![0, 8].contains(&method) {
                return Err(unreadable(format!("{name} is encrypted or packed by method {method}, expected 0 or 8")));
            }
            entries.push(Entry {
                deflated: method == 8,
                crc: u32::from_le_bytes(bytes_at(bytes, at + 16)?),
                packed: u32_at(bytes, at + 20)?,
                unpacked: u32_at(bytes, at + 24)?,
                local: u32_at(bytes, at + 42)?,
                name,
            });
            at += 46 + name_length + extra? + comment?;
        }
        Ok(Npz { bytes, entries })
    }

    /// The array of a name, if there is one.
    pub fn array(&self, name: &str) -> Result<Option<Array>, HandError> {
        let file = format!("{name}.npy");
        let Some(entry) = self.entries.iter().find(|e| e.name == file) else { return Ok(None) };
        array(name, &self.unpack(entry)?).map(Some)
    }

    fn unpack(&self, entry: &Entry) -> Result<Vec<u8>, HandError> {
        let name = &entry.name;
        if bytes_at(self.bytes, entry.local)? != *b"PK\x03\x04" {
            return Err(unreadable(format!("{name} is not where the directory says")));
        }
        let start = entry.local + 30 + u16_at(self.bytes, entry.local + 26)? + u16_at(self.bytes, entry.local + 28)?;
        let packed = start.checked_add(entry.packed).and_then(|end| self.bytes.get(start..end));
        let packed = packed.ok_or_else(|| unreadable(format!("{name} is cut off")))?;
        if entry.unpacked > MOST_BYTES {
            return Err(unreadable(format!("{name} takes {} bytes, expected at most {MOST_BYTES}", entry.unpacked)));
        }
        let mut data = Vec::new();
        if entry.deflated {
            // One byte more than promised, so that a longer stream is seen.
            let mut decoder = DeflateDecoder::new(packed).take(entry.unpacked as u64 + 1);
            decoder.read_to_end(&mut data).map_err(|e| unreadable(format!("{name} does not unpack: {e}")))?;
        } else {
            data.extend_from_slice(packed);
        }
        let mut crc = Crc::new();
        crc.update(&data);
        if data.len() != entry.unpacked || crc.sum() != entry.crc {
            return Err(unreadable(format!("{name} is damaged: its length or checksum is not the directory's")));
        }
        Ok(data)
    }
}

/// An `.npy` file's array.
fn array(name: &str, bytes: &[u8]) -> Result<Array, HandError> {
    let wrong =
        |expected: &str, got: String| HandError::Array { name: name.to_string(), expected: expected.to_string(), got };
    if !bytes.starts_with(b"\x93NUMPY") {
        return Err(wrong("a NumPy array", "no \\x93NUMPY at the beginning".to_string()));
    }
    let [version] = bytes_at(bytes, 6)?;
    let (start, length) = if version == 1 { (10, u16_at(bytes, 8)?) } else { (12, u32_at(bytes, 8)?) };
    let data = bytes.get(start..).and_then(|rest| rest.split_at_checked(length));
    let (header, data) = data.ok_or_else(|| wrong("a header", "a file that ends before".to_string()))?;
    let header = String::from_utf8_lossy(header);
    let value = |key: &str| header.split_once(&format!("'{key}':")).map(|(_, rest)| rest.trim_start());
    let malformed = || wrong("a header with descr, fortran_order and shape", header.trim().to_string());

    let quoted = value("descr").and_then(|v| v.strip_prefix('\'')?.split_once('\'')).map(|(descr, _)| descr);
    let descr = quoted.ok_or_else(malformed)?;
    let shape = value("shape").and_then(|v| v.strip_prefix('(')?.split_once(')')).map(|(shape, _)| shape);
    let extents = shape.ok_or_else(malformed)?.split(',').map(str::trim).filter(|extent| !extent.is_empty());
    let shape: Vec<usize> = extents.map(|e| e.parse().map_err(|_| malformed())).collect::<Result<_, _>>()?;
    let fortran = value("fortran_order").ok_or_else(malformed)?.starts_with("True");

    let (width, decode) = decoder(descr).ok_or_else(|| wrong("little-endian numbers", format!("type {descr}")))?;
    let count = shape.iter().try_fold(1usize, |n, &extent| n.checked_mul(extent));
    if count.and_then(|n| n.checked_mul(width)) != Some(data.len()) {
        return Err(wrong(&format!("{shape:?} of {width} bytes each"), format!("{} bytes", data.len())));
    }
    let values: Vec<f64> = data.chunks_exact(width).map(decode).collect();
    Ok(Array { values: if fortran { row_major(&shape, &values) } else { values }, shape })
}

/// A number from its bytes.
type Decode = fn(&[u8]) -> f64;

/// How many bytes a number of a NumPy type takes, and what it is.
fn decoder(descr: &str) -> Option<(usize, Decode)> {
    macro_rules! number {
        ($type:ty) => {{
            let decode: Decode = |b| b.try_into().map_or(f64::NAN, |b| <$type>::from_le_bytes(b) as f64);
            (size_of::<$type>(), decode)
        }};
    }
    Some(match descr {
        "<f8" => number!(f64),
        "<f4" => number!(f32),
        "<i8" => number!(i64),
        "<i4" => number!(i32),
        "<i2" => number!(i16),
        "<u8" => number!(u64),
        "<u4" => number!(u32),
        "<u2" => number!(u16),
        "|i1" => number!(i8),
        "|u1" => number!(u8),
        _ => return None,
    })
}

/// Column by column to row by row.
fn row_major(shape: &[usize], values: &[f64]) -> Vec<f64> {
    let at = |mut place: usize| {
        // The index of an element from its place row by row, as a place column by column.
        let mut source = 0;
        let mut strides: usize = values.len();
        for &extent in shape.iter().rev() {
            strides /= extent;
            source += (place % extent) * strides;
            place /= extent;
        }
        source
    };
    (0..values.len()).map(|place| values[at(place)]).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::DeflateEncoder;

    use super::*;

    /// An `.npy` file of format 1.
    pub(crate) fn npy(descr: &str, fortran: bool, shape: &[usize], data: &[u8]) -> Vec<u8> {
        let extents: String = shape.iter().map(|extent| format!("{extent},")).collect();
        let order = if fortran { "True" } else { "False" };
        let header = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': ({extents}), }}\n");
        let mut file = b"\x93NUMPY\x01\x00".to_vec();
        file.extend((header.len() as u16).to_le_bytes());
        file.extend(header.as_bytes());
        file.extend(data);
        file
    }

    /// A zip archive of files.
    pub(crate) fn zip(files: &[(&str, Vec<u8>)], deflate: bool) -> Vec<u8> {
        let (mut archive, mut directory) = (Vec::new(), Vec::new());
        for (name, data) in files {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(data).unwrap();
            let packed = if deflate { encoder.finish().unwrap() } else { data.clone() };
            let mut crc = Crc::new();
            crc.update(data);
            let mut common = vec![20, 0, 0, 0, if deflate { 8 } else { 0 }, 0, 0, 0, 0, 0];
            common.extend(crc.sum().to_le_bytes());
            common.extend((packed.len() as u32).to_le_bytes());
            common.extend((data.len() as u32).to_le_bytes());
            common.extend((name.len() as u16).to_le_bytes());
            directory.extend(b"PK\x01\x02\x14\x00");
            directory.extend(&common);
            directory.extend([0; 12]);
            directory.extend((archive.len() as u32).to_le_bytes());
            directory.extend(name.as_bytes());
            archive.extend(b"PK\x03\x04");
            archive.extend(&common);
            // An extra field in the local header alone, as NumPy writes one.
            archive.extend([4, 0]);
            archive.extend(name.as_bytes());
            archive.extend([1, 2, 0, 0]);
            archive.extend(packed);
        }
        let start = archive.len() as u32;
        archive.extend(&directory);
        archive.extend(b"PK\x05\x06\x00\x00\x00\x00");
        for count in [files.len() as u16; 2] {
            archive.extend(count.to_le_bytes());
        }
        archive.extend((directory.len() as u32).to_le_bytes());
        archive.extend(start.to_le_bytes());
        archive.extend([0, 0]);
        archive
    }

    fn files() -> [(&'static str, Vec<u8>); 3] {
        let floats: Vec<u8> = [1.5f64, -2.0, 3.0, 4.0, 5.0, 6.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        let whole: Vec<u8> = [7u32, u32::MAX].iter().flat_map(|v| v.to_le_bytes()).collect();
        [
            ("a.npy", npy("<f8", false, &[2, 3], &floats)),
            ("b.npy", npy("<f8", true, &[2, 3], &floats)),
            ("c.npy", npy("<u4", false, &[2], &whole)),
        ]
    }

    #[test]
    fn stored_and_deflated_arrays_of_either_order_are_read() {
        for deflate in [false, true] {
            let bytes = zip(&files(), deflate);
            let npz = Npz::new(&bytes).unwrap();
            let read = |name| npz.array(name).unwrap().unwrap();
            assert_eq!(read("a"), Array { shape: vec![2, 3], values: vec![1.5, -2.0, 3.0, 4.0, 5.0, 6.0] });
            assert_eq!(read("b"), Array { shape: vec![2, 3], values: vec![1.5, 3.0, 5.0, -2.0, 4.0, 6.0] });
            assert_eq!(read("c").values, [7.0, 4_294_967_295.0]);
            assert_eq!(npz.array("d").unwrap(), None);
        }
    }

    #[test]
    fn damage_is_refused_wherever_it_is() {
        for deflate in [false, true] {
            let bytes = zip(&files(), deflate);
            let read = |bytes: &[u8]| -> Result<Vec<Option<Array>>, HandError> {
                let npz = Npz::new(bytes)?;
                ["a", "b", "c"].iter().map(|name| npz.array(name)).collect()
            };
            let whole = read(&bytes).unwrap();
            for end in 0..bytes.len() {
                assert!(read(&bytes[..end]).is_err(), "ends at {end}");
            }
            for at in 0..bytes.len() {
                let mut damaged = bytes.clone();
                damaged[at] ^= 0x41;
                // Some bytes mean nothing here; none may lead to other numbers, or to a panic.
                if let Ok(arrays) = read(&damaged) {
                    let same = arrays.iter().zip(&whole).all(|(a, b)| a.is_none() || a == b);
                    assert!(same, "byte {at} of {}", bytes.len());
                }
            }
        }
    }

    #[test]
    fn what_is_no_array_of_numbers_is_named() {
        let cases = [
            (npy(">f8", false, &[1], &[0; 8]), "type >f8"),
            (npy("<f8", false, &[2], &[0; 8]), "8 bytes"),
            (npy("<f8", false, &[usize::MAX, usize::MAX], &[0; 8]), "8 bytes"),
            (b"text".to_vec(), "NUMPY"),
            (b"\x93NUMPY\x01\x00\xff\xff{".to_vec(), "ends before"),
            (b"\x93NUMPY\x01\x00\x02\x00{}".to_vec(), "{}"),
        ];
        for (file, says) in cases {
            let error = array("shapedirs", &file).unwrap_err();
            assert!(matches!(&error, HandError::Array { name, .. } if name == "shapedirs"), "{error}");
            assert!(error.to_string().contains(says), "{error}");
        }
    }
}
