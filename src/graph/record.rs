//! The recorder: appends nodes, checks shapes at the line that records them.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use super::node::{Graph, Init, Kind, Node, NodeId, StateDef, StateId, TensorData};
use crate::error::{Error, Mismatch, Result, Site};
use crate::ops::{Operator, Storage};
use crate::shape::{DType, MAX_ELEMENTS, Shape, TensorType};

/// Whether layers behave as in training (batch statistics, dropout) or as in inference (running statistics).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Batch statistics; running statistics are updated.
    Train,
    /// Running statistics; nothing is changed.
    Infer,
}

/// Appends typed nodes to a [`Graph`] and hands out [`Var`]s.
///
/// ```
/// use knuckle::{Recorder, Result};
/// # fn main() -> Result<()> {
/// let r = Recorder::new();
/// let x = r.input("x", [4, 3]);
/// let loss = x.mul(x)?.mean_all()?;
/// assert_eq!(loss.shape().dims(), [1]);
/// # Ok(()) }
/// ```
pub struct Recorder {
    graph: RefCell<Graph>,
    mode: Mode,
    names: RefCell<HashMap<String, NodeId>>,
    scope: RefCell<String>,
    /// While a gradient rule runs: the line of the node it differentiates.
    gradient_of: Cell<Option<Site>>,
    /// While a layer records: the line that asked for it.
    layer_of: Cell<Option<Site>>,
}

/// A copyable handle to a node, knowing its recorder, so that a model reads as a chain of calls.
#[derive(Clone, Copy)]
pub struct Var<'r> {
    recorder: &'r Recorder,
    id: NodeId,
}

impl Default for Recorder {
    fn default() -> Self {
        Self::new()
    }
}

impl Recorder {
    /// An empty recorder in [`Mode::Infer`].
    pub fn new() -> Self {
        Self::with_mode(Mode::Infer)
    }

    /// An empty recorder in [`Mode::Train`].
    pub fn training() -> Self {
        Self::with_mode(Mode::Train)
    }

    /// An empty recorder in the given mode.
    pub fn with_mode(mode: Mode) -> Self {
        Recorder {
            graph: RefCell::default(),
            mode,
            names: RefCell::default(),
            scope: RefCell::default(),
            gradient_of: Cell::new(None),
            layer_of: Cell::new(None),
        }
    }

    /// How layers behave.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Runs `body` with `name/` before every parameter's name.
    pub fn scoped<T>(&self, name: &str, body: impl FnOnce() -> T) -> T {
        let outer = self.scope.borrow().clone();
        self.scope.replace(format!("{outer}{name}/"));
        let value = body();
        self.scope.replace(outer);
        value
    }

    /// Runs `body` with nothing before names.
    pub(crate) fn unscoped<T>(&self, body: impl FnOnce() -> T) -> T {
        let outer = self.scope.replace(String::new());
        let value = body();
        self.scope.replace(outer);
        value
    }

    /// As [`Recorder::scoped`], for a layer: its nodes are attributed to the caller's line, or where layers are made of layers
    /// to the outermost's.
    #[track_caller]
    pub(crate) fn layer<T>(&self, name: &str, body: impl FnOnce() -> T) -> T {
        let site = self.layer_of.get().unwrap_or(Site(Location::caller()));
        let outer = self.layer_of.replace(Some(site));
        let value = self.scoped(name, body);
        self.layer_of.set(outer);
        value
    }

    /// The line that a node recorded now is attributed to.
    #[track_caller]
    fn site(&self) -> Site {
        self.gradient_of.get().or(self.layer_of.get()).unwrap_or(Site(Location::caller()))
    }

