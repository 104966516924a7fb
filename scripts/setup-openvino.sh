#!/usr/bin/env bash
# Fetches OpenVINO's runtime from its wheel on PyPI for the engine openvino: the libraries of the plugins for CPU, GPU and
# NPU and the reader of ONNX files, 150 MB. They go into video-explainer/openvino of the user's cache folder, where the next
# installation finds them too; nothing is compiled and nothing of the system is changed.
#
# Needs python3 with pip. Linux and macOS, x86-64 and arm64.
#
#   OPENVINO_VERSION    2026.4.1 (default)
#   OPENVINO_SHA256     checksum of its wheel, needed with another version
#   OPENVINO_LIBRARIES  folder to put the libraries into; the program looks there, too, when it is set
set -euo pipefail

# A relative folder is one of where this was called.
[ -z "${OPENVINO_LIBRARIES:-}" ] || [ "$OPENVINO_LIBRARIES" = off ] || OPENVINO_LIBRARIES=$(python3 -c 'import os, sys; print(os.path.abspath(sys.argv[1]))' "$OPENVINO_LIBRARIES")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
version=${OPENVINO_VERSION:-2026.4.1}
target=${OPENVINO_LIBRARIES:-${XDG_CACHE_HOME:-$HOME/.cache}/video-explainer/openvino/libs}
stamp=$target/.version
# Beside the version, which of its libraries were taken.
taken="$version cpu gpu npu"
scratch=

source scripts/setup-common.sh

[ "$target" != off ] || die "OPENVINO_LIBRARIES is off; unset it, or name a folder."
python3 -m pip --version >/dev/null 2>&1 || die "python3 with pip is needed to fetch OpenVINO; run: sudo apt-get install -y python3-pip"
[ -d node_modules/koffi ] || die "The package koffi is not in node_modules; run npm ci (it is an optional dependency)."

# Of a wheel, which is a zip archive, only native libraries are taken: its Python version does not matter.
fetch() {
  wheel openvino "$version" "${OPENVINO_SHA256:-}" "$scratch"
  python3 - "$scratch" "$scratch/libs" <<'PYTHON'
import glob, os, re, shutil, sys, zipfile

folder, target = sys.argv[1:]
LIBRARY = re.compile(r"(lib)?(openvino(_c|_intel_[cgn]pu_plugin|_arm_cpu_plugin|_onnx_frontend)?|tbb|tbbmalloc|hwloc)(\.\d+)*(\.so|\.dylib)(\.\d+)*")
LICENSE = re.compile(r".*dist-info/.*(LICENSE|third-party-programs\.txt)")
os.makedirs(target)
with zipfile.ZipFile(glob.glob(folder + "/*.whl")[0]) as wheel:
    for name in wheel.namelist():
        base = os.path.basename(name)
        if (name.startswith("openvino/libs/") and LIBRARY.fullmatch(base)) or LICENSE.fullmatch(name):
            with wheel.open(name) as source, open(os.path.join(target, base), "wb") as sink:
                shutil.copyfileobj(source, sink, 1 << 22)
PYTHON
  printf '%s' "$taken" >"$scratch/libs/.version"
  rm -rf "$target"
  mkdir -p "$(dirname "$target")"
  mv "$scratch/libs" "$target"
}

# Loads it as the program does.
verify() {
  OPENVINO_LIBRARIES=$target node - <<'JAVASCRIPT'
const { readdirSync } = require("node:fs");
const { join } = require("node:path");
const folder = process.env.OPENVINO_LIBRARIES;
try {
  const koffi = require("koffi");
  const library = koffi.load(join(folder, readdirSync(folder).find((name) => /openvino_c\b/.test(name))));
  const made = [null];
  if (library.func("int ov_core_create(_Out_ void **core)")(made) !== 0) throw new Error("its core does not start");
  const text = [null];
  const get = library.func("int ov_core_get_property(void *core, str device, str key, _Out_ void **value)");
  if (get(made[0], "CPU", "FULL_DEVICE_NAME", text) !== 0) throw new Error("its CPU plugin does not start");
  console.log(`- OpenVINO in ${folder}, on ${koffi.decode(text[0], "char", -1)}`);
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
JAVASCRIPT
}

if [ "$(cat "$stamp" 2>/dev/null)" != "$taken" ]; then
  # What this script has not put there is somebody else's.
  [ -f "$stamp" ] || [ -z "$(ls -A "$target" 2>/dev/null)" ] || die "$target holds other files; name another folder in OPENVINO_LIBRARIES."
  # Beside the target, so that one renaming puts all of it into place.
  mkdir -p "$(dirname "$target")"
  scratch=$(mktemp -d "$(dirname "$target")/.fetch.XXXXXX")
  fetch
fi
verify || die "OpenVINO was fetched but does not load; what went wrong is above, and the engine onnxruntime runs without it."
