// Products of 3×COLUMNS matrices, row by row; with four columns of affine maps, as if (0, 0, 0, 1) were the fourth row.
// LAYOUT 0: y = A·B. 1: the gradient with respect to A of that, from gy (as a) and B. 2: with respect to B, from A and gy (as b).
struct Params {
    total: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

fn row_of_a(at: u32) -> vec4<f32> {
    var last = 0.0;
    if COLUMNS == 4u {
        last = a[at + 3u];
    }
    return vec4(a[at], a[at + 1u], a[at + 2u], last);
}

fn row_of_b(at: u32) -> vec4<f32> {
    var last = 0.0;
    if COLUMNS == 4u {
        last = b[at + 3u];
    }
    return vec4(b[at], b[at + 1u], b[at + 2u], last);
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let at = 3u * COLUMNS * i;
    let b0 = row_of_b(at);
    let b1 = row_of_b(at + COLUMNS);
    let b2 = row_of_b(at + 2u * COLUMNS);
    for (var row = 0u; row < 3u; row++) {
        var result: vec4<f32>;
        if LAYOUT == 2u {
            result = a[at + row] * b0 + a[at + COLUMNS + row] * b1 + a[at + 2u * COLUMNS + row] * b2;
        } else {
            let own = row_of_a(at + row * COLUMNS);
            if LAYOUT == 1u {
                result = vec4(dot(own, b0), dot(own, b1), dot(own, b2), own.w);
            } else {
                result = own.x * b0 + own.y * b1 + own.z * b2 + vec4(0.0, 0.0, 0.0, own.w);
            }
        }
        for (var column = 0u; column < COLUMNS; column++) {
            y[at + row * COLUMNS + column] = result[column];
        }
    }
}
