// Which faces reach which tiles of the image, a bit each: tiles × words. Setting bits does not depend on order. Also what the
// outlines of faces are: columns of the corners, rows, inverse squares of the lengths of edges.
struct Params {
    total: u32,
    faces: u32,
    words: u32, // of a tile
    columns: u32, // of tiles
    lines: u32,
    rows: u32, // of tiles in a band
    bands: u32,
    reach: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> setup: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> corners: array<f32>;
@group(0) @binding(3) var<storage, read_write> tiles: array<atomic<u32>>;
@group(0) @binding(4) var<storage, read_write> outlines: array<vec4<f32>>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i / params.total >= params.bands {
        return;
    }
    let face = i % params.total;
    let head = setup[3u * face];
    // A face that crosses the near plane has no outline.
    if head.x < 3u || head.x >= CROSSES {
        return;
    }
    let shape = corners_of(face);
    let w = divisors(shape.z);
    let u = shape.x / w;
    let v = shape.y / w;
    outlines[3u * face] = vec4(u, 0.0);
    outlines[3u * face + 1u] = vec4(v, 0.0);
    outlines[3u * face + 2u] = vec4(inverse_squares(u, v), 0.0);
    let first_line = i / params.total * params.rows;
    let end_line = min(first_line + params.rows, params.lines);
    let box = box_within(head, i32(params.reach), params.columns * TILE, first_line * TILE, end_line * TILE);
    if any(box.first > box.last) {
        return;
    }
    let first = vec2<u32>(box.first) / TILE;
    let last = vec2<u32>(box.last) / TILE;
    let bit = 1u << (face % params.faces % 32u);
    let word = face % params.faces / 32u;
    let base = face / params.faces * params.columns * params.lines;
    for (var y = first.y; y <= last.y; y++) {
        for (var x = first.x; x <= last.x; x++) {
            atomicOr(&tiles[(base + y * params.columns + x) * params.words + word], bit);
        }
    }
}
