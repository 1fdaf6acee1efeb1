#!/bin/sh
# Starts one image as in a cluster - unprivileged user, read-only root, no capabilities - and waits for its
# health check:
#   sh compose/smoke.sh serving driftdesk-serving:ci
set -eu

target=$1
image=$2
name="driftdesk-smoke-$$"
secrets=$(mktemp -d)
trap 'docker rm --force --volumes "$name" >/dev/null 2>&1 || true; rm -rf "$secrets"' EXIT

secret() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n' >"$secrets/$1"; }

set -- --name "$name" --user 10001:10001 --read-only --cap-drop ALL --security-opt no-new-privileges \
    --tmpfs /tmp:mode=1777 --volume "$secrets:/run/secrets:ro" --env SECRETS_DIR=/run/secrets \
    --memory 2g --pids-limit 256

echo "$target: user"
user=$(docker run --rm --entrypoint id "$image" -u)
[ "$user" = 10001 ] || { echo "It runs as $user, not as 10001." >&2; exit 1; }

case $target in
worker)
    # It migrates a new database and exits with 0.
    chmod a+rx "$secrets"
    docker run --rm "$@" "$image" python -m workers migrate
    exit
    ;;
mlflow)
    for each in admin_password worker_password reader_password flask_server_secret_key; do
        secret "mlflow_$each"
    done
    set -- "$@" --env MLFLOW_BACKEND_STORE_URI=sqlite:////data/mlflow.db \
        --env MLFLOW_SERVER_ALLOWED_HOSTS=127.0.0.1:5000
    ;;
esac
chmod -R a+rX "$secrets"

docker run --detach "$@" "$image" >/dev/null
for _ in $(seq 90); do
    state=$(docker inspect --format '{{.State.Status}} {{.State.Health.Status}}' "$name")
    case $state in
    "running healthy")
        echo "$target: healthy"
        exit
        ;;
    running*) sleep 2 ;;
    *) break ;;
    esac
done
echo "$target is not healthy ($state). Its log:" >&2
docker logs "$name" >&2
exit 1
