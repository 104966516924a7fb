#!/usr/bin/env bash
# Builds the native binding of @tensorflow/tfjs-node-gpu (or tfjs-node) in node_modules from what package registries
# hold: the binding's C++ comes with the npm package, libtensorflow with a TensorFlow wheel on PyPI. The package's own
# install script would download an old libtensorflow from elsewhere instead; it is never run.
#
# Runs on x86-64 Linux; needs python3 with pip, g++ and 2 GB of disk while it works (400 MB stay). `npm ci` wipes the
# result: run this again after it. Where a graphics card of NVIDIA's is, TensorFlow is taken with CUDA's kernels, and with
# the libraries that its wheel names: 2.2 GB, 8 GB of disk while it works. Not run on a real card.
#
#   TFJS_PACKAGE     @tensorflow/tfjs-node-gpu (default; runs on the CPU where there is no GPU) or @tensorflow/tfjs-node
#   TF_DISTRIBUTION  tensorflow-cpu (default), or tensorflow (with CUDA 12; default where a card is)
#   TF_VERSION       2.13.1 (default of tensorflow-cpu: the smallest), 2.15.1 (of tensorflow: the first whose wheel names its
#                    CUDA libraries exactly); 2.12 to 2.21 are known to work on the processor
#   TF_SHA256        checksum of its wheel, needed with another distribution or version
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
package=${TFJS_PACKAGE:-@tensorflow/tfjs-node-gpu}
if [ -e /dev/nvidia0 ] || nvidia-smi -L >/dev/null 2>&1; then usual=tensorflow; else usual=tensorflow-cpu; fi
distribution=${TF_DISTRIBUTION:-$usual}
if [ "$distribution" = tensorflow ]; then usual=2.15.1; else usual=2.13.1; fi
version=${TF_VERSION:-$usual}
home=$PWD/node_modules/$package
binding=$home/lib/napi-v8/tfjs_binding.node
headers=$PWD/node_modules/node-api-headers/include
stamp=$home/deps/.built-from
origin="$distribution $version, Node-API 8"
scratch=

source scripts/setup-common.sh

