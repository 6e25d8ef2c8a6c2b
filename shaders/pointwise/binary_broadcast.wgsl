// y = f(a, b) with broadcasting, over AXES axes, innermost first: extents n, strides a and b (0 where an operand repeats;
// those of axis 0 are A0 and B0). A thread makes BY neighbours of axis 0, 4 or 1; the last one of a single row may have
// fewer.
struct Params {
    threads: u32,
    total: u32,
    n0: u32, n1: u32, n2: u32, n3: u32, n4: u32,
    a1: u32, a2: u32, a3: u32, a4: u32, a5: u32,
    b1: u32, b2: u32, b3: u32, b4: u32, b5: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

fn take(rest: ptr<function, u32>, axis: u32, extent: u32) -> u32 {
    var index = 0u;
    if axis + 1u == AXES {
        index = *rest;
    } else if axis < AXES {
        index = *rest % extent;
        *rest /= extent;
    }
    return index;
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.threads {
        return;
    }
    let p = params;
    // Each axis takes its index off `rest`; the outermost has no extent to divide by.
    var rest = i * BY;
    var at = take(&rest, 0u, p.n0) * vec2(A0, B0);
    at += take(&rest, 1u, p.n1) * vec2(p.a1, p.b1);
    at += take(&rest, 2u, p.n2) * vec2(p.a2, p.b2);
    at += take(&rest, 3u, p.n3) * vec2(p.a3, p.b3);
    at += take(&rest, 4u, p.n4) * vec2(p.a4, p.b4);
    at += take(&rest, 5u, 1u) * vec2(p.a5, p.b5);
    if BY == 4u {
        // The second to fourth neighbour, or the last there is.
        let more = min(vec3(1u, 2u, 3u), vec3(p.total - 4u * i - 1u));
        let left = vec4(a[at.x], a[at.x + more.x * A0], a[at.x + more.y * A0], a[at.x + more.z * A0]);
        let right = vec4(b[at.y], b[at.y + more.x * B0], b[at.y + more.y * B0], b[at.y + more.z * B0]);
        let result = combine(OP, left, right);
        y[4u * i] = result.x;
        if more.x == 1u {
            y[4u * i + 1u] = result.y;
        }
        if more.y == 2u {
            y[4u * i + 2u] = result.z;
        }
        if more.z == 3u {
            y[4u * i + 3u] = result.w;
        }
    } else {
        y[i] = combine(OP, vec4(a[at.x]), vec4(b[at.y])).x;
    }
}
