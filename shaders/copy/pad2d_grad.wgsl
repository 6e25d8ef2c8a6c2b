// The adjoint of copy/pad2d: y (N×H×W×C) adds up, row by row, the positions of the padded x that were copied from each of
// its own.
struct Params {
    total: u32,
    h: u32,
    w: u32,
    c: u32,
    top: u32,
    bottom: u32,
    left: u32,
    right: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Channels>;
@group(0) @binding(2) var<storage, read_write> y: array<Channels>;

// How many indices along an axis of x may be copies of index `at`.
fn copies(at: u32, before: u32, extent: u32, after: u32) -> u32 {
    if (MODE == 1u) {
        return 3u;
    }
    if (MODE == 2u) {
        return 1u + select(0u, before, at == 0u) + select(0u, after, at == extent - 1u);
    }
    return 1u;
}

// The k-th of them; beyond x where there are fewer mirror images.
fn copy_of(at: u32, k: u32, before: u32, extent: u32) -> u32 {
    if (MODE == 1u) {
        // Wraps to numbers beyond x if the mirror image would lie before it. The outermost pixels have no image of their own.
        if k == 0u {
            return select(before - at, 0xffffffffu, at == 0u);
        }
        if k == 2u {
            return select(before + 2u * (extent - 1u) - at, 0xffffffffu, at == extent - 1u);
        }
        return before + at;
    }
    if (MODE == 2u) {
        return select(before + at, 0u, at == 0u) + k;
    }
    return before + at;
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let c = i % params.c;
    let pixel = i / params.c;
    let column = pixel % params.w;
    let row = pixel / params.w % params.h;
    let image = pixel / (params.w * params.h);
    let x_w = params.left + params.w + params.right;
    let x_h = params.top + params.h + params.bottom;
    let rows = copies(row, params.top, params.h, params.bottom);
    let columns = copies(column, params.left, params.w, params.right);
    var sum = Channels();
    for (var ky = 0u; ky < rows; ky++) {
        let from_row = copy_of(row, ky, params.top, params.h);
        if from_row >= x_h {
            continue;
        }
        var row_sum = Channels();
        for (var kx = 0u; kx < columns; kx++) {
            let from_column = copy_of(column, kx, params.left, params.w);
            if from_column < x_w {
                row_sum += x[((image * x_h + from_row) * x_w + from_column) * params.c + c];
            }
        }
        sum += row_sum;
    }
    y[i] = sum;
}
