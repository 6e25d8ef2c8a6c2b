// y = several functions of elements one after the other, four elements a thread. Values 0 to 5 are what the operands x0 to
// x5 have for an element, 6 to 13 what steps 0 to 7 make of earlier ones; the last step makes the result.
//
// From the prelude, for each operand WALKi, how its elements are found, and for each step KINDi, CODEi and the values
// Ai, Bi and Ci it takes. An operand is walked through along up to three axes, innermost first: extents ni and mi of the
// inner two, strides si, ti and ui (0 where it repeats). Buffers are padded to whole vec4s.
struct Params {
    quads: u32,
    total: u32,
    a0: f32, a1: f32, a2: f32, a3: f32, a4: f32, a5: f32, a6: f32, a7: f32,
    b0: f32, b1: f32, b2: f32, b3: f32, b4: f32, b5: f32, b6: f32, b7: f32,
    n0: u32, n1: u32, n2: u32, n3: u32, n4: u32, n5: u32,
    m0: u32, m1: u32, m2: u32, m3: u32, m4: u32, m5: u32,
    s0: u32, s1: u32, s2: u32, s3: u32, s4: u32, s5: u32,
    t0: u32, t1: u32, t2: u32, t3: u32, t4: u32, t5: u32,
    u0: u32, u1: u32, u2: u32, u3: u32, u4: u32, u5: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x0: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> x1: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> x2: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> x3: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> x4: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read> x5: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> y: array<vec4<f32>>;

// How an operand's elements are found.
const ABSENT: u32 = 0u;
const WHOLE: u32 = 1u;
// One element for all.
const ONE: u32 = 2u;
// Four neighbours are a whole vec4.
const ROWS: u32 = 3u;
// Four neighbours are one element.
const COLUMNS: u32 = 4u;
const EACH: u32 = 5u;

// The kinds of steps.
const NONE: u32 = 0u;
const UNARY: u32 = 1u;
const GRADIENT: u32 = 2u;
const BINARY: u32 = 3u;
const CHOICE: u32 = 4u;
const SAME: u32 = 5u;

// Where an operand has element `e`: along extents n, m and strides s, t, u.
fn place(e: u32, n: u32, m: u32, s: u32, t: u32, u: u32) -> u32 {
    let rest = e / n;
    return (e - rest * n) * s + rest % m * t + rest / m * u;
}

fn component(v: vec4<f32>, i: u32) -> f32 {
    return select(select(v.x, v.y, i == 1u), select(v.z, v.w, i == 3u), i > 1u);
}

fn at0(e: u32) -> f32 {
    let at = place(min(e, params.total - 1u), params.n0, params.m0, params.s0, params.t0, params.u0);
    return component(x0[at >> 2u], at & 3u);
}

fn load0(q: u32) -> vec4<f32> {
    switch WALK0 {
        case WHOLE: { return x0[q]; }
        case ONE: { return vec4(x0[0].x); }
        case ROWS: { return x0[place(4u * q, params.n0, params.m0, params.s0, params.t0, params.u0) >> 2u]; }
        case COLUMNS: { return vec4(at0(4u * q)); }
        case EACH: { return vec4(at0(4u * q), at0(4u * q + 1u), at0(4u * q + 2u), at0(4u * q + 3u)); }
        default: { return vec4(0.0); }
    }
}

fn at1(e: u32) -> f32 {
    let at = place(min(e, params.total - 1u), params.n1, params.m1, params.s1, params.t1, params.u1);
    return component(x1[at >> 2u], at & 3u);
}

fn load1(q: u32) -> vec4<f32> {
    switch WALK1 {
        case WHOLE: { return x1[q]; }
        case ONE: { return vec4(x1[0].x); }
        case ROWS: { return x1[place(4u * q, params.n1, params.m1, params.s1, params.t1, params.u1) >> 2u]; }
        case COLUMNS: { return vec4(at1(4u * q)); }
        case EACH: { return vec4(at1(4u * q), at1(4u * q + 1u), at1(4u * q + 2u), at1(4u * q + 3u)); }
        default: { return vec4(0.0); }
    }
}

fn at2(e: u32) -> f32 {
    let at = place(min(e, params.total - 1u), params.n2, params.m2, params.s2, params.t2, params.u2);
    return component(x2[at >> 2u], at & 3u);
}

fn load2(q: u32) -> vec4<f32> {
    switch WALK2 {
        case WHOLE: { return x2[q]; }
        case ONE: { return vec4(x2[0].x); }
        case ROWS: { return x2[place(4u * q, params.n2, params.m2, params.s2, params.t2, params.u2) >> 2u]; }
        case COLUMNS: { return vec4(at2(4u * q)); }
        case EACH: { return vec4(at2(4u * q), at2(4u * q + 1u), at2(4u * q + 2u), at2(4u * q + 3u)); }
        default: { return vec4(0.0); }
    }
}

fn at3(e: u32) -> f32 {
    let at = place(min(e, params.total - 1u), params.n3, params.m3, params.s3, params.t3, params.u3);
    return component(x3[at >> 2u], at & 3u);
}

fn load3(q: u32) -> vec4<f32> {
    switch WALK3 {
        case WHOLE: { return x3[q]; }
        case ONE: { return vec4(x3[0].x); }
        case ROWS: { return x3[place(4u * q, params.n3, params.m3, params.s3, params.t3, params.u3) >> 2u]; }
        case COLUMNS: { return vec4(at3(4u * q)); }
        case EACH: { return vec4(at3(4u * q), at3(4u * q + 1u), at3(4u * q + 2u), at3(4u * q + 3u)); }
        default: { return vec4(0.0); }
    }
}

fn at4(e: u32) -> f32 {
    let at = place(min(e, params.total - 1u), params.n4, params.m4, params.s4, params.t4, params.u4);
    return component(x4[at >> 2u], at & 3u);
}

fn load4(q: u32) -> vec4<f32> {
    switch WALK4 {
        case WHOLE: { return x4[q]; }
        case ONE: { return vec4(x4[0].x); }
        case ROWS: { return x4[place(4u * q, params.n4, params.m4, params.s4, params.t4, params.u4) >> 2u]; }
        case COLUMNS: { return vec4(at4(4u * q)); }
        case EACH: { return vec4(at4(4u * q), at4(4u * q + 1u), at4(4u * q + 2u), at4(4u * q + 3u)); }
        default: { return vec4(0.0); }
    }
}

fn at5(e: u32) -> f32 {
    let at = place(min(e, params.total - 1u), params.n5, params.m5, params.s5, params.t5, params.u5);
    return component(x5[at >> 2u], at & 3u);
}

fn load5(q: u32) -> vec4<f32> {
    switch WALK5 {
        case WHOLE: { return x5[q]; }
        case ONE: { return vec4(x5[0].x); }
        case ROWS: { return x5[place(4u * q, params.n5, params.m5, params.s5, params.t5, params.u5) >> 2u]; }
        case COLUMNS: { return vec4(at5(4u * q)); }
        case EACH: { return vec4(at5(4u * q), at5(4u * q + 1u), at5(4u * q + 2u), at5(4u * q + 3u)); }
        default: { return vec4(0.0); }
    }
}

fn taken(kind: u32, code: u32, u: vec4<f32>, v: vec4<f32>, w: vec4<f32>, a: f32, b: f32) -> vec4<f32> {
    switch kind {
        case UNARY: { return apply(code, u, a, b); }
        case GRADIENT: { return w * derivative(code, u, v, a); }
        case BINARY: { return combine(code, u, v); }
        case CHOICE: { return select(w, v, u != vec4(0.0)); }
        default: { return u; }
    }
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.quads {
        return;
    }
    var v: array<vec4<f32>, 14>;
    v[0] = load0(i);
    v[1] = load1(i);
    v[2] = load2(i);
    v[3] = load3(i);
    v[4] = load4(i);
    v[5] = load5(i);
    var result = taken(KIND0, CODE0, v[A0], v[B0], v[C0], params.a0, params.b0);
    if KIND1 != NONE {
        v[6] = result;
        result = taken(KIND1, CODE1, v[A1], v[B1], v[C1], params.a1, params.b1);
    }
    if KIND2 != NONE {
        v[7] = result;
        result = taken(KIND2, CODE2, v[A2], v[B2], v[C2], params.a2, params.b2);
    }
    if KIND3 != NONE {
        v[8] = result;
        result = taken(KIND3, CODE3, v[A3], v[B3], v[C3], params.a3, params.b3);
    }
    if KIND4 != NONE {
        v[9] = result;
        result = taken(KIND4, CODE4, v[A4], v[B4], v[C4], params.a4, params.b4);
    }
    if KIND5 != NONE {
        v[10] = result;
        result = taken(KIND5, CODE5, v[A5], v[B5], v[C5], params.a5, params.b5);
    }
    if KIND6 != NONE {
        v[11] = result;
        result = taken(KIND6, CODE6, v[A6], v[B6], v[C6], params.a6, params.b6);
    }
    if KIND7 != NONE {
        v[12] = result;
        result = taken(KIND7, CODE7, v[A7], v[B7], v[C7], params.a7, params.b7);
    }
    y[i] = result;
}
