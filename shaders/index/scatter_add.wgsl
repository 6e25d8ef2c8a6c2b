// y[o, v, i] = the sum of x[o, r, i] over the r with index[o, r, i] = v, ascending, o and i standing for the axes
// before and after the one that indices are for. A thread sums all of one element of y. With SORTED, indices are sorted
// along their lines and places says where each came from: the r are then found by bisection, else by looking at all. Where there are
// many, a dispatch takes those from first_row to last_row and adds to what the one before found.
@group(0) @binding(1) var<storage, read> x: array<Channels>;
@group(0) @binding(2) var<storage, read> index: array<u32>;
@group(0) @binding(3) var<storage, read> places: array<u32>;
@group(0) @binding(4) var<storage, read_write> y: array<Channels>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let inner = i % params.inner;
    let line = i / params.inner;
    let outer = line / params.extent;
    let wanted = line % params.extent;
    let base = index_base(outer, inner);
    let start = outer * params.rows * params.inner + inner;
    var first = 0u;
    if SORTED {
        var high = params.rows;
        while first < high {
            let middle = (first + high) / 2u;
            if index[base + middle * params.index_stride] < wanted {
                first = middle + 1u;
            } else {
                high = middle;
            }
        }
    }
    first = max(first, params.first_row);
    // Sums of 16 first: shorter chains of rounding.
    var sum = Channels();
    var part = Channels();
    var count = 0u;
    for (var k = first; k < params.last_row; k++) {
        let at = base + k * params.index_stride;
        if index[at] == wanted {
            var r = k;
            if SORTED {
                r = places[at];
            }
            part += x[start + r * params.inner];
            count++;
            if count % 16u == 0u {
                sum += part;
                part = Channels();
            }
        } else if SORTED {
            break;
        }
    }
    sum += part;
    if params.first_row > 0u {
        sum += y[i];
    }
    y[i] = sum;
}
