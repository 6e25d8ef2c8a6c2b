// Colour (linear light) and depth of every pixel: the background, before it the face that `key` names, before that the
// objects in front. scene is images × size × size × 4; the fourth channel is the depth of the hand in mm, 0 elsewhere.
struct Params {
    size: u32,
    vertices: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> key: array<u32>;
@group(0) @binding(2) var<storage, read> vertices: array<f32>;
@group(0) @binding(3) var<storage, read> surface: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> camera: array<vec4<f32>>;
// Three corners and a part: 0–4 the end of a finger, 5–9 the rest of it, 10 the palm, 11 the arm.
@group(0) @binding(5) var<storage, read> faces: array<vec4<u32>>;
// Four rows a finger (see `FingerChart` in src/data/mesh.rs), then a row a vertex: place at rest, palm side (1) or back (−1).
@group(0) @binding(6) var<storage, read> anatomy: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read> looks: array<Look>;
@group(0) @binding(8) var<storage, read_write> scene: array<vec4<f32>>;

const PALM: u32 = 10u;
const ARM: u32 = 11u;
const CHART_ROWS: u32 = 20u;

fn vertex(image: u32, index: u32) -> vec3<f32> {
    let at = 3u * (image * params.vertices + index);
    return vec3(vertices[at], vertices[at + 1u], vertices[at + 2u]);
}

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
fn cover(under: vec3<f32>, at: vec2<f32>, patch_: Patch, softness: f32, seed: u32) -> vec4<f32> {
    let local = in_frame(at - patch_.place.xy, patch_.turn);
    let q = local / patch_.place.zw;
    let reach = mix(max(abs(q.x), abs(q.y)), length(q), patch_.turn.z);
    let share = clamp((1.0 - reach) * min(patch_.place.z, patch_.place.w) / softness + 0.5, 0.0, 1.0);
    if share <= 0.0 {
        return vec4(under, 0.0);
    }
    let texture = (noise2(local * vec2(31.0, 23.0), seed) + noise2(local * 71.0, seed + 1u) - 1.0) * patch_.paint.w;
    let volume = 1.0 - patch_.turn.w * (0.35 * dot(q, q) + 0.25 * q.x);
    return vec4(mix(under, patch_.paint.rgb * max(volume + texture, 0.05), share), share);
}

fn background(image: u32, at: vec2<f32>, seed: u32) -> vec3<f32> {
    let wall_a = looks[image].wall_a;
    let wall_b = looks[image].wall_b;
    let wall_c = looks[image].wall_c;
    let turn = looks[image].wall_turn;
    let cells = looks[image].cells;
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
    let softness = looks[image].grain.z;
    for (var k = 0u; k < 8u; k++) {
        if looks[image].behind[k].place.z > 0.0 {
            colour = cover(colour, at, looks[image].behind[k], softness, seed + 41u * k).rgb;
        }
    }
    return colour;
}

struct Skin {
    albedo: vec3<f32>,
    normal: vec3<f32>,
    gloss: f32,
}

// Marks of skin from the place at rest: palm and back, mottling, creases, palm lines, knuckles, nails.
fn skin_at(image: u32, part: u32, rest: vec3<f32>, side: f32, normal: vec3<f32>, seed: u32) -> Skin {
    let back = looks[image].skin_back;
    let palm = looks[image].skin_palm;
    let nail = looks[image].nail;
    let detail = looks[image].detail;
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
        let finger = 4u * (part % 5u);
        let chart = array(anatomy[finger], anatomy[finger + 1u], anatomy[finger + 2u], anatomy[finger + 3u]);
        let q = rest - chart[0].xyz;
        let along = dot(q, chart[1].xyz);
        let out = dot(q, chart[2].xyz);
        let across = dot(q, cross(chart[1].xyz, chart[2].xyz));
        let tip = chart[0].w;
        let waver = along + 1.6 * middle + 0.02 * across * across;
        // Palm side: a crease at the last joint, two at the middle one and at the root. Back: wrinkles over the joints.
        let root = -chart[2].w - 0.5 * chart[3].x;
        let palm_lines = 0.8 * line_at(waver + 0.5, 1.3) + line_at(waver + chart[2].w - 1.0, 1.3)
            + 0.8 * line_at(waver + chart[2].w + 2.6, 1.2) + line_at(waver - root, 1.5);
        let knuckle = along + chart[2].w;
        let bumps = max(1.0 - abs(knuckle) / 7.0, 0.0) + 0.6 * max(1.0 - abs(along) / 4.5, 0.0);
        let wrinkles = bumps * (0.5 + 0.5 * sin(waver * 2.6 + 5.0 * coarse)) * (0.6 + fine);
        crease = mix(0.6 * wrinkles, palm_lines, palmar);
        flush += 0.35 * bumps * (1.0 - palmar) + 0.5 * smoothstep(0.2, 1.0, along / tip) * palmar;
        if part < 5u {
            // The nail: from a little beyond the last joint to the tip, its root round, its end pale.
            let y = (along / tip - 0.38) / 0.56;
            let x = across / (0.74 * chart[1].w);
            let bed = 1.0 - smoothstep(0.86, 1.02, max(abs(x), abs(x) * 0.72 + max(0.35 - y, 0.0) * 1.15));
            nail_share = bed * smoothstep(-0.02, 0.06, y) * smoothstep(-0.02, -0.12, out / chart[1].w + 0.22)
                * smoothstep(-0.1, -0.4, side);
            let fold = line_at(max(abs(x), 0.8 - y) - 1.08, 0.14) * smoothstep(0.0, -0.4, side) * step(out, 0.0);
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
        crease = palmar * (life + head + 0.9 * heart + 0.5 * web) + 0.7 * wrist;
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
    albedo *= 1.0 - crease * vec3(0.30, 0.40, 0.42);
    let roughness = palm.w * (1.0 - 0.8 * nail_share);
    let bent = normal + roughness * vec3(fine + 0.6 * middle, middle - 0.6 * fine, coarse + 0.5 * fine);
    return Skin(max(albedo, vec3(0.002)), normalize(bent), mix(1.0, nail.w, nail_share));
}

fn cloth_at(image: u32, rest: vec3<f32>, normal: vec3<f32>, seed: u32) -> Skin {
    let cloth = looks[image].cloth;
    let dark = looks[image].cloth_fold;
    let fold = noise3(rest * vec3(0.05, 0.11, 0.05), seed + 23u) - 0.5;
    let weave = noise3(rest * cloth.w, seed + 27u) - 0.5;
    let stripe = smoothstep(-0.1, 0.1, sin(rest.y * cloth.w * 0.7));
    let albedo = mix(cloth.rgb, dark.rgb, stripe * 0.7) * (1.0 + 0.5 * weave + 0.3 * fold);
    return Skin(max(albedo, vec3(0.004)), normalize(normal + 1.1 * vec3(fold, -fold, 0.5 * fold)), 0.15);
}

fn lit(image: u32, skin: Skin, view: vec3<f32>, open: f32, shadow: vec2<f32>, translucency: f32) -> vec3<f32> {
    let sky = looks[image].sky;
    let ground = looks[image].ground;
    let up = looks[image].up;
    let visible = mix(1.0, open, up.w);
    // Light that bounces between skin and skin takes its colour.
    let bounced = vec3(visible) + (1.0 - visible) * skin.albedo * 0.5;
    var light = mix(ground.rgb, sky.rgb, 0.5 + 0.5 * dot(skin.normal, up.xyz)) * bounced;
    var glint = vec3(0.0);
    // Light that enters skin comes out a little farther on, red farthest.
    let wrap = ground.w * translucency * vec3(0.40, 0.16, 0.09);
    for (var k = 0u; k < 3u; k++) {
        let lamp = looks[image].lights[k];
        var pass_ = 0.5 + 0.5 * open;
        if k < 2u {
            pass_ = shadow[k];
        }
        let cosine = dot(skin.normal, lamp.towards.xyz);
        let soft = vec3(pass_) + (1.0 - pass_) * pass_ * wrap;
        light += lamp.colour.rgb * max((vec3(cosine) + wrap) / (1.0 + wrap), vec3(0.0)) * soft;
        let half_way = normalize(lamp.towards.xyz + view);
        let fresnel = 0.04 + 0.5 * exp2(-8.0 * max(dot(half_way, view), 0.0));
        let shine = pow(max(dot(skin.normal, half_way), 1e-3), sky.w) * (sky.w + 8.0) * 0.125;
        glint += lamp.colour.rgb * (shine * fresnel * lamp.colour.w * pass_ * max(cosine, 0.0));
    }
    let rim = exp2(-6.0 * abs(dot(skin.normal, view)));
    glint += 0.12 * rim * sky.rgb * visible;
    return skin.albedo * light + skin.gloss * glint;
}

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3<u32>) {
    // A workgroup is part of one row of one image, so what belongs to the image is uniform.
    let size = params.size;
    let image = group.z;
    let column = group.x * WG + lane;
    if column >= size {
        return;
    }
    let pixel_index = group.y * size + column;
    let i = image * size * size + pixel_index;
    let pixel = vec2(f32(column), f32(group.y)) + 0.5;
    let at = pixel / f32(size);
    let seed = u32(looks[image].detail.w) * 0x9e3779b1u;
    var colour = vec3(0.0);
    var depth = 0.0;
    let hit = key[i];
    if hit == 0xffffffffu {
        colour = background(image, at, seed);
    } else {
        let face = faces[hit & 0xfffu];
        let a = vertex(image, face.x);
        let b = vertex(image, face.y);
        let c = vertex(image, face.z);
        let lens = camera[image];
        let ray = vec3((pixel - lens.zw) / lens.xy, 1.0);
        // Where the ray meets the face's plane: perspective-correct weights without a division by depth.
        let w = vec3(dot(ray, cross(b, c)), dot(ray, cross(c, a)), dot(ray, cross(a, b)));
        let sum = w.x + w.y + w.z;
        let weight = clamp(w / select(sum, 1e-12, abs(sum) < 1e-12), vec3(0.0), vec3(1.0));
        let z = dot(weight, vec3(a.z, b.z, c.z));
        let base = image * params.vertices;
        let sa = 2u * (base + face.x);
        let sb = 2u * (base + face.y);
        let sc = 2u * (base + face.z);
        let s = surface[sa] * weight.x + surface[sb] * weight.y + surface[sc] * weight.z;
        let shadow = surface[sa + 1u] * weight.x + surface[sb + 1u] * weight.y + surface[sc + 1u] * weight.z;
        let rest = anatomy[CHART_ROWS + face.x] * weight.x + anatomy[CHART_ROWS + face.y] * weight.y
            + anatomy[CHART_ROWS + face.z] * weight.z;
        let normal = normalize(s.xyz + vec3(0.0, 0.0, -1e-6));
        let view = -normalize(ray);
        let ring = looks[image].cloth_fold.w;
        // The arm's fourth number counts its rings from the wrist.
        if face.w == ARM && rest.w > ring {
            colour = lit(image, cloth_at(image, rest.xyz, normal, seed), view, s.w, shadow.xy, 0.2);
        } else {
            let side = select(rest.w, clamp(-1.4 * rest.z / (abs(rest.x) + abs(rest.z) + 1.0), -1.0, 1.0) * 0.6 - 0.2, face.w == ARM);
            let skin = skin_at(image, face.w, rest.xyz, side, normal, seed);
            colour = lit(image, skin, view, s.w, shadow.xy, 1.0);
        }
        depth = select(z, 0.0, face.w == ARM);
    }
    for (var k = 0u; k < 3u; k++) {
        if looks[image].before[k].place.z > 0.0 {
            let over = cover(colour, at, looks[image].before[k], 1.0 / f32(size), seed + 41u * k + 600u);
            colour = over.rgb;
            if over.w >= 0.5 {
                depth = 0.0;
            }
        }
    }
    scene[i] = vec4(colour, depth);
}
