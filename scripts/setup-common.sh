# Words and cleaning up of the scripts that fetch engines; `scratch` names what is removed at the end, if anything.
say() { printf -- '- %s\n' "$*"; }
die() {
  printf '%s\n' "$*" >&2
  exit 1
}
# wheel NAME VERSION CHECKSUM FOLDER [OPTION...]: fetches a wheel whose checksum is known, from scripts/wheels.txt or given.
wheel() {
  local name=$1 version=$2 checksum=$3 folder=$4
  shift 4
  local wanted=$scratch/wanted.txt
  if [ -n "$checksum" ]; then
    printf '%s==%s --hash=sha256:%s\n' "$name" "$version" "$checksum" >"$wanted"
  else
    sed -n "/^$name==$version /,/[^\\\\]\$/p" scripts/wheels.txt >"$wanted"
    [ -s "$wanted" ] || die "No checksum of $name $version is known here (scripts/wheels.txt); give that of its wheel, or leave the version at its default: see the head of this script."
  fi
  say "downloading $name $version from PyPI"
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --no-cache-dir --only-binary=:all: \
    --require-hashes --python-version 3.11 "$@" --dest "$folder" --requirement "$wanted" ||
    die "pip could not download $name $version; its words are above."
}
clean() { [ -z "$scratch" ] || rm -rf "$scratch"; }
trap clean EXIT
