// For each sample of a grid its position in pixels and its cell: which pixels it reads. Cells lie between the pixels' centres,
// (h + 1) × (w + 1) an image, numbered row by row: cell (r, q) has pixel (r, q) at its lower right. With `nearest` the cell's
// lower right pixel is the one it reads. Samples that read nothing are in cell `cells`, behind all others.
struct Params {
    samples: u32,
    h: u32,
    w: u32,
    out_pixels: u32,
    cells: u32,
    nearest: u32,
    padding: u32,
    aligned: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> grid: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read_write> places: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read_write> keys: array<u32>;
@group(0) @binding(4) var<storage, read_write> order: array<u32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let sample = flat_index(id, groups);
    if sample >= params.samples {
        return;
    }
    let g = grid[sample];
    var at = vec2(0.0);
    var key = params.cells;
    if is_finite(g.x) && is_finite(g.y) {
        let aligned = params.aligned != 0u;
        let across = position(g.x, params.w, params.padding, aligned).x;
        let down = position(g.y, params.h, params.padding, aligned).x;
        at = vec2(across, down);
        let nearest = params.nearest != 0u;
        let low = select(floor(at), round(at), nearest);
        // The pixel at the lower right; negative ones wrap to numbers beyond any extent.
        let lower = u32(i32(low.y) + 1);
        let right = u32(i32(low.x) + 1);
        // A nearest pixel of row or column −1 would be numbered 0, and nothing asks for it.
        if lower <= params.h && right <= params.w {
            key = ((sample / params.out_pixels) * (params.h + 1u) + lower) * (params.w + 1u) + right;
        }
    }
    places[sample] = at;
    keys[sample] = key;
    order[sample] = sample;
}
