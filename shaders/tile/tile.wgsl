// y = relu(norm(A·B + c) + d) for A m×k and B k×n that loaders (a_*, b_*) make of the operands; c a row of n, d like y, or access/*_none, the
// normalisation access/norm_*; or a stack of partial sums, one for every `k_per_split` inner indices, to be added up by reduce/column_sum.
// A workgroup of LANES_M × LANES_N lanes owns a tile of the result and passes tiles of A and B, TILE_K deep, through workgroup memory;
// a lane holds R rows, LANES_M apart, times G groups of four columns, LANES_N groups apart, so that neighbours read
// neighbouring words. While one pair of tiles is multiplied the lanes fetch the next into registers.
// From the prelude: LANES_M, LANES_N, R, G, TILE_K; the loaders' file says what else.

// [inner index / 4][row], four inner indices each.
var<workgroup> a_tile: array<vec4<f32>, K4 * TILE_M>;
// [inner index][group of columns]
var<workgroup> b_tile: array<vec4<f32>, TILE_K * TILE_N4>;

var<private> acc: array<vec4<f32>, R * G>;
var<private> bs: array<vec4<f32>, 4u * G>;

fn store(lane: u32) {
    for (var slot = 0u; slot < A_SLOTS; slot++) {
        let block = lane + slot * WG;
        if (block < A_BLOCKS) {
            let at = block % K4 * TILE_M + block / K4 * 4u;
            for (var j = 0u; j < 4u; j++) {
                a_tile[at + j] = a_next[slot][j];
            }
        }
    }
    for (var slot = 0u; slot < B_SLOTS; slot++) {
        let block = lane + slot * WG;
        if (block < B_BLOCKS) {
            let at = block / TILE_N4 * 4u * TILE_N4 + block % TILE_N4;
            for (var j = 0u; j < 4u; j++) {
                b_tile[at + j * TILE_N4] = b_next[slot][j];
            }
        }
    }
}

// Adds the products of four inner indices.
fn multiply(k4: u32, lane_m: u32, lane_n: u32) {
    for (var j = 0u; j < 4u; j++) {
        for (var g = 0u; g < G; g++) {
            bs[j * G + g] = b_tile[(4u * k4 + j) * TILE_N4 + lane_n + g * LANES_N];
        }
    }
    for (var i = 0u; i < R; i++) {
        let av = a_tile[k4 * TILE_M + lane_m + i * LANES_M];
        for (var g = 0u; g < G; g++) {
            acc[i * G + g] += av.x * bs[g] + av.y * bs[G + g] + av.z * bs[2u * G + g] + av.w * bs[3u * G + g];
        }
    }
}

@compute @workgroup_size(WG)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let n_tiles = ceil_div(params.n, 4u * TILE_N4);
    let tiles = ceil_div(params.m, TILE_M) * n_tiles;
    let splits = ceil_div(params.k, params.k_per_split);
    let id = group.y * groups.x + group.x;
    let row = id % tiles / n_tiles * TILE_M;
    let column = id % tiles % n_tiles * TILE_N4 * 4u;
    // The place among the results of all parts.
    let place = id / tiles;
    let split = place / params.batch;
    let live = split < splits;
    begin(place % params.batch);
    for (var slot = 0u; slot < A_SLOTS; slot++) {
        a_begin(slot, row + (lane + slot * WG) / K4 * 4u);
    }
    let lane_m = lane / LANES_N;
    let lane_n = lane % LANES_N;

    let first = min(split, splits - 1u) * params.k_per_split;
    let end = min(first + params.k_per_split, params.k);
    fetch(lane, row, column, first);
    for (var k = first; k < end; k += TILE_K) {
        store(lane);
        workgroupBarrier();
        if (k + TILE_K < end) {
            fetch(lane, row, column, k + TILE_K);
        }
        for (var k4 = 0u; k4 < K4; k4++) {
            multiply(k4, lane_m, lane_n);
        }
        workgroupBarrier();
    }

    let n_last = (params.n - 1u) / 4u * 4u;
    for (var g = 0u; g < G; g++) {
        let y_column = column + 4u * (lane_n + g * LANES_N);
        let ending = ending_of(min(y_column, n_last), params.n);
        for (var i = 0u; i < R; i++) {
            let y_row = result_row(row + lane_m + i * LANES_M);
            let left = select(0u, params.n - min(y_column, params.n), live && y_row < params.y_rows);
            write_ended(result_element(split, y_row, y_column), acc[i * G + g], ending, left);
        }
    }
}
