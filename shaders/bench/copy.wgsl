// y = x, EACH vec4s a thread; neighbouring threads copy neighbouring vec4s.
struct Params {
    quads: u32,
    threads: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4<u32>>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let first = flat_index(id, groups);
    if first < params.threads {
        for (var k = 0u; k < EACH; k++) {
            let i = first + k * params.threads;
            if i < params.quads {
                y[i] = x[i];
            }
        }
    }
}
