//! Arrays by name, from the files that NumPy and safetensors write.

use safetensors::{Dtype, SafeTensors};

use super::HandError;
use super::npz::Npz;

/// A dense array of numbers, row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Extents, outermost first.
    pub shape: Vec<usize>,
    /// Elements.
    pub values: Vec<f64>,
}

impl Array {
    /// The array of a name in the bytes of a `.npz` or `.safetensors` file, if there is one; of any numeric type.
    pub fn find(bytes: &[u8], name: &str) -> Result<Option<Array>, HandError> {
        if bytes.starts_with(b"PK") {
            return Npz::new(bytes)?.array(name);
        }
        let file = SafeTensors::deserialize(bytes);
        let unreadable = |e| HandError::Archive { message: format!("neither a .npz nor a .safetensors file ({e})") };
        tensor(&file.map_err(unreadable)?, name)
    }
}

/// A tensor of a safetensors file, if there is one of the name.
fn tensor(file: &SafeTensors<'_>, name: &str) -> Result<Option<Array>, HandError> {
    let Ok(view) = file.tensor(name) else { return Ok(None) };
    fn all<const N: usize>(data: &[u8], value: impl Fn([u8; N]) -> f64) -> Vec<f64> {
        data.as_chunks::<N>().0.iter().map(|&bytes| value(bytes)).collect()
    }
    let data = view.data();
    let values = match view.dtype() {
        Dtype::F64 => all(data, f64::from_le_bytes),
        Dtype::F32 => all(data, |b| f32::from_le_bytes(b).into()),
        Dtype::I64 => all(data, |b| i64::from_le_bytes(b) as f64),
        Dtype::I32 => all(data, |b| i32::from_le_bytes(b).into()),
        Dtype::U64 => all(data, |b| u64::from_le_bytes(b) as f64),
        Dtype::U32 => all(data, |b| u32::from_le_bytes(b).into()),
        other => {
            let (expected, got) = ("f64, f32 or whole numbers of 32 or 64 bits".to_string(), format!("{other:?}"));
            return Err(HandError::Array { name: name.to_string(), expected, got });
        }
    };
    Ok(Some(Array { shape: view.shape().to_vec(), values }))
}
