//! Operators that only move elements.

use super::Tensor;

/// Tensors one after the other along `axis`.
pub fn concat(parts: &[Tensor], axis: usize) -> Tensor {
    let mut dims = parts[0].dims.clone();
    dims[axis] = parts.iter().map(|p| p.dims[axis]).sum();
    Tensor::from_fn(&dims, |index| {
        let mut index = index.to_vec();
        for part in parts {
            if index[axis] < part.dims[axis] {
                return part.at(&index);
            }
            index[axis] -= part.dims[axis];
        }
        unreachable!("the extents add up")
    })
}

/// Indices `first .. first + len` of `axis`.
pub fn slice(x: &Tensor, axis: usize, first: usize, len: usize) -> Tensor {
    let mut dims = x.dims.clone();
    dims[axis] = len;
    Tensor::from_fn(&dims, |index| {
        let mut index = index.to_vec();
        index[axis] += first;
        x.at(&index)
    })
}

/// Axis i of the result is axis `order[i]` of x.
pub fn permute(x: &Tensor, order: &[usize]) -> Tensor {
    let dims: Vec<usize> = order.iter().map(|&axis| x.dims[axis]).collect();
    Tensor::from_fn(&dims, |index| {
        let mut source = vec![0; order.len()];
        order.iter().zip(index).for_each(|(&axis, &i)| source[axis] = i);
        x.at(&source)
    })
}

/// The same elements under other extents.
pub fn reshape(x: &Tensor, dims: &[usize]) -> Tensor {
    assert_eq!(dims.iter().product::<usize>(), x.data.len());
    Tensor { dims: dims.to_vec(), data: x.data.clone() }
}

/// Axes of extent 1, or missing in front, repeated to `dims`.
pub fn broadcast(x: &Tensor, dims: &[usize]) -> Tensor {
    Tensor::from_fn(dims, |index| {
        let own = &index[index.len() - x.dims.len()..];
        let own: Vec<usize> = own.iter().zip(&x.dims).map(|(&i, &n)| if n == 1 { 0 } else { i }).collect();
        x.at(&own)
    })
}

/// An image N×H×W×C with `[top, bottom, left, right]` rows and columns around it, which hold the pixel that `source` names
/// along each axis for a place counted from the image's first pixel and an extent, or zero.
pub fn pad2d(x: &Tensor, [top, bottom, left, right]: [usize; 4], source: impl Fn(i64, i64) -> Option<i64>) -> Tensor {
    let [n, h, w, c] = x.dims[..] else { panic!("an image") };
    Tensor::from_fn(&[n, top + h + bottom, left + w + right, c], |i| {
        let row = source(i[1] as i64 - top as i64, h as i64);
        let column = source(i[2] as i64 - left as i64, w as i64);
        row.zip(column).map_or(0.0, |(row, column)| x.at(&[i[0], row as usize, column as usize, i[3]]))
    })
}
