// gw = weight gradient of conv2d, in groups, or a stack of partial sums of its shape, one for every `rows_per_split` of the
// `rows` output rows, to be added up by reduce/column_sum. A lane owns what one block of x has for one of y in the TAPS
// columns of a kernel row, all of them if SHARED or else one, and walks over its rows' pixels, P at a time.
const TAPS: u32 = select(1u, KW, SHARED);
const SPAN: u32 = select(P, (P - 1u) * S + (KW - 1u) * D + 1u, SHARED);

@group(0) @binding(1) var<storage, read> x: array<Channels>;
@group(0) @binding(2) var<storage, read> gy: array<Channels>;
@group(0) @binding(3) var<storage, read_write> gw: array<Channels>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let c = i % params.co;
    let k = i / params.co % params.gi;
    let tile = i / (params.co * params.gi);
    let tiles = KW / TAPS;
    let kx = tile % tiles;
    let ky = tile / tiles % params.kh;
    let split = tile / (tiles * params.kh);
    let from_block = c / params.go * params.gi + k;

    var acc: array<Channels, TAPS * ROWS>;
    let first_row = split * params.rows_per_split;
    for (var row = first_row; row < min(first_row + params.rows_per_split, params.rows); row++) {
        // Negative coordinates wrap to numbers beyond any extent.
        let iy = row % params.oh * S + ky * D - params.padding;
        if iy >= params.h {
            continue;
        }
        let base = (row / params.oh * params.h + iy) * params.w;
        for (var ox = 0u; ox < params.ow; ox += P) {
            let left = ox * S + kx * D - params.padding;
            var xs: array<Channels, SPAN>;
            for (var j = 0u; j < SPAN; j++) {
                let column = left + select(j * S, j, SHARED);
                let ok = column < params.w;
                xs[j] = select(Channels(), x[select(0u, (base + column) * params.ci + from_block, ok)], ok);
            }
            for (var p = 0u; p < P; p++) {
                let ok = ox + p < params.ow;
                let at = (row * params.ow + ox + p) * params.co + c;
                let g = select(Channels(), gy[select(0u, at, ok)], ok);
                for (var t = 0u; t < TAPS; t++) {
                    let v = xs[select(p, p * S + t * D, SHARED)];
                    for (var r = 0u; r < ROWS; r++) {
                        acc[t * ROWS + r] += row_factor(v, r) * g;
                    }
                }
            }
        }
    }

    for (var t = 0u; t < TAPS; t++) {
        // Partial sums are stacked kernel row after kernel row, so that the tile counts through all of them.
        let e = ((tile * TAPS + t) * params.gi + k) * ROWS * params.co + c;
        for (var r = 0u; r < ROWS; r++) {
            gw[e + r * params.co] = acc[t * ROWS + r];
        }
    }
}
