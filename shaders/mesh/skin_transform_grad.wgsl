// The gradient of skin.wgsl with respect to the transforms, in parts: y[n, c] = Σ w·gy[n, v]·(x[v], 1)ᵀ over the vertices v of
// chunk c, listed with their weights w from chunk_ptr[c] to chunk_ptr[c + 1]. The vertices of a chunk follow one joint.
struct Params {
    total: u32,
    chunks: u32,
    vertices: u32,
    stride: u32, // vertices of x a sample, 0 where the batch shares them
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> chunk_ptr: array<u32>;
@group(0) @binding(2) var<storage, read> vertex: array<u32>;
@group(0) @binding(3) var<storage, read> weight: array<f32>;
@group(0) @binding(4) var<storage, read> x: array<f32>;
@group(0) @binding(5) var<storage, read> gy: array<f32>;
@group(0) @binding(6) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let chunk = i % params.chunks;
    let sample = i / params.chunks;
    var sum0 = vec4<f32>();
    var sum1 = vec4<f32>();
    var sum2 = vec4<f32>();
    let last = chunk_ptr[chunk + 1u];
    for (var k = chunk_ptr[chunk]; k < last; k++) {
        let source = 3u * (sample * params.stride + vertex[k]);
        let at = 3u * (sample * params.vertices + vertex[k]);
        let v = weight[k] * vec4(x[source], x[source + 1u], x[source + 2u], 1.0);
        sum0 += gy[at] * v;
        sum1 += gy[at + 1u] * v;
        sum2 += gy[at + 2u] * v;
    }
    y[3u * i] = sum0;
    y[3u * i + 1u] = sum1;
    y[3u * i + 2u] = sum2;
}
