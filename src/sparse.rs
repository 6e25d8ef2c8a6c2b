//! Sparse matrices in compressed rows (CSR), the form the sparse × dense kernels read.

/// The most rows and columns: an f32 holds every index below exactly, and kernels read indices so.
pub const MAX_EXTENT: usize = 1 << 24;

/// What is wrong with the parts of a sparse matrix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SparseError {
    /// `row_ptr` does not have one entry more than there are rows.
    #[error("sparse: row_ptr of a matrix with {rows} rows has {expected} entries, got {got}", expected = rows + 1)]
    RowPointers {
        /// Rows of the matrix.
        rows: usize,
        /// Entries in `row_ptr`.
        got: usize,
    },
    /// `row_ptr` decreases, or does not start at 0.
    #[error("sparse: row_ptr must start at 0 and never decrease, got {got} after {before} at row {row}")]
    Order {
        /// First offending entry of `row_ptr`.
        row: usize,
        /// The entry before it (0 for the first).
        before: u32,
        /// Its value.
        got: u32,
    },
    /// `col` and `val` do not have as many entries as `row_ptr` says.
    #[error("sparse: row_ptr ends at {expected}, but col has {col} entries and val {val}")]
    Entries {
        /// Last entry of `row_ptr`.
        expected: usize,
        /// Entries in `col`.
        col: usize,
        /// Entries in `val`.
        val: usize,
    },
    /// There are more rows or columns than kernels can index.
    #[error("sparse: a matrix of {rows} × {cols} is larger than {MAX_EXTENT} rows or columns")]
    TooLarge {
        /// Rows of the matrix.
        rows: usize,
        /// Columns of the matrix.
        cols: usize,
    },
    /// An index lies outside the matrix.
    #[error("sparse: entry ({row}, {col}) lies outside a {rows} × {cols} matrix")]
    Outside {
        /// Row of the entry.
        row: usize,
        /// Column of the entry.
        col: usize,
        /// Rows of the matrix.
        rows: usize,
        /// Columns of the matrix.
        cols: usize,
    },
    /// Columns within a row are not strictly increasing.
    #[error("sparse: columns of row {row} are not strictly increasing")]
    Unsorted {
        /// The row.
        row: usize,
    },
}

/// A `rows` × `cols` matrix: row `i` holds entries `row_ptr[i]..row_ptr[i + 1]` of `col` (strictly increasing) and `val`.
#[derive(Debug, Clone, PartialEq)]
pub struct Csr {
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub cols: usize,
    /// Where each row starts, then the number of entries; `rows + 1` long.
    pub row_ptr: Vec<u32>,
    /// Column of each entry.
    pub col: Vec<u32>,
    /// Value of each entry.
    pub val: Vec<f32>,
}

fn within_extents(rows: usize, cols: usize) -> Result<(), SparseError> {
    if rows.max(cols) > MAX_EXTENT { Err(SparseError::TooLarge { rows, cols }) } else { Ok(()) }
}

impl Csr {
    /// A matrix from its parts, checked.
    pub fn new(rows: usize, cols: usize, row_ptr: Vec<u32>, col: Vec<u32>, val: Vec<f32>) -> Result<Self, SparseError> {
        within_extents(rows, cols)?;
        if row_ptr.len() != rows + 1 {
            let got = row_ptr.len();
            return Err(SparseError::RowPointers { rows, got });
        }
        let mut before = 0;
        for (row, &got) in row_ptr.iter().enumerate() {
            if got < before || (row == 0 && got != 0) {
                return Err(SparseError::Order { row, before, got });
            }
            before = got;
        }
        let expected = before as usize;
        if col.len() != expected || val.len() != expected {
            let (col, val) = (col.len(), val.len());
            return Err(SparseError::Entries { expected, col, val });
        }
        let matrix = Self { rows, cols, row_ptr, col, val };
        for row in 0..rows {
            let columns = &matrix.col[matrix.span(row)];
            if let Some(&col) = columns.iter().find(|&&c| c as usize >= cols) {
                let col = col as usize;
                return Err(SparseError::Outside { row, col, rows, cols });
            }
            if columns.windows(2).any(|w| w[0] >= w[1]) {
                return Err(SparseError::Unsorted { row });
            }
        }
        Ok(matrix)
    }

    /// A matrix from (row, column, value) in any order; values of equal places are summed in the order given.
    pub fn from_triplets(rows: usize, cols: usize, triplets: &[(usize, usize, f32)]) -> Result<Self, SparseError> {
        within_extents(rows, cols)?;
        if let Some(&(row, col, _)) = triplets.iter().find(|t| t.0 >= rows || t.1 >= cols) {
            return Err(SparseError::Outside { row, col, rows, cols });
        }
        let mut sorted = triplets.to_vec();
        sorted.sort_by_key(|&(row, col, _)| (row, col)); // stable: equal places keep their order
        let mut row_ptr = vec![0u32; rows + 1];
        let (mut col, mut val) = (Vec::with_capacity(sorted.len()), Vec::<f32>::with_capacity(sorted.len()));
        let mut last = None;
        for (r, c, v) in sorted {
            if last == Some((r, c)) {
                *val.last_mut().expect("a last place has a value") += v;
            } else {
                last = Some((r, c));
                row_ptr[r + 1] += 1;
                col.push(c as u32);
                val.push(v);
            }
        }
        for row in 0..rows {
            row_ptr[row + 1] += row_ptr[row];
        }
        Ok(Self { rows, cols, row_ptr, col, val })
    }

