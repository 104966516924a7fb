"""Writes a network as ONNX, as its user would: python export_torch.py NAME EXPORTER PICTURE OUTPUT LIBRARY

Random weights; what a network starts with as zeros or ones (factors and shifts of norms, scales of branches, position
embeddings, biases of attention) is random too, and batch norms get the statistics of variants of the picture (.npy, as input),
as training on such pictures would leave them. EXPORTER: script or dynamo. LIBRARY: torchvision, timm or ultralytics. Of CLIP's
networks in timm it is the tower of pictures, whose scores are its cosines with 100 constant texts."""
import os
import sys
import warnings

warnings.filterwarnings("ignore")
import numpy as np
import torch

name, exporter, picture, output, library = sys.argv[1:]
torch.manual_seed(0)


def of_torchvision():
    import torchvision
    options = dict(aux_logits=False, init_weights=True) if name in ("googlenet", "inception_v3") else {}
    return getattr(torchvision.models, name)(weights=None, **options)


class WithTexts(torch.nn.Module):
    def __init__(self, tower):
        super().__init__()
        self.tower = tower
        self.texts = torch.nn.functional.normalize(torch.randn(512, 100), dim=0)

    def forward(self, frames):
        return 100 * torch.nn.functional.normalize(self.tower(frames), dim=-1) @ self.texts


def of_timm():
    import timm
    of_clip = "_clip_" in name
    for size in (dict(img_size=224), {}):
        try:
            model = timm.create_model(name, pretrained=False, **size, **(dict(num_classes=512) if of_clip else {}))
            return WithTexts(model) if of_clip else model
        except TypeError:  # convolutional networks take any size
            continue


def of_ultralytics():
    os.environ["YOLO_OFFLINE"] = "true"  # nothing to fetch, nobody to tell
    from ultralytics import YOLO
    network = YOLO(name + ".yaml").model
    for module in network.modules():
        if hasattr(module, "export"):
            module.export = True
    return network


model = {"torchvision": of_torchvision, "timm": of_timm, "ultralytics": of_ultralytics}[library]()
for parameter in model.parameters():
    first = parameter.detach().flatten()[0]
    if (parameter != first).any():
        continue
    # Nothing trained is all alike. Scales of branches, which start near zero, end at some tenths.
    if first == 0:
        torch.nn.init.normal_(parameter, 0, 0.02 if parameter.dim() > 1 else 0.1)
    elif parameter.numel() > 1:
        torch.nn.init.uniform_(parameter, 0.5 * max(first, 0.2), 1.5 * max(first, 0.2))
norms = [m for m in model.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
for norm in norms:
    norm.momentum = None  # averages over all passes
    norm.reset_running_stats()
    torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
    torch.nn.init.normal_(norm.bias, 0, 0.2)
if norms:
    model.train()
    frame = torch.from_numpy(np.load(picture))
    with torch.no_grad():
        for _ in range(2):
            shifts = torch.randint(0, 224, (6, 2)).tolist()
            frames = torch.cat([frame.roll(s, (2, 3)) for s in shifts])
            gain = torch.empty(6, 1, 1, 1).uniform_(0.7, 1.3)
            model(frames * gain + 0.1 * torch.randn(6, 3, 224, 224))
model.eval()
frame = torch.randn(2, 3, 224, 224)
names = dict(input_names=["image"], output_names=["scores"])
if exporter == "script":
    torch.onnx.export(model, frame, output, opset_version=17, dynamo=False,
                      dynamic_axes={"image": {0: "N"}, "scores": {0: "N"}}, **names)
else:
    torch.onnx.export(model, (frame,), output, dynamo=True, verbose=False, external_data=False,
                      dynamic_shapes=({0: torch.export.Dim("N")},), **names)
