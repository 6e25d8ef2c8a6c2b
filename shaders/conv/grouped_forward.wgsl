// y = relu(conv2d(x, weight) + bias + addend), in groups. A lane owns one block of channels of P neighbouring pixels of a
// row; if SHARED, it reads a row's columns once for all taps. Also from the prelude which parts of the epilogue there are:
// BIAS, ADDEND, RELU.
const SPAN: u32 = select(P, (P - 1u) * S + (KW - 1u) * D + 1u, SHARED);

@group(0) @binding(1) var<storage, read> x: array<Channels>;
@group(0) @binding(2) var<storage, read> weight: array<Channels>;
@group(0) @binding(3) var<storage, read> bias: array<Channels>;
@group(0) @binding(4) var<storage, read> addend: array<Channels>;
@group(0) @binding(5) var<storage, read_write> y: array<Channels>;

// One block of the pixel at `column` of the row that begins at pixel `base`; zero outside.
fn pixel_block(base: u32, column: u32, block: u32) -> Channels {
    let ok = column < params.w;
    return select(Channels(), x[select(0u, (base + column) * params.ci + block, ok)], ok);
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let c = i % params.co;
    let strips = (params.ow + P - 1u) / P;
    let strip = i / params.co;
    let row = strip / strips;
    let ox = strip % strips * P;
    let image = row / params.oh;
    // Negative coordinates wrap to numbers beyond any extent.
    let top = row % params.oh * S - params.padding;
    let left = ox * S - params.padding;
    // The group's first block of x, and how many it has.
    let first = c / params.go * params.gi;
    let count = select(1u, params.gi, MANY);

    var acc: array<Channels, P>;
    var xs: array<Channels, SPAN>;
    for (var ky = 0u; ky < params.kh; ky++) {
        let iy = top + ky * D;
        if iy >= params.h {
            continue;
        }
        let base = (image * params.h + iy) * params.w;
        for (var k = 0u; k < count; k++) {
            if (SHARED) {
                for (var j = 0u; j < SPAN; j++) {
                    xs[j] = pixel_block(base, left + j, first + k);
                }
            }
            for (var kx = 0u; kx < KW; kx++) {
                if (!SHARED) {
                    for (var p = 0u; p < P; p++) {
                        xs[p] = pixel_block(base, left + p * S + kx * D, first + k);
                    }
                }
                let e = ((ky * KW + kx) * count + k) * ROWS * params.co + c;
                for (var r = 0u; r < ROWS; r++) {
                    let row_weights = weight[e + r * params.co];
                    for (var p = 0u; p < P; p++) {
                        acc[p] += row_factor(xs[select(p, p * S + kx * D, SHARED)], r) * row_weights;
                    }
                }
            }
        }
    }

    for (var p = 0u; p < P; p++) {
        if ox + p < params.ow {
            let at = (row * params.ow + ox + p) * params.co + c;
            var value = acc[p];
            if (BIAS) {
                value += bias[c];
            }
            if (ADDEND) {
                value += addend[at];
            }
            if (RELU) {
                value = select(value, Channels(), value < Channels());
            }
            y[at] = value;
        }
    }
}
