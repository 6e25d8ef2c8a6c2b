// y[o, r, i] = x[o, index[o, r, i], i], o and i standing for the axes before and after the one that indices are for;
// zero where an index is not below that axis' extent. Copies bits, so it serves every element type.
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
    let source = index[index_base(outer, inner) + line % params.rows * params.index_stride];
    var value = Words();
    if source < params.extent {
        value = x[(outer * params.extent + source) * params.inner + inner];
    }
    y[i] = value;
}
