// y[n, i, j] = image n sampled at grid[n, i, j] (across, down), N×H×W×C and N×h×w×2 to N×h×w×C. With `nearest` the pixel
// nearest to the position (of two, the even one), else four pixels weighted by their distance. Pixels outside are 0. A
// position that is not finite lies outside.
struct Params {
    total: u32,
    h: u32,
    w: u32,
    c: u32,
    out_pixels: u32,
    nearest: u32,
    padding: u32,
    aligned: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Channels>;
@group(0) @binding(2) var<storage, read> grid: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read_write> y: array<Channels>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let sample = i / params.c;
    let g = grid[sample];
    var sum = Channels();
    if is_finite(g.x) && is_finite(g.y) {
        let aligned = params.aligned != 0u;
        let nearest = params.nearest != 0u;
        let across = position(g.x, params.w, params.padding, aligned).x;
        let down = position(g.y, params.h, params.padding, aligned).x;
        let at = vec2(across, down);
        let low = select(floor(at), round(at), nearest);
        let part = select(at - low, vec2(0.0), nearest);
        let image = (sample / params.out_pixels) * params.h;
        let reach = select(2, 1, nearest);
        for (var dy = 0; dy < reach; dy++) {
            for (var dx = 0; dx < reach; dx++) {
                // Negative coordinates wrap to numbers beyond any extent.
                let row = u32(i32(low.y) + dy);
                let column = u32(i32(low.x) + dx);
                if row < params.h && column < params.w {
                    let weight = select(1.0 - part.x, part.x, dx == 1) * select(1.0 - part.y, part.y, dy == 1);
                    sum += weight * x[((image + row) * params.w + column) * params.c + i % params.c];
                }
            }
        }
    }
    y[i] = sum;
}
