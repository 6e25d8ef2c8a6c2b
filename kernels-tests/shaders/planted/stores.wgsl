struct Particle {
    number: u32,
    mass: f32,
    place: vec2<f32>,
}
@group(0) @binding(3) var<storage, read_write> y: array<Particle>;

// Not a number, but no compiler can know.
fn nan(number: u32, id: u32, right: f32) -> f32 {
    return select(right, sqrt(-x[0]), FAULT == number && id == 3u);
}

fn infinity(number: u32, id: u32, right: f32) -> f32 {
    return select(right, exp(x[36] * 1000.0), FAULT == number && id == 3u);
}

fn put(k: u32, value: f32) {
    y[k].mass = value; // fault 1 NotFinite y 3 37
}

@compute @workgroup_size(8)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3<u32>) {
    let i = group.x * 8u + lane;
    if i >= params.n {
        return;
    }
    // Bits of an integer are no number.
    y[i].number = 0x7fc00000u;
    put(i, nan(1u, i, 1.0));
    y[i].mass += infinity(2u, i, 1.0); // fault 2 NotFinite y 3 37
    y[i].place.y = -infinity(3u, i, 1.0); // fault 3 NotFinite y 3 37
    y[i].place = vec2(1.0, nan(4u, i, 2.0)); // fault 4 NotFinite y 3 37
    let first = Particle(7u, nan(5u, i, 3.0), vec2(0.0));
    if i % 2u == 1u {
        y[i] = first; // fault 5 NotFinite y 3 37
    } else {
        y[i] = Particle(1u, 2.0, vec2(3.0, 4.0));
    }
    // What is not stored may be anything.
    let unused = exp(x[36] * 1000.0);
    y[i].number = select(0u, 1u, unused < 3.0);
}
