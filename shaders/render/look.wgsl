// How a scene looks; the same struct as `Look` in src/data/look.rs, which says what each member means.
struct Patch {
    place: vec4<f32>,
    turn: vec4<f32>,
    paint: vec4<f32>,
}

struct Light {
    towards: vec4<f32>,
    colour: vec4<f32>,
}

struct Look {
    skin_back: vec4<f32>,
    skin_palm: vec4<f32>,
    nail: vec4<f32>,
    cloth: vec4<f32>,
    cloth_fold: vec4<f32>,
    detail: vec4<f32>,
    lights: array<Light, 3>,
    sky: vec4<f32>,
    ground: vec4<f32>,
    up: vec4<f32>,
    wall_a: vec4<f32>,
    wall_b: vec4<f32>,
    wall_c: vec4<f32>,
    wall_turn: vec4<f32>,
    cells: vec4<f32>,
    grade: vec4<f32>,
    balance: vec4<f32>,
    grain: vec4<f32>,
    psf: array<vec4<f32>, 7>,
    behind: array<Patch, 6>,
    before: array<Patch, 2>,
}
