//! How long dispatches take: on the device's own clock where it has one, otherwise from submission to completion.

use std::ops::Range;
use std::time::Instant;

use super::device::Gpu;
use super::executable::Executable;
use crate::error::{Error, Result};

/// A query set holds at most 4096 timestamps, two a group.
const GROUPS_PER_QUERY_SET: usize = 2048;

/// The time one dispatch took.
#[derive(Debug, Clone, Copy)]
pub struct StepTime {
    /// Index into [`Program::steps`](crate::Program::steps).
    pub step: usize,
    /// Milliseconds.
    pub ms: f64,
}

/// Dispatches that run in a row, and perhaps are timed together.
#[derive(Debug, Clone)]
struct Group {
    steps: Range<usize>,
    repeats: usize,
    timed: bool,
}

impl Gpu {
    /// What one tick of the device's clock is, nanoseconds; `None` where it has none ([`Gpu::has_timestamps`]). What it
    /// tells apart may be more.
    pub fn timestamp_period_ns(&self) -> Option<f64> {
        self.has_timestamps().then(|| f64::from(self.shared.queue.get_timestamp_period()))
    }
}

impl Executable {
    /// Runs once more and times every dispatch: on the device's own clock where it has one ([`Gpu::has_timestamps`]),
    /// otherwise from submission to completion. Inputs keep what they had; state changes as in any run.
    pub fn profile(&mut self) -> Result<Vec<StepTime>> {
        let steps = 0..self.program().steps.len();
        let alone = |step| Group { steps: step..step + 1, repeats: 1, timed: true };
        let times = self.time_groups(&steps.map(alone).collect::<Vec<_>>())?;
        Ok(times.into_iter().enumerate().map(|(step, ms)| StepTime { step, ms }).collect())
    }

    /// Runs `runs` times and gives the milliseconds a run that those dispatches take for which `timed` says so (one for
    /// each of [`Program::steps`](crate::Program::steps)). Those that follow each other are timed together, as they would run; if all are, all
    /// runs together. Inputs keep what they had; state changes as in any run.
    pub fn time(&mut self, timed: &[bool], runs: usize) -> Result<f64> {
        if timed.len() != self.program().steps.len() {
            return Err(Error::invalid("timed", format!("{} dispatches", self.program().steps.len()), timed.len()));
        }
        let runs = runs.max(1);
        let mut groups: Vec<Group> = Vec::new();
        for (step, &timed) in timed.iter().enumerate() {
            match groups.last_mut() {
                Some(last) if last.timed == timed => last.steps.end = step + 1,
                _ => groups.push(Group { steps: step..step + 1, repeats: 1, timed }),
            }
        }
        match groups.as_mut_slice() {
            [all] => all.repeats = runs,
            _ => groups = (0..runs).flat_map(|_| groups.iter().cloned()).collect(),
        }
        Ok(self.time_groups(&groups)?.iter().sum::<f64>() / runs as f64)
    }

    /// The milliseconds of each timed group.
    fn time_groups(&mut self, groups: &[Group]) -> Result<Vec<f64>> {
        self.send([]);
        self.gpu.wait()?;
        match self.gpu.timestamp_period_ns() {
            Some(period) => self.time_on_device(groups, period * 1e-6),
            None => self.time_on_host(groups),
        }
    }

    fn dispatch_group(&self, pass: &mut wgpu::ComputePass<'_>, group: &Group) {
        for _ in 0..group.repeats {
            group.steps.clone().for_each(|step| self.dispatch(pass, step));
        }
    }

    fn time_on_host(&self, groups: &[Group]) -> Result<Vec<f64>> {
        let mut times = Vec::new();
        for group in groups {
            let mut encoder = self.gpu.shared.device.create_command_encoder(&Default::default());
            self.dispatch_group(&mut encoder.begin_compute_pass(&Default::default()), group);
            let commands = encoder.finish();
            let start = Instant::now();
            self.gpu.shared.queue.submit([commands]);
            self.gpu.wait()?;
            if group.timed {
                times.push(start.elapsed().as_secs_f64() * 1e3);
            }
        }
        Ok(times)
    }

    fn time_on_device(&self, groups: &[Group], ms_per_tick: f64) -> Result<Vec<f64>> {
        let device = &self.gpu.shared.device;
        let timed = groups.iter().filter(|group| group.timed).count();
        let sets: Vec<_> = (0..timed)
            .step_by(GROUPS_PER_QUERY_SET)
            .map(|first| {
                let count = 2 * (timed - first).min(GROUPS_PER_QUERY_SET) as u32;
                let ty = wgpu::QueryType::Timestamp;
                (device.create_query_set(&wgpu::QuerySetDescriptor { label: Some("timestamps"), ty, count }), count)
            })
            .collect();
        let mut commands = Vec::new();
        let mut next = 0;
        for group in groups {
            // A pass of its own in a command buffer of its own: some drivers order timestamps no finer.
            let mut encoder = device.create_command_encoder(&Default::default());
            let timestamp_writes = group.timed.then(|| {
                let index = 2 * (next % GROUPS_PER_QUERY_SET) as u32;
                wgpu::ComputePassTimestampWrites {
                    query_set: &sets[next / GROUPS_PER_QUERY_SET].0,
                    beginning_of_pass_write_index: Some(index),
                    end_of_pass_write_index: Some(index + 1),
                }
            });
            next += usize::from(group.timed);
            let descriptor = wgpu::ComputePassDescriptor { label: None, timestamp_writes };
            self.dispatch_group(&mut encoder.begin_compute_pass(&descriptor), group);
            commands.push(encoder.finish());
        }
        let usage = wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC;
        let mut encoder = device.create_command_encoder(&Default::default());
        let resolved: Vec<_> = sets
            .iter()
            .map(|(set, count)| {
                let buffer = self.gpu.buffer("timestamps", 8 * u64::from(*count), usage);
                encoder.resolve_query_set(set, 0..*count, &buffer.raw, 0);
                (buffer, 8 * u64::from(*count))
            })
            .collect();
        commands.push(encoder.finish());
        self.gpu.shared.queue.submit(commands);
        let sources: Vec<_> = resolved.iter().map(|(buffer, bytes)| (&buffer.raw, 0, *bytes)).collect();
        let bytes = pollster::block_on(self.gpu.read(&sources))?.concat();
        let ticks: Vec<u64> = bytemuck::pod_collect_to_vec(&bytes);
        Ok(ticks.chunks_exact(2).map(|t| t[1].saturating_sub(t[0]) as f64 * ms_per_tick).collect())
    }
}
