// Every map's highest pixel, refined between pixels by its neighbours: position (u, v) in pixels, centres at +0.5, and height.
// HOW from the prelude: 0 as it is, 1 a quarter of a pixel towards the higher neighbour, 2 the top of the parabola
// through the three heights along each axis, 3 of the one through their logarithms. At an edge nothing is refined.
struct Params {
    total: u32,
    h: u32,
    w: u32,
    c: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> places: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

// Where between −½ and ½ the peak is, `before` and `after` not above `top`.
fn shift(before: f32, top: f32, after: f32) -> f32 {
    if HOW == 0u {
        return 0.0;
    }
    if HOW == 1u {
        return 0.25 * sign(after - before);
    }
    var left = before - top;
    var right = after - top;
    if HOW == 3u {
        // Logarithms of ratios; heights of nothing or less count as a tiny share of the top's, or the top as no peak.
        if top <= 0.0 {
            return 0.0;
        }
        left = log(max(before / top, 1e-9));
        right = log(max(after / top, 1e-9));
    }
    let curvature = left + right;
    if curvature >= 0.0 {
        return 0.0;
    }
    return 0.5 * (left - right) / curvature;
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let c = params.c;
    let pixels = params.h * params.w;
    // Whatever the place, nothing beyond the map is read.
    let place = min(places[i], pixels - 1u);
    let at = ((i / c) * pixels + place) * c + i % c;
    let column = place % params.w;
    let row = place / params.w;
    let top = x[at];
    var u = f32(column) + 0.5;
    var v = f32(row) + 0.5;
    if column > 0u && column + 1u < params.w {
        u += shift(x[at - c], top, x[at + c]);
    }
    if row > 0u && row + 1u < params.h {
        v += shift(x[at - params.w * c], top, x[at + params.w * c]);
    }
    y[3u * i] = u;
    y[3u * i + 1u] = v;
    y[3u * i + 2u] = top;
}
