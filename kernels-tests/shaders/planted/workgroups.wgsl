struct Cell {
    count: atomic<u32>,
    place: vec3<f32>,
    corners: array<vec2<f32>, 2>,
}
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

var<workgroup> tile: array<array<f32, 3>, 8>;
var<workgroup> cells: array<Cell, 4>;
var<workgroup> total: f32;
var<workgroup> whole: array<vec4<f32>, 2>;
var<workgroup> ready: u32;

@compute @workgroup_size(8)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3<u32>) {
    let i = group.x * 8u + lane;
    // Whether this invocation reads what another one of its workgroup should have written.
    let forgetful = group.x == 0u && lane == 4u;
    if !(FAULT == 1u && forgetful) {
        tile[lane][1] = f32(i);
    }
    tile[lane][0] = 1.0;
    if lane < 4u {
        if !(FAULT == 2u && group.x == 0u && lane == 2u) {
            cells[lane].place = vec3(f32(lane));
        }
        if !(FAULT == 3u && group.x == 0u && lane == 2u) {
            cells[lane].corners[1].x = 1.0;
        }
        cells[lane].corners[1].y = 2.0;
        if !(FAULT == 4u && group.x == 0u && lane == 2u) {
            atomicStore(&cells[lane].count, lane);
        }
    }
    if lane == 0u && !(FAULT == 5u && group.x == 0u) {
        total = 3.0;
    }
    if lane < 2u && !(FAULT == 6u && group.x == 0u && lane == 1u) {
        whole[lane] = vec4(1.0);
    }
    if lane == 1u && !(FAULT == 7u && group.x == 0u) {
        ready = 5u;
    }
    workgroupBarrier();
    let mine = i == 3u;
    let next = (lane + 1u) % 8u;
    var sum = 0.0;
    if mine {
        sum += tile[next][1]; // fault 1 Unwritten tile[next] 1 3
        sum += cells[lane - 1u].place.y; // fault 2 Unwritten cells 2 4
        sum += cells[lane - 1u].corners[1].x; // fault 3 Unwritten cells[lane_-_1u].corners 1 2
        sum += f32(atomicAdd(&cells[lane - 1u].count, 1u)); // fault 4 Unwritten cells 2 4
        sum += total; // fault 5 Unwritten total 0 1
        let copied = whole; // fault 6 Unwritten whole 0 1
        sum += copied[lane - 2u].x;
        if FAULT == 8u {
            sum += tile[lane][2]; // fault 8 Unwritten tile[lane] 2 3
        }
    }
    workgroupBarrier();
    sum += f32(workgroupUniformLoad(&ready)); // fault 7 Unwritten ready 0 1 by any
    if mine {
        // Whether it was written before does not matter to a store.
        atomicStore(&cells[0].count, 9u);
        tile[0][2] = 1.0;
        sum += tile[0][2] + f32(atomicLoad(&cells[0].count));
    }
    if i < params.n {
        y[i] = sum;
    }
}
