// The functions of one variable and their derivatives, by their number, a constant where they are called; `a` and `b` are
// their attributes.
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
const HUBER: u32 = 11u;
const ELU: u32 = 12u;
const SOFTPLUS: u32 = 13u;
const GELU: u32 = 14u;
const HARD_SWISH: u32 = 15u;
const POWER: u32 = 16u;
const CLAMP: u32 = 17u;
const RECIPROCAL: u32 = 18u;
const SIN: u32 = 19u;
const COS: u32 = 20u;

// e^x − 1 without the cancellation near 0: there by its series.
fn exp_minus_1(x: vec4<f32>) -> vec4<f32> {
    let series = x * (1.0 + x * (0.5 + x * (1.0 / 6.0 + x * (1.0 / 24.0 + x * (1.0 / 120.0 + x / 720.0)))));
    return select(exp(x) - 1.0, series, abs(x) < vec4(0.35));
}

// ln(1 + t) for t from 0 to 1, by the series of the area tangent: its argument is at most 1/3.
fn log_1_plus(t: vec4<f32>) -> vec4<f32> {
    let s = t / (2.0 + t);
    let q = s * s;
    return 2.0 * s * (1.0 + q * (1.0 / 3.0 + q * (0.2 + q * (1.0 / 7.0 + q * (1.0 / 9.0 + q * (1.0 / 11.0
        + q / 13.0))))));
}

// The standard normal's distribution function, from the error function's approximation 7.1.26 in Abramowitz and Stegun,
// good to 1.5e-7.
fn normal_cdf(x: vec4<f32>) -> vec4<f32> {
    let z = abs(x) * 0.70710678;
    let t = 1.0 / (1.0 + 0.3275911 * z);
    let poly = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
    let tail = 0.5 * poly * exp(-z * z);
    return select(tail, 1.0 - tail, x > vec4(0.0));
}

fn apply(op: u32, x: vec4<f32>, a: f32, b: f32) -> vec4<f32> {
    switch op {
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
        case HUBER: {
            let d = abs(x);
            return select(a * (d - 0.5 * a), 0.5 * d * d, d < vec4(a));
        }
        case ELU: { return select(a * exp_minus_1(min(x, vec4(0.0))), x, x > vec4(0.0)); }
        case SOFTPLUS: { return max(x, vec4(0.0)) + log_1_plus(exp(-abs(x))); }
        case GELU: { return x * normal_cdf(x); }
        case HARD_SWISH: { return x * clamp(x + 3.0, vec4(0.0), vec4(6.0)) / 6.0; }
        case POWER: { return pow(x, vec4(a)); }
        case CLAMP: { return clamp(x, vec4(a), vec4(b)); }
        case RECIPROCAL: { return 1.0 / x; }
        case SIN: { return sin(x); }
        case COS: { return cos(x); }
        default: { return a * x + b; }
    }
}

// The derivative at `x`, where the function gave `y`.
fn derivative(op: u32, x: vec4<f32>, y: vec4<f32>, a: f32) -> vec4<f32> {
    switch op {
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
        case HUBER: { return clamp(x, vec4(-a), vec4(a)); }
        case ELU: { return select(y + a, vec4(1.0), x > vec4(0.0)); }
        case SOFTPLUS: { return 1.0 / (1.0 + exp(-x)); }
        case GELU: { return normal_cdf(x) + x * 0.39894228 * exp(-0.5 * x * x); }
        case HARD_SWISH: {
            let inside = (2.0 * x + 3.0) / 6.0;
            return select(select(inside, vec4(1.0), x >= vec4(3.0)), vec4(0.0), x <= vec4(-3.0));
        }
        case POWER: { return a * pow(x, vec4(a - 1.0)); }
        case CLAMP: { return select(vec4(0.0), vec4(1.0), x == y); }
        case RECIPROCAL: { return -y * y; }
        case SIN: { return cos(x); }
        case COS: { return -sin(x); }
        default: { return vec4(a); }
    }
}
