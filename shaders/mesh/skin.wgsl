// y[n, v] = Σ w·(T[n, j]·x[v]) over the joints j that move vertex v, listed with their weights w from row_ptr[v] to
// row_ptr[v + 1]; T affine, 3×4, row by row. Vertices are shared by the batch where `stride` is 0.
// With TRANSPOSED from the prelude Σ w·(R[n, j]ᵀ·x[n, v]), R without the last column: the gradient with respect to x.
struct Params {
    total: u32,
    vertices: u32,
    joints: u32,
    stride: u32, // vertices of x a sample
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> row_ptr: array<u32>;
@group(0) @binding(2) var<storage, read> joint: array<u32>;
@group(0) @binding(3) var<storage, read> weight: array<f32>;
@group(0) @binding(4) var<storage, read> x: array<f32>;
@group(0) @binding(5) var<storage, read> transforms: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let vertex = i % params.vertices;
    let sample = i / params.vertices;
    let source = 3u * (sample * params.stride + vertex);
    let v = vec4(x[source], x[source + 1u], x[source + 2u], 1.0);
    var sum = vec3<f32>();
    let last = row_ptr[vertex + 1u];
    for (var k = row_ptr[vertex]; k < last; k++) {
        let at = 3u * (sample * params.joints + joint[k]);
        let t0 = transforms[at];
        let t1 = transforms[at + 1u];
        let t2 = transforms[at + 2u];
        var moved = v.x * t0.xyz + v.y * t1.xyz + v.z * t2.xyz;
        if !TRANSPOSED {
            moved = vec3(dot(t0, v), dot(t1, v), dot(t2, v));
        }
        sum += weight[k] * moved;
    }
    y[3u * i] = sum.x;
    y[3u * i + 1u] = sum.y;
    y[3u * i + 2u] = sum.z;
}
