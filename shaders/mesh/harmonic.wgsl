// ½√(1/π), √(3/4π), √(15/4π), ¼√(5/π), ¼√(15/π).
const FLAT = 0.282094792;
const LINE = 0.488602512;
const SADDLE = 1.092548431;
const POLE = 0.315391565;
const SQUARE = 0.546274215;

// The real spherical harmonics of degrees 0 to 2 at a direction.
fn spherical_harmonics(v: vec3<f32>) -> array<f32, 9> {
    return array<f32, 9>(
        FLAT,
        LINE * v.y,
        LINE * v.z,
        LINE * v.x,
        SADDLE * v.x * v.y,
        SADDLE * v.y * v.z,
        POLE * (3.0 * v.z * v.z - 1.0),
        SADDLE * v.z * v.x,
        SQUARE * (v.x * v.x - v.y * v.y),
    );
}
