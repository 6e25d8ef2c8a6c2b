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
    row("pad2d", 0.0, 0.0, 4.0, "copies; the gradient adds all copies of a pixel"),
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
    row("conv_transpose2d", 4.0, 16.0, 16.0, "sums over taps and channels, which cancel"),
    row("correlation", 4.0, 8.0, 8.0, "sums over channels, which cancel; the gradient sums over displacements"),
    row("matmul", 4.0, 64.0, 64.0, "sums over the inner extent, which cancel"),
    row("linear", 4.0, 64.0, 64.0, "sums over the inner extent, which cancel"),
    row("batch_matmul", 4.0, 16.0, 16.0, "sums over the inner extent, which cancel"),
    row("pointwise_gradient", 64.0, 256.0, 512.0, "that of tanh: (2y + 1)(1 − y²), where y is only good to 44"),
    row("trigonometric_gradient", 0.0, 4096.0, 4096.0, "absolute error 2^-11 of sine and cosine, twice"),
    row("gradient_penalty", 16.0, 0.0, 32.0, "a convolution, a product and their gradients, a norm, a square"),
    row("batch_norm_train", 16.0, 32.0, 512.0, "two means, a root, a division; the gradient subtracts its own means"),
    row("batch_norm_infer", 8.0, 16.0, 64.0, "a difference, a root, a division"),
    row("batch_norm_statistics", 16.0, 16.0, 0.0, "sums of differences within blocks, combined"),
    row("chebyshev", 4.0, 64.0, 64.0, "products and sparse products, summed by Clenshaw's recurrence"),
    row("residual", 16.0, 256.0, 1024.0, "three normalisations and three or four convolutions, one after the other"),
    row("hourglass", 16.0, 1024.0, 8192.0, "residuals four deep: each normalisation divides its input's error anew"),
    row("squared_error", 64.0, 0.0, 16.0, "a sum of squares"),
    row("mesh_loss", 64.0, 0.0, 64.0, "sums of squares of differences of differences"),
    row("gaussian_heatmaps", 2048.0, 4.0, 0.0, "the exponent reaches -60: its own rounding, times 60"),
];

/// The row of an operator.
pub fn of(op: &str) -> Option<Budget> {
    BUDGETS.iter().copied().find(|b| b.op == op)
}
