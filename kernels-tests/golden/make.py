"""Writes pytorch.safetensors: what PyTorch computes, in float64 from float32 inputs, for tests/golden.rs.

    pip install torch safetensors && python make.py

Each case has tensors CASE/x0, x1, … (operands), CASE/y (result), CASE/w (weights of the loss sum(w*y)) and CASE/g0, …
(gradients of that loss, of float operands, where there are gradients). The file's metadata gives each case's operator and
attributes as JSON. Tensors are in knuckle's layout: channels last, convolution weights kernel × kernel × in × out.
"""

import json
import math

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

torch.manual_seed(20240607)
tensors, metadata = {}, {}


def normal(*shape):
    return torch.randn(*shape)


def uniform(low, high, *shape):
    return torch.rand(*shape) * (high - low) + low


def nonzero(*shape):
    """Away from the kink at 0."""
    return uniform(0.1, 2.0, *shape) * torch.where(torch.rand(*shape) < 0.5, -1.0, 1.0)


def distinct(*shape):
    """No two elements closer than a hundredth: maxima are clear."""
    n = math.prod(shape)
    return ((torch.randperm(n) - n / 2) * 0.02 + uniform(-0.004, 0.004, n)).reshape(shape)


def nchw(x):
    return x.permute(0, 3, 1, 2)


def nhwc(x):
    return x.permute(0, 2, 3, 1)


def oihw(w):
    return w.permute(3, 2, 0, 1)


def case(op, inputs, function, gradient=True, **attributes):
    number = sum(json.loads(m)["op"] == op for m in metadata.values())
    name = f"{op}{number}"
    operands = [x.double().requires_grad_(gradient) if x.is_floating_point() else x for x in inputs]
    y = function(*operands)
    weights = uniform(-1, 1, *y.shape) if y.is_floating_point() else None
    metadata[name] = json.dumps({"op": op, "inputs": len(inputs), "gradient": gradient, **attributes})
    store = {f"x{i}": x for i, x in enumerate(inputs)} | {"y": y.detach()}
    if gradient:
        (y * weights.double()).sum().backward()
        store["w"] = weights
        store |= {f"g{i}": x.grad for i, x in enumerate(operands) if x.is_floating_point()}
    for part, value in store.items():
        kind = torch.float32 if value.is_floating_point() else torch.uint32
        tensors[f"{name}/{part}"] = value.to(kind).contiguous().clone()


# Functions of one variable.
UNARY = {
    "relu": (torch.relu, nonzero), "sigmoid": (torch.sigmoid, normal), "tanh": (torch.tanh, normal),
    "exp": (torch.exp, normal), "log": (torch.log, lambda *s: uniform(0.1, 4.0, *s)),
    "sqrt": (torch.sqrt, lambda *s: uniform(0.1, 4.0, *s)), "abs": (torch.abs, nonzero),
    "square": (torch.square, normal), "softplus": (F.softplus, normal), "gelu": (F.gelu, normal),
    "hard_swish": (F.hardswish, normal), "reciprocal": (torch.reciprocal, nonzero),
    "sin": (torch.sin, normal), "cos": (torch.cos, normal),
}
for name, (function, fill) in UNARY.items():
    for shape in [(7,), (2, 3, 4)]:
        case(name, [fill(*shape)], function)
for shape in [(9,), (3, 8)]:
    case("leaky_relu", [nonzero(*shape)], lambda x: F.leaky_relu(x, 0.2), slope=0.2)
    case("elu", [nonzero(*shape)], lambda x: F.elu(x, 1.3), alpha=1.3)
    case("huber", [normal(*shape) * 2], lambda x: F.huber_loss(x, torch.zeros_like(x), reduction="none", delta=0.7), delta=0.7)
    case("smooth_l1", [normal(*shape) * 2], lambda x: F.smooth_l1_loss(x, torch.zeros_like(x), reduction="none", beta=0.7), beta=0.7)
    case("clamp", [normal(*shape)], lambda x: x.clamp(-0.6, 0.8), low=-0.6, high=0.8)
    case("power", [uniform(0.2, 3.0, *shape)], lambda x: x**1.7, exponent=1.7)
    case("affine", [normal(*shape)], lambda x: 2.5 * x - 0.75, scale=2.5, offset=-0.75)

