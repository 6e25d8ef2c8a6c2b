// y[n, e] = the product of row r of a and row v of b, (r, v) = places[e], for every matrix of a batch: a·bᵀ only where
// a sparse matrix has entries.
struct Params {
    total: u32,
    entries: u32,
    rows: u32,
    nodes: u32,
    c: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> places: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> a: array<Channels>;
@group(0) @binding(3) var<storage, read> b: array<Channels>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let n = i / params.entries;
    let place = places[i % params.entries];
    let left = (n * params.rows + place.x) * params.c;
    let right = (n * params.nodes + place.y) * params.c;
    // Sums of 32 first: shorter chains of rounding.
    var sum = Channels();
    for (var first = 0u; first < params.c; first += 32u) {
        var part = Channels();
        for (var c = first; c < min(first + 32u, params.c); c++) {
            part += a[left + c] * b[right + c];
        }
        sum += part;
    }
    y[i] = total(sum);
}
