// A vector's direction, and the gradient of that: both 0 where the vector is no longer than SMALLEST from the prelude. The
// length is taken of the vector over its largest component, so that no square is too large or too small.
fn safe_length(v: vec3<f32>) -> f32 {
    let largest = max(max(abs(v.x), abs(v.y)), abs(v.z));
    if largest <= SMALLEST {
        return 0.0;
    }
    let scaled = v / largest;
    return largest * sqrt(dot(scaled, scaled));
}

fn unit(v: vec3<f32>) -> vec3<f32> {
    let size = safe_length(v);
    if size == 0.0 {
        return vec3<f32>();
    }
    return v / size;
}

fn unit_grad(v: vec3<f32>, g: vec3<f32>) -> vec3<f32> {
    let size = safe_length(v);
    if size == 0.0 {
        return vec3<f32>();
    }
    let direction = v / size;
    return (g - dot(direction, g) * direction) / size;
}
