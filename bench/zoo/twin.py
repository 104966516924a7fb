"""R-LRP of one frame in float64, node by node of an ONNX file, with PyTorch's own layers: what the zoo's maps are held against.
It shares nothing with the program: Σ_j w_ij g_j is taken from automatic differentiation of each linear layer alone.

    python twin.py MODEL.onnx INPUT.npy LOW HIGH OUTPUT.npy [POOLS]        LOW and HIGH: comma-separated, one a channel

POOLS: a folder with what somebody else's max pools read, k.npy the input of the node that line k of names.txt names; winners are
then taken from those, all else from float64. Prints how many windows of max pools have two values closer than float32 can tell apart after a convolution.
"""
import sys
from pathlib import Path

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import numpy_helper

torch.set_grad_enabled(False)


def sign(v):
    return torch.where(v < 0, -1.0, 1.0).to(v)


class Node:
    def __init__(self, proto):
        self.inputs, self.outputs = list(proto.input), list(proto.output)
        self.name = proto.name or proto.output[0]
        self.attributes = {a.name: onnx.helper.get_attribute_value(a) for a in proto.attribute}
        # A resize to the nearest element moves elements; one that interpolates is a linear layer.
        linear = proto.op_type == "Resize" and self.get("mode", "nearest") == "linear"
        self.op = "Interpolation" if linear else proto.op_type

    def get(self, name, fallback=None):
        value = self.attributes.get(name, fallback)
        return value.decode() if isinstance(value, bytes) else value


def tensor(proto):
    array = numpy_helper.to_array(proto)
    return torch.from_numpy(array.astype(np.int64 if array.dtype.kind in "iub" else np.float64))


class Graph:
    def __init__(self, file, image):
        model = onnx.load(file)
        graph = model.graph
        self.opset = next(o.version for o in model.opset_import if o.domain in ("", "ai.onnx"))
        self.values = {t.name: tensor(t) for t in graph.initializer}
        self.image = next(i.name for i in graph.input if i.name not in self.values)
        self.output = graph.output[0].name
        self.values[self.image] = image
        self.live = {self.image}
        self.nodes = self.needed([Node(n) for n in graph.node])
        self.producer = {o: n for n in self.nodes for o in n.outputs}
        self.readers = {}
        for name in [i for n in self.nodes if n.op not in ("Shape", "Size") for i in n.inputs] + [self.output]:
            self.readers[name] = self.readers.get(name, 0) + 1
        for node in self.nodes:
            self.run(node)

    def needed(self, nodes):
        wanted, kept = {self.output}, []
        for node in reversed(nodes):
            if any(o in wanted for o in node.outputs):
                wanted.update(node.inputs)
                kept.append(node)
        return kept[::-1]

    def live_inputs(self, node):
        return [i for i in node.inputs if i in self.live]

    def operands(self, node):
        return [self.values[i] if i else None for i in node.inputs]

    def run(self, node, values=None):
        """Computes a node; with `values`, from those instead of the frame's own (nothing is stored then)."""
        source = self.values if values is None else values
        args = [source.get(i, self.values.get(i)) if i else None for i in node.inputs]
        if node.op in LINEAR:
            out = LINEAR[node.op](self, node, *args)
        else:
            out = OPERATORS[node.op](self, node, *args)
        outs = list(out) if isinstance(out, (tuple, list)) else [out]
        if values is None:
            if node.op not in ("Shape", "Size") and any(i in self.live for i in node.inputs):
                self.live.update(node.outputs)
            self.values.update(zip(node.outputs, outs))
        return outs


# --- forward ---------------------------------------------------------------------------------------------------------------

