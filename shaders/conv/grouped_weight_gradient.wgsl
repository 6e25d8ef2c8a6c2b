// gw = weight gradient of conv2d, in groups, or a stack of partial sums of its shape, one for every `rows_per_split` of the
// `rows` output rows, to be added up by reduce/column_sum. A lane owns one tap's weights of one block of x for one of y and
// adds up row after row.
struct Params {
    total: u32,
    h: u32,
    w: u32,
    ci: u32,
    oh: u32,
    ow: u32,
    co: u32,
    gi: u32,
    go: u32,
    kh: u32,
    kw: u32,
    stride: u32,
    dilation: u32,
    padding: u32,
    rows: u32,
    rows_per_split: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
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
    let tap = tile % (params.kh * params.kw);
    let split = tile / (params.kh * params.kw);
    // Where the tap lies in the padded image, and the block of x.
    let down = tap / params.kw * params.dilation;
    let along = tap % params.kw * params.dilation;
    let from_block = c / params.go * params.gi + k;

    var acc: array<Channels, ROWS>;
    let first_row = split * params.rows_per_split;
    for (var row = first_row; row < min(first_row + params.rows_per_split, params.rows); row++) {
        // Negative coordinates wrap to numbers beyond any extent.
        let iy = row % params.oh * params.stride + down - params.padding;
        if iy >= params.h {
            continue;
        }
        let base = (row / params.oh * params.h + iy) * params.w;
        var sums: array<Channels, ROWS>;
        for (var ox = 0u; ox < params.ow; ox++) {
            let column = ox * params.stride + along - params.padding;
            let ok = column < params.w;
            let v = select(Channels(), x[select(0u, (base + column) * params.ci + from_block, ok)], ok);
            let g = gy[(row * params.ow + ox) * params.co + c];
            for (var r = 0u; r < ROWS; r++) {
                sums[r] += row_factor(v, r) * g;
            }
        }
        for (var r = 0u; r < ROWS; r++) {
            acc[r] += sums[r];
        }
    }

    // Partial sums are stacked tap after tap, so that the tile counts through all of them.
    let e = (tile * params.gi + k) * ROWS * params.co + c;
    for (var r = 0u; r < ROWS; r++) {
        gw[e + r * params.co] = acc[r];
    }
}
