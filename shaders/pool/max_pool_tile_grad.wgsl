// gx of max pooling where windows are unpadded tiles (stride = kernel): a thread reads its tile once and writes all of
// it. Of equal elements of a tile the first, row by row, is the maximum. Elements beyond the last whole tile get zero.
struct Params {
    total: u32,
    h: u32,
    w: u32,
    c: u32,
    tiles_h: u32,
    tiles_w: u32,
    out_h: u32,
    out_w: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Channels>;
@group(0) @binding(2) var<storage, read> gy: array<Channels>;
@group(0) @binding(3) var<storage, read_write> gx: array<Channels>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let c = i % params.c;
    let pixel = i / params.c;
    let tx = pixel % params.tiles_w;
    let rest = pixel / params.tiles_w;
    let ty = rest % params.tiles_h;
    let image = rest / params.tiles_h;
    let corner = ((image * params.h + ty * KH) * params.w + tx * KW) * params.c + c;
    if ty >= params.out_h || tx >= params.out_w {
        for (var dy = 0u; dy < KH && ty * KH + dy < params.h; dy++) {
            for (var dx = 0u; dx < KW && tx * KW + dx < params.w; dx++) {
                gx[corner + (dy * params.w + dx) * params.c] = Channels();
            }
        }
        return;
    }
    var best = x[corner];
    for (var k = 1u; k < KH * KW; k++) {
        best = max(best, x[corner + (k / KW * params.w + k % KW) * params.c]);
    }
    // What is left of gy: the first element equal to the maximum takes it.
    var left = gy[(image * params.out_h + ty) * params.out_w * params.c + tx * params.c + c];
    for (var k = 0u; k < KH * KW; k++) {
        let at = corner + (k / KW * params.w + k % KW) * params.c;
        let chosen = x[at] == best;
        gx[at] = select(Channels(), left, chosen);
        left = select(left, Channels(), chosen);
    }
}
