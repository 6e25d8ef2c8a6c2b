// Control flow in every form, with the accesses where rewriting could put them in the wrong place.
struct Input {
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(global_invocation_id) id: vec3<u32>,
}
@group(0) @binding(3) var<storage, read_write> y: array<u32>;

var<private> calls: u32;

fn next(k: u32) -> u32 {
    calls++;
    return at[k]; // fault 1 OutOfRange at 12 10
}

// Returns early, out of a loop in a switch.
fn search(id: u32, value: u32) -> u32 {
    switch id % 3u {
        case 0u, 1u: {
            for (var k = 0u; k < 10u; k++) {
                if at[k] == value {
                    return k;
                }
            }
        }
        default: {
            var k = 0u;
            loop {
                if at[k] == value { // fault 2 OutOfRange at 10 10
                    break;
                }
                continuing {
                    k += 1u;
                    break if k >= mistake(2u, 3u, 10u, 11u) || at[k - 1u] == 77u;
                }
            }
            return k;
        }
    }
    return 99u;
}

fn swap(a: ptr<function, u32>, b: ptr<function, u32>) {
    let t = *a;
    *a = *b;
    *b = t;
}

@compute @workgroup_size(8)
fn main(in: Input) {
    let i = in.id.x;
    if i >= params.n {
        return;
    }
    // The right side of `&&` is not evaluated where the left one is false.
    if i < 10u && at[i] == 255u {
        y[i] = 1u;
        return;
    }
    if (FAULT == 3u && i == 3u) || i == 40u {
        y[i] = at[i + 20u]; // fault 3 OutOfRange at 23 10
        return;
    }
    var sum = search(select(i, 2u, FAULT == 2u && i == 3u), select(37u, 1000u, FAULT == 2u && i == 3u));
    // A value from before a change is not the one from after it.
    var values = array<u32, 3>(1u, 2u, 3u);
    let before = values[i % 3u];
    values[i % 3u] = 10u;
    var first = values[0];
    var last = values[2];
    swap(&first, &last);
    values[0] = first;
    values[2] = last;
    sum += before * values[i % 3u];
    for (var k = 0u; k < min(next(mistake(1u, i, 5u, 12u)), 6u); k++) {
        if k == 1u {
            continue;
        }
        var j = k;
        while true {
            j += values[j % 3u];
            if j > 20u {
                break;
            }
        }
        sum += j;
    }
    let same = &y[i];
    *same = sum + calls;
    y[i] += at[select(i % 10u, mistake(4u, i, i, 0x7fffffffu), i == 3u)]; // fault 4 OutOfRange at 2147483647 10
}
