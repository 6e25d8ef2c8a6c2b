// Random numbers, four a thread: element i is word i mod 4 of the Philox block with counter (⌊i / 4⌋, step, 0, 0) under the key
// `seed`. Uniform in [0, 1), the word's upper 24 bits, exactly; or with NORMAL from the prelude standard normal from each pair of
// words (Box and Muller 1958, "A note on the generation of random normal deviates").
struct Params {
    quads: u32,
    seed_low: u32,
    seed_high: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> step_word: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;

// −ln(k / 2²⁴) for k from 1 to 2²⁴, by the series of the area tangent: WGSL's log is not good enough near 1.
fn minus_log(k: u32) -> f32 {
    let bits = bitcast<u32>(f32(k));
    var exponent = f32(bits >> 23u) - 151.0;
    var m = bitcast<f32>((bits & 0x7fffffu) | 0x3f800000u);
    if m > 1.4142135 {
        m *= 0.5;
        exponent += 1.0;
    }
    let s = (m - 1.0) / (m + 1.0);
    let q = s * s;
    let series = 2.0 * s * (1.0 + q * (1.0 / 3.0 + q * (0.2 + q * (1.0 / 7.0 + q / 9.0))));
    return -(exponent * 0.6931472 + series);
}

// Cosine and sine of k / 2²⁴ turns: WGSL's own are good to 2⁻¹¹ alone. Exact down to an eighth of a turn, then Taylor series.
fn turn(k: u32) -> vec2<f32> {
    let octant = k >> 21u;
    let within = k & 0x1fffffu;
    // Every other octant backwards.
    let a = f32(select(within, 0x200000u - within, (octant & 1u) == 1u)) * (0.78539816 / 2097152.0);
    let q = a * a;
    let sine = a * (1.0 - q / 6.0 * (1.0 - q / 20.0 * (1.0 - q / 42.0 * (1.0 - q / 72.0))));
    let cosine = 1.0 - q / 2.0 * (1.0 - q / 12.0 * (1.0 - q / 30.0 * (1.0 - q / 56.0 * (1.0 - q / 90.0))));
    let swapped = ((octant + 1u) & 2u) != 0u;
    let along = select(cosine, sine, swapped);
    let up = select(sine, cosine, swapped);
    return vec2(select(along, -along, ((octant + 2u) & 4u) != 0u), select(up, -up, (octant & 4u) != 0u));
}

fn normal_pair(radius_word: u32, angle_word: u32) -> vec2<f32> {
    let square = 2.0 * minus_log((radius_word >> 8u) + 1u);
    return sqrt(max(square, 1e-30)) * turn(angle_word >> 8u);
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.quads {
        return;
    }
    let counter = vec4(i, whole_step(step_word[0]), 0u, 0u);
    let words = philox(counter, vec2(params.seed_low, params.seed_high));
    if NORMAL {
        y[i] = vec4(normal_pair(words.x, words.y), normal_pair(words.z, words.w));
    } else {
        y[i] = vec4<f32>(words >> vec4(8u)) * (1.0 / 16777216.0);
    }
}