    /// The `n` × `n` identity.
    pub fn identity(n: usize) -> Self {
        Self { rows: n, cols: n, row_ptr: (0..=n as u32).collect(), col: (0..n as u32).collect(), val: vec![1.0; n] }
    }

    /// Number of stored entries.
    pub fn entries(&self) -> usize {
        self.col.len()
    }

    /// (column, value) of the entries of a row.
    pub fn row(&self, row: usize) -> impl Iterator<Item = (usize, f32)> + '_ {
        let span = self.span(row);
        let columns = self.col[span.clone()].iter().map(|&c| c as usize);
        columns.zip(self.val[span].iter().copied())
    }

    /// The transpose, columns sorted.
    pub fn transpose(&self) -> Self {
        let mut row_ptr = vec![0u32; self.cols + 1];
        for &c in &self.col {
            row_ptr[c as usize + 1] += 1;
        }
        for c in 0..self.cols {
            row_ptr[c + 1] += row_ptr[c];
        }
        let mut next = row_ptr.clone();
        let (mut col, mut val) = (vec![0; self.entries()], vec![0.0; self.entries()]);
        for row in 0..self.rows {
            for (c, v) in self.row(row) {
                let place = next[c] as usize;
                next[c] += 1;
                col[place] = row as u32;
                val[place] = v;
            }
        }
        Self { rows: self.cols, cols: self.rows, row_ptr, col, val }
    }

    /// `self · x`, summed in f64; `x` has `cols` entries. For set-up and tests, not for speed.
    ///
    /// # Panics
    /// If `x` is not `cols` long.
    pub fn matvec(&self, x: &[f32]) -> Vec<f32> {
        assert_eq!(x.len(), self.cols, "matvec: vector length against columns");
        let dot = |row| self.row(row).map(|(c, v)| v as f64 * x[c] as f64).sum::<f64>() as f32;
        (0..self.rows).map(dot).collect()
    }

    fn span(&self, row: usize) -> std::ops::Range<usize> {
        self.row_ptr[row] as usize..self.row_ptr[row + 1] as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Csr {
        // [0 2 0; 1 0 3], one place given twice and out of order
        Csr::from_triplets(2, 3, &[(1, 2, 1.0), (0, 1, 2.0), (1, 0, 1.0), (1, 2, 2.0)]).unwrap()
    }

    #[test]
    fn triplets_are_sorted_and_summed() {
        let m = sample();
        assert_eq!((m.row_ptr.as_slice(), m.col.as_slice()), (&[0, 1, 3][..], &[1, 0, 2][..]));
        assert_eq!(m.val, [2.0, 1.0, 3.0]);
        assert_eq!(m.matvec(&[1.0, 10.0, 100.0]), [20.0, 301.0]);
        assert_eq!(Csr::new(m.rows, m.cols, m.row_ptr.clone(), m.col.clone(), m.val.clone()), Ok(m));
    }

    #[test]
    fn transpose_twice_is_the_same() {
        let m = sample();
        let t = m.transpose();
        assert_eq!((t.rows, t.cols), (3, 2));
        assert_eq!(t.matvec(&[1.0, 10.0]), [10.0, 2.0, 30.0]);
        assert_eq!(t.transpose(), m);
    }

    #[test]
    fn extents_of_any_size_are_refused() {
        let too_large = Err(SparseError::TooLarge { rows: usize::MAX, cols: 1 });
        assert_eq!(Csr::from_triplets(usize::MAX, 1, &[]), too_large);
        assert_eq!(Csr::new(usize::MAX, 1, vec![], vec![], vec![]), too_large);
        assert!(Csr::from_triplets(1, MAX_EXTENT + 1, &[]).is_err());
    }

    #[test]
    fn identity_and_empty() {
        assert_eq!(Csr::identity(3).matvec(&[4.0, 5.0, 6.0]), [4.0, 5.0, 6.0]);
        let empty = Csr::from_triplets(0, 0, &[]).unwrap();
        assert_eq!((empty.entries(), empty.row_ptr.len()), (0, 1));
        assert_eq!(empty.transpose(), empty);
    }

    #[test]
    fn bad_parts_are_named() {
        let new =
            |row_ptr: &[u32], col: &[u32], n| Csr::new(2, 3, row_ptr.to_vec(), col.to_vec(), vec![1.0; n]).unwrap_err();
        assert_eq!(new(&[0, 1], &[0], 1), SparseError::RowPointers { rows: 2, got: 2 });
        assert_eq!(new(&[0, 2, 1], &[0], 1), SparseError::Order { row: 2, before: 2, got: 1 });
        assert_eq!(new(&[1, 1, 1], &[0], 1), SparseError::Order { row: 0, before: 0, got: 1 });
        assert_eq!(new(&[0, 1, 2], &[0, 1], 1), SparseError::Entries { expected: 2, col: 2, val: 1 });
        assert_eq!(new(&[0, 1, 2], &[0, 3], 2), SparseError::Outside { row: 1, col: 3, rows: 2, cols: 3 });
        assert_eq!(new(&[0, 0, 2], &[1, 1], 2), SparseError::Unsorted { row: 1 });
        let outside = Csr::from_triplets(2, 2, &[(2, 0, 1.0)]).unwrap_err();
        assert_eq!(outside.to_string(), "sparse: entry (2, 0) lies outside a 2 × 2 matrix");
    }
}
