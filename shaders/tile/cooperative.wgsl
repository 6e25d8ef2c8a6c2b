// The products of tile.wgsl, with its loaders and its ending, by cooperative matrices: SIZE × SIZE elements that the lanes of a subgroup hold
// together and multiply at once, their sums in f32. The tiles in workgroup memory hold Element, which represents what is stored exactly.
// Blocks of BLOCK × BLOCK matrices of the result are a subgroup's, SLOTS of them at most; where subgroups are narrower than the widest
// that there may be, there are more of them and some have fewer. Matrices have no elements that a lane could name, so the sums go through
// workgroup memory once more, a panel of SIZE rows at a time, where each lane ends what it writes.
// From the prelude: LANES_M (which divides SIZE), LANES_N, R, G, TILE_K, BLOCK, SLOTS; SIZE, Element, Left, Right and Sum are from
// common/cooperative*; the loaders' file says what else.
const TILE_N: u32 = 4u * TILE_N4;
// So that rows that are read together begin in different banks.
const A_STRIDE: u32 = TILE_K + 8u;
const B_STRIDE: u32 = TILE_N + 8u;
// Blocks of matrices across, and in all.
const BLOCKS_N: u32 = TILE_N / (BLOCK * SIZE);
const BLOCKS: u32 = TILE_M / (BLOCK * SIZE) * BLOCKS_N;

// [row][inner index]
var<workgroup> a_tile: array<Element, TILE_M * A_STRIDE>;
// [inner index][column]
var<workgroup> b_tile: array<Element, TILE_K * B_STRIDE>;
// [row][column]
var<workgroup> panel: array<f32, SIZE * TILE_N>;

fn store(lane: u32) {
    for (var slot = 0u; slot < A_SLOTS; slot++) {
        let block = lane + slot * WG;
        if (block < A_BLOCKS) {
            let at = block / K4 * 4u * A_STRIDE + block % K4 * 4u;
            for (var j = 0u; j < 4u; j++) {
                let row = a_next[slot][j];
                a_tile[at + j * A_STRIDE] = Element(row.x);
                a_tile[at + j * A_STRIDE + 1u] = Element(row.y);
                a_tile[at + j * A_STRIDE + 2u] = Element(row.z);
                a_tile[at + j * A_STRIDE + 3u] = Element(row.w);
            }
        }
    }
    for (var slot = 0u; slot < B_SLOTS; slot++) {
        let block = lane + slot * WG;
        if (block < B_BLOCKS) {
            let at = block / TILE_N4 * 4u * B_STRIDE + block % TILE_N4 * 4u;
            for (var j = 0u; j < 4u; j++) {
                let row = b_next[slot][j];
                b_tile[at + j * B_STRIDE] = Element(row.x);
                b_tile[at + j * B_STRIDE + 1u] = Element(row.y);
                b_tile[at + j * B_STRIDE + 2u] = Element(row.z);
                b_tile[at + j * B_STRIDE + 3u] = Element(row.w);
            }
        }
    }
}

@compute @workgroup_size(WG)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(num_subgroups) subgroups: u32,
) {
    let n_tiles = ceil_div(params.n, TILE_N);
    let tiles = ceil_div(params.m, TILE_M) * n_tiles;
    let splits = ceil_div(params.k, params.k_per_split);
    let id = group.y * groups.x + group.x;
    let row = id % tiles / n_tiles * TILE_M;
    let column = id % tiles % n_tiles * TILE_N;
    // The place among the results of all parts.
    let place = id / tiles;
    let split = place / params.batch;
    let live = split < splits;
    begin(place % params.batch);
    for (var slot = 0u; slot < A_SLOTS; slot++) {
        a_begin(slot, row + (lane + slot * WG) / K4 * 4u);
    }

    let first = min(split, splits - 1u) * params.k_per_split;
    let end = min(first + params.k_per_split, params.k);
    var sums: array<Sum, SLOTS * BLOCK * BLOCK>;
    var rights: array<Right, BLOCK>;
    fetch(lane, row, column, first);
    for (var k = first; k < end; k += TILE_K) {
        store(lane);
        workgroupBarrier();
        if (k + TILE_K < end) {
            fetch(lane, row, column, k + TILE_K);
        }
        // A subgroup leaves together. naga, which asks for control flow that is uniform in the workgroup around matrices, accepts that of
        // loops alone.
        var block = subgroup;
        for (var slot = 0u; slot < SLOTS; slot++) {
            if (block >= BLOCKS) {
                break;
            }
            let block_row = block / BLOCKS_N * BLOCK * SIZE;
            let block_column = block % BLOCKS_N * BLOCK * SIZE;
            for (var step = 0u; step < TILE_K; step += SIZE) {
                for (var j = 0u; j < BLOCK; j++) {
                    rights[j] = coopLoadT<Right>(&b_tile[step * B_STRIDE + block_column + j * SIZE], B_STRIDE);
                }
                for (var i = 0u; i < BLOCK; i++) {
                    let left = coopLoadT<Left>(&a_tile[(block_row + i * SIZE) * A_STRIDE + step], A_STRIDE);
                    for (var j = 0u; j < BLOCK; j++) {
                        let at = (slot * BLOCK + i) * BLOCK + j;
                        sums[at] = coopMultiplyAdd(left, rights[j], sums[at]);
                    }
                }
            }
            block += subgroups;
        }
        workgroupBarrier();
    }

    let lane_m = lane / LANES_N;
    let lane_n = lane % LANES_N;
    let n_last = (params.n - 1u) / 4u * 4u;
    for (var top = 0u; top < TILE_M; top += SIZE) {
        var block = subgroup;
        for (var slot = 0u; slot < SLOTS; slot++) {
            if (block >= BLOCKS) {
                break;
            }
            let block_row = block / BLOCKS_N * BLOCK * SIZE;
            let block_column = block % BLOCKS_N * BLOCK * SIZE;
            block += subgroups;
            for (var i = 0u; i < BLOCK; i++) {
                if (block_row + i * SIZE != top) {
                    continue;
                }
                for (var j = 0u; j < BLOCK; j++) {
                    coopStoreT(sums[(slot * BLOCK + i) * BLOCK + j], &panel[block_column + j * SIZE], TILE_N);
                }
            }
        }
        workgroupBarrier();
        for (var g = 0u; g < G; g++) {
            let panel_column = 4u * (lane_n + g * LANES_N);
            let y_column = column + panel_column;
            let ending = ending_of(min(y_column, n_last), params.n);
            for (var i = 0u; i < SIZE / LANES_M; i++) {
                let panel_row = lane_m + i * LANES_M;
                let y_row = result_row(row + top + panel_row);
                let left = select(0u, params.n - min(y_column, params.n), live && y_row < params.y_rows);
                let at = panel_row * TILE_N + panel_column;
                let sum = vec4(panel[at], panel[at + 1u], panel[at + 2u], panel[at + 3u]);
                write_ended(result_element(split, y_row, y_column), sum, ending, left);
            }
        }
        workgroupBarrier();
    }
}
