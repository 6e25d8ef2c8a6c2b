// y[o, index[o, r, i], i] = x[o, r, i], o and i standing for the axes before and after the one that indices are for; an
// index that is not below that axis' extent puts nothing. No index may occur twice in a line. What no index names
// stays as it is. Copies bits, so it serves every element type.
@group(0) @binding(1) var<storage, read> x: array<Words>;
@group(0) @binding(2) var<storage, read> index: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<Words>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let inner = i % params.inner;
    let line = i / params.inner;
    let outer = line / params.rows;
    let to = index[index_base(outer, inner) + line % params.rows * params.index_stride];
    if to < params.extent {
        y[(outer * params.extent + to) * params.inner + inner] = x[i];
    }
}
