// What becomes of a sum before it is written: relu(norm(sum + c) + d), c a row or access/c_none, d of the result's shape or access/d_none,
// the normalisation access/norm_*. RELU from the prelude.

// What four columns of every row have in common.
struct Ending {
    bias: vec4<f32>,
    mean: vec4<f32>,
    scale: vec4<f32>,
    shift: vec4<f32>,
}

// That of the four columns from `column` on, of so many.
fn ending_of(column: u32, columns: u32) -> Ending {
    return Ending(c4(column), norm_mean(column), norm_scale(column, columns), norm_shift(column, columns));
}

// Writes a sum to element `e`, if any of its four elements are left in its row.
fn write_ended(e: u32, sum: vec4<f32>, ending: Ending, left: u32) {
    var value = sum + ending.bias;
    if (NORM) {
        value = (value - ending.mean) * ending.scale + ending.shift;
    }
    value += d4(select(0u, e, left > 0u));
    if (RELU) {
        value = select(value, vec4(0.0), value < vec4(0.0));
    }
    write4(e, value, left);
}
