// Points x in homogeneous pixels: (fx·x + cx·w, fy·y + cy·w, z), w being z in perspective and 1 without. With GRAD, gx from
// gy in the places of y and x.
struct Params {
    total: u32,
    points: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> camera: array<vec4<f32>>; // fx, fy, cx, cy of each sample
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let c = camera[i / params.points];
    let p = vec3(x[3u * i], x[3u * i + 1u], x[3u * i + 2u]);
    if GRAD {
        y[3u * i] = c.x * p.x;
        y[3u * i + 1u] = c.y * p.y;
        y[3u * i + 2u] = select(p.z, p.z + c.z * p.x + c.w * p.y, PERSPECTIVE);
    } else {
        let w = select(1.0, p.z, PERSPECTIVE);
        y[3u * i] = c.x * p.x + c.z * w;
        y[3u * i + 1u] = c.y * p.y + c.w * w;
        y[3u * i + 2u] = p.z;
    }
}
