# Words and cleaning up of the scripts that fetch engines; `scratch` names what is removed at the end, if anything.
say() { printf -- '- %s\n' "$*"; }
die() {
  printf '%s\n' "$*" >&2
  exit 1
}
clean() { [ -z "$scratch" ] || rm -rf "$scratch"; }
trap clean EXIT
