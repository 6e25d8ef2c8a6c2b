// Matrices of one shape that lie beside each other: a row of all of them after the other, and of a row TOGETHER_COLUMNS at a time, those of one
// matrix after those of the one before. What eight lanes write that have four neighbouring columns each of all matrices lies together then.
// There is room for an odd number of matrices: rows a power of two apart, as those of 64 would be, share the few lines that caches have for them.
const TOGETHER_COLUMNS: u32 = 32u;

// For how many matrices there is room.
fn interleaved_room(count: u32) -> u32 {
    return count | 1u;
}

// Where element (row, column) of the nth of `count` matrices lies.
fn interleaved(nth: u32, count: u32, row: u32, column: u32, columns: u32) -> u32 {
    let first = column / TOGETHER_COLUMNS * TOGETHER_COLUMNS;
    let room = interleaved_room(count);
    return row * (columns * room) + (first * room + nth * min(TOGETHER_COLUMNS, columns - first) + column - first);
}
