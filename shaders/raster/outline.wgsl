// How far a pixel is from the outline of a face in the image.
struct Outline {
    // The square of the distance, negative outside.
    signed: f32,
    // From the nearest point of the outline to the pixel.
    away: vec2<f32>,
    // What the corners weigh at that point.
    parts: vec3<f32>,
}

// Of a face with its corners at these columns and rows and edges whose squared lengths have these inverses.
fn outline(u: vec3<f32>, v: vec3<f32>, inverses: vec3<f32>, pixel: vec2<f32>) -> Outline {
    let x = pixel.x - u;
    let y = pixel.y - v;
    let ex = u.yzx - u;
    let ey = v.yzx - v;
    let along = clamp((x * ex + y * ey) * inverses, vec3(0.0), vec3(1.0));
    let fx = x - along * ex;
    let fy = y - along * ey;
    let square = fx * fx + fy * fy;
    let sides = ex * y - ey * x;
    let within = all(sides > vec3(0.0)) || all(sides < vec3(0.0));
    var least = square.x;
    var away = vec2(fx.x, fy.x);
    var parts = vec3(1.0 - along.x, along.x, 0.0);
    if square.y < least {
        least = square.y;
        away = vec2(fx.y, fy.y);
        parts = vec3(0.0, 1.0 - along.y, along.y);
    }
    if square.z < least {
        least = square.z;
        away = vec2(fx.z, fy.z);
        parts = vec3(along.z, 0.0, 1.0 - along.z);
    }
    return Outline(select(-least, least, within), away, parts);
}

fn inverse_squares(u: vec3<f32>, v: vec3<f32>) -> vec3<f32> {
    let ex = u.yzx - u;
    let ey = v.yzx - v;
    return 1.0 / max(ex * ex + ey * ey, vec3(1e-20));
}

// How much of a pixel a face covers, σ being 1/√`sharpness` pixels.
fn coverage(signed: f32, sharpness: f32) -> f32 {
    return 1.0 / (1.0 + exp(-clamp(signed * sharpness, -80.0, 80.0)));
}
