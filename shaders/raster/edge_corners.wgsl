// Gradients of edges' ends across their lines, six pairs a face, to gradients of the corners in homogeneous pixels.
struct Params {
    total: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> setup: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> corners: array<f32>;
@group(0) @binding(3) var<storage, read> g_edges: array<vec2<f32>>;
@group(0) @binding(4) var<storage, read_write> gx: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let shape = corners_of(i);
    let head = setup[3u * i].x;
    let seen = head >= 3u && head < CROSSES;
    var w = vec3(1.0);
    if seen {
        w = divisors(shape.z);
    }
    for (var k = 0u; k < 3u; k++) {
        let before = (k + 2u) % 3u;
        // Along columns ends move in y, along rows in x.
        let gv = g_edges[6u * i + 2u * k].x + g_edges[6u * i + 2u * before].y;
        let gu = g_edges[6u * i + 2u * k + 1u].x + g_edges[6u * i + 2u * before + 1u].y;
        var gz = 0.0;
        if PERSPECTIVE && seen {
            gz = -(gu * shape.x[k] + gv * shape.y[k]) / (w[k] * w[k]);
        }
        gx[9u * i + 3u * k] = gu / w[k];
        gx[9u * i + 3u * k + 1u] = gv / w[k];
        gx[9u * i + 3u * k + 2u] = gz;
    }
}
