// 1 − Π (1 − D) over the faces near each pixel, in the order of the faces: Liu et al., "Soft Rasterizer", 2019, equations 1
// and 4.
struct Params {
    total: u32,
    width: u32,
    height: u32,
    faces: u32,
    quads: u32, // of a tile's words
    columns: u32, // of tiles
    lines: u32,
    sharpness: f32,
    farthest: f32, // square of the distance at which a face no longer counts
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> outlines: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> tiles: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let column = i % params.width;
    let row = i / params.width % params.height;
    let image = i / params.width / params.height;
    let at = vec2(f32(column), f32(row)) + 0.5;
    let tile = (image * params.lines + row / TILE) * params.columns + column / TILE;
    var clear = 1.0;
    for (var quad = 0u; quad < params.quads && clear > 1e-8; quad++) {
        let words = tiles[tile * params.quads + quad];
        if all(words == vec4(0u)) {
            continue;
        }
        for (var word = 0u; word < 4u; word++) {
            var left = words[word];
            while left != 0u && clear > 1e-8 {
                let face = image * params.faces + 128u * quad + 32u * word + firstTrailingBit(left);
                left &= left - 1u;
                let u = outlines[3u * face].xyz;
                let v = outlines[3u * face + 1u].xyz;
                let near = outline(u, v, outlines[3u * face + 2u].xyz, at).signed;
                if near > -params.farthest {
                    clear *= 1.0 - coverage(near, params.sharpness);
                }
            }
        }
    }
    y[i] = 1.0 - clear;
}
