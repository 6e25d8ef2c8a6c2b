// 1 − Π (1 − D) over the faces near each pixel, in the order of the faces: Liu et al., "Soft Rasterizer", 2019, equations 1
// and 4. Threads go tile by tile, so that neighbours look at the same faces.
struct Params {
    total: u32,
    width: u32,
    height: u32,
    faces: u32,
    words: u32, // of a tile's faces
    summaries: u32, // of a tile's words
    columns: u32, // of tiles
    lines: u32,
    sharpness: f32,
    farthest: f32, // square of the distance at which a face no longer counts
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> outlines: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> tiles: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let tile = i / (TILE * TILE);
    let image = tile / params.columns / params.lines;
    let column = tile % params.columns * TILE + i % TILE;
    let row = tile / params.columns % params.lines * TILE + i / TILE % TILE;
    let at = vec2(f32(column), f32(row)) + 0.5;
    let first = tile * (params.words + params.summaries);
    var clear = 1.0;
    // Words not yet looked at of a summary, and faces not yet looked at of a word: one loop, for where lanes run in
    // lockstep every inner loop costs a turn even if it has none to make.
    var summary = 0u;
    var words = 0u;
    var word = 0u;
    var faces = 0u;
    while clear > 1e-8 {
        if faces == 0u {
            if words == 0u {
                if summary == params.summaries {
                    break;
                }
                words = tiles[first + summary];
                summary++;
            }
            if words != 0u {
                word = 32u * (summary - 1u) + firstTrailingBit(words);
                words &= words - 1u;
                faces = tiles[first + params.summaries + word];
            }
        }
        if faces != 0u {
            let face = 3u * (image * params.faces + 32u * word + firstTrailingBit(faces));
            faces &= faces - 1u;
            let near = outline(outlines[face].xyz, outlines[face + 1u].xyz, outlines[face + 2u].xyz, at).signed;
            if near > -params.farthest {
                clear *= 1.0 - coverage(near, params.sharpness);
            }
        }
    }
    if column < params.width && row < params.height {
        y[(image * params.height + row) * params.width + column] = 1.0 - clear;
    }
}
