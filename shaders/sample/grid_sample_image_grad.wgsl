// The gradient of sampling with respect to the image: each pixel gathers gy from the samples in the cells around it, in the order of
// the cells and, within one, of the samples. With `nearest` the samples that took it are all in one cell.
struct Params {
    total: u32,
    h: u32,
    w: u32,
    c: u32,
    nearest: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> places: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read> order: array<u32>;
@group(0) @binding(3) var<storage, read> starts: array<u32>;
@group(0) @binding(4) var<storage, read> gy: array<Channels>;
@group(0) @binding(5) var<storage, read_write> gx: array<Channels>;

// What the pixel at `centre` gets from the sample at place k of the sorted ones.
fn share(k: u32, c: u32, centre: vec2<f32>, nearest: bool) -> Channels {
    let sample = order[k];
    let near = max(1.0 - abs(places[sample] - centre), vec2(0.0));
    return select(near.x * near.y, 1.0, nearest) * gy[sample * params.c + c];
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let c = i % params.c;
    let pixel = i / params.c;
    let column = pixel % params.w;
    let rest = pixel / params.w;
    let row = rest % params.h;
    let centre = vec2(f32(column), f32(row));
    let nearest = params.nearest != 0u;
    // Rows of cells follow one another over all images. Two neighbours of a row are one run of samples.
    let cells = ((rest / params.h) * (params.h + 1u) + row) * (params.w + 1u) + column;
    var sum = Channels();
    for (var below = select(0u, 1u, nearest); below < 2u; below++) {
        let cell = cells + below * (params.w + 1u);
        let begin = starts[cell + select(0u, 1u, nearest)];
        let end = starts[cell + 2u];
        // Many samples may crowd in a cell: partial sums of 256 keep rounding small, and four a turn keep the turns below the
        // 65 535 after which llvmpipe leaves a loop.
        for (var first = begin; first < end; first += 256u) {
            let last = min(first + 256u, end);
            var part = Channels();
            var k = first;
            for (; k + 4u <= last; k += 4u) {
                part += (share(k, c, centre, nearest) + share(k + 1u, c, centre, nearest))
                    + (share(k + 2u, c, centre, nearest) + share(k + 3u, c, centre, nearest));
            }
            for (; k < last; k++) {
                part += share(k, c, centre, nearest);
            }
            sum += part;
        }
    }
    gx[i] = sum;
}
