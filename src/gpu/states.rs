//! Named state on the device: parameters, running statistics, moments. Programs share it by name.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::buffer::{Buffer, Data};
use super::device::Gpu;
use crate::error::{Error, Result};
use crate::graph::{AVERAGE, AVERAGES_BEGUN, Init, StateDef, TensorData};
use crate::rng::Rng;
use crate::shape::{DType, TensorType};

struct Entry {
    ty: TensorType,
    trainable: bool,
    buffer: Arc<Buffer>,
}

/// Named tensors on a device. Cheap to clone; clones are the same state.
#[derive(Clone)]
pub struct States {
    gpu: Gpu,
    seed: u64,
    entries: Arc<Mutex<BTreeMap<String, Entry>>>,
}

impl std::fmt::Debug for States {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

impl States {
    /// No state yet; programs add theirs when compiled, with initial values from seed 0.
    pub fn new(gpu: &Gpu) -> Self {
        Self::seeded(gpu, 0)
    }

    /// As [`States::new`] with another seed for random initial values.
    pub fn seeded(gpu: &Gpu, seed: u64) -> Self {
        States { gpu: gpu.clone(), seed, entries: Arc::default() }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Entry>> {
        self.entries.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// All names, sorted.
    pub fn names(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }

    /// The type of a state and whether it is a trainable parameter.
    pub fn describe(&self, name: &str) -> Option<(TensorType, bool)> {
        self.lock().get(name).map(|e| (e.ty.clone(), e.trainable))
    }

    /// The buffer of a state, made with its initial values if it is new.
    pub(super) fn buffer(&self, def: &StateDef) -> Result<Arc<Buffer>> {
        let mut entries = self.lock();
        if let Some(entry) = entries.get(&def.name) {
            if entry.ty != def.ty {
                return Err(Error::Named {
                    what: "state",
                    name: def.name.clone(),
                    expected: entry.ty.to_string(),
                    got: def.ty.to_string(),
                });
            }
            return Ok(entry.buffer.clone());
        }
        let buffer = self.gpu.storage(&def.name, def.ty.bytes());
        let values = initial(def, self.seed)?;
        self.gpu.shared.queue.write_buffer(&buffer.raw, 0, values.bytes());
        let entry = Entry { ty: def.ty.clone(), trainable: def.trainable, buffer: buffer.clone() };
        entries.insert(def.name.clone(), entry);
        Ok(buffer)
    }

    /// Overwrites a state, or adds it.
    pub fn write(&self, name: &str, data: &TensorData) -> Result<()> {
        let def =
            StateDef { name: name.to_string(), ty: data.ty.clone(), init: Init::Data(data.clone()), trainable: false };
        let buffer = self.buffer(&def)?;
        self.gpu.shared.queue.write_buffer(&buffer.raw, 0, data.bytes());
        self.gpu.check()
    }

    /// Reads states back, all in one copy.
    pub fn read(&self, names: &[&str]) -> Result<Vec<TensorData>> {
        let mut found = Vec::new();
        for name in names {
            let entries = self.lock();
            let entry = entries.get(*name).ok_or_else(|| Error::Named {
                what: "state",
                name: name.to_string(),
                expected: "the name of a state".into(),
                got: "no such state".into(),
            })?;
            found.push((entry.ty.clone(), entry.buffer.clone()));
        }
        let sources: Vec<_> = found.iter().map(|(ty, buffer)| (&buffer.raw, ty.bytes())).collect();
        let bytes = pollster::block_on(self.gpu.read(&sources))?;
        let tensors = found.iter().zip(bytes).map(|((ty, _), bytes)| {
            let words: Vec<u32> = bytemuck::pod_collect_to_vec(&bytes);
            TensorData::of_words(ty, &words).expect("as many bytes as the type says")
        });
        Ok(tensors.collect())
    }
}

impl States {
    /// A copy of these states for inference, in which each parameter has the value of its moving average, if
    /// [`Recorder::average_parameters`](crate::Recorder::average_parameters) keeps one.
    pub fn averaged(&self) -> Result<States> {
        let names = self.names();
        let begun = match names.iter().any(|name| name == AVERAGES_BEGUN) {
            true => self.read(&[AVERAGES_BEGUN])?[0].to_f32() != [0.0],
            false => false,
        };
        let average = |name: &str| Some(format!("{name}{AVERAGE}")).filter(|a| begun && names.contains(a));
        let kept: Vec<&String> = names.iter().filter(|name| !name.ends_with(AVERAGE)).collect();
        let sources: Vec<String> = kept.iter().map(|name| average(name).unwrap_or_else(|| name.to_string())).collect();
        let values = self.read(&sources.iter().map(String::as_str).collect::<Vec<_>>())?;
        let copy = States::seeded(&self.gpu, self.seed);
        for (name, data) in kept.into_iter().zip(values) {
            let trainable = self.describe(name).is_some_and(|(_, trainable)| trainable);
            copy.buffer(&StateDef { name: name.clone(), ty: data.ty.clone(), init: Init::Data(data), trainable })?;
        }
        self.gpu.check()?;
        Ok(copy)
    }
}

/// The initial values of a state: from the seed and the state's name alone, so that adding a layer changes no other.
fn initial(def: &StateDef, seed: u64) -> Result<TensorData> {
    let n = def.ty.shape.numel();
    // FNV-1a, for a stream of its own for every name.
    let stream =
        def.name.bytes().fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    let mut rng = Rng::new(seed, stream);
    let values: Vec<f32> = match &def.init {
        Init::Constant(v) => vec![*v; n],
        Init::Normal(std) => (0..n).map(|_| rng.normal() * std).collect(),
        Init::Uniform(bound) => (0..n).map(|_| rng.range(-bound, *bound)).collect(),
        Init::Rows(values) => {
            let row = n.checked_div(values.len()).unwrap_or(0);
            values.iter().flat_map(|&v| std::iter::repeat_n(v, row)).collect()
        }
        Init::Data(data) => return Ok(data.clone()),
    };
    TensorData::of_f32(&def.ty, &values)
        .ok_or_else(|| Error::invalid(format!("initial values of {}", def.name), def.ty.clone(), n))
}

impl<'a> From<&'a TensorData> for Data<'a> {
    fn from(data: &'a TensorData) -> Self {
        match data.ty.dtype {
            DType::F32 => Data::F32(bytemuck::cast_slice(data.bytes())),
            DType::U32 => Data::U32(bytemuck::cast_slice(data.bytes())),
            DType::F16 => Data::F16(&bytemuck::cast_slice(data.bytes())[..data.ty.shape.numel()]),
        }
    }
}
