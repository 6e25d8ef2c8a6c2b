// The products of a tap's weights with the columns that meet it. A kernel has `xs`, four channels of each of a row's columns that a lane
// needs; LOADS, how many of the four there are; and STEP, from a pixel's column to its neighbour's. The weights are of the four channels
// and four others a vector: `bs`, filled by load_b (common/b_alone, common/b_shared).

// One sum for each of a lane's P pixels and Q groups of channels.
var<private> acc: array<vec4<f32>, P * Q>;
var<private> bs: array<vec4<f32>, 4u * Q>;
// The lane's number in the whole grid.
var<private> invocation: u32;

// Adds what P pixels from column `start` on give to a group of channels.
fn multiply_group(q: u32, start: u32) {
    multiply_four(0u, q, start);
    if (P > 4u) {
        multiply_four(4u, q, start);
    }
}

// Four pixels from `first` on. Their sums stay in registers while a row of weights is in them too.
fn multiply_four(first: u32, q: u32, start: u32) {
    for (var i = 0u; i < LOADS; i++) {
        for (var p = 0u; p < min(4u, P - first); p++) {
            acc[(first + p) * Q + q] += xs[(first + p) * STEP + start][i] * bs[4u * q + i];
        }
    }
}
