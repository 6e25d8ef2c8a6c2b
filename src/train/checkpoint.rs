//! Named tensors in safetensors files: checkpoints, which continue a training with the same bits, and weights, which
//! only infer.
//!
//! A checkpoint holds every state (parameters, moments, running statistics, counters) in full precision, and in its header how far
//! the training was. A weights file holds what inference needs, usually in half precision. Both are written whole or not at all, and
//! checked wholly before the first state is changed.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use half::f16;
use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensorError, SafeTensors, serialize};

use crate::error::{Error, Result};
use crate::files::write_atomically;
use crate::gpu::States;
use crate::graph::TensorData;
use crate::shape::{DType, TensorType};

/// How far a training was when a checkpoint was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Steps done.
    pub step: u64,
    /// The seed of initial values and of samples.
    pub seed: u64,
    /// The model's and training's configuration, as JSON.
    pub config: String,
}

/// How a weights file stores floating-point values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// Half: half the size; values beyond ±65504 are refused.
    F16,
    /// Single: exact.
    F32,
}

/// Entries of a file's header beside the tensors.
pub type Metadata = HashMap<String, String>;

/// Tensors by name, in the order they are to be written or were found.
pub type Tensors = Vec<(String, TensorData)>;

/// Writes every state and `progress` to `path`.
pub fn save(path: &Path, states: &States, progress: &Progress) -> Result<()> {
    let tensors = read_states(states, &states.names())?;
    let metadata =
        [("step", progress.step.to_string()), ("seed", progress.seed.to_string()), ("config", progress.config.clone())];
    let metadata = metadata.map(|(key, value)| (key.to_string(), value)).into();
    write_tensors(path, &tensors, metadata, Precision::F32)
}

/// Reads how far the training of a checkpoint was, to build the same model before [`load`].
pub fn progress(path: &Path) -> Result<Progress> {
    let bytes = fs::read(path).map_err(|e| Error::file(path, e))?;
    progress_of(&path.display().to_string(), &bytes)
}

/// Overwrites every state with those of a checkpoint. The file must hold exactly the states there are, each with its shape and finite.
pub fn load(path: &Path, states: &States) -> Result<Progress> {
    let bytes = fs::read(path).map_err(|e| Error::file(path, e))?;
    let file = path.display().to_string();
    let progress = progress_of(&file, &bytes)?;
    let expected = states.names().into_iter().filter_map(|name| Some((states.describe(&name)?.0, name)));
    let expected: Vec<_> = expected.map(|(ty, name)| (name, ty)).collect();
    for (name, data) in read_tensors(&file, &bytes, &expected)? {
        states.write(&name, &data)?;
    }
    Ok(progress)
}

/// Writes the named states and `metadata` to `path`: the states an inference program uses
/// ([`Program::states`](crate::Program)), to ship a trained model.
pub fn save_weights(
    path: &Path,
    states: &States,
    names: &[String],
    precision: Precision,
    metadata: Metadata,
) -> Result<()> {
    write_tensors(path, &read_states(states, names)?, metadata, precision)
}

fn read_states(states: &States, names: &[String]) -> Result<Tensors> {
    let borrowed: Vec<&str> = names.iter().map(String::as_str).collect();
    Ok(names.iter().cloned().zip(states.read(&borrowed)?).collect())
}

fn progress_of(file: &str, bytes: &[u8]) -> Result<Progress> {
    let metadata = read_metadata(file, bytes)?;
    let entry = |key: &str| {
        metadata.get(key).cloned().ok_or_else(|| Error::Weights {
            file: file.to_string(),
            message: format!(
                "expected a checkpoint with `{key}` in its header, got none (weights alone cannot resume)"
            ),
        })
    };
    let number = |key: &str| {
        let text = entry(key)?;
        text.parse().map_err(|_| Error::Weights {
            file: file.to_string(),
            message: format!("`{key}` in the header: expected a whole number, got `{text}`"),
        })
    };
    Ok(Progress { step: number("step")?, seed: number("seed")?, config: entry("config")? })
}

/// Writes tensors in the safetensors format, whole or not at all. NaN and infinity are refused, and with
/// [`Precision::F16`] also values that half precision cannot hold.
pub fn write_tensors(path: &Path, tensors: &Tensors, metadata: Metadata, precision: Precision) -> Result<()> {
    let file = path.display().to_string();
    let mut encoded = Vec::with_capacity(tensors.len());
    for (name, data) in tensors {
        check_finite(&file, name, data)?;
        let half = precision == Precision::F16 && data.ty.dtype == DType::F32 || data.ty.dtype == DType::F16;
        let (dtype, bytes) = match (half, data.ty.dtype) {
            (true, _) => (Dtype::F16, half_bytes(&file, name, data)?),
            (false, DType::U32) => (Dtype::U32, little_endian(data)),
            (false, _) => (Dtype::F32, little_endian(data)),
        };
        encoded.push((name, dtype, data.ty.shape.dims().to_vec(), bytes));
    }
    let wrong = |e: SafeTensorError| Error::Weights { file: file.clone(), message: e.to_string() };
    let views =
        encoded.iter().map(|(name, dtype, dims, bytes)| Ok((name, TensorView::new(*dtype, dims.clone(), bytes)?)));
    let views: Vec<_> = views.collect::<std::result::Result<_, SafeTensorError>>().map_err(wrong)?;
    let bytes = serialize(views, Some(metadata)).map_err(wrong)?;
    write_atomically(path, |out| out.write_all(&bytes))
}

