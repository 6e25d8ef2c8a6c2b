// What both directions need of a face.
struct Corners {
    x: vec3<f32>,
    y: vec3<f32>,
    z: vec3<f32>,
}

fn corners_of(face: u32) -> Corners {
    let i = 9u * face;
    return Corners(
        vec3(corners[i], corners[i + 3u], corners[i + 6u]),
        vec3(corners[i + 1u], corners[i + 4u], corners[i + 7u]),
        vec3(corners[i + 2u], corners[i + 5u], corners[i + 8u]),
    );
}

// Whether the pixel at the origin is within reach of the face's box.
fn is_near(u: vec3<f32>, v: vec3<f32>, reach: f32) -> bool {
    return min(u.x, min(u.y, u.z)) < reach && max(u.x, max(u.y, u.z)) > -reach
        && min(v.x, min(v.y, v.z)) < reach && max(v.x, max(v.y, v.z)) > -reach;
}

// The outline's point nearest to the origin: its squared distance, negative outside; the way from it; how much of each
// corner it is.
struct Nearest {
    signed: f32,
    away: vec2<f32>,
    parts: vec3<f32>,
}

fn nearest(u: vec3<f32>, v: vec3<f32>, areas: vec3<f32>) -> Nearest {
    let ex = u.yzx - u;
    let ey = v.yzx - v;
    let along = clamp(-(u * ex + v * ey) / max(ex * ex + ey * ey, vec3(1e-20)), vec3(0.0), vec3(1.0));
    let fx = -u - along * ex;
    let fy = -v - along * ey;
    let square = fx * fx + fy * fy;
    var found = Nearest(square.x, vec2(fx.x, fy.x), vec3(1.0 - along.x, along.x, 0.0));
    if square.y < found.signed {
        found = Nearest(square.y, vec2(fx.y, fy.y), vec3(0.0, 1.0 - along.y, along.y));
    }
    if square.z < found.signed {
        found = Nearest(square.z, vec2(fx.z, fy.z), vec3(along.z, 0.0, 1.0 - along.z));
    }
    if !(all(areas > vec3(0.0)) || all(areas < vec3(0.0))) {
        found.signed = -found.signed;
    }
    return found;
}
