//! Named state on the device: parameters, running statistics, moments. Programs share it by name.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::buffer::{Data, Piece};
use super::device::Gpu;
use crate::error::{Error, Result};
use crate::exec::Program;
use crate::graph::{AVERAGE, AVERAGES_BEGUN, Init, StateDef, TensorData};
use crate::rng::Rng;
use crate::shape::{DType, TensorType};

struct Entry {
    ty: TensorType,
    trainable: bool,
    piece: Piece,
}

type Entries = BTreeMap<String, Entry>;

/// What it takes for states to lie as a program's region says.
enum Layout {
    /// They do.
    Ready,
    /// Those there are can be moved: no program uses them where they are.
    Free,
    /// A program that is loaded has them elsewhere.
    Held,
}

/// Named tensors on a device. Cheap to clone; clones are the same state.
#[derive(Clone)]
pub struct States {
    gpu: Gpu,
    seed: u64,
    entries: Arc<Mutex<Entries>>,
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

    fn lock(&self) -> std::sync::MutexGuard<'_, Entries> {
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

    /// The bytes of those of a program's states that there are already.
    pub(super) fn bytes_of(&self, program: &Program) -> u64 {
        let entries = self.lock();
        program.states.iter().filter(|def| entries.contains_key(&def.name)).map(|def| def.ty.bytes()).sum()
    }

    /// Forgets those of a program's states that are not among the names `before`.
    pub(super) fn forget_new(&self, program: &Program, before: &[String]) {
        let mut entries = self.lock();
        for def in program.states.iter().filter(|def| before.binary_search(&def.name).is_err()) {
            entries.remove(&def.name);
        }
    }

    /// Whether [`States::place`] can give the program's states the places that its regions ask for.
    pub(super) fn can_lay_out(&self, program: &Program) -> bool {
        let entries = self.lock();
        let mut regions = program.state_regions();
        regions.all(|region| !matches!(layout(&entries, &region), Layout::Held))
    }

    /// Where each of a program's states lies. What is new is made with its initial values; what the program wants to lie
    /// together is brought together, if no other program uses it.
    pub(super) fn place(&self, program: &Program) -> Result<Vec<Piece>> {
        let mut entries = self.lock();
        for def in &program.states {
            check(&entries, def)?;
        }
        for region in program.state_regions() {
            match layout(&entries, &region) {
                Layout::Ready => {}
                Layout::Free => self.lay_out(&mut entries, &region)?,
                Layout::Held => {
                    let names: Vec<&str> = region.iter().map(|(def, _)| def.name.as_str()).collect();
                    return Err(Error::Named {
                        what: "states",
                        name: names.join(", "),
                        expected: "to lie behind each other".into(),
                        got: "a loaded program that has them elsewhere".into(),
                    });
                }
            }
        }
        program.states.iter().map(|def| self.piece(&mut entries, def)).collect()
    }

    /// A buffer for a region, with what its states hold or begin with.
    fn lay_out(&self, entries: &mut Entries, region: &[(&StateDef, u64)]) -> Result<()> {
        let end = region.last().map_or(0, |(def, offset)| offset + def.ty.bytes());
        let (first, others) = (region[0].0, region.len() - 1);
        let buffer = self.gpu.storage(&format!("{} and {others} more", first.name), end);
        let mut encoder = self.gpu.shared.device.create_command_encoder(&Default::default());
        for &(def, offset) in region {
            let (piece, bytes) = (Piece { buffer: buffer.clone(), offset }, def.ty.bytes());
            match entries.get_mut(&def.name) {
                Some(entry) => {
                    let Piece { buffer: old, offset: from } = &entry.piece;
                    if bytes > 0 {
                        encoder.copy_buffer_to_buffer(&old.raw, *from, &buffer.raw, offset, Some(bytes));
                    }
                    entry.piece = piece;
                }
                None => self.begin(entries, def, piece)?,
            }
        }
        self.gpu.shared.queue.submit([encoder.finish()]);
        Ok(())
    }

    /// Where a state lies; in a buffer of its own with its initial values if it is new.
    fn piece(&self, entries: &mut Entries, def: &StateDef) -> Result<Piece> {
        if let Some(entry) = entries.get(&def.name) {
            return Ok(entry.piece.clone());
        }
        let piece = Piece { buffer: self.gpu.storage(&def.name, def.ty.bytes()), offset: 0 };
        self.begin(entries, def, piece.clone())?;
        Ok(piece)
    }

    fn begin(&self, entries: &mut Entries, def: &StateDef, piece: Piece) -> Result<()> {
        self.gpu.shared.queue.write_buffer(&piece.buffer.raw, piece.offset, initial(def, self.seed)?.bytes());
        entries.insert(def.name.clone(), Entry { ty: def.ty.clone(), trainable: def.trainable, piece });
        Ok(())
    }

    /// Adds a state, if there is none of its name.
    fn add(&self, def: &StateDef) -> Result<Piece> {
        let mut entries = self.lock();
        check(&entries, def)?;
        self.piece(&mut entries, def)
    }

    /// Overwrites a state, or adds it.
    pub fn write(&self, name: &str, data: &TensorData) -> Result<()> {
        let def =
            StateDef { name: name.to_string(), ty: data.ty.clone(), init: Init::Data(data.clone()), trainable: false };
        let Piece { buffer, offset } = self.add(&def)?;
        self.gpu.shared.queue.write_buffer(&buffer.raw, offset, data.bytes());
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
            found.push((entry.ty.clone(), entry.piece.clone()));
        }
        let sources: Vec<_> = found.iter().map(|(ty, p)| (&p.buffer.raw, p.offset, ty.bytes())).collect();
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
            copy.add(&StateDef { name: name.clone(), ty: data.ty.clone(), init: Init::Data(data), trainable })?;
        }
        self.gpu.check()?;
        Ok(copy)
    }
}

/// Fails if there is a state of this name with another type.
fn check(entries: &Entries, def: &StateDef) -> Result<()> {
    match entries.get(&def.name).filter(|entry| entry.ty != def.ty) {
        None => Ok(()),
        Some(entry) => Err(Error::Named {
            what: "state",
            name: def.name.clone(),
            expected: entry.ty.to_string(),
            got: def.ty.to_string(),
        }),
    }
}

/// How a region's states lie now.
fn layout(entries: &Entries, region: &[(&StateDef, u64)]) -> Layout {
    let known: Vec<(&Piece, u64)> =
        region.iter().filter_map(|(def, offset)| Some((&entries.get(&def.name)?.piece, *offset))).collect();
    if let (Some((first, _)), true) = (known.first(), known.len() == region.len()) {
        let together = |(piece, offset): &(&Piece, u64)| {
            Arc::ptr_eq(&piece.buffer, &first.buffer) && piece.offset == first.offset + offset
        };
        if known.iter().all(together) {
            return Layout::Ready;
        }
    }
    // Besides programs only the states that lie in a buffer hold it.
    let held = |piece: &Piece| {
        let own = entries.values().filter(|entry| Arc::ptr_eq(&entry.piece.buffer, &piece.buffer)).count();
        Arc::strong_count(&piece.buffer) > own
    };
    if known.iter().any(|(piece, _)| held(piece)) { Layout::Held } else { Layout::Free }
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
