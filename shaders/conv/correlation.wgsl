// y[pixel, (ky, kx)] = scale · Σ over channels of a[pixel] · b[pixel displaced by (ky, kx)·stride − reach], zero outside b.
// a and b are N×H×W×C, counted in Channels; a thread makes RUN neighbouring displacements of one row.
struct Params {
    total: u32,
    h: u32,
    w: u32,
    c: u32,
    side: u32,
    runs: u32,
    stride: u32,
    reach: u32,
    scale: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<Channels>;
@group(0) @binding(2) var<storage, read> b: array<Channels>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let run = i % params.runs * RUN;
    let rest = i / params.runs;
    let ky = rest % params.side;
    let pixel = rest / params.side;
    let column = pixel % params.w;
    let row = pixel / params.w % params.h;

    // Negative coordinates wrap to numbers beyond any extent.
    let other_row = row + ky * params.stride - params.reach;
    var sums: array<Channels, RUN>;
    if other_row < params.h {
        let base = (pixel / params.w - row + other_row) * params.w;
        for (var c = 0u; c < params.c; c++) {
            let own = a[pixel * params.c + c];
            for (var q = 0u; q < RUN; q++) {
                let other = column + (run + q) * params.stride - params.reach;
                let ok = other < params.w;
                sums[q] += own * select(Channels(), b[select(0u, (base + other) * params.c + c, ok)], ok);
            }
        }
    }
    for (var q = 0u; q < RUN; q++) {
        if run + q < params.side {
            y[(pixel * params.side + ky) * params.side + run + q] = params.scale * total(sums[q]);
        }
    }
}