# Functions of two, with broadcasting.
for shapes in [((3, 4), (3, 4)), ((2, 3, 4), (1, 3, 1))]:
    a, b = (normal(*s) for s in shapes)
    case("add", [a, b], torch.add)
    case("sub", [a, b], torch.sub)
    case("mul", [a, b], torch.mul)
    case("div", [a, nonzero(*shapes[1])], torch.div)
    case("max", [a, b], torch.maximum)
    case("min", [a, b], torch.minimum)
    case("power_of", [uniform(0.2, 3.0, *shapes[0]), b], torch.pow)
for shape in [(5, 4), (2, 3, 6)]:
    case("prelu", [nonzero(*shape), normal(shape[-1])], lambda x, a: torch.where(x > 0, x, a * x))

# Reductions.
for shape, axes in [((3, 5, 4), [1]), ((2, 3, 4), [0, 1, 2])]:
    case("sum", [normal(*shape)], lambda x: x.sum(axes, keepdim=True), axes=axes)
    case("mean", [normal(*shape)], lambda x: x.mean(axes, keepdim=True), axes=axes)
    case("norm", [normal(*shape)], lambda x: x.pow(2).sum(axes, keepdim=True).sqrt(), axes=axes)
    case("max_over", [distinct(*shape)], lambda x: x.amax(axes, keepdim=True), axes=axes)
    case("min_over", [distinct(*shape)], lambda x: x.amin(axes, keepdim=True), axes=axes)
for shape, axis in [((3, 5, 4), 1), ((7, 6), 1)]:
    case("arg_max", [distinct(*shape)], lambda x: x.argmax(axis, keepdim=True), gradient=False, axis=axis)
    case("arg_min", [distinct(*shape)], lambda x: x.argmin(axis, keepdim=True), gradient=False, axis=axis)
    case("softmax", [normal(*shape) * 2], lambda x: x.softmax(axis), axis=axis)
    case("log_softmax", [normal(*shape) * 2], lambda x: x.log_softmax(axis), axis=axis)
    for exclusive, reverse in [(False, False), (True, False), (False, True), (True, True)]:
        def cumulative(x):
            x = x.flip(axis) if reverse else x
            y = x.cumsum(axis)
            y = y - x if exclusive else y
            return y.flip(axis) if reverse else y
        case("cumulative_sum", [normal(*shape)], cumulative, axis=axis, exclusive=exclusive, reverse=reverse)
    case("sort", [distinct(*shape)], lambda x: x.sort(axis)[0], axis=axis, descending=False)
    case("sort", [distinct(*shape)], lambda x: x.sort(axis, descending=True)[0], axis=axis, descending=True)
    case("top_k", [distinct(*shape)], lambda x: x.topk(3, axis)[0], axis=axis, k=3)

# Layout.
case("permute", [normal(2, 3, 4)], lambda x: x.permute(2, 0, 1), order=[2, 0, 1])
case("permute", [normal(2, 3, 4, 5)], lambda x: x.permute(0, 3, 1, 2), order=[0, 3, 1, 2])
case("concat", [normal(2, 3), normal(2, 5)], lambda a, b: torch.cat([a, b], 1), axis=1)
case("concat", [normal(2, 3, 4), normal(1, 3, 4)], lambda a, b: torch.cat([a, b], 0), axis=0)
case("slice", [normal(4, 7)], lambda x: x[:, 2:5], axis=1, start=2, len=3)
case("slice", [normal(5, 2, 4)], lambda x: x[1:4], axis=0, start=1, len=3)
case("tile", [normal(2, 3)], lambda x: x.repeat(2, 3), repeats=[2, 3])
case("tile", [normal(1, 4, 2)], lambda x: x.repeat(3, 1, 2), repeats=[3, 1, 2])
case("gather_rows", [normal(2, 5, 3)], lambda x: x[:, [4, 0, 0, 2]], indices=[4, 0, 0, 2])
case("gather_rows", [normal(1, 3, 4)], lambda x: x[:, [1, 1]], indices=[1, 1])

