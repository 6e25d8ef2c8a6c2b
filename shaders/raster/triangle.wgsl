// Faces as their corners in homogeneous pixels: (X, Y, z) stands for the pixel (X, Y) / w, w being z in perspective and 1
// without. Expects `const PERSPECTIVE: bool` and the array `corners`, nine numbers a face.
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

fn divisors(z: vec3<f32>) -> vec3<f32> {
    if PERSPECTIVE {
        return z;
    }
    return vec3(1.0);
}

// The centre of the pixel in this column and row.
fn centre_of(x: i32, y: i32) -> vec2<f32> {
    return vec2(f32(x), f32(y)) + 0.5;
}

// Where the ray through a pixel meets a face.
struct Hit {
    // What the corners weigh there: not negative, and 1 together.
    weights: vec3<f32>,
    // What a corner's weight grows by with its numerator below: 0 where it was held at 0.
    slopes: vec3<f32>,
    // The corners as seen from the pixel.
    x: vec3<f32>,
    y: vec3<f32>,
}

// The weights are to one another as the areas that the pixel spans with the opposite edges; in homogeneous pixels these are
// linear in space, so nothing is left to correct for perspective (Olano and Greer, "Triangle scan conversion using 2D
// homogeneous coordinates", 1997, section 3). Coverage is decided on snapped corners, so a weight may come out just below 0:
// it is held there, and depth never leaves the face.
fn hit(c: Corners, pixel: vec2<f32>) -> Hit {
    let w = divisors(c.z);
    let x = c.x - pixel.x * w;
    let y = c.y - pixel.y * w;
    let areas = x.yzx * y.zxy - y.yzx * x.zxy;
    let turn = sign(areas.x + areas.y + areas.z);
    let held = max(turn * areas, vec3(0.0));
    let sum = held.x + held.y + held.z;
    if !(sum > 1e-30 && sum < 1e30) {
        // Seen edge-on.
        return Hit(vec3(1.0 / 3.0), vec3(0.0), x, y);
    }
    return Hit(held / sum, select(vec3(0.0), vec3(turn / sum), turn * areas > vec3(0.0)), x, y);
}

// The gradient with respect to the corners of what has gradient `g` with respect to the weights.
fn through_weights(h: Hit, pixel: vec2<f32>, g: vec3<f32>) -> Corners {
    let c = h.slopes * (g - dot(g, h.weights));
    let gx = c.zxy * h.y.yzx - c.yzx * h.y.zxy;
    let gy = c.yzx * h.x.zxy - c.zxy * h.x.yzx;
    if PERSPECTIVE {
        return Corners(gx, gy, -(pixel.x * gx + pixel.y * gy));
    }
    return Corners(gx, gy, vec3(0.0));
}

fn sum_of(a: Corners, b: Corners) -> Corners {
    return Corners(a.x + b.x, a.y + b.y, a.z + b.z);
}
