"""One float32 ONNX classifier in every form that people keep: python make.py MODEL PICTURES.npy FOLDER [ONLY,...]

Writes FOLDER/KIND.onnx by the tool that is named with it, and FOLDER/KIND.npy, the scores that onnxruntime gives for each picture;
prints one line of JSON a kind: {"kind", "tool", "itself"?, "fault"?}, "itself" for how many pictures the class stays when
onnxruntime does not optimise the file. Pictures are calibrated on, too.
"""

import json
import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

warnings.filterwarnings("ignore")
ort.set_default_logger_severity(3)
model, pictures, folder = sys.argv[1], np.load(sys.argv[2]), Path(sys.argv[3])
only = set(sys.argv[4].split(",")) if len(sys.argv) > 4 else None
folder.mkdir(parents=True, exist_ok=True)
loaded = onnx.load(model)
INPUT = loaded.graph.input[0].name


class Reader(CalibrationDataReader):
    def __init__(self):
        self.left = iter(pictures)

    def get_next(self):
        picture = next(self.left, None)
        return None if picture is None else {INPUT: picture[None]}


def prepared():
    file = folder / "prepared.model"
    if not file.exists():
        quant_pre_process(model, str(file), skip_symbolic_shape=True)
    return str(file)


def static(file, **options):
    quantize_static(prepared(), file, Reader(), **options)


def float16(keep):
    from onnxconverter_common import float16 as tool

    return lambda file: onnx.save(tool.convert_float_to_float16(onnx.load(model), keep_io_types=keep), file)


def float16_transformers(file):
    from onnxruntime.transformers.float16 import convert_float_to_float16

    onnx.save(convert_float_to_float16(onnx.load(model), keep_io_types=False), file)


def bfloat16(file):
    """Weights as bfloat16, each cast back where it is read."""
    import ml_dtypes

    m = onnx.load(model)
    casts = []
    for w in m.graph.initializer:
        if w.data_type != TensorProto.FLOAT:
            continue
        name = w.name
        small = numpy_helper.to_array(w).astype(ml_dtypes.bfloat16)
        w.CopyFrom(
            helper.make_tensor(f"{name}.bfloat16", TensorProto.BFLOAT16, small.shape, small.tobytes(), raw=True)
        )
        casts.append(helper.make_node("Cast", [w.name], [name], to=TensorProto.FLOAT))
    for k, cast in enumerate(casts):
        m.graph.node.insert(k, cast)
    onnx.save(m, file)


def external(file):
    onnx.save_model(
        onnx.load(model), file, save_as_external_data=True, location=Path(file).name + ".data",
    )


def batch(count):
    def make(file):
        m = onnx.load(model)
        for value in [*m.graph.input, *m.graph.output]:
            value.type.tensor_type.shape.dim[0].dim_value = count
        onnx.save(m, file)

    return make


def open_dims(file):
    m = onnx.load(model)
    for k in range(2, 4):
        m.graph.input[0].type.tensor_type.shape.dim[k].dim_param = "HW"[k - 2]
    onnx.save(m, file)


def nhwc(file):
    m = onnx.load(model)
    first = m.graph.input[0]
    dims = first.type.tensor_type.shape.dim
    sizes = [dims[k].dim_value for k in range(1, 4)]
    m.graph.input.remove(first)
    m.graph.input.insert(0, helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["N", *sizes[1:], sizes[0]]))
    m.graph.node.insert(0, helper.make_node("Transpose", ["pixels"], [first.name], perm=[0, 3, 1, 2]))
    onnx.save(m, file)


def dynamic(file):
    quantize_dynamic(prepared(), file, weight_type=QuantType.QUInt8)


def four_bits(file):
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    tool = MatMulNBitsQuantizer(onnx.load(model), block_size=32, is_symmetric=False)
    tool.process()
    tool.model.save_model_to_file(file)


def simplified(source):
    def make(file):
        from onnxsim import simplify

        onnx.save(simplify(onnx.load(str(folder / f"{source}.onnx")))[0], file)

    return make


def slim(source):
    def make(file):
        import onnxslim

        onnxslim.slim(str(folder / f"{source}.onnx"), output_model=file)

    return make


def optimised(source, level):
    """As onnxruntime itself runs it, saved."""

    def make(file):
        options = ort.SessionOptions()
        options.graph_optimization_level = level
        options.optimized_model_filepath = file
        ort.InferenceSession(str(folder / f"{source}.onnx"), options)

    return make