for n, rows, c, taken in [(2, 5, 3, 4), (1, 4, 4, 7)]:
    index = torch.randint(0, rows, (n, taken, c))
    case("gather", [normal(n, rows, c), index], lambda x, i: x.gather(1, i), axis=1)
    case("scatter_add", [normal(n, taken, c), index], lambda x, i: torch.zeros(n, rows, c, dtype=x.dtype).scatter_add(1, i, x), axis=1, extent=rows)
    fixed = torch.randint(0, rows, (taken,))
    case("scatter_rows", [normal(n, taken, c)], lambda x: torch.zeros(n, rows, c, dtype=x.dtype).index_add(1, fixed, x), indices=fixed.tolist(), extent=rows)
    case("repeat", [normal(n, rows, c)], lambda x: x.repeat_interleave(3, 1), axis=1, times=3)
    case("one_hot", [torch.randint(0, 6, (n, taken))], lambda i: F.one_hot(i, 6).double(), gradient=False, classes=6)
    case("arg_sort", [distinct(n, rows, c)], lambda x: x.argsort(1), gradient=False, axis=1)
    mask = (torch.rand(n, rows, c) < 0.5).float()
    case("select", [normal(n, rows, c), normal(n, rows, c)], lambda a, b: torch.where(mask > 0, a, b), mask=mask.flatten().tolist())
    case("broadcast", [normal(n, 1, c)], lambda x: x.expand(n, rows, c), shape=[n, rows, c])
    statistics = torch.stack([normal(c), uniform(0.5, 2.0, c)])
    case(
        "batch_norm_infer", [normal(n, rows, c), uniform(0.5, 1.5, c), normal(c)],
        lambda x, s, b: F.batch_norm(x.permute(0, 2, 1), statistics[0].double(), statistics[1].double(), s, b).permute(0, 2, 1),
        statistics=statistics.flatten().tolist(),
    )
    for comparison in ["equal", "not_equal", "less", "less_equal", "greater", "greater_equal"]:
        whole = [torch.randint(0, 3, (n, rows, c)).float() for _ in range(2)]
        compare = getattr(torch, {"equal": "eq", "not_equal": "ne"}.get(comparison, comparison))
        case(comparison, whole, lambda a, b: compare(a, b).double(), gradient=False)

