// y = the nine real spherical harmonics of degrees 0 to 2 at each direction v, as polynomials of its components, or with
// GRAD from the prelude the gradient with respect to v from v and gy.
struct Params {
    directions: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> gy: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.directions {
        return;
    }
    let v = vec3(x[3u * i], x[3u * i + 1u], x[3u * i + 2u]);
    if GRAD {
        let line = LINE * vec3(gy[9u * i + 3u], gy[9u * i + 1u], gy[9u * i + 2u]);
        let xy = SADDLE * gy[9u * i + 4u];
        let yz = SADDLE * gy[9u * i + 5u];
        let zx = SADDLE * gy[9u * i + 7u];
        let pole = 6.0 * POLE * gy[9u * i + 6u] * v.z;
        let square = 2.0 * SQUARE * gy[9u * i + 8u];
        let mixed = xy * vec3(v.yx, 0.0) + yz * vec3(0.0, v.zy) + zx * vec3(v.z, 0.0, v.x);
        let g = line + mixed + vec3(square * v.x, -square * v.y, pole);
        y[3u * i] = g.x;
        y[3u * i + 1u] = g.y;
        y[3u * i + 2u] = g.z;
    } else {
        var basis = spherical_harmonics(v);
        for (var k = 0u; k < 9u; k++) {
            y[9u * i + k] = basis[k];
        }
    }
}
