// y[s] = sum of the `rows_per_split` rows of a from row s·rows_per_split on: with splits the first stage of a long sum,
// with one split the whole of it. a is rows×columns. A lane owns four columns of one split and adds in row order,
// in four interleaved chains. WG from the prelude.
struct Params {
    rows: u32,
    columns: u32,
    rows_per_split: u32,
}
@group(0) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(WG)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let columns = params.columns;
    let tiles = (columns + 3u) / 4u;
    let id = (group.y * groups.x + group.x) * WG + lane;
    let column = id % tiles * 4u;
    let split = id / tiles;
    let first = min(split * params.rows_per_split, params.rows);
    let end = min(first + params.rows_per_split, params.rows);

    var sum: array<vec4<f32>, 4>;
    var row = first;
    for (; row + 4u <= end; row += 4u) {
        for (var i = 0u; i < 4u; i++) {
            sum[i] += a4((row + i) * columns + column);
        }
    }
    for (; row < end; row++) {
        sum[0] += a4(row * columns + column);
    }
    let left = select(0u, columns - column, split * params.rows_per_split < params.rows);
    write4(split * columns + column, (sum[0] + sum[1]) + (sum[2] + sum[3]), left);
}
