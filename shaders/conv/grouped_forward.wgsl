// y = relu(conv2d(x, weight) + bias + addend), in groups. A lane owns one block of channels of P neighbouring pixels of a
// row. From the prelude: WG, P, and which parts of the epilogue there are: BIAS, ADDEND, RELU.
@group(0) @binding(1) var<storage, read> x: array<Channels>;
@group(0) @binding(2) var<storage, read> weight: array<Channels>;
@group(0) @binding(3) var<storage, read> bias: array<Channels>;
@group(0) @binding(4) var<storage, read> addend: array<Channels>;
@group(0) @binding(5) var<storage, read_write> y: array<Channels>;

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
    let top = row % params.oh * params.stride;
    // The group's first block of x.
    let first = c / params.go * params.gi;

    var acc: array<Channels, P>;
    for (var ky = 0u; ky < params.kh; ky++) {
        // Negative coordinates wrap to numbers beyond any extent.
        let iy = top + ky * params.dilation - params.padding;
        if iy >= params.h {
            continue;
        }
        let base = (image * params.h + iy) * params.w;
        for (var kx = 0u; kx < params.kw; kx++) {
            let ix = ox * params.stride + kx * params.dilation - params.padding;
            for (var k = 0u; k < params.gi; k++) {
                var rows: array<Channels, ROWS>;
                let e = ((ky * params.kw + kx) * params.gi + k) * ROWS * params.co + c;
                for (var r = 0u; r < ROWS; r++) {
                    rows[r] = weight[e + r * params.co];
                }
                for (var p = 0u; p < P; p++) {
                    let column = ix + p * params.stride;
                    let ok = column < params.w;
                    let v = select(Channels(), x[select(0u, (base + column) * params.ci + first + k, ok)], ok);
                    for (var r = 0u; r < ROWS; r++) {
                        acc[p] += row_factor(v, r) * rows[r];
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
