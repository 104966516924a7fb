"""Trains the networks of the comparison on scenes (scenes.py) and writes them with test pictures, as `evaluate` reads both:

  python train.py digits|clothing FOLDER OUTPUT [--networks cnn,vgg16,vgg19,resnet50] [--epochs 4] [--single 200] [--two 60]

OUTPUT/NETWORK/{model.onnx,model.yaml,labels.txt}, OUTPUT/test/ (one thing a picture) and OUTPUT/two/ (two), with masks and labels.csv.
VGG16, VGG19 and ResNet50 are the published ones of torchvision, an eighth as wide: VGG with batch norms, without its last pool and with
dense layers of 128 (for 4,096); the first convolution of ResNet50 has stride 1 (for 2), since pictures are small. Needs torch, torchvision, onnx, numpy, pillow.
"""
import argparse, pathlib, time
import numpy as np, torch, torch.nn as nn, torch.nn.functional as F
from PIL import Image
from torchvision.models import resnet, vgg
from scenes import LABELS, SIZE, anywhere, read, scene, side_by_side

NARROW = 8
MEAN, STD = 127.5, 63.75


def cnn():
    layers, wide = [], 3
    for out in (16, 32, 64):
        layers += [nn.Conv2d(wide, out, 3, padding=1), nn.BatchNorm2d(out), nn.ReLU(), nn.MaxPool2d(2)]
        wide = out
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * (SIZE // 8) ** 2, 64), nn.ReLU(), nn.Linear(64, 10))


def narrow_vgg(which):
    widths = [w if w == "M" else w // NARROW for w in vgg.cfgs[which][:-1]]
    layers, wide = [], 3
    for w in widths:
        if w == "M":
            layers.append(nn.MaxPool2d(2))
        else:
            layers += [nn.Conv2d(wide, w, 3, padding=1), nn.BatchNorm2d(w), nn.ReLU()]
            wide = w
    dense = [nn.Linear(wide * (SIZE // 16) ** 2, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10)]
    return nn.Sequential(*layers, nn.Flatten(), *dense)


def narrow_resnet50():
    net = resnet.ResNet(resnet.Bottleneck, [3, 4, 6, 3], num_classes=10)
    divided = lambda n: max(1, n // NARROW)

    def walk(module):
        for name, child in module.named_children():
            if isinstance(child, nn.Conv2d):
                inputs = 3 if child.in_channels == 3 else divided(child.in_channels)
                stride = (1, 1) if child.in_channels == 3 else child.stride
                setattr(module, name, nn.Conv2d(inputs, divided(child.out_channels), child.kernel_size, stride, child.padding, bias=False))
            elif isinstance(child, nn.BatchNorm2d):
                setattr(module, name, nn.BatchNorm2d(divided(child.num_features)))
            elif isinstance(child, nn.Linear):
                setattr(module, name, nn.Linear(divided(child.in_features), child.out_features))
            else:
                walk(child)

    walk(net)
    return net


NETWORKS = {"cnn": cnn, "vgg16": lambda: narrow_vgg("D"), "vgg19": lambda: narrow_vgg("E"), "resnet50": narrow_resnet50}


def seen(pictures):
    """uint8 [n, 48, 48, 3] -> what the network reads"""
    return ((torch.from_numpy(pictures).permute(0, 3, 1, 2).float() - MEAN) / STD).contiguous(memory_format=torch.channels_last)


def batch(things, r):
    return seen(np.stack([scene([thing], [anywhere(r)], things, r)[0] for thing in things]))


def trained(name, train, test, epochs):
    torch.manual_seed(0)
    r = np.random.default_rng(1)
    net = NETWORKS[name]()
    net = net.to(memory_format=torch.channels_last)
    (x, y), size = train, 32
    steps = epochs * (len(x) // size)
    rate = 2e-3
    optimiser = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps + 1, pct_start=0.25)
    begun = time.process_time()
    for epoch in range(epochs):
        net.train()
        order, total = r.permutation(len(x)), 0.0
        for k in range(len(x) // size):
            some = order[k * size : (k + 1) * size]
            with torch.autocast("cpu", torch.bfloat16):
                scores = net(batch(x[some], r))
            loss = F.cross_entropy(scores.float(), torch.from_numpy(y[some]), label_smoothing=0.02)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1)
            optimiser.step()
            schedule.step()
            total += loss.item()
        print(f"{name} epoch {epoch + 1}: loss {total / (len(x) // size):.3f}, {time.process_time() - begun:.0f} processor seconds", flush=True)
    net.eval()
    r, right = np.random.default_rng(2), 0
    with torch.no_grad():
        for k in range(0, len(test[0]), 100):
            right += (net(batch(test[0][k : k + 100], r)).argmax(1).numpy() == test[1][k : k + 100]).sum()
    print(f"{name}: {sum(p.numel() for p in net.parameters()):,} parameters, {right / len(test[0]):.3f} of {len(test[0])} test scenes right", flush=True)
    return net


def write_network(net, folder, name, labels):
    folder.mkdir(parents=True, exist_ok=True)
    frame = torch.zeros(1, 3, SIZE, SIZE)
    torch.onnx.export(net, frame, str(folder / "model.onnx"), opset_version=17, dynamo=False, input_names=["image"], output_names=["scores"],
                      dynamic_axes={"image": {0: "N"}, "scores": {0: "N"}})
    (folder / "labels.txt").write_text("\n".join(labels) + "\n")
    (folder / "model.yaml").write_text(
        f"name: {name}\nlabels: labels.txt\ninput:\n  width: {SIZE}\n  height: {SIZE}\n  mean: [{MEAN}, {MEAN}, {MEAN}]\n"
        f"  std: [{STD}, {STD}, {STD}]\n  channelOrder: RGB\n  layout: NCHW\n  fit: stretch\n")


def write_pictures(things, classes, labels, folder, count, of):
    r = np.random.default_rng(10 + of)
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    lines = ["file,label" if of == 1 else "file,label,second"]
    for k in range(count):
        chosen = [r.integers(len(things))]
        while len(chosen) < of:
            other = r.integers(len(things))
            if classes[other] != classes[chosen[0]]:
                chosen.append(other)
        names = [labels[classes[c]] for c in chosen]
        picture, masks = scene(things[chosen], [anywhere(r)] if of == 1 else side_by_side(r), things, r)
        Image.fromarray(picture).save(folder / "images" / f"{k:04}.png")
        for name, mask in zip(names, masks):
            Image.fromarray(mask).save(folder / "masks" / (f"{k:04}.png" if of == 1 else f"{k:04}.{name}.png"))
        lines.append(",".join([f"{k:04}.png", *names]))
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")


def main():
    p = argparse.ArgumentParser()
    p.add_argument("kind", choices=LABELS)
    p.add_argument("folder")
    p.add_argument("output", type=pathlib.Path)
    p.add_argument("--networks", default=",".join(NETWORKS))
    p.add_argument("--epochs", type=int, default=4)
    p.add_argument("--single", type=int, default=200)
    p.add_argument("--two", type=int, default=60)
    o = p.parse_args()
    torch.set_num_threads(1)
    labels = LABELS[o.kind]
    train, test = read(o.kind, o.folder)
    write_pictures(*test, labels, o.output / "test", o.single, 1)
    write_pictures(*test, labels, o.output / "two", o.two, 2)
    test = test[0][:: max(1, len(test[0]) // 1000)], test[1][:: max(1, len(test[1]) // 1000)]
    for name in o.networks.split(","):
        write_network(trained(name, train, test, o.epochs), o.output / name, f"{o.kind}-{name}", labels)


if __name__ == "__main__":
    main()