    /// A tensor uploaded at every run.
    #[track_caller]
    pub fn input(&self, name: &str, shape: impl Into<Shape>) -> Var<'_> {
        self.named(name.to_string(), "input", TensorType::f32(shape), |_| Kind::Input(name.to_string()))
    }

    /// A u32 tensor uploaded at every run.
    #[track_caller]
    pub fn input_u32(&self, name: &str, shape: impl Into<Shape>) -> Var<'_> {
        self.named(name.to_string(), "input", TensorType::u32(shape), |_| Kind::Input(name.to_string()))
    }

    /// A trainable parameter with the usual initial values for a weight whose last axis is the output:
    /// normal with variance 2 / fan-in (He et al. 2015, eq. 10) for two axes or more, zero for one.
    #[track_caller]
    pub fn param(&self, name: &str, shape: impl Into<Shape>) -> Var<'_> {
        let shape = shape.into();
        let init = match shape.rank() {
            0 | 1 => Init::Constant(0.0),
            _ => Init::Normal((2.0 / shape.rows().max(1) as f32).sqrt()),
        };
        self.param_with(name, shape, init)
    }

    /// A trainable parameter with given initial values.
    #[track_caller]
    pub fn param_with(&self, name: &str, shape: impl Into<Shape>, init: Init) -> Var<'_> {
        self.state(name, TensorType::f32(shape), init, true)
    }

    /// Named state that no gradient reaches: running statistics, moments, counters.
    #[track_caller]
    pub fn buffer(&self, name: &str, ty: TensorType, init: Init) -> Var<'_> {
        self.state(name, ty, init, false)
    }

    #[track_caller]
    fn state(&self, name: &str, ty: TensorType, init: Init, trainable: bool) -> Var<'_> {
        let full = format!("{}{name}", self.scope.borrow());
        self.named(full.clone(), "state", ty.clone(), |graph| {
            let id = StateId(graph.states.len() as u32);
            graph.states.push(StateDef { name: full, ty, init, trainable });
            Kind::State(id)
        })
    }

    /// The node that bears `name`, made by `kind` if there is none yet. Using a name twice gives the same node, which
    /// is how weights are shared; using it with two types is an error that compiling reports.
    #[track_caller]
    fn named(
        &self,
        name: String,
        what: &'static str,
        ty: TensorType,
        kind: impl FnOnce(&mut Graph) -> Kind,
    ) -> Var<'_> {
        let key = format!("{what} {name}");
        if let Some(&id) = self.names.borrow().get(&key) {
            let have = self.graph.borrow().node(id).ty.clone();
            if have == ty {
                return Var { recorder: self, id };
            }
            self.graph.borrow_mut().fault.get_or_insert(Error::Named {
                what,
                name,
                expected: format!("{have} as at its first use"),
                got: format!("{ty} at {}", self.site()),
            });
            let kind = Kind::Constant(TensorData::f32([0], &[]).expect("an empty tensor"));
            return self.push(kind, vec![], ty);
        }
        let kind = kind(&mut self.graph.borrow_mut());
        let var = self.push(kind, vec![], ty);
        self.names.borrow_mut().insert(key, var.id);
        var
    }

    /// A constant tensor. The number of values must be the product of the shape.
    #[track_caller]
    pub fn constant(&self, shape: impl Into<Shape>, values: &[f32]) -> Result<Var<'_>> {
        let shape = shape.into();
        match TensorData::f32(shape.clone(), values) {
            Some(data) => Ok(self.constant_data(data)),
            None => {
                let expected = format!("{} values for {shape}", shape.numel());
                self.expect("constant", &[], Err(Mismatch::new("values", expected, values.len())))
            }
        }
    }

    /// A constant tensor of either type.
    #[track_caller]
    pub fn constant_data(&self, data: TensorData) -> Var<'_> {
        let ty = data.ty.clone();
        self.push(Kind::Constant(data), vec![], ty)
    }

    /// A one-element constant.
    #[track_caller]
    pub fn scalar(&self, value: f32) -> Var<'_> {
        self.constant_data(TensorData::f32([1], &[value]).expect("one value"))
    }

    /// What `fits` holds; else the error that an operator's own check would be, at the line that is to blame: for whatever
    /// checks operands or attributes without an `infer` of its own, as what is composed of several operators.
    #[track_caller]
    pub(crate) fn expect<T>(&self, op: &str, operands: &[Var<'_>], fits: Result<T, Mismatch>) -> Result<T> {
        let site = self.site();
        fits.map_err(|wrong| {
            let operands = operands.iter().map(|v| format!("{v:?}")).collect::<Vec<_>>().join(", ");
            mismatch(op, wrong, operands, site)
        })
    }

    /// Applies an operator: infers the result's type and appends a node. This is how every method of [`Var`] works and
    /// how an operator from outside the crate is recorded.
    #[track_caller]
    pub fn apply<'r>(&'r self, op: impl Operator + 'static, inputs: &[Var<'r>]) -> Result<Var<'r>> {
        let ids: Vec<NodeId> = inputs.iter().map(|v| v.id).collect();
        let site = self.site();
        let ty = {
            let graph = self.graph.borrow();
            if inputs.iter().any(|v| !std::ptr::eq(v.recorder, self)) {
                let wrong = Mismatch::new("operand", "a Var of this recorder", "a Var of another recorder");
                return Err(mismatch(op.name(), wrong, String::new(), site));
            }
            let types: Vec<&TensorType> = ids.iter().map(|&id| &graph.node(id).ty).collect();
            let operands = || ids.iter().map(|&id| graph.describe(id)).collect::<Vec<_>>().join(", ");
            // Checked first: an operator may then multiply extents without a thought of overflow.
            let result = types.iter().try_for_each(|ty| countable("operand", ty)).and_then(|()| infer(&op, &types));
            let result = result.and_then(|ty| countable("result", &ty).map(|()| ty));
            result.map_err(|wrong| mismatch(op.name(), wrong, operands(), site))?
        };
        Ok(self.push(Kind::Apply(Arc::new(op)), ids, ty))
    }

    #[track_caller]
    fn push(&self, kind: Kind, inputs: Vec<NodeId>, ty: TensorType) -> Var<'_> {
        let (site, gradient) = (self.site(), self.gradient_of.get());
        let mut graph = self.graph.borrow_mut();
        let id = NodeId(graph.nodes.len() as u32);
        graph.nodes.push(Node { kind, inputs, ty, site, gradient: gradient.is_some() });
        Var { recorder: self, id }
    }

    /// Skips every state change of a run in which `loss` (a scalar) is NaN or infinite, so that bad data cannot spoil
    /// the weights.
    pub fn guard_updates(&self, loss: Var<'_>) {
        self.graph.borrow_mut().guard = Some(loss.id);
    }

    /// Reads the graph recorded so far.
    pub fn with_graph<T>(&self, read: impl FnOnce(&Graph) -> T) -> T {
        read(&self.graph.borrow())
    }

    /// All trainable parameters, in the order they were first used.
    pub fn parameters(&self) -> Vec<(String, Var<'_>)> {
        let graph = self.graph.borrow();
        let params = graph.nodes.iter().enumerate().filter_map(|(i, node)| match node.kind {
            Kind::State(s) if graph.states[s.index()].trainable => {
                Some((graph.states[s.index()].name.clone(), Var { recorder: self, id: NodeId(i as u32) }))
            }
            _ => None,
        });
        params.collect()
    }

    /// Runs a gradient rule with its nodes attributed to the line of the node it differentiates.
    pub(super) fn as_gradient_of<T>(&self, site: Site, rule: impl FnOnce() -> T) -> T {
        let outer = self.gradient_of.replace(Some(site));
        let value = rule();
        self.gradient_of.set(outer);
        value
    }

    pub(super) fn var(&self, id: NodeId) -> Var<'_> {
        Var { recorder: self, id }
    }
}