U8, S8, U16, S16 = QuantType.QUInt8, QuantType.QInt8, QuantType.QUInt16, QuantType.QInt16
QDQ, QOPERATOR = QuantFormat.QDQ, QuantFormat.QOperator
EXTENDED = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
ALL = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
KINDS = {
    "float16": ("onnxconverter-common", float16(False)),
    "float16-float32-ends": ("onnxconverter-common, keep_io_types", float16(True)),
    "float16-transformers": ("onnxruntime.transformers", float16_transformers),
    "float16-sim": ("onnxconverter-common, onnxsim", simplified("float16")),
    "bfloat16-weights": ("onnx", bfloat16),
    "external-data": ("onnx", external),
    "batch-1": ("onnx", batch(1)),
    "batch-4": ("onnx", batch(4)),
    "open-height-width": ("onnx", open_dims),
    "nhwc": ("onnx", nhwc),
    "qdq-uint8": (
        "onnxruntime.quantization",
        lambda f: static(f, quant_format=QDQ, activation_type=U8, weight_type=U8),
    ),
    "qdq-int8-per-channel": (
        "onnxruntime.quantization",
        lambda f: static(f, quant_format=QDQ, activation_type=S8, weight_type=S8, per_channel=True),
    ),
    "qdq-uint8-int8-dedicated": (
        "onnxruntime.quantization, DedicatedQDQPair",
        lambda f: static(
            f,
            quant_format=QDQ,
            activation_type=U8,
            weight_type=S8,
            reduce_range=True,
            extra_options={"DedicatedQDQPair": True, "ActivationSymmetric": False},
        ),
    ),
    "qdq-int8-symmetric": (
        "onnxruntime.quantization, ActivationSymmetric",
        lambda f: static(
            f, quant_format=QDQ, activation_type=S8, weight_type=S8, extra_options={"ActivationSymmetric": True}
        ),
    ),
    "qdq-uint16": (
        "onnxruntime.quantization",
        lambda f: static(f, quant_format=QDQ, activation_type=U16, weight_type=S8, extra_options={"UseQDQContribOps": True}),
    ),
    "qdq-conv-only": (
        "onnxruntime.quantization, op_types_to_quantize",
        lambda f: static(f, quant_format=QDQ, activation_type=U8, weight_type=S8, reduce_range=True, op_types_to_quantize=["Conv"]),
    ),
    "qoperator-uint8": (
        "onnxruntime.quantization",
        lambda f: static(f, quant_format=QOPERATOR, activation_type=U8, weight_type=U8),
    ),
    "qoperator-int8-per-channel": (
        "onnxruntime.quantization",
        lambda f: static(f, quant_format=QOPERATOR, activation_type=U8, weight_type=S8, reduce_range=True, per_channel=True),
    ),
    "dynamic": ("onnxruntime.quantization", dynamic),
    "weights-4-bit": ("onnxruntime.quantization, MatMulNBits", four_bits),
    "qdq-sim": ("onnxruntime.quantization, onnxsim", simplified("qdq-uint8")),
    "qdq-slim": ("onnxruntime.quantization, onnxslim", slim("qdq-int8-per-channel")),
    "qdq-optimised": ("onnxruntime, extended", optimised("qdq-uint8", EXTENDED)),
    "qdq-optimised-all": ("onnxruntime, all", optimised("qdq-uint8", ALL)),
    "dynamic-optimised": ("onnxruntime, all", optimised("dynamic", ALL)),
}


def scores(file, level=ort.GraphOptimizationLevel.ORT_ENABLE_ALL):
    options = ort.SessionOptions()
    options.graph_optimization_level = level
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    [value, *_] = session.get_inputs()
    data = pictures.astype(np.float16) if value.type == "tensor(float16)" else pictures
    if value.name == "pixels":
        data = data.transpose(0, 2, 3, 1)
    count = value.shape[0] if isinstance(value.shape[0], int) else 1
    output = session.get_outputs()[0].name
    rows = []
    for at in range(0, len(data), count):
        part = np.resize(data[at : at + count], (count, *data.shape[1:]))
        rows.extend(session.run([output], {value.name: np.ascontiguousarray(part)})[0][: len(data) - at])
    return np.asarray(rows, dtype=np.float32).reshape(len(data), -1)


np.save(folder / "float32.npy", scores(model))
for kind, (tool, make) in KINDS.items():
    if only and kind not in only:
        continue
    file = str(folder / f"{kind}.onnx")
    said = {"kind": kind, "tool": tool}
    try:
        if not Path(file).exists():
            make(file)
        own = scores(file)
        np.save(folder / f"{kind}.npy", own)
        plain = scores(file, ort.GraphOptimizationLevel.ORT_DISABLE_ALL)
        said["itself"] = int((own.argmax(1) == plain.argmax(1)).sum())
    except Exception as error:  # noqa: BLE001
        said["fault"] = f"{type(error).__name__}: {str(error).splitlines()[0][:160]}"
    print(json.dumps(said), flush=True)