/// Reads exactly the `expected` tensors from the bytes of a safetensors file (`file` is its name for messages), f16
/// widened to f32. [`Error::Weights`] if the file is cut off or no such file, or if a tensor is missing, unexpected, of another shape
/// or type, or not finite.
pub fn read_tensors(file: &str, bytes: &[u8], expected: &[(String, TensorType)]) -> Result<Tensors> {
    let fail = |message: String| Error::Weights { file: file.to_string(), message };
    check_length(file, bytes)?;
    let found = SafeTensors::deserialize(bytes).map_err(|e| fail(e.to_string()))?;
    let mut names = found.names();
    names.sort_unstable();
    if let Some(extra) = names.iter().find(|name| !expected.iter().any(|(e, _)| e == *name)) {
        return Err(fail(format!("tensor `{extra}`: not part of the model, which has {} tensors", expected.len())));
    }
    let tensor = |(name, ty): &(String, TensorType)| {
        let view = found.tensor(name).map_err(|_| fail(format!("tensor `{name}`: expected {ty}, got none")))?;
        let data = match (ty.dtype, view.dtype()) {
            _ if view.shape() != ty.shape.dims() => None,
            (DType::F32, Dtype::F32) => TensorData::f32(&ty.shape, &words(view.data(), f32::from_le_bytes)),
            (DType::F32 | DType::F16, Dtype::F16) => {
                TensorData::of_f32(ty, &words(view.data(), |b| f16::from_le_bytes(b).to_f32()))
            }
            (DType::U32, Dtype::U32) => TensorData::u32(&ty.shape, &words(view.data(), u32::from_le_bytes)),
            _ => None,
        };
        let data = data.ok_or_else(|| {
            fail(format!(
                "tensor `{name}`: expected {} {}, got {} {:?}",
                ty.dtype,
                ty.shape,
                view.dtype(),
                view.shape()
            ))
        })?;
        check_finite(file, name, &data)?;
        Ok((name.clone(), data))
    };
    expected.iter().map(tensor).collect()
}

/// The header entries of a safetensors file beside the tensors.
pub fn read_metadata(file: &str, bytes: &[u8]) -> Result<Metadata> {
    check_length(file, bytes)?;
    let (_, header) = SafeTensors::read_metadata(bytes)
        .map_err(|e| Error::Weights { file: file.to_string(), message: e.to_string() })?;
    Ok(header.metadata().clone().unwrap_or_default())
}

/// Says how many bytes a cut-off file lacks, which the format's own reader does not.
fn check_length(file: &str, bytes: &[u8]) -> Result<()> {
    let short = |expected: u64| Error::Weights {
        file: file.to_string(),
        message: format!("the file is cut off or no safetensors file: expected {expected} bytes, got {}", bytes.len()),
    };
    let header = bytes.first_chunk().map(|b| u64::from_le_bytes(*b)).ok_or_else(|| short(8))?;
    let body = header.saturating_add(8);
    let text = usize::try_from(body).ok().and_then(|end| bytes.get(8..end)).ok_or_else(|| short(body))?;
    // Anything else that is wrong with the header is told by the format's reader.
    let Ok(serde_json::Value::Object(entries)) = serde_json::from_slice(text) else { return Ok(()) };
    let ends = entries.values().filter_map(|entry| entry.get("data_offsets")?.get(1)?.as_u64());
    let expected = body.saturating_add(ends.max().unwrap_or(0));
    if (bytes.len() as u64) < expected { Err(short(expected)) } else { Ok(()) }
}

fn check_finite(file: &str, name: &str, data: &TensorData) -> Result<()> {
    let bad = match data.ty.dtype {
        DType::F32 | DType::F16 => data.to_f32().into_iter().enumerate().find(|(_, v)| !v.is_finite()),
        DType::U32 => None,
    };
    match bad {
        None => Ok(()),
        Some((at, value)) => {
            let message = format!("tensor `{name}`: expected finite values, got {value} at element {at}");
            Err(Error::Weights { file: file.to_string(), message })
        }
    }
}

fn words<T, const N: usize>(bytes: &[u8], decode: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks().0.iter().map(|b| decode(*b)).collect()
}

fn little_endian(data: &TensorData) -> Vec<u8> {
    let (words, _) = data.bytes().as_chunks();
    words.iter().flat_map(|b| u32::from_ne_bytes(*b).to_le_bytes()).collect()
}

fn half_bytes(file: &str, name: &str, data: &TensorData) -> Result<Vec<u8>> {
    let values = data.to_f32();
    if let Some(value) = values.iter().find(|v| f16::from_f32(**v).is_infinite()) {
        let message = format!("tensor `{name}`: expected values within ±{} for half precision, got {value}", f16::MAX);
        return Err(Error::Weights { file: file.to_string(), message });
    }
    Ok(values.iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()).collect())
}

#[cfg(test)]
#[path = "checkpoint_tests.rs"]
mod tests;
