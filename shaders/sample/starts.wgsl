// Where the samples of each cell begin among the sorted ones; of cell `cells`, behind them all, too.
struct Params {
    n: u32,
    cells: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> keys: array<u32>;
@group(0) @binding(2) var<storage, read_write> starts: array<u32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let cell = flat_index(id, groups);
    if cell > params.cells {
        return;
    }
    var low = 0u;
    var high = params.n;
    while low < high {
        let middle = (low + high) / 2u;
        if keys[middle] < cell {
            low = middle + 1u;
        } else {
            high = middle;
        }
    }
    starts[cell] = low;
}
