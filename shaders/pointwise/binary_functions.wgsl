// The functions of two variables, chosen by `const OP`.
const ADD: u32 = 0u;
const SUB: u32 = 1u;
const MUL: u32 = 2u;
const DIV: u32 = 3u;
const MAX: u32 = 4u;
const MIN: u32 = 5u;
const LEFT: u32 = 6u;
const GREATER: u32 = 7u;

fn combine(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    switch OP {
        case SUB: { return a - b; }
        case MUL: { return a * b; }
        case DIV: { return a / b; }
        case MAX: { return max(a, b); }
        case MIN: { return min(a, b); }
        case LEFT: { return a; }
        // 1 where a > b, ½ where equal: the share of max(a, b)'s gradient that goes to a.
        case GREATER: { return select(select(vec4(0.0), vec4(0.5), a == b), vec4(1.0), a > b); }
        default: { return a + b; }
    }
}
