// The functions of two variables, by their number, a constant where they are called.
const ADD: u32 = 0u;
const SUB: u32 = 1u;
const MUL: u32 = 2u;
const DIV: u32 = 3u;
const MAX: u32 = 4u;
const MIN: u32 = 5u;
const LEFT: u32 = 6u;
const SHARE: u32 = 7u;
const POWER_OF: u32 = 8u;
const PRELU: u32 = 9u;
const SLOPE: u32 = 10u;
const EQUAL: u32 = 11u;
const NOT_EQUAL: u32 = 12u;
const LESS: u32 = 13u;
const LESS_EQUAL: u32 = 14u;
const GREATER: u32 = 15u;
const GREATER_EQUAL: u32 = 16u;
const RATIO: u32 = 17u;

fn combine(op: u32, a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    switch op {
        case SUB: { return a - b; }
        case MUL: { return a * b; }
        case DIV: { return a / b; }
        case MAX: { return max(a, b); }
        case MIN: { return min(a, b); }
        case LEFT: { return a; }
        // 1 where a > b, ½ where equal: the share of max(a, b)'s gradient that goes to a.
        case SHARE: { return select(select(vec4(0.0), vec4(0.5), a == b), vec4(1.0), a > b); }
        case POWER_OF: { return pow(a, b); }
        case PRELU: { return select(b * a, a, a > vec4(0.0)); }
        case SLOPE: { return select(b, vec4(1.0), a > vec4(0.0)); }
        case EQUAL: { return select(vec4(0.0), vec4(1.0), a == b); }
        case NOT_EQUAL: { return select(vec4(0.0), vec4(1.0), a != b); }
        case LESS: { return select(vec4(0.0), vec4(1.0), a < b); }
        case LESS_EQUAL: { return select(vec4(0.0), vec4(1.0), a <= b); }
        case GREATER: { return select(vec4(0.0), vec4(1.0), a > b); }
        case RATIO: { return select(a / b, vec4(0.0), b == vec4(0.0)); }
        case GREATER_EQUAL: { return select(vec4(0.0), vec4(1.0), a >= b); }
        default: { return a + b; }
    }
}