# Convolutions: N×H×W×C, weights k×k×I/groups×O.
for size, channels, kernel, stride, padding, dilation, groups in [
    ((1, 5, 5), (3, 4), 3, 1, 1, 1, 1), ((2, 6, 5), (4, 8), 3, 2, 1, 1, 1), ((1, 7, 7), (2, 3), 3, 1, 2, 2, 1),
    ((1, 4, 4), (5, 6), 1, 1, 0, 1, 1), ((2, 5, 5), (4, 6), 3, 1, 1, 1, 2), ((1, 6, 6), (4, 4), 3, 2, 1, 1, 4),
]:
    n, h, w = size
    i, o = channels
    case(
        "conv2d", [normal(n, h, w, i), normal(kernel, kernel, i // groups, o)],
        lambda x, k: nhwc(F.conv2d(nchw(x), oihw(k), None, stride, padding, dilation, groups)),
        stride=stride, padding=padding, dilation=dilation, groups=groups,
    )
for size, channels, kernel, stride, padding, output_padding, dilation, groups in [
    ((1, 4, 4), (3, 4), 3, 2, 1, 1, 1, 1), ((2, 3, 5), (4, 2), 4, 2, 1, 0, 1, 1), ((1, 3, 3), (4, 6), 3, 2, 0, 1, 1, 2),
    ((1, 4, 3), (2, 3), 2, 1, 0, 0, 2, 1),
]:
    n, h, w = size
    i, o = channels
    # PyTorch's weight is I × O/groups × k × k; in the layout of the convolution it is the gradient of: k × k × O/groups × I.
    case(
        "conv_transpose2d", [normal(n, h, w, i), normal(kernel, kernel, o // groups, i)],
        lambda x, k: nhwc(F.conv_transpose2d(nchw(x), k.permute(3, 2, 0, 1), None, stride, padding, output_padding, groups, dilation)),
        stride=stride, padding=padding, output_padding=output_padding, dilation=dilation, groups=groups,
    )
for m, k, n in [(3, 5, 4), (8, 4, 6)]:
    case("matmul", [normal(m, k), normal(k, n)], torch.matmul)
    case("linear", [normal(m, k), normal(k, n), normal(n)], lambda x, w, b: (x @ w + b).relu(), relu=True)
for ta, tb in [(False, False), (True, False), (False, True), (True, True)]:
    case(
        "batch_matmul", [normal(2, *((4, 3) if ta else (3, 4))), normal(2, *((5, 4) if tb else (4, 5)))],
        lambda a, b: (a.mT if ta else a) @ (b.mT if tb else b), transpose_a=ta, transpose_b=tb,
    )

# Pooling and resampling.
case("max_pool2d", [distinct(1, 6, 6, 3)], lambda x: nhwc(F.max_pool2d(nchw(x), 2, 2)), kernel=2, stride=2, padding=0)
case("max_pool2d", [distinct(2, 5, 7, 4)], lambda x: nhwc(F.max_pool2d(nchw(x), 3, 2, 1)), kernel=3, stride=2, padding=1)
for include in [True, False]:
    case(
        "avg_pool2d", [normal(1, 5, 6, 3)],
        lambda x: nhwc(F.avg_pool2d(nchw(x), 3, 2, 1, count_include_pad=include)),
        kernel=3, stride=2, padding=1, count_include_pad=include,
    )
case("adaptive_avg_pool2d", [normal(1, 7, 5, 3)], lambda x: nhwc(F.adaptive_avg_pool2d(nchw(x), (3, 2))), h=3, w=2)
case("adaptive_avg_pool2d", [normal(2, 4, 4, 4)], lambda x: nhwc(F.adaptive_avg_pool2d(nchw(x), (2, 3))), h=2, w=3)
for shape in [(2, 4, 3, 4), (1, 1, 5, 3)]:
    case("global_avg_pool2d", [normal(*shape)], lambda x: x.mean((1, 2), keepdim=True))
    case("global_max_pool2d", [distinct(*shape)], lambda x: x.amax((1, 2), keepdim=True))
case("upsample_nearest", [normal(1, 3, 2, 4)], lambda x: nhwc(F.interpolate(nchw(x), scale_factor=2, mode="nearest")), factor=2)
case("upsample_nearest", [normal(2, 2, 2, 3)], lambda x: nhwc(F.interpolate(nchw(x), scale_factor=3, mode="nearest")), factor=3)
for h, w in [(7, 5), (3, 2)]:
    case("resize_nearest", [normal(1, 4, 3, 4)], lambda x: nhwc(F.interpolate(nchw(x), (h, w), mode="nearest")), h=h, w=w)
    for corners in [False, True]:
        case(
            "resize_bilinear", [normal(1, 4, 3, 3)],
            lambda x: nhwc(F.interpolate(nchw(x), (h, w), mode="bilinear", align_corners=corners)), h=h, w=w, align_corners=corners,
        )
for mode in ["bilinear", "nearest"]:
    for padding in ["zeros", "border", "reflection"]:
        for corners in [False, True]:
            # The place of the sample in pixels, a quarter of a pixel or more away from every kink.
            h, w = 4, 5
            def positions(n):
                cells = torch.randint(-1, n, (1, 3, 4)) + uniform(0.2, 0.4, 1, 3, 4)
                return 2 * cells / (n - 1) - 1 if corners else (2 * cells + 1) / n - 1
            grid = torch.stack([positions(w), positions(h)], -1)
            case(
                "grid_sample", [normal(1, h, w, 3), grid],
                lambda x, g: nhwc(F.grid_sample(nchw(x), g, mode, padding, corners)),
                mode=mode, padding=padding, align_corners=corners,
            )
for mode in ["constant", "reflect", "replicate"]:
    for top, bottom, left, right in [(1, 2, 2, 1), (0, 1, 2, 0)]:
        case(
            "pad2d", [normal(1, 3, 4, 3)], lambda x: nhwc(F.pad(nchw(x), (left, right, top, bottom), mode)),
            mode=mode, amounts=[top, bottom, left, right],
        )

# Normalisation: shift and scale a channel, eps 1e-5.
for shape in [(2, 3, 3, 4), (3, 2, 4, 6)]:
    c = shape[-1]
    scale, shift = uniform(0.5, 1.5, c), normal(c)
    case("batch_norm_train", [normal(*shape), scale, shift], lambda x, s, b: nhwc(F.batch_norm(nchw(x), None, None, s, b, True)))
    case("instance_norm", [normal(*shape), scale, shift], lambda x, s, b: nhwc(F.instance_norm(nchw(x), None, None, s, b)))
    case("layer_norm", [normal(*shape), scale, shift], lambda x, s, b: F.layer_norm(x, (c,), s, b))
    case("group_norm", [normal(*shape), scale, shift], lambda x, s, b: nhwc(F.group_norm(nchw(x), 2, s, b)), groups=2)

# Losses, mean over elements unless said.
for shape in [(4, 3), (2, 5)]:
    labels = torch.randint(0, shape[1], (shape[0],))
    soft = normal(*shape).softmax(1)
    case("l1_loss", [normal(*shape), normal(*shape)], lambda a, b: F.l1_loss(a, b).reshape(1))
    case("mse_loss", [normal(*shape), normal(*shape)], lambda a, b: F.mse_loss(a, b).reshape(1))
    case("smooth_l1_loss", [normal(*shape), normal(*shape)], lambda a, b: F.smooth_l1_loss(a, b).reshape(1))
    case("huber_loss", [normal(*shape), normal(*shape)], lambda a, b: F.huber_loss(a, b, delta=0.6).reshape(1), delta=0.6)
    case("binary_cross_entropy", [normal(*shape) * 2, uniform(0, 1, *shape)], lambda x, t: F.binary_cross_entropy_with_logits(x, t).reshape(1))
    case("cross_entropy", [normal(*shape) * 2, labels], lambda x, t: F.cross_entropy(x, t.long()).reshape(1))
    case("soft_cross_entropy", [normal(*shape) * 2, soft], lambda x, t: F.cross_entropy(x, t).reshape(1))
    case("kl_divergence", [normal(*shape).log_softmax(1), soft.log()], lambda x, t: F.kl_div(x, t, reduction="batchmean", log_target=True).reshape(1))
    case("cosine_similarity", [normal(*shape), normal(*shape)], lambda a, b: F.cosine_similarity(a, b, 1))

# Sparse products: the matrix's entries as triplets.
for rows, columns, entries in [(3, 4, [(0, 1, 2.0), (0, 3, -1.0), (2, 0, 0.5)]), (4, 3, [(0, 0, 1.0), (1, 2, 3.0), (3, 1, -2.0), (3, 2, 1.0)])]:
    def product(x):
        matrix = torch.zeros(rows, columns, dtype=torch.float64)
        for row, column, value in entries:
            matrix[row, column] = value
        return matrix @ x
    case("spmm", [normal(2, columns, 3)], product, rows=rows, columns=columns, entries=entries)

# At the end, so that what was drawn before stays as it is.
for shape, signs, margin in [((4, 3), [1, -1, -1, 1], 0.2), ((5, 8), [-1, 1, -1, -1, 1], -0.5)]:
    case("cosine_embedding_loss", [normal(*shape), normal(*shape)],
         lambda a, b: F.cosine_embedding_loss(a, b, torch.tensor(signs), margin).reshape(1), signs=signs, margin=margin)

# With the right singular vector given, as one who has iterated for long has it.
for shape in [(5, 3), (3, 3, 2, 4)]:
    weight = normal(*shape)
    matrix = weight.double().reshape(-1, shape[-1])
    case("spectral_norm", [weight], lambda w: w / torch.linalg.matrix_norm(w.reshape(-1, w.shape[-1]), 2),
         vector=torch.linalg.svd(matrix).Vh[0].tolist())

# Optimizers: x0 the parameter, x1 the gradient of each step, y the parameter after the last.
OPTIMIZERS = {
    "sgd": (torch.optim.SGD, [{}, {"momentum": 0.9}, {"momentum": 0.8, "nesterov": True, "weight_decay": 0.1}]),
    "rmsprop": (torch.optim.RMSprop, [{"alpha": 0.99, "eps": 1e-8}, {"alpha": 0.9, "eps": 1e-3, "weight_decay": 0.1}]),
    # Without decay, which PyTorch's adds to the gradient and ours, as AdamW's, takes off the weight.
    "adam": (torch.optim.Adam, [{}, {"betas": [0.8, 0.95], "eps": 1e-3}]),
    "adamw": (torch.optim.AdamW, [{"weight_decay": 0.01}, {"betas": [0.8, 0.95], "eps": 1e-3, "weight_decay": 0.2}]),
}
for op, (optimizer, settings) in OPTIMIZERS.items():
    for setting in settings:
        start, slopes, rate = normal(7), normal(6, 7), 0.05
        parameter = start.double().requires_grad_(True)
        steps = optimizer([parameter], lr=rate, **setting)
        for slope in slopes:
            parameter.grad = slope.double()
            steps.step()
        number = sum(json.loads(m)["op"] == op for m in metadata.values())
        metadata[f"{op}{number}"] = json.dumps({"op": op, "optimizer": True, "rate": rate, **setting})
        tensors |= {f"{op}{number}/x0": start, f"{op}{number}/x1": slopes, f"{op}{number}/y": parameter.detach().float()}

for n, p, columns in [(2, 3, 1), (1, 6, 4)]:
    half = normal(n, p, p)
    spd = half @ half.transpose(1, 2) + torch.eye(p)
    case("solve_spd", [spd, normal(n, p, columns)], lambda a, b: torch.linalg.solve((a + a.transpose(1, 2)) / 2, b))

save_file(tensors, "pytorch.safetensors", metadata)
print(f"{len(metadata)} cases of {len({json.loads(m)['op'] for m in metadata.values()})} operators, torch {torch.__version__}")
