//! Inputs on their way to the device, through two staging buffers in turn: while a run still reads from one, the host fills the other,
//! and no run takes memory that the one before did not have.

use std::ops::Range;
use std::sync::Arc;

use super::buffer::Buffer;
use super::device::{Gpu, SignalWait};
use crate::error::{Error, Result};
use crate::exec::{Port, Program};

/// Inputs begin at multiples of this in a staging buffer: what mapping and copies ask for, and more.
const ALIGNMENT: u64 = 16;

/// The two staging buffers of a program's inputs.
pub(super) struct Uploads {
    /// Where each input lies in a staging buffer.
    places: Vec<Range<u64>>,
    /// The one to be filled first.
    stagings: [Staging; 2],
    /// The inputs in that one which the device has not been told of yet.
    filled: Vec<bool>,
}

/// Where each input lies in a staging buffer.
fn places(program: &Program) -> Vec<Range<u64>> {
    let mut end = 0u64;
    let place = |port: &Port| {
        let start = end.next_multiple_of(ALIGNMENT);
        end = start + port.ty.bytes().next_multiple_of(wgpu::COPY_BUFFER_ALIGNMENT);
        start..end
    };
    program.inputs.iter().map(place).collect()
}

struct Staging {
    buffer: Arc<Buffer>,
    /// Tells when the device has done with it and the host may write; `None` if it may now.
    mapping: Option<SignalWait>,
}

impl Uploads {
    /// Staging buffers for a program's inputs.
    pub(super) fn new(gpu: &Gpu, program: &Program) -> Self {
        let places = places(program);
        let bytes = places.last().map_or(0, |last| last.end);
        let staging = || Staging { buffer: gpu.mapped("inputs", bytes), mapping: None };
        Uploads { filled: vec![false; places.len()], stagings: [staging(), staging()], places }
    }

    /// What both staging buffers of a program take, bytes.
    pub(super) fn bytes(program: &Program) -> u64 {
        2 * places(program).last().map_or(0, |last| last.end)
    }

    /// Keeps `bytes` for an input until [`Uploads::commands`]; what was kept for it before is forgotten.
    pub(super) fn fill(&mut self, gpu: &Gpu, input: usize, bytes: &[u8]) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let Staging { buffer, mapping } = &mut self.stagings[0];
        if let Some(mapped) = mapping.take() {
            // Two runs ago: the device has done with it, unless the host is far ahead.
            gpu.wait()?;
            if !pollster::block_on(mapped) {
                gpu.check()?;
                return Err(Error::Gpu("mapping a buffer for inputs failed".into()));
            }
        }
        let range = self.places[input].start..self.places[input].start + bytes.len() as u64;
        let view = buffer.raw.get_mapped_range_mut(range);
        // A lost device says so.
        let mut view = view.or_else(|e| gpu.check().and(Err(Error::Gpu(e.to_string()))))?;
        view.copy_from_slice(bytes);
        self.filled[input] = true;
        Ok(())
    }

    /// The copies of what was kept into the inputs' own buffers; to be submitted before the run that reads them, and
    /// [`Uploads::turn`] called after.
    pub(super) fn commands(&mut self, gpu: &Gpu, inputs: &[Arc<Buffer>]) -> Option<wgpu::CommandBuffer> {
        if !self.filled.contains(&true) {
            return None;
        }
        let staging = &self.stagings[0].buffer.raw;
        staging.unmap();
        let mut encoder = gpu.shared.device.create_command_encoder(&Default::default());
        let filled = self.filled.iter_mut().map(std::mem::take).zip(&self.places).zip(inputs);
        for ((_, place), input) in filled.filter(|((filled, _), _)| *filled) {
            encoder.copy_buffer_to_buffer(staging, place.start, &input.raw, 0, Some(place.end - place.start));
        }
        Some(encoder.finish())
    }

    /// After the copies were submitted: the other staging buffer is next.
    pub(super) fn turn(&mut self) {
        let [sent, _] = &mut self.stagings;
        sent.mapping = Some(SignalWait::mapping(&sent.buffer.raw, wgpu::MapMode::Write));
        self.stagings.swap(0, 1);
    }
}
