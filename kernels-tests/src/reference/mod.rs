//! Naive f64 implementations of the operators, written from their definitions with plain loops and the standard library
//! alone, so that they share no mistake with the kernels.

pub mod adjoint;
pub mod conv;
pub mod graph;
pub mod hand;
pub mod heatmap;
pub mod indexing;
pub mod layout;
pub mod losses;
pub mod matmul;
pub mod mesh;
pub mod nn;
pub mod norm;
pub mod optim;
pub mod pointwise;
pub mod pool;
pub mod random;
pub mod raster;
pub mod reduce;
pub mod sample;

/// A dense row-major tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Extents, outermost first.
    pub dims: Vec<usize>,
    /// Elements.
    pub data: Vec<f64>,
}

impl Tensor {
    /// A tensor whose element at each index is `value(index)`.
    pub fn from_fn(dims: &[usize], mut value: impl FnMut(&[usize]) -> f64) -> Tensor {
        let mut data = Vec::with_capacity(dims.iter().product());
        let mut index = vec![0; dims.len()];
        for _ in 0..dims.iter().product() {
            data.push(value(&index));
            for axis in (0..dims.len()).rev() {
                index[axis] += 1;
                if index[axis] < dims[axis] {
                    break;
                }
                index[axis] = 0;
            }
        }
        Tensor { dims: dims.to_vec(), data }
    }

    /// The element at `index`.
    pub fn at(&self, index: &[usize]) -> f64 {
        assert_eq!(index.len(), self.dims.len(), "rank");
        let mut position = 0;
        for (axis, &i) in index.iter().enumerate() {
            assert!(i < self.dims[axis], "index {index:?} in {:?}", self.dims);
            position = position * self.dims[axis] + i;
        }
        self.data[position]
    }

    /// The tensor with `f` applied to every element.
    pub fn map(&self, f: impl Fn(f64) -> f64) -> Tensor {
        Tensor { dims: self.dims.clone(), data: self.data.iter().map(|&v| f(v)).collect() }
    }
}
