// Merges WAYS neighbouring sorted runs along the middle axis of keys seen as outer × length × inner into one, and the
// places that belong to them. An element's rank is the sum of how many come before it in each run, found by bisection;
// of equal keys those of an earlier run come first.
struct Params {
    total: u32,
    length: u32,
    inner: u32,
    run: u32, // elements in a sorted run; the last may be shorter
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> keys: array<u32>;
@group(0) @binding(2) var<storage, read> places: array<u32>;
@group(0) @binding(3) var<storage, read_write> merged_keys: array<u32>;
@group(0) @binding(4) var<storage, read_write> merged_places: array<u32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let at = (i / params.inner) % params.length;
    let line = i - at * params.inner;
    let mine = at / params.run;
    let group = mine / WAYS * WAYS;
    let own = keys[i];
    var rank = at - mine * params.run;
    for (var other = group; other < group + WAYS; other++) {
        let first = min(other * params.run, params.length);
        let last = min(first + params.run, params.length);
        // Where the run's elements stop coming before this one.
        var low = first;
        var high = select(last, first, other == mine);
        while low < high {
            let middle = (low + high) / 2u;
            let theirs = keys[line + middle * params.inner];
            if theirs < own || (theirs == own && other < mine) {
                low = middle + 1u;
            } else {
                high = middle;
            }
        }
        rank += low - first;
    }
    let to = line + (group * params.run + rank) * params.inner;
    merged_keys[to] = own;
    merged_places[to] = places[i];
}
