// y = softmax(x), or with LOG from the prelude its logarithm, over the middle axis of x seen as outer × length × inner units.
// A thread takes one pair of outer and inner: the largest element, the sum of exponentials relative to it, the result.
struct Params {
    outer: u32,
    length: u32,
    inner: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Channels>;
@group(0) @binding(2) var<storage, read_write> y: array<Channels>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.outer * params.inner {
        return;
    }
    let step = params.inner;
    let start = i / step * params.length * step + i % step;
    var peaks = x[start];
    for (var r = 1u; r < params.length; r++) {
        peaks = max(peaks, x[start + r * step]);
    }
    let largest = fold_max(peaks);
    // Partial sums of 64, so that rounding grows little with the length.
    var sums = Channels();
    for (var first = 0u; first < params.length; first += 64u) {
        var part = Channels();
        for (var r = first; r < min(first + 64u, params.length); r++) {
            part += exp(x[start + r * step] - largest);
        }
        sums += part;
    }
    let sum = fold(sums);
    let offset = largest + log(sum);
    for (var r = 0u; r < params.length; r++) {
        let at = start + r * step;
        if LOG {
            y[at] = x[at] - offset;
        } else {
            y[at] = exp(x[at] - largest) / sum;
        }
    }
}
