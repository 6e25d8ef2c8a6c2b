// What src/exec/sanitize puts behind a shader, and inserts calls of. An invocation remembers its first fault in private
// variables, without branches, which a software GPU would pay for at every check; knuckle_report writes it out at the end.
struct knuckle_Site {
    // Invocations whose first fault was here; the first of them says the rest.
    count: atomic<u32>,
    index: u32,
    length: u32,
    value: u32,
    x: u32,
    y: u32,
    z: u32,
    unused: u32,
}
struct knuckle_Faults {
    // By binding: how many bytes at the end of an array's last element are padding, which may hold anything.
    padding: array<u32, 32>,
    sites: array<knuckle_Site>,
}
// The rewriter chooses the binding.
@group(0) @binding(0) var<storage, read_write> knuckle_faults: knuckle_Faults;

// A bit for every scalar of the shader's workgroup variables; the rewriter chooses the size. Zero when a workgroup starts.
var<workgroup> knuckle_written: array<atomic<u32>, 1>;

var<private> knuckle_invocation: vec3<u32>;
// The site's number and one, or 0 before the first fault.
var<private> knuckle_site: u32;
var<private> knuckle_index: u32;
var<private> knuckle_length: u32;
var<private> knuckle_value: u32;

fn knuckle_note(bad: bool, site: u32, index: u32, length: u32, value: u32) {
    let first = bad & (knuckle_site == 0u);
    knuckle_site = select(knuckle_site, site + 1u, first);
    knuckle_index = select(knuckle_index, index, first);
    knuckle_length = select(knuckle_length, length, first);
    knuckle_value = select(knuckle_value, value, first);
}

// The index, or the last one there is.
fn knuckle_check_index(site: u32, index: u32, length: u32) -> u32 {
    knuckle_note(index >= length, site, index, length, 0u);
    return min(index, max(length, 1u) - 1u);
}

// The divisor, or 1 where WGSL says what a division gives all the same: the dividend, and no remainder.
fn knuckle_check_divisor_u32(site: u32, component: u32, components: u32, dividend: u32, divisor: u32) -> u32 {
    let bad = divisor == 0u;
    knuckle_note(bad, site, component, components, divisor);
    return select(divisor, 1u, bad);
}

fn knuckle_check_divisor_i32(site: u32, component: u32, components: u32, dividend: i32, divisor: i32) -> i32 {
    let overflow = (bitcast<u32>(dividend) == 0x80000000u) & (divisor == -1i);
    let bad = (divisor == 0i) | overflow;
    knuckle_note(bad, site, component, components, bitcast<u32>(divisor));
    return select(divisor, 1i, bad);
}

// Up to four f32 as bits, for no compiler may assume those away. `binding` is 32 but for whole elements of an array, whose
// components are of `width` bytes.
fn knuckle_check_finite(site: u32, index: u32, length: u32, binding: u32, width: u32, lanes: u32, bits: vec4<u32>) {
    let last = (binding < 32u) & (index + 1u == length);
    let live = lanes - select(0u, knuckle_faults.padding[min(binding, 31u)] / width, last);
    let exponent = vec4(0x7f800000u);
    let bad = ((bits & exponent) == exponent) & (vec4(0u, 1u, 2u, 3u) < vec4(live));
    var value = bits.w;
    value = select(value, bits.z, bad.z);
    value = select(value, bits.y, bad.y);
    value = select(value, bits.x, bad.x);
    knuckle_note(any(bad), site, index, length, value);
}

fn knuckle_mark_written(first: u32, count: u32) {
    for (var bit = first; bit < first + count; bit++) {
        atomicOr(&knuckle_written[bit >> 5u], 1u << (bit & 31u));
    }
}

fn knuckle_check_written(site: u32, index: u32, length: u32, first: u32, count: u32) {
    var all_written = true;
    for (var bit = first; bit < first + count; bit++) {
        all_written = all_written & ((atomicLoad(&knuckle_written[bit >> 5u]) >> (bit & 31u) & 1u) == 1u);
    }
    knuckle_note(!all_written, site, index, length, 0u);
}

fn knuckle_report() {
    if (knuckle_site == 0u) {
        return;
    }
    let at = knuckle_site - 1u;
    if (atomicAdd(&knuckle_faults.sites[at].count, 1u) == 0u) {
        knuckle_faults.sites[at].index = knuckle_index;
        knuckle_faults.sites[at].length = knuckle_length;
        knuckle_faults.sites[at].value = knuckle_value;
        knuckle_faults.sites[at].x = knuckle_invocation.x;
        knuckle_faults.sites[at].y = knuckle_invocation.y;
        knuckle_faults.sites[at].z = knuckle_invocation.z;
    }
}
