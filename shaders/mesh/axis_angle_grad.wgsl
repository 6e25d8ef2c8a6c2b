// gx of axis_angle.wgsl.
struct Params {
    rotations: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> gy: array<f32>;
@group(0) @binding(3) var<storage, read_write> gx: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.rotations {
        return;
    }
    let whole = vec3(x[3u * i], x[3u * i + 1u], x[3u * i + 2u]);
    let angle = length(whole);
    let share = least_turn(angle);
    let v = whole * share;
    let u = 0.25 * dot(v, v);
    let s = sinc(u);
    let c = cosine(u);
    let slope = sinc_slope(u);
    let skew = skew_grad(i);
    let square = square_grad(i, v);
    // Derivatives of a and b with respect to |v|, over |v|.
    let da = 0.5 * (slope * c - 0.5 * s * s);
    let db = 0.5 * s * slope;
    var g = s * c * skew + 0.5 * s * s * square + (da * dot(v, skew) + 0.5 * db * dot(v, square)) * v;
    if share != 1.0 {
        // v is the vector less whole turns of a fixed length: along the vector it follows fully, across it by its share.
        let axis = whole / angle;
        g = share * g + (1.0 - share) * dot(axis, g) * axis;
    }
    gx[3u * i] = g.x;
    gx[3u * i + 1u] = g.y;
    gx[3u * i + 2u] = g.z;
}
