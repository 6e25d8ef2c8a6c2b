// gx = relu(input gradient of conv2d + bias + addend), in groups: of a transposed convolution the result. A lane owns one
// block of channels of P pixels of a row, S apart so that they meet the same taps; if SHARED, which needs a stride of 1, it
// reads a row's columns once for all of them. Also from the prelude which parts of the epilogue there are: BIAS, ADDEND, RELU.
const SPAN: u32 = select(P, P + (KW - 1u) * D, SHARED);

@group(0) @binding(1) var<storage, read> gy: array<Channels>;
@group(0) @binding(2) var<storage, read> weight: array<Channels>;
@group(0) @binding(3) var<storage, read> bias: array<Channels>;
@group(0) @binding(4) var<storage, read> addend: array<Channels>;
@group(0) @binding(5) var<storage, read_write> gx: array<Channels>;

// One block of the pixel at `column` of the row that begins at pixel `base`; zero outside.
fn pixel_block(base: u32, column: u32, block: u32) -> Channels {
    let ok = column < params.ow;
    return select(Channels(), gy[select(0u, (base + column) * params.co + block, ok)], ok);
}

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
    // The group's first block of y and how many it has, and the block's place in its group.
    let first = c / params.gi * params.go;
    let count = select(1u, params.go, MANY);
    let rows_of_tap = params.gi * ROWS;
    let inner = c % params.gi * ROWS;

    var acc: array<Channels, P>;
    var gs: array<Channels, SPAN>;
    for (var ky = 0u; ky < params.kh; ky++) {
        let down = y_position - i32(ky * D);
        let oy = down / i32(S);
        if down < 0 || down % i32(S) != 0 || oy >= i32(params.oh) {
            continue;
        }
        let base = (image * params.oh + u32(oy)) * params.ow;
        for (var k = 0u; k < count; k++) {
            if (SHARED) {
                // Negative columns wrap to numbers beyond any extent.
                let ox = u32(x_position - i32((KW - 1u) * D));
                for (var j = 0u; j < SPAN; j++) {
                    gs[j] = pixel_block(base, ox + j, first + k);
                }
            }
            for (var kx = 0u; kx < KW; kx++) {
                if (!SHARED) {
                    // The first pixels of a strip may lie before every output that this tap reaches, later ones not.
                    let along = x_position - i32(kx * D);
                    if along % i32(S) != 0 {
                        continue;
                    }
                    let ox = u32(along / i32(S));
                    for (var p = 0u; p < P; p++) {
                        gs[p] = pixel_block(base, ox + p, first + k);
                    }
                }
                var rows: array<Channels, ROWS>;
                let e = ((ky * KW + kx) * rows_of_tap + inner) * params.co + first + k;
                for (var r = 0u; r < ROWS; r++) {
                    rows[r] = weight[e + r * params.co];
                }
                for (var p = 0u; p < P; p++) {
                    acc[p] += against(gs[select(p, p + (KW - 1u - kx) * D, SHARED)], rows);
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
