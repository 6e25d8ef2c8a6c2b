// A linear map of images (N×H×W×C) that acts on rows and columns apart, as averages and interpolations do: a position of y
// is the sum of the rectangle of x that it reads, each element times the weights of its row and of its column. `bands` says
// for each row of y, then for each column: the first row (column) of x, where its weights begin, and how many there are.
struct Params {
    total: u32,
    h: u32,
    w: u32,
    c: u32,
    out_h: u32,
    out_w: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Channels>;
@group(0) @binding(2) var<storage, read> bands: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> weights: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<Channels>;

// Element q from `line` on, a position a step, times weight q from `first` on.
fn term(line: u32, first: u32, q: u32) -> Channels {
    return weights[first + q] * x[line + q * params.c];
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let pixel = i / params.c;
    let rest = pixel / params.out_w;
    let rows = bands[rest % params.out_h];
    let columns = bands[params.out_h + pixel % params.out_w];
    let image = (rest / params.out_h) * params.h;
    // A sum for each row, then their sum: the chains stay as short as the rectangle's sides.
    var sum = Channels();
    for (var r = 0u; r < rows.z; r++) {
        let line = ((image + rows.x + r) * params.w + columns.x) * params.c + i % params.c;
        var across = Channels();
        var q = 0u;
        for (; q + 4u <= columns.z; q += 4u) {
            across += (term(line, columns.y, q) + term(line, columns.y, q + 1u))
                + (term(line, columns.y, q + 2u) + term(line, columns.y, q + 3u));
        }
        for (; q < columns.z; q++) {
            across += term(line, columns.y, q);
        }
        sum += weights[rows.y + r] * across;
    }
    y[i] = sum;
}
