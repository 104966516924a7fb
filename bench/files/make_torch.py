"""What PyTorch itself writes of a network of torchvision or timm: python make_torch.py NETWORK PICTURES.npy FOLDER [ONLY,...]

Writes FOLDER/float32.onnx of random weights, but for the last layer, and FOLDER/KIND.onnx of the same, with FOLDER/KIND.npy, what onnxruntime makes of each
picture; prints one line of JSON a kind, as make.py does. Pictures are calibrated on, too.
"""

import copy
import json
import sys
import warnings
from pathlib import Path

import numpy as np
import onnxruntime as ort
import timm
import torch
import torchvision

warnings.filterwarnings("ignore")
ort.set_default_logger_severity(3)
name, pictures, folder = sys.argv[1], np.load(sys.argv[2]), Path(sys.argv[3])
only = set(sys.argv[4].split(",")) if len(sys.argv) > 4 else None
folder.mkdir(parents=True, exist_ok=True)
torch.manual_seed(0)
images = torch.from_numpy(pictures)
network = (
    torchvision.models.get_model(name, weights=None, num_classes=10)
    if name in torchvision.models.list_models()
    else timm.create_model(name, pretrained=False, num_classes=10)
)
# Statistics as of a trained network: of the pictures themselves.
network.train()
with torch.no_grad():
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None
    network(images)
network.eval()
first = images[:1]


def fit_head():
    """The last layer by ridge regression, a class of its own for every tenth picture: random scores would be all alike."""
    head = [m for m in network.modules() if isinstance(m, torch.nn.Linear)][-1]
    seen = []
    hook = head.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    with torch.no_grad():
        network(images)
        hook.remove()
        x = seen[0].double()
        middle = x.mean(0)
        wanted = 10.0 * torch.nn.functional.one_hot(torch.arange(len(x)) % 10, 10).double()
        c = x - middle
        kernel = c @ c.T
        kernel += 1e-3 * kernel.diagonal().mean() * torch.eye(len(x))
        weight = c.T @ torch.linalg.solve(kernel, wanted - wanted.mean(0))
        head.weight.copy_(weight.T.float())
        head.bias.copy_((wanted.mean(0) - middle @ weight).float())


fit_head()


def script(model, file, example=first, **more):
    torch.onnx.export(
        model,
        example,
        file,
        opset_version=18,
        input_names=["image"],
        output_names=["scores"],
        dynamic_axes={"image": {0: "N"}, "scores": {0: "N"}},
        dynamo=False,
        **more,
    )


def dynamo(model, file, example=first):
    torch.onnx.export(
        model,
        (example,),
        file,
        opset_version=18,
        input_names=["image"],
        output_names=["scores"],
        dynamic_shapes=({0: torch.export.Dim("N")},),
        dynamo=True,
        external_data=False,
    )


def half(file):
    script(copy.deepcopy(network).half(), file, first.half())


def half_dynamo(file):
    dynamo(copy.deepcopy(network).half(), file, first.half())


def bfloat16(file):
    dynamo(copy.deepcopy(network).bfloat16(), file, first.bfloat16())


def pt2e(per_channel, fold=True):
    def make(file):
        from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

        try:
            from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
                XNNPACKQuantizer,
                get_symmetric_quantization_config,
            )

            quantizer = XNNPACKQuantizer().set_global(get_symmetric_quantization_config(is_per_channel=per_channel))
        except ImportError:
            from torchao.quantization.pt2e.quantizer.x86_inductor_quantizer import (
                X86InductorQuantizer,
                get_default_x86_inductor_quantization_config,
            )

            quantizer = X86InductorQuantizer().set_global(get_default_x86_inductor_quantization_config())
        exported = torch.export.export(network, (images[:2],), dynamic_shapes=({0: torch.export.Dim("N")},)).module()
        prepared = prepare_pt2e(exported, quantizer)
        with torch.no_grad():
            prepared(images)
        converted = convert_pt2e(prepared, fold_quantize=fold)
        dynamo(converted, file, images[:2])

    return make


def fx(qat):
    def make(file):
        from torch.ao.quantization import get_default_qat_qconfig_mapping, get_default_qconfig_mapping
        from torch.ao.quantization.quantize_fx import convert_fx, prepare_fx, prepare_qat_fx

        model = copy.deepcopy(network)
        if qat:
            prepared = prepare_qat_fx(model.train(), get_default_qat_qconfig_mapping("x86", version=0), (first,))
        else:
            prepared = prepare_fx(model, get_default_qconfig_mapping("x86"), (first,))
        prepared.eval()
        with torch.no_grad():
            prepared(images)
        if qat:
            prepared.apply(torch.ao.quantization.disable_observer)
            script(prepared, file)
        else:
            script(convert_fx(prepared), file)

    return make


KINDS = {
    "half": ("torch, script exporter", half),
    "half-dynamo": ("torch, dynamo exporter", half_dynamo),
    "bfloat16-dynamo": ("torch, dynamo exporter", bfloat16),
    "pt2e": ("torchao PT2E, dynamo exporter", pt2e(True)),
    "fx": ("torch.ao FX, script exporter", fx(False)),
    "qat-fake-quantise": ("torch.ao QAT, script exporter", fx(True)),
}


def scores(file, level=ort.GraphOptimizationLevel.ORT_ENABLE_ALL):
    options = ort.SessionOptions()
    options.graph_optimization_level = level
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    [value] = session.get_inputs()
    data = pictures.astype(np.float16) if value.type == "tensor(float16)" else pictures
    rows = [session.run(None, {value.name: x[None]})[0] for x in data]
    return np.concatenate(rows).astype(np.float32)


script(network, folder / "float32.onnx")
np.save(folder / "float32.npy", scores(folder / "float32.onnx"))
for kind, (tool, make) in KINDS.items():
    if only and kind not in only:
        continue
    file = folder / f"{kind}.onnx"
    said = {"kind": kind, "tool": tool}
    try:
        if not file.exists():
            make(file)
        own = scores(file)
        np.save(folder / f"{kind}.npy", own)
        plain = scores(file, ort.GraphOptimizationLevel.ORT_DISABLE_ALL)
        said["itself"] = int((own.argmax(1) == plain.argmax(1)).sum())
    except Exception as error:  # noqa: BLE001
        said["fault"] = f"{type(error).__name__}: {str(error).splitlines()[0][:300]}"
    print(json.dumps(said), flush=True)
