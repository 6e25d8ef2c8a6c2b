// A joint of a rig as it is at rest, six rows each: the turn of its axes in its parent's (the root's: in the model's space) with
// where it is from its parent, in the parent's axes of stretch, as a last column; then the axes of stretch in its own.

fn turn_row(joint: u32, k: u32) -> vec3<f32> {
    return rest[6u * joint + k].xyz;
}

fn step_from_parent(joint: u32) -> vec3<f32> {
    let at = 6u * joint;
    return vec3(rest[at].w, rest[at + 1u].w, rest[at + 2u].w);
}

fn stretch_row(joint: u32, k: u32) -> vec3<f32> {
    return rest[6u * joint + 3u + k].xyz;
}
