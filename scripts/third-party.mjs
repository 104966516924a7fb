// Writes THIRD-PARTY.md: what npm packages and images hold of others, with versions and licences, from package-lock.json and what is installed.
// npm run build is not needed: node scripts/third-party.mjs
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { root } from "./setup.mjs";

const read = (name) => JSON.parse(readFileSync(path.join(root, name), "utf8"));

/** What the lock file does not say, as the packages' own licence files do. */
const LICENCES = { "async 0.2.10": "MIT" };

/** Each once: name, version and licence of all packages that are installed without the development ones. */
export function packages(lock = read("package-lock.json")) {
  const rows = Object.entries(lock.packages)
    .filter(([place, { dev }]) => place !== "" && !dev)
    .map(([place, { version, license }]) => {
      const name = place.slice(place.lastIndexOf("node_modules/") + "node_modules/".length);
      return { name, version, licence: license ?? LICENCES[`${name} ${version}`] ?? "unknown" };
    });
  const unique = new Map(rows.map((row) => [`${row.name} ${row.version}`, row]));
  return [...unique.values()].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

const HEAD = `# Works of others

Written by \`node scripts/third-party.mjs\`. [NOTICE](NOTICE) has models, films and fonts that lie in this repository.

## In the images

| what | version | licence | where its text and sources are |
| --- | --- | --- | --- |
| Debian 12 and its packages | as listed in \`/app/packages.txt\` of the image | each its own | \`/usr/share/doc/*/copyright\`; \`apt-get source NAME\` |
| FFmpeg, with the parts that Debian builds it of (x264, x265 and others) | Debian's \`ffmpeg\` | GPL-2.0-or-later as built | \`/usr/share/doc/ffmpeg/copyright\`; \`apt-get source ffmpeg\`. It is run as a program of its own |
| tini | Debian's \`tini\` | MIT | \`/usr/share/doc/tini/copyright\` |
| Node.js, with V8, libuv, OpenSSL, ICU and others | \`node --version\` | MIT and as its LICENSE lists | \`/usr/local/LICENSE\` |
| libvips and what it is built of (glib, cairo, librsvg, mozjpeg, libheif and others) | \`@img/sharp-libvips-*\` below | LGPL-3.0-or-later | \`node_modules/@img/sharp-libvips-*/README.md\`, \`versions.json\`; a library of one's own may take its place |
| ONNX Runtime | \`onnxruntime-node\` below | MIT | \`node_modules/onnxruntime-node/\` |
| OpenVINO, with \`--build-arg OPENVINO=yes\` | \`scripts/wheels.txt\` | Apache-2.0 | \`/app/openvino\` |
| CUDA, cuDNN and TensorRT, with \`--build-arg CUDA=yes\` | \`scripts/cuda-wheels.mjs\` | NVIDIA's: they may be passed on as part of an application | \`/app/cuda\` |

\`/app/sbom.cdx.json\` of an image lists its npm packages in CycloneDX; for a checkout \`npm sbom --omit dev --sbom-format cyclonedx\` does.

## npm packages

All that is installed without development packages, on whatever platform; optional ones for other platforms are not installed.

| package | version | licence |
| --- | --- | --- |
`;

export const thirdParty = () =>
  `${HEAD}${packages()
    .map(({ name, version, licence }) => `| ${name} | ${version} | ${licence} |\n`)
    .join("")}`;

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(path.join(root, "THIRD-PARTY.md"), thirdParty());