/// The result's type, where tensors may be stored as f16.
fn infer(op: &impl Operator, types: &[&TensorType]) -> Result<TensorType, Mismatch> {
    let half = |ty: &TensorType| ty.dtype == DType::F16;
    match op.storage() {
        _ if !types.iter().any(|ty| half(ty)) => return op.infer(types),
        Storage::Any => return op.infer(types),
        Storage::Single => return Err(Mismatch::new("operand", DType::F32, DType::F16)),
        Storage::LikeFirst | Storage::Wide => {}
    }
    let wide = |ty: &&TensorType| TensorType { dtype: if half(ty) { DType::F32 } else { ty.dtype }, ..(*ty).clone() };
    let wide: Vec<TensorType> = types.iter().map(wide).collect();
    let result = op.infer(&wide.iter().collect::<Vec<_>>())?;
    let narrow = op.storage() == Storage::LikeFirst && half(types[0]) && result.dtype == DType::F32;
    Ok(TensorType { dtype: if narrow { DType::F16 } else { result.dtype }, ..result })
}

/// Fails if a tensor has more elements than kernels can count.
fn countable(operand: &'static str, ty: &TensorType) -> Result<(), Mismatch> {
    match ty.shape.is_countable() {
        true => Ok(()),
        false => Err(Mismatch::new(operand, format!("at most {MAX_ELEMENTS} elements"), ty)),
    }
}

fn mismatch(op: &str, wrong: Mismatch, operands: String, site: Site) -> Error {
    Error::Operand {
        op: op.to_string(),
        operand: wrong.operand.to_string(),
        expected: wrong.expected,
        got: wrong.got,
        operands,
        site,
    }
}

impl<'r> Var<'r> {
    /// The node's id.
    pub fn id(self) -> NodeId {
        self.id
    }

    /// The recorder it belongs to.
    pub fn recorder(self) -> &'r Recorder {
        self.recorder
    }

    /// Its shape.
    pub fn shape(self) -> Shape {
        self.recorder.graph.borrow().node(self.id).ty.shape.clone()
    }

    /// Its shape and element type.
    pub fn ty(self) -> TensorType {
        self.recorder.graph.borrow().node(self.id).ty.clone()
    }
}

impl fmt::Debug for Var<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.recorder.graph.borrow().describe(self.id))
    }
}
