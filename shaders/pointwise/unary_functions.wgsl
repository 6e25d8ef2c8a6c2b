// The functions of one variable and their derivatives, chosen by `const OP`. `params.a` and `params.b` are attributes.
const AFFINE: u32 = 0u;
const RELU: u32 = 1u;
const LEAKY_RELU: u32 = 2u;
const SIGMOID: u32 = 3u;
const TANH: u32 = 4u;
const EXP: u32 = 5u;
const LOG: u32 = 6u;
const SQRT: u32 = 7u;
const ABS: u32 = 8u;
const SQUARE: u32 = 9u;
const SMOOTH_L1: u32 = 10u;

fn apply(x: vec4<f32>, a: f32, b: f32) -> vec4<f32> {
    switch OP {
        case RELU: { return max(x, vec4(0.0)); }
        case LEAKY_RELU: { return select(a * x, x, x > vec4(0.0)); }
        case SIGMOID: { return 1.0 / (1.0 + exp(-x)); }
        // Saturates before exp overflows; tanh of 15 is 1 in f32.
        case TANH: { return tanh(clamp(x, vec4(-15.0), vec4(15.0))); }
        case EXP: { return exp(x); }
        case LOG: { return log(x); }
        case SQRT: { return sqrt(x); }
        case ABS: { return abs(x); }
        case SQUARE: { return x * x; }
        case SMOOTH_L1: {
            let d = abs(x);
            return select(d - 0.5 * a, 0.5 * d * d / a, d < vec4(a));
        }
        default: { return a * x + b; }
    }
}

// The derivative at `x`, where the function gave `y`.
fn derivative(x: vec4<f32>, y: vec4<f32>, a: f32) -> vec4<f32> {
    switch OP {
        case RELU: { return select(vec4(0.0), vec4(1.0), x > vec4(0.0)); }
        case LEAKY_RELU: { return select(vec4(a), vec4(1.0), x > vec4(0.0)); }
        case SIGMOID: { return y * (1.0 - y); }
        case TANH: { return 1.0 - y * y; }
        case EXP: { return y; }
        case LOG: { return 1.0 / x; }
        case SQRT: { return 0.5 / y; }
        case ABS: { return sign(x); }
        case SQUARE: { return 2.0 * x; }
        case SMOOTH_L1: { return clamp(x / a, vec4(-1.0), vec4(1.0)); }
        default: { return vec4(a); }
    }
}
