// For every image, chunk of its pixels, bin and channel: Σ k(t) over the chunk's pixels, t the distance of the pixel from the
// bin's centre in units of the bins' spacing. k is a triangle, max(0, 1 − |t|), or exp(−falloff·t²). N×chunks×bins×C.
struct Params {
    total: u32,
    pixels: u32,
    c: u32,
    chunks: u32,
    chunk: u32,
    bins: u32,
    low: f32,
    per_unit: f32, // bins a unit of x
    gaussian: u32,
    falloff: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let c = i % params.c;
    let rest = i / params.c;
    let centre = f32(rest % params.bins);
    let block = rest / params.bins;
    let first = (block % params.chunks) * params.chunk;
    let last = min(first + params.chunk, params.pixels);
    let start = (block / params.chunks) * params.pixels * params.c + c;
    var sum = 0.0;
    for (var p = first; p < last; p++) {
        let t = (x[start + p * params.c] - params.low) * params.per_unit - centre;
        if params.gaussian != 0u {
            sum += exp(-params.falloff * t * t);
        } else {
            sum += max(1.0 - abs(t), 0.0);
        }
    }
    y[i] = sum;
}
