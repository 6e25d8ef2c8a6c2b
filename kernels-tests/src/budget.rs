//! How far each operator may be from exact arithmetic, and why.

/// An allowed error, in units of [`EPSILON`](crate::compare::EPSILON).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Accuracy {
    /// Relative to the value itself.
    pub of_value: f64,
    /// Relative to the tensor's largest value.
    pub of_largest: f64,
}

/// What an operator is allowed.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// The operator.
    pub op: &'static str,
    /// Of the result.
    pub forward: Accuracy,
    /// Of a gradient contracted with a direction, relative to the sum of the products' magnitudes.
    pub gradient: f64,
    /// Why so much.
    pub why: &'static str,
}

const fn row(op: &'static str, of_value: f64, of_largest: f64, gradient: f64, why: &'static str) -> Budget {
    Budget { op, forward: Accuracy { of_value, of_largest }, gradient, why }
}

/// The table.
pub const BUDGETS: &[Budget] = &[
    row("affine", 2.0, 0.0, 4.0, "one product, one sum (fused or not)"),
    row("relu", 0.0, 0.0, 2.0, "a choice is exact; the gradient multiplies"),
    row("leaky_relu", 1.0, 0.0, 2.0, "one product"),
    row("sigmoid", 24.0, 0.0, 24.0, "exp is only good to 3 + 2|x| units in the last place in WGSL"),
    row("tanh", 0.0, 64.0, 128.0, "drivers compute tanh from exp and cancel near 0"),
    row("exp", 24.0, 0.0, 24.0, "3 + 2|x| units in the last place, |x| to 4"),
    row("log", 8.0, 8.0, 4.0, "absolute error 2^-21 near 1"),
    row("sqrt", 8.0, 0.0, 12.0, "inherits from inverseSqrt: 2 units in the last place"),
    row("abs", 0.0, 0.0, 2.0, "a choice is exact"),
    row("square", 1.0, 0.0, 4.0, "one product"),
    row("smooth_l1", 8.0, 8.0, 8.0, "a division (2.5 units in the last place) and a cancelling difference"),
    row("huber", 4.0, 0.0, 8.0, "three roundings"),
    row("elu", 24.0, 4.0, 24.0, "exp is only good to 3 + 2|x| units in the last place; near 0 its series"),
    row("softplus", 24.0, 8.0, 24.0, "an exp and a series of seven terms"),
    row("gelu", 32.0, 16.0, 64.0, "the error function's approximation is good to 1.5e-7"),
    row("hard_swish", 8.0, 1.0, 16.0, "a difference, a product, a division"),
    row("power", 64.0, 0.0, 64.0, "exp2(p log2 x): the rounding of the logarithm, times the exponent"),
    row("clamp", 0.0, 0.0, 2.0, "a choice is exact"),
    row("reciprocal", 3.0, 0.0, 8.0, "2.5 units in the last place"),
    row("sin", 0.0, 2048.0, 2048.0, "absolute error 2^-11 within ±π is all that WGSL promises; drivers do better"),
    row("cos", 0.0, 2048.0, 2048.0, "absolute error 2^-11 within ±π is all that WGSL promises; drivers do better"),
    row("add", 1.0, 0.0, 8.0, "one rounding; the gradient of a repeated operand is a sum"),
    row("sub", 1.0, 0.0, 8.0, "one rounding; the gradient of a repeated operand is a sum"),
    row("mul", 1.0, 0.0, 8.0, "one rounding; the gradient of a repeated operand is a sum"),
    row("div", 6.0, 0.0, 24.0, "2.5 units in the last place a division; the gradient has two"),
    row("max", 0.0, 0.0, 8.0, "a choice is exact; the gradient of a repeated operand is a sum"),
    row("min", 0.0, 0.0, 8.0, "a choice is exact; the gradient of a repeated operand is a sum"),
    row("power_of", 128.0, 0.0, 256.0, "exp2(b log2 a): the rounding of the logarithm, times the exponent"),
    row("prelu", 1.0, 0.0, 8.0, "one product; the gradient of a repeated operand is a sum"),
    row("equal", 0.0, 0.0, 0.0, "a choice is exact"),
    row("not_equal", 0.0, 0.0, 0.0, "a choice is exact"),
    row("less", 0.0, 0.0, 0.0, "a choice is exact"),
    row("less_equal", 0.0, 0.0, 0.0, "a choice is exact"),
    row("greater", 0.0, 0.0, 0.0, "a choice is exact"),
    row("greater_equal", 0.0, 0.0, 0.0, "a choice is exact"),
    row("select", 0.0, 0.0, 2.0, "a choice is exact"),
    row("broadcast", 0.0, 0.0, 8.0, "copies; the gradient is a sum"),
    row("reshape", 0.0, 0.0, 1.0, "moves nothing"),
    row("sum", 4.0, 64.0, 2.0, "chains of at most 32 additions in four lanes, then chunks; terms cancel"),
    row("mean", 4.0, 64.0, 4.0, "a sum and a product"),
    row("norm", 8.0, 8.0, 16.0, "a sum of squares in chains of at most 32 and a root"),
    row("max_over", 0.0, 0.0, 8.0, "a choice is exact; the gradient divides"),
    row("min_over", 0.0, 0.0, 8.0, "a choice is exact; the gradient divides"),
    row("arg_max", 0.0, 0.0, 0.0, "a choice is exact"),
    row("arg_min", 0.0, 0.0, 0.0, "a choice is exact"),
    row("softmax", 64.0, 4.0, 128.0, "exp is only good to 3 + 2|x| units in the last place, |x| to 12"),
    row("log_softmax", 8.0, 8.0, 64.0, "a difference of numbers up to 12 and a logarithm"),
    row("permute", 0.0, 0.0, 1.0, "copies"),
    row("concat", 0.0, 0.0, 1.0, "copies"),
    row("slice", 0.0, 0.0, 1.0, "copies"),
    row("max_pool2d", 0.0, 0.0, 8.0, "a choice is exact; the gradient adds up to k² windows"),
    row("upsample_nearest", 0.0, 0.0, 16.0, "copies; the gradient adds a block"),
    row("graph_pool_max", 0.0, 0.0, 1.0, "choices are exact in both directions"),
    row("graph_pool_mean", 2.0, 8.0, 2.0, "a short sum and a product"),
    row("graph_upsample", 0.0, 0.0, 8.0, "copies; the gradient adds the children"),
    row("spmm", 2.0, 16.0, 16.0, "sums of a row's entries, which may cancel"),
    row("gather_rows", 0.0, 0.0, 16.0, "copies; the gradient adds all readers"),
    row(
        "conv2d",
        4.0,
        64.0,
        64.0,
        "sums over window and channels, which cancel; the weight's gradient sums over pixels",
    ),
    row("matmul", 4.0, 64.0, 64.0, "sums over the inner extent, which cancel"),
    row("linear", 4.0, 64.0, 64.0, "sums over the inner extent, which cancel"),
    row("batch_norm_train", 16.0, 32.0, 512.0, "two means, a root, a division; the gradient subtracts its own means"),
    row("batch_norm_infer", 8.0, 16.0, 64.0, "a difference, a root, a division"),
    row(
        "instance_norm",
        16.0,
        8.0,
        128.0,
        "a mean good to twice the digits, a root; the gradient subtracts its own means",
    ),
    row(
        "layer_norm",
        16.0,
        8.0,
        128.0,
        "a mean good to twice the digits, a root; the gradient subtracts its own means",
    ),
    row(
        "group_norm",
        16.0,
        8.0,
        128.0,
        "a mean good to twice the digits, a root; the gradient subtracts its own means",
    ),
    row(
        "norm_second_derivative",
        16.0,
        64.0,
        512.0,
        "a gradient that subtracts its means; its own by a formula of some thirty operators with a power",
    ),
    row("batch_norm_statistics", 16.0, 16.0, 0.0, "sums of differences within blocks, combined"),
    row("chebyshev", 4.0, 64.0, 64.0, "products and sparse products, summed by Clenshaw's recurrence"),
    row("residual", 16.0, 256.0, 1024.0, "three normalisations and three or four convolutions, one after the other"),
    row("hourglass", 16.0, 1024.0, 8192.0, "residuals four deep: each normalisation divides its input's error anew"),
    row("squared_error", 64.0, 0.0, 16.0, "a sum of squares"),
    row("mesh_loss", 64.0, 0.0, 64.0, "sums of squares of differences of differences"),
    row("affine_grad", 4.0, 0.0, 8.0, "three products"),
    row("relu_grad", 2.0, 64.0, 64.0, "a choice and a product; the product it is built into sums"),
    row("leaky_relu_grad", 4.0, 0.0, 8.0, "two products"),
    row(
        "sigmoid_grad",
        32.0,
        128.0,
        256.0,
        "y·(1 − y) of a y with some units in the last place: 1 − y is down to 1/20",
    ),
    row("tanh_grad", 16.0, 512.0, 512.0, "1 − y² of a y with an absolute error"),
    row("exp_grad", 32.0, 0.0, 32.0, "exp is only good to 3 + 2|x| units in the last place"),
    row("log_grad", 8.0, 0.0, 16.0, "divisions, 2.5 units in the last place each"),
    row("sqrt_grad", 16.0, 0.0, 32.0, "a root and a division; the second derivative divides again"),
    row("abs_grad", 2.0, 0.0, 8.0, "a choice and products"),
    row("square_grad", 4.0, 0.0, 8.0, "products"),
    row("smooth_l1_grad", 8.0, 0.0, 16.0, "a division and products"),
    row("huber_grad", 4.0, 0.0, 8.0, "a choice and products"),
    row("elu_grad", 32.0, 8.0, 64.0, "an exp, from which 1 was taken and is added again"),
    row("softplus_grad", 32.0, 0.0, 64.0, "exp is only good to 3 + 2|x| units in the last place"),
    row("gelu_grad", 32.0, 16.0, 64.0, "the error function's approximation is good to 1.5e-7"),
    row("hard_swish_grad", 16.0, 8.0, 32.0, "a difference that cancels near -1.5, a division"),
    row("power_grad", 64.0, 0.0, 64.0, "exp2(p log2 x): the rounding of the logarithm, times the exponent"),
    row("clamp_grad", 2.0, 0.0, 8.0, "a choice and products"),
    row("reciprocal_grad", 16.0, 0.0, 32.0, "a division squared; its derivative has the third power"),
    row("sin_grad", 0.0, 2048.0, 2048.0, "absolute error 2^-11 within ±π is all that WGSL promises; drivers do better"),
    row("cos_grad", 0.0, 2048.0, 2048.0, "absolute error 2^-11 within ±π is all that WGSL promises; drivers do better"),
    row("third_derivative", 64.0, 2048.0, 2048.0, "formulas of formulas; sine and exp as WGSL promises them"),
    row("add_grad", 4.0, 16.0, 16.0, "the gradient of a repeated operand is a sum"),
    row("sub_grad", 4.0, 16.0, 16.0, "the gradient of a repeated operand is a sum"),
    row("mul_grad", 4.0, 16.0, 16.0, "the gradient of a repeated operand is a sum"),
    row("div_grad", 32.0, 32.0, 64.0, "2.5 units in the last place a division, up to three of them; sums"),
    row("max_grad", 4.0, 16.0, 16.0, "the gradient of a repeated operand is a sum"),
    row("min_grad", 4.0, 16.0, 16.0, "the gradient of a repeated operand is a sum"),
    row("power_of_grad", 128.0, 64.0, 256.0, "exp2(b log2 a): the rounding of the logarithm, times the exponent"),
    row("prelu_grad", 4.0, 16.0, 16.0, "the gradient of a repeated operand is a sum"),
    row("norm_grad", 16.0, 8.0, 64.0, "a sum of squares, a root, a division; the second derivative divides again"),
    row("extreme_grad", 8.0, 0.0, 16.0, "a choice, a division by a count, products"),
    row("softmax_grad", 64.0, 32.0, 256.0, "exp is only good to 3 + 2|x| units in the last place; differences"),
    row("log_softmax_grad", 64.0, 32.0, 256.0, "exp is only good to 3 + 2|x| units in the last place; a difference"),
    row("adjoint", 8.0, 16.0, 32.0, "copies, short sums and products"),
    row("gaussian_heatmaps", 2048.0, 4.0, 0.0, "the exponent reaches -60: its own rounding, times 60"),
];

/// The row of an operator.
pub fn of(op: &str) -> Option<Budget> {
    BUDGETS.iter().copied().find(|b| b.op == op)
}
