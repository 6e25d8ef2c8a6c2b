// Merges WAYS neighbouring sorted runs along the middle axis of keys seen as outer × length × inner into one, and the
// places that belong to them. A run has the first `kept` of `span` elements, the last run of what is left of length; of
// the merged ones the first merged_kept stay. An element's rank is the sum of how many come before it in each run,
// found by bisection; of equal keys those of an earlier run come first.
struct Params {
    total: u32,
    length: u32,
    inner: u32,
    runs: u32,
    span: u32,
    kept: u32,
    merged_runs: u32,
    merged_kept: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> keys: array<u32>;
@group(0) @binding(2) var<storage, read> places: array<u32>;
@group(0) @binding(3) var<storage, read_write> merged_keys: array<u32>;
@group(0) @binding(4) var<storage, read_write> merged_places: array<u32>;

// How many elements a run has; those behind the last have none.
fn held(run: u32) -> u32 {
    let first = min(run * params.span, params.length);
    return min(params.kept, params.length - first);
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let inner = i % params.inner;
    let at = (i / params.inner) % (params.runs * params.kept);
    let outer = i / (params.inner * params.runs * params.kept);
    let mine = at / params.kept;
    var rank = at % params.kept;
    if rank >= held(mine) {
        return;
    }
    let line = i - at * params.inner;
    let group = mine / WAYS;
    let own = keys[i];
    for (var other = group * WAYS; other < (group + 1u) * WAYS; other++) {
        // Where the run's elements stop coming before this one.
        let first = other * params.kept;
        var low = first;
        var high = first + select(held(other), 0u, other == mine);
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
    if rank < params.merged_kept {
        let to = ((outer * params.merged_runs + group) * params.merged_kept + rank) * params.inner + inner;
        merged_keys[to] = own;
        merged_places[to] = places[i];
    }
}
