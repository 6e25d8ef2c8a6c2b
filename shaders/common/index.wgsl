// One index from a grid that may be folded into y where a dimension's limit of workgroups is reached.
// Expects `const WG: u32`, the workgroup size along x, in the prelude.
fn flat_index(id: vec3<u32>, groups: vec3<u32>) -> u32 {
    return id.y * (groups.x * WG) + id.x;
}
