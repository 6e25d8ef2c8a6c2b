// Linear colour of every pixel: the background, before it the face that `key` names, before that the objects in front.
// scene is images × size × size × 2 words: √(light / 8) of red and green, then of blue and 1 where the hand is seen, as
// 16-bit fractions.
//
// Loads are what this kernel would pay for on a software GPU, which makes each of them lane by lane. So a thread shades
// ROWS pixels of a column with one copy of the look, and what faces and vertices say is packed.
struct Params {
    size: u32,
    vertices: u32,
    hand_faces: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> key: array<u32>;
@group(0) @binding(2) var<storage, read> vertices: array<f32>;
@group(0) @binding(3) var<storage, read> surface: array<vec2<u32>>;
@group(0) @binding(4) var<storage, read> camera: array<vec4<f32>>;
// A face: corners a | b << 16, c | part << 16, then for each corner the skin's chart as four 16-bit fractions.
// Part 0–4 is the end of a finger, 5–9 the rest of it, 10 the palm, 11 the arm. A finger's chart: across it and out of
// its pad in half widths, along it in bones from the last joint, its normal's share out of the pad; all but the last in
// quarters. Palm and arm: the place at rest in 400 mm; the palm's normal, the arm's ring in 16.
@group(0) @binding(5) var<storage, read> skins: array<u32>;
@group(0) @binding(6) var<storage, read> looks: array<Look>;
@group(0) @binding(7) var<storage, read_write> scene: array<vec2<u32>>;

// The look of this invocation's image.
var<private> look_skin_back: vec4<f32>;
var<private> look_skin_palm: vec4<f32>;
var<private> look_nail: vec4<f32>;
var<private> look_cloth: vec4<f32>;
var<private> look_cloth_fold: vec4<f32>;
var<private> look_detail: vec4<f32>;
var<private> look_sky: vec4<f32>;
var<private> look_ground: vec4<f32>;
var<private> look_up: vec4<f32>;
var<private> look_wall_a: vec4<f32>;
var<private> look_wall_b: vec4<f32>;
var<private> look_wall_c: vec4<f32>;
var<private> look_wall_turn: vec4<f32>;
var<private> look_cells: vec4<f32>;
var<private> look_grain: vec4<f32>;
var<private> lamp_a: Light;
var<private> lamp_b: Light;
var<private> lamp_c: Light;
var<private> behind_0: Patch;
var<private> behind_1: Patch;
var<private> behind_2: Patch;
var<private> behind_3: Patch;
var<private> behind_4: Patch;
var<private> behind_5: Patch;
var<private> before_0: Patch;
var<private> before_1: Patch;

const PALM: u32 = 10u;
const ARM: u32 = 11u;

// 1 on a line, falling to 0 at `width` from it.
fn line_at(distance: f32, width: f32) -> f32 {
    let t = max(1.0 - abs(distance) / width, 0.0);
    return t * t;
}

fn in_frame(p: vec2<f32>, turn: vec4<f32>) -> vec2<f32> {
    return vec2(turn.x * p.x + turn.y * p.y, turn.x * p.y - turn.y * p.x);
}

// Lays a patch over a colour. `place` is its centre and half sizes, in crops; `turn` the cosine and sine of its
// direction, 0 for a box to 1 for an ellipse, and how round it looks; `paint` its colour and how strong its texture is.
// The fourth number is the share of the pixel that it covers.
fn cover(under: vec3<f32>, at: vec2<f32>, patch_: Patch, softness: f32, texture: f32) -> vec4<f32> {
    let q = in_frame(at - patch_.place.xy, patch_.turn) / max(patch_.place.zw, vec2(1e-6));
    let reach = mix(max(abs(q.x), abs(q.y)), length(q), patch_.turn.z);
    let share = clamp((1.0 - reach) * min(patch_.place.z, patch_.place.w) / softness + 0.5, 0.0, 1.0);
    let drawn = select(0.0, share, patch_.place.z > 0.0);
    let volume = 1.0 - patch_.turn.w * (0.35 * dot(q, q) + 0.25 * q.x);
    return vec4(mix(under, patch_.paint.rgb * max(volume + texture * patch_.paint.w, 0.05), drawn), drawn);
}

fn background(at: vec2<f32>, seed: u32) -> vec3<f32> {
    let wall_a = look_wall_a;
    let wall_b = look_wall_b;
    let wall_c = look_wall_c;
    let turn = look_wall_turn;
    let cells = look_cells;
    let p = in_frame(at - 0.5, turn);
    // A gradient, clouds at two scales, and fine grain.
    var colour = mix(wall_a.rgb, wall_b.rgb, clamp(0.5 + turn.w * p.y, 0.0, 1.0));
    let stretched = p * vec2(turn.z, 1.0) * wall_a.w;
    let cloud = noise2(stretched, seed) * 0.6 + noise2(stretched * 3.1, seed + 7u) * 0.4 - 0.5;
    let fine = noise2(stretched * 11.0, seed + 13u) - 0.5;
    colour = mix(colour, wall_c.rgb, clamp(wall_b.w * (cloud + 0.4 * fine), 0.0, 1.0));
    colour *= 1.0 + 0.6 * wall_b.w * cloud + 0.35 * wall_b.w * fine;
    // Rows of things: bricks, cans, books, tiles, planks, each with a colour and light of its own.
    if wall_c.w > 0.0 {
        let row = floor(p.y * cells.y);
        let q = vec2(p.x * cells.x + cells.z * row, p.y * cells.y);
        let cell = vec2(i32(floor(q.x)), i32(row));
        let inside = fract(q) - 0.5;
        let h = hash2(cell, seed + 29u);
        let tint = unit(h * 0x9e3779b1u);
        let paint = mix(mix(wall_a.rgb, wall_b.rgb, tint), wall_c.rgb, step(0.6, unit(h * 0x85ebca77u)));
        let round = 1.0 - cells.w * (2.6 * inside.x * inside.x + 0.7 * inside.x);
        let gap = smoothstep(0.5, 0.4, max(abs(inside.x), abs(inside.y)));
        let label = 1.0 + 0.5 * cells.w * (noise2(q * 5.0, seed + 31u) - 0.5);
        colour = mix(colour, paint * (0.35 + 1.1 * unit(h)) * round * label * (0.3 + 0.7 * gap), wall_c.w);
    }
    let softness = look_grain.z;
    let texture = cloud + fine;
    colour = cover(colour, at, behind_0, softness, texture).rgb;
    colour = cover(colour, at, behind_1, softness, texture).rgb;
    colour = cover(colour, at, behind_2, softness, texture).rgb;
    colour = cover(colour, at, behind_3, softness, texture).rgb;
    colour = cover(colour, at, behind_4, softness, texture).rgb;
    colour = cover(colour, at, behind_5, softness, texture).rgb;
    return colour;
}

struct Skin {
    albedo: vec3<f32>,
    normal: vec3<f32>,
    gloss: f32,
}

// Marks of skin from the place at rest: palm and back, mottling, creases, palm lines, knuckles, nails.
fn skin_at(part: u32, rest: vec3<f32>, chart: vec3<f32>, side: f32, normal: vec3<f32>, seed: u32) -> Skin {
    let back = look_skin_back;
    let palm = look_skin_palm;
    let nail = look_nail;
    let detail = look_detail;
    let coarse = noise3(rest * 0.09, seed) - 0.5;
    let middle = noise3(rest * 0.37, seed + 3u) - 0.5;
    let fine = noise3(rest * vec3(1.1, 0.8, 1.1), seed + 5u) - 0.5;
    let palmar = smoothstep(-0.35, 0.45, side + 0.3 * coarse);
    var albedo = mix(back.rgb, palm.rgb, palmar);
    albedo *= 1.0 + back.w * (0.5 * coarse + 0.5 * middle + 0.4 * fine);
    // Blood shows in green and blue.
    var flush = 0.5 * coarse + 0.25;
    var crease = 0.0;
    var nail_share = 0.0;
    if part < PALM {
        let across = chart.x;
        let along = chart.y;
        // Millimetres from the last joint, for a finger of common length.
        let mm = select(25.0 * along, 45.0 * along + 20.0, along < -1.0);
        let waver = mm + 1.6 * middle + 1.3 * across * across;
        // Palm side: a crease at the last joint, two at the middle one and at the root. Back: wrinkles over the joints.
        let palm_lines = 0.8 * line_at(waver + 0.5, 1.3) + line_at(waver + 24.0, 1.3)
            + 0.8 * line_at(waver + 27.6, 1.2) + line_at(waver + 47.0, 1.5);
        let bumps = max(1.0 - abs(mm + 25.0) / 7.0, 0.0) + 0.6 * max(1.0 - abs(mm) / 4.5, 0.0);
        let wrinkles = bumps * (0.5 + 0.5 * sin(waver * 2.6 + 5.0 * coarse)) * (0.6 + fine);
        crease = mix(0.6 * wrinkles, palm_lines, palmar);
        flush += 0.35 * bumps * (1.0 - palmar) + 0.5 * smoothstep(0.2, 1.0, along) * palmar;
        if part < 5u {
            // The nail: from a little beyond the last joint to the tip, its root round, its end pale.
            let y = (along - 0.38) / 0.56;
            let x = across / 0.74;
            let bed = 1.0 - smoothstep(0.86, 1.02, max(abs(x), abs(x) * 0.72 + max(0.35 - y, 0.0) * 1.15));
            nail_share = bed * smoothstep(-0.02, 0.06, y) * smoothstep(-0.20, -0.34, chart.z)
                * smoothstep(-0.1, -0.4, side);
            let fold = line_at(max(abs(x), 0.8 - y) - 1.08, 0.14) * smoothstep(0.0, -0.4, side) * step(chart.z, 0.0);
            crease = max(crease, 0.5 * fold * step(-0.1, y) * step(y, 1.0));
            let lunula = smoothstep(0.22, 0.1, y + x * x * 0.1);
            let edge = smoothstep(0.86, 0.93, y);
            albedo = mix(albedo, nail.rgb * (1.0 + 0.25 * lunula + 0.3 * edge), 0.85 * nail_share);
            flush *= 1.0 - nail_share;
        }
    } else if part == PALM {
        let at = rest.xy + vec2(4.0 * coarse, 4.0 * coarse) + 1.2 * middle;
        let thenar = at - vec2(35.0, -30.0);
        let life = line_at(length(thenar) - 42.0, 1.7) * smoothstep(12.0, -8.0, thenar.x) * step(at.y, -8.0);
        let head = line_at(at.y + 70.0 - 0.012 * (22.0 - at.x) * (22.0 - at.x), 1.6)
            * smoothstep(26.0, 16.0, at.x) * smoothstep(-34.0, -20.0, at.x);
        let heart = line_at(at.y + 83.0 - 0.008 * (16.0 - at.x) * (16.0 - at.x), 1.6)
            * smoothstep(18.0, 6.0, at.x) * smoothstep(-48.0, -40.0, at.x);
        let wrist = line_at(at.y - 1.0, 1.5) + 0.6 * line_at(at.y - 6.0, 1.4);
        // The web of fine lines that any palm has.
        let web = line_at(noise3(rest * vec3(0.10, 0.05, 0.1), seed + 17u) - 0.5, 0.05);
        crease = palmar * (life + head + 0.9 * heart + 0.5 * web) + 0.35 * smoothstep(0.0, 0.5, side) * wrist;
        // Redder at its heel and under the fingers, veins and tendons on the back.
        flush += palmar * 0.35 * smoothstep(30.0, 55.0, length(at - vec2(0.0, -48.0)));
        let vein = line_at(noise3(rest * vec3(0.05, 0.02, 0.05), seed + 19u) - 0.5, 0.045) * (1.0 - palmar);
        albedo *= 1.0 - detail.z * vein * vec3(0.22, 0.1, 0.05);
        let tendon = 0.5 + 0.5 * sin(rest.x * 0.36 - 0.8 + rest.y * 0.004);
        albedo *= 1.0 - 0.06 * detail.z * tendon * (1.0 - palmar);
    }
    crease = min(crease, 1.3) * detail.x;
    flush *= detail.y;
    albedo *= vec3(1.0 + 0.03 * flush, 1.0 - 0.22 * flush, 1.0 - 0.24 * flush);
    albedo *= 1.0 - crease * vec3(0.25, 0.34, 0.36);
    let roughness = palm.w * (1.0 - 0.8 * nail_share);
    let bent = normal + roughness * vec3(fine + 0.6 * middle, middle - 0.6 * fine, coarse + 0.5 * fine);
    return Skin(max(albedo, vec3(0.002)), normalize(bent), mix(1.0, nail.w, nail_share));
}

fn cloth_at(rest: vec3<f32>, normal: vec3<f32>, seed: u32) -> Skin {
    let cloth = look_cloth;
    let dark = look_cloth_fold;
    let fold = noise3(rest * vec3(0.05, 0.11, 0.05), seed + 23u) - 0.5;
    let weave = noise3(rest * cloth.w, seed + 27u) - 0.5;
    let stripe = smoothstep(-0.1, 0.1, sin(rest.y * cloth.w * 0.7));
    let albedo = mix(cloth.rgb, dark.rgb, stripe * 0.7) * (1.0 + 0.5 * weave + 0.3 * fold);
    return Skin(max(albedo, vec3(0.004)), normalize(normal + 1.1 * vec3(fold, -fold, 0.5 * fold)), 0.15);
}

fn diffuse(lamp: Light, normal: vec3<f32>, pass_: f32, wrap: vec3<f32>) -> vec3<f32> {
    let around = max((vec3(dot(normal, lamp.towards.xyz)) + wrap) / (1.0 + wrap), vec3(0.0));
    return lamp.colour.rgb * around * (pass_ + (1.0 - pass_) * pass_ * wrap);
}

// Blinn and Phong's highlight; half of the Fresnel term's rise is enough for skin.
fn highlight(lamp: Light, normal: vec3<f32>, view: vec3<f32>, pass_: f32, exponent: f32) -> vec3<f32> {
    let half_way = normalize(lamp.towards.xyz + view);
    let facing = 1.0 - clamp(dot(half_way, view), 0.0, 1.0);
    let fresnel = 0.04 + 0.5 * facing * facing * facing * facing;
    let shine = pow(max(dot(normal, half_way), 1e-3), exponent) * (exponent + 8.0) * 0.125;
    return lamp.colour.rgb * (shine * fresnel * lamp.colour.w * pass_ * max(dot(normal, lamp.towards.xyz), 0.0));
}

fn lit(skin: Skin, view: vec3<f32>, open: f32, shadow: vec2<f32>, translucency: f32) -> vec3<f32> {
    let sky = look_sky;
    let ground = look_ground;
    let up = look_up;
    let visible = mix(1.0, open, up.w);
    // Light that bounces between skin and skin takes its colour.
    let bounced = vec3(visible) + (1.0 - visible) * skin.albedo * 0.5;
    var light = mix(ground.rgb, sky.rgb, 0.5 + 0.5 * dot(skin.normal, up.xyz)) * bounced;
    var glint = vec3(0.0);
    // Light that enters skin comes out a little farther on, red farthest.
    let wrap = ground.w * translucency * vec3(0.40, 0.16, 0.09);
    let pass_ = vec3(shadow, 0.5 + 0.5 * open);
    light += diffuse(lamp_a, skin.normal, pass_.x, wrap) + diffuse(lamp_b, skin.normal, pass_.y, wrap)
        + diffuse(lamp_c, skin.normal, pass_.z, wrap);
    glint += highlight(lamp_a, skin.normal, view, pass_.x, sky.w)
        + highlight(lamp_b, skin.normal, view, pass_.y, sky.w);
    let rim = exp2(-6.0 * abs(dot(skin.normal, view)));
    glint += 0.12 * rim * sky.rgb * visible;
    return skin.albedo * light + skin.gloss * glint;
}

fn corner(image: u32, index: u32) -> vec3<f32> {
    let at = 3u * (image * params.vertices + index);
    return vec3(vertices[at], vertices[at + 1u], vertices[at + 2u]);
}

fn unpack_normal(word: u32) -> vec3<f32> {
    return vec3<f32>(vec3<i32>(vec3(word << 22u, word << 12u, word << 2u)) >> vec3(22u));
}

// The colour of a face where a ray meets it.
fn face_at(image: u32, face: u32, ray: vec3<f32>, seed: u32) -> vec3<f32> {
    let at = 8u * face;
    let ab = skins[at];
    let c_part = skins[at + 1u];
    let corners = vec3(ab & 0xffffu, ab >> 16u, c_part & 0xffffu);
    let part = c_part >> 16u;
    let a = corner(image, corners.x);
    let b = corner(image, corners.y);
    let c = corner(image, corners.z);
    // Where the ray meets the face's plane: perspective-correct weights without a division by depth.
    let w = vec3(dot(ray, cross(b, c)), dot(ray, cross(c, a)), dot(ray, cross(a, b)));
    let sum = w.x + w.y + w.z;
    let weight = clamp(w / select(sum, 1e-12, abs(sum) < 1e-12), vec3(0.0), vec3(1.0));
    let sa = surface[image * params.vertices + corners.x];
    let sb = surface[image * params.vertices + corners.y];
    let sc = surface[image * params.vertices + corners.z];
    let bent = mat3x3(unpack_normal(sa.x), unpack_normal(sb.x), unpack_normal(sc.x)) * weight;
    let normal = bent / max(length(bent), 1e-3);
    let light = unpack4x8unorm(sa.y) * weight.x + unpack4x8unorm(sb.y) * weight.y + unpack4x8unorm(sc.y) * weight.z;
    let chart_xy = unpack2x16snorm(skins[at + 2u]) * weight.x + unpack2x16snorm(skins[at + 4u]) * weight.y
        + unpack2x16snorm(skins[at + 6u]) * weight.z;
    let chart_zw = unpack2x16snorm(skins[at + 3u]) * weight.x + unpack2x16snorm(skins[at + 5u]) * weight.y
        + unpack2x16snorm(skins[at + 7u]) * weight.z;
    let chart = vec3(chart_xy, chart_zw.x);
    let view = -normalize(ray);
    if part == ARM && 16.0 * chart_zw.y > look_cloth_fold.w {
        return lit(cloth_at(400.0 * chart, normal, seed), view, light.x, light.yz, 0.2);
    }
    let finger = 4.0 * chart;
    var rest = 400.0 * chart;
    var side = chart_zw.y;
    if part < PALM {
        rest = vec3(8.0 * finger.x, 24.0 * finger.y + 70.0 * f32(part % 5u), 8.0 * finger.z);
    } else {
        // The palm's skin ends at the wrist; an arm is only a little lighter on that side.
        let arm_side = clamp(-1.4 * rest.z / (abs(rest.x) + abs(rest.z) + 1.0), -1.0, 1.0) * 0.6 - 0.2;
        side = mix(select(side, arm_side, part == ARM), arm_side, smoothstep(-22.0, 8.0, rest.y));
    }
    return lit(skin_at(part, rest, finger, side, normal, seed), view, light.x, light.yz, 1.0);
}

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3<u32>) {
    let size = params.size;
    let image = group.z;
    let column = group.x * WG + lane;
    if column >= size {
        return;
    }
    look_skin_back = looks[image].skin_back;
    look_skin_palm = looks[image].skin_palm;
    look_nail = looks[image].nail;
    look_cloth = looks[image].cloth;
    look_cloth_fold = looks[image].cloth_fold;
    look_detail = looks[image].detail;
    look_sky = looks[image].sky;
    look_ground = looks[image].ground;
    look_up = looks[image].up;
    look_wall_a = looks[image].wall_a;
    look_wall_b = looks[image].wall_b;
    look_wall_c = looks[image].wall_c;
    look_wall_turn = looks[image].wall_turn;
    look_cells = looks[image].cells;
    look_grain = looks[image].grain;
    lamp_a = looks[image].lights[0];
    lamp_b = looks[image].lights[1];
    lamp_c = looks[image].lights[2];
    behind_0 = looks[image].behind[0];
    behind_1 = looks[image].behind[1];
    behind_2 = looks[image].behind[2];
    behind_3 = looks[image].behind[3];
    behind_4 = looks[image].behind[4];
    behind_5 = looks[image].behind[5];
    before_0 = looks[image].before[0];
    before_1 = looks[image].before[1];
    let lens = camera[image];
    let seed = u32(look_detail.w) * 0x9e3779b1u;
    let edge = 1.0 / f32(size);
    for (var row = group.y * ROWS; row < min((group.y + 1u) * ROWS, size); row++) {
        let pixel = vec2(f32(column), f32(row)) + 0.5;
        let at = pixel * edge;
        let i = (image * size + row) * size + column;
        let hit = key[i];
        let face = hit & 0xfffu;
        var colour: vec3<f32>;
        var hand = 0.0;
        if hit == 0xffffffffu {
            colour = background(at, seed);
        } else {
            colour = face_at(image, face, vec3((pixel - lens.zw) / lens.xy, 1.0), seed);
            hand = select(0.0, 1.0, face < params.hand_faces);
        }
        let rough = 0.3 * sin(dot(at, vec2(61.0, 47.0)));
        let near = cover(colour, at, before_0, edge, rough);
        let nearest = cover(near.rgb, at, before_1, edge, rough);
        if max(near.w, nearest.w) >= 0.5 {
            hand = 0.0;
        }
        let root = sqrt(max(nearest.rgb, vec3(0.0)) / 8.0);
        scene[i] = vec2(pack2x16unorm(root.rg), pack2x16unorm(vec2(root.b, hand)));
    }
}
