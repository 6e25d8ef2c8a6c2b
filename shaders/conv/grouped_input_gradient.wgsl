// gx = relu(input gradient of conv2d + bias + addend), in groups: of a transposed convolution the result. A lane owns one
// block of channels of P pixels of a row, S apart so that they meet the same taps.
// From the prelude: WG, P, S the stride, and which parts of the epilogue there are: BIAS, ADDEND, RELU.
@group(0) @binding(1) var<storage, read> gy: array<Channels>;
@group(0) @binding(2) var<storage, read> weight: array<Channels>;
@group(0) @binding(3) var<storage, read> bias: array<Channels>;
@group(0) @binding(4) var<storage, read> addend: array<Channels>;
@group(0) @binding(5) var<storage, read_write> gx: array<Channels>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let c = i % params.ci;
    let strips = ((params.w + S - 1u) / S + P - 1u) / P;
    let strip = i / params.ci;
    let phase = strip / strips % S;
    let ix = phase + strip % strips * P * S;
    let row = strip / (strips * S);
    let image = row / params.h;
    let y_position = i32(row % params.h + params.padding);
    let x_position = i32(ix + params.padding);
    // The group's first block of y, and the block's place in its group.
    let first = c / params.gi * params.go;
    let inner = c % params.gi;

    var acc: array<Channels, P>;
    for (var ky = 0u; ky < params.kh; ky++) {
        let down = y_position - i32(ky * params.dilation);
        let oy = down / i32(S);
        if down < 0 || down % i32(S) != 0 || oy >= i32(params.oh) {
            continue;
        }
        let base = (image * params.oh + u32(oy)) * params.ow;
        for (var kx = 0u; kx < params.kw; kx++) {
            // The first pixels of a strip may lie before every output that this tap reaches, later ones not.
            let along = x_position - i32(kx * params.dilation);
            if along % i32(S) != 0 {
                continue;
            }
            let ox = along / i32(S);
            for (var k = 0u; k < params.go; k++) {
                var rows: array<Channels, ROWS>;
                let e = ((ky * params.kw + kx) * params.gi + inner) * ROWS * params.co + first + k;
                for (var r = 0u; r < ROWS; r++) {
                    rows[r] = weight[e + r * params.co];
                }
                for (var p = 0u; p < P; p++) {
                    // Negative columns wrap to numbers beyond any extent.
                    let column = u32(ox + i32(p));
                    let ok = column < params.ow;
                    let g = select(Channels(), gy[select(0u, (base + column) * params.co + first + k, ok)], ok);
                    acc[p] += against(g, rows);
                }
            }
        }
    }

    for (var p = 0u; p < P; p++) {
        let column = ix + p * S;
        if column < params.w {
            let at = (row * params.w + column) * params.ci + c;
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
            gx[at] = value;
        }
    }
}
