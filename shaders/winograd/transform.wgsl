// T·X·Tᵀ of many tiles X of IN×IN, T the OUT×IN matrix that `turned` applies (winograd/*4.wgsl, winograd/*6.wgsl), four channels of a tile a lane.
// Where a tile comes from and goes to is winograd/from_*.wgsl and winograd/to_*.wgsl: pieces of an image, weights, or points, which
// lie as common/interleaved says. From the prelude: WG lanes a workgroup, IN, OUT, and
// RESULT, the rows and columns of a tile of the result.
// Loops are cut into calls with constant arguments, which compilers unroll, so that tiles stay in registers.
struct Params {
    // Tiles of all images, or rows of the weights.
    tiles: u32,
    channels: u32,
    // How many tiles an image has.
    tiles_y: u32,
    tiles_x: u32,
    // The extents of the image that tiles are read from or written to, and the zeros around it.
    h: u32,
    w: u32,
    pad: u32,
}
@group(0) @binding(0) var<uniform> params: Params;

// The lane's tile, the first of its channels, and the tile's place: its image, and where in it.
var<private> tile: u32;
var<private> channel: u32;
var<private> image: u32;
var<private> tile_y: u32;
var<private> tile_x: u32;

// T·X.
var<private> half_done: array<vec4<f32>, OUT * IN>;

fn column(j: u32) {
    var x: array<vec4<f32>, IN>;
    for (var i = 0u; i < IN; i++) {
        x[i] = load(i, j);
    }
    var t = turned(x);
    for (var i = 0u; i < OUT; i++) {
        half_done[i * IN + j] = t[i];
    }
}

fn row(i: u32, live: bool) {
    var x: array<vec4<f32>, IN>;
    for (var j = 0u; j < IN; j++) {
        x[j] = half_done[i * IN + j];
    }
    var t = turned(x);
    for (var j = 0u; j < OUT; j++) {
        store(i, j, t[j], live);
    }
}

@compute @workgroup_size(WG)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let id = (group.y * groups.x + group.x) * WG + lane;
    let lanes = params.tiles * (params.channels / 4u);
    let live = id < lanes;
    tile = min(id, lanes - 1u) / (params.channels / 4u);
    channel = 4u * min(id, lanes - 1u) - tile * params.channels;
    let line = tile / params.tiles_x;
    tile_x = tile - line * params.tiles_x;
    image = line / params.tiles_y;
    tile_y = line - image * params.tiles_y;

    column(0u);
    column(1u);
    column(2u);
    if (IN > 3u) {
        column(3u);
    }
    if (IN > 4u) {
        column(4u);
        column(5u);
    }
    if (IN > 6u) {
        column(6u);
        column(7u);
    }
    row(0u, live);
    row(1u, live);
    row(2u, live);
    if (OUT > 3u) {
        row(3u, live);
    }
    if (OUT > 4u) {
        row(4u, live);
        row(5u, live);
    }
    if (OUT > 6u) {
        row(6u, live);
        row(7u, live);
    }
}
