// How far a pixel is from the outline of a face in the image.
struct Outline {
    // The square of the distance, negative outside.
    signed: f32,
    // From the nearest point of the outline to the pixel.
    away: vec2<f32>,
    // That point lies on the edge to the corner after this one,
    edge: u32,
    // this far along.
    along: f32,
}

// Of a face with its corners at these columns and rows.
fn outline(u: vec3<f32>, v: vec3<f32>, pixel: vec2<f32>) -> Outline {
    let x = pixel.x - u;
    let y = pixel.y - v;
    let ex = u.yzx - u;
    let ey = v.yzx - v;
    let along = clamp((x * ex + y * ey) / max(ex * ex + ey * ey, vec3(1e-20)), vec3(0.0), vec3(1.0));
    let fx = x - along * ex;
    let fy = y - along * ey;
    let square = fx * fx + fy * fy;
    var edge = 0u;
    if square.y < square.x {
        edge = 1u;
    }
    if square.z < min(square.x, square.y) {
        edge = 2u;
    }
    let sides = ex * y - ey * x;
    let within = all(sides > vec3(0.0)) || all(sides < vec3(0.0));
    return Outline(select(-square[edge], square[edge], within), vec2(fx[edge], fy[edge]), edge, along[edge]);
}

// How much of a pixel a face covers, σ being 1/√`sharpness` pixels.
fn coverage(signed: f32, sharpness: f32) -> f32 {
    return 1.0 / (1.0 + exp(-clamp(signed * sharpness, -80.0, 80.0)));
}
