// gx of kinematics.wgsl: a thread carries gy of each joint at or below its own up to its own, sums them in ascending order,
// and brings the sum into its parent's axes, y[n, parent].
struct Params {
    total: u32,
    joints: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> parents: array<u32>;
@group(0) @binding(2) var<storage, read> below_ptr: array<u32>;
@group(0) @binding(3) var<storage, read> below: array<u32>;
@group(0) @binding(4) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> y: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read> gy: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> gx: array<vec4<f32>>;

fn carried(g: vec4<f32>, at: u32) -> vec4<f32> {
    return vec4(dot(g, x[at]), dot(g, x[at + 1u]), dot(g, x[at + 2u]), g.w);
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let own = i % params.joints;
    let first = i - own;
    var sum0 = vec4<f32>();
    var sum1 = vec4<f32>();
    var sum2 = vec4<f32>();
    let last = below_ptr[own + 1u];
    for (var k = below_ptr[own]; k < last; k++) {
        var joint = below[k];
        let source = 3u * (first + joint);
        var g0 = gy[source];
        var g1 = gy[source + 1u];
        var g2 = gy[source + 2u];
        while joint != own {
            let at = 3u * (first + joint);
            g0 = carried(g0, at);
            g1 = carried(g1, at);
            g2 = carried(g2, at);
            joint = parents[joint];
        }
        sum0 += g0;
        sum1 += g1;
        sum2 += g2;
    }
    let parent = parents[own];
    if parent != own {
        let at = 3u * (first + parent);
        let b0 = y[at];
        let b1 = y[at + 1u];
        let b2 = y[at + 2u];
        let c0 = b0.x * sum0 + b1.x * sum1 + b2.x * sum2;
        let c1 = b0.y * sum0 + b1.y * sum1 + b2.y * sum2;
        let c2 = b0.z * sum0 + b1.z * sum1 + b2.z * sum2;
        sum0 = c0;
        sum1 = c1;
        sum2 = c2;
    }
    gx[3u * i] = sum0;
    gx[3u * i + 1u] = sum1;
    gx[3u * i + 2u] = sum2;
}
