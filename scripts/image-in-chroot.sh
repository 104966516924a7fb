#!/usr/bin/env bash
# Carries out deploy/Dockerfile where there is no container engine: each stage in a Debian of its own, made by debootstrap, with the release of
# Node of the tests; then runs the image's own command on the compose file's configuration, as the image's user, on a file system that is
# read-only, until frames are explained. As root, with debootstrap, unshare and nats-server:
#   bash scripts/image-in-chroot.sh FOLDER        all of it
#   bash scripts/image-in-chroot.sh FOLDER run    what was built there before, again
#   bash scripts/image-in-chroot.sh FOLDER pack   what npm packs, installed in a bare Debian that has Node alone, explains a picture there
set -euo pipefail
FOLDER=$(realpath -m "${1:?give a folder with 4 GB of room}")
ONLY=${2:-all}
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
NODE=${NODE:-$(ls -d "$ROOT"/node_modules/.cache/node-2*/bin/node 2>/dev/null | tail -1)}
[ -x "$NODE" ] || { echo "no Node of the image in node_modules/.cache; npm test fetches it" >&2; exit 1; }
mkdir -p "$FOLDER"

step() { echo "== $*"; }

# What node:24-bookworm-slim is: Debian with Node and npm. Certificates and settings of registries are this machine's.
if [ ! -e "$FOLDER/base/usr/local/bin/node" ]; then
  step "debootstrap"
  [ -e "$FOLDER/base/etc/debian_version" ] || debootstrap --variant=minbase bookworm "$FOLDER/base" >"$FOLDER/debootstrap.log"
  cp -a /etc/apt/sources.list* /etc/apt/apt.conf.d "$FOLDER/base/etc/apt/" 2>/dev/null || true
  cp -aL /etc/ssl "$FOLDER/base/etc/" && mkdir -p "$FOLDER/base/usr/local/share" && cp -aL /usr/share/ca-certificates "$FOLDER/base/usr/share/"
  cp -a "$(dirname "$(readlink -f "$(command -v npm)")")/.." "$FOLDER/base/usr/local/npm"
  for name in npm npx; do ln -sf "../npm/bin/$name-cli.js" "$FOLDER/base/usr/local/bin/$name"; done
  cp "$NODE" "$FOLDER/base/usr/local/bin/node"
fi

# Runs a command in a stage, with the network and the environment that the Dockerfile has set so far.
in_stage() {
  local stage=$1 directory=$2
  shift 2
  local more=() name file
  for file in /etc/resolv.conf /etc/hosts /etc/npmrc /root/.npmrc /etc/pip.conf "${certificates[@]#*=}"; do
    [ -f "$file" ] && more+=("$file")
  done
  unshare -m bash -c '
    stage=$1 directory=$2 files=$3; shift 3
    mount -t proc proc "$stage/proc"; mount --rbind /dev "$stage/dev"
    for file in $files; do mkdir -p "$stage$(dirname "$file")"; touch "$stage$file"; mount --bind "$file" "$stage$file"; done
    exec chroot "$stage" env -C "$directory" "$@"' - "$stage" "$directory" "${more[*]}" "$@"
}

# Authorities of this machine's own, where it has such.
certificates=()
for name in NODE_EXTRA_CA_CERTS SSL_CERT_FILE PIP_CERT; do [ -n "${!name:-}" ] && certificates+=("$name=${!name}"); done

if [ "$ONLY" = pack ]; then
  stage=$FOLDER/pack
  rm -rf --one-file-system "$stage" && cp -a "$FOLDER/base" "$stage" && mkdir "$stage/root/elsewhere"
  (cd "$ROOT" && npm pack --silent --pack-destination "$stage/root" >/dev/null)
  cp "$ROOT/docs/overlay.jpg" "$stage/root/elsewhere/part.jpg"
  in_stage "$stage" /root/elsewhere -i PATH=/usr/local/bin:/usr/bin:/bin HOME=/root "${certificates[@]}" sh -ec '
    npm init --yes >/dev/null
    npm install --ignore-scripts --no-progress --no-audit --no-fund ../video-explainer-*.tgz
    npx video-explainer --version
    npx video-explainer explain part.jpg
    node --input-type=module -e "console.log(typeof (await import(\"video-explainer/client\")).stationClient)"
    ls'
  exit
fi

