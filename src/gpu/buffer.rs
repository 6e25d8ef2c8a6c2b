//! Device buffers that count themselves, and host data on its way to them.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use half::f16;

use super::aliased::{self, Memory};
use crate::error::{Error, Result};
use crate::exec::Texel;
use crate::shape::DType;

/// Bytes allocated on the device now and at most.
#[derive(Debug, Default)]
pub(super) struct Meter {
    now: AtomicU64,
    peak: AtomicU64,
}

impl Meter {
    fn add(&self, bytes: u64) {
        let now = self.now.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.peak.fetch_max(now, Ordering::Relaxed);
    }

    pub(super) fn now(&self) -> u64 {
        self.now.load(Ordering::Relaxed)
    }

    pub(super) fn peak(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }

    pub(super) fn reset_peak(&self) {
        self.peak.store(self.now(), Ordering::Relaxed);
    }
}

/// A device buffer; its bytes are counted while it lives.
#[derive(Debug)]
pub(super) struct Buffer {
    /// The memory, if images can share it. Goes before what lies in it, which keeps it and the device alive.
    memory: Option<Memory>,
    pub(super) raw: wgpu::Buffer,
    bytes: u64,
    meter: Arc<Meter>,
    /// The images over it so far, by where they begin.
    images: Mutex<HashMap<(u64, Texel), wgpu::TextureView>>,
}

/// Where a tensor lies that may share its buffer with others.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    pub(super) buffer: Arc<Buffer>,
    /// Where it begins, bytes.
    pub(super) offset: u64,
}

impl Buffer {
    pub(super) fn new(raw: wgpu::Buffer, memory: Option<Memory>, meter: &Arc<Meter>) -> Self {
        let bytes = raw.size();
        meter.add(bytes);
        Buffer { memory, raw, bytes, meter: meter.clone(), images: Mutex::default() }
    }

    /// The buffer as an image, from `offset` to its end.
    pub(super) fn image(&self, device: &wgpu::Device, offset: u64, texel: Texel) -> Result<wgpu::TextureView> {
        let mut images = self.images.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(view) = images.get(&(offset, texel)) {
            return Ok(view.clone());
        }
        let view = self.memory.as_ref().and_then(|memory| aliased::image(device, memory, offset..self.bytes, texel));
        let view = view.ok_or_else(|| Error::out_of_memory("an image over a buffer", self.bytes))?;
        images.insert((offset, texel), view.clone());
        Ok(view)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.meter.now.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Host data for an input: f32 or u32 elements.
#[derive(Debug, Clone, Copy)]
pub enum Data<'a> {
    /// f32 elements.
    F32(&'a [f32]),
    /// u32 elements.
    U32(&'a [u32]),
    /// f16 elements.
    F16(&'a [f16]),
}

impl Data<'_> {
    /// The element type.
    pub fn dtype(&self) -> DType {
        match self {
            Data::F32(_) => DType::F32,
            Data::U32(_) => DType::U32,
            Data::F16(_) => DType::F16,
        }
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        match self {
            Data::F32(v) => v.len(),
            Data::U32(v) => v.len(),
            Data::F16(v) => v.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whole words.
    pub(super) fn bytes(&self) -> Cow<'_, [u8]> {
        match self {
            Data::F32(v) => bytemuck::cast_slice(v).into(),
            Data::U32(v) => bytemuck::cast_slice(v).into(),
            Data::F16(v) if v.len().is_multiple_of(2) => bytemuck::cast_slice(v).into(),
            Data::F16(v) => [bytemuck::cast_slice(v), &[0; 2]].concat().into(),
        }
    }
}

impl<'a> From<&'a [f32]> for Data<'a> {
    fn from(v: &'a [f32]) -> Self {
        Data::F32(v)
    }
}

impl<'a> From<&'a Vec<f32>> for Data<'a> {
    fn from(v: &'a Vec<f32>) -> Self {
        Data::F32(v)
    }
}

impl<'a, const N: usize> From<&'a [f32; N]> for Data<'a> {
    fn from(v: &'a [f32; N]) -> Self {
        Data::F32(v)
    }
}

impl<'a> From<&'a [f16]> for Data<'a> {
    fn from(v: &'a [f16]) -> Self {
        Data::F16(v)
    }
}

impl<'a> From<&'a [u32]> for Data<'a> {
    fn from(v: &'a [u32]) -> Self {
        Data::U32(v)
    }
}

impl<'a> From<&'a Vec<u32>> for Data<'a> {
    fn from(v: &'a Vec<u32>) -> Self {
        Data::U32(v)
    }
}