check() {
  [ "$(uname -sm)" = "Linux x86_64" ] || die "The TensorFlow binding is built on x86-64 Linux alone; this is $(uname -sm)."
  local missing=()
  command -v g++ >/dev/null || missing+=(g++)
  python3 -m pip --version >/dev/null 2>&1 || missing+=(python3-pip)
  [ ${#missing[@]} -eq 0 ] || die "Missing for the build: ${missing[*]}; run: sudo apt-get install -y ${missing[*]}"
  [ -f "$headers/node_api.h" ] || die "node-api-headers is not in node_modules; run npm ci (it is needed for the build alone)."
  [ -f "$home/binding/tfjs_backend.cc" ] || die "$package is not in node_modules; run npm ci (it is an optional dependency)."
}

# A wheel is a zip archive; as only its library and C headers are taken, its Python version does not matter.
fetch_library() {
  local platforms=()
  for tag in manylinux2014_x86_64 manylinux_2_17_x86_64 manylinux_2_27_x86_64; do platforms+=(--platform "$tag"); done
  wheel "$distribution" "$version" "${TF_SHA256:-}" "$scratch" "${platforms[@]}"

  say "unpacking library and headers"
  python3 - "$scratch" "$scratch/deps" <<'PYTHON'
import glob, os, shutil, sys, zipfile

folder, target = sys.argv[1:]
HEADERS = "tensorflow/include/"
KEPT = ("tensorflow/c/", "tensorflow/core/platform/", "tensorflow/tsl/c/", "tensorflow/tsl/platform/",
        "tsl/c/", "tsl/platform/", "xla/tsl/c/")
LIBRARIES = ("tensorflow/libtensorflow_cc.so.2", "tensorflow/libtensorflow_framework.so.2")


def place(name):
    if name in LIBRARIES:
        return os.path.join("lib", os.path.basename(name))
    inner = name[len(HEADERS):]
    if name.startswith(HEADERS) and inner.startswith(KEPT) and name.endswith(".h"):
        return os.path.join("include", inner)
    if name == "tensorflow/THIRD_PARTY_NOTICES.txt" or name.endswith("dist-info/LICENSE"):
        return os.path.basename(name)
    return None


with zipfile.ZipFile(glob.glob(folder + "/*.whl")[0]) as wheel:
    for name in wheel.namelist():
        if (to := place(name)) is None:
            continue
        to = os.path.join(target, to)
        os.makedirs(os.path.dirname(to), exist_ok=True)
        with wheel.open(name) as source, open(to, "wb") as sink:
            shutil.copyfileobj(source, sink, 1 << 22)
PYTHON
  if command -v strip >/dev/null; then strip --strip-unneeded "$scratch"/deps/lib/*.so.2; fi
  # The names that the linker and the package look for.
  local name
  for name in libtensorflow.so libtensorflow.so.2; do ln -s libtensorflow_cc.so.2 "$scratch/deps/lib/$name"; done
  ln -s libtensorflow_framework.so.2 "$scratch/deps/lib/libtensorflow_framework.so"
  rm -rf "$home/deps"
  mv "$scratch/deps" "$home/deps"
}

# The wheel of tensorflow, whose checksum is known here, names CUDA's libraries by their exact versions; that those are what the
# registry holds is checked by pip. TensorFlow looks for them in nvidia/ beside its own folder.
fetch_cuda() {
  python3 - "$scratch" >"$scratch/cuda.txt" <<'PYTHON'
import glob, re, sys, zipfile
with zipfile.ZipFile(glob.glob(sys.argv[1] + "/*.whl")[0]) as wheel:
    name = next(n for n in wheel.namelist() if n.endswith(".dist-info/METADATA"))
    for line in wheel.read(name).decode().splitlines():
        if match := re.match(r"Requires-Dist: (nvidia-[\w-]+) ?\(?==([\w.]+)\)? ?;.*and-cuda", line):
            print("==".join(match.groups()))
PYTHON
  local wanted
  while read -r wanted; do
    # The compiler of CUDA is for programs that write kernels of their own.
    case $wanted in nvidia-cuda-nvcc* | nvidia-nccl*) continue ;; esac
    say "downloading ${wanted/==/ } from PyPI"
    mkdir -p "$scratch/cuda"
    TMPDIR=$scratch python3 -m pip download --quiet --disable-pip-version-check --no-deps --no-cache-dir --only-binary=:all: \
      --python-version 3.11 --platform manylinux1_x86_64 --platform manylinux2014_x86_64 --platform manylinux_2_17_x86_64 \
      --platform manylinux_2_27_x86_64 --dest "$scratch/cuda" "$wanted" ||
      die "pip could not download $wanted; its words are above."
    (cd "$home/deps" && python3 - "$scratch/cuda" <<'PYTHON'
import glob, re, sys, zipfile
for file in glob.glob(sys.argv[1] + "/*.whl"):
    with zipfile.ZipFile(file) as wheel:
        wheel.extractall(members=[n for n in wheel.namelist() if re.search(r"^nvidia/\w+/lib/.*\.so|dist-info/License", n)])
PYTHON
    )
    rm -rf "$scratch/cuda"
  done <"$scratch/cuda.txt"
}

compile() {
  say "compiling the binding"
  mkdir -p "$(dirname "$binding")"
  g++ -std=c++17 -O2 -fPIC -shared -DNAPI_VERSION=8 -I"$headers" -I"$home/deps/include" \
    "$home/binding/tfjs_backend.cc" "$home/binding/tfjs_binding.cc" -o "$scratch/tfjs_binding.node" \
    -L"$home/deps/lib" -ltensorflow -ltensorflow_framework '-Wl,-rpath,$ORIGIN/../../deps/lib' ||
    die "The binding did not compile; the compiler's words are above."
  mv "$scratch/tfjs_binding.node" "$binding"
}

# Node 23 removed two functions of `util` that the package calls.
modernise() {
  sed -i -E 's/\(0, util_1\.isNullOrUndefined\)\(([A-Za-z]+)\)/(\1 == null)/g; s/\(0, util_1\.isArray\)\(/Array.isArray(/g' \
    "$home/dist/nodejs_kernel_backend.js" "$home/dist/kernels/TopK.js"
}

# A convolution and its gradient against TensorFlow.js' own JavaScript, then the version for the log.
verify() {
  TF_CPP_MIN_LOG_LEVEL=3 node - "$home" <<'JAVASCRIPT'
process.on("uncaughtException", (error) => {
  console.error(error.message);
  process.exit(1);
});
const tf = require(process.argv[2]);
tf.env().set("IS_TEST", true); // no advertisement for the backend being built
const [x, w] = [tf.randomNormal([2, 9, 9, 4], 0, 1, "float32", 1), tf.randomNormal([3, 3, 4, 5], 0, 1, "float32", 2)];
const [dataX, dataW] = [x.dataSync(), w.dataSync()];
const run = (backend) => {
  tf.setBackend(backend);
  return tf.tidy(() => {
    const [a, k] = [tf.tensor(dataX, x.shape), tf.tensor(dataW, w.shape)];
    const forward = tf.conv2d(a, k, 1, "same");
    const back = tf.grad((v) => tf.conv2d(v, k, 1, "same").relu().sum())(a);
    return [...forward.dataSync(), ...back.dataSync()];
  });
};
const [native, plain] = [run("tensorflow"), run("cpu")];
const apart = Math.max(...native.map((value, i) => Math.abs(value - plain[i])));
if (native.length !== plain.length || !(apart < 1e-3)) throw new Error(`the binding's results are ${apart} apart`);
tf.setBackend("tensorflow");
const { TF_Version: library } = tf.backend().binding;
console.log(`- TensorFlow.js ${tf.version.tfjs} on TensorFlow ${library}, ${tf.backend().isUsingGpuDevice ? "GPU" : "CPU"}`);
JAVASCRIPT
}

check
if [ "$(cat "$stamp" 2>/dev/null)" != "$origin" ] || [ ! -f "$binding" ]; then
  mkdir -p "$home"
  scratch=$(mktemp -d "$home/.build.XXXXXX")
  fetch_library
  if [ "$distribution" = tensorflow ]; then fetch_cuda; else say "without a graphics card: TensorFlow for the processor"; fi
  compile
  printf '%s' "$origin" >"$stamp"
fi
modernise
if ! verify; then
  rm -f "$stamp"
  die "The binding was built but does not work; what went wrong is above. The next run builds it anew."
fi