declare -A values
environment=() stage="" directory=/ user="" entrypoint="" command=""
expand() { # ${NAME} of ARG, as Docker puts it in
  local text=$1 name
  for name in "${!values[@]}"; do text=${text//\$\{$name\}/${values[$name]}}; done
  echo "$text"
}

# One instruction a line: comments gone, continued lines joined.
while IFS= read -r line; do
  read -r word rest <<<"$line"
  [[ $ONLY == run && $word =~ ^(COPY|RUN)$ ]] && continue
  case $word in
    ARG) values[${rest%%=*}]=${rest#*=}; [ -n "$stage" ] && environment+=("${rest%%=*}=${rest#*=}") ;;
    FROM)
      name=$(sed -nE 's/.* AS ([a-z]+)$/\1/p' <<<"$rest"); stage=$FOLDER/${name:-image}
      step "FROM $(expand "$rest")"
      [ "$ONLY" = run ] || { rm -rf --one-file-system "$stage"; cp -a "$FOLDER/base" "$stage"; }
      environment=(PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root) directory=/ ;;
    WORKDIR) directory=$rest; mkdir -p "$stage$directory" ;;
    ENV) eval "environment+=($rest)" ;;
    COPY)
      from=$ROOT; [[ $rest == --from=* ]] && { from=$FOLDER/$(sed -E 's/--from=(\S+) .*/\1/' <<<"$rest"); rest=${rest#* }; }
      read -ra parts <<<"$rest"; to=${parts[-1]}
      for part in "${parts[@]::${#parts[@]}-1}"; do
        target=$stage$(realpath -ms "$directory/$to")
        if [ -d "$from/$part" ]; then mkdir -p "$target" && cp -a "$from/$part/." "$target/"
        else mkdir -p "$target" && cp -a "$from/$part" "$target/"; fi
      done ;;
    RUN) step "RUN $rest"; in_stage "$stage" "$directory" -i "${environment[@]}" "${certificates[@]}" sh -c "$rest" >>"$FOLDER/run.log" 2>&1 || { tail -20 "$FOLDER/run.log"; exit 1; } ;;
    USER) user=$rest ;;
    ENTRYPOINT) entrypoint=$rest ;;
    CMD) command=$rest ;;
  esac
done < <(sed -E '/^\s*(#|$)/d' "$ROOT/deploy/Dockerfile" | sed -E ':a;/\\$/{N;s/\\\n\s*/ /;ba}')

step "image: $(du -sh --exclude=proc "$stage" | cut -f1), run as $user: $entrypoint $command"
port=$((20000 + RANDOM % 5000))
nats-server --addr 127.0.0.1 --port "$port" --jetstream --store_dir "$FOLDER/nats" --auth secret-of-the-run >"$FOLDER/nats.log" 2>&1 &
nats=$!
trap 'kill $nats 2>/dev/null || true' EXIT
read -ra words < <(node -e 'console.log([...JSON.parse(process.argv[1]), ...JSON.parse(process.argv[2])].join(" "))' "$entrypoint" "$command")
mkdir -p "$stage/config" "$stage/media"
sed -E 's/port: 8080/port: 18080/; s/port: 9090/port: 19090/; s/host: 0\.0\.0\.0/host: 127.0.0.1/' "$ROOT/deploy/config.yaml" >"$FOLDER/video-explainer.yaml"
unshare -m bash -c '
  stage=$1 folder=$2 root=$3 user=$4; shift 4
  mount --bind "$stage" "$stage"; mount -t proc proc "$stage/proc"; mount --rbind /dev "$stage/dev"
  mount -t tmpfs -o mode=1777 tmpfs "$stage/tmp"; mount -t tmpfs -o uid=1000,gid=1000 tmpfs "$stage/cache"
  mount -t tmpfs tmpfs "$stage/config"; cp "$folder/video-explainer.yaml" "$stage/config/"; mount --bind "$root/assets/media" "$stage/media"
  mount -o remount,ro,bind "$stage"
  exec chroot --userspec="$user" --groups= "$stage" env -C /app -i "$@"' - \
  "$stage" "$FOLDER" "$ROOT" "$user" "${environment[@]}" NATS_URL="nats://127.0.0.1:$port" NATS_TOKEN=secret-of-the-run "${words[@]}" >"$FOLDER/worker.log" 2>&1 &
worker=$!
trap 'kill $nats $worker 2>/dev/null || true' EXIT
for _ in $(seq 300); do
  sleep 1
  kill -0 $worker 2>/dev/null || { cat "$FOLDER/worker.log"; exit 1; }
  explained=$({ curl -s http://127.0.0.1:19090/metrics || true; } | sed -nE 's/^video_explainer_station_frames_total\{outcome="explained"\} ([0-9]+)/\1/p')
  [ "${explained:-0}" -ge 50 ] && break
done
[ "${explained:-0}" -ge 50 ] || { cat "$FOLDER/worker.log"; exit 1; }
curl -s http://127.0.0.1:19090/readyz
pid=$(pgrep -P $worker node || echo $worker)
echo "user and write access: $(awk '/^Uid/{print $2}' "/proc/$pid/status"), $(chroot --userspec="$user" "/proc/$pid/root" touch /app/x 2>&1 || true)"
kill -TERM $worker
wait $worker && code=0 || code=$?
step "$explained frames explained and published; exit code $code at SIGTERM"
exit $code
