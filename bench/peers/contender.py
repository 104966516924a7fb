"""One contender of bench/peers.mjs in a process of its own: says `ready`, runs once for each line it is given, answers with
milliseconds, and ends with its peak memory. `export` writes the network as ONNX instead."""
import argparse, copy, json, sys, time, warnings

warnings.filterwarnings("ignore")
import torch, torchvision


def network(name):
    """Random weights; running statistics as a little training leaves them."""
    torch.manual_seed(1)
    model = getattr(torchvision.models, name)(weights=None)
    model.train()
    if any(isinstance(m, torch.nn.BatchNorm2d) for m in model.modules()):
        with torch.no_grad():
            for _ in range(4):
                model(torch.randn(8, 3, 224, 224))
    return model.eval()


def frames(batch):
    return torch.randn(batch, 3, 224, 224, generator=torch.Generator().manual_seed(2))


def waiting(run, device):
    """A card is told what to do and does it later: its time is over when all of it is done."""
    def waited():
        result = run()
        torch.cuda.synchronize()
        return result
    return waited if device == "cuda" else run


def one_hot(scores):
    return torch.nn.functional.one_hot(scores.argmax(1), scores.shape[1]).to(scores)


def forward(model, x):
    def run():
        with torch.no_grad():
            return model(x)
    return run


def gradient_x_input(model, x):
    def run():
        leaf = x.clone().requires_grad_()
        scores = model(leaf)
        (gradient,) = torch.autograd.grad(scores, leaf, one_hot(scores.detach()))
        return gradient * leaf
    return run


def gradient_x_input_bfloat16(model, x):
    plain = gradient_x_input(model, x)
    def run():
        with torch.autocast(x.device.type, dtype=torch.bfloat16):
            return plain()
    return run


def zennit(model, x):
    from zennit.attribution import Gradient
    from zennit.canonizers import SequentialMergeBatchNorm
    from zennit.composites import EpsilonPlusFlat
    from zennit.torchvision import ResNetCanonizer, VGGCanonizer
    kind = type(model).__name__
    canonizer = {"VGG": VGGCanonizer, "ResNet": ResNetCanonizer}.get(kind, SequentialMergeBatchNorm)()
    attributor = Gradient(model, EpsilonPlusFlat(canonizers=[canonizer]))
    attributor.__enter__()  # hooks stay registered, as in a loop over frames
    return lambda: attributor(x.clone().requires_grad_(), one_hot)[1]


def captum(model, x):
    from captum.attr import LRP
    model = apart(model)
    for module in model.modules():  # its hooks and in-place activations exclude each other
        if hasattr(module, "inplace"):
            module.inplace = False
    with torch.no_grad():
        target = model(x).argmax(1)
    lrp = LRP(model)
    return lambda: lrp.attribute(x.clone().requires_grad_(), target=target)


def apart(model):
    """ResNet blocks with a ReLU module of its own at each place, which Captum's LRP asks for."""
    def block_forward(self, x):
        out = x
        for k in range(1, self.stages + 1):
            out = getattr(self, f"bn{k}")(getattr(self, f"conv{k}")(out))
            if k < self.stages:
                out = getattr(self, f"relu{k}")(out)
        return self.relu_end(out + (self.downsample(x) if self.downsample is not None else x))
    for block in model.modules():
        if type(block).__name__ in ("BasicBlock", "Bottleneck"):
            block.stages = 3 if hasattr(block, "conv3") else 2
            for k in range(1, block.stages):
                setattr(block, f"relu{k}", torch.nn.ReLU())
            block.relu_end = torch.nn.ReLU()
            del block.relu
            block.forward = block_forward.__get__(block)
    return model


def peak_mib():
    for line in open("/proc/self/status"):
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024


def forget_peak():
    """Making the network's statistics is no part of explaining: memory counts from here."""
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        pass


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("contender")
    parser.add_argument("network")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--output")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    model = network(args.network)
    if args.contender == "export":
        names = {"input_names": ["image"], "output_names": ["scores"]}
        axes = {"image": {0: "N"}, "scores": {0: "N"}}
        torch.onnx.export(model, frames(1), args.output, opset_version=18, dynamic_axes=axes, dynamo=False, **names)
        return
    run = {"forward": forward, "gradient-x-input": gradient_x_input,
           "gradient-x-input-bfloat16": gradient_x_input_bfloat16, "zennit": zennit, "captum": captum}[args.contender](
        model.to(args.device), frames(args.batch).to(args.device))
    run = waiting(run, args.device)
    forget_peak()
    first = run()
    finite = bool(torch.isfinite(first).all())  # Captum's LRP divides by sums that can be zero; it is timed all the same
    print("ready", flush=True)
    for line in sys.stdin:
        if line.strip() != "run":
            break
        start = time.perf_counter()
        run()
        print((time.perf_counter() - start) * 1000, flush=True)
    print(json.dumps({"peakMib": peak_mib(), "finite": finite}), flush=True)


main()
