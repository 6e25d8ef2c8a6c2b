// y[n, j] = x[n, root] · … · x[n, parent of j] · x[n, j]: affine maps of 3×4, row by row, down a tree whose roots are their own
// parents. A thread walks from its joint up to the root.
struct Params {
    total: u32,
    joints: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> parents: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;

fn above(own: vec4<f32>, b0: vec4<f32>, b1: vec4<f32>, b2: vec4<f32>) -> vec4<f32> {
    return own.x * b0 + own.y * b1 + own.z * b2 + vec4(0.0, 0.0, 0.0, own.w);
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    var joint = i % params.joints;
    let first = i - joint;
    var b0 = x[3u * i];
    var b1 = x[3u * i + 1u];
    var b2 = x[3u * i + 2u];
    for (var parent = parents[joint]; parent != joint; parent = parents[joint]) {
        joint = parent;
        let at = 3u * (first + joint);
        let c0 = above(x[at], b0, b1, b2);
        let c1 = above(x[at + 1u], b0, b1, b2);
        let c2 = above(x[at + 2u], b0, b1, b2);
        b0 = c0;
        b1 = c1;
        b2 = c2;
    }
    y[3u * i] = b0;
    y[3u * i + 1u] = b1;
    y[3u * i + 2u] = b2;
}
