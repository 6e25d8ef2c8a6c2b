// As pool/separable, where a position reads few others: at most ROWS and COLUMNS (from the prelude), six each. `bands` has for each row of
// y, then for each column, BAND vectors: the first row (column) of x, how many there are, and their weights. A thread takes K channels, or
// groups of four, of a position, which read the same.
struct Params {
    total: u32,
    h: u32,
    w: u32,
    c: u32,
    out_h: u32,
    out_w: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Channels>;
@group(0) @binding(2) var<storage, read> bands: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read_write> y: array<Channels>;

struct Band {
    first: u32,
    count: u32,
    weights: array<f32, 6>,
}

fn band(position: u32) -> Band {
    let head = bands[position * BAND];
    let two = bitcast<vec2<f32>>(head.zw);
    var four = vec4<f32>();
    if (BAND > 1u) {
        four = bitcast<vec4<f32>>(bands[position * BAND + BAND - 1u]);
    }
    return Band(head.x, head.y, array(two.x, two.y, four.x, four.y, four.z, four.w));
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let threads = params.c / K;
    let pixel = i / threads;
    let channel = i % threads;
    let rest = pixel / params.out_w;
    var rows = band(rest % params.out_h);
    var columns = band(params.out_h + pixel % params.out_w);
    let image = (rest / params.out_h) * params.h;
    // A sum for each row, then their sum: the chains stay as short as the rectangle's sides.
    var sums: array<Channels, K>;
    for (var r = 0u; r < ROWS; r++) {
        var across: array<Channels, K>;
        for (var q = 0u; q < COLUMNS; q++) {
            let reads = r < rows.count && q < columns.count;
            let start = ((image + rows.first + r) * params.w + columns.first + q) * params.c + channel;
            for (var k = 0u; k < K; k++) {
                let term = columns.weights[q] * x[select(0u, start + k * threads, reads)];
                across[k] += select(Channels(), term, reads);
            }
        }
        for (var k = 0u; k < K; k++) {
            sums[k] += select(Channels(), rows.weights[r] * across[k], r < rows.count);
        }
    }
    for (var k = 0u; k < K; k++) {
        y[pixel * params.c + channel + k * threads] = sums[k];
    }
}
