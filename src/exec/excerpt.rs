//! One node of a program as a program of its own, to be run and timed alone.

use std::collections::HashMap;

use super::plan::Plan;
use super::program::{BufferRef, Port, Program, Step, Temp};
use crate::graph::NodeId;
use crate::shape::{DType, TensorType};

impl Program {
    /// The steps of a node, as a program that takes what they read as inputs (constants stay what they are) and gives the node's
    /// value. Inputs are numbered as they are first read: the same for all variants of an operator that read its operands in their order.
    /// `None` if the node is not computed here, changes something besides its value, makes it in another's memory (what is
    /// there besides would be missing), or reads what another made for itself ([`Pass::Repeats`](super::Pass)).
    pub fn excerpt(&self, id: NodeId) -> Option<Program> {
        let info = self.node(id).filter(|info| info.piece.is_none())?;
        let mut excerpt = Program {
            kernels: self.kernels.clone(),
            steps: Vec::new(),
            inputs: Vec::new(),
            states: Vec::new(),
            constants: self.constants.clone(),
            outputs: Vec::new(),
            temps: Vec::new(),
            plan: Plan::default(),
            nodes: vec![info.clone()],
            savings: Vec::new(),
            flats: Vec::new(),
            regions: Vec::new(),
            remade: 0,
        };
        let mut renamed: HashMap<BufferRef, BufferRef> = HashMap::new();
        for step in self.steps.iter().filter(|step| step.node == id) {
            let at = excerpt.steps.len();
            let mut buffers = Vec::new();
            for (binding, &buffer) in self.kernels[step.kernel].bindings.iter().zip(&step.buffers) {
                let written = binding.access == super::Access::Write;
                let known = renamed.get(&buffer).copied();
                let is_temp = matches!(buffer, BufferRef::Temp(_));
                let of_another = !written && is_temp && known.is_none() && self.whole(buffer).is_none();
                let new = match buffer {
                    BufferRef::Unused => BufferRef::Unused,
                    _ if binding.over || of_another => return None,
                    // Nothing but values inside the run may change.
                    _ if written && !is_temp => return None,
                    BufferRef::Constant(_) => buffer,
                    _ if written && !matches!(known, Some(BufferRef::Temp(_)) | None) => return None,
                    _ => known.unwrap_or_else(|| excerpt.add(written, self.type_of(buffer), self.bytes(buffer), at)),
                };
                if let BufferRef::Temp(i) = new {
                    excerpt.temps[i as usize].last = at;
                }
                renamed.insert(buffer, new);
                buffers.push(new);
            }
            excerpt.steps.push(Step { buffers, ..step.clone() });
        }
        let value = *renamed.get(&info.buffer).filter(|value| matches!(value, BufferRef::Temp(_)))?;
        excerpt.nodes[0].buffer = value;
        excerpt.outputs.push(Port { name: info.op.to_string(), ty: info.ty.clone(), buffer: value });
        excerpt.plan = Plan::without_reuse(&excerpt.temps);
        Some(excerpt)
    }

    /// A new value if it is `written`, otherwise a new input.
    fn add(&mut self, written: bool, ty: TensorType, bytes: u64, step: usize) -> BufferRef {
        if written {
            self.temps.push(Temp { bytes, first: step, last: step });
            return BufferRef::Temp(self.temps.len() as u32 - 1);
        }
        let buffer = BufferRef::Input(self.inputs.len() as u32);
        self.inputs.push(Port { name: format!("operand{}", self.inputs.len()), ty, buffer });
        buffer
    }

    fn type_of(&self, buffer: BufferRef) -> TensorType {
        let words = || TensorType { shape: [self.bytes(buffer) as usize / 4].into(), dtype: DType::F32 };
        match buffer {
            BufferRef::Input(i) => self.inputs[i as usize].ty.clone(),
            BufferRef::State(i) => self.states[i as usize].ty.clone(),
            _ => self.whole(buffer).map_or_else(words, |n| n.ty.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::{CompileOptions, Target, compile};
    use crate::graph::{Init, Recorder};

    #[test]
    fn a_node_alone_takes_what_it_reads_and_gives_its_value() {
        let r = Recorder::new();
        let x = r.input("x", [6, 4]);
        let w = r.param_with("w", [4, 8], Init::Constant(1.0));
        let product = x.relu().and_then(|x| x.matmul(w)).expect("shapes fit");
        let rest = product.square().and_then(|y| y.sum_all()).expect("shapes fit");
        let options = CompileOptions::default();
        let outputs = [("rest".to_string(), rest.id())];
        let lowered = r.with_graph(|graph| compile(graph, &outputs, &Target::webgpu_defaults(), options));
        let program = lowered.expect("small enough");
        let excerpt = program.excerpt(product.id()).expect("it is computed");
        assert_eq!(excerpt.steps.len(), program.steps.iter().filter(|s| s.node == product.id()).count());
        let inputs: Vec<_> = excerpt.inputs.iter().map(|port| port.ty.clone()).collect();
        assert_eq!(inputs, [TensorType::f32([6, 4]), TensorType::f32([4, 8])]);
        assert_eq!(excerpt.outputs[0].ty, TensorType::f32([6, 8]));
        assert!(excerpt.states.is_empty());
        assert!(excerpt.nodes[0].choice.is_some());
        assert!(program.excerpt(x.id()).is_none(), "an input is not computed");
        w.assign(w.scale(0.5).expect("fits")).expect("fits");
        let lowered = r.with_graph(|graph| compile(graph, &outputs, &Target::webgpu_defaults(), options));
        let program = lowered.expect("small enough");
        let change = program.nodes.iter().find(|n| matches!(n.buffer, BufferRef::State(_)));
        assert!(program.excerpt(change.expect("it is assigned").id).is_none(), "it changes state");
    }
}
