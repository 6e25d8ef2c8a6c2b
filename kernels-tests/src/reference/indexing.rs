//! Elements chosen, added up and put in order by indices; running sums.

use super::Tensor;

/// An index tensor, read as if it were repeated along its axes of extent 1 (but for the axis it is for).
#[derive(Debug, Clone, PartialEq)]
pub struct Index {
    /// Extents.
    pub dims: Vec<usize>,
    /// Indices.
    pub data: Vec<u32>,
}

impl Index {
    fn at(&self, place: &[usize]) -> usize {
        let mut position = 0;
        for (&n, &i) in self.dims.iter().zip(place) {
            position = position * n + if n == 1 { 0 } else { i };
        }
        self.data[position] as usize
    }
}

fn with(place: &[usize], axis: usize, i: usize) -> Vec<usize> {
    let mut place = place.to_vec();
    place[axis] = i;
    place
}

/// `y[…, r, …] = x[…, index[…, r, …], …]`, 0 where the index is out of range.
pub fn gather(x: &Tensor, axis: usize, index: &Index) -> Tensor {
    Tensor::from_fn(&with(&x.dims, axis, index.dims[axis]), |place| {
        let source = index.at(place);
        if source < x.dims[axis] { x.at(&with(place, axis, source)) } else { 0.0 }
    })
}

/// `y[…, v, …] = Σ x[…, r, …]` over the r with `index[…, r, …] = v`.
pub fn scatter_add(x: &Tensor, axis: usize, index: &Index, extent: usize) -> Tensor {
    Tensor::from_fn(&with(&x.dims, axis, extent), |place| {
        let lines = (0..x.dims[axis]).map(|r| with(place, axis, r));
        lines.filter(|line| index.at(line) == place[axis]).map(|line| x.at(&line)).sum()
    })
}

/// The places of the elements along `axis` in order; equal ones keep theirs.
pub fn arg_sort(x: &Tensor, axis: usize, descending: bool) -> Index {
    let mut sorted = Tensor::from_fn(&x.dims, |_| 0.0);
    let stride: usize = x.dims[axis + 1..].iter().product();
    for line in 0..x.data.len() / x.dims[axis] {
        let start = line / stride * stride * x.dims[axis] + line % stride;
        let value = |i: usize| x.data[start + i * stride];
        let mut order: Vec<usize> = (0..x.dims[axis]).collect();
        order.sort_by(|&a, &b| {
            let ascending = value(a).partial_cmp(&value(b)).expect("numbers");
            if descending { ascending.reverse() } else { ascending }
        });
        for (i, from) in order.into_iter().enumerate() {
            sorted.data[start + i * stride] = from as f64;
        }
    }
    Index { dims: sorted.dims, data: sorted.data.into_iter().map(|v| v as u32).collect() }
}

/// The first `count` indices along an axis.
pub fn first(index: &Index, axis: usize, count: usize) -> Index {
    let mut data = Vec::new();
    Tensor::from_fn(&with(&index.dims, axis, count), |place| {
        data.push(index.at(place) as u32);
        0.0
    });
    Index { dims: with(&index.dims, axis, count), data }
}

/// Indices as numbers.
pub fn numbers(index: &Index) -> Tensor {
    Tensor { dims: index.dims.clone(), data: index.data.iter().map(|&i| f64::from(i)).collect() }
}

/// The tensor repeated along every axis.
pub fn tile(x: &Tensor, repeats: &[usize]) -> Tensor {
    let dims: Vec<usize> = x.dims.iter().zip(repeats).map(|(n, times)| n * times).collect();
    Tensor::from_fn(&dims, |place| {
        let source: Vec<usize> = place.iter().zip(&x.dims).map(|(i, n)| i % n).collect();
        x.at(&source)
    })
}

/// Every index of an axis several times in a row.
pub fn repeat(x: &Tensor, axis: usize, times: usize) -> Tensor {
    Tensor::from_fn(&with(&x.dims, axis, x.dims[axis] * times), |place| x.at(&with(place, axis, place[axis] / times)))
}

/// Running sums along `axis`.
pub fn cumulative_sum(x: &Tensor, axis: usize, exclusive: bool, reverse: bool) -> Tensor {
    let mut y = x.clone();
    let (length, stride) = (x.dims[axis], x.dims[axis + 1..].iter().product::<usize>());
    for line in 0..x.data.len() / length {
        let start = line / stride * stride * length + line % stride;
        let mut sum = 0.0;
        for step in 0..length {
            let at = start + stride * if reverse { length - 1 - step } else { step };
            let before = sum;
            sum += x.data[at];
            y.data[at] = if exclusive { before } else { sum };
        }
    }
    y
}