def explicit_pads(node, size, kernel):
    strides, dilations = node.get("strides", [1, 1]), node.get("dilations", [1, 1])
    auto = node.get("auto_pad", "NOTSET")
    if auto.startswith("SAME"):
        pads = [0, 0, 0, 0]
        for k in range(2):
            out = -(-size[k] // strides[k])
            total = max(0, (out - 1) * strides[k] + dilations[k] * (kernel[k] - 1) + 1 - size[k])
            small = total // 2
            pads[k], pads[k + 2] = (small, total - small) if auto == "SAME_UPPER" else (total - small, small)
        return pads
    return node.get("pads", [0, 0, 0, 0]) if auto != "VALID" else [0, 0, 0, 0]


def padded(x, pads, value=0.0):
    top, left, bottom, right = pads
    return F.pad(x, (left, right, top, bottom), value=value)


def conv(graph, node, x, w, b=None):
    if x.dim() == 3:
        left, right = node.get("pads", [0, 0])
        strides, dilations = node.get("strides", [1]), node.get("dilations", [1])
        return F.conv1d(F.pad(x, (left, right)), w, b, strides, 0, dilations, node.get("group", 1))
    x = padded(x, explicit_pads(node, x.shape[2:], w.shape[2:]))
    return F.conv2d(x, w, b, node.get("strides", [1, 1]), 0, node.get("dilations", [1, 1]), node.get("group", 1))


def conv_transpose(graph, node, x, w, b=None):
    top, left, bottom, right = node.get("pads", [0, 0, 0, 0])
    full = F.conv_transpose2d(
        x, w, None, node.get("strides", [1, 1]), 0, node.get("output_padding", [0, 0]), node.get("group", 1),
        node.get("dilations", [1, 1]))
    cut = full[:, :, top:full.shape[2] - bottom, left:full.shape[3] - right]
    return cut if b is None else cut + b.reshape(1, -1, 1, 1)


def gemm(graph, node, x, w, b=None):
    z = node.get("alpha", 1.0) * (x @ (w.T if node.get("transB", 0) else w))
    return z if b is None else z + node.get("beta", 1.0) * b


def ceil_extra(node, size, kernel, pads):
    extra = [0, 0]
    strides, dilations = node.get("strides", [1, 1]), node.get("dilations", [1, 1])
    for k in range(2):
        span = size[k] + pads[k] + pads[k + 2] - dilations[k] * (kernel[k] - 1) - 1
        out = span // strides[k] + 1
        if node.get("ceil_mode", 0) and span % strides[k] and out * strides[k] < size[k] + pads[k]:
            extra[k] = out * strides[k] - span
    return extra


def average_pool(graph, node, x):
    kernel = node.get("kernel_shape")
    pads = explicit_pads(node, x.shape[2:], kernel)
    extra = ceil_extra(node, x.shape[2:], kernel, pads)
    ones = torch.ones_like(x[:1, :1])
    inside = padded(ones, pads, 1.0 if node.get("count_include_pad", 0) else 0.0)
    reach = [0, 0, *extra]
    window = torch.ones(1, 1, *kernel).to(x)
    strides = node.get("strides", [1, 1])
    count = F.conv2d(padded(inside, reach), window, stride=strides)
    whole = padded(padded(x, pads), reach)
    sums = F.conv2d(whole, window.expand(x.shape[1], 1, *kernel), stride=strides, groups=x.shape[1])
    return sums / count


def axes_of(node, x, axes):
    given = axes.tolist() if axes is not None else node.get("axes")
    return [a % x.dim() for a in given] if given else list(range(x.dim()))


def mean(graph, node, x, axes=None):
    return x.mean(axes_of(node, x, axes), keepdim=node.get("keepdims", 1) == 1)


def total(graph, node, x, axes=None):
    if not torch.is_floating_point(x):
        x = x.double()
    return x.sum(axes_of(node, x, axes), keepdim=node.get("keepdims", 1) == 1)


def interpolation(graph, node, x, region=None, scales=None, sizes=None):
    """Along one axis after the other: each element of the output from its two neighbours by their distance."""
    how = node.get("coordinate_transformation_mode", "half_pixel")
    given = sizes is not None and sizes.numel() > 0
    for axis in range(x.dim()):
        size = x.shape[axis]
        scale = sizes[axis].item() / size if given else scales[axis].item()
        count = int(sizes[axis]) if given else int(size * scale)
        if count == size:
            continue
        k = torch.arange(count).double()
        if how == "align_corners":
            at = k * (size - 1) / (count - 1) if count > 1 else 0 * k
        elif how == "asymmetric":
            at = k / scale
        elif how in ("half_pixel", "pytorch_half_pixel"):
            at = (k + 0.5) / scale - 0.5 if how == "half_pixel" or count > 1 else 0 * k
        else:
            raise SystemExit(f"Resize by {how} is not known here")
        at = at.clamp(0, size - 1)
        low = at.floor().long()
        share = (at - low).reshape([-1] + [1] * (x.dim() - 1 - axis))
        x = x.index_select(axis, low) * (1 - share) + x.index_select(axis, (low + 1).clamp(max=size - 1)) * share
    return x


LINEAR = {
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "Gemm": gemm,
    "MatMul": lambda g, n, a, b: a @ b,
    "AveragePool": average_pool,
    "GlobalAveragePool": lambda g, n, x: x.mean(list(range(2, x.dim())), keepdim=True),
    "ReduceMean": mean,
    "ReduceSum": total,
    "Interpolation": interpolation,
}


def windows(node, x):
    """`[C, kernel, positions]` of every window of a max pool; what lies outside is −∞."""
    kernel = node.get("kernel_shape")
    pads = explicit_pads(node, x.shape[2:], kernel)
    extra = ceil_extra(node, x.shape[2:], kernel, pads)
    whole = padded(x, [pads[0], pads[1], pads[2] + extra[0], pads[3] + extra[1]], -np.inf)
    step = dict(kernel_size=kernel, dilation=node.get("dilations", [1, 1]), stride=node.get("strides", [1, 1]))
    columns = F.unfold(whole.transpose(0, 1), **step)
    sizes = [(whole.shape[k + 2] - step["dilation"][k] * (kernel[k] - 1) - 1) // step["stride"][k] + 1 for k in (0, 1)]
    return columns, sizes, whole.shape[2:], pads, step


def max_pool(graph, node, x):
    columns, sizes, *_ = windows(node, x)
    return columns.amax(1).reshape(1, x.shape[1], *sizes)


close_calls = 0
others = {}


def max_pool_back(node, x, r):
    global close_calls
    columns, _, whole, pads, step = windows(node, x)
    if columns.shape[1] > 1:
        first, second = columns.topk(2, dim=1).values.unbind(1)
        near = (second < first) & (first - second <= 1e-6 * first.abs())
        close_calls += int((near & (r.reshape(x.shape[1], -1) != 0)).sum())
    if node.name in others:
        columns, *_ = windows(node, others[node.name].reshape(x.shape))
        top = columns.amax(1, keepdim=True)
        # Two units of the last place of float32 count as a tie there.
        wins = (columns >= top - top.abs() * 2.4e-7).to(x)
    else:
        wins = (columns == columns.amax(1, keepdim=True)).to(x)
    shares = wins / wins.sum(1, keepdim=True) * r.reshape(x.shape[1], 1, -1)
    back = F.fold(shares, output_size=whole, **step).transpose(0, 1)
    return back[:, :, pads[0]:pads[0] + x.shape[2], pads[1]:pads[1] + x.shape[3]]


def max_over(axes, x):
    return torch.amax(x, dim=axes, keepdim=True)


def clip(graph, node, x, low=None, high=None):
    low = low if low is not None else node.get("min")
    high = high if high is not None else node.get("max")
    return torch.clamp(x, None if low is None else float(low), None if high is None else float(high))


def batch_norm(graph, node, x, gamma, beta, average, variance):
    shape = [1, -1] + [1] * (x.dim() - 2)
    factor = gamma / torch.sqrt(variance + node.get("epsilon", 1e-5))
    return x * factor.reshape(shape) + (beta - average * factor).reshape(shape)


def reshape(graph, node, x, shape):
    target = [x.shape[k] if d == 0 else d for k, d in enumerate(shape.tolist())]
    return x.reshape(target)


def slices(graph, node, x, starts=None, ends=None, axes=None, steps=None):
    starts = starts.tolist() if starts is not None else node.get("starts")
    ends = ends.tolist() if ends is not None else node.get("ends")
    given = axes.tolist() if axes is not None else node.get("axes", list(range(len(starts))))
    by = steps.tolist() if steps is not None else [1] * len(starts)
    for start, end, axis, step in zip(starts, ends, given, by):
        picks = range(x.shape[axis])[slice(start, None if step < 0 and end < -x.shape[axis] else end, step)]
        x = x.index_select(axis, torch.tensor(list(picks), dtype=torch.int64))
    return x


def pad(graph, node, x, pads=None, value=None, axes=None):
    given = [int(p) for p in pads.tolist()] if pads is not None else node.get("pads")
    at = axes.tolist() if axes is not None else list(range(x.dim()))
    both = [[0, 0] for _ in range(x.dim())]
    for k, axis in enumerate(at):
        both[axis] = [given[k], given[k + len(at)]]
    mode = node.get("mode", "constant")
    fill = float(value) if value is not None else node.get("value", 0.0)
    flat = [p for pair in reversed(both) for p in pair]
    if mode == "constant":
        return F.pad(x, flat, value=fill)
    return F.pad(x, flat[:4], mode={"edge": "replicate"}.get(mode, mode))


def split(graph, node, x, sizes=None):
    axis = node.get("axis", 0)
    given = sizes.tolist() if sizes is not None else node.get("split")
    count = len(node.outputs)
    return torch.split(x, given if given is not None else -(-x.shape[axis] // count), axis)


def squeeze(graph, node, x, axes=None):
    given = axes.tolist() if axes is not None else node.get("axes")
    return x.squeeze([a % x.dim() for a in given]) if given else x.squeeze()


def unsqueeze(graph, node, x, axes=None):
    given = axes.tolist() if axes is not None else node.get("axes")
    for axis in sorted(a % (x.dim() + len(given)) for a in given):
        x = x.unsqueeze(axis)
    return x


def layer_norm(graph, node, x, gamma, beta=None):
    axes = list(range(node.get("axis", -1) % x.dim(), x.dim()))
    centred = x - x.mean(axes, keepdim=True)
    y = centred / torch.sqrt((centred * centred).mean(axes, keepdim=True) + node.get("epsilon", 1e-5)) * gamma
    return y if beta is None else y + beta


def root_mean_square_norm(graph, node, x, gamma):
    axes = list(range(node.get("axis", -1) % x.dim(), x.dim()))
    return x / torch.sqrt((x * x).mean(axes, keepdim=True) + node.get("epsilon", 1e-5)) * gamma


def group_norm(graph, node, x, gamma, beta):
    groups = x.shape[1] if node.op == "InstanceNormalization" else node.get("num_groups")
    return F.group_norm(x, groups, None, None, node.get("epsilon", 1e-5)) * gamma.reshape(-1, *[1] * (x.dim() - 2)) + \
        beta.reshape(-1, *[1] * (x.dim() - 2))


def scatter(graph, node, x, indices, updates):
    x = x.clone()
    x[tuple(indices.unbind(-1))] = updates
    return x


def resize(graph, node, x, region=None, scales=None, sizes=None):
    how = [node.get(k) for k in ("mode", "coordinate_transformation_mode", "nearest_mode")]
    if how != ["nearest", "asymmetric", "floor"]:
        raise SystemExit(f"Resize by {how} is not known here")
    given = sizes is not None and sizes.numel() > 0
    for axis in range(x.dim()):
        size = x.shape[axis]
        scale = sizes[axis].item() / size if given else scales[axis].item()
        count = int(sizes[axis]) if given else int(size * scale)
        if count != size:
            x = x.index_select(axis, torch.floor(torch.arange(count).double() / scale).long())
    return x


def expand(graph, node, x, shape):
    return x.expand(torch.broadcast_shapes(x.shape, tuple(shape.tolist())))


def shape_of(graph, node, x):
    dims = list(x.shape)
    return torch.tensor(dims[node.get("start", 0):node.get("end", len(dims))])


def constant(graph, node):
    for value in node.attributes.values():
        return tensor(value) if isinstance(value, onnx.TensorProto) else torch.tensor(value)


def expm1(x):
    return torch.expm1(torch.clamp(x, max=0))


ACTIVATIONS = {
    "Relu": lambda g, n, x: torch.relu(x),
    "LeakyRelu": lambda g, n, x: torch.where(x < 0, n.get("alpha", 0.01) * x, x),
    "Elu": lambda g, n, x: torch.where(x < 0, n.get("alpha", 1.0) * expm1(x), x),
    "Sigmoid": lambda g, n, x: torch.sigmoid(x),
    "HardSigmoid": lambda g, n, x: torch.clamp(n.get("alpha", 0.2) * x + n.get("beta", 0.5), 0, 1),
    "HardSwish": lambda g, n, x: x * torch.clamp(x / 6 + 0.5, 0, 1),
    "Tanh": lambda g, n, x: torch.tanh(x),
    "Softplus": lambda g, n, x: F.softplus(x),
    "Erf": lambda g, n, x: torch.erf(x),
    "Gelu": lambda g, n, x: F.gelu(x, approximate=n.get("approximate", "none")),
    "Clip": clip,
    "PRelu": lambda g, n, x, slope: torch.where(x < 0, slope * x, x),
}
BINARY = {
    "Add": lambda g, n, a, b: a + b,
    "Sub": lambda g, n, a, b: a - b,
    "Mul": lambda g, n, a, b: a * b,
    "Div": lambda g, n, a, b: a / b if torch.is_floating_point(a) else torch.div(a, b, rounding_mode="trunc"),
    "Pow": lambda g, n, a, b: a ** b,
    "Max": lambda g, n, a, b: torch.maximum(a, b),
    "Mod": lambda g, n, a, b: torch.remainder(a, b),
    "Min": lambda g, n, a, b: torch.minimum(a, b),
}
MOVES = {
    "Identity": lambda g, n, x: x.clone(),
    "Dropout": lambda g, n, x, *rest: x.clone(),
    "Cast": lambda g, n, x: x.double() if n.get("to") in (1, 10, 11) else x.long() if n.get("to") in (6, 7) else x.clone(),
    "Reshape": reshape,
    "Flatten": lambda g, n, x: x.reshape(int(np.prod(x.shape[:n.get("axis", 1)])), -1),
    "Squeeze": squeeze,
    "Unsqueeze": unsqueeze,
    "Transpose": lambda g, n, x: x.permute(n.get("perm", list(range(x.dim()))[::-1])),
    "Concat": lambda g, n, *parts: torch.cat(parts, n.get("axis")),
    "Split": split,
    "Slice": slices,
    "Pad": pad,
    "Gather": lambda g, n, x, k: x[(slice(None),) * (n.get("axis", 0) % x.dim()) + (k,)],
    "Expand": expand,
    "Resize": resize,
    "Where": lambda g, n, c, a, b: torch.where(c.bool(), a, b),
    "ScatterND": scatter,
    "DepthToSpace": lambda g, n, x: F.pixel_shuffle(x, n.get("blocksize")) if n.get("mode") == "CRD" else
        x.reshape(1, n.get("blocksize"), n.get("blocksize"), -1, *x.shape[2:]).permute(0, 3, 4, 1, 5, 2).reshape(
            1, -1, x.shape[2] * n.get("blocksize"), x.shape[3] * n.get("blocksize")),
    "Tile": lambda g, n, x, repeats: x.repeat(repeats.tolist()),
}
MAX_POOLS = {
    "MaxPool": max_pool,
    "GlobalMaxPool": lambda g, n, x: max_over(list(range(2, x.dim())), x),
}
OPERATORS = {
    **ACTIVATIONS, **BINARY, **MOVES, **MAX_POOLS,
    "BatchNormalization": batch_norm,
    "LayerNormalization": layer_norm,
    "RMSNormalization": root_mean_square_norm,
    "InstanceNormalization": group_norm,
    "GroupNormalization": group_norm,
    "Einsum": lambda g, n, *operands: torch.einsum(n.get("equation"), *operands),
    "ReduceL1": lambda g, n, x, axes=None: total(g, n, x.abs(), axes),
    "ReduceL2": lambda g, n, x, axes=None: torch.sqrt(total(g, n, x * x, axes)),
    "ReduceSumSquare": lambda g, n, x, axes=None: total(g, n, x * x, axes),
    "ReduceMax": lambda g, n, x, axes=None: x.amax(axes_of(n, x, axes), keepdim=n.get("keepdims", 1) == 1),
    "ReduceProd": lambda g, n, x, axes=None: x.prod() if axes is None else x.prod(int(axes), n.get("keepdims", 1) == 1),
    "Range": lambda g, n, start, limit, step: torch.arange(start.item(), limit.item(), step.item()),
    "Equal": lambda g, n, a, b: a == b,
    "Not": lambda g, n, x: ~x.bool(),
    "Abs": lambda g, n, x: x.abs(),
    "Log": lambda g, n, x: torch.log(x),
    "Cos": lambda g, n, x: torch.cos(x.double()),
    "Sin": lambda g, n, x: torch.sin(x.double()),
    "CumSum": lambda g, n, x, axis: torch.cumsum(x, int(axis)),
    "GatherND": lambda g, n, x, k: x[tuple(k.unbind(-1))],
    "Floor": lambda g, n, x: torch.floor(x.double()),
    "Ceil": lambda g, n, x: torch.ceil(x.double()),
    "Softmax": lambda g, n, x: torch.softmax(x, n.get("axis", 1 if g.opset < 13 else -1)),
    "Shape": shape_of,
    "Constant": constant,
    "ConstantOfShape": lambda g, n, shape: torch.full(shape.tolist(), float(tensor(n.get("value"))) if n.get("value") else 0.0),
    "Neg": lambda g, n, x: -x,
    "Exp": lambda g, n, x: torch.exp(x),
    "Sqrt": lambda g, n, x: torch.sqrt(x.double()),
    "Reciprocal": lambda g, n, x: 1 / x,
}

# --- what a node is --------------------------------------------------------------------------------------------------------

COPIES = {"Identity", "Dropout", "Cast"}
ELEMENTWISE = {*ACTIVATIONS, *BINARY, "Neg", "Exp", "Sqrt", "Reciprocal", "BatchNormalization", "Abs", "Log"}
NORMS = {"LayerNormalization", "InstanceNormalization", "GroupNormalization", "RMSNormalization"}
REDUCTIONS = {"ReduceMean", "ReduceSum", "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceMax", "GlobalAveragePool"}
REORDERS = {"Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze", *COPIES}


class Explanation:
    def __init__(self, graph, low, high):
        self.graph, self.low, self.high = graph, low, high
        self.relevance = {}
        self.before, self.pixels = {graph.image}, {graph.image}
        for node in graph.nodes:
            live = graph.live_inputs(node)
            if not live:
                continue
            if all(i in self.before for i in live) and node.op not in LINEAR and node.op != "Einsum":
                self.before.update(node.outputs)
            source = self.one_to_one(node)
            keeps = all(i in self.pixels for i in live) if node.op in MOVES else source in self.pixels
            if keeps:
                self.pixels.update(node.outputs)

    def affine(self, node):
        """The constant factor of `y = factor · x + shift`, broadcastable against y; None for another node."""
        g, live = self.graph, self.graph.live_inputs(node)
        if len(live) != 1:
            return None
        if node.op == "BatchNormalization":
            _, gamma, _, _, variance = g.operands(node)
            shape = [1, -1] + [1] * (g.values[live[0]].dim() - 2)
            return (gamma / torch.sqrt(variance + node.get("epsilon", 1e-5))).reshape(shape)
        if node.op == "Neg":
            return torch.tensor(-1.0).double()
        if node.op not in ("Add", "Sub", "Mul", "Div"):
            return None
        first = node.inputs[0] == live[0]
        c = g.values[node.inputs[1 if first else 0]].double()
        one = torch.ones_like(c)
        return {"Add": one, "Sub": one if first else -one, "Mul": c, "Div": 1 / c if first else None}[node.op]

    def one_to_one(self, node):
        live = list(dict.fromkeys(self.graph.live_inputs(node)))
        if len(live) == 1 and (node.op in ACTIVATIONS or node.op in NORMS
                               or (node.op in ("Max", "Min")) or self.affine(node) is not None):
            return live[0]
        if len(live) == 2 and node.op in ("Mul", "Sub", "Div", "Max", "Min"):
            return self.common(*live)
        return None

    def common(self, a, b):
        others = self.lineage(b)
        return next((name for name in self.lineage(a) if name in others), None)

    def lineage(self, name):
        node = self.graph.producer.get(name)
        if node is None or node.op not in ELEMENTWISE:
            return [name]
        live = list(dict.fromkeys(self.graph.live_inputs(node)))
        source = live[0] if len(live) == 1 else self.common(*live) if len(live) == 2 else None
        return [name] if source is None else [name, *self.lineage(source)]

    def folded(self, node):
        """The linear node that ends in this one, with the factor on its outputs."""
        g = self.graph
        if node.op in LINEAR and len(g.live_inputs(node)) == 1:
            return node, None
        factor = self.affine(node)
        if factor is None:
            return None
        name = g.live_inputs(node)[0]
        while g.readers[name] == 1 and (maker := g.producer.get(name)) is not None and (
                maker.op in COPIES or self.only_rows(maker)):
            name = maker.inputs[0]
        maker = g.producer.get(name)
        inner = self.folded(maker) if maker is not None and g.readers[name] == 1 else None
        if inner is None:
            return None
        y = g.values[node.outputs[0]]
        right = inner[0].inputs[0] in g.live
        rank = g.values[name].dim()
        axis = 1 if inner[0].op != "MatMul" else rank - 1 if right else rank - 2
        wide = factor.reshape([1] * (y.dim() - factor.dim()) + list(factor.shape))
        z = g.values[name]
        if y.shape != z.shape and y.shape[-1] == z.shape[-1] and axis == z.dim() - 1:
            axis = y.dim() - 1  # only the rows before the channels are counted in another way
        elif y.shape != z.shape:
            return None
        if any(d != 1 and k != axis for k, d in enumerate(wide.shape)):
            return None
        return inner[0], wide if inner[1] is None else wide * inner[1]

    def only_rows(self, node):
        """Whether a node folds the tokens of a frame into its batch, or unfolds them."""
        x, y = self.graph.values[node.inputs[0]], self.graph.values[node.outputs[0]]
        return node.op in ("Reshape", "Flatten") and x.shape[-1] == y.shape[-1] and {x.dim(), y.dim()} == {2, 3}

    def ends_in_gate(self, name):
        node = self.graph.producer.get(name)
        if node is None:
            return False
        if node.op in ("Sigmoid", "HardSigmoid", "Softmax"):
            return True
        if node.op in MOVES:
            return all(self.ends_in_gate(i) for i in self.graph.live_inputs(node))
        factor = self.affine(node) if node.op in ("Mul", "Div") else None
        clipped = self.graph.producer.get(self.graph.live_inputs(node)[0]) if factor is not None else node
        if clipped is None or clipped.op != "Clip":
            return False
        low, high = clip_bounds(self.graph, clipped)
        return low == 0 and abs(high * (1.0 if factor is None else float(factor.flatten()[0])) - 1) < 1e-6

# --- relevance ---------------------------------------------------------------------------------------------------------------

    def give(self, name, r):
        self.relevance[name] = self.relevance[name] + r if name in self.relevance else r

    def explain(self, logits):
        z = self.graph.values[logits]
        start = torch.zeros_like(z)
        top = int(z.argmax())
        start.view(-1)[top] = sign(z.view(-1)[top])
        self.relevance[logits] = start
        for node in reversed(self.graph.nodes):
            if any(o in self.relevance for o in node.outputs):
                self.send(node)
        r = self.relevance[self.graph.image]
        size = r.abs().sum()
        return r / size if size > 0 else r

    def send(self, node):
        g = self.graph
        output = node.outputs[0]
        r = self.relevance.get(output)
        folded = self.folded(node)
        source = self.one_to_one(node)
        live = g.live_inputs(node)
        if folded:
            return self.linear(*folded, output, r)
        if node.op in MOVES:
            return self.move(node)
        if node.op == "MaxPool":
            return self.give(live[0], max_pool_back(node, g.values[live[0]], r))
        if node.op == "GlobalMaxPool":
            x = g.values[live[0]]
            wins = (x == g.values[output]).to(x)
            return self.give(live[0], wins / wins.sum([2, 3], keepdim=True) * r)
        if source is not None:
            x, y = g.values[source], g.values[output]
            slope = self.affine(node)
            if node.op == "LayerNormalization":
                slope = g.values[node.inputs[1]]
            elif node.op in NORMS:
                slope = g.values[node.inputs[1]].reshape(-1, *[1] * (y.dim() - 2 if node.op != "RMSNormalization" else 0))
            passed = r if source in self.before else r * sign(x) * sign(y) * (1 if slope is None else sign(slope))
            return self.give(source, passed)
        if node.op in ("MatMul", "Einsum") and len(live) == 2:
            return self.product(node, output, r)
        if node.op == "Mul" and len(live) == 2:
            a, b = self.ends_in_gate(live[0]), self.ends_in_gate(live[1])
            gate, signal = live if a else live[::-1]
            # What measures the gate itself is no signal: it is a norm of the gate.
            if a != b and not self.is_statistic(signal, gate):
                return self.narrowed(signal, r)
        for x, by in self.normalised(node, live):
            kept = x in self.before
            return self.narrowed(x, r if kept else r * sign(g.values[x]) * sign(g.values[output]) * sign(g.values[by]))
        if node.op == "Mul" and len(live) == 2:
            for name in live:
                self.narrowed(name, r / 2)
            return None
        if node.op in ("Add", "Sum") and len(live) > 1:
            magnitude = sum(g.values[i].abs() for i in live)
            s = sign(g.values[output])
            for i in live:
                self.narrowed(i, torch.where(magnitude == 0, 0, r * s * g.values[i] / magnitude))
            return None
        if node.op == "Sub" and len(live) == 2:
            a, b = (g.values[i] for i in node.inputs)
            magnitude, s = a.abs() + b.abs(), sign(g.values[output])
            for i, u in zip(node.inputs, (a, -b)):
                self.narrowed(i, torch.where(magnitude == 0, 0, r * s * u / magnitude))
            return None
        raise SystemExit(f"{node.op} ({output}) has no rule here")

    def narrowed(self, name, r):
        """Gives relevance of a broadcast tensor to what was broadcast."""
        self.give(name, r.sum_to_size(self.graph.values[name].shape))

    def normalised(self, node, live):
        """Of a product or quotient, a tensor and what it is measured by, where that is so."""
        if len(live) != 2:
            return
        if node.op == "Div":
            yield live
        if node.op == "Mul":
            if self.is_statistic(live[1], live[0]):
                yield live
            elif self.is_statistic(live[0], live[1]):
                yield live[::-1]

    def is_statistic(self, name, x):
        """Made of reductions of x, element-wise functions of them and constants."""
        node = self.graph.producer.get(name)
        if node is None:
            return False
        if node.op in REDUCTIONS:
            return self.is_made_of(node.inputs[0], x)
        return (node.op in ELEMENTWISE or node.op in MOVES) and all(
            self.is_statistic(i, x) for i in self.graph.live_inputs(node))

    def is_made_of(self, name, x):
        if self.unmoved(name) == self.unmoved(x) or self.is_statistic(name, x):
            return True
        node = self.graph.producer.get(name)
        return node is not None and (node.op in ELEMENTWISE or node.op in MOVES) and all(
            self.is_made_of(i, x) for i in self.graph.live_inputs(node))

    def unmoved(self, name):
        node = self.graph.producer.get(name)
        return self.unmoved(node.inputs[0]) if node is not None and node.op in REORDERS else name

    def product(self, node, output, r):
        """A matrix product: all to what a gate weighs, or half to each factor."""
        g = self.graph
        gates = [self.ends_in_gate(i) for i in node.inputs]
        z = g.values[output]
        d = sign(z) * (z.abs() + z.abs().mean())
        for k, name in enumerate(node.inputs):
            if gates[0] != gates[1] and gates[k]:
                continue
            share = 1.0 if gates[0] != gates[1] else 0.5
            with torch.enable_grad():
                factors = [g.values[i].detach().clone().requires_grad_(j == k) for j, i in enumerate(node.inputs)]
                y = OPERATORS["Einsum"](g, node, *factors) if node.op == "Einsum" else factors[0] @ factors[1]
                u = factors[k].detach() * torch.autograd.grad(y, factors[k], torch.where(d == 0, 0, r / d))[0]
            size = u.abs().sum()
            self.give(name, u * (share * r.abs().sum() / size if size > 0 else 0))

    def linear(self, node, factor, output, r):
        g = self.graph
        name = g.live_inputs(node)[0]
        a, z = g.values[name], g.values[output]
        weights = {} if factor is None else {"factor": factor}
        if node.op in ("Conv", "ConvTranspose", "Gemm", "MatMul") and name in self.pixels:
            q = sign(z) * r
            low, high = self.extreme(name, self.low), self.extreme(name, self.high)
            u = (a * self.transposed(node, a, q, factor) - low * self.transposed(node, a, q, factor, 1)
                 - high * self.transposed(node, a, q, factor, -1))
        else:
            magnitude = z.abs()
            d = sign(z) * (magnitude + magnitude.mean())
            u = a * self.transposed(node, a, torch.where(d == 0, 0, r / d), factor)
        size = u.abs().sum()
        self.give(name, u * (r.abs().sum() / size if size > 0 else 0))

    def transposed(self, node, a, g, factor, part=0):
        """Σ_j w_ij g_j; of the positive (1) or negative (−1) weights alone."""
        if node.op == "MatMul" and node.inputs[0] not in self.graph.live:
            assert not part
            scaled = g if factor is None else g * factor
            return (self.graph.operands(node)[0].transpose(-1, -2) @ scaled).sum_to_size(a.shape)
        args = self.graph.operands(node)[1:]
        if node.op in ("Conv", "ConvTranspose", "Gemm") and len(args) > 1:
            args = args[:1]
        if part:
            assert factor is None or (factor > 0).all() or node.op == "Conv"
            w = args[0]
            if factor is not None:
                w = w * factor.reshape(-1, *[1] * (w.dim() - 1))
                factor = None
            args = [w.clamp(min=0) if part > 0 else w.clamp(max=0)]
        with torch.enable_grad():
            x = a.detach().clone().requires_grad_()
            y = LINEAR[node.op](self.graph, node, x, *args)
            scaled = g if factor is None else g * factor
            return torch.autograd.grad(y, x, scaled.reshape(y.shape))[0]

    def extreme(self, name, per_channel):
        """What a tensor is for a picture of one value a channel."""
        g = self.graph
        image = g.values[g.image]
        axis = 1 if image.shape[1] == len(per_channel) else -1
        shape = [1] * image.dim()
        shape[axis] = -1
        values = {g.image: torch.ones_like(image) * torch.tensor(per_channel).double().reshape(shape)}
        for node in g.nodes:
            if any(o in self.before and o in g.live for o in node.outputs):
                values.update(zip(node.outputs, g.run(node, values)))
        return values[name]

    def move(self, node):
        g = self.graph
        live = g.live_inputs(node)
        with torch.enable_grad():
            leaves = {i: g.values[i].detach().clone().requires_grad_() for i in live}
            outs = g.run(node, leaves)
            pairs = [(y, self.relevance[o]) for y, o in zip(outs, node.outputs) if o in self.relevance]
            back = torch.autograd.grad([y for y, _ in pairs], list(leaves.values()), [r for _, r in pairs])
        for name, r in zip(leaves, back):
            self.give(name, r)


def clip_bounds(graph, node):
    args = graph.operands(node)[1:]
    bound = lambda k, name: float(args[k]) if len(args) > k and args[k] is not None else node.get(name)
    return bound(0, "min"), bound(1, "max")


def logits_of(graph):
    name = graph.output
    while (node := graph.producer[name]).op in MOVES:
        name = node.inputs[0]
    return node.inputs[0] if node.op in ("Softmax", "Sigmoid") else graph.output


if __name__ == "__main__":
    file, image, low, high, output, *pools = sys.argv[1:]
    for folder in map(Path, pools):
        for k, name in enumerate((folder / "names.txt").read_text().splitlines()):
            others[name] = torch.from_numpy(np.load(folder / f"{k}.npy"))
    graph = Graph(file, torch.from_numpy(np.load(image)).double())
    numbers = lambda text: [float(v) for v in text.split(",")]
    relevance = Explanation(graph, numbers(low), numbers(high)).explain(logits_of(graph))
    assert set(others) <= {n.name for n in graph.nodes if n.op in ("MaxPool", "GlobalMaxPool")}, "names.txt names other nodes"
    np.save(output, relevance.numpy())
    print(close_calls)
